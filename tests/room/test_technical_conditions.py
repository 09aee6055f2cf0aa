"""Each row of the technical conditions table, in a room: when, how urgent, what it says."""

from __future__ import annotations

import pytest

from tests.room.world import CUFF, OXIMETER, T0_US, World
from vitals.model import US, Quality, StoreState
from vitals.room import RoomDevice

ECG = RoomDevice("ecg", ("hr",))
SPOT = RoomDevice("spot", ("spo2", "pr"), spot=True)
BP = RoomDevice("bp", ("nibp_sys", "nibp_dia"), spot=True)


def dosed(**options: object) -> World:
    """A room after the dose, ten seconds of good vitals behind it: the last at second 10."""
    world = World(auto_nibp=False, **options).open("intranasal", dose=True)
    world.vitals(range(1, 11))
    return world


# --- no valid SpO2 or pulse -------------------------------------------------------------------


def test_a_sensor_that_is_off_is_low_at_5_s_medium_at_30_s_high_at_120_s() -> None:
    world = dosed()
    world.notice("sensor_off")
    world.at(200).tick()
    assert world.told("spo2-no-data") == [(15, "low"), (40, "medium"), (130, "high")]
    assert world.told("signal-lost") == []


def test_a_missing_pulse_counts_like_a_missing_spo2() -> None:
    world = dosed()
    for second in range(11, 60):
        world.at(second).value("spo2", 97)
    assert world.told("signal-lost") == [(15, "low"), (20, "high")]
    assert world.state("signal-lost").text == "SIGNAL LOST, last PR 72"


@pytest.mark.parametrize("values", ["none", "silence"])
def test_nothing_explains_the_loss_so_the_signal_is_lost_after_10_s(values: str) -> None:
    world = dosed()
    for second in range(11, 25):
        world.at(second)
        if values == "none":
            world.value("spo2", None, quality=Quality.INVALID)
            world.value("pr", None, quality=Quality.INVALID)
        world.tick()
    assert world.told("signal-lost") == [(15, "low"), (20, "high")]
    lost = world.state("signal-lost")
    assert lost.text == "SIGNAL LOST, last SpO2 97"
    assert lost.value_us == T0_US + 10 * US
    assert lost.sounding


@pytest.mark.parametrize("on_its_way", ["pending", "active", "pulse"])
def test_an_alarm_that_was_on_its_way_makes_any_loss_a_signal_lost(on_its_way: str) -> None:
    world = dosed()
    last = {"pending": 15, "active": 25, "pulse": 15}[on_its_way]
    for second in range(11, last + 1):
        world.at(second)
        world.value("spo2", 97 if on_its_way == "pulse" else 86)
        world.value("pr", 140 if on_its_way == "pulse" else 72)
    world.notice("sensor_off")
    world.at(last + 20).tick()
    assert world.told("signal-lost") == [(last + 5, "low"), (last + 10, "high")]
    assert world.told("spo2-no-data") == []
    said = {"pulse": "SpO2 97"}.get(on_its_way, "SpO2 86")
    assert world.state("signal-lost").text.startswith(f"SIGNAL LOST, last {said}")


def test_a_link_that_is_lost_while_an_alarm_was_pending_is_a_signal_lost_too() -> None:
    world = dosed()
    world.vitals(range(11, 15), spo2=86)
    world.link("lost")
    world.at(40).tick()
    assert world.told("signal-lost") == [(19, "low"), (24, "high")]


def test_a_finished_alarm_does_not_make_a_loss_a_signal_lost() -> None:
    world = dosed()
    world.vitals(range(11, 30), spo2=86)
    world.act("acknowledge", rule="spo2-low")
    world.vitals(range(30, 50))
    assert world.alarm("spo2-low") == "idle"
    world.notice("sensor_off")
    world.at(60).tick()
    assert world.alarm("spo2-no-data") == "active/low"


def test_before_the_dose_no_loss_is_more_than_low() -> None:
    world = World(auto_nibp=False).open()
    world.vitals(range(1, 11))
    world.at(100).tick()
    assert world.told("signal-lost") == [(15, "low")]
    world.notice("sensor_off")
    world.at(110).tick()
    assert world.alarm("spo2-no-data") == "active/low"


def test_a_loss_from_before_the_dose_is_as_old_as_it_is_at_the_dose() -> None:
    world = World(auto_nibp=False).open("intranasal")
    world.vitals(range(1, 11))
    world.notice("sensor_off")
    world.at(100).act("dose")
    world.at(240).tick()
    assert world.told("spo2-no-data") == [(15, "low"), (100, "medium"), (130, "high")]


@pytest.mark.parametrize("code", ["searching", "low_perfusion"])
def test_a_search_or_low_perfusion_explains_nothing(code: str) -> None:
    world = dosed()
    world.notice(code)
    world.at(21).tick()
    assert world.alarm("signal-lost") == "active/high"


# --- links ------------------------------------------------------------------------------------


def test_the_oximeters_lost_link_is_one_condition() -> None:
    world = dosed()
    world.link("lost", detail="unplugged")
    world.at(200).tick()
    assert world.told("spo2-no-data")[:2] == [(15, "low"), (40, "medium")]
    assert world.alarm("link-lost:ox") == "idle"
    assert world.state("spo2-no-data").text == "No SpO2: link lost, unplugged"


def test_another_devices_lost_link_is_low_at_5_s_and_medium_at_30_s() -> None:
    world = dosed()
    world.link("lost", "cuff")
    world.vitals(range(11, 60))
    assert world.told("link-lost:cuff") == [(15, "low"), (40, "medium")]
    world.link("streaming", "cuff")
    assert world.alarm("link-lost:cuff") == "idle"


def test_a_link_that_is_lost_while_another_device_gives_the_values_is_said_nevertheless() -> None:
    world = dosed()
    world.link("lost")
    for second in range(11, 60):
        world.at(second)
        world.value("spo2", 97, "cuff")
        world.value("pr", 72, "cuff")
    assert world.alarm("link-lost:ox") == "active/medium"
    assert world.alarm("spo2-no-data") == "idle"


# --- blood pressure -----------------------------------------------------------------------------


def test_the_first_failure_asks_for_a_repeat_and_the_second_in_a_row_is_medium() -> None:
    world = dosed()
    world.notice("nibp_failed", "cuff", detail="cuff loose")
    assert world.alarm("nibp-failed") == "active/low"
    assert world.state("nibp-failed").text == "BP failed: cuff loose; repeat"
    world.at(40).notice("nibp_failed", "cuff", detail="motion")
    assert world.alarm("nibp-failed") == "active/medium"
    assert world.state("nibp-failed").text == "BP failed: motion"
    assert world.state("nibp-failed").sounding
    world.at(80).reading(120)
    assert world.alarm("nibp-failed") == "idle"


def test_a_reading_between_two_failures_makes_the_second_a_first_again() -> None:
    world = dosed()
    world.notice("nibp_failed", "cuff", detail="motion")
    world.at(40).reading(120)
    world.at(80).notice("nibp_failed", "cuff", detail="motion")
    assert world.alarm("nibp-failed") == "active/low"


def test_an_owed_reading_is_low_2_min_and_medium_5_min_after_it_was_due() -> None:
    world = dosed()
    world.vitals(range(11, 20 * 60 + 400))
    assert world.told("nibp-overdue") == [(1320, "low"), (1500, "medium")]


@pytest.mark.parametrize(
    ("started_s", "told"),
    # the measurement begins before it is overdue: put off by three minutes at most
    [(1310, [(1490, "low"), (1500, "medium")]), (1400, [(1320, "low"), (1580, "medium")])],
)
def test_a_measurement_that_runs_defers_it_by_at_most_3_min(
    started_s: int, told: list[tuple[float, str]]
) -> None:
    world = dosed()
    world.at(started_s).notice("cuff_inflating", "cuff")
    world.at(1700).tick()
    assert world.told("nibp-overdue")[-len(told) :] == told


def test_before_the_dose_an_owed_reading_is_low_only() -> None:
    world = World(auto_nibp=False).open()
    world.at(900).tick()
    assert world.told("nibp-overdue") == [(120, "low")]


# --- what does not fit together -------------------------------------------------------------------


def ward_with_ecg() -> World:
    world = World((OXIMETER, CUFF, ECG), auto_nibp=False).open("intranasal", dose=True)
    world.vitals(range(1, 11))
    return world


@pytest.mark.parametrize(
    ("hr", "seconds", "expected"),
    [(83, 16, "active/low"), (83, 15, "idle"), (82, 60, "idle"), (61, 16, "active/low")],
)
def test_hr_and_pr_that_differ_by_more_than_10_for_15_s_are_low(
    hr: float, seconds: int, expected: str
) -> None:
    world = ward_with_ecg()
    for second in range(11, 11 + seconds):
        world.vitals([second])
        world.value("hr", hr, "ecg")
    assert world.alarm("hr-pr-differ") == expected


def test_a_difference_that_is_interrupted_begins_anew() -> None:
    world = ward_with_ecg()
    for second in range(11, 36):
        world.vitals([second])
        world.value("hr", 75 if second == 22 else 90, "ecg")
    assert world.alarm("hr-pr-differ") == "idle"


@pytest.mark.parametrize(
    ("cuff_pr", "times", "expected"),
    [(88, 1, "idle"), (88, 2, "active/low"), (87, 2, "idle"), (56, 2, "active/low")],
)
def test_a_cuff_whose_pulse_differs_by_more_than_15_twice_asks_for_the_patient(
    cuff_pr: float, times: int, expected: str
) -> None:
    world = dosed()
    for n in range(times):
        world.vitals(range(20 + 60 * n, 30 + 60 * n))
        world.reading(120)
        world.value("pr", cuff_pr, "cuff")
    world.vitals([200])
    assert world.alarm("cuff-pr-differs") == expected
    if expected != "idle":
        assert "same patient?" in world.state("cuff-pr-differs").text


def test_one_determination_that_fits_between_two_that_do_not_is_not_twice_in_a_row() -> None:
    world = dosed()
    for n, cuff_pr in enumerate((90, 72, 90)):
        world.vitals(range(20 + 60 * n, 30 + 60 * n))
        world.reading(120)
        world.value("pr", cuff_pr, "cuff")
    world.vitals([300])
    assert world.alarm("cuff-pr-differs") == "idle"


@pytest.mark.parametrize(
    ("channel", "before", "after", "doubted"),
    [
        ("spo2", 97, 86, True), ("spo2", 97, 87, False), ("spo2", 80, 97, False),
        ("pr", 70, 101, True), ("pr", 70, 100, False), ("pr", 101, 70, True),
    ],
)  # fmt: skip
def test_a_step_that_no_patient_makes_is_questionable(
    channel: str, before: float, after: float, doubted: bool
) -> None:
    world = dosed()
    world.at(30).value(channel, before)
    world.at(34).value(channel, after)
    assert world.room.judged is not None
    assert (world.room.judged.quality is Quality.QUESTIONABLE) is doubted
    assert world.room.judged.value == after
    # thirty seconds later it is what the patient has
    world.at(64).value(channel, after)
    assert world.room.judged.quality is Quality.GOOD


def test_questionable_values_double_the_delay_in_a_room_and_are_low_after_60_s() -> None:
    world = dosed()
    for second in range(11, 80):
        world.at(second)
        world.value("spo2", 91, quality=Quality.QUESTIONABLE)
        world.value("pr", 72)
    assert world.told("spo2-low") == [(41, "medium")]
    assert world.told("doubtful") == [(71, "low")]
    world.at(80).value("spo2", 91)
    assert world.alarm("doubtful") == "idle"


# --- the station ----------------------------------------------------------------------------------


def test_a_record_that_stands_still_is_medium() -> None:
    world = dosed()
    world.put(StoreState(world.now_us, recording=False, detail="disk full"))
    assert world.alarm("not-recording") == "active/medium"
    assert world.state("not-recording").sounding
    world.put(StoreState(world.now_us, recording=True))
    assert world.alarm("not-recording") == "idle"


def test_a_disk_that_is_nearly_full_is_medium() -> None:
    world = dosed()
    world.put(StoreState(world.now_us, recording=True, detail="less than 1 GB"))
    assert world.alarm("disk-low") == "active/medium"
    assert world.state("disk-low").sounding


@pytest.mark.parametrize("code", ["clock_step", "engine_late", "restarted"])
def test_what_happened_to_the_station_is_low_and_said_for_a_minute(code: str) -> None:
    world = dosed()
    rule = code.replace("_", "-")
    world.notice(code, "", detail="by 3 s")
    assert world.alarm(rule) == "active/low"
    assert not world.state(rule).sounding
    assert world.state(rule).text == "by 3 s"
    world.at(69).tick()
    assert world.alarm(rule) == "active/low"
    world.at(70).tick()
    assert world.alarm(rule) == "idle"


def test_no_page_with_armed_sound_for_10_s_after_the_dose_is_high() -> None:
    world = dosed()
    world.heard_by(0)
    world.vitals(range(11, 40))
    assert world.told("no-sound") == [(20, "high")]
    assert world.state("no-sound").sounding
    world.heard_by(1)
    assert world.alarm("no-sound") == "idle"


def test_before_the_dose_nobody_needs_to_hear_and_after_it_10_s_are_left() -> None:
    world = World(auto_nibp=False).open("intranasal")
    world.heard_by(0)
    world.vitals(range(1, 100))
    assert world.alarm("no-sound") == "idle"
    world.act("dose")
    world.vitals(range(100, 120))
    assert world.told("no-sound") == [(109, "high")]


def test_a_page_that_comes_back_within_10_s_is_no_alarm() -> None:
    world = dosed()
    for second in range(11, 60):
        world.at(second).heard_by(0 if second % 9 else 2)
        world.vitals([second])
    assert world.told("no-sound") == []


def test_a_low_battery_is_low_while_the_device_says_so() -> None:
    world = dosed()
    world.notice("low_battery")
    assert world.alarm("battery-low:ox") == "active/low"
    world.notice("low_battery", active=False)
    assert world.alarm("battery-low:ox") == "idle"


# --- devices that measure when somebody does ------------------------------------------------------


def test_a_spot_devices_silence_means_nothing() -> None:
    world = World((SPOT, BP), auto_nibp=False)
    world.open("intranasal", dose=True)
    for second in range(1, 11):
        world.at(second)
        world.value("spo2", 97, "spot")
        world.value("pr", 72, "spot")
    world.value("spo2", None, "spot", Quality.INVALID)
    world.link("lost", "spot")
    world.at(1000).tick()
    assert [a.rule for a in world.room.alarms] == []


def test_a_spot_devices_values_are_judged_like_any() -> None:
    world = World((SPOT, BP), auto_nibp=False)
    world.open("intranasal", dose=True)
    for second in range(1, 13):
        world.at(second).value("spo2", 86, "spot")
    assert world.alarm("spo2-low") == "active/high"


def test_a_spot_devices_patient_is_owed_the_scheduled_readings() -> None:
    world = World((SPOT, BP), auto_nibp=False)
    world.open("intranasal", dose=True)
    world.at(20 * 60 + 130).tick()
    assert world.alarm("nibp-overdue") == "active/low"


# --- no session -----------------------------------------------------------------------------------


def test_values_for_30_s_without_a_session_ask_to_open_one() -> None:
    world = World()
    world.vitals(range(1, 31))
    assert world.alarm("open-session") == "idle"
    world.vitals([31])
    assert world.alarm("open-session") == "active/low"


def test_a_single_check_without_a_session_is_not_30_s_of_values() -> None:
    world = World()
    world.vitals(range(1, 4))
    world.at(60).tick()
    assert world.alarm("open-session") == "idle"


def test_without_a_session_nothing_else_is_an_alarm() -> None:
    world = World()
    world.heard_by(0)
    world.put(StoreState(world.now_us, recording=False))
    world.notice("low_battery")
    world.vitals(range(1, 200), spo2=70, pr=30)
    world.reading(250)
    assert {a.rule for a in world.room.alarms} == {"open-session"}
