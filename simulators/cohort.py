"""Many simulated visits through the same room as real ones, without waiting.

There is one engine: every visit goes value by value through `Room.step`. What is simulated is
the patient, the sensor, the cuff and the nurse (`simulators.visit`); what is true of the patient
is kept beside what the room said, so that alarms can be judged by it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from simulators.events import Event
from simulators.mishaps import ORDINARY, Mishaps
from simulators.pulse import Array
from simulators.visit import OXIMETER, ROOM, START_US, Truth, Visit
from vitals.alarms.profile import Profile
from vitals.model import US, AlarmChange, Input, Output, Session, SessionChange
from vitals.room import Room

PRESSURE_WINDOW_S = 300
"""A true pressure is the mean of this long: shorter waves are not the drug's."""
SEEDS_APART = 1_000_003
"""Visits of cohorts with different seeds are different visits."""
_DESATURATED, _DESATURATED_S = 88.0, 30
_LOW_SPO2, _OUT_S = 92.0, 15
_OFF_S = 30.0
_RISE = (40.0, 25.0)

Step = Callable[[Input, list[Output]], None]


class Recorder(Protocol):
    """Keeps the visits of a cohort (`simulators.cohort_record.CohortRecord`)."""

    @property
    def seqs(self) -> Iterator[int]:
        """Numbers for the inputs of all visits."""

    def starts(self, count: int) -> Sequence[int]:
        """When the visits begin, microseconds UTC."""

    def on_step(self, item: Input, outputs: list[Output]) -> None:
        """Takes an input and what the room made of it."""

    def drop(self) -> None:
        """The visit did not count."""

    def write(self) -> None:
        """The visit counts."""


@dataclass(frozen=True, slots=True)
class _Limits:
    sys: float
    dia: float
    sys_low: float
    pr_low: float
    pr_high: float


_SEVERE = _Limits(180, 110, 90, 40, 130)
_WARNED = _Limits(160, 100, 100, 50, 110)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a visit, seconds since the session was opened."""

    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class Peak:
    """The highest true pressure after the dose.

    Attributes:
        highest: mean of `PRESSURE_WINDOW_S`, mmHg.
        lowest: the lowest such mean.
        rise: above the true pressure before the dose, mmHg.
        minute: middle of that stretch, minutes since the dose.
    """

    highest: float
    lowest: float
    rise: float
    minute: float


@dataclass(frozen=True, slots=True)
class CohortSession:
    """One visit, as the room recorded it and as it truly was.

    Attributes:
        seed: of the visit.
        session: the session's last state.
        changes: every change of an alarm.
        readings: (minutes since the dose, systolic, diastolic) as measured; before it negative.
        failures: blood pressures that could not be taken.
        failures_in_a_row: most of them without a reading between.
        held: the readings for which the dose was not given; none of what follows is then known.
        dose_s: when it was given, seconds since the session was opened.
        events: what disturbed the sensor, and a true desaturation.
        truth: of each second.
        desaturations: true SpO2 below 88 % for at least 30 s.
        sys: peak of the true systolic pressure.
        dia: peak of the true diastolic pressure.
    """

    seed: int
    session: Session
    changes: tuple[AlarmChange, ...]
    readings: tuple[tuple[float, float, float], ...]
    failures: int
    failures_in_a_row: int
    held: tuple[tuple[float, float], ...]
    dose_s: float | None
    events: tuple[Event, ...]
    truth: Truth
    desaturations: tuple[Span, ...]
    sys: Peak
    dia: Peak

    def soundings(self, rule: str = "") -> list[Span]:
        """When an alarm made itself heard, of one rule or any (`rule` or `rule:device`)."""
        began: dict[str, float] = {}
        found = []
        for change in self.changes:
            name, at_s = change.after.rule, (change.at_us - self.session.started_us) / US
            if rule and name.partition(":")[0] != rule:
                continue
            if change.after.sounding:
                began.setdefault(name, at_s)
            elif name in began:
                found.append(Span(began.pop(name), at_s))
        end_s = ((self.session.ended_us or 0) - self.session.started_us) / US
        return found + [Span(at_s, end_s) for at_s in began.values()]

    @property
    def undisturbed(self) -> bool:
        """Whether the probe was never off for over 30 s and the cuff never failed twice in a row.

        Then an alarm of the monitors themselves is due to nothing.
        """
        off = any(e.kind == "probe_off" and e.lasting_s > _OFF_S for e in self.events)
        return not off and self.failures_in_a_row < 2

    @property
    def nothing_severe(self) -> bool:
        """Whether the session was undisturbed and the patient truly well.

        True SpO2 never below 92 % for 15 s, true pressure below 180/110 and above 90 systolic
        (5 min means), true pulse rate never beyond 40 or 130 /min for 15 s. Moving and cold
        hands, short losses, single failures, the cuff's noise and true pressures up to 180/110
        are left in: what sounds for them counts against the alarms.
        """
        return self._within(_SEVERE)

    @property
    def within_limits(self) -> bool:
        """As `nothing_severe`, and never truly beyond a limit of the shipped profile.

        True pressure below 160/100 and less than 40/25 above that before the dose, above 100
        systolic (5 min means), pulse rate never beyond 50 or 110 /min for 15 s. Whatever sounds
        in such a session is a false alarm.
        """
        near = self.sys.rise < _RISE[0] and self.dia.rise < _RISE[1]
        return near and self._within(_WARNED)

    def _within(self, limits: _Limits) -> bool:
        truth = self.truth
        return (
            self.undisturbed
            and not below(truth.spo2, _LOW_SPO2, _OUT_S)
            and not below(truth.pr, limits.pr_low, _OUT_S)
            and not below(-truth.pr, -limits.pr_high, _OUT_S)
            and self.sys.highest < limits.sys
            and self.dia.highest < limits.dia
            and self.sys.lowest > limits.sys_low
        )

    def reached(self, sys: float, dia: float) -> bool:
        """Whether a measured pressure after the dose was as high as this, either of the two."""
        return any(at > 0 and (s >= sys or d >= dia) for at, s, d in self.readings)

    def missed(self) -> list[Span]:
        """True desaturations during which no alarm of SpO2 or of its loss sounded."""
        heard = [s for rule in HEARD for s in self.soundings(rule)]
        return [
            true
            for true in self.desaturations
            if not any(s.from_s <= true.to_s and s.to_s >= true.from_s for s in heard)
        ]


HEARD = ("spo2-low", "spo2-no-data", "signal-lost")
"""Rules that call a nurse to a patient whose saturation falls."""


def run(
    seed: int,
    profile: Profile,
    *,
    route: str = "iv",
    mishaps: Mishaps = ORDINARY,
    oximeter: bool = True,
    subject: str = "P-1",
    room_id: str = ROOM,
    start_us: int = START_US,
    seqs: Iterator[int] | None = None,
    on_step: Step | None = None,
) -> CohortSession:
    """Lets one visit happen.

    Args:
        seed: of the visit: the same seed is the same patient, sensor, cuff and nurse.
        profile: the alarm rules.
        route: of the dose.
        mishaps: how often what goes wrong.
        oximeter: False leaves it away, for what hangs on blood pressures alone.
        subject: the patient's pseudonym.
        room_id: the room.
        start_us: when the session is opened, microseconds UTC.
        seqs: numbers of the inputs; None = from 1 on.
        on_step: is given every input and what the room made of it.

    Raises:
        ConfigError: there is no such route.
    """
    visit = Visit(
        seed,
        route=route,
        mishaps=mishaps,
        oximeter=OXIMETER if oximeter else None,
        subject=subject,
        room=room_id,
        start_us=start_us,
    )
    room = Room(room_id, visit.devices, profile, mode="test")
    changes: list[AlarmChange] = []
    session: Session | None = None
    for item in visit.inputs(seqs):
        outputs = room.step(item)
        if on_step is not None:
            on_step(item, outputs)
        if outputs:
            visit.tell(outputs)
            for output in outputs:
                if isinstance(output, AlarmChange):
                    changes.append(output)
                elif isinstance(output, SessionChange):
                    session = output.session
    if session is None:
        raise ValueError("the room never opened the session")
    return _session(seed, visit, session, tuple(changes))


def cohort(
    count: int,
    seed: int,
    profile: Profile,
    *,
    route: str = "iv",
    mishaps: Mishaps = ORDINARY,
    oximeter: bool = True,
    record: Recorder | None = None,
    on_held: Callable[[CohortSession], None] | None = None,
) -> Iterator[CohortSession]:
    """So many visits in which the dose was given; a held one is told and replaced by the next.

    The arguments are those of `run`, the seed that of the whole cohort.
    """
    number = 0
    starts = [START_US] * count if record is None else record.starts(count)
    for start_us in starts:
        while True:
            number += 1
            done = run(
                seed * SEEDS_APART + number,
                profile,
                route=route,
                mishaps=mishaps,
                oximeter=oximeter,
                subject=f"P-{number:04}",
                start_us=start_us,
                seqs=record.seqs if record else None,
                on_step=record.on_step if record else None,
            )
            if done.dose_s is not None:
                break
            if record is not None:
                record.drop()
            if on_held is not None:
                on_held(done)
        if record is not None:
            record.write()
        yield done


def _session(
    seed: int, visit: Visit, session: Session, changes: tuple[AlarmChange, ...]
) -> CohortSession:
    truth, dose_s = visit.truth(), visit.nurse.dosed_s
    zero_s = dose_s or 0.0
    return CohortSession(
        seed=seed,
        session=session,
        changes=changes,
        readings=tuple(((at_s - zero_s) / 60, sys, dia) for at_s, sys, dia in visit.readings),
        failures=visit.failures,
        failures_in_a_row=visit.failures_in_a_row,
        held=visit.nurse.held,
        dose_s=dose_s,
        events=tuple(visit.events),
        truth=truth,
        desaturations=tuple(below(truth.spo2, _DESATURATED, _DESATURATED_S)),
        sys=_peak(truth.sys, dose_s),
        dia=_peak(truth.dia, dose_s),
    )


def below(values: Array, limit: float, at_least_s: int) -> Sequence[Span]:
    """Stretches of at least so many seconds in which every value is below the limit."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], values < limit, [False]))))
    return [
        Span(float(start), float(end))
        for start, end in zip(edges[::2], edges[1::2], strict=True)
        if end - start >= at_least_s
    ]


def _peak(pressure: Array, dose_s: float | None) -> Peak:
    if dose_s is None:
        return Peak(math.nan, math.nan, math.nan, math.nan)
    zero = int(dose_s)
    sums = np.cumsum(np.concatenate(([0.0], pressure[zero:])))
    means = (sums[PRESSURE_WINDOW_S:] - sums[:-PRESSURE_WINDOW_S]) / PRESSURE_WINDOW_S
    at = int(np.argmax(means))
    highest, before = float(means[at]), float(np.mean(pressure[:zero]))
    minute = (at + PRESSURE_WINDOW_S / 2) / 60
    return Peak(highest, float(np.min(means)), highest - before, minute)
