"""One level of one rule in time: idle -> pending -> active -> releasing -> idle.

A track knows nothing of priorities, people or signals. It answers one question: is this level's
condition met, and since when? Times of transitions are when the condition was met, so calling
`advance` more or less often changes nothing.

A delay is a sum over time: one second counts for one second, a questionable value for half of
it, so that its delay is twice as long; with SatSeconds it counts for the depth below the limit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from vitals.alarms.limits import InForce
from vitals.model import US, Level, Side

FRESH_US = 3 * US
"""A value of a stream speaks for the patient this long after it was taken."""
GAP_US = 10 * US
"""Pending and releasing delays survive gaps up to this; a longer gap restarts them."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a device speaks.

    Attributes:
        fresh_us: a value speaks for the patient this long after it was taken.
        gap_us: delays survive gaps up to this; a longer gap restarts them.
        spot: it speaks only when somebody measures: each value is judged as it comes.
    """

    fresh_us: int = 3 * US
    gap_us: int = 10 * US
    spot: bool = False


def pace(period_s: float = 1.0, slack_us: int = 0, *, spot: bool = False) -> Pace:
    """The pace of a device with so many seconds between two values (longer ones wait longer)."""
    twice_us = round(2 * period_s * US)
    return Pace(max(FRESH_US, twice_us) + slack_us, max(GAP_US, twice_us) + slack_us, spot)


State = Literal["idle", "pending", "active", "releasing"]

QUESTIONABLE = 0.5
"""What a second of a questionable value counts for."""


@dataclass(slots=True)
class Track:
    """Runs one `level` of a rule.

    Attributes:
        now: the limit in force; None while the level does not count.
        state: see the module.
        since_us: when the present state began; of a technical condition: since when it lasts.
        not_before_us: earliest time at which a technical condition may be met.
        run: consecutive good samples that were out.
        outs: consecutive samples that were out.
        last_out: the newest value that was out, and its time.
    """

    level: Level
    side: Side
    pace: Pace = field(default_factory=Pace)
    now: InForce | None = None
    state: State = "idle"
    since_us: int = 0
    not_before_us: int = 0
    run: int = 0
    outs: int = 0
    last_out: tuple[float, int] | None = None
    _done: float = 0.0
    """How much of the running delay has passed, in µs (with SatSeconds: µs times depth)."""
    _rate: float = 0.0
    """What one µs since the last sample counts for."""

    @property
    def met(self) -> bool:
        """Whether the level is in force (a releasing level still is)."""
        return self.state in ("active", "releasing")

    def out(self, value: float) -> bool:
        """Whether a value is beyond the limit."""
        if self.now is None:
            return False
        limit = self.now.limit
        if self.level.strict and value == limit:
            return False
        return value >= limit if self.side == "high" else value <= limit

    def inside(self, value: float) -> bool:
        """Whether a value is far enough back to begin the release (hysteresis)."""
        if self.now is None or self.level.clear is None:
            return not self.out(value)
        return value <= self.now.clear if self.side == "high" else value >= self.now.clear

    def sample(self, at_us: int, value: float, last_us: int | None, *, good: bool = True) -> None:
        """Judges a valid sample; `last_us` is the time of the one before."""
        out = self.out(value)
        if out:
            self.last_out = (value, at_us)
        if self.pace.spot:
            self._spot(at_us, value, out=out)
            return
        self.run = self.run + 1 if out and good else 0
        self.outs = self.outs + 1 if out else 0
        if last_us is not None and self.state in ("pending", "releasing"):
            if at_us - last_us > self.pace.gap_us:
                self._begin(self.state, at_us)
            else:
                self._done = max(0.0, self._done + self._rate * self._spoken(at_us - last_us))
        if out:
            if self.state == "idle":
                self._begin("pending", at_us)
            elif self.state == "releasing":
                self._begin("active", at_us)
            if self.state == "pending" and self._held():
                self._begin("active", at_us)
        elif self.state == "pending":
            if not self.level.sat_seconds or self._done <= 0:
                self.state = "idle"
        elif self.state == "active" and self.inside(value):
            self._begin("releasing", at_us)
        elif self.state == "releasing" and not self.inside(value):
            self.state = "active"
        self._rate = self._speed(value, good=good)
        if self.state == "releasing" and self._done >= self._target():
            self.state = "idle"

    def _spot(self, at_us: int, value: float, *, out: bool) -> None:
        """Nobody knows when the next one comes: one value out is out, one inside is inside."""
        self.outs = self.outs + 1 if out else 0
        if out and self.state != "active":
            self._begin("active", at_us)
        elif not out and (self.state == "pending" or (self.met and self.inside(value))):
            self.state = "idle"

    def _begin(self, state: State, at_us: int) -> None:
        self.state, self.since_us, self._done = state, at_us, 0.0

    def _spoken(self, dt_us: int) -> int:
        """How long the value before speaks: its depth for no longer than it is fresh."""
        return min(dt_us, self.pace.fresh_us) if self._sums else dt_us

    @property
    def _sums(self) -> bool:
        return bool(self.level.sat_seconds) and self.state == "pending"

    def _speed(self, value: float, *, good: bool) -> float:
        share = 1.0 if good else QUESTIONABLE
        if not self._sums or self.now is None:
            return share
        depth = (value - self.now.limit) * (1 if self.side == "high" else -1)
        # Back inside, the sum runs down; at the limit itself by one point a second.
        return depth * share if self.out(value) else min(depth, -1.0)

    def _target(self) -> float:
        if self.state == "releasing":
            return self.level.release_s * US
        return (self.level.sat_seconds or self.level.hold_s) * US

    def _held(self) -> bool:
        enough = bool(self.level.samples) and self.run >= self.level.samples
        return enough or self._done >= self._target()

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
        if self.state not in ("pending", "releasing") or last_us is None or not self._rate:
            return None
        if self.pace.spot:
            return None
        if self.state == "pending" and self.level.samples:
            return None  # it wants samples: one that is followed by silence is not two
        target = self._target() if self._rate > 0 else 0.0
        left_us = max(0, round((target - self._done) / self._rate))
        return last_us + left_us if left_us <= self.pace.fresh_us else None

    def end(self, at_us: int) -> None:
        """The running delay has ended at `at_us`."""
        raised = self.state == "pending" and (self.side == "technical" or self._rate > 0)
        self._begin("active" if raised else "idle", at_us)

    def retune(self, now: InForce | None) -> None:
        """Another limit is in force; a level that no longer counts ends."""
        self.now = now
        if now is None:
            self.state, self.run, self.outs = "idle", 0, 0

    def restart(self, *, met: bool) -> None:
        """After a restart: what was met stays met until fresh data says otherwise."""
        self.state, self.run = ("active" if met else "idle"), 0
        self.outs = 1 if met else 0
        self._done = 0.0
