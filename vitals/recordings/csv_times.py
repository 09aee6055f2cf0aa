"""Times of a CSV as a mapping says: ISO 8601, counted since some moment, or written in any way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

from vitals.model import US
from vitals.recordings.mapping import TimeColumn, start_of, zone_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_COUNTED = {"unix": US, "unix_ms": 1000, "unix_us": 1, "seconds": US, "minutes": 60 * US}
_ANCHORED = ("seconds", "minutes")
_DAY_US = 86_400 * US
_MOST_US = 2**62
_BACK_US = 12 * 3600 * US
"""A time of day that falls back by so much is the next day's."""


class Times:
    """Turns cells into microseconds UTC, in the order of the rows."""

    def __init__(self, column: TimeColumn, decimal: str = ".") -> None:
        self._format = column.format
        self._decimal = decimal
        self._zone = zone_of(column.zone)
        self._start = start_of(column)
        self._days = 0
        self._last_us: int | None = None
        self._dateless = (
            self._format != "iso"
            and self._format not in _COUNTED
            and not any(sign in self._format for sign in ("%d", "%j", "%x", "%c", "%D", "%F", "%s"))
        )
        self._read: Callable[[str], int] = (
            self._counted if self._format in _COUNTED else self._written
        )

    def us(self, cell: str) -> int | None:
        """The time of a cell, None where it is none."""
        try:
            found = self._read(cell.strip())
        except (ValueError, OverflowError):
            return None
        return found if 0 <= found < _MOST_US else None

    def _counted(self, cell: str) -> int:
        number = float(cell.replace(",", ".") if self._decimal == "," else cell)
        since_us = us_of(self._start) if self._start and self._format in _ANCHORED else 0
        return since_us + round(number * _COUNTED[self._format])

    def _written(self, cell: str) -> int:
        if self._format == "iso":
            if self._decimal == ",":
                cell = cell.replace(",", ".")
            found = datetime.fromisoformat(cell)
        else:
            found = datetime.strptime(cell, self._format)  # noqa: DTZ007 - the zone follows
        if self._dateless:
            return self._of_day(found)
        return us_of(_in(found, self._zone))

    def _of_day(self, found: datetime) -> int:
        """A time without a date: on the first day, or a later one when it falls back."""
        day = self._start or _EPOCH
        whole = datetime.combine(day.date(), found.time(), found.tzinfo or day.tzinfo)
        at_us = us_of(_in(whole, self._zone)) + self._days * _DAY_US
        if self._last_us is not None and at_us < self._last_us - _BACK_US:
            self._days += 1
            at_us += _DAY_US
        self._last_us = at_us
        return at_us


def us_of(moment: datetime) -> int:
    """Microseconds UTC, exactly."""
    return (moment - _EPOCH) // _TICK


def _in(found: datetime, zone: tzinfo) -> datetime:
    return found if found.tzinfo else found.replace(tzinfo=zone)
