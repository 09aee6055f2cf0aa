"""Blood pressure in a room: shown, sounding, taken again, and what pays for what."""

from __future__ import annotations

import pytest

from tests.room.world import T0_US, World
from vitals.model import US, DeviceRequest


def dosed(*, auto_nibp: bool = False) -> World:
    """After the dose; the first scheduled reading is at 20 min."""
    world = World(auto_nibp=auto_nibp).open("intranasal", dose=True)
    world.vitals(range(1, 5))
    return world


def repeats(world: World) -> list[float]:
    """Seconds at which a repeat is owed, in order."""
    return [(d.at_us - T0_US) / US for d in world.room.due if "repeat" in d.what]


def follow(world: World, values: list[float], start_s: float = 60) -> list[float]:
    """Takes each repeat as it is owed; the waits between readings."""
    second, waits = start_s, []
    for value in values:
        world.at(second).reading(value)
        owed = [d for d in world.room.due if "repeat" in d.what and d.state == "coming"]
        if not owed:
            break
        waits.append((owed[0].at_us - world.now_us) / US)
        second = (owed[0].at_us - T0_US) / US
    return waits


def test_a_medium_reading_shows_and_is_silent_and_the_second_in_a_row_sounds() -> None:
    world = dosed()
    world.reading(165)
    assert world.alarm("sbp-high") == "active/medium"
    assert not world.state("sbp-high").sounding
    world.at(300).reading(162)
    assert world.state("sbp-high").sounding


def test_a_high_reading_sounds_at_once_whichever_pressure() -> None:
    world = dosed()
    world.reading(185, 80)
    assert world.state("sbp-high").sounding
    world.at(200).reading(150, 112)
    assert world.state("dbp-high").sounding


def test_before_the_dose_a_medium_reading_is_a_hold_that_sounds_at_the_dose_if_it_lasts() -> None:
    world = World(auto_nibp=False).open()
    for second in (10, 320):
        world.at(second).reading(165)
        assert world.alarm("sbp-high") == "active/medium"
        assert not world.state("sbp-high").sounding
    world.at(400).act("dose")
    assert world.state("sbp-high").sounding


def test_before_the_dose_a_hold_that_has_ended_is_gone_at_the_dose() -> None:
    world = World(auto_nibp=False).open()
    for second, value in ((10, 165), (320, 165), (630, 130)):
        world.at(second).reading(value)
    world.act("dose")
    assert world.alarm("sbp-high") == "idle"


def test_a_medium_pressure_is_taken_again_every_5_min_at_most_four_times() -> None:
    assert follow(dosed(), [165] * 10) == [300] * 4


def test_two_clear_readings_in_a_row_end_the_repeats() -> None:
    assert follow(dosed(), [165, 130, 130, 130]) == [300, 300]
    assert follow(dosed(), [165, 130, 165, 130, 130]) == [300] * 4


def test_a_high_pressure_is_taken_again_every_2_min_three_times_then_every_5() -> None:
    assert follow(dosed(), [190] * 8) == [120] * 3 + [300] * 5


def test_a_high_diastolic_is_taken_again_too() -> None:
    world = dosed()
    world.at(60).reading(130, 115)
    assert repeats(world) == [180]


@pytest.mark.parametrize("order", ["sys first", "dia first"])
def test_the_order_in_which_a_device_tells_its_values_does_not_matter(order: str) -> None:
    world = dosed()
    world.at(30).reading(120)
    world.at(60)
    told = [("nibp_sys", 190.0), ("nibp_dia", 80.0)]
    for channel, value in told if order == "sys first" else reversed(told):
        world.value(channel, value, "cuff")
    assert repeats(world) == [180]


def test_a_reading_that_annotates_only_is_clear() -> None:
    world = World(auto_nibp=False).open("intranasal")
    for second in (10, 320):
        world.at(second).reading(110)
    world.at(400).act("dose")
    world.at(500).reading(140)
    assert world.alarm("sbp-high") == "active/info"
    assert repeats(world) == []


def test_a_reading_pays_for_a_repeat_and_a_scheduled_one() -> None:
    world = dosed()
    world.at(15 * 60 + 30).reading(165)
    world.at(20 * 60 + 30).reading(130)
    states = {d.what: d.state for d in world.room.due}
    assert (states["nibp-repeat-1"], states["nibp+20"]) == ("done", "done")


def test_an_acknowledged_pressure_sounds_again_on_a_new_one_that_is_out_and_not_by_time() -> None:
    world = dosed()
    world.at(60).reading(185)
    world.act("acknowledge", rule="sbp-high")
    for second in range(61, 175):
        world.vitals([second])
        assert not world.state("sbp-high").sounding
    world.at(180).reading(150)
    assert not world.state("sbp-high").sounding
    world.at(290).reading(186)
    assert world.state("sbp-high").sounding


def test_an_acknowledged_pressure_sounds_again_when_its_repeat_is_missed() -> None:
    world = dosed()
    world.at(60).reading(185)
    world.act("acknowledge", rule="sbp-high")
    world.vitals(range(61, 310))
    (missed,) = [c for c in world.changes("sbp-high") if c.cause == "repeat missed"]
    # owed at 180, missed two minutes later
    assert (missed.at_us - T0_US) / US == 300
    assert world.state("sbp-high").sounding


def test_a_missed_blood_pressure_does_not_raise_an_acknowledged_sedation_score() -> None:
    world = dosed()
    world.act("score", scale="moaas", value=2)
    world.act("acknowledge", rule="moaas-low")
    world.at(60).reading(185)
    world.act("acknowledge", rule="sbp-high")
    world.vitals(range(61, 310))
    assert not world.state("moaas-low").sounding


def test_a_repeat_is_asked_of_a_device_that_can() -> None:
    world = dosed(auto_nibp=True)
    world.at(60).reading(185)
    asked = [
        second
        for second in range(61, 200)
        for o in world.at(second).tick()
        if isinstance(o, DeviceRequest)
    ]
    assert asked == [180]


def test_before_the_dose_nothing_is_taken_again() -> None:
    world = World(auto_nibp=False).open()
    world.at(60).reading(185)
    assert repeats(world) == []
