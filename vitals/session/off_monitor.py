"""Off the monitor: for a toilet visit, a change of position, a battery.

It suspends what speaks of devices, for 10 min (a battery: 3), can be extended once, and ends by
itself with 10 s of good data.
"""

from __future__ import annotations

from vitals.model import US

OFF_S, BATTERY_S = 600.0, 180.0
GOOD_US = 10 * US
STAYED_US = 60 * US
"""A patient whose data never stopped has not been taken off: it ends after this."""
GAP_US = 3 * US
_AWAITED = ("spo2", "pr", "hr")


class BackOnMonitor:
    """Notices that the patient is back."""

    def __init__(self) -> None:
        self._since_us: int | None = None
        self._last_us = 0
        self._lost = False

    def lost(self, channel: str) -> None:
        """A device says that it has no value, or that it doubts it."""
        if channel in _AWAITED:
            self._since_us, self._lost = None, True

    def good(self, now_us: int, channel: str) -> bool:
        """A valid value has come; whether that is enough to say that the patient is back."""
        if channel != "spo2":
            return False
        if self._since_us is None or now_us - self._last_us > GAP_US:
            self._lost = self._lost or self._since_us is not None
            self._since_us = now_us
        self._last_us = now_us
        return now_us - self._since_us >= (GOOD_US if self._lost else STAYED_US)
