"""What can be asked of the list of sessions, and how that is said to its table. Pure.

Filters narrow, each in its own way; sorting puts sessions without a value last, whichever the
direction, and the newest first among equals.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

from vitals.errors import VitalsError

MODES = ("real", "demo", "test")
STATES = {
    "open": "ended_us IS NULL",
    "closed": "ended_us IS NOT NULL",
    "recovered": "ended_us IS NOT NULL AND resumed > 0",
}
"""State of a session -> what it means. Recovered are those closed ones in which the station was
started again."""
SORTS: dict[str, tuple[str, ...]] = {
    "started": ("started_us",),
    "ended": ("ended_us",),
    "subject": ("subject_key",),
    "mode": ("mode",),
    "room": ("room_key",),
    "route": ("nullif(route, '')",),
    "dose": ("dose_us",),
    "restarts": ("resumed",),
    "peak": ("peak_sys", "peak_dia"),
    "spo2": ("spo2",),
    "alarms": ("iif(worked, high, NULL)", "medium", "low"),
    "coverage": ("cover_spo2",),
    "pulse": ("cover_pulse",),
    "nibp": ("iif(nibp_planned, 1.0 * nibp_taken / nibp_planned, NULL)",),
    "owed": ("iif(worked, owed_count, NULL)",),
    "signed": ("iif(worked, 2 * signed_last + (signatures > 0), NULL)", "addenda"),
}
"""Name of a column of the list -> what it is sorted by."""
MOST_SESSIONS = 1000
"""In one answer."""
FEW = 200
"""In an answer when nobody has said how many."""


class QuestionError(VitalsError):
    """The list cannot be asked that."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the list; `""` and None ask for nothing.

    Attributes:
        words: each must occur in what is known by text of a session, in whatever case.
        subject: the pseudonym, exactly.
        room: id of the room, exactly.
        route: the route, exactly.
        mode: one of `MODES`.
        state: one of `STATES`.
        from_day: not before this date by the clinic's clock.
        to_day: not after it.
        unfinished: only what is open, or was closed with something missing.
        sort: one of `SORTS`, with a minus sign before it from the largest down.
        offset: sessions that are passed over.
        limit: sessions in the answer.
    """

    PLACES: ClassVar[tuple[str, ...]] = ()
    """Further parameters, of a list of more than one station."""
    ORDERS: ClassVar[Collection[str]] = SORTS

    words: str = ""
    subject: str = ""
    room: str = ""
    route: str = ""
    mode: str = ""
    state: str = ""
    from_day: str = ""
    to_day: str = ""
    unfinished: bool = False
    sort: str = "-started"
    offset: int = 0
    limit: int = FEW

    def __post_init__(self) -> None:
        for name, day in (("from", self.from_day), ("to", self.to_day)):
            if day and not _is_day(day):
                raise QuestionError(f"{name} is a date like 2027-01-15, not {day[:40]!r}")
        if self.from_day and self.to_day and self.to_day < self.from_day:
            raise QuestionError("to lies before from; exchange them")
        if self.sort.removeprefix("-") not in self.ORDERS:
            names = ", ".join(self.ORDERS)
            raise QuestionError(
                f"sort is one of {names}, with - before it from the largest down, not "
                f"{self.sort[:40]!r}"
            )

    @property
    def where(self) -> tuple[str, list[Any]]:
        """The filters as SQL, with its values."""
        parts = list(self._filters())
        sql = " AND ".join(part for part, _ in parts) or "true"
        return sql, [value for _, values in parts for value in values]

    def _filters(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        for column in ("subject", "room", "route", "mode"):
            value = getattr(self, column)
            if value:
                yield f"{column} = ?", (value,)
        if self.state:
            yield STATES[self.state], ()
        if self.from_day:
            yield "day >= ?", (self.from_day,)
        if self.to_day:
            yield "day <= ?", (self.to_day,)
        if self.unfinished:
            yield "(ended_us IS NULL OR owed_count > 0)", ()
        for word in self.words.casefold().split():
            yield "instr(head_text || owed_text, ?) > 0", (word,)

    @property
    def order(self) -> str:
        """The order as SQL."""
        down = "DESC" if self.sort.startswith("-") else "ASC"
        keys = SORTS[self.sort.removeprefix("-")]
        parts = [f"{key} IS NULL, {key} {down}" for key in keys]
        return ", ".join((*parts, "started_us DESC", "uuid"))


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
