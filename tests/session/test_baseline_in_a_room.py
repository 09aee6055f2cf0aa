"""Frozen at the dose, and what follows from it."""

from __future__ import annotations

import pytest

from tests.room.world import World


def based(spo2: float = 97, sys: tuple[float, ...] = (108, 112)) -> World:
    """Vitals for two minutes, readings 5 min apart, the dose at 420 s."""
    world = World(auto_nibp=False).open("intranasal")
    world.vitals(range(290, 420), spo2=spo2)
    for second, value in zip((420, 725), sys, strict=False):
        world.at(second).reading(value, 70)
    world.vitals(range(725, 800), spo2=spo2)
    assert world.act("dose").ok
    return world


def test_the_baseline_is_frozen_at_the_dose() -> None:
    world = based()
    assert world.room.session is not None
    expected = {"nibp_sys": 110.0, "nibp_dia": 70.0, "spo2": 97.0, "pr": 72.0}
    assert world.room.session.baseline == expected
    world.at(900).reading(150)
    assert world.room.session.baseline == expected


def test_with_a_baseline_a_pressure_far_above_it_is_medium() -> None:
    world = based()
    world.reading(150)
    world.at(1100).reading(151, 95)
    assert world.alarm("sbp-high") == "active/medium"
    assert world.state("sbp-high").text == "SYS 151 ≥ 150 (baseline +40)"
    assert world.state("sbp-high").sounding
    assert world.alarm("dbp-high") == "active/medium"
    assert not world.state("dbp-high").sounding


@pytest.mark.parametrize("readings", [(), (108,)])
def test_without_one_relative_limits_are_off(readings: tuple[float, ...]) -> None:
    world = based(sys=readings)
    assert world.room.session is not None
    assert "nibp_sys" not in world.room.session.baseline
    for second in (900, 1200):
        world.at(second).reading(155, 97)
    assert world.alarm("sbp-high") == world.alarm("dbp-high") == "idle"


def test_four_below_the_baseline_for_60_s_is_an_annotation_that_never_sounds() -> None:
    world = based()
    world.vitals(range(800, 860), spo2=93)
    assert world.alarm("spo2-low") == "idle"
    world.vitals(range(860, 900), spo2=93)
    assert world.alarm("spo2-low") == "active/info"
    assert world.told("spo2-low") == [(860, "info")]
    assert not world.state("spo2-low").sounding


def test_an_annotation_is_no_alarm_on_its_way_when_the_sensor_goes() -> None:
    world = based()
    world.vitals(range(800, 870), spo2=93)
    world.notice("sensor_off")
    world.at(890).tick()
    assert world.alarm("spo2-no-data") == "active/low"
    assert world.alarm("signal-lost") == "idle"


def test_a_dose_that_is_marked_late_takes_the_values_before_the_dose_itself() -> None:
    world = World(auto_nibp=False).open("intranasal")
    for second, value in ((10, 110), (320, 110), (700, 150)):
        world.at(second).reading(value)
    dose_us = world.now_us - 300_000_000
    world.at(720)
    assert world.act("dose", at_us=dose_us).ok
    assert world.room.session is not None
    assert world.room.session.baseline == {"nibp_sys": 110.0, "nibp_dia": 75.0}
