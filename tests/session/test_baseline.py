"""The values before the dose that relative limits count from."""

from __future__ import annotations

import pytest

from vitals.model import US, Numeric, Quality
from vitals.session.baseline import Baseline

T0_US = 1_800_000_000 * US


def frozen(readings: list[tuple[float, float | None]], dose_s: float = 3600) -> float | None:
    baseline = Baseline()
    for second, value in readings:
        at_us = T0_US + round(second * US)
        baseline.add(Numeric("cuff", "nibp_sys", at_us, value))
    return baseline.frozen(T0_US + round(dose_s * US)).get("nibp_sys")


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ([], None),
        ([(0, 120)], None),
        ([(0, 120), (299, 130)], None),
        ([(0, 120), (300, 130)], 125),
        # the last two that are far enough apart
        ([(0, 100), (400, 120), (800, 130)], 125),
        ([(0, 120), (400, 128), (500, 132)], 126),
        ([(0, 120), (300, None), (400, 130)], 125),
        # in the order in which they were taken, not entered
        ([(0, 110), (600, 120), (1200, 130), (60, 180)], 125),
        # one taken after the dose does not count
        ([(0, 120), (300, 130), (4000, 200)], 125),
    ],
)
def test_a_pressure_is_the_mean_of_the_last_two_valid_readings_5_min_apart(
    readings: list[tuple[float, float | None]], expected: float | None
) -> None:
    assert frozen(readings) == expected


def test_questionable_readings_do_not_count() -> None:
    baseline = Baseline()
    for second in (0, 300):
        at_us = T0_US + second * US
        baseline.add(Numeric("cuff", "nibp_sys", at_us, 120.0, Quality.QUESTIONABLE))
    assert baseline.frozen(T0_US + 3600 * US) == {}


@pytest.mark.parametrize(("count", "known"), [(59, False), (60, True)])
def test_a_running_value_is_the_mean_of_the_last_10_min_of_at_least_60(
    count: int, known: bool
) -> None:
    baseline = Baseline()
    for second in range(count):
        baseline.add(Numeric("ox", "spo2", T0_US + second * US, 97.0))
    found = baseline.frozen(T0_US + 120 * US)
    assert found == ({"spo2": 97.0} if known else {})


def test_a_running_value_of_long_ago_is_none() -> None:
    baseline = Baseline()
    for second in range(300):
        baseline.add(Numeric("ox", "spo2", T0_US + second * US, 97.0))
    assert baseline.frozen(T0_US + 1800 * US) == {}


def test_a_long_wait_before_the_dose_forgets_the_beginning_and_not_the_end() -> None:
    baseline = Baseline()
    for second in range(3600):
        value = 90.0 if second < 1800 else 98.0
        baseline.add(Numeric("ox", "spo2", T0_US + second * US, value))
    assert baseline.frozen(T0_US + 3600 * US) == {"spo2": 98.0}
