"""Forgets the samples of sessions whose time is over; the audit trail stays, and says so.

A row `forgotten` in the trail of the session names what was deleted, by whom and why, and seals
what is left: from then on it stands for all earlier seals of the session. Row and deletion are one
transaction. The triggers of the record let samples be deleted only behind such a row, and only of
a session that is closed. The station may write meanwhile.
"""

from __future__ import annotations

import getpass
import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import apsw

from vitals.clock import US
from vitals.errors import StoreError
from vitals.store import keys
from vitals.store.audit import append, canonical
from vitals.store.connection import RecordUnavailable, connect, explain, open_for_reading, select
from vitals.store.rows import FORGOTTEN, SEAL
from vitals.store.seal import Digest, digest

What = Literal["all", "waves"]
DAY_US = 86_400 * US
PATIENCE_MS = 10_000
"""For the station's commits, which go first."""
_AGE = re.compile(r"([1-9]\d{0,4})(d|y)")
_SEALS = (
    "SELECT kind, body FROM audit WHERE session_id = ? AND kind IN (?, ?) AND seq IS NULL"
    " ORDER BY n"
)
_COUNT = (
    "SELECT count(*) FROM {} WHERE channel_id IN"
    " (SELECT channel_id FROM channel WHERE session_id = ?)"
)
_DELETE = "DELETE FROM {} WHERE channel_id IN (SELECT channel_id FROM channel WHERE session_id = ?)"
_ENDS = (
    "SELECT min(seq), max(seq) FROM {} WHERE channel_id IN"
    " (SELECT channel_id FROM channel WHERE session_id = ?)"
)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was deleted of one session."""

    uuid: str
    numerics: int
    waves: int


def age_us(text: str) -> int:
    """`90d` or `10y` (years of 365.25 days) in microseconds.

    Raises:
        StoreError: it is neither.
    """
    match = _AGE.fullmatch(text)
    if match is None:
        raise StoreError(f"{text!r} is no age; write days or years, as 90d or 10y")
    return round(int(match[1]) * DAY_US * (365.25 if match[2] == "y" else 1))


def in_force(seals: Sequence[tuple[str, int, str]]) -> list[tuple[int, dict[str, Any]]]:
    """Of the rows (kind, n, body) of one session, in order, those that its samples must fit."""
    found: list[tuple[int, dict[str, Any]]] = []
    for kind, n, body in seals:
        if kind == FORGOTTEN:
            found.clear()
        found.append((n, json.loads(body)))
    return found


def forgotten(connection: apsw.Connection) -> tuple[str, ...]:
    """A sentence for each session of which something was forgotten."""
    found = select(
        connection,
        "SELECT uuid, at_us, actor, body ->> 'what' FROM audit JOIN session USING (session_id)"
        " WHERE kind = ? AND seq IS NULL ORDER BY n",
        (FORGOTTEN,),
    )
    return tuple(
        f"session {uuid}: {_WORDS.get(what, what)} forgotten at {_utc(at_us)} by {actor}"
        for uuid, at_us, actor, what in found
    )


_WORDS = {"all": "vital signs and waveforms were", "waves": "waveforms were"}


def _utc(at_us: int) -> str:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)
    return f"{at:%Y-%m-%d %H:%M} UTC"


def older(record: Path, than_us: int, what: What) -> list[str]:
    """Closed sessions that ended before a time and have something to forget, oldest first.

    Raises:
        StoreError: the record cannot be read.
    """
    tables = ("numeric", "wave") if what == "all" else ("wave",)
    has = " OR ".join(
        f"EXISTS (SELECT 1 FROM {table} JOIN channel USING (channel_id)"  # noqa: S608 - our own
        " WHERE channel.session_id = session.session_id)"
        for table in tables
    )
    with closing(open_for_reading(record)) as connection:
        found = select(
            connection,
            f"SELECT uuid FROM session WHERE state = 'closed' AND ended_us < ? AND ({has})"  # noqa: S608
            " ORDER BY ended_us",
            (than_us,),
        )
    return [uuid for (uuid,) in found]


def forget(
    record: Path,
    uuids: Sequence[str],
    *,
    what: What = "all",
    reason: str,
    by: str = "",
    role: str = "operator",
    now_us: int | None = None,
) -> Iterator[Forgotten]:
    """Deletes samples of closed sessions, one session after the other.

    Args:
        record: the file; its key is found as every reader finds it.
        uuids: of the sessions.
        what: everything that was sampled, or only waveforms.
        reason: for the audit trail.
        by: who; whoever is signed in on this computer by default.
        role: of who does it.
        now_us: for the audit trail; the computer's time by default.

    Raises:
        StoreError: the record cannot be written, a session is open or not there, or was changed
            after it was sealed; what was forgotten before that is forgotten.
    """
    at_us = time.time_ns() // 1000 if now_us is None else now_us
    open_for_reading(record).close()  # it is ours, of this version, and its key is there
    connection = connect(record, keys.key_of(record), apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.set_busy_timeout(PATIENCE_MS)
        connection.pragma("secure_delete", True)  # what is deleted is overwritten
        for uuid in uuids:
            done = _forget(
                connection, uuid, what, at_us, {"reason": reason}, by or getpass.getuser(), role
            )
            if done is not None:
                yield done
        connection.pragma("wal_checkpoint", "passive")
    except (apsw.BusyError, apsw.LockedError) as error:
        raise RecordUnavailable(explain(error, record)) from error
    except apsw.Error as error:
        raise StoreError(explain(error, record)) from error
    finally:
        connection.close()


def _forget(
    connection: apsw.Connection,
    uuid: str,
    what: What,
    at_us: int,
    told: dict[str, Any],
    by: str,
    role: str,
) -> Forgotten | None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = select(
            connection, "SELECT session_id, room, state FROM session WHERE uuid = ?", (uuid,)
        )
        if not found:
            raise StoreError(f"there is no session {uuid!r}; `vitals sessions list` shows all")
        ((session_id, room, state),) = found
        if state != "closed":
            raise StoreError(f"session {uuid} is open; close it before it is forgotten")
        numerics, waves = (_count(connection, table, session_id) for table in ("numeric", "wave"))
        numerics = numerics if what == "all" else 0
        if not numerics and not waves:
            connection.execute("ROLLBACK")
            return None
        body = _seal_of_the_rest(connection, uuid, session_id, what)
        append(
            connection,
            kind=FORGOTTEN,
            at_us=at_us,
            session_id=session_id,
            session=uuid,
            room=room,
            actor=by,
            role=role,
            body=canonical({**told, **body, "what": what, "numerics": numerics, "waves": waves}),
        )
        for table, count in (("numeric", numerics), ("wave", waves)):
            if count:
                connection.execute(_DELETE.format(table), (session_id,))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return Forgotten(uuid, numerics, waves)


def _count(connection: apsw.Connection, table: str, session_id: int) -> int:
    found: int = connection.execute(_COUNT.format(table), (session_id,)).get
    return found


def _seal_of_the_rest(
    connection: apsw.Connection, uuid: str, session_id: int, what: What
) -> dict[str, Any]:
    """A seal over what will be left, if all fits its seals now: else a change would be covered."""
    rows = select(connection, _SEALS, (session_id, SEAL, FORGOTTEN))
    seals = [seal for _, seal in in_force([(kind, 0, body) for kind, body in rows])]
    ends = [(seal["from_seq"], seal["to_seq"]) for seal in seals]
    for table in ("numeric", "wave"):
        ends += [end for end in select(connection, _ENDS.format(table), (session_id,)) if end[0]]
    first = min((end[0] for end in ends), default=0)
    last = max((end[1] for end in ends), default=0)
    sound = all(
        digest(connection, session_id, seal["from_seq"], seal["to_seq"])
        == Digest(seal["rows"], seal["sha256"])
        for seal in seals
    )
    if not sound and what != "all":
        raise StoreError(
            f"session {uuid} was changed after it was sealed, so its waveforms are not forgotten; "
            "look at it with `vitals sessions verify`"
        )
    left = digest(connection, session_id, first, last, tables=() if what == "all" else ("numeric",))
    return {"from_seq": first, "to_seq": last, **left._asdict(), "was_whole": sound}
