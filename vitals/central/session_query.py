"""What can be asked of the list of all sessions, and how that is said to PostgreSQL. Pure.

Filters narrow, each in its own way; sorting puts sessions without a value last, whichever the
direction, and the newest first among equals. Days are those of each clinic's own clock.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from vitals.central.session_find import ROOM
from vitals.export import times

STATES = {
    "open": "s.ended_us IS NULL",
    "closed": "s.ended_us IS NOT NULL",
    "recovered": "s.ended_us IS NOT NULL AND s.resumed > 0",
}
_DAY = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?")


def _number(name: str) -> str:
    """A number of the facts; NULL where it is none."""
    fact = f"s.facts->'{name}'"
    return f"CASE WHEN jsonb_typeof({fact}) = 'number' THEN ({fact})::numeric END"


def natural(column: str) -> str:
    """SQL that sorts `KV-9` before `KV-10`: digits are filled up to twelve."""
    filled = rf"regexp_replace(lower({column}), '\d+', '00000000000\&', 'g')"
    return rf"regexp_replace({filled}, '\d*(\d{{12}})', '\1', 'g') COLLATE" + ' "C"'


_LIST = "s.facts->'owed'"
_OWED = f"CASE WHEN jsonb_typeof({_LIST}) = 'array' THEN jsonb_array_length({_LIST}) END"
_IS_TRUE = "CASE WHEN s.facts IS NOT NULL THEN (s.facts->'{}' = 'true')::int END"
SORTS: dict[str, tuple[str, ...]] = {
    "started": ("s.started_us",),
    "ended": ("s.ended_us",),
    "subject": (natural("s.subject_ref"),),
    "mode": ("s.mode",),
    "site": (natural("t.site"), natural("t.clinic")),
    "clinic": (natural("t.clinic"), natural("t.site")),
    "room": (natural("s.room"),),
    "route": ("nullif(s.route, '')",),
    "dose": ("s.dose_us",),
    "restarts": ("s.resumed",),
    "peak": (_number("peak_sys"), _number("peak_dia")),
    "spo2": (_number("spo2"),),
    "alarms": (_number("high"), _number("medium"), _number("low")),
    "coverage": (_number("cover_spo2"),),
    "pulse": (_number("cover_pulse"),),
    "nibp": (f"{_number('nibp_taken')} / nullif({_number('nibp_planned')}, 0)",),
    "owed": (_OWED,),
    "signed": (
        f"2 * {_IS_TRUE.format('signed_last')} + (({_number('signatures')}) > 0)::int",
        _number("addenda"),
    ),
}
"""Name of a column of the list -> what it is sorted by."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of the list; `""` and None ask for nothing.

    Attributes:
        words: each must occur in what is known by text of a session, in whatever case.
        site: exactly, as all up to `mode`.
        room: `station:room`.
        state: one of `STATES`.
        from_day: not before this date by the clinic's clock.
        to_day: not after it.
        unfinished: only what is open, or was closed with something missing.
        sort: one of `SORTS`, with a minus sign before it from the largest down.
        rooms: `station:room` of those whose sessions may be seen, None for all.
    """

    words: str = ""
    site: str = ""
    clinic: str = ""
    station: str = ""
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
    limit: int = 200
    rooms: frozenset[str] | None = None

    @property
    def asks_for_days(self) -> bool:
        """Whether the answer depends on clinics' clocks."""
        return bool(self.from_day or self.to_day or any(map(_days_of, self.words.split())))


_TEXT = (
    "lower(concat_ws(' ', s.subject_ref, s.room, s.route, s.mode, s.uuid, t.id, t.name, t.site,"
    " t.clinic, s.facts->>'owed'))"
)
_SEEN = (
    f"((s.station || '{ROOM}' || s.room) = ANY(%(rooms)s)"
    f" OR (s.station || '{ROOM}*') = ANY(%(rooms)s))"
)
EXACT = {
    "site": "t.site",
    "clinic": "t.clinic",
    "station": "s.station",
    "subject": "s.subject_ref",
    "room": f"(s.station || '{ROOM}' || s.room)",
    "route": "s.route",
    "mode": "s.mode",
}


def where(wanted: Wanted, zones: Collection[str]) -> tuple[str, dict[str, Any]]:
    """The filters as SQL, with its values.

    Args:
        wanted: what is asked.
        zones: every zone that a session has.
    """
    values: dict[str, Any] = {}
    sql = " AND ".join(_filters(wanted, zones, values)) or "true"
    if any(isinstance(value, str) and "\0" in value for value in values.values()):
        return "false", {}  # PostgreSQL has no such letter: nobody's name has it
    return sql, values


def _filters(wanted: Wanted, zones: Collection[str], values: dict[str, Any]) -> Iterator[str]:
    """Conditions; what they compare with goes into `values`."""
    if wanted.rooms is not None:
        values["rooms"] = sorted(wanted.rooms)
        yield _SEEN
    for name, column in EXACT.items():
        value = getattr(wanted, name)
        if value:
            values[name] = value
            yield f"{column} = %({name})s"
    if wanted.state:
        yield STATES[wanted.state]
    if wanted.from_day or wanted.to_day:
        first = date.fromisoformat(wanted.from_day) if wanted.from_day else date.min
        last = date.fromisoformat(wanted.to_day) if wanted.to_day else date.max
        yield _between("days", zones, first, last, values)
    if wanted.unfinished:
        yield f"(s.ended_us IS NULL OR {_OWED} > 0)"
    for n, word in enumerate(wanted.words.lower().split()):
        values[f"word_{n}"] = word
        found = f"position(%(word_{n})s in {_TEXT}) > 0"
        days = _days_of(word)
        if days is not None:
            found = f"({found} OR {_between(f'word_{n}_days', zones, *days, values)})"
        yield found


def _between(
    name: str, zones: Collection[str], first: date, last: date, values: dict[str, Any]
) -> str:
    """Sessions that began on these days by their own clinics' clocks."""
    spans = []
    for n, tz in enumerate(zones):
        keys = [f"{name}_{n}_{part}" for part in ("tz", "from", "to")]
        values.update(zip(keys, (tz, *_span(first, last, tz)), strict=True))
        spans.append(
            "(s.tz = %({})s AND s.started_us >= %({})s AND s.started_us < %({})s)".format(*keys)
        )
    return f"({' OR '.join(spans)})" if spans else "false"


def _span(first: date, last: date, tz: str) -> tuple[int, int]:
    """Microseconds UTC of the beginning of a day and of the end of another, by one clock."""
    zone = times.zone(tz)

    def begins(day: date) -> int:
        at = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
        return (at - times.EPOCH) // timedelta(microseconds=1)

    low = -(2**62) if first == date.min else begins(first)
    high = 2**62 if last >= date.max - timedelta(days=1) else begins(last + timedelta(days=1))
    return low, high


def _days_of(word: str) -> tuple[date, date] | None:
    """The days that a word means: `2027`, `2027-01`, `2027-01-15`; None for any other word."""
    match = _DAY.fullmatch(word)
    if match is None:
        return None
    year, month, day = (int(part) if part else 0 for part in match.groups())
    try:
        first = date(year, month or 1, day or 1)
        if day:
            return first, first
        after = date(year + (month in (0, 12)), month % 12 + 1 if month else 1, 1)
        return first, after - timedelta(days=1)
    except (ValueError, OverflowError):
        return None


def order(sort: str) -> str:
    """The order as SQL."""
    down = "DESC" if sort.startswith("-") else "ASC"
    keys = [f"{key} {down} NULLS LAST" for key in SORTS[sort.removeprefix("-")]]
    return ", ".join((*keys, "s.started_us DESC", "s.station", "s.uuid", "s.record"))
