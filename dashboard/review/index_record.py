"""What the record says of all its sessions at once: their summary rows, and which have grown.

A session has grown when its audit trail has: every act, alarm and seal is a row of it, so that
nothing of a session changes without one. Rows that tell who has looked at it do not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from vitals.errors import StoreError
from vitals.export import times
from vitals.export.salvage import is_broken, salvage
from vitals.store.connection import explain, open_for_reading, select

LAST_US = 2**53
"""Beyond the year 2255: damaged bytes, not a time."""
SOME_LOST = "The record is damaged: some of its sessions cannot be read and are not in this list."
TIMES_LOST = "The record is damaged: times of this session are no real times."
_NO_GROWTH = ("station_event", "web_event")
_COLUMNS = "uuid, room, subject_ref, route, mode, phase, started_us, ended_us, dose_us, resumed, tz"
_ROWS = 2**31


class Mark(NamedTuple):
    """A place in the audit chain; equal digests mean the same record up to there."""

    n: int
    digest: bytes


BEGINNING = Mark(0, b"")
DAMAGED = Mark(-1, b"")
"""Of a record whose audit trail cannot be followed."""


@dataclass(frozen=True, slots=True)
class Head:
    """A session as its summary row tells it.

    Attributes:
        day: date of its beginning by the clinic's clock, `2027-01-15`.
        utc_offset_s: seconds by which that clock was ahead of UTC.
        damage: what is not to be believed here, in a sentence.
    """

    uuid: str
    room: str
    subject: str
    route: str
    mode: str
    phase: str
    started_us: int
    ended_us: int | None
    dose_us: int | None
    resumed: int
    day: str
    utc_offset_s: int
    damage: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a record.

    Attributes:
        mark: its last audit row, to look on from the next time.
        anew: whether it is another record than the one of the mark before, so that `heads` are
            all its sessions; else those that have grown.
        heads: summary rows.
        lost: what cannot be read, in a sentence.
    """

    mark: Mark
    anew: bool
    heads: list[Head]
    lost: str = ""


def look(store: Path, since: Mark, key: bytes | None) -> Look:
    """The sessions of a record that have grown since a mark.

    Raises:
        StoreError: the record cannot be used now, or not at all.
    """
    connection = open_for_reading(store, key=key)
    try:
        connection.execute("BEGIN")
        return _Looking(connection, store).look(since)
    finally:
        connection.close()


class _Looking:
    def __init__(self, connection: apsw.Connection, store: Path) -> None:
        self._connection = connection
        self._store = store

    def look(self, since: Mark) -> Look:
        try:
            mark = self._at("n = (SELECT max(n) FROM audit)")
            known = since == BEGINNING or self._at("n = ?", since.n) == since
            if known and since != BEGINNING:
                return Look(mark, False, self._grown(since.n) if mark != since else [])
        except StoreError as error:
            if not is_broken(error):
                raise
            if since == DAMAGED:
                return Look(DAMAGED, False, [], SOME_LOST)
            mark = DAMAGED
        heads, lost = self._all()
        return Look(mark, True, heads, SOME_LOST if lost or mark == DAMAGED else "")

    def _at(self, where: str, *values: int) -> Mark:
        found = self._select(f"SELECT n, hash FROM audit WHERE {where}", values)  # noqa: S608
        return Mark(*found[0]) if found else BEGINNING

    def _grown(self, since_n: int) -> list[Head]:
        marks = ", ".join("?" * len(_NO_GROWTH))
        rows = self._select(
            f"SELECT {_COLUMNS} FROM session WHERE session_id IN"  # noqa: S608
            f" (SELECT session_id FROM audit WHERE n > ? AND kind NOT IN ({marks}))",
            (since_n, *_NO_GROWTH),
        )
        return [head_of(row) for row in rows]

    def _all(self) -> tuple[list[Head], bool]:
        def part(low: int, high: int) -> list[tuple[Any, ...]]:
            return self._select(
                f"SELECT {_COLUMNS} FROM session WHERE session_id >= ? AND session_id < ?",  # noqa: S608
                (low, high),
            )

        found, lost = salvage(part, 0, _ROWS, 1)
        return [head_of(row) for rows in found for row in rows], bool(lost)

    def _select(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        try:
            return select(self._connection, sql, values)
        except (apsw.Error, UnicodeDecodeError) as error:
            raise StoreError(explain(error, self._store)) from error


def head_of(row: tuple[Any, ...]) -> Head:
    """A summary row, in the order of the columns of `Head` up to `resumed`, then its zone."""
    uuid, room, subject, route, mode, phase, started_us, ended_us, dose_us, resumed, tz = row
    real = all(at is None or 0 <= at < LAST_US for at in (started_us, ended_us, dose_us))
    if not 0 <= started_us < LAST_US:
        started_us = 0
    zone = times.zone(tz) if tz else None  # None: this computer's own
    offset = times.moment(started_us, UTC).astimezone(zone).utcoffset() or timedelta()
    local = times.moment(started_us, UTC) + offset
    return Head(
        uuid,
        room,
        subject,
        route,
        mode,
        phase,
        started_us,
        # still one that has ended, or was dosed: only when is not known
        None if ended_us is None else ended_us if real else started_us,
        None if dose_us is None else dose_us if real else started_us,
        resumed,
        f"{local:%Y-%m-%d}",
        round(offset.total_seconds()),
        "" if real else TIMES_LOST,
    )
