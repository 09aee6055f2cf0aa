"""How strong a dose of ketamine acts at each moment: one curve a route, peak 1.

Effect-site model: dC/dt = in(t) - k C, dE/dt = ke (C - E), with k = ln 2 / 20 min and
ke = 0.15 / min. It is fitted to the published course of blood pressure (peak at 40 min after
an infusion or a spray, near baseline after 1.5 h; sublingual later and longer), not to plasma
levels, and says nothing about how much ketamine is where. For the intramuscular route no good
source of the blood-pressure course was found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from devices.registry import did_you_mean
from vitals.errors import ConfigError

_ELIMINATION = math.log(2) / 20
_EFFECT = 0.15
_STEP_MIN = 0.1
_END_MIN = 480.0


@dataclass(frozen=True, slots=True)
class Intake:
    """How a route brings the drug in.

    Attributes:
        parts_min: when each equal part is given, minutes from the dose.
        infusion_min: length of a constant infusion; 0 = absorbed by first order.
        absorption: rate of absorption, per minute.
        lag_min: time before absorption begins.
    """

    parts_min: tuple[float, ...] = (0.0,)
    infusion_min: float = 0.0
    absorption: float = 0.0
    lag_min: float = 0.0

    def amount(self, minutes: float) -> float:
        """Fraction of the dose that has arrived by then."""
        arrived = (self._part(minutes - part) for part in self.parts_min)
        return sum(arrived) / len(self.parts_min)

    def _part(self, minutes: float) -> float:
        since = max(0.0, minutes - self.lag_min)
        if self.infusion_min:
            return min(1.0, since / self.infusion_min)
        return 1.0 - math.exp(-self.absorption * since)


ROUTES: dict[str, Intake] = {
    "iv": Intake(infusion_min=40.0),
    "im": Intake(absorption=0.15, lag_min=2.0),
    "intranasal": Intake(parts_min=(0.0, 5.0, 10.0), absorption=0.06),
    "sublingual": Intake(absorption=0.035, lag_min=8.0),
}


def check_route(route: str) -> str:
    """The route itself.

    Raises:
        ConfigError: there is no such route; names the nearest one.
    """
    if route not in ROUTES:
        known = tuple(ROUTES)
        raise ConfigError(
            f"there is no route {route!r}{did_you_mean(route, known)}; known are "
            f"{', '.join(known)}",
            key="route",
        )
    return route


def effect(route: str, minutes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Strength of the effect, 0 before the dose and 1 at its peak.

    Args:
        route: a key of `ROUTES`.
        minutes: since the dose, an array of any shape.
    """
    curve = _curve(route)
    grid = np.arange(len(curve)) * _STEP_MIN
    strength: NDArray[np.float64] = np.interp(minutes, grid, curve, left=0.0, right=0.0)
    return strength


@cache
def _curve(route: str) -> NDArray[np.float64]:
    """The solution on a grid, exact for an input that is constant within each step."""
    intake = ROUTES[check_route(route)]
    kept = math.exp(-_ELIMINATION * _STEP_MIN)
    kept_effect = math.exp(-_EFFECT * _STEP_MIN)
    passed = _EFFECT / (_EFFECT - _ELIMINATION) * (kept - kept_effect)
    level = site = 0.0
    curve = [site]
    for step in range(round(_END_MIN / _STEP_MIN)):
        arriving = intake.amount((step + 1) * _STEP_MIN) - intake.amount(step * _STEP_MIN)
        steady = arriving / _STEP_MIN / _ELIMINATION
        site = steady + (level - steady) * passed + (site - steady) * kept_effect
        level = steady + (level - steady) * kept
        curve.append(site)
    return np.asarray(curve) / max(curve)
