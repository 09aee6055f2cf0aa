"""What the gate before the dose and the discharge are judged on: good values, with their times.

A condition is met *since* a time: the first of an unbroken row of values that met it, none further
from the next than it may be old. That follows from the values alone, however seldom anybody looks.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vitals.model import US, Numeric, Quality
from vitals.session.baseline import READINGS, STREAMS
from vitals.session.care import Criterion

PRESSURES = ("nibp_sys", "nibp_dia")
RECENT_US = 300 * US
"""An SpO2 that is older says nothing of the patient before the dose."""
_MINUTE_US = 60 * US


@dataclass(frozen=True, slots=True)
class Reading:
    """One blood pressure, in mmHg; a device may have given one of the two only."""

    at_us: int
    sys: float | None = None
    dia: float | None = None

    @property
    def words(self) -> str:
        """As people write it."""
        return "/".join("–" if value is None else f"{value:.0f}" for value in (self.sys, self.dia))


@dataclass(slots=True)
class Span:
    """Since when a condition has been met by values that are never older than `fresh_us`."""

    fresh_us: int
    last_us: int | None = None
    since_us: int | None = None

    def take(self, at_us: int, met: bool) -> None:
        """The next value; one that is older than the newest can only break the row."""
        if self.last_us is not None and at_us < self.last_us:
            if not met and self.since_us is not None and at_us >= self.since_us:
                self.since_us = self.last_us
            return
        lapsed = self.last_us is None or at_us - self.last_us > self.fresh_us
        if not met:
            self.since_us = None
        elif self.since_us is None or lapsed:
            self.since_us = at_us
        self.last_us = at_us

    def met_since(self, now_us: int) -> int | None:
        """Since when it has been met, None if it is not met now."""
        fresh = self.last_us is not None and now_us - self.last_us <= self.fresh_us
        return self.since_us if fresh else None


def span(values: Iterable[tuple[int, bool]], fresh_us: int) -> Span:
    """The same for values that are all known, in order of their time."""
    found = Span(fresh_us)
    for at_us, met in values:
        found.take(at_us, met)
    return found


def within(value: float, criterion: Criterion) -> bool:
    """Whether a value is between a criterion's `least` and `most`."""
    low, high = criterion.least, criterion.most
    return (low is None or value >= low) and (high is None or value <= high)


class Evidence:
    """Collects in one session what is good; what is questionable proves nothing."""

    def __init__(self, criteria: Sequence[Criterion]) -> None:
        self._readings: dict[tuple[int, str], dict[str, float]] = {}
        self._order: list[tuple[int, str]] = []
        self._spans = {
            c.id: (c, Span(round(c.fresh_minutes * _MINUTE_US)))
            for c in criteria
            if c.kind == "spo2"
        }
        self._spo2_us, self._spo2 = array("q"), array("d")

    def add(self, numeric: Numeric) -> None:
        """A value that counts, from a device or a person."""
        value, at_us = numeric.value, numeric.at_us
        if value is None or numeric.quality is not Quality.GOOD:
            return
        if numeric.channel in PRESSURES:
            key = (at_us, numeric.device)
            if key not in self._readings:
                insort(self._order, key)
            self._readings.setdefault(key, {})[numeric.channel] = value
        elif numeric.channel == "spo2":
            for criterion, span in self._spans.values():
                span.take(at_us, within(value, criterion))
            place = bisect_right(self._spo2_us, at_us)
            self._spo2_us.insert(place, at_us)
            self._spo2.insert(place, value)

    def readings(self, to_us: int | None = None) -> list[Reading]:
        """All blood pressures up to a time, in order."""
        found = [
            Reading(key[0], *(self._readings[key].get(channel) for channel in PRESSURES))
            for key in self._order
        ]
        return [reading for reading in found if to_us is None or reading.at_us <= to_us]

    def spo2(self, at_us: int) -> tuple[int, float] | None:
        """(at_us, value) of the newest SpO2 at a time, None before the first."""
        place = bisect_right(self._spo2_us, at_us)
        return (self._spo2_us[place - 1], self._spo2[place - 1]) if place else None

    def recent_spo2(self, at_us: int) -> float | None:
        """The SpO2 at a time, None if the newest one is too old to say anything."""
        found = self.spo2(at_us)
        return None if found is None or at_us - found[0] > RECENT_US else found[1]

    def spo2_since(self, criterion: str, now_us: int) -> int | None:
        """Since when a criterion of SpO2 has been met, None if it is not met now."""
        return self._spans[criterion][1].met_since(now_us)


def kept(numeric: Numeric, dose_us: int | None) -> bool:
    """Whether a recorded value still counts after a restart, for baseline, gate or discharge."""
    if dose_us is None:
        return numeric.channel in (*READINGS, *STREAMS)
    if numeric.channel in PRESSURES:
        return True
    return numeric.channel == "spo2" and numeric.at_us >= dose_us - RECENT_US
