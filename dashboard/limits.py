"""How much one caller may ask in a minute, and how long a request may be. Time is an argument.

Every request costs units, heavy ones more; a caller has so many at once, and gets them back
steadily. So nobody's program can keep the figure process from the pages of others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vitals.model import US

BODY_BYTES = 64 << 10
"""Longest body of a request."""
QUERY_BYTES = 4096
"""Longest path, and longest query."""
BODY_S = 10.0
"""A body that takes longer to arrive is given up."""
MOST = 10_000
"""Callers that are remembered; beyond it those go that were not here for longest."""

UNITS_A_MINUTE = 600.0
LIGHT, DATA, HEAVY = 1.0, 3.0, 10.0
COSTS: tuple[tuple[str, re.Pattern[str], float], ...] = (
    ("POST", re.compile(r"/api/v1/jobs/.*"), HEAVY),
    ("GET", re.compile(r".*\.pdf"), HEAVY),
    ("GET", re.compile(r"/api/v1/sessions/[^/]*/(numerics|events|alarms)"), DATA),
)
"""Method, path and what it costs; what is not here costs one unit."""


def cost(method: str, path: str) -> float:
    """Units of a request."""
    for its_method, pattern, units in COSTS:
        if method == its_method and pattern.fullmatch(path):
            return units
    return LIGHT


@dataclass(slots=True)
class _Bucket:
    units: float
    at_us: int


class Limits:
    """Units of every caller.

    Attributes:
        refused: requests that came too soon.
    """

    def __init__(self, a_minute: float = UNITS_A_MINUTE) -> None:
        """A caller has the units of half a minute at once."""
        self.refused = 0
        self._a_second = a_minute / 60.0
        self._at_once = a_minute / 2.0
        self._buckets: dict[str, _Bucket] = {}

    def wait_s(self, caller: str, units: float, now_us: int) -> float:
        """Takes units from a caller; how long to wait first, 0 for not at all."""
        bucket = self._buckets.pop(caller, None) or _Bucket(self._at_once, now_us)
        passed_s = max(0, now_us - bucket.at_us) / US
        bucket.units = min(self._at_once, bucket.units + passed_s * self._a_second)
        bucket.at_us = now_us
        self._buckets[caller] = bucket  # the newest stand last
        while len(self._buckets) > MOST:
            del self._buckets[next(iter(self._buckets))]
        if bucket.units < units:
            self.refused += 1
            return (units - bucket.units) / self._a_second
        bucket.units -= units
        return 0.0
