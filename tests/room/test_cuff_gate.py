"""An inflated cuff on the oximeter's arm: what it excuses, and everything it does not."""

from __future__ import annotations

import pytest

from tests.room.world import OXIMETER, T0_US, World
from vitals.bedside.gate import CuffGate
from vitals.model import US, Quality
from vitals.room import RoomDevice

ECG = RoomDevice("ecg", ("hr",))
CUFF = RoomDevice("cuff", ("nibp_sys", "nibp_dia"))


def same_arm(*, recorded: bool = True) -> World:
    """After the dose, good vitals up to second 10, cuff and oximeter on one arm."""
    world = World((OXIMETER, CUFF, ECG), auto_nibp=False).open("intranasal", dose=True)
    if recorded:
        assert world.act("arms", same=True).ok
    # 92 is inside, and low enough for a fall that is no implausible step
    world.vitals(range(1, 11), spo2=92, pr=60)
    return world


def inflates(world: World) -> World:
    world.notice("cuff_inflating", "cuff")
    return world


def first_high(world: World, rule: str = "spo2-low") -> float | None:
    high = [second for second, priority in world.told(rule) if priority == "high"]
    return high[0] if high else None


# --- what it holds ------------------------------------------------------------------------------


def test_low_values_while_the_cuff_is_inflated_are_held_until_deflation_and_10_s() -> None:
    world = inflates(same_arm())
    world.vitals(range(11, 31), spo2=85, pr=35)
    world.notice("cuff_inflating", "cuff", active=False)
    world.vitals(range(31, 40), spo2=85, pr=35)
    assert world.changes("spo2-low") == world.changes("pr-low") == []
    # at second 40 the hold ends, and the delays begin
    world.vitals(range(40, 60), spo2=85, pr=35)
    assert first_high(world) == 50
    assert first_high(world, "pr-low") == 50


def test_a_reading_ends_the_measurement_as_a_notice_does() -> None:
    world = inflates(same_arm())
    world.vitals(range(11, 31), spo2=85)
    world.reading(120)
    world.vitals(range(31, 60), spo2=85)
    assert first_high(world) == 50


@pytest.mark.parametrize("ends", ["fails", "link lost", "no value"])
def test_a_measurement_that_fails_ends_the_hold_as_well(ends: str) -> None:
    world = inflates(same_arm())
    world.vitals(range(11, 21), spo2=85)
    if ends == "fails":
        world.notice("nibp_failed", "cuff", detail="motion")
    elif ends == "link lost":
        world.link("lost", "cuff")
    else:
        world.value("nibp_sys", None, "cuff", Quality.INVALID)
    world.vitals(range(21, 60), spo2=85)
    assert first_high(world) == 40


def test_values_that_are_held_are_shown_as_questionable() -> None:
    world = inflates(same_arm())
    world.at(11).value("spo2", 95)
    assert world.room.judged is not None
    assert world.room.judged.quality is Quality.QUESTIONABLE


@pytest.mark.parametrize("rule", ["spo2-no-data", "signal-lost"])
def test_a_loss_while_the_cuff_is_inflated_is_held_too(rule: str) -> None:
    world = inflates(same_arm())
    if rule == "spo2-no-data":
        world.notice("sensor_off")
    for second in range(11, 50):
        world.at(second).tick()
        if second == 30:
            world.notice("cuff_inflating", "cuff", active=False)
    assert world.told(rule)[0][0] == 40


def test_the_pulse_from_the_ecg_is_not_held() -> None:
    world = inflates(same_arm())
    for second in range(11, 25):
        world.vitals([second])
        world.value("hr", 35, "ecg")
    assert first_high(world, "hr-low") == 21


def test_respiration_and_pressure_are_not_held() -> None:
    world = inflates(same_arm())
    world.reading(185)
    assert world.alarm("sbp-high") == "active/high"


# --- what it does not excuse --------------------------------------------------------------------


def test_without_the_same_arm_on_record_nothing_is_held() -> None:
    world = inflates(same_arm(recorded=False))
    world.vitals(range(11, 30), spo2=85)
    assert first_high(world) == 21


def test_without_the_device_saying_that_it_inflates_nothing_is_held() -> None:
    world = same_arm()
    world.vitals(range(11, 30), spo2=85)
    assert first_high(world) == 21


@pytest.mark.parametrize("seconds", [3, 15])
def test_an_alarm_that_is_pending_or_active_goes_on(seconds: int) -> None:
    world = same_arm()
    world.vitals(range(11, 11 + seconds), spo2=85)
    inflates(world)
    world.vitals(range(11 + seconds, 40), spo2=85)
    assert first_high(world) == 21
    assert world.state("spo2-low").sounding


def test_an_alarm_of_the_pulse_that_is_pending_keeps_spo2_from_being_held() -> None:
    world = same_arm()
    world.vitals(range(11, 17), spo2=92, pr=85)
    world.vitals(range(17, 20), spo2=92, pr=115)
    inflates(world)
    world.vitals(range(20, 40), spo2=85, pr=115)
    assert first_high(world) == 30
    assert world.told("pr-high") == [(32, "medium")]


@pytest.mark.parametrize("rule", ["signal-lost", "spo2-no-data"])
def test_a_loss_that_is_an_alarm_already_is_not_taken_back_by_the_cuff(rule: str) -> None:
    world = same_arm()
    if rule == "spo2-no-data":
        world.notice("sensor_off")
    world.at(45).tick()
    before = world.alarm(rule)
    assert before in ("active/high", "active/medium")
    inflates(world)
    world.at(46).tick()
    assert world.alarm(rule) == before


def test_a_loss_whose_delay_runs_goes_on_when_the_cuff_inflates() -> None:
    world = same_arm()
    world.at(17).tick()
    assert world.alarm("signal-lost") == "active/low"
    inflates(world)
    world.at(30).tick()
    assert world.alarm("signal-lost") == "active/high"


def test_in_an_emergency_nothing_is_held() -> None:
    world = same_arm()
    assert world.act("phase", to="EMERGENCY").ok
    inflates(world)
    world.vitals(range(11, 30), spo2=85)
    assert first_high(world) == 21


def test_an_emergency_ends_a_hold_that_runs() -> None:
    world = inflates(same_arm())
    world.vitals(range(11, 15), spo2=85)
    assert world.act("phase", to="EMERGENCY").ok
    world.vitals(range(15, 40), spo2=85)
    assert first_high(world) == 25


def test_saying_that_the_arms_are_not_the_same_ends_a_hold_that_runs() -> None:
    world = inflates(same_arm())
    world.vitals(range(11, 15), spo2=85)
    assert world.act("arms", same=False).ok
    world.vitals(range(15, 40), spo2=85)
    assert first_high(world) == 25


def test_a_cuff_that_never_deflates_is_believed_for_60_s() -> None:
    world = inflates(same_arm())
    world.vitals(range(11, 100), spo2=85)
    assert first_high(world) == 80


def test_in_any_5_min_at_most_60_s_are_held() -> None:
    world = same_arm()
    held = []
    for second in range(11, 900):
        world.at(second)
        if second % 60 == 15:
            inflates(world)
        if second % 60 == 45:
            world.notice("cuff_inflating", "cuff", active=False)
        world.value("spo2", 92)
        world.value("pr", 72)
        judged = world.room.judged
        assert judged is not None
        if judged.quality is Quality.QUESTIONABLE:
            held.append(second)
    assert held
    worst = max(sum(1 for s in held if start <= s < start + 300) for start in range(900))
    assert worst <= 60


def test_two_good_samples_below_80_end_the_hold_at_once() -> None:
    world = inflates(same_arm())
    world.vitals(range(11, 20), spo2=85)
    world.vitals([20, 21], spo2=79)
    assert first_high(world) == 21
    assert world.state("spo2-low").text == "SpO2 79 < 80"
    assert world.state("spo2-low").sounding


def test_one_sample_below_80_and_80_itself_do_not() -> None:
    world = inflates(same_arm())
    for second in range(11, 40):
        world.vitals([second], spo2=80 if second % 2 else 79)
    assert world.changes("spo2-low") == []


def test_questionable_samples_below_80_do_not_end_the_hold() -> None:
    world = inflates(same_arm())
    for second in range(11, 30):
        world.at(second).value("spo2", 79, quality=Quality.QUESTIONABLE)
        world.value("pr", 72)
    assert world.changes("spo2-low") == []


def test_no_pulse_however_low_ends_the_hold() -> None:
    world = inflates(same_arm())
    world.vitals(range(11, 30), spo2=92, pr=25)
    assert world.changes("pr-low") == []


# --- the gate itself ------------------------------------------------------------------------------


def at(second: float) -> int:
    return T0_US + round(second * US)


def test_a_second_inflation_within_the_10_s_after_the_first_is_held_to_its_own_end() -> None:
    gate = CuffGate()
    gate.inflated(at(0))
    gate.deflated(at(20))
    gate.inflated(at(25))
    assert gate.holds(at(35))
    gate.deflated(at(40))
    assert gate.holds(at(49))
    assert not gate.holds(at(50))


def test_the_60_s_are_used_up_by_several_inflations_and_come_back_after_5_min() -> None:
    gate = CuffGate()
    gate.inflated(at(0))
    gate.deflated(at(30))
    assert not gate.holds(at(40))
    gate.inflated(at(100))
    assert gate.holds(at(119))
    assert not gate.holds(at(120))
    gate.inflated(at(200))
    assert not gate.holds(at(200))
    gate.inflated(at(500))
    assert gate.holds(at(559))
    assert not gate.holds(at(560))
