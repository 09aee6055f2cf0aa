"""Fewer points for a chart without losing what matters: extremes stay, gaps stay gaps.

By our own few lines: tsdownsample cuts its spans of time a rounding too short and loses the last
points of a line, and with them its extremes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_POINTS = 1440
"""Of one trace: Plotly redraws four of them in about 30 ms."""
GAP_US = 10_000_000
"""A longer pause of a streaming channel is a gap."""

Points = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Times in microseconds and values of the same length; NaN breaks the line."""


def decimate(
    at_us: NDArray[np.int64],
    value: NDArray[np.float64],
    *,
    gap_us: int = GAP_US,
    most: int = MOST_POINTS,
) -> Points:
    """Minimum and maximum of equal spans of time, with a NaN in every gap.

    Args:
        at_us: int64, shape (n,), in order of time.
        value: float64, shape (n,); NaN where there is no value.
        gap_us: pause that breaks the line.
        most: points at most, breaks included.

    Returns:
        At most `most` points.
    """
    kept = ~np.isnan(value)
    at_us, value = at_us[kept], value[kept]
    if at_us.size == 0:
        return at_us, value
    run = np.concatenate(([0], np.cumsum(np.diff(at_us) > gap_us)))
    if at_us.size + int(run[-1]) > most:
        chosen = _extremes(at_us, value, most // 4)  # two each, and a break after each
        at_us, value, run = at_us[chosen], value[chosen], run[chosen]
    return _with_breaks(at_us, value, run)


def thin(at_us: NDArray[np.int64], value: NDArray[np.float64], px: int) -> Points:
    """The least and the greatest value of each pixel of a line without gaps.

    Args:
        at_us: int64, shape (n,), in order of time.
        value: float64, shape (n,), without NaN.
        px: width of the line's picture.

    Returns:
        At most two points a pixel; all of them where there are no more.
    """
    if at_us.size <= 2 * px:
        return at_us, value
    chosen = _extremes(at_us, value, px)
    return at_us[chosen], value[chosen]


def _extremes(
    at_us: NDArray[np.int64], value: NDArray[np.float64], buckets: int
) -> NDArray[np.intp]:
    """Indices of the smallest and largest value of each span that has any."""
    span = int(at_us[-1] - at_us[0]) + 1
    bucket = (at_us - at_us[0]) * buckets // span
    starts = np.flatnonzero(np.diff(bucket, prepend=-1))
    counts = np.diff(starts, append=at_us.size)
    found = []
    for extreme in (np.minimum, np.maximum):
        reached = np.flatnonzero(value == np.repeat(extreme.reduceat(value, starts), counts))
        found.append(reached[np.diff(bucket[reached], prepend=-1) > 0])  # the first of each span
    return np.unique(np.concatenate(found))


def _with_breaks(
    at_us: NDArray[np.int64], value: NDArray[np.float64], run: NDArray[np.int64]
) -> Points:
    after = np.flatnonzero(np.diff(run)) + 1
    return np.insert(at_us, after, at_us[after - 1] + 1), np.insert(value, after, np.nan)
