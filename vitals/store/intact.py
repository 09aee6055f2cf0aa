"""Whether one session is what was recorded, up to a row of the audit chain: in short pieces.

`vitals.store.verify` checks a whole record. This checks what a reader of one session wants to
know: its samples against their seals, its summary row, and the chain from the session's first row
to the row asked for, with whatever rows of other sessions lie between. Each call works for a
limited time and says where to go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from vitals.errors import StoreError
from vitals.store import facts
from vitals.store.audit import GENESIS, row_hash
from vitals.store.connection import RecordUnavailable, explain, open_for_reading, select
from vitals.store.retention import in_force
from vitals.store.rows import FORGOTTEN, SEAL, SESSION_ROW
from vitals.store.seal import Digest, digest

PIECE_S = 1.0
"""How long a call works, real seconds."""
_ROWS = 500
"""Read at a time."""
COLUMNS = (
    "n", "prev", "hash", "seq", "at_us", "room", "actor", "role", "kind", "body", "command_id",
)  # fmt: skip
_CHAIN = (
    f"SELECT {', '.join(f'audit.{name}' for name in COLUMNS)}, session.uuid"  # noqa: S608
    " FROM audit LEFT JOIN session USING (session_id) WHERE audit.n > ? AND audit.n <= ?"
    " ORDER BY audit.n"
)


Chain = Callable[[int, int], Sequence[tuple[Any, ...]]]
"""Rows after < n <= last of the chain: the columns `COLUMNS`, and the uuid of the row's session."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the check is: so many seals, then rows of the chain up to this one, are done."""

    seals: int = 0
    row: int = 0


@dataclass(frozen=True, slots=True)
class Checked:
    """What a call has found.

    Attributes:
        broken: the first broken place, in one sentence; `""` when none was found.
        next: where to go on, None when all is done.
        share: how much of it is done, 0 to 1.
    """

    broken: str = ""
    next: Place | None = None
    share: float = 1.0


def check(
    path: Path,
    uuid: str,
    to_n: int,
    place: Place,
    *,
    key: bytes | None = None,
    chain: Chain | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Checked | None:
    """Goes on with the check of a session; None when there is no such session.

    Args:
        path: the record; it may be in use meanwhile.
        uuid: of the session.
        to_n: the last row of the chain that matters.
        place: where the last call ended.
        key: as for opening it.
        chain: where the chain is whole, if the file has only this session's part of it.
        monotonic: real seconds.

    Raises:
        StoreError: the record cannot be opened, or not now.
    """
    connection = open_for_reading(path, key=key)
    end = monotonic() + PIECE_S
    try:
        connection.execute("BEGIN")  # one state of the file
        found = select(connection, "SELECT session_id FROM session WHERE uuid = ?", (uuid,))
        if not found:
            return None
        work = _Work(connection, found[0][0], to_n, lambda: monotonic() >= end, chain)
        return work.go_on(place)
    except _Broken as broken:
        return Checked(str(broken))
    except (apsw.BusyError, apsw.LockedError) as error:
        raise RecordUnavailable(explain(error, path)) from error
    except (apsw.Error, StoreError, UnicodeError, ValueError, TypeError, LookupError) as error:
        return Checked(f"the record is damaged here and cannot be read ({error})")
    finally:
        connection.close()


class _Broken(Exception):
    pass


class _Work:
    def __init__(
        self,
        connection: apsw.Connection,
        session_id: int,
        to_n: int,
        over: Callable[[], bool],
        chain: Chain | None,
    ) -> None:
        self._connection, self._session_id, self._to_n = connection, session_id, to_n
        self._over = over
        self._chain = chain or (lambda after, last: self._select(_CHAIN, (after, last)))

    def go_on(self, place: Place) -> Checked:
        rows = self._select(
            "SELECT kind, n, body FROM audit WHERE session_id = ? AND kind IN (?, ?)"
            " AND seq IS NULL ORDER BY n",
            (self._session_id, SEAL, FORGOTTEN),
        )
        seals = in_force([(kind, n, body) for kind, n, body in rows])
        ((first_n,),) = self._select(
            "SELECT min(n) FROM audit WHERE session_id = ?", (self._session_id,)
        )
        first_n = first_n or 1
        if place == Place():
            self._summary()
            self._outside(seals)
        done = place.seals
        while done < len(seals):
            self._seal(*seals[done])
            done += 1
            if self._over():
                break
        row = max(place.row, first_n - 1)
        while done == len(seals) and row < self._to_n:
            row = self._rows(row)
            if self._over():
                break
        if done == len(seals) and row >= self._to_n:
            return Checked()
        whole = len(seals) + max(1, self._to_n - first_n + 1) / _ROWS
        part = done + (row - first_n + 1) / _ROWS
        return Checked("", Place(done, row), min(part / whole, 0.99))

    def _select(self, sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        return select(self._connection, sql, values)

    def _summary(self) -> None:
        """The session's own row is what the chain told of it last."""
        told = self._select(
            "SELECT body FROM audit WHERE session_id = ? AND kind = ? AND seq IS NULL"
            " ORDER BY n DESC LIMIT 1",
            (self._session_id, SESSION_ROW),
        )
        if not told or told[0][0] != facts.of_session(self._connection, self._session_id):
            raise _Broken("the session's summary is not what its audit trail says")

    def _outside(self, seals: list[tuple[int, dict[str, Any]]]) -> None:
        """A session that is closed has all of its samples under seals."""
        total = 0
        for table in ("numeric", "wave"):
            ((count,),) = self._select(
                f"SELECT count(*) FROM {table} WHERE channel_id IN"  # noqa: S608 - one of two
                " (SELECT channel_id FROM channel WHERE session_id = ?)",
                (self._session_id,),
            )
            total += count
        sealed = sum(int(seal["rows"]) for _, seal in seals)
        if total != sealed:
            raise _Broken(f"{total} samples are recorded, and {sealed} are under seals")

    def _seal(self, n: int, told: dict[str, Any]) -> None:
        from_seq, to_seq = told["from_seq"], told["to_seq"]
        found = digest(self._connection, self._session_id, from_seq, to_seq)
        if found != Digest(told["rows"], told["sha256"]):
            raise _Broken(f"samples were changed after they were sealed by row {n}")

    def _rows(self, after: int) -> int:
        """Checks rows of the chain behind one; the last that is whole."""
        before = self._chain(after - 1, after)
        if after and not before:
            raise _Broken(f"row {after} of the audit trail is missing")
        prev = bytes(before[0][COLUMNS.index("hash")]) if after else GENESIS
        last = min(after + _ROWS, self._to_n)
        n = after
        for *row, uuid in self._chain(after, last):
            fields: dict[str, Any] = dict(zip(COLUMNS, row, strict=True))
            n += 1
            if fields["n"] != n:
                raise _Broken(f"row {n} of the audit trail is missing")
            if bytes(fields["prev"]) != prev:
                raise _Broken(f"row {n} of the audit trail does not follow the row before it")
            stored = bytes(fields.pop("hash"))
            if row_hash(**fields, session=uuid) != stored:
                raise _Broken(f"row {n} of the audit trail was changed after it was recorded")
            prev = stored
        if n < last:
            raise _Broken(f"row {n + 1} of the audit trail is missing")
        return last
