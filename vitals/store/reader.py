"""Reads the record: every call opens the file read-only, and closes it again at once.

A reader that stays open keeps the writer from folding its log into the file.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import numpy as np

from vitals.clock import US, Clock
from vitals.errors import StoreError
from vitals.model import Flag, Numeric, Quality, Session, Waveform
from vitals.store import waves
from vitals.store.connection import explain, open_for_reading, select
from vitals.store.rows import (
    QUALITIES,
    Nibp,
    NumericSeries,
    SessionRecord,
    StationRow,
    StoredAudit,
)

_SESSION = (
    "SELECT uuid, room, subject_ref, route, started_us, ended_us, mode, phase, dose_us, resumed,"
    " tz, profile_text, config_text FROM session"
)
_AUDIT = (
    "SELECT audit.n, audit.seq, audit.at_us, session.uuid, audit.room, audit.actor, audit.role,"
    " audit.kind, audit.body, audit.command_id, audit.hash"
    " FROM audit LEFT JOIN session USING (session_id)"
)
_OF_SESSION = "audit.session_id = (SELECT session_id FROM session WHERE uuid = ?)"
_LAST_US = 2**62
_MANY = 2**31
"""No chain has so many rows."""


class Reader:
    """All questions that the station, review and exports ask.

    Times are microseconds UTC; a range is from_us <= t < to_us, None for no limit. Every method
    raises StoreError when the record cannot be read.
    """

    def __init__(self, path: Path | str, *, key: bytes | None = None) -> None:
        self._path = Path(path)
        self._key = key
        self._held: apsw.Connection | None = None

    @contextmanager
    def at_one_moment(self) -> Iterator[Reader]:
        """A reader whose answers all tell the record as it stood at the first of them.

        It keeps the file open: not for longer than a few seconds.
        """
        held = Reader(self._path, key=self._key)
        held._held = open_for_reading(self._path, key=self._key)
        try:
            held._held.execute("BEGIN")
            yield held
        finally:
            held._held.close()

    def sessions(self) -> list[SessionRecord]:
        """All sessions, oldest first."""
        return [_session(row) for row in self._select(f"{_SESSION} ORDER BY started_us")]

    def open_sessions(self) -> list[SessionRecord]:
        """Sessions without an end: what a station resumes after a restart."""
        return [record for record in self.sessions() if record.state == "open"]

    def session(self, uuid: str) -> SessionRecord | None:
        """One session, None when there is none of that id."""
        found = self._select(f"{_SESSION} WHERE uuid = ?", (uuid,))
        return _session(found[0]) if found else None

    def station(self) -> StationRow | None:
        """The station's clock as last stored."""
        found = self._select("SELECT id, boot_id, anchor_us, anchor_mono_ns, speed FROM station")
        for station, boot_id, anchor_us, anchor_mono_ns, speed in found:
            return StationRow(station, boot_id, Clock(anchor_us, anchor_mono_ns, speed))
        return None

    def of_subject(self, subject_ref: str, mode: str) -> list[tuple[str, str, int]]:
        """(uuid, room, started_us) of all sessions of a pseudonym and mode, newest first."""
        found = self._select(
            "SELECT uuid, room, started_us FROM session WHERE subject_ref = ? AND mode = ?"
            " ORDER BY started_us DESC",
            (subject_ref, mode),
        )
        return [(uuid, room, started_us) for uuid, room, started_us in found]

    def extremes(
        self, uuid: str, channel: str, from_us: int, width_us: int
    ) -> list[tuple[str, int, float, float, float]]:
        """(device, bucket, lowest, highest, mean) of values that may be shown, in order of time.

        Bucket n holds from_us + n * width_us <= t < from_us + (n + 1) * width_us.
        """
        return [
            (device, bucket, low, high, mean)
            for device, bucket, low, high, mean in self._select(
                "SELECT device, (at_us - ?) / ?, min(value), max(value), avg(value)"
                " FROM numeric JOIN channel USING (channel_id) JOIN session USING (session_id)"
                " WHERE uuid = ? AND key = ? AND at_us >= ? AND value IS NOT NULL AND quality <> ?"
                " GROUP BY channel_id, 2 ORDER BY 2, 1",
                (from_us, width_us, uuid, channel, from_us, QUALITIES.index(Quality.INVALID)),
            )
        ]

    def numerics(
        self, uuid: str, channel: str, from_us: int | None = None, to_us: int | None = None
    ) -> NumericSeries:
        """All values of a channel, of whatever device, in order of time."""
        found = self._select(
            "SELECT at_us, value, quality, device, flags, device_at_us FROM numeric"
            " JOIN channel USING (channel_id) JOIN session USING (session_id)"
            " WHERE uuid = ? AND key = ? AND at_us >= ? AND at_us < ? ORDER BY at_us, seq",
            (uuid, channel, *_range(from_us, to_us)),
        )
        columns = zip(*found, strict=True) if found else [()] * 6
        at_us, value, quality, device, flags, device_at_us = columns
        return NumericSeries(
            np.array(at_us, dtype=np.int64),
            np.array(value, dtype=np.float64),  # None becomes NaN
            np.array(quality, dtype=np.uint8),
            device,
            flags,
            device_at_us,
        )

    def waves(
        self, uuid: str, channel: str, from_us: int | None = None, to_us: int | None = None
    ) -> list[Waveform]:
        """Blocks of about a second that start in the range, in order of time."""
        return [
            Waveform(device, key, start_us, rate_hz, waves.decode(*coded), QUALITIES[quality])
            for device, key, start_us, rate_hz, quality, *coded in self._select(
                "SELECT device, key, start_us, wave.rate_hz, quality, data, scale, offset"
                " FROM wave JOIN channel USING (channel_id) JOIN session USING (session_id)"
                " WHERE uuid = ? AND key = ? AND start_us >= ? AND start_us < ?"
                " ORDER BY start_us, seq",
                (uuid, channel, *_range(from_us, to_us)),
            )
        ]

    def channels(self, uuid: str) -> list[tuple[str, str]]:
        """(device, channel key) of everything that was recorded in a session."""
        found = self._select(
            "SELECT device, key FROM channel JOIN session USING (session_id) WHERE uuid = ?"
            " ORDER BY device, key",
            (uuid,),
        )
        return [(device, key) for device, key in found]

    def nibp(self, uuid: str) -> list[Nibp]:
        """Blood pressure determinations in order of time."""
        found = self._select(
            "SELECT device, at_us, sys, dia, map, quality FROM nibp"
            " WHERE session_id = (SELECT session_id FROM session WHERE uuid = ?)"
            " ORDER BY at_us, device",
            (uuid,),
        )
        return [
            Nibp(device, at_us, systolic, diastolic, mean, QUALITIES[quality])
            for device, at_us, systolic, diastolic, mean, quality in found
        ]

    def gaps(self, uuid: str, longer_s: float = 10.0) -> list[tuple[int, int]]:
        """Spans (last value before, first value after) without a value of a streaming channel."""
        found = self._select(
            "SELECT before_us, at_us FROM (SELECT at_us,"
            " lag(at_us) OVER (ORDER BY at_us) AS before_us"
            " FROM numeric JOIN channel USING (channel_id) JOIN session USING (session_id)"
            " WHERE uuid = ? AND rate_hz IS NOT NULL AND value IS NOT NULL)"
            " WHERE at_us - before_us > ?",
            (uuid, round(longer_s * US)),
        )
        return [(before_us, after_us) for before_us, after_us in found]

    def audit(self, uuid: str | None, from_n: int = 0, to_n: int = _LAST_US) -> list[StoredAudit]:
        """The audit trail of a session in order, with None what belongs to no session.

        Of the rows from_n <= n < to_n of the chain. All of a session are found by the index; a part
        is read from the chain itself, so that nobody depends on an index that is damaged.
        """
        if uuid is not None and to_n - from_n >= _MANY:
            return self._audit(_OF_SESSION, (uuid,))
        return self._audit(
            "session.uuid IS ? AND audit.n >= ? AND audit.n < ?", (uuid, from_n, to_n)
        )

    def head(self) -> str:
        """Hash of the last row of the chain, in hex; `""` in an empty record."""
        return self.end()[1]

    def end(self) -> tuple[int, str]:
        """Place and hash of the last row of the chain, (0, `""`) in an empty record."""
        found = self._select("SELECT n, hash FROM audit ORDER BY n DESC LIMIT 1")
        return (int(found[0][0]), bytes(found[0][1]).hex()) if found else (0, "")

    def last_row(self, uuid: str) -> int:
        """Place in the chain of the last row of a session, 0 when it has none."""
        ((last,),) = self._select(
            "SELECT coalesce(max(n), 0) FROM audit"
            " WHERE session_id = (SELECT session_id FROM session WHERE uuid = ?)",
            (uuid,),
        )
        return int(last)

    def counts(self, uuid: str) -> tuple[int, int]:
        """How many numerics and how many blocks of waveforms a session has."""
        found = [
            self._select(
                f"SELECT count(*) FROM {table} WHERE channel_id IN (SELECT channel_id FROM channel"  # noqa: S608 - one of two names
                " JOIN session USING (session_id) WHERE uuid = ?)",
                (uuid,),
            )
            for table in ("numeric", "wave")
        ]
        ((numerics,),), ((blocks,),) = found
        return int(numerics), int(blocks)

    def audit_by_kind(self, uuid: str | None, kinds: Collection[str]) -> list[StoredAudit]:
        """Those rows of `audit` that are of certain kinds."""
        marks = ", ".join("?" * len(kinds))
        of = "session.uuid IS ?" if uuid is None else _OF_SESSION
        return self._audit(f"{of} AND kind IN ({marks})", (uuid, *kinds))

    def around(self, room: str, to_seq: int, kinds: Collection[str]) -> list[StoredAudit]:
        """Rows of no session, of a room or of the whole station, up to a counter."""
        marks = ", ".join("?" * len(kinds))
        where = "session.uuid IS NULL AND audit.room IN ('', ?) AND audit.seq < ?"
        return self._audit(f"{where} AND kind IN ({marks})", (room, to_seq, *kinds))

    def inputs(self, uuid: str, *, by_hand: bool = False) -> list[tuple[int, Numeric]]:
        """(station's counter, value) of every numeric that a device gave, as it came.

        What a person has entered or claimed is no input but the effect of a command: `by_hand`
        reads that.
        """
        found = self._select(
            "SELECT seq, device, key, at_us, value, quality, flags, device_at_us FROM numeric"
            " JOIN channel USING (channel_id) JOIN session USING (session_id)"
            " WHERE uuid = ? AND (device = '' OR flags LIKE '%claimed%') = ? ORDER BY seq",
            (uuid, by_hand),
        )
        return [
            (seq, Numeric(device, key, at_us, value, QUALITIES[quality], _flags(flags), theirs))
            for seq, device, key, at_us, value, quality, flags, theirs in found
        ]

    def result_of(self, command_id: str) -> StoredAudit | None:
        """The row that answered a command, None when it was never recorded."""
        found = self._audit("command_id = ?", (command_id,))
        return found[0] if found else None

    def answers(self, most: int) -> list[StoredAudit]:
        """The latest rows that answered a command, oldest first."""
        return self._audit(
            "audit.n IN (SELECT n FROM audit WHERE command_id IS NOT NULL ORDER BY n DESC LIMIT ?)",
            (most,),
        )

    def notes(self) -> list[str]:
        """What is not in a copy of a part of a record, in sentences; a record has none."""
        there = "SELECT 1 FROM sqlite_schema WHERE name = 'copy_note'"
        if not self._select(there):
            return []
        return [str(text) for (text,) in self._select("SELECT text FROM copy_note")]

    def last_seq(self) -> int:
        """The highest counter that anything in the record has, 0 in an empty one."""
        ((last,),) = self._select(
            "SELECT max(coalesce((SELECT max(seq) FROM numeric), 0),"
            " coalesce((SELECT max(seq) FROM wave), 0),"
            " coalesce((SELECT max(seq) FROM audit), 0))"
        )
        return int(last)

    def _audit(self, where: str, values: Sequence[object]) -> list[StoredAudit]:
        found = self._select(f"{_AUDIT} WHERE {where} ORDER BY audit.n", values)
        return [stored_audit(row) for row in found]

    def _select(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        connection = self._held or open_for_reading(self._path, key=self._key)
        try:
            return select(connection, sql, values)
        except (apsw.Error, UnicodeDecodeError) as error:
            raise StoreError(explain(error, self._path)) from error
        finally:
            if connection is not self._held:
                connection.close()


def _flags(joined: str) -> frozenset[Flag]:
    return frozenset(Flag(word) for word in joined.split(",") if word)


def stored_audit(row: tuple[Any, ...]) -> StoredAudit:
    """An audit row from its columns in the order of `StoredAudit`."""
    *before, body, command_id, digest = row
    n, seq, at_us, session, room, actor, role, kind = before
    return StoredAudit(
        n, seq, at_us, session, room, actor, role, kind, json.loads(body), command_id, digest
    )


def _session(row: tuple[Any, ...]) -> SessionRecord:
    uuid, room, subject, route, started, ended, mode, phase, dose, resumed, *texts = row
    session = Session(uuid, room, subject, route, started, ended, mode, phase, dose, resumed)
    return SessionRecord(session, *texts)


def _range(from_us: int | None, to_us: int | None) -> tuple[int, int]:
    return -_LAST_US if from_us is None else from_us, _LAST_US if to_us is None else to_us
