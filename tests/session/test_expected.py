"""The expected course of blood pressure: numbers of the sources, and nothing without a baseline."""

from __future__ import annotations

import numpy as np
import pytest

from simulators.course import effect
from vitals.session.expected import CURVE, RISE, STEP_MIN, bands, strength

BASELINE = {"nibp_sys": 120.0, "nibp_dia": 75.0, "spo2": 97.0}


def test_the_table_is_the_solution_of_the_model_that_it_names() -> None:
    for route, curve in CURVE.items():
        minutes = np.arange(len(curve), dtype=float) * STEP_MIN
        assert np.abs(effect(route, minutes) - np.array(curve)).max() <= 0.0051, route


def test_every_route_peaks_once_and_ends_near_the_baseline() -> None:
    for route, curve in CURVE.items():
        peak = curve.index(max(curve))
        assert 20 <= peak * STEP_MIN <= 45, route
        assert list(curve[: peak + 1]) == sorted(curve[: peak + 1])
        assert list(curve[peak:]) == sorted(curve[peak:], reverse=True)
        assert curve[-1] <= 0.05, route


def test_the_band_at_the_peak_is_the_published_rise_and_its_spread() -> None:
    band = bands("intranasal", BASELINE)["nibp_sys"]
    at = CURVE["intranasal"].index(1.0)
    assert (band.low[at], band.mean[at], band.high[at]) == (124.8, 136.0, 147.2)
    assert band.minutes[at] == 35
    assert band.low[0] == band.mean[0] == band.high[0] == 120.0


def test_only_pressures_with_a_baseline_have_a_course() -> None:
    assert set(bands("iv", BASELINE)) == set(RISE)
    assert set(bands("iv", {"nibp_dia": 75.0})) == {"nibp_dia"}
    assert bands("iv", {}) == {}


def test_of_an_unknown_route_nothing_is_expected() -> None:
    assert bands("oral", BASELINE) == {}


@pytest.mark.parametrize(
    ("minute", "part"), [(-1, 0.0), (0, 0.0), (7.5, 0.14), (40, 0.98), (180, 0.01), (500, 0.0)]
)
def test_between_the_steps_the_curve_is_a_straight_line(minute: float, part: float) -> None:
    assert strength("iv", minute) == pytest.approx(part)
