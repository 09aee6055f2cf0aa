"""The decimated trend of one channel: what a chart of a whole session is drawn from.

At most 360 buckets of equal width with the minimum, the maximum and the last value in each, so
that extremes survive. The width starts at one second of station time and doubles whenever the
span no longer fits: six minutes at 1 s, two hours at 32 s. Buckets lie on multiples of the width
since the epoch, so the same samples give the same trend in whatever order they come, and the
channels of a room share their edges. A gap has no bucket.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Self

from vitals import wire
from vitals.model import US

MAX_BUCKETS = 360
START_WIDTH_US = US

_Bucket = tuple[float, float, float, int]
"""Minimum, maximum, last value, and when that last value was taken (us)."""


class Trend:
    """Min/max buckets of one channel; pure, bounded."""

    __slots__ = ("_buckets", "_first", "_last", "channel", "width_us")

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.width_us = START_WIDTH_US
        self._buckets: dict[int, _Bucket] = {}
        self._first = 0
        self._last = 0

    @classmethod
    def of(cls, message: wire.TrendMsg) -> Self:
        """The trend that a message describes, ready for more samples."""
        trend = cls(message.channel)
        trend.absorb(message)
        return trend

    def absorb(self, message: wire.TrendMsg) -> None:
        """Adds all buckets of a trend of the same channel, whose width is then the least."""
        while self.width_us < message.width_us:
            self._double()
        for start_us, low, high, last in message.b:
            self._merge(start_us // self.width_us, (low, high, last, start_us))
        self._widen()

    def add(self, at_us: int, value: float) -> None:
        """Adds one sample; a value that is not a finite number is not one, and is left out."""
        if math.isfinite(value):
            self._merge(at_us // self.width_us, (value, value, value, at_us))
            self._widen()

    def load(self, samples: Iterable[tuple[int, float]]) -> None:
        """Adds many samples (at_us, value), e.g. those of an open session after a restart."""
        for at_us, value in samples:
            self.add(at_us, value)

    def message(self) -> wire.TrendMsg:
        """The buckets in the order of time, each (start_us, minimum, maximum, last)."""
        width_us = self.width_us
        rows = [
            (index * width_us, low, high, last)
            for index, (low, high, last, _) in sorted(self._buckets.items())
        ]
        return wire.TrendMsg(channel=self.channel, width_us=width_us, b=rows)

    def _merge(self, index: int, new: _Bucket) -> None:
        if not self._buckets:
            self._first = self._last = index
        elif index > self._last:
            self._last = index
        elif index < self._first:
            self._first = index
        old = self._buckets.get(index)
        if old is None:
            self._buckets[index] = new
        else:
            latest = new if new[3] >= old[3] else old
            self._buckets[index] = (min(old[0], new[0]), max(old[1], new[1]), *latest[2:])

    def _widen(self) -> None:
        while self._last - self._first >= MAX_BUCKETS:
            self._double()

    def _double(self) -> None:
        old, self._buckets = self._buckets, {}
        self.width_us *= 2
        for index, bucket in old.items():
            self._merge(index // 2, bucket)
