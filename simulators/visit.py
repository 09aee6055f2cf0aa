"""One simulated visit as the inputs of its room, one value a second.

    visit = Visit(seed, route="iv")
    for item in visit.inputs():
        visit.tell(room.step(item))

The room asks for blood pressures, sounds alarms and answers commands; the visit's cuff and nurse
react to that, so each answer must be told before the next input is taken. What is true of the
patient comes vectorised from `simulators.physiology`; nothing here knows a limit or a schedule.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from devices.framing import Conditions, numerics
from simulators.course import check_route
from simulators.mishaps import ORDINARY, Mishaps, cuff_reason, draw, misread
from simulators.nurse import AFTER_DOSE_S, Nurse, Plan
from simulators.physiology import SPO2_LAG_S, Physiology
from simulators.pulse import Array
from vitals.channels import NIBP
from vitals.model import (
    US,
    Actor,
    Audience,
    Command,
    DeviceRequest,
    Due,
    Flag,
    Input,
    Link,
    Notice,
    Numeric,
    Output,
    Tick,
)
from vitals.room_setup import RoomDevice

OXIMETER = RoomDevice("oximeter", ("spo2", "pr", "pi"))
CUFF = RoomDevice("cuff", NIBP, frozenset({"start_nibp"}))
DEVICES = (OXIMETER, CUFF)
NURSE = Actor("simulated nurse", "nurse")
ROOM = "room-1"
START_US = 1_800_000_000 * US

BEFORE_S = 30 * 60
"""A visit in which no dose was given by then is given up."""
_LENGTH_S = BEFORE_S + round(AFTER_DOSE_S) + 30 * 60
_CUFF_S = (25.0, 40.0)
"""How long a determination takes, from and to."""
_NIBP_NOISE = (4.0, 3.0)
_SEARCH_S = 6.0
_TICK_S = 10
_NO_FLAGS: frozenset[Flag] = frozenset()

_Body = Link | Audience | Command | Notice | Numeric | Tick
_Event = Callable[[int], Iterable[_Body]]


@dataclass(frozen=True, slots=True)
class Truth:
    """What was true of the patient in each second since the session was opened."""

    spo2: Array
    sys: Array
    dia: Array
    pr: Array


class Visit:
    """A patient, a probe, a cuff and a nurse; see the module.

    Args:
        seed: everything about the visit follows from it, and from what the room answers.
        route: of the dose.
        mishaps: how often what goes wrong.
        oximeter: None leaves it away, for what hangs on blood pressures alone.
        cuff: one that cannot be started by the program is started by the nurse, when it is due.
        physiology: the patient; None draws one from the seed.
        nurse: None draws one from the seed.
        until_s: the visit is left in the middle, so long after it began; None = its end.
        subject: the patient's pseudonym.
        room: the room.
        start_us: when the session is opened, microseconds UTC.

    Attributes:
        nurse: what she did.
        readings: (seconds, systolic, diastolic) of each blood pressure.
        failures: determinations that failed.
        failures_in_a_row: most of them without a reading between.
        events: what disturbed the sensor, and a true desaturation.

    Raises:
        ConfigError: there is no such route.
    """

    def __init__(
        self,
        seed: int,
        *,
        route: str = "iv",
        mishaps: Mishaps = ORDINARY,
        oximeter: RoomDevice | None = OXIMETER,
        cuff: RoomDevice = CUFF,
        physiology: Physiology | None = None,
        nurse: Nurse | None = None,
        until_s: int | None = None,
        subject: str = "P-1",
        room: str = ROOM,
        start_us: int = START_US,
    ) -> None:
        self.route = check_route(route)
        self._name, self._room, self._start_us = f"visit-{seed}-{start_us}", room, start_us
        self._mishaps = mishaps
        self._probe, self._cuff = oximeter or OXIMETER, cuff
        self.devices = (oximeter, cuff) if oximeter else (cuff,)
        self._watch = self._oximeter if oximeter else self._time_only
        self._prompted = "start_nibp" not in cuff.can
        self._until_s = _LENGTH_S if until_s is None else min(until_s, _LENGTH_S)
        self._cuff_rng = np.random.default_rng([seed, 12])
        self._misread_rng = np.random.default_rng([seed, 13])
        self.nurse = nurse or Nurse(np.random.default_rng([seed, 14]))
        self._physiology = physiology or Physiology(seed, gated=False)
        self.events, self._falls = draw(mishaps, np.random.default_rng([seed, 11]), _LENGTH_S)
        self.readings: list[tuple[float, float, float]] = []
        self.failures = self.failures_in_a_row = 0
        self._cuff_busy, self._cuff_failed = False, 0
        self._second = 0
        self._seconds = np.arange(_LENGTH_S, dtype=np.float64)
        self._agenda: list[tuple[float, int, _Event]] = []
        self._count = itertools.count(1)
        self._conditions = Conditions(self._probe.id)
        self._flags = self._flags_by_second()
        self._misread = misread(self.events, self._misread_rng, self._seconds)
        self._shown: dict[str, list[float]] = {}
        self._channels = [key for key in OXIMETER.channels if key in self._probe.channels]
        self._look()
        self._plan(self.nurse.arrives(subject, self.route))

    # --- what goes into the room ------------------------------------------------------------

    def inputs(self, seqs: Iterator[int] | None = None) -> Iterator[Input]:
        """All inputs of the visit in order, until the nurse has closed the session or `until_s`.

        Args:
            seqs: gives the inputs their numbers; None = from 1 on.
        """
        seqs = itertools.count(1) if seqs is None else seqs
        for device in self.devices:
            yield Input(next(seqs), self._start_us, Link(device.id, self._start_us, "streaming"))
        yield Input(next(seqs), self._start_us, Audience(self._start_us, armed=1))
        for second in range(self._until_s):
            self._second = second
            at_us = self._start_us + second * US
            while self._agenda and self._agenda[0][0] <= second:
                for body in heapq.heappop(self._agenda)[2](at_us):
                    yield Input(next(seqs), at_us, body)
                    if self.nurse.closed:
                        return
            for body in self._watch(second, at_us):
                yield Input(next(seqs), at_us, body)
            if second == BEFORE_S and self.nurse.dosed_s is None:
                self._plan([Plan(second, "close_session", {"reason": "no dose was given"})])

    def tell(self, outputs: Iterable[Output]) -> None:
        """What the room made of the last input."""
        if not outputs:
            return
        outputs = list(outputs)
        was_dosed = self.nurse.dosed_s
        self._plan(self.nurse.hears(self._second, outputs))
        if self.nurse.dosed_s is not None and was_dosed is None:
            self._dosed(self.nurse.dosed_s)
        for output in outputs:
            if self._asks(output) and not self._cuff_busy:
                self._inflate()

    def _asks(self, output: Output) -> bool:
        """Whether the cuff is started because of this, by the program or by the nurse."""
        if isinstance(output, Due) and self._prompted:
            return output.state == "due" and output.what.startswith("nibp")
        return isinstance(output, DeviceRequest)

    def truth(self) -> Truth:
        """What was true until now."""
        past = self._seconds[: self._second]
        sys, dia = self._physiology.pressure(past)
        return Truth(
            spo2=self._physiology.saturation(past + SPO2_LAG_S),
            sys=sys,
            dia=dia,
            pr=self._physiology.averaged_rate(past),
        )

    # --- patient and probe ------------------------------------------------------------------

    def _dosed(self, dose_s: float) -> None:
        self._physiology.doses.append((dose_s, self.route, 1.0))
        if self._falls is not None:
            event = self._falls.delayed(dose_s)
            self._physiology.events.append(event)
            self.events.append(event)
        self._look()

    def _look(self) -> None:
        """Works out what the oximeter shows in every second, as things stand now."""
        t, see = self._seconds, self._physiology
        saturation = np.clip(see.saturation(t) - self._misread, 30, 100)
        cold = np.ones_like(t)
        for event in self.events:
            if event.kind == "low_perfusion":
                cold = np.minimum(cold, 1 - event.weight(t) * (1 - event.to / see.baseline.pi))
        self._shown = {
            "spo2": np.floor(saturation + 0.5).tolist(),
            "pr": np.floor(see.averaged_rate(t) + 0.5).tolist(),
            "pi": np.round(see.perfusion(t) * cold, 2).tolist(),
        }

    def _flags_by_second(self) -> dict[int, frozenset[Flag]]:
        """What the oximeter says of itself, in the seconds in which it says anything."""
        said: dict[int, frozenset[Flag]] = {}
        for event in self.events:
            for name in event.faults:
                _say(said, Flag(name), event.at_s, event.end_s)
            if event.kind == "probe_off":
                _say(said, Flag.SEARCHING, event.end_s, event.end_s + _SEARCH_S)
        return said

    def _oximeter(self, second: int, at_us: int) -> Iterable[_Body]:
        shown = {channel: self._shown[channel][second] for channel in self._channels}
        flags = self._flags.get(second)
        if flags is None:
            if self._flags.get(second - 1):
                yield from self._conditions.change(_NO_FLAGS, at_us)
            for channel, value in shown.items():
                yield Numeric(self._probe.id, channel, at_us, value)
        else:
            yield from self._conditions.change(flags, at_us)
            yield from numerics(self._probe.id, at_us, shown, flags)

    def _time_only(self, second: int, at_us: int) -> Iterable[_Body]:
        if second % _TICK_S == 0:
            yield Tick(at_us)

    # --- cuff ---------------------------------------------------------------------------------

    def _inflate(self) -> None:
        """The cuff starts within a second, and has a reading or a reason some time later."""
        self._cuff_busy = True
        takes_s = float(self._cuff_rng.uniform(*_CUFF_S))
        self._at(self._second + 1, lambda at_us: [Notice(self._cuff.id, at_us, "cuff_inflating")])
        self._at(self._second + 1 + round(takes_s), self._deflate)

    def _deflate(self, at_us: int) -> Iterable[_Body]:
        self._cuff_busy = False
        noise = self._cuff_rng.standard_normal(2) * _NIBP_NOISE
        reason = cuff_reason(self._mishaps, self._cuff_rng, again=self._cuff_failed > 0)
        self._cuff_failed = self._cuff_failed + 1 if reason else 0
        yield Notice(self._cuff.id, at_us, "cuff_inflating", active=False)
        if reason:
            self.failures += 1
            self.failures_in_a_row = max(self.failures_in_a_row, self._cuff_failed)
            yield Notice(self._cuff.id, at_us, "nibp_failed", detail=reason)
            return
        true_sys, true_dia = self._physiology.pressure(np.asarray(float(self._second)))
        sys = math.floor(true_sys + noise[0] + 0.5)
        dia = min(math.floor(true_dia + noise[1] + 0.5), sys - 10)
        mean = math.floor(dia + (sys - dia) / 3 + 0.5)
        self.readings.append((self._second, sys, dia))
        for channel, value in zip(NIBP, (sys, dia, mean), strict=True):
            yield Numeric(self._cuff.id, channel, at_us, float(value))
        self._plan(self.nurse.reads(self._second, sys, dia))

    # --- nurse --------------------------------------------------------------------------------

    def _plan(self, plans: Iterable[Plan]) -> None:
        for plan in plans:
            self._at(plan.at_s, lambda at_us, plan=plan: [self._command(plan)])  # type: ignore[misc]

    def _command(self, plan: Plan) -> Command:
        if plan.kind == "acknowledge":
            self._plan(self.nurse.acknowledges(self._second, plan.args["rule"]))
        command_id = f"{self._name}-{next(self._count)}-{plan.kind}"
        return Command(command_id, NURSE, plan.kind, self._room, plan.args)

    def _at(self, at_s: float, event: _Event) -> None:
        heapq.heappush(self._agenda, (at_s, next(self._count), event))


def _say(said: dict[int, frozenset[Flag]], flag: Flag, from_s: float, to_s: float) -> None:
    for second in range(math.ceil(from_s), min(math.ceil(to_s), _LENGTH_S)):
        said[second] = said.get(second, _NO_FLAGS) | {flag}
