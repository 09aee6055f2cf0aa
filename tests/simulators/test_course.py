"""The effect of a dose over time, against the table it was fitted to."""

from __future__ import annotations

import numpy as np
import pytest

from simulators import course
from vitals.errors import ConfigError

MINUTES = (10, 20, 30, 40, 60, 90, 120)
TABLE = {
    "iv": ((0.21, 0.53, 0.79, 0.98, 0.68, 0.25, 0.09), 42),
    "im": ((0.52, 0.98, 0.94, 0.74, 0.39, 0.14, 0.05), 23),
    "intranasal": ((0.21, 0.69, 0.97, 0.98, 0.71, 0.31, 0.12), 36),
    "sublingual": ((0.02, 0.46, 0.83, 0.99, 0.90, 0.53, 0.26), 45),
}


def test_every_route_has_a_row_in_the_table() -> None:
    assert set(TABLE) == set(course.ROUTES)


@pytest.mark.parametrize("route", TABLE)
def test_strength_follows_the_table(route: str) -> None:
    strengths, _ = TABLE[route]
    assert course.effect(route, np.array(MINUTES, float)) == pytest.approx(strengths, abs=0.015)


@pytest.mark.parametrize("route", TABLE)
def test_the_peak_is_one_at_its_time(route: str) -> None:
    minutes = np.arange(0, 240, 0.1)
    strength = course.effect(route, minutes)
    assert strength.max() == pytest.approx(1.0, abs=1e-9)
    assert minutes[strength.argmax()] == pytest.approx(TABLE[route][1], abs=1)


@pytest.mark.parametrize("route", TABLE)
def test_nothing_acts_before_the_dose_nor_for_ever(route: str) -> None:
    assert course.effect(route, np.array([-60.0, -0.1, 0.0, 1e5])) == pytest.approx([0, 0, 0, 0])


def test_sprays_act_one_after_the_other() -> None:
    intake = course.ROUTES["intranasal"]
    assert intake.amount(4.9) < 1 / 3
    assert intake.amount(9.9) < 2 / 3
    assert intake.amount(300) == pytest.approx(1)


def test_an_infusion_is_in_after_forty_minutes() -> None:
    assert course.ROUTES["iv"].amount(20) == pytest.approx(0.5)
    assert course.ROUTES["iv"].amount(41) == 1


def test_an_unknown_route_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match='did you mean "intranasal"') as caught:
        course.check_route("intranasel")
    assert caught.value.key == "route"
