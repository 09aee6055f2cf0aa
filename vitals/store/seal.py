"""Seals: what ties the samples, which are not in the audit chain themselves, to it.

A seal is an audit row of one session with the body `{from_seq, to_seq, rows, sha256}`. The hash
is SHA-256 over lines of JSON, each without spaces and ended by a line feed, of that session's
rows with from_seq <= seq <= to_seq:

    ["channel",channel_id,device,key,unit,kind,rate_hz,mdc,loinc]     all channels that occur
    ["numeric",seq,channel_id,at_us,value,quality,flags,device_at_us]
    ["wave",seq,channel_id,start_us,rate_hz,n,scale,offset,quality,SHA-256 of data in hex]

channels by channel_id, then numerics by seq, then waves by seq. `rows` counts numerics and
waves. The ranges of a session's seals grow and do not overlap.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import apsw

from vitals.store.audit import append, canonical
from vitals.store.connection import select
from vitals.store.rows import SEAL

_line = json.JSONEncoder(separators=(",", ":")).encode
_OF_SESSION = "channel_id IN (SELECT channel_id FROM channel WHERE session_id = ?)"


class Digest(NamedTuple):
    """Number of numeric and wave rows and the SHA-256 over them, in hex."""

    rows: int
    sha256: str


def digest(
    connection: apsw.Connection,
    session_id: int,
    from_seq: int,
    to_seq: int,
    tables: Collection[str] = ("numeric", "wave"),
) -> Digest:
    """Hashes a session's samples, or those of some tables, as they stand in the file."""
    total = hashlib.sha256()
    count = 0
    for row in _rows(connection, session_id, from_seq, to_seq, tables):
        count += row[0] != "channel"
        total.update(_line(row).encode())
        total.update(b"\n")
    return Digest(count, total.hexdigest())


def _rows(
    connection: apsw.Connection,
    session_id: int,
    from_seq: int,
    to_seq: int,
    tables: Collection[str],
) -> Iterator[tuple[Any, ...]]:
    def own(select: str) -> Iterator[tuple[Any, ...]]:
        # + keeps SQLite to the rows in the range: the index by channel would visit them all.
        return connection.execute(
            f"{select} WHERE seq BETWEEN ? AND ? AND +{_OF_SESSION} ORDER BY seq",
            (from_seq, to_seq, session_id),
        )

    numerics = (
        list(
            own(
                "SELECT 'numeric', seq, channel_id, at_us, value, quality, flags, device_at_us"
                " FROM numeric"
            )
        )
        if "numeric" in tables
        else []
    )
    waves = [
        (*row[:-1], hashlib.sha256(row[-1]).hexdigest())
        for row in own(
            "SELECT 'wave', seq, channel_id, start_us, rate_hz, n, scale, offset, quality, data"
            " FROM wave"
        )
        if "wave" in tables
    ]
    used = {row[2] for row in (*numerics, *waves)}
    for channel in connection.execute(
        "SELECT 'channel', channel_id, device, key, unit, kind, rate_hz, mdc, loinc"
        " FROM channel WHERE session_id = ? ORDER BY channel_id",
        (session_id,),
    ):
        if channel[1] in used:
            yield channel
    yield from numerics
    yield from waves


def sealed_to(connection: apsw.Connection, session_id: int) -> int:
    """The last `seq` that the session's seals cover, 0 without one."""
    found = select(
        connection,
        "SELECT body ->> 'to_seq' FROM audit WHERE n ="
        " (SELECT max(n) FROM audit WHERE session_id = ? AND kind = ? AND seq IS NULL)",
        (session_id, SEAL),
    )
    return int(found[0][0]) if found else 0


class Sealer:
    """Knows which committed samples no seal covers yet, and seals them."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._sealed_to: dict[str, int] = {}
        self.open: dict[str, tuple[int, int]] = {}
        """Session -> range of `seq` that waits for its seal."""
        sessions = "SELECT session_id, uuid FROM session WHERE state = 'open'"
        for session_id, uuid in select(connection, sessions):
            for table in ("numeric", "wave"):
                ((first, last),) = select(
                    connection,
                    f"SELECT min(seq), max(seq) FROM {table} WHERE seq > ? AND {_OF_SESSION}",  # noqa: S608
                    (sealed_to(connection, session_id), session_id),
                )
                if first is not None:
                    self.saw(uuid, first)
                    self.saw(uuid, last)

    def saw(self, uuid: str, seq: int) -> None:
        """Takes note of a sample that was stored."""
        first, last = self.open.get(uuid, (seq, seq))
        self.open[uuid] = (min(first, seq), max(last, seq))

    def last(self, uuid: str, session_id: int) -> int:
        """The last `seq` of the session under a seal."""
        if uuid not in self._sealed_to:
            self._sealed_to[uuid] = sealed_to(self._connection, session_id)
        return self._sealed_to[uuid]

    def seal(self, sessions: Collection[tuple[str, int, str]], at_us: int) -> None:
        """Seals those of the sessions (uuid, session_id, room) that have something to seal."""
        for uuid, session_id, room in sessions:
            if uuid not in self.open:
                continue
            from_seq, to_seq = self.open.pop(uuid)
            found = digest(self._connection, session_id, from_seq, to_seq)
            append(
                self._connection,
                kind=SEAL,
                at_us=at_us,
                session_id=session_id,
                session=uuid,
                room=room,
                body=canonical({"from_seq": from_seq, "to_seq": to_seq, **found._asdict()}),
            )
            self._sealed_to[uuid] = to_seq

    def snapshot(self) -> dict[str, tuple[int, int]]:
        """What to give back to `restore` when the transaction fails."""
        return dict(self.open)

    def restore(self, snapshot: dict[str, tuple[int, int]]) -> None:
        """Forgets what a transaction that failed had done."""
        self.open = snapshot
        self._sealed_to.clear()
