"""One level of one rule in time: idle -> pending -> active -> releasing -> idle.

A track knows nothing of priorities, people or signals. It answers one question: is this level's
condition met, and since when? Times of transitions are when the condition was met, so calling
`advance` more or less often changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vitals.model import US, Level, Side

State = Literal["idle", "pending", "active", "releasing"]

FRESH_US = 3 * US
"""A value speaks for the patient this long after it was taken."""
GAP_US = 10 * US
"""Pending and releasing delays survive gaps up to this; a longer gap restarts them."""


@dataclass(slots=True)
class Track:
    """Runs one `level` of a rule.

    Attributes:
        state: see the module.
        since_us: when the present state's delay started.
        not_before_us: earliest time at which a technical condition may be met.
        run: consecutive good samples that were out.
    """

    level: Level
    side: Side
    slack_us: int = 0
    state: State = "idle"
    since_us: int = 0
    not_before_us: int = 0
    run: int = 0

    @property
    def met(self) -> bool:
        """Whether the level is in force (a releasing level still is)."""
        return self.state in ("active", "releasing")

    def out(self, value: float) -> bool:
        """Whether a value is beyond the limit."""
        limit = self.level.limit
        if limit is None:
            return False
        if self.level.strict and value == limit:
            return False
        return value >= limit if self.side == "high" else value <= limit

    def inside(self, value: float) -> bool:
        """Whether a value is far enough back to begin the release (hysteresis)."""
        clear = self.level.clear
        if clear is None:
            return not self.out(value)
        return value <= clear if self.side == "high" else value >= clear

    def sample(self, at_us: int, value: float, last_us: int | None, *, good: bool = True) -> None:
        """Judges a valid sample; `last_us` is the time of the one before."""
        gap = last_us is None or at_us - last_us > GAP_US + self.slack_us
        out = self.out(value)
        self.run = self.run + 1 if out and good else 0
        if out:
            if self.state == "idle" or (self.state == "pending" and gap):
                self.state, self.since_us = "pending", at_us
            elif self.state == "releasing":
                self.state, self.since_us = "active", at_us
            if self.state == "pending" and self._held(at_us):
                self.state, self.since_us = "active", at_us
        elif self.state == "pending":
            self.state = "idle"
        elif self.state == "active" and self.inside(value):
            self.state, self.since_us = "releasing", at_us
        elif self.state == "releasing":
            if not self.inside(value):
                self.state = "active"
            elif gap:
                self.since_us = at_us
        if self.state == "releasing" and at_us - self.since_us >= self.level.release_s * US:
            self.state = "idle"

    def _held(self, at_us: int) -> bool:
        enough = bool(self.level.samples) and self.run >= self.level.samples
        return enough or at_us - self.since_us >= self.level.hold_s * US

    def condition(self, now_us: int, since_us: int | None, not_before_us: int = 0) -> None:
        """A technical condition, present since `since_us`; None = absent.

        It is not met before `not_before_us`, however long it has lasted.
        """
        self.not_before_us = not_before_us
        if since_us is None:
            self.state = "idle"
        elif self.state != "active" or self._met_us(since_us) > now_us:
            self.state, self.since_us = "pending", since_us

    def _met_us(self, since_us: int) -> int:
        return max(since_us + round(self.level.hold_s * US), self.not_before_us)

    def end_us(self, last_us: int | None) -> int | None:
        """When the running delay ends by itself; None if it does not.

        A value that is no longer fresh (`last_us`: last valid one) neither raises nor clears an
        alarm: its delay waits for the next sample. Technical conditions need no samples.
        """
        if self.side == "technical":
            return self._met_us(self.since_us) if self.state == "pending" else None
        delays = {"pending": self.level.hold_s, "releasing": self.level.release_s}
        if self.state not in delays:
            return None
        end_us = self.since_us + round(delays[self.state] * US)
        if last_us is None or end_us - last_us > FRESH_US + self.slack_us:
            return None
        return end_us

    def end(self, at_us: int) -> None:
        """The running delay has ended at `at_us`."""
        self.state = "active" if self.state == "pending" else "idle"
        self.since_us = at_us

    def restart(self, *, met: bool) -> None:
        """After a restart: what was met stays met until fresh data says otherwise."""
        self.state, self.run = ("active" if met else "idle"), 0
