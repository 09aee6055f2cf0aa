"""Checks that a record is what the station wrote.

Four things, and the first broken place of them in one sentence: the file's structure and schema,
the audit chain, the summary rows against the facts in the chain, the samples against their seals.
What it cannot see: bytes that hold nothing, samples that no seal covers yet (counted), and a tail
cut off together with its audit rows, unless the caller knows a later head.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw

from vitals.errors import StoreError
from vitals.store import facts, rows
from vitals.store.audit import GENESIS, row_hash
from vitals.store.connection import RecordUnavailable, explain, open_for_reading, select
from vitals.store.keys import KeyUnavailable
from vitals.store.schema import MIGRATIONS
from vitals.store.seal import Digest
from vitals.store.seal_check import check


@dataclass(frozen=True, slots=True)
class Verification:
    """Result of `verify`.

    Attributes:
        broken: the file and its first broken place in one sentence, `""` when all is well.
        head: hash of the last audit row, in hex; `""` when it could not be read.
        audit_rows: rows in the chain.
        sealed: numeric and wave rows under a seal.
        unsealed: rows that no seal covers yet: committed, but a change would not be seen.
    """

    broken: str
    head: str = ""
    audit_rows: int = 0
    sealed: int = 0
    unsealed: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing broken was found."""
        return not self.broken


class _Broken(Exception):
    pass


_CACHE_KIB = 64 * 1024
"""For the check of the structure, which goes from every row to its place in each index."""


def verify(path: Path | str, *, key: bytes | None = None, head: str = "") -> Verification:
    """Checks a record; it may be in use meanwhile.

    Args:
        path: the file.
        key: as for opening it.
        head: a head seen earlier (on a report, say): it must still be in the chain.

    Raises:
        StoreError: there is no such file, or its key is away.
    """
    path = Path(path)
    if not path.is_file():
        raise StoreError(f"{path}: there is no such record; check the path")
    try:
        with (
            closing(open_for_reading(path, key=key)) as connection,
            closing(open_for_reading(path, key=key)) as other,
            ThreadPoolExecutor(1, "structure") as beside,
        ):
            # SQLite lets go of Python while it checks: the rest goes on at the same time.
            structure = beside.submit(_structure, other)
            found = _content(connection, path, head.lower())
            problem = structure.result()
    except (RecordUnavailable, KeyUnavailable):
        raise
    except StoreError as error:
        return Verification(str(error))
    except (apsw.BusyError, apsw.LockedError) as error:
        raise RecordUnavailable(explain(error, path)) from error
    return Verification(f"{path}: {problem}") if problem else found


def _content(connection: apsw.Connection, path: Path, head: str) -> Verification:
    try:
        return _check(connection, path, head)
    except (apsw.BusyError, apsw.LockedError):
        raise
    except (apsw.Error, UnicodeError, ValueError, TypeError, LookupError) as error:
        return Verification(f"{path}: the record is damaged and cannot be read ({error})")


def _check(connection: apsw.Connection, path: Path, head: str) -> Verification:
    connection.execute("BEGIN")  # one state of the file for all checks
    audit_rows, last, sealed, unsealed = 0, "", 0, 0
    try:
        _schema(connection)
        audit_rows, last = _chain(connection, head)
        _summaries(connection)
        sealed, unsealed = _seals(connection)
    except _Broken as error:
        return Verification(f"{path}: {error}", last, audit_rows)
    return Verification("", last, audit_rows, sealed, unsealed)


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


def _chain(connection: apsw.Connection, head: str) -> tuple[int, str]:
    n, prev, seen = 0, GENESIS, not head
    for row in connection.execute(
        f"SELECT {', '.join(_COLUMNS)} FROM audit LEFT JOIN session USING (session_id)"  # noqa: S608
        " ORDER BY audit.n"
    ):
        fields: dict[str, Any] = {
            column.rpartition(".")[2]: value for column, value in zip(_COLUMNS, row, strict=True)
        }
        fields["session"] = fields.pop("uuid")
        n += 1
        if fields["n"] != n:
            raise _Broken(f"audit row {n} is missing")
        if fields["prev"] != prev:
            raise _Broken(f"{_name(fields)} does not follow the row before it")
        stored = fields.pop("hash")
        if row_hash(**fields) != stored:
            raise _Broken(f"{_name(fields)} was changed after it was recorded")
        prev = stored
        seen = seen or stored.hex() == head
    if not seen:
        raise _Broken(f"the head {head} is not in the record: its end was cut off or replaced")
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


def _seals(connection: apsw.Connection) -> tuple[int, int]:
    names = dict(select(connection, "SELECT session_id, uuid FROM session ORDER BY session_id"))
    told: dict[int, list[tuple[int, dict[str, Any]]]] = {key: [] for key in names}
    for session_id, n, body in select(
        connection,
        "SELECT session_id, n, body FROM audit WHERE kind = ? AND seq IS NULL ORDER BY n",
        (rows.SEAL,),
    ):
        told[session_id].append((n, json.loads(body)))
    ranges = {
        key: [(seal["from_seq"], seal["to_seq"]) for _, seal in seals]
        for key, seals in told.items()
    }
    sealed = unsealed = 0
    for key, found in check(connection, ranges).items():
        for (n, seal), digest in zip(told[key], found.digests, strict=True):
            if digest != Digest(seal["rows"], seal["sha256"]):
                raise _Broken(
                    f"session {names[key]}: samples {seal['from_seq']} to {seal['to_seq']} were "
                    f"changed after they were sealed by audit row {n}"
                )
        if found.between:
            raise _Broken(f"session {names[key]}: there are samples between those that were sealed")
        sealed += sum(digest.rows for digest in found.digests)
        unsealed += found.behind
    return sealed, unsealed
