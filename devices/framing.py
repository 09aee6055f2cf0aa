"""Small pieces that several protocols share: a byte buffer, one value a second, wave timing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vitals.channels import CHANNELS
from vitals.model import Flag, Numeric, Quality, Waveform

_SECOND_US = 1_000_000


class Buffer:
    """Bytes that have arrived and are not yet understood; bounded, oldest dropped first.

    The bound is far above any frame, so only a stream that never frames reaches it.
    """

    __slots__ = ("_limit", "data")

    def __init__(self, limit: int = 4096) -> None:
        self.data = bytearray()
        self._limit = limit

    def extend(self, data: bytes) -> int:
        """Appends; returns how many old bytes had to be dropped."""
        self.data += data
        over = max(0, len(self.data) - self._limit)
        if over:
            del self.data[:over]
        return over

    def take(self, count: int) -> bytes:
        """Removes and returns exactly `count` bytes from the front."""
        out = bytes(self.data[:count])
        del self.data[:count]
        return out


class OncePerSecond:
    """Thins a dense stream: the first value, any change of validity or flags, then 1 Hz.

    Time is counted in frames, not by the clock, so that any split of the same bytes gives the
    same Numerics.
    """

    __slots__ = ("_count", "_every", "_last")

    def __init__(self, frames_per_second: int) -> None:
        self._every = frames_per_second
        self._count = 0
        self._last: object = None

    def due(self, key: object) -> bool:
        """Whether this frame's values are to be emitted; `key` is validity and flags."""
        self._count += 1
        if self._last is not None and key == self._last and self._count < self._every:
            return False
        self._last, self._count = key, 0
        return True


class WaveClock:
    """Times waveform packets by counting samples, re-anchored when off by over 250 ms."""

    __slots__ = ("_anchor_us", "_next_us", "_rate_hz", "_since_anchor")

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._anchor_us = 0
        self._since_anchor = 0
        self._next_us: int | None = None

    def packet(
        self, device: str, channel: str, samples: list[int], at_us: int, quality: Quality
    ) -> Waveform:
        """A packet whose last sample arrived at `at_us`."""
        length_us = round(len(samples) * _SECOND_US / self._rate_hz)
        start_us = at_us - length_us
        if self._next_us is None or abs(self._next_us - start_us) > 250_000:
            self._anchor_us, self._since_anchor = start_us, 0
        else:
            start_us = self._next_us
        self._since_anchor += len(samples)
        self._next_us = self._anchor_us + round(self._since_anchor * _SECOND_US / self._rate_hz)
        values = np.asarray(samples, np.float32)
        return Waveform(device, channel, start_us, self._rate_hz, values, quality)


def numerics(
    device: str,
    at_us: int,
    values: Mapping[str, float | None],
    quality: Quality,
    flags: frozenset[Flag],
) -> list[Numeric]:
    """Numerics that share time, quality and flags.

    A value outside its channel's hard limits is invalid and loses its number.
    """
    out = []
    for channel, value in values.items():
        this = quality
        if value is not None:
            limits = CHANNELS[channel]
            if not limits.plausible_low <= value <= limits.plausible_high:
                value, this = None, Quality.INVALID
        out.append(Numeric(device, channel, at_us, value, this, flags))
    return out
