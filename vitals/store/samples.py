"""Stores numerics and waveforms under their channels.

A counter that the file has already is a repeat and harmless. What can never be stored raises
`Refused`, or whatever the tables say.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import apsw

from vitals.channels import CHANNELS
from vitals.model import Numeric, Waveform
from vitals.store import rows, waves
from vitals.store.backlog import Sample
from vitals.store.seal import Sealer

_CODES = {quality: code for code, quality in enumerate(rows.QUALITIES)}
_NUMERIC = (
    "INSERT INTO numeric(seq, channel_id, at_us, value, quality, flags, device_at_us)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_WAVE = (
    "INSERT INTO wave(seq, channel_id, start_us, rate_hz, n, scale, offset, data, quality)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


_Row = tuple[str, tuple[Any, ...]]
"""A session's uuid and the values to insert."""


class Refused(ValueError):
    """A row that can never be stored; says why."""


class Samples:
    """The numeric and wave tables of one connection, inside its transactions."""

    def __init__(self, connection: apsw.Connection, sealer: Sealer) -> None:
        self._connection = connection
        self._sealer = sealer
        self._sessions: dict[str, tuple[int, str]] = {}
        self._channels: dict[tuple[int, str, str], int] = {}

    def forget(self) -> None:
        """Must be called when a transaction or savepoint was rolled back."""
        self._sessions.clear()
        self._channels.clear()

    def session(self, uuid: str) -> tuple[int, str]:
        """The session_id and the room of a session.

        Raises:
            Refused: there is no such session.
        """
        found = self._sessions.get(uuid)
        if found is None:
            found = self._connection.execute(
                "SELECT session_id, room FROM session WHERE uuid = ?", (uuid,)
            ).fetchone()
            if found is None:
                raise Refused(f"there is no session {uuid}")
            self._sessions[uuid] = found
        return found

    def put(self, samples: Iterable[Sample]) -> int:
        """Stores samples, packets of a waveform joined to blocks; returns how many are repeats."""
        packets: list[waves.Packet] = []
        numerics: list[_Row | None] = []
        for sample in samples:
            if isinstance(sample.value, Numeric):
                numerics.append(self._numeric(sample, sample.value))
            else:
                packets.append(waves.Packet(sample.seq, sample.session, sample.value))
        blocks = [self._wave(block) for block in waves.blocks(packets)]
        return self._insert(_NUMERIC, numerics) + self._insert(_WAVE, blocks)

    def _insert(self, sql: str, rows: list[_Row | None]) -> int:
        before = self._connection.total_changes()
        new = [row for row in rows if row is not None]
        self._connection.executemany(sql, [values for _, values in new])
        for uuid, values in new:
            self._sealer.saw(uuid, values[0])
        return len(rows) - (self._connection.total_changes() - before)

    def _numeric(self, sample: Sample, value: Numeric) -> _Row | None:
        session_id, _ = self.session(sample.session)
        if self._is_sealed(sample.session, session_id, sample.seq, "numeric"):
            return None
        known = value.value is not None and math.isfinite(value.value)
        return sample.session, (
            sample.seq,
            self._channel(session_id, value),
            value.at_us,
            value.value if known else None,
            _CODES[value.quality],
            ",".join(sorted(value.flags)),
            value.device_at_us,
        )

    def _wave(self, block: waves.Packet) -> _Row | None:
        session_id, _ = self.session(block.session)
        if self._is_sealed(block.session, session_id, block.seq, "wave"):
            return None
        wave = block.wave
        coded = waves.encode(wave.values)
        return block.session, (
            block.seq,
            self._channel(session_id, wave),
            wave.start_us,
            wave.rate_hz,
            wave.values.size,
            coded.scale,
            coded.offset,
            coded.data,
            _CODES[wave.quality],
        )

    def _is_sealed(self, uuid: str, session_id: int, seq: int, table: str) -> bool:
        """Whether a sealed row comes again; a new one among sealed ones would break the seal."""
        if seq > self._sealer.last(uuid, session_id):
            return False
        if self._connection.execute(
            f"SELECT 1 FROM {table} WHERE seq = ?",  # noqa: S608 - one of two names
            (seq,),
        ).get:
            return True
        raise Refused(f"its number {seq} lies among samples that are sealed already")

    def _channel(self, session_id: int, value: Numeric | Waveform) -> int:
        key = (session_id, value.device, value.channel)
        if key not in self._channels:
            found = self._connection.execute(
                "SELECT channel_id FROM channel WHERE session_id = ? AND device = ? AND key = ?",
                key,
            ).get
            self._channels[key] = found or self._add_channel(key, value)
        return self._channels[key]

    def _add_channel(self, key: tuple[int, str, str], value: Numeric | Waveform) -> int:
        about = CHANNELS.get(value.channel)
        if about is None:
            raise Refused(f"there is no channel {value.channel!r}")
        kind, rate_hz = (
            ("wave", value.rate_hz) if isinstance(value, Waveform) else ("numeric", about.rate_hz)
        )
        self._connection.execute(
            "INSERT INTO channel(session_id, device, key, unit, kind, rate_hz, mdc, loinc)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*key, about.unit, kind, rate_hz, about.mdc, about.loinc),
        )
        return self._connection.last_insert_rowid()
