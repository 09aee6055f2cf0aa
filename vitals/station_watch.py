"""What the station watches of itself: the computer's clock, its own lateness, who can hear it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from vitals.audience import AudienceCount
from vitals.clock import boottime_ns
from vitals.model import Audience, Notice

_log = logging.getLogger(__name__)
STEP_S = 2.0
"""A jump of the computer's clock by more is reported; no timer of ours follows it."""


class Watch:
    """Looks once a second, and hands what it finds to all rooms.

    Args:
        now_us: the station's clock.
        tell: takes an input for every room.
        wall_ns: the computer's clock, for tests.
    """

    def __init__(
        self,
        now_us: Callable[[], int],
        tell: Callable[[Notice | Audience], None],
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._now_us = now_us
        self._tell = tell
        self._wall_ns = wall_ns
        self._skew_ns = wall_ns() - boottime_ns()
        self._count = AudienceCount()
        self._heard: bool | None = None

    @property
    def armed(self) -> int:
        """Pages with armed sound, over all webs."""
        return self._count.armed(time.monotonic())

    def look(self) -> None:
        """Once a second."""
        skew_ns = self._wall_ns() - boottime_ns()
        step_s = (skew_ns - self._skew_ns) / 1e9
        self._skew_ns = skew_ns
        if abs(step_s) > STEP_S:
            _log.warning("the computer's clock was moved by %+.0f s", step_s)
            words = f"The computer's clock was moved by {step_s:+.0f} s; session times stay right"
            self._tell(Notice("", self._now_us(), "clock_step", True, words))
        self._listen()

    def late(self, late_s: float) -> None:
        """The station's loop was late."""
        words = f"The program was {late_s:.1f} s late: this computer is too slow or too busy"
        self._tell(Notice("", self._now_us(), "engine_late", True, words))

    def on_audience(self, connection: object, armed: int, pages: int) -> None:
        """A web says how many of its pages can be heard."""
        self._count.heard(connection, armed, pages, time.monotonic())
        self._listen()

    def on_gone(self, connection: object) -> None:
        """A web has gone."""
        self._count.gone(connection)
        self._listen()

    def _listen(self) -> None:
        armed = self.armed
        if (armed > 0) is not self._heard:
            self._heard = armed > 0
            self._tell(Audience(self._now_us(), armed))
