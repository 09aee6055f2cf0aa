"""The blood pressure cuffs at one bed: what is being measured, what failed, what was read."""

from __future__ import annotations

from vitals.model import US, Notice

DEFLATED_S = 30.0
"""A cuff rests this long before a failed reading is repeated."""
NO_VALUE = "the monitor gave no valid pressure"
LINK_LOST = "the link was lost while measuring"


class Cuff:
    """State of all cuffs of a bed.

    Attributes:
        failures: failed readings in a row, over all cuffs.
        failed: the last failure, with its reason.
        measured_us: when the last measurement ended.
        rest_until_us: nothing is asked for before.
        readings_us: times of the valid readings.
    """

    def __init__(self) -> None:
        self._measuring: dict[str, int] = {}
        self.failures = 0
        self.failed: Notice | None = None
        self.measured_us = 0
        self.rest_until_us = 0
        self.readings_us: list[int] = []

    def begin(self) -> None:
        """A session begins: earlier failures and readings are not its own."""
        self.failures, self.failed = 0, None
        self.measured_us = self.rest_until_us = 0
        self.readings_us = []

    @property
    def measuring_us(self) -> int | None:
        """When the running measurement started, None while none runs."""
        return max(self._measuring.values(), default=None)

    def measures(self, device: str) -> bool:
        """Whether this device measures now."""
        return device in self._measuring

    def inflating(self, now_us: int, device: str, active: bool) -> None:
        """The device says that its cuff inflates, or no longer does."""
        if active:
            self._measuring.setdefault(device, now_us)
        else:
            self._end(now_us, device)

    def read(self, now_us: int, device: str, at_us: int) -> None:
        """A valid reading has come, taken at `at_us`."""
        self.failures, self.failed = 0, None
        self._end(now_us, device)
        self.readings_us.append(at_us)

    def fail(self, now_us: int, notice: Notice) -> bool:
        """A reading failed; True for the first in a row, which is asked for again."""
        self.failures += 1
        self.failed = notice
        self._end(now_us, notice.device)
        if self.failures == 1:
            self.rest_until_us = now_us + round(DEFLATED_S * US)
        return self.failures == 1

    def _end(self, now_us: int, device: str) -> None:
        if self._measuring.pop(device, None) is not None:
            self.measured_us = now_us
