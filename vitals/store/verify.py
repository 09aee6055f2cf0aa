"""Checks that a record is what the station wrote.

Four things, and the first broken place of them in one sentence: the file's structure and schema,
the audit chain, the summary rows against the facts in the chain, the samples against their seals.
What it cannot see: bytes that hold nothing, samples that no seal covers yet (counted), and a tail
cut off together with its audit rows, unless the caller knows a later head.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw

from vitals.errors import StoreError
from vitals.store import anchor as anchors
from vitals.store import facts, rows
from vitals.store.anchor import Anchored
from vitals.store.audit import GENESIS, row_hash
from vitals.store.connection import RecordUnavailable, explain, open_for_reading, select
from vitals.store.keys import KeyUnavailable
from vitals.store.retention import forgotten, in_force
from vitals.store.schema import MIGRATIONS
from vitals.store.seal import Digest
from vitals.store.seal import digest as digest_of
from vitals.store.seal_halves import digests_of


@dataclass(frozen=True, slots=True)
class Verification:
    """Result of `verify`.

    Attributes:
        broken: the file and its first broken place in one sentence, `""` when all is well.
        head: hash of the last audit row, in hex; `""` when it could not be read.
        audit_rows: rows in the chain.
        sealed: numeric and wave rows under a seal.
        unsealed: rows that no seal covers yet: committed, but a change would not be seen.
        anchored: lines of the anchor that are still true.
        forgotten: a sentence for each session whose samples were deleted as they should be.
    """

    broken: str
    head: str = ""
    audit_rows: int = 0
    sealed: int = 0
    unsealed: int = 0
    anchored: int = 0
    forgotten: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing broken was found."""
        return not self.broken


class _Broken(Exception):
    pass


_CACHE_KIB = 64 * 1024
"""For the check of the structure, which goes from every row to its place in each index."""


_TELL_ROWS = 1_000
"""Rows of the audit trail after which it is told how far the check is."""


def _nobody(text: str) -> None:
    return


def verify(
    path: Path | str,
    *,
    key: bytes | None = None,
    head: str = "",
    anchor: Path | None = None,
    tell: Callable[[str], None] = _nobody,
) -> Verification:
    """Checks a record; it may be in use meanwhile.

    Args:
        path: the file.
        key: as for opening it.
        head: a head seen earlier (on a report, say): it must still be in the chain.
        anchor: the file of `vitals.store.anchor`: every line of it must still be true.
        tell: is given from time to time, in a few words, how far it is.

    Raises:
        StoreError: there is no such file, its key is away, or the anchor cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise StoreError(f"{path}: there is no such record; check the path")
    lines = anchors.read(anchor)[0] if anchor is not None else []
    try:
        with (
            closing(open_for_reading(path, key=key)) as connection,
            closing(open_for_reading(path, key=key)) as other,
            ThreadPoolExecutor(1, "structure") as beside,
        ):
            # SQLite lets go of Python while it checks: the rest goes on at the same time.
            structure = beside.submit(_structure, other)
            found = _content(connection, path, key, _Known(head.lower(), lines), tell)
            tell("Checking the structure of the file")
            problem = structure.result()
    except (RecordUnavailable, KeyUnavailable):
        raise
    except StoreError as error:
        return Verification(str(error))
    except (apsw.BusyError, apsw.LockedError) as error:
        raise RecordUnavailable(explain(error, path)) from error
    return Verification(f"{path}: {problem}") if problem else found


class _Known:
    """What was seen of the chain earlier, in other places, and is held against it row by row."""

    def __init__(self, head: str, lines: Sequence[Anchored]) -> None:
        self._head = head
        self._lines: dict[int, list[Anchored]] = defaultdict(list)
        for one in lines:
            self._lines[one.n].append(one)
        self._seen = not head
        self._why = ""

    @property
    def anchored(self) -> int:
        """How many lines the anchor has."""
        return sum(map(len, self._lines.values()))

    def row(self, fields: Mapping[str, Any], stored: bytes) -> None:
        """The next row of the chain."""
        text, n = stored.hex(), fields["n"]
        self._seen = self._seen or text == self._head
        if fields["kind"] == rows.QUARANTINE and n == 1:
            self._why = "; this file took the place of a damaged one"
        elif fields["kind"] == "station_event" and '"event":"restored"' in fields["body"]:
            self._why = f"; a backup was restored, as audit row {n} says"
        for one in self._lines.get(n, ()):
            if one.head != text:
                raise _Broken(
                    f"audit row {n} is not the one that the anchor saw at {one.time}: the chain "
                    f"was written anew, or another record took its place{self._why}"
                )

    def end(self, n: int) -> None:
        """There are no more rows than n."""
        beyond = min((one for one in self._lines if one > n), default=0)
        if beyond:
            raise _Broken(
                f"the anchor saw audit row {beyond} at {self._lines[beyond][0].time}, and the "
                f"record ends with row {n}: its end was cut off, or an older copy took its "
                f"place{self._why}"
            )
        if not self._seen:
            raise _Broken(
                f"the head {self._head} is not in the record: its end was cut off or replaced"
            )


def _content(
    connection: apsw.Connection,
    path: Path,
    key: bytes | None,
    known: _Known,
    tell: Callable[[str], None],
) -> Verification:
    try:
        return _check(connection, path, key, known, tell)
    except (apsw.BusyError, apsw.LockedError):
        raise
    except (apsw.Error, UnicodeError, ValueError, TypeError, LookupError) as error:
        return Verification(f"{path}: the record is damaged and cannot be read ({error})")


def _check(
    connection: apsw.Connection,
    path: Path,
    key: bytes | None,
    known: _Known,
    tell: Callable[[str], None],
) -> Verification:
    connection.execute("BEGIN")  # one state of the file for all checks
    audit_rows, last, sealed, unsealed = 0, "", 0, 0
    try:
        _schema(connection)
        audit_rows, last = _chain(connection, known, tell)
        _summaries(connection)
        sealed, unsealed = _seals(connection, path, key, tell)
    except _Broken as error:
        return Verification(f"{path}: {error}", last, audit_rows)
    gone = forgotten(connection)
    return Verification("", last, audit_rows, sealed, unsealed, known.anchored, gone)


def _structure(connection: apsw.Connection) -> str:
    """What is wrong with the file as a database, `""` when nothing is."""
    try:
        connection.pragma("cache_size", -_CACHE_KIB)
        ((problem,),) = select(connection, "PRAGMA integrity_check(1)")
    except (apsw.BusyError, apsw.LockedError):
        raise
    except (apsw.Error, UnicodeError) as error:
        problem = str(error)
    return "" if problem == "ok" else f"the file's structure is damaged: {problem}"


def _schema(connection: apsw.Connection) -> None:
    for table, rowid, parent, _ in select(connection, "PRAGMA foreign_key_check"):
        raise _Broken(f"row {rowid} of {table} belongs to a {parent} that is not there")
    schema = "SELECT type, name, tbl_name, sql FROM sqlite_schema"
    pattern = apsw.Connection(":memory:")
    try:
        for script in MIGRATIONS:
            pattern.execute(script)
        wanted = set(select(pattern, schema))
    finally:
        pattern.close()
    for kind, name, *_ in sorted(wanted ^ set(select(connection, schema)), key=repr):
        raise _Broken(f"the {kind} {name} of the database is not as this program made it")


def _chain(
    connection: apsw.Connection, known: _Known, tell: Callable[[str], None]
) -> tuple[int, str]:
    n, prev = 0, GENESIS
    ((last,),) = select(connection, "SELECT max(n) FROM audit")
    for row in connection.execute(
        f"SELECT {', '.join(_COLUMNS)} FROM audit LEFT JOIN session USING (session_id)"  # noqa: S608
        " ORDER BY audit.n"
    ):
        fields: dict[str, Any] = {
            column.rpartition(".")[2]: value for column, value in zip(_COLUMNS, row, strict=True)
        }
        fields["session"] = fields.pop("uuid")
        n += 1
        if n % _TELL_ROWS == 1:
            tell(f"Checking the audit trail: row {n:,} of {last:,}")
        if fields["n"] != n:
            raise _Broken(f"audit row {n} is missing")
        if fields["prev"] != prev:
            raise _Broken(f"{_name(fields)} does not follow the row before it")
        stored = fields.pop("hash")
        if row_hash(**fields) != stored:
            raise _Broken(f"{_name(fields)} was changed after it was recorded")
        prev = stored
        known.row(fields, stored)
    known.end(n)
    return n, prev.hex()


_COLUMNS = (
    "audit.n",
    "audit.prev",
    "audit.hash",
    "audit.seq",
    "audit.at_us",
    "session.uuid",
    "audit.room",
    "audit.actor",
    "audit.role",
    "audit.kind",
    "audit.body",
    "audit.command_id",
)


def _name(fields: dict[str, Any]) -> str:
    name, at_us = f"audit row {fields['n']} ({fields['kind']}", fields["at_us"]
    if not 0 <= at_us < 2**53:  # a damaged number names no date
        return f"{name})"
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)
    return f"{name}, {at:%Y-%m-%d %H:%M:%S} UTC)"


def _summaries(connection: apsw.Connection) -> None:
    for what, told, stands in (
        ("session", *facts.of_sessions(connection)),
        ("station", *facts.of_stations(connection)),
    ):
        for key in sorted(told.keys() | stands.keys()):
            if told.get(key) != stands.get(key):
                raise _Broken(f"the row of {what} {key} is not what the audit trail says")


def _seals(
    connection: apsw.Connection, path: Path, key: bytes | None, tell: Callable[[str], None]
) -> tuple[int, int]:
    names = dict(select(connection, "SELECT session_id, uuid FROM session ORDER BY session_id"))
    seals: dict[int, list[tuple[str, int, str]]] = {session: [] for session in names}
    for session, kind, n, body in select(
        connection,
        "SELECT session_id, kind, n, body FROM audit WHERE kind IN (?, ?) AND seq IS NULL"
        " ORDER BY n",
        (rows.SEAL, rows.FORGOTTEN),
    ):
        seals[session].append((kind, n, body))
    told = {session: in_force(found) for session, found in seals.items()}
    ranges = {
        session: [(seal["from_seq"], seal["to_seq"]) for _, seal in seals]
        for session, seals in told.items()
    }
    totals = _totals(connection)
    sealed = unsealed = 0

    def read(share: float) -> None:
        tell(f"Checking the samples: {share:.0%}")

    for session, digests in digests_of(connection, ranges, path, key, read).items():
        for (n, seal), digest in zip(told[session], digests, strict=True):
            wanted = Digest(seal["rows"], seal["sha256"])
            # What another process has read may have been forgotten since this check began.
            if digest != wanted != digest_of(connection, session, seal["from_seq"], seal["to_seq"]):
                raise _Broken(
                    f"session {names[session]}: samples {seal['from_seq']} to {seal['to_seq']} "
                    f"were changed after they were sealed by audit row {n}"
                )
        under_seal, total = sum(digest.rows for digest in digests), totals.get(session, 0)
        behind = 0
        if total != under_seal:
            last = ranges[session][-1][1] if digests else -(2**63)
            behind = _behind(connection, session, last)
        if under_seal + behind != total or (behind and _gone(told[session])):
            raise _Broken(
                f"session {names[session]}: there are samples between those that were sealed"
            )
        sealed, unsealed = sealed + under_seal, unsealed + behind
    return sealed, unsealed


def _gone(seals: Sequence[tuple[int, dict[str, Any]]]) -> bool:
    """Whether samples of the session were forgotten, so that none can come any more."""
    return any("what" in seal for _, seal in seals)


def _totals(connection: apsw.Connection) -> dict[int, int]:
    """Samples of each session that has any."""
    found: dict[int, int] = {}
    for table in ("numeric", "wave"):
        for session, count in select(
            connection,
            "SELECT session_id, sum(rows) FROM channel JOIN (SELECT channel_id, count(*) AS rows"  # noqa: S608
            f" FROM {table} GROUP BY channel_id) USING (channel_id) GROUP BY session_id",
        ):
            found[session] = found.get(session, 0) + count
    return found


def _behind(connection: apsw.Connection, session: int, last: int) -> int:
    """Samples of a session beyond a counter."""
    return sum(
        count
        for table in ("numeric", "wave")
        for (count,) in select(
            connection,
            f"SELECT count(*) FROM {table} WHERE seq > ? AND channel_id IN"  # noqa: S608
            " (SELECT channel_id FROM channel WHERE session_id = ?)",
            (last, session),
        )
    )
