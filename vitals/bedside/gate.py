"""The cuff gate: on the oximeter's arm an inflated cuff takes the pulse, and that is no alarm.

It holds SpO2 and the oximeter's pulse until deflation and 10 s, at most 60 s in any 5 min. The
room opens it only where the same arm is recorded and nothing of SpO2 or pulse is pending or
active, and closes it when two good samples below the floor come through.
"""

from __future__ import annotations

from vitals.model import US

AFTER_US = 10 * US
BUDGET_US = 60 * US
WINDOW_US = 300 * US


class CuffGate:
    """The gate of one room. Times are the room's."""

    def __init__(self) -> None:
        self._spans: list[tuple[int, int]] = []
        self._open_us: int | None = None
        self._most_us = 0
        self._end_us = 0

    def inflated(self, now_us: int) -> None:
        """The cuff begins to inflate, and nothing speaks against the gate."""
        if self.holds(now_us):  # again, before the hold after the last one was over
            self._end_us = self._most_us
            return
        self._spans = [span for span in self._spans if span[1] > now_us - WINDOW_US]
        used_us = sum(to_us - max(from_us, now_us - WINDOW_US) for from_us, to_us in self._spans)
        self._open_us = now_us
        self._most_us = self._end_us = now_us + max(0, BUDGET_US - used_us)

    def deflated(self, now_us: int) -> None:
        """The cuff is empty."""
        if self.holds(now_us):
            self._end_us = min(self._end_us, now_us + AFTER_US)

    def close(self, now_us: int) -> None:
        """It ends at once."""
        if self._open_us is not None:
            self._end_us = min(self._end_us, now_us)
        self.holds(now_us)

    def holds(self, now_us: int) -> bool:
        """Whether SpO2 and the oximeter's pulse are held now."""
        if self._open_us is None:
            return False
        if now_us < self._end_us:
            return True
        self._spans.append((self._open_us, self._end_us))
        self._open_us = None
        return False

    @property
    def end_us(self) -> int:
        """When the last or the present hold ends."""
        return self._end_us
