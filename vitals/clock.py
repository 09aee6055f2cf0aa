"""The station's clock, and the time sources it is made of.

One clock belongs to the station: now = anchor_us + (mono - anchor_mono) * speed. Wall time is
read once, when the clock is anchored; an NTP step, DST or somebody setting the time moves
neither an alarm timer nor a dose clock. On Linux the monotonic source is CLOCK_BOOTTIME, as
CLOCK_MONOTONIC stands still while the computer is suspended.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vitals.model import US

__all__ = ["US", "Clock", "ManualClock", "Now", "boot_id", "boottime_ns"]

_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", None)


def boottime_ns() -> int:
    """Nanoseconds of the monotonic source that also runs during suspend, where there is one."""
    return time.monotonic_ns() if _BOOTTIME is None else time.clock_gettime_ns(_BOOTTIME)


def boot_id() -> str:
    """Names this boot of the computer; `""` where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


class Now(Protocol):
    """Anything that tells the station's time."""

    def now_us(self) -> int:
        """Microseconds UTC by the station's clock."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The station's clock.

    Attributes:
        anchor_us: UTC microseconds at the anchor.
        anchor_mono_ns: `boottime_ns()` at the anchor.
        speed: station seconds per real second; other than 1 only in demo and test mode.
    """

    anchor_us: int
    anchor_mono_ns: int
    speed: float = 1.0

    @classmethod
    def anchored_now(cls, speed: float = 1.0) -> Clock:
        """A clock that starts at the present wall time."""
        return cls(time.time_ns() // 1000, boottime_ns(), speed)

    def now_us(self) -> int:
        """Microseconds UTC by this clock."""
        elapsed_ns = boottime_ns() - self.anchor_mono_ns
        if self.speed == 1.0:
            return self.anchor_us + elapsed_ns // 1000
        return self.anchor_us + int(elapsed_ns * self.speed) // 1000


class ManualClock:
    """A clock for tests: stands still until told to move."""

    def __init__(self, now_us: int = 1_800_000_000 * US) -> None:
        self._now_us = now_us

    def now_us(self) -> int:
        """The time it was last set to."""
        return self._now_us

    def advance(self, seconds: float) -> int:
        """Moves forward and returns the new time."""
        self._now_us += round(seconds * US)
        return self._now_us
