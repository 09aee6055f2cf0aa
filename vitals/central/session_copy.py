"""One session of the centre as a record of its own, for everything that reads records.

It has the session's row, its channels, all of its rows of the audit chain with their places and
hashes, its numerics, and its waveforms where they have come; of no session, only what a replay
asks for. It is a piece of a chain: the rows of other sessions between are not in it, so the whole
chain is checked in PostgreSQL. What has not come yet stands in it in sentences (`copy_note`),
which everything that is made of it repeats.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw

from vitals.central import session_files
from vitals.central.session_find import Found
from vitals.export import times
from vitals.replay import AROUND
from vitals.store.connection import check_version, select
from vitals.store.rows import SESSION_ROW, STATION_ROW
from vitals.store.schema import APPLICATION_ID, MIGRATIONS

if TYPE_CHECKING:
    from psycopg import Connection

_NAME = "CREATE TABLE copy(state TEXT NOT NULL, last_n INTEGER NOT NULL, last_seq INTEGER NOT NULL)"
_NOTE = "CREATE TABLE copy_note(text TEXT NOT NULL)"
_MOST_AROUND = 20_000
"""Rows of no session: the newest before the session's last."""
_FARTHEST_US = 30 * 86_400_000_000
"""A sample's own time is never farther from its session: it bounds which days are looked at."""
_BLOCKS_OF_ONE = 16
"""Blocks that one transaction can have been divided into, one for each day."""
_SESSION = (
    "uuid", "room", "subject_ref", "route", "mode", "phase", "started_us", "ended_us", "dose_us",
    "tz", "state", "resumed", "profile_text", "config_text",
)  # fmt: skip
_CHANNEL = ("channel_id", "device", "key", "unit", "kind", "rate_hz", "mdc", "loinc")
_AUDIT = (
    "n", "seq", "at_us", "room", "actor", "role", "kind", "command_id", "body", "prev", "hash",
)  # fmt: skip
_NUMERIC = ("seq", "channel_id", "at_us", "value", "quality", "flags", "device_at_us")
_WAVE = (
    "seq", "channel_id", "start_us", "rate_hz", "n", "scale", "offset", "data", "quality",
)  # fmt: skip

_OF = "station = %(station)s AND record = %(record)s"
_OWN = f"""
SELECT {", ".join(_AUDIT)} FROM kap.audit
WHERE {_OF} AND session = %(uuid)s AND n > %(after_n)s ORDER BY n
"""  # noqa: S608
_AROUND = f"""
SELECT * FROM (SELECT {", ".join(_AUDIT)} FROM kap.audit
    WHERE {_OF} AND session IS NULL AND n > %(after_n)s AND n < %(last_n)s
        AND kind = ANY(%(kinds)s) AND room = ANY(%(rooms)s)
    ORDER BY n DESC LIMIT {_MOST_AROUND}) newest ORDER BY n
"""  # noqa: S608
_STATION = f"""
SELECT body FROM kap.audit WHERE {_OF} AND session IS NULL AND kind = '{STATION_ROW}'
    AND n <= %(last_n)s ORDER BY n DESC LIMIT 1
"""  # noqa: S608
_LAST_BLOCK = f"""
SELECT max(last_seq) FROM (SELECT last_seq FROM kap.block
    WHERE {_OF} AND last_seq >= %(to_seq)s AND first_us >= %(from_us)s AND first_us < %(to_us)s
    ORDER BY last_seq LIMIT {_BLOCKS_OF_ONE}) next
"""  # noqa: S608
_SAMPLES = f"""
SELECT u.seq, u.channel_id, u.at_us, u.value, u.quality, coalesce(u.flags, ''), u.device_at_us
FROM kap.block b
CROSS JOIN LATERAL unnest(b.seq, b.channel_id, b.at_us, b.value, b.quality, b.flags,
    b.device_at_us) AS u(seq, channel_id, at_us, value, quality, flags, device_at_us)
WHERE b.{_OF.replace("AND ", "AND b.")} AND b.last_seq >= %(from_seq)s
    AND b.last_seq <= %(last_block)s AND b.first_us >= %(from_us)s AND b.first_us < %(to_us)s
    AND u.channel_id = ANY(%(channels)s) AND u.seq >= %(from_seq)s AND u.seq <= %(to_seq)s
"""  # noqa: S608
_LAG = "SELECT lag_rows FROM kap.latest WHERE station = %(station)s AND record = %(record)s"
_FILED = f"SELECT n FROM kap.watermark WHERE {_OF} AND lane = 'file'"  # noqa: S608
_EVERY = 2**62


def state_of(path: Path) -> str:
    """Of which state of the session a copy is, `""` where there is none that can be read."""
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    except apsw.Error:
        return ""
    try:
        found = connection.execute("SELECT state FROM copy").get
        return str(found or "")
    except apsw.Error:
        return ""
    finally:
        connection.close()


def notes_of(path: Path) -> list[str]:
    """What has not come to the centre of a copied session, in sentences.

    Raises:
        apsw.Error: it cannot be read.
    """
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return [str(text) for (text,) in connection.execute("SELECT text FROM copy_note")]
    finally:
        connection.close()


def write(connection: Connection[Any], found: Found, path: Path) -> None:
    """Writes a copy into a file that is empty, or an older copy of the same session.

    What an older one has is not asked for again: neither rows nor samples ever change.

    Args:
        connection: in the transaction in which the session was found.
        found: the session.
        path: the file; nobody else reads it yet.

    Raises:
        psycopg.Error: the database cannot be asked.
        apsw.Error: the file cannot be written, or is no older copy.
        CentralError: the waveforms cannot be read.
    """
    check_version()
    file = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        # Written whole or not at all: what is half done is thrown away by whoever called.
        file.pragma("journal_mode", "off")
        file.pragma("synchronous", "off")
        file.pragma("recursive_triggers", True)
        with file:
            _Copying(connection, found, file).go()
    finally:
        file.close()


class _Copying:
    def __init__(self, connection: Connection[Any], found: Found, file: apsw.Connection) -> None:
        self._connection, self._found, self._file = connection, found, file
        self._at: dict[str, Any] = {
            "station": found.station,
            "record": found.record,
            "uuid": found.uuid,
            "last_n": found.last_n,
        }

    def go(self) -> None:
        if not self._file.pragma("user_version"):
            self._make()
        ((after_n, after_seq),) = select(self._file, "SELECT last_n, last_seq FROM copy")
        self._summary()
        channels = self._channels()
        self._trail(after_n)
        self._station()
        numerics = [number for number, kind in channels.items() if kind == "numeric"]
        self._numerics(numerics, after_seq)
        self._waves()
        self._file.execute("DELETE FROM copy_note")
        self._file.executemany(
            "INSERT INTO copy_note VALUES (?)", [(text,) for text in self._notes(channels)]
        )
        last_seq = self._file.execute("SELECT coalesce(max(seq), 0) FROM numeric").get
        self._file.execute(
            "UPDATE copy SET state = ?, last_n = ?, last_seq = ?",
            (self._found.state, self._found.last_n, last_seq),
        )

    def _make(self) -> None:
        for script in MIGRATIONS:
            self._file.execute(script)
        # A piece of a chain has not every place of it.
        self._file.execute(f"DROP TRIGGER audit_appends; {_NAME}; {_NOTE}")
        self._file.execute("INSERT INTO copy VALUES ('', 0, 0)")
        self._file.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        self._file.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _ask(self, sql: str, **more: object) -> Iterator[tuple[Any, ...]]:
        return iter(self._connection.execute(sql.encode(), {**self._at, **more}))

    def _insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Adds rows; one that is there already stays."""
        marks = ", ".join("?" * len(columns))
        self._file.executemany(
            f"INSERT OR IGNORE INTO {table}({', '.join(columns)}) VALUES ({marks})",  # noqa: S608
            rows,
        )

    def _summary(self) -> None:
        (row,) = self._ask(
            f"SELECT {', '.join(_SESSION)} FROM kap.session WHERE {_OF} AND uuid = %(uuid)s"  # noqa: S608
        )
        sets = ", ".join(f"{name} = excluded.{name}" for name in _SESSION)
        marks = ", ".join("?" * len(_SESSION))
        self._file.execute(
            f"INSERT INTO session(session_id, {', '.join(_SESSION)}) VALUES (1, {marks})"  # noqa: S608
            f" ON CONFLICT(session_id) DO UPDATE SET {sets}",
            row,
        )

    def _channels(self) -> dict[int, str]:
        """Kind of each of the session's channels."""
        rows = list(
            self._ask(
                f"SELECT {', '.join(_CHANNEL)} FROM kap.channel"  # noqa: S608
                f" WHERE {_OF} AND session = %(uuid)s ORDER BY channel_id"
            )
        )
        self._insert("channel", (*_CHANNEL, "session_id"), ((*row, 1) for row in rows))
        return {row[0]: row[4] for row in rows}

    def _trail(self, after_n: int) -> None:
        columns = (*_AUDIT, "session_id")
        known = self._rooms()
        own = self._ask(_OWN, after_n=after_n)
        self._insert("audit", columns, ((*row, 1) for row in own))
        rooms = self._rooms()
        from_n = after_n if rooms <= known else 0  # it has moved
        around = self._ask(_AROUND, after_n=from_n, kinds=list(AROUND), rooms=sorted(rooms))
        self._insert("audit", columns, ((*row, None) for row in around))

    def _rooms(self) -> set[str]:
        """Where the session has been, and `""`: the station as a whole."""
        found = self._file.execute("SELECT DISTINCT room FROM audit WHERE session_id = 1")
        return {"", self._found.room, *(room for (room,) in found)}

    def _station(self) -> None:
        for (body,) in self._ask(_STATION):
            told = json.loads(body)
            columns = ("id", "boot_id", "anchor_us", "anchor_mono_ns", "speed")
            self._file.execute("DELETE FROM station")
            self._insert("station", columns, [[told[name] for name in columns]])

    def _numerics(self, channels: list[int], after_seq: int) -> None:
        found = self._found
        first, last = found.sealed or (found.opened_seq, _EVERY)
        end_us = 2**53 if found.ended_us is None else found.ended_us + _FARTHEST_US
        span = {"from_us": found.started_us - _FARTHEST_US, "to_us": end_us, "to_seq": last}
        ((last_block,),) = self._ask(_LAST_BLOCK, **span)
        rows = self._ask(
            _SAMPLES,
            **span,
            from_seq=max(first, after_seq + 1),
            last_block=_EVERY if last_block is None else last_block,
            channels=channels,
        )
        self._insert("numeric", _NUMERIC, sorted(rows, key=itemgetter(0)))

    def _waves(self) -> None:
        have = self._file.execute("SELECT DISTINCT channel_id FROM wave").fetchall()
        missing = sorted(set(self._found.files) - {number for (number,) in have})
        for number, parquet in self._ask(
            f"SELECT channel_id, parquet FROM kap.file WHERE {_OF} AND session = %(uuid)s"  # noqa: S608
            " AND channel_id = ANY(%(missing)s) ORDER BY 1",
            missing=missing,
        ):
            lines = session_files.decode(parquet)
            rows = (
                (
                    *(one.seq, number, one.start_us, one.rate_hz, one.n, one.scale, one.offset),
                    *(one.data, one.quality),
                )
                for one in lines
            )
            self._insert("wave", _WAVE, rows)

    def _filed(self) -> bool:
        """Whether its station has sent what a closed session leaves.

        Before, not even the channels of its waveforms are known here.
        """
        closed = self._file.execute(
            "SELECT min(n) FROM audit WHERE session_id = 1 AND kind = ?"
            " AND seq IS NULL AND body ->> 'state' = 'closed'",
            (SESSION_ROW,),
        ).get
        return any(n >= (closed or 0) for (n,) in self._ask(_FILED))

    def _notes(self, channels: dict[int, str]) -> Iterator[str]:
        found = self._found
        waves = {number for number, kind in channels.items() if kind == "wave"}
        come = len(waves & set(found.files))
        if found.ended_us is None:
            at = self._file.execute("SELECT max(at_us) FROM audit WHERE session_id = 1").get
            at = max(at or 0, self._file.execute("SELECT max(at_us) FROM numeric").get or 0)
            until = f"{times.moment(at, times.zone(found.tz)):%H:%M:%S}"
            yield (
                f"The session goes on: this is what had come to the centre until {until}; "
                "waveforms come when it is closed."
            )
            return
        if come < len(waves) or not self._filed():
            yield (
                "The waveforms of this session are not at the centre yet: they come when all else "
                "has been sent; its station has them."
            )
        have = sum(
            self._file.execute(f"SELECT count(*) FROM {table}").get  # noqa: S608 - one of two
            for table in ("numeric", "wave")
        )
        missing = 0 if found.forgotten else found.samples - have  # the audit trail says that
        coming = sum(lag for (lag,) in self._ask(_LAG)) if missing > 0 else 0
        if coming and found.sealed and found.numeric_to < found.sealed[1]:
            yield (
                "Vital signs of this session may still be on their way to the centre: its station "
                f"has {coming} rows to send."
            )
        elif missing > 0 and come == len(waves) and self._filed():
            yield (
                f"{missing} of {found.samples} recorded samples of this session are not at the "
                "centre: it keeps them no longer, or never had them."
            )
