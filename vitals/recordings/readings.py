"""Blood pressures that a monitor shows on until the next one, as the single readings they are.

Programs that ask a monitor every second write the last reading down every second. One reading is
counted once, at the first moment it was seen.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vitals.model import US

HELD_US = 15 * US
"""Equal values no further apart than this are one reading: no cuff measures that often."""
TOGETHER_US = 2 * US
"""Values of one reading may be written down so far apart."""

Times = NDArray[np.int64]
Values = NDArray[np.float64]


def first_seen(
    tracks: dict[str, tuple[Times, Values]], began_us: int
) -> tuple[dict[str, tuple[Times, Values]], int | None]:
    """The readings among held values of one cuff.

    Args:
        tracks: systolic, diastolic, mean by channel, in order of time, without NaN.
        began_us: when the recording begins.

    Returns:
        The same with each reading once, and the time of a reading that was on the monitor already
        when the recording began: when it was taken nobody knows.
    """
    places = _together(tracks)
    if not places:
        return tracks, None
    at_us = np.array(sorted(places), dtype=np.int64)
    rows = np.array([[places[t].get(key, np.nan) for key in tracks] for t in at_us.tolist()])
    same = np.all((rows[1:] == rows[:-1]) | (np.isnan(rows[1:]) & np.isnan(rows[:-1])), axis=1)
    held = np.concatenate(([False], same & (np.diff(at_us) <= HELD_US)))
    found: dict[str, tuple[Times, Values]] = {}
    for n, key in enumerate(tracks):
        kept = ~held & ~np.isnan(rows[:, n])
        found[key] = (at_us[kept], rows[kept, n])
    was_held = held.size > 1 and bool(held[1])
    unknown = int(at_us[0]) if was_held and at_us[0] - began_us <= HELD_US else None
    return found, unknown


def _together(tracks: dict[str, tuple[Times, Values]]) -> dict[int, dict[str, float]]:
    """Time -> channel -> value; values a little later than the first of a reading join it."""
    offered = sorted(
        (int(t), key, float(v))
        for key, (at_us, value) in tracks.items()
        for t, v in zip(at_us.tolist(), value.tolist(), strict=True)
    )
    places: dict[int, dict[str, float]] = {}
    open_us: int | None = None
    for t, key, value in offered:
        joins = open_us is not None and t - open_us <= TOGETHER_US and key not in places[open_us]
        if not joins:
            open_us = t
            places[t] = {}
        assert open_us is not None  # noqa: S101 - set just above
        places[open_us][key] = value
    return places
