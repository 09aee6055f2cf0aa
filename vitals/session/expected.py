"""The expected course of blood pressure after a dose: what the trend shows behind this session's.

It says how the pressure of many people went, not how this patient's should go: it is no limit,
and nothing is judged by it. Pure; times are minutes from the dose.

`CURVE` is how strong the effect is, 0 before the dose and 1 at its peak, in steps of 5 min. It is
the solution of dC/dt = in(t) - k C, dE/dt = ke (C - E) with k = ln 2 / 20 min and ke = 0.15 / min
(infusion constant for 40 min; intramuscular absorption 0.15 / min after 2 min; three sprays at 0,
5 and 10 min with 0.06 / min; sublingual 0.035 / min after 8 min), fitted to published courses of
blood pressure: peak at 40 min (Gen Hosp Psychiatry 2024, doi:10.1016/j.genhosppsych.2024.07.001;
Doherty 2020, doi:10.1007/s40263-020-00699-4), near the baseline after 1.5 h (Doherty; Szarmach
2020, doi:10.2147/NDT.S273287), sublingual peak at 45 min (Rolan 2014, doi:10.1111/bcp.12264). For
the intramuscular route no good source of the course was found.

`RISE` is the rise at the peak, mean and standard deviation of 2,342 infusions (Gen Hosp Psychiatry
2024): the other routes borrow it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

STEP_MIN = 5
CURVE: dict[str, tuple[float, ...]] = {
    "iv": (
        0.00, 0.07, 0.21, 0.38, 0.53, 0.67, 0.79, 0.89, 0.98, 0.99, 0.90, 0.80,
        0.69, 0.59, 0.50, 0.42, 0.35, 0.30, 0.25, 0.21, 0.18, 0.15, 0.13, 0.11,
        0.09, 0.07, 0.06, 0.05, 0.04, 0.04, 0.03, 0.03, 0.02, 0.02, 0.02, 0.01, 0.01,
    ),
    "im": (
        0.00, 0.13, 0.53, 0.84, 0.98, 0.99, 0.94, 0.85, 0.74, 0.64, 0.55, 0.47,
        0.39, 0.33, 0.28, 0.24, 0.20, 0.17, 0.14, 0.12, 0.10, 0.08, 0.07, 0.06,
        0.05, 0.04, 0.04, 0.03, 0.02, 0.02, 0.02, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01,
    ),
    "intranasal": (
        0.00, 0.06, 0.21, 0.45, 0.70, 0.87, 0.97, 1.00, 0.98, 0.94, 0.87, 0.79,
        0.71, 0.63, 0.56, 0.49, 0.42, 0.37, 0.32, 0.27, 0.23, 0.20, 0.17, 0.14,
        0.12, 0.10, 0.09, 0.07, 0.06, 0.05, 0.04, 0.04, 0.03, 0.03, 0.02, 0.02, 0.02,
    ),
    "sublingual": (
        0.00, 0.00, 0.03, 0.22, 0.46, 0.67, 0.83, 0.93, 0.98, 1.00, 0.99, 0.95,
        0.90, 0.85, 0.78, 0.72, 0.66, 0.60, 0.54, 0.48, 0.43, 0.38, 0.34, 0.30,
        0.27, 0.23, 0.21, 0.18, 0.16, 0.14, 0.12, 0.11, 0.09, 0.08, 0.07, 0.06, 0.05,
    ),
}  # fmt: skip
RISE: dict[str, tuple[float, float]] = {"nibp_sys": (16.0, 11.2), "nibp_dia": (11.0, 8.45)}
"""Channel -> mean and standard deviation of the rise at the peak, mmHg."""


@dataclass(frozen=True, slots=True)
class Band:
    """The course of one channel: at each of `minutes` the mean and one standard deviation about it.

    Attributes:
        minutes: from the dose.
        low: mmHg, as the others.
        mean: what was measured on average.
        high: mmHg.
    """

    minutes: tuple[int, ...]
    low: tuple[float, ...]
    mean: tuple[float, ...]
    high: tuple[float, ...]


def strength(route: str, minute: float) -> float:
    """The curve of a route at a minute from the dose, 0 before it and after its end.

    Raises:
        KeyError: nothing is known of the route.
    """
    curve = CURVE[route]
    place = minute / STEP_MIN
    index = int(place)
    if place < 0 or index >= len(curve) - 1:
        return curve[-1] if place == len(curve) - 1 else 0.0
    return curve[index] + (curve[index + 1] - curve[index]) * (place - index)


def bands(route: str, baseline: Mapping[str, float]) -> dict[str, Band]:
    """Channel -> its expected course over this patient's frozen baseline.

    Args:
        route: of the session; one of which nothing is known has no course.
        baseline: channel -> value before the dose; without one there is no course.
    """
    curve = CURVE.get(route, ())
    minutes = tuple(range(0, STEP_MIN * len(curve), STEP_MIN))
    found = {}
    for channel, (rise, spread) in RISE.items():
        base = baseline.get(channel)
        if base is None or not curve:
            continue
        found[channel] = Band(
            minutes,
            _line(base, rise - spread, curve),
            _line(base, rise, curve),
            _line(base, rise + spread, curve),
        )
    return found


def _line(base: float, rise: float, curve: Iterable[float]) -> tuple[float, ...]:
    return tuple(round(base + rise * part, 1) for part in curve)
