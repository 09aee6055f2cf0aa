"""Devices that speak seldom: spot checks, and gateways that send every ten seconds."""

from __future__ import annotations

from tests.room.world import CUFF, OXIMETER, World
from vitals.model import Actor, Notice, Quality, Resume
from vitals.room_setup import RoomDevice, RoomSetup

PRESCRIBER = Actor("Dr. B", "prescriber")
SPOT = RoomDevice("ox", ("spo2", "pr"), spot=True)
SLOW = RoomDevice("ox", ("spo2", "pr"), period_s=10)


def every(world: World, step_s: float, seconds: int, spo2: float, pr: float) -> World:
    at = step_s
    while at <= seconds:
        world.at(at).value("spo2", spo2)
        world.value("pr", pr)
        at += step_s
    return world


def test_a_spot_check_that_is_out_is_an_alarm_at_once() -> None:
    world = World((SPOT, CUFF), auto_nibp=False).open("intranasal", dose=True)
    every(world, 60, 60, 84, 140)
    assert world.alarm("spo2-low") == "active/high"
    assert world.alarm("pr-high") == "active/high"
    world.at(120).value("spo2", 97)
    assert world.alarm("spo2-low") == "latched/high"


def test_the_silence_of_a_spot_device_is_no_alarm() -> None:
    cuff = RoomDevice("cuff", ("nibp_sys", "nibp_dia"))
    world = World((SPOT, cuff), auto_nibp=False).open("intranasal", dose=True)
    every(world, 300, 900, 97, 72)
    world.at(1100).tick()
    assert {a.rule for a in world.room.alarms} == set()


def test_a_gateway_that_sends_every_ten_seconds_loses_no_signal_and_no_alarm() -> None:
    calm = every(World((SLOW, CUFF), auto_nibp=False).open(dose=True), 10, 300, 97, 72)
    assert calm.changes("signal-lost") == []
    low = every(World((SLOW, CUFF), auto_nibp=False).open(dose=True), 10.5, 60, 85, 140)
    assert low.alarm("spo2-low") == "active/high"
    assert low.alarm("pr-high") == "active/high"
    gone = every(World((SLOW, CUFF), auto_nibp=False).open(dose=True), 10, 60, 97, 72)
    gone.at(76).tick()
    assert gone.alarm("signal-lost") == "idle"
    gone.at(90).tick()
    assert gone.alarm("signal-lost") == "active/high"


def test_the_pulse_of_a_spot_cuff_is_not_awaited_from_a_stream() -> None:
    cuff = RoomDevice("cuff", ("nibp_sys", "nibp_dia", "pr"), spot=True)
    only = RoomDevice("ox", ("spo2",))
    world = World((only, cuff), auto_nibp=False).open(dose=True)
    for second in range(1, 60):
        world.at(second).value("spo2", 97)
    assert {a.rule for a in world.room.alarms} == set()


def test_what_a_device_without_a_say_does_not_measure_changes_nothing() -> None:
    world = World(auto_nibp=False).open(dose=True)
    world.vitals(range(1, 10))
    assert world.act("off_monitor", reason="toilet").ok
    world.at(20).value("spo2", None, quality=Quality.INVALID)
    for second in range(30, 45):
        world.vitals([second])
        world.value("spo2", None, "cuff", quality=Quality.INVALID)
    assert world.room.session is not None
    assert world.room.session.off_since_us is None, "ten seconds of good data end it"
    bound = World((OXIMETER, RoomDevice("mon", ("hr",))), auto_nibp=False).open(dose=True)
    bound.vitals(range(1, 5))
    for second in (5, 6):
        bound.at(second).value("nibp_sys", None, "mon", quality=Quality.INVALID)
    assert bound.alarm("nibp-failed") == "idle"


def test_the_setup_of_a_room_comes_back_from_the_record_as_it_was() -> None:
    setup = RoomSetup((SPOT, SLOW, CUFF), False, 7, (10.0, 20.0), {"spo2": ("ox",)})
    assert RoomSetup.of_json(setup.to_json()) == setup


def test_monitoring_that_was_finished_goes_on_when_the_phase_goes_back() -> None:
    world = World(auto_nibp=False).open(dose=True)
    world.vitals(range(1, 5))
    for kind, args in (("phase", {"to": "DISCHARGE_CHECK"}), ("finished", {}),
                       ("phase", {"to": "RECOVERY"})):  # fmt: skip
        assert world.act(kind, **args).ok
    world.at(60).tick()
    assert world.alarm("signal-lost") == "active/high"


def test_a_second_symptom_sounds_for_everybody_but_the_one_who_reports_it() -> None:
    world = World(auto_nibp=False).open(dose=True)
    world.act("symptom", text="headache")
    first = world.state("symptom")
    world.at(5).act("pause_audio")
    world.at(6).act("symptom", text="chest pain")
    second = world.state("symptom")
    assert second.sounding
    assert second.text == "SYMPTOM: headache; SYMPTOM: chest pain"
    refused = world.act("acknowledge", rule="symptom", level=0, onset_us=first.onset_us)
    assert not refused.ok
    assert world.state("symptom").sounding
    assert not world.act("rule_off", rule="symptom", reason="noise").ok


def test_a_dose_that_is_marked_late_pages_nobody_for_the_time_before() -> None:
    world = World(auto_nibp=False).open("intranasal")
    world.at(20).put(Notice("ox", world.now_us, "sensor_off"))
    world.at(900).act("dose", at_us=world.now_us - 500_000_000)
    alarm = world.state("spo2-no-data")
    assert alarm.escalated == 0
    assert alarm.raised_us is None or alarm.raised_us >= world.now_us - 1


def test_a_restart_long_after_the_time_off_ran_out_begins_to_count_anew() -> None:
    world = World(auto_nibp=False).open(dose=True)
    world.vitals(range(1, 10))
    world.act("off_monitor", reason="toilet")
    assert world.room.session is not None
    again = World(auto_nibp=False).at(900)
    again.put(Resume(again.now_us, world.room.session))
    again.at(901).tick()
    assert again.alarm("signal-lost") == "idle"
    again.at(911).tick()
    assert again.alarm("signal-lost") == "active/high"


def test_a_systolic_pressure_that_stays_alone_is_repeated_too() -> None:
    world = World(auto_nibp=False).open(dose=True)
    world.at(60).value("nibp_sys", 195, "cuff")
    world.at(66).tick()
    due = [d for d in world.room.due if d.what.startswith("nibp-repeat")]
    assert [(d.at_us - world.now_us) // 1_000_000 for d in due] == [114]


def test_an_emergency_acknowledges_what_is_on_and_nothing_sounds_again_until_its_end() -> None:
    world = World(auto_nibp=False).open(dose=True)
    world.vitals(range(1, 25), spo2=87)
    assert world.act("phase", to="EMERGENCY").ok
    assert not world.state("spo2-low").sounding
    world.vitals(range(25, 400), spo2=87)
    assert not world.state("spo2-low").sounding
    world.value("pr", 35)
    world.vitals(range(400, 420), spo2=87, pr=35)
    assert world.state("pr-low").sounding, "a new one does"


def test_the_floor_of_spo2_can_only_be_made_stricter() -> None:
    world = World(auto_nibp=False).open(dose=True)
    args = {"rule": "spo2-low", "level": 3, "reason": "x"}
    assert "stricter" in world.act("set_limit", PRESCRIBER, limit=10, **args).error
    assert "number" in world.act("set_limit", PRESCRIBER, limit=10**400, **args).error
    assert world.act("set_limit", PRESCRIBER, limit=82, **args).ok


def test_repeats_that_had_ended_do_not_begin_again_after_a_restart() -> None:
    world = World(auto_nibp=False).open(dose=True)
    for second, sys in ((60, 165), (360, 130), (660, 130)):
        world.at(second).reading(sys)
    assert world.room.session is not None
    again = World(auto_nibp=False).at(700)
    again.put(Resume(again.now_us, world.room.session, due=tuple(world.room.due)))
    again.at(900).reading(130)
    assert not [d for d in again.room.due if d.what == "nibp-repeat-3"]
