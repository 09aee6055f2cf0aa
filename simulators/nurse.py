"""The nurse of a simulated visit: opens and closes it, gives or holds the dose, acknowledges.

Simple rules, each with a delay drawn at random. She never treats: a mark that an
antihypertensive was given changes nothing in the patient.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from simulators.physiology import GATE
from vitals.model import AlarmChange, Output, Result, SessionChange

SYMPTOMS = (("nausea", 0.10), ("anxiety", 0.05), ("headache", 0.04))
"""What some patients tell, and how many. Our own choice."""
SEVERE_SYS = 180.0
AFTER_DOSE_S = 120 * 60.0
_APART_S = 290.0
_SEEN_S = (8.0, 40.0)
"""How long a sounding alarm waits for its acknowledgement, from and to."""
_READY_S = (60.0, 240.0)
_TREATS_S = (120.0, 300.0)
_AGAIN_S = 30.0
_MISSING = ("nibp-failed", "nibp-overdue")


@dataclass(frozen=True, slots=True)
class Plan:
    """What she will do: `kind` and `args` of a command."""

    at_s: float
    kind: str
    args: Mapping[str, Any] = field(default_factory=dict)


class Nurse:
    """Decides from what a nurse sees; times are seconds since the session was opened.

    Attributes:
        held: the two blood pressures before the dose, where one was too high to give it.
        dosed_s: when the dose was given.
        closed: whether the session is over.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._readings: list[tuple[float, float, float]] = []
        self._decided = self._treated = False
        self._waiting: set[str] = set()
        self.held: tuple[tuple[float, float], ...] = ()
        self.dosed_s: float | None = None
        self.closed = False

    def arrives(self, subject: str, route: str) -> Iterable[Plan]:
        """The first things she does."""
        yield Plan(0.0, "open_session", {"subject_ref": subject, "route": route})

    def reads(self, now_s: float, sys: float, dia: float) -> Iterable[Plan]:
        """She sees a blood pressure."""
        self._readings.append((now_s, sys, dia))
        if self.dosed_s is None:
            if not self._decided and now_s - self._readings[0][0] >= _APART_S:
                self._decided = True
                yield from self._gate(now_s)
        elif not self._treated and self._severe_twice():
            self._treated = True
            yield self._mark(now_s + self._between(_TREATS_S), "antihypertensive given")

    def hears(self, now_s: float, outputs: Iterable[Output]) -> Iterable[Plan]:
        """The program's answers: alarms that sound, commands that were refused."""
        for output in outputs:
            match output:
                case AlarmChange() if output.after.sounding and not output.before.sounding:
                    yield from self._sounds(now_s, output.after.rule)
                case SessionChange(cause="dose"):
                    self.dosed_s = now_s
                    yield from self._after_dose(now_s)
                case SessionChange(cause="closed"):
                    self.closed = True
                case Result(ok=False) if output.id.endswith("close_session"):
                    yield Plan(now_s + _AGAIN_S, "close_session")
                case _:
                    pass

    def acknowledges(self, now_s: float, rule: str) -> Iterable[Plan]:
        """She has pressed the button; where a reading is missing she has it taken."""
        self._waiting.discard(rule)
        if rule in _MISSING:
            yield Plan(now_s + _AGAIN_S, "start_nibp")

    def _sounds(self, now_s: float, rule: str) -> Iterable[Plan]:
        if rule not in self._waiting:
            self._waiting.add(rule)
            yield Plan(now_s + self._between(_SEEN_S), "acknowledge", {"rule": rule})

    def _severe_twice(self) -> bool:
        last = [sys for _, sys, _ in self._readings[-2:]]
        return len(last) == 2 and min(last) >= SEVERE_SYS

    def _gate(self, now_s: float) -> Iterable[Plan]:
        too_high = [(sys, dia) for _, sys, dia in self._readings if _above(sys, dia)]
        if not too_high:
            yield from self._gives(now_s + self._between(_READY_S))
            return
        self.held = tuple((sys, dia) for _, sys, dia in self._readings)
        sys, dia = too_high[0]
        why = f"held: {sys:.0f}/{dia:.0f} before the dose"
        yield Plan(now_s + 30, "close_session", {"reason": why})

    def _gives(self, at_s: float) -> Iterable[Plan]:
        """Nothing speaks against the dose."""
        yield Plan(at_s, "dose")

    def _after_dose(self, dose_s: float) -> Iterable[Plan]:
        for symptom, share in SYMPTOMS:
            tells, at_s = self._rng.random() < share, self._rng.uniform(15, 75) * 60
            if tells:
                yield self._mark(dose_s + at_s, symptom)
        yield Plan(dose_s + AFTER_DOSE_S + 120, "close_session")

    def _mark(self, at_s: float, text: str) -> Plan:
        return Plan(at_s, "mark", {"text": text})

    def _between(self, span_s: tuple[float, float]) -> float:
        return float(self._rng.uniform(*span_s))


def _above(sys: float, dia: float) -> bool:
    return sys > GATE[0] or dia > GATE[1]
