"""What the figure of one session shows, as plain facts; `dashboard.figures` draws it.

Times are microseconds UTC, values in the unit of their channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Line:
    """A running vital of one device: columns of the same length in order of time.

    Attributes:
        channel: its key.
        device: who gave it.
        at_us: int64.
        value: float64, without those that must not be shown.
        doubted: which of them the device itself called questionable.
    """

    channel: str
    device: str
    at_us: NDArray[np.int64]
    value: NDArray[np.float64]
    doubted: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Spot:
    """One value of a vital that is measured at times.

    Attributes:
        channel: its key.
        at_us: when.
        value: what.
        by_hand: entered by a person.
        words: what is said of it where the pointer is.
    """

    channel: str
    at_us: int
    value: float
    by_hand: bool
    words: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A blood pressure that was tried and not obtained."""

    at_us: int
    words: str


@dataclass(frozen=True, slots=True)
class LimitLine:
    """A limit for as long as it was in force; `words` say what it is and where it comes from."""

    channel: str
    side: str
    level: int
    priority: str
    limit: float
    own: bool
    from_us: int
    to_us: int
    words: str


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected course of a channel; columns of the same length."""

    channel: str
    at_us: Sequence[int]
    low: Sequence[float]
    high: Sequence[float]


@dataclass(frozen=True, slots=True)
class Mark:
    """A point of the time line; `short` is written beside it, `words` are all of it."""

    at_us: int
    kind: str
    short: str
    words: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch on a strip; `look` names its colour."""

    from_us: int
    to_us: int
    text: str
    look: str
    words: str


@dataclass(frozen=True, slots=True)
class Strip:
    """A row of stretches above the vitals."""

    name: str
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class Chart:
    """What one session's figure shows.

    Attributes:
        from_us: start of the time axis.
        to_us: its end.
        utc_offset_s: of the clinic's wall clock: the axis is local time.
        lines: running vitals.
        spots: values that were measured at times.
        failures: blood pressures that were not obtained.
        limits: alarm limits as they were in force.
        expected: the expected course of blood pressure.
        marks: points of the time line, in order.
        gaps: spans in which nothing was recorded.
        off: spans off the monitor.
        strips: rows of stretches.
    """

    from_us: int
    to_us: int
    utc_offset_s: int = 0
    lines: Sequence[Line] = ()
    spots: Sequence[Spot] = ()
    failures: Sequence[Failure] = ()
    limits: Sequence[LimitLine] = ()
    expected: Sequence[Expected] = ()
    marks: Sequence[Mark] = ()
    gaps: Sequence[tuple[int, int]] = ()
    off: Sequence[tuple[int, int]] = ()
    strips: Sequence[Strip] = ()
