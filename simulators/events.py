"""The events a scenario is made of: what each kind does, its keys, and its course in time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Setting = float | str | None
CUFF_ARMS = ("other", "same")
CUFF_REASONS = (
    "cuff_loose",
    "cuff_leak",
    "cuff_motion",
    "weak_signal",
    "timeout",
    "over_range",
    "over_pressure",
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of event.

    Attributes:
        about: what it does, for people.
        defaults: its own keys beside `at_s`, `kind`, `lasting_s`, and their defaults.
        within: lowest and highest `to` that makes sense.
        faults: codes that `Patient.fault` answers yes to while it lasts.
    """

    about: str
    defaults: Mapping[str, Setting]
    within: tuple[float, float] = (0.0, 0.0)
    faults: tuple[str, ...] = ()


def _ramp(to: float, rise_s: float, fall_s: float) -> dict[str, Setting]:
    return {"to": to, "rise_s": rise_s, "fall_s": fall_s}


KINDS: dict[str, Kind] = {
    "desaturation": Kind("SpO2 falls to `to` %", _ramp(85, 20, 30), (50, 100)),
    "hypertension": Kind(
        "systolic pressure rises to `to`, diastolic to `to_dia` mmHg (by default by 0.6 of "
        "the systolic change)",
        _ramp(185, 90, 180) | {"to_dia": None},
        (80, 260),
    ),
    "hypotension": Kind(
        "systolic pressure falls to `to`, diastolic to `to_dia` mmHg",
        _ramp(85, 90, 180) | {"to_dia": None},
        (50, 140),
    ),
    "bradycardia": Kind("heart rate falls to `to` /min", _ramp(36, 15, 20), (25, 100)),
    "tachycardia": Kind("heart rate rises to `to` /min", _ramp(140, 20, 30), (50, 250)),
    "motion": Kind(
        "the hand moves: SpO2 reads up to `drop` % too low and the pleth is disturbed",
        {"drop": 8.0, "rise_s": 1.0, "fall_s": 2.0},
        faults=("artifact",),
    ),
    "probe_off": Kind("the probe is off the finger, then searches", {}, faults=("sensor_off",)),
    "low_perfusion": Kind(
        "the finger is cold: perfusion index `to` %, small pleth",
        _ramp(0.2, 3, 5),
        (0.03, 20),
        faults=("low_perfusion",),
    ),
    "cuff_failure": Kind(
        f"every blood pressure reading fails; `reason` is one of {', '.join(CUFF_REASONS)}",
        {"reason": CUFF_REASONS[0]},
        faults=("cuff_failure",),
    ),
    "low_battery": Kind("the monitor says that its battery is low", {}, faults=("low_battery",)),
    "link_drop": Kind(
        "the cable or adapter is unplugged; `monitor` names one monitor, by default all",
        {"monitor": ""},
        faults=("link_drop",),
    ),
}


WITHIN = {
    "to_dia": (20.0, 200.0),
    "rise_s": (0.0, 3600.0),
    "fall_s": (0.0, 3600.0),
    "drop": (0.0, 30.0),
}
"""Lowest and highest value of the other numbers."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event; times are patient seconds. See `KINDS` for what each field means."""

    at_s: float
    kind: str
    lasting_s: float
    to: float = 0.0
    to_dia: float | None = None
    rise_s: float = 0.0
    fall_s: float = 0.0
    drop: float = 0.0
    reason: str = ""
    monitor: str = ""
    noticed: bool = True
    """Whether the monitor itself sees that something is wrong."""

    @property
    def end_s(self) -> float:
        """When recovery begins, or the fault ends."""
        return self.at_s + self.lasting_s

    @property
    def faults(self) -> tuple[str, ...]:
        """Fault codes that hold from `at_s` to `end_s`."""
        known = KINDS[self.kind].faults if self.noticed else ()
        return (*known, self.reason) if self.reason else known

    def present(self, t_s: float) -> bool:
        """Whether the event lasts at this moment, recovery not counted."""
        return self.at_s <= t_s < self.end_s

    def delayed(self, by_s: float) -> Event:
        """The same event, this much later."""
        return replace(self, at_s=self.at_s + by_s)

    def weight(self, t_s: ArrayLike) -> NDArray[np.float64]:
        """0 before, rising smoothly to exactly 1, and back to 0 after `fall_s` of recovery."""
        t = np.asarray(t_s, float)
        return _smooth(t - self.at_s, self.rise_s) - _smooth(t - self.end_s, self.fall_s)


def _smooth(since: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    x = np.clip(since / max(length, 1e-6), 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)
