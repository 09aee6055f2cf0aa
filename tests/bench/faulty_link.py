"""A simulated monitor, a faulty line and the station's half of the conversation, by hand.

Time is simulated: 20 minutes take about a second. The patient's values tell the time at which
they were true, so that an old or an invented value is known as such. What reopens the link is
what `devices.keeper` does, without its IO: a `Conversation`, given up when it is in trouble or
the plug is out, and begun anew after the keeper's own back-off.

    python -m tests.bench.faulty_link     prints what each fault does to each driver
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field

from devices import registry
from devices.conversation import Conversation
from devices.driver import Chunk, Driver, StartNibp
from devices.keeper import BACK_OFF_S
from simulators.faults import NAMES, SWAP, LineFault
from simulators.monitor import SimulatedMonitor
from vitals.channels import NIBP, plausible
from vitals.errors import CommandError
from vitals.freshness import freshness
from vitals.model import US, Numeric, Quality

TICK_S = 0.05
ASK_S = 0.1
FAULTY_S, GOOD_S = 60.0, 45.0
STRIKES_PER_MINUTE = 20.0
NIBP_EVERY_S = 45.0
NIBP_AGE_S = 15.0
"""How old a blood pressure may be when it is given: two replies of a slow monitor and a stall."""
DELAY_S = {"stall": 5.0}
"""How much later a fault itself makes bytes come."""


class Sweep:
    """A patient whose values tell the time; none of a channel's is another one's."""

    def __init__(self) -> None:
        self.now_s = 0.0

    @staticmethod
    def at(channel: str, t_s: float) -> float | None:
        if channel in NIBP:
            step = int(t_s / 5)
            low, count = {"nibp_sys": (120, 37), "nibp_dia": (60, 19), "nibp_map": (85, 13)}[
                channel
            ]
            return float(low + step % count)
        low, count, step_s = {
            "spo2": (80, 20, 2.0),
            "pr": (45, 35, 1.5),
            "hr": (45, 35, 1.5),
            "rr": (8, 30, 2.0),
        }.get(channel, (0, 0, 1.0))
        if channel == "pi":
            return 3 + int(t_s / 2) % 20 / 4
        return float(low + int(t_s / step_s) % count) if count else None

    def value(self, channel: str) -> float | None:
        return self.at(channel, self.now_s)

    def fault(self, code: str) -> bool:
        return False

    def pleth(self, offset_s: float = 0.0) -> float:
        return 0.5

    def advance(self, dt_s: float) -> None:
        self.now_s += dt_s

    def was(self, channel: str, value: float, since_s: float) -> bool:
        """Whether the value was true at any time since then."""
        t_s = max(0.0, since_s)
        while t_s <= self.now_s + 0.5:
            if self.at(channel, t_s) == value:
                return True
            t_s += 0.5
        return False


@dataclass
class Found:
    """What came out.

    Attributes:
        values: numbers that were given as usable.
        wrong: those that were not true within their freshness: old ones, or invented.
        implausible: those outside the hard limits.
        given: times at which a value came.
        nibp: (arrival, at_us) of each blood pressure.
    """

    values: int = 0
    wrong: list[tuple[float, str, float]] = field(default_factory=list)
    implausible: int = 0
    given: list[float] = field(default_factory=list)
    nibp: list[tuple[float, int]] = field(default_factory=list)


class Plugged:
    """A monitor on its port; `monitor` may be changed for another one's (a swap)."""

    def __init__(self, name: str, kinds: tuple[str, ...] = (), seed: int = 1) -> None:
        self.driver: Driver = registry.get(name)
        self.patient = Sweep()
        faults = [LineFault(kind, STRIKES_PER_MINUTE) for kind in kinds]
        self.monitor = SimulatedMonitor(
            self.driver, self.patient, seed=seed, faults=faults, nibp_every_s=NIBP_EVERY_S
        )
        self.late_s = sum(DELAY_S.get(kind, 0.0) for kind in kinds)
        self.found = Found()
        self.links = 0
        self._conversation: Conversation | None = None
        self._pause_s = BACK_OFF_S[0]
        self._open_s = 0.0
        self._start_s = 5.0

    @property
    def now_us(self) -> int:
        return 1_800_000_000 * US + round(self.patient.now_s * US)

    def run(self, seconds: float) -> None:
        end_s = self.patient.now_s + seconds
        while self.patient.now_s < end_s:
            self.step()

    def step(self) -> None:
        """One tick."""
        self.patient.advance(TICK_S)
        data = self.monitor.advance(TICK_S)
        now_s = self.patient.now_s
        if self.monitor.unplugged:
            self._close()
        elif self._conversation is None and now_s >= self._open_s:
            self._conversation = Conversation(self.driver, "d1", now_s)
            self._conversation.opened(now_s)
            self.links += 1
        conversation = self._conversation
        if conversation is None:
            return
        if data:
            self._hear(conversation, data)
        self._ask(conversation)
        if conversation.trouble(now_s):
            self._close()

    def _hear(self, conversation: Conversation, data: bytes) -> None:
        now_s = self.patient.now_s
        for event in conversation.feed(Chunk(data, self.now_us), now_s):
            if not isinstance(event, Numeric):
                continue
            assert event.at_us <= self.now_us
            if event.value is not None and event.quality is not Quality.INVALID:
                self._judge(event, now_s)

    def _judge(self, event: Numeric, now_s: float) -> None:
        assert event.value is not None
        self.found.values += 1
        self.found.given.append(now_s)
        self.found.implausible += not plausible(event.channel, event.value)
        if event.channel == "cuff":
            return
        fresh_s = freshness(event, self.driver.period_s, ())[0]
        if event.channel in NIBP:
            fresh_s = NIBP_AGE_S
            if event.channel == "nibp_sys":
                self.found.nibp.append((now_s, event.at_us))
        if not self.patient.was(event.channel, event.value, now_s - fresh_s - self.late_s):
            self.found.wrong.append((round(now_s, 2), event.channel, event.value))

    def _ask(self, conversation: Conversation) -> None:
        now_s = self.patient.now_s
        if "start_nibp" in self.driver.can and conversation.alive and now_s >= self._start_s:
            self._start_s = now_s + 10.0
            try:
                conversation.request(StartNibp(), self.now_us)
                self._start_s = now_s + NIBP_EVERY_S
            except CommandError:
                pass  # one runs already
        if out := conversation.due(self.now_us, now_s):
            self.monitor.receive(out)

    def _close(self) -> None:
        if self._conversation is None:
            return
        self._conversation.farewell(self.now_us)
        self._pause_s = BACK_OFF_S[0] if self._conversation.heard else 2 * self._pause_s
        self._pause_s = min(self._pause_s, BACK_OFF_S[1])
        self._conversation = None
        self._start_s = 0.0  # a reading that ran is lost
        self._open_s = self.patient.now_s + self._pause_s


@dataclass(frozen=True)
class Outcome:
    """One driver under one fault.

    Attributes:
        recovery_s: from the fault's end to the next value.
    """

    name: str
    fault: str
    found: Found
    recovery_s: float


def outcome(name: str, fault: str, seed: int = 1) -> Outcome:
    """A minute with faults, then time to recover."""
    if fault == SWAP:
        return swapped(name)
    link = Plugged(name, (fault,), seed)
    link.run(FAULTY_S)
    link.monitor.mend()
    while link.monitor.failing:
        link.step()
    ended_s = link.patient.now_s
    link.run(GOOD_S)
    return Outcome(name, fault, link.found, _recovery_s(link.found, ended_s))


def swapped(name: str, other: str = "") -> Outcome:
    """Twenty seconds on another monitor's port, after and before its own."""
    other = other or ("nonin-df8" if name == "nonin-df1" else "nonin-df1")
    one, two = Plugged(name), Plugged(other)

    def together(seconds: float) -> None:
        for _ in range(round(seconds / TICK_S)):
            one.step()
            two.step()

    together(20.0)
    one.monitor, two.monitor = two.monitor, one.monitor
    together(20.0)
    one.monitor, two.monitor = two.monitor, one.monitor
    ended_s = one.patient.now_s
    together(GOOD_S)
    return Outcome(name, f"{SWAP} {other}", one.found, _recovery_s(one.found, ended_s))


def _recovery_s(found: Found, ended_s: float) -> float:
    return next((at_s - ended_s for at_s in found.given if at_s >= ended_s), float("inf"))


def main() -> None:
    names = [name for name in registry.names() if registry.get(name).transport != "ble"]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("drivers", nargs="*", default=names)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    out = sys.stdout.write
    out(
        f"{'driver':15}{'fault':14}{'values':>7}{'wrong':>6}{'implausible':>12}{'recovery s':>11}\n"
    )
    for name in options.drivers:
        for fault in (*NAMES, SWAP):
            seen = [outcome(name, fault, seed) for seed in range(1, options.seeds + 1)]
            wrong = [told for one in seen for told in one.found.wrong]
            out(
                f"{name:15}{fault:14}{sum(one.found.values for one in seen):7}{len(wrong):6}"
                f"{sum(one.found.implausible for one in seen):12}"
                f"{max(one.recovery_s for one in seen):11.2f}  {wrong[:3] or ''}\n"
            )


if __name__ == "__main__":
    main()
