"""What is true of a simulated patient, as functions of the time since the start.

Baselines are those of patients who pass the gate before the dose (below 140/90); they are
drawn from pressures of which 84 % pass. Amplitudes of the response: systolic N(16, 11.2) and
diastolic N(11, 8.45) mmHg (the largest published series, 2342 infusions), correlated 0.6;
heart rate N(4, 6) /min; SpO2 -0.5 %. A teaching model of what monitors show, not of
pharmacology.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulators import course
from simulators.events import Event
from simulators.pulse import Array, Waves

PR_WINDOW_S = 6.0
"""Pulse rates are shown as the mean of this long."""
SPO2_LAG_S = 4.0
"""SpO2 is shown this late, by its averaging."""
GATE = (140.0, 90.0)
"""Nobody with a higher pressure before the dose gets it, mmHg."""
_HIGHEST = (190.0, 115.0)


@dataclass(frozen=True, slots=True)
class Vitals:
    """Baseline of a patient, or the amplitude of the response: mmHg, /min, %."""

    sys: float
    dia: float
    hr: float
    spo2: float
    rr: float = 0.0
    pi: float = 0.0


def _correlated(rng: np.random.Generator, r: float) -> tuple[float, float]:
    first, second = rng.standard_normal(2)
    return float(first), float(r * first + math.sqrt(1 - r * r) * second)


def _draw_baseline(rng: np.random.Generator, gated: bool) -> Vitals:
    below_sys, below_dia = GATE if gated else _HIGHEST
    while True:
        z_sys, z_dia = _correlated(rng, 0.6)
        sys, dia = 125 + 13 * z_sys, 78 + 9 * z_dia
        if 95 <= sys < below_sys and 55 <= dia < below_dia and sys - dia >= 25:
            break
    return Vitals(
        sys=sys,
        dia=dia,
        hr=float(np.clip(rng.normal(72, 9), 54, 94)),
        spo2=float(np.clip(rng.normal(97, 1), 94.5, 99.4)),
        rr=float(np.clip(rng.normal(14, 2), 10, 19)),
        pi=float(np.clip(rng.lognormal(math.log(3.5), 0.4), 0.9, 10)),
    )


def _draw_response(rng: np.random.Generator) -> Vitals:
    z_sys, z_dia = _correlated(rng, 0.6)
    return Vitals(
        sys=16 + 11.2 * z_sys,
        dia=11 + 8.45 * z_dia,
        hr=float(rng.normal(4, 6)),
        spo2=float(np.clip(rng.normal(-0.5, 0.3), -1.5, 0)),
    )


class Physiology:
    """One patient's functions of time; arrays of seconds in, arrays of the same shape out.

    Args:
        seed: everything drawn follows from it.
        spontaneous: 2 % of patients desaturate to 88-92 % for 1-5 min after the dose.
        gated: draws only patients whose pressure passes the gate before the dose.

    Attributes:
        doses: (seconds, route, fraction of a full dose).
        events: what else happens; times in seconds since the start.
    """

    def __init__(self, seed: int, *, spontaneous: bool = False, gated: bool = True) -> None:
        rng = np.random.default_rng([seed, 1])
        self.baseline = _draw_baseline(rng, gated)
        self.response = _draw_response(rng)
        self._hr_waves = Waves(
            rng, (self.baseline.rr / 60, 2.5), (0.1, 1.8), (0.031, 1.2), (0.0043, 1.5)
        )
        self._bp_waves = Waves(rng, (0.013, 1.5), (0.0021, 1.5))
        self._spo2_waves = Waves(rng, (0.021, 0.15), (0.0037, 0.25))
        self._rr_waves = Waves(rng, (0.017, 0.8), (0.0029, 0.6))
        unlucky = spontaneous and rng.random() < 0.02
        self.after_dose: Event | None = draw_desaturation(rng) if unlucky else None
        self.doses: list[tuple[float, str, float]] = []
        self.events: list[Event] = []

    def effect(self, t: Array) -> Array:
        """Strength of the ketamine effect, 1 = peak of one full dose."""
        total = np.zeros_like(t)
        for at_s, route, fraction in self.doses:
            total = total + fraction * course.effect(route, (t - at_s) / 60)
        return total

    def _towards(self, kinds: tuple[str, ...], level: Array, t: Array) -> tuple[Array, Array]:
        """The level with events applied, and how much of the natural variation is left."""
        free = np.ones_like(t)
        for event in self.events:
            if event.kind in kinds:
                weight = event.weight(t)
                level = level + weight * (event.to - level)
                free = free * (1 - 0.8 * weight)
        return level, free

    def rate(self, t: Array) -> tuple[Array, Array]:
        """Heart rate without its natural variation, /min, and how much of that is left."""
        level = self.baseline.hr + self.response.hr * self.effect(t)
        return self._towards(("bradycardia", "tachycardia"), level, t)

    def instant_rate(self, t: Array) -> Array:
        """Heart rate from beat to beat, /min."""
        level, free = self.rate(t)
        return level + free * self._hr_waves.at(t)

    def averaged_rate(self, t: Array) -> Array:
        """Heart rate as a monitor shows it, averaged and so a little late, /min."""
        level, free = self.rate(t - PR_WINDOW_S / 2)
        return level + free * self._hr_waves.averaged(t, PR_WINDOW_S)

    def saturation(self, t: Array) -> Array:
        """SpO2 as an oximeter shows it: late by its averaging, and misled by motion, %."""
        then = t - SPO2_LAG_S
        level = self.baseline.spo2 + self.response.spo2 * self.effect(then)
        level, free = self._towards(("desaturation",), level, then)
        level = level + free * self._spo2_waves.at(then)
        for event in self.events:
            if event.kind == "motion":
                wobble = 0.65 + 0.35 * np.sin(2 * math.pi * (t - event.at_s) / 9.0)
                level = level - event.drop * event.weight(t) * wobble
        return np.clip(level, 30, 100)

    def pressure(self, t: Array) -> tuple[Array, Array]:
        """True systolic and diastolic pressure, mmHg."""
        strength = self.effect(t)
        waves = self._bp_waves.at(t)
        sys = self.baseline.sys + self.response.sys * strength + waves
        dia = self.baseline.dia + self.response.dia * strength + 0.6 * waves
        for event in self.events:
            if event.kind in ("hypertension", "hypotension"):
                weight = event.weight(t)
                to_dia = dia + 0.6 * (event.to - sys) if event.to_dia is None else event.to_dia
                sys, dia = sys + weight * (event.to - sys), dia + weight * (to_dia - dia)
        return sys, np.minimum(dia, sys - 15)

    def perfusion(self, t: Array) -> Array:
        """Perfusion index, %."""
        level = self.baseline.pi * np.ones_like(t)
        return self._towards(("low_perfusion",), level, t)[0]

    def breathing(self, t: Array) -> Array:
        """Respiratory rate, /min."""
        return self.baseline.rr + self._rr_waves.at(t)


def draw_desaturation(
    rng: np.random.Generator,
    lowest: tuple[int, int] = (88, 92),
    lasting_s: tuple[float, float] = (60, 300),
) -> Event:
    """A fall of SpO2 some time in the first hour after the dose; times from the dose."""
    return Event(
        at_s=float(rng.uniform(10, 60)) * 60,
        kind="desaturation",
        lasting_s=float(rng.uniform(*lasting_s)),
        to=float(rng.integers(lowest[0], lowest[1] + 1)),
        rise_s=30.0,
        fall_s=40.0,
    )
