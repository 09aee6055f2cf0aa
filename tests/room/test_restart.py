"""Restart (rule 8): what was active stays active until fresh data says otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.room.world import CUFF, OXIMETER, World
from vitals.model import Alarm, AlarmChange, Audience, Due, Link, Quality, Resume, StoreState
from vitals.room import RoomDevice

ECG = RoomDevice("ecg", ("hr",))
DEVICES = (OXIMETER, CUFF, ECG)


def resume_of(world: World) -> Resume:
    """What the station reads back from its record."""
    alarms: dict[str, Alarm] = {}
    due: dict[str, Due] = {}
    for output in world.outputs:
        if isinstance(output, AlarmChange):
            alarms[output.after.rule] = output.after
        elif isinstance(output, Due):
            due[output.what] = output
    assert world.room.session is not None
    return Resume(world.now_us, world.room.session, tuple(alarms.values()), tuple(due.values()))


def restarted(world: World, after_s: float = 5) -> World:
    """A new station that goes on where the old one ended, links not yet known."""
    again = World(DEVICES, auto_nibp=False)
    again.now_us = world.now_us + round(after_s * 1e6)
    again.put(replace(resume_of(world), at_us=again.now_us))
    return again


def dosed() -> World:
    world = World(DEVICES, auto_nibp=False).open("intranasal", dose=True)
    # 94 is inside, and low enough for a fall that is no implausible step
    world.vitals(range(1, 11), spo2=94)
    return world


def differing() -> World:
    world = dosed()
    for second in range(11, 40):
        world.vitals([second])
        world.value("hr", 95, "ecg")
    return world


def doubted() -> World:
    world = dosed()
    for second in range(11, 90):
        world.at(second).value("spo2", 94, quality=Quality.QUESTIONABLE)
        world.value("pr", 72)
    return world


def lost(code: str = "") -> World:
    world = dosed()
    if code:
        world.notice(code)
    world.at(45).tick()
    return world


def failed() -> World:
    world = dosed()
    for second in (20, 60):
        world.vitals([second])
        world.notice("nibp_failed", "cuff", detail="motion")
    return world


def unheard() -> World:
    world = dosed()
    world.heard_by(0)
    world.vitals(range(11, 40))
    return world


def unrecorded(recording: bool) -> World:
    world = dosed()
    world.put(StoreState(world.now_us, recording, "disk"))
    return world


def drained() -> World:
    world = dosed()
    world.notice("low_battery")
    return world


def overdue() -> World:
    world = World(DEVICES, auto_nibp=False).open("intranasal", dose=True)
    world.vitals(range(1, 1510))
    return world


def unlinked() -> World:
    world = dosed()
    world.link("lost", "cuff")
    world.vitals(range(11, 60))
    return world


def away() -> World:
    world = dosed()
    world.act("off_monitor", reason="toilet")
    world.at(700).tick()
    return world


def unwell() -> World:
    world = dosed()
    world.act("symptom", text="chest pain")
    return world


@pytest.mark.parametrize(
    ("rule", "before"),
    [
        ("signal-lost", lost()), ("spo2-no-data", lost("sensor_off")),
        ("link-lost:cuff", unlinked()), ("nibp-failed", failed()), ("nibp-overdue", overdue()),
        ("off-monitor", away()), ("symptom", unwell()), ("no-sound", unheard()),
        ("not-recording", unrecorded(False)), ("disk-low", unrecorded(True)),
        ("battery-low:ox", drained()), ("hr-pr-differ", differing()), ("doubtful", doubted()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_technical_condition_that_was_active_is_active_after_a_restart(
    rule: str, before: World
) -> None:
    was = before.state(rule)
    assert was.condition == "active"
    again = restarted(before)
    now = again.state(rule)
    assert (now.condition, now.priority, now.onset_us, now.text) == (
        "active", was.priority, was.onset_us, was.text,
    )  # fmt: skip


def test_a_restart_while_the_sensor_is_off_does_not_make_it_a_signal_lost() -> None:
    again = restarted(lost("sensor_off"))
    assert again.alarm("signal-lost") == "idle"


@pytest.mark.parametrize("acknowledged", [False, True])
def test_vitals_that_were_active_stay_so_until_fresh_data_says_otherwise(
    acknowledged: bool,
) -> None:
    world = dosed()
    world.vitals(range(11, 30), spo2=87)
    if acknowledged:
        world.act("acknowledge", rule="spo2-low")
    was = world.state("spo2-low")
    again = restarted(world, 60)
    now = again.state("spo2-low")
    assert replace(now, escalated=0) == replace(was, escalated=0)
    assert now.sounding is not acknowledged
    start_s = (again.now_us - 1_800_000_000_000_000) // 1_000_000
    again.vitals(range(start_s, start_s + 12), spo2=94)
    assert again.alarm("spo2-low") == ("idle" if acknowledged else "latched/high")


def test_a_delay_that_ran_starts_anew() -> None:
    world = dosed()
    world.vitals(range(11, 20), spo2=87)
    assert world.alarm("spo2-low").startswith("pending")
    again = restarted(world, 1)
    again.vitals(range(20, 30), spo2=87)
    assert again.alarm("spo2-low").startswith("pending")
    again.vitals(range(30, 32), spo2=87)
    assert again.alarm("spo2-low") == "active/high"


def test_a_pause_goes_on_to_its_time() -> None:
    world = dosed()
    world.vitals(range(11, 30), spo2=87)
    world.act("pause_audio")
    again = restarted(world)
    assert not again.state("spo2-low").sounding
    again.at(29 + 120).tick()
    assert again.state("spo2-low").sounding


def test_a_rule_that_was_off_stays_off_with_name_and_reason_until_its_time() -> None:
    world = dosed()
    world.act("rule_off", rule="spo2-low", reason="known to the prescriber")
    again = restarted(world)
    now = again.state("spo2-low")
    assert (now.rule_state, now.rule_by, now.rule_reason) == (
        "off", "nurse A", "known to the prescriber",
    )  # fmt: skip
    again.at(10 + 901).tick()
    assert again.state("spo2-low").rule_state == "enabled"


def test_a_rule_that_was_off_is_on_again_when_the_phase_changed_meanwhile() -> None:
    world = World(DEVICES, auto_nibp=False).open("intranasal", dose=True)
    world.at(59 * 60).tick()
    world.act("rule_off", rule="spo2-low", reason="known to the prescriber")
    again = restarted(world, 120)
    assert again.room.session is not None
    assert again.room.session.phase == "DESCENT"
    assert again.state("spo2-low").rule_state == "enabled"


def test_a_restart_is_said_for_a_minute_and_logged() -> None:
    again = restarted(dosed())
    assert again.alarm("restarted") == "active/low"
    again.put(Link("ox", again.now_us, "streaming"))
    again.put(Audience(again.now_us, 1))
    again.at(80).tick()
    assert again.alarm("restarted") == "idle"


def test_patients_limits_baseline_arms_and_confirmations_go_on() -> None:
    world = dosed()
    world.act("arms", same=True)
    world.act("confirm_own_alarm", device="ox")
    again = restarted(world)
    assert again.room.session is not None
    assert again.room.session.same_arm
    assert again.room.session.own_alarm_by == {"ox": "nurse A"}


def test_a_pending_alarm_that_a_restart_ends_is_not_left_pending_on_the_record() -> None:
    world = dosed()
    world.vitals(range(11, 15), spo2=87)
    again = restarted(world)
    told = {**{a.rule: a for a in resume_of(world).alarms}}
    told |= {c.after.rule: c.after for c in again.outputs if isinstance(c, AlarmChange)}
    assert told["spo2-low"].condition == again.state("spo2-low").condition


@pytest.mark.parametrize("rule", ["signal-lost", "spo2-no-data", "battery-low:ox"])
def test_how_often_time_is_told_after_a_restart_changes_no_transition(rule: str) -> None:
    """A replay of the record has no ticks: it must give the same rows (rule 10)."""
    before = {"signal-lost": lost(), "spo2-no-data": lost("sensor_off")}.get(rule, drained())

    def told(every_s: float) -> dict[str, list[AlarmChange]]:
        again = restarted(before)
        start_us = again.now_us
        again.link("streaming")
        for n in range(1, round(60 / every_s) + 1):
            again.now_us = start_us + round(n * every_s * 1e6)
            again.tick()
        rows: dict[str, list[AlarmChange]] = {}
        for change in (o for o in again.outputs if isinstance(o, AlarmChange)):
            rows.setdefault(change.after.rule, []).append(change)
        return rows

    assert told(1) == told(60)
