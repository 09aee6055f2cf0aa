"""A nurse who writes everything down: check-in, gate, scores, discharge, signature.

What she asks and ticks is what the shipped `care.toml` asks; the answers are those of an
uneventful visit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from simulators.nurse import AFTER_DOSE_S, Nurse, Plan

GIVEN: Mapping[str, tuple[str, float]] = {
    "iv": ("ketamine", 40.0),
    "im": ("ketamine", 70.0),
    "intranasal": ("esketamine", 56.0),
    "sublingual": ("ketamine", 200.0),
}
"""Drug and mg on the plan, by route. Of simulated patients: no dose is meant by it."""
NO = ("opioids", "benzodiazepines", "cns_depressants", "stimulants", "maoi", "lamotrigine",
      "hypertension", "cardiovascular", "arrhythmia", "intracranial_pressure", "psychosis",
      "pregnancy", "substance_misuse")  # fmt: skip
YES = ("consent", "escort", "fasting", "labels_checked")
_AGES = ("18–39", "40–64")
_SCORED_MIN = (15, 30, 45, 60, 90, 110)
_CHECK_MIN = 119.0
_TICKS = ("ambulation", "escort")
_PEAK_MIN, _PEAK_CADSS = 25.0, 14.0


class CarefulNurse(Nurse):
    """See the module.

    Args:
        rng: everything drawn comes from it.
        devices: ids of the monitors in the room, whose own alarms she has checked.
    """

    def __init__(self, rng: np.random.Generator, devices: Sequence[str]) -> None:
        super().__init__(rng)
        self._devices = tuple(devices)
        self._route = "iv"

    def arrives(self, subject: str, route: str) -> Iterable[Plan]:
        """Opens the session, checks the patient in and the monitors' own alarms."""
        self._route = route
        yield from super().arrives(subject, route)
        drug, mg = GIVEN[route]
        always = np.random.default_rng(list(subject.encode()))  # the same at every visit
        answers: dict[str, Any] = {
            "age_band": _AGES[int(always.integers(len(_AGES)))],
            "weight_kg": round(float(always.uniform(58, 92))),
            "drug": drug,
            "plan_mg": mg,
            "cuff_side": "left arm",
            "probe_side": "right hand",
            **dict.fromkeys(YES, True),
            **dict.fromkeys(NO, False),
        }
        yield Plan(30.0, "check_in", answers)
        for device in self._devices:
            yield Plan(40.0, "confirm_own_alarm", {"device": device})

    def _gives(self, at_s: float) -> Iterable[Plan]:
        yield Plan(at_s - 30, "gate", {"decision": "go"})
        yield Plan(at_s, "dose", {"mg": GIVEN[self._route][1]})

    def _after_dose(self, dose_s: float) -> Iterable[Plan]:
        for plan in super()._after_dose(dose_s):
            if plan.kind != "close_session":
                yield plan
        for minute in _SCORED_MIN:
            yield from self._scores(dose_s + minute * 60, minute)
        if self._route == "iv":
            yield Plan(dose_s + 40 * 60, "infusion_end")
        check_s = dose_s + _CHECK_MIN * 60
        yield Plan(check_s, "phase", {"to": "DISCHARGE_CHECK"})
        yield Plan(check_s + 5, "start_nibp")
        yield from self._scores(check_s + 20, round(_CHECK_MIN))
        for tick in _TICKS:
            yield Plan(check_s + 90, "discharge", {"criterion": tick, "met": True})
        yield Plan(check_s + 100, "sign_discharge")
        yield Plan(check_s + 110, "finished")
        yield Plan(dose_s + AFTER_DOSE_S + 120, "close_session")

    def _scores(self, at_s: float, minute: int) -> Iterable[Plan]:
        """Sedation and dissociation go with the drug: highest in its peak, gone after 90 min."""
        height = max(0.0, 1 - abs(minute - _PEAK_MIN) / (_PEAK_MIN if minute < _PEAK_MIN else 65))
        dissociated = round(_PEAK_CADSS * height)
        yield Plan(at_s, "score", {"scale": "moaas", "value": 4 if height > 0.5 else 5})
        yield Plan(at_s + 20, "score", {"scale": "cadss6", "value": dissociated})
