"""One room: technical conditions, due readings, acts of people, restart."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.room.world import CUFF, NURSE, OXIMETER, T0_US, World
from vitals.alarms.profile import load
from vitals.model import (
    US,
    AlarmChange,
    Command,
    DeviceRequest,
    Due,
    Input,
    Link,
    Notice,
    Numeric,
    Quality,
    Result,
    Resume,
    SessionChange,
    StartNibp,
    StoreState,
    Tick,
)
from vitals.room import Room


def test_without_a_session_nothing_is_owed_and_the_only_alarm_asks_to_open_one() -> None:
    world = World()
    world.vitals(range(29), spo2=70)
    assert world.outputs == []
    world.vitals(range(29, 40), spo2=70)
    assert world.alarm("open-session") == "active/low"
    assert {o.after.rule for o in world.outputs if isinstance(o, AlarmChange)} == {"open-session"}
    world.open()
    assert world.alarm("open-session") == "idle"


def test_a_desaturation_raises_high_ten_seconds_after_its_first_sample() -> None:
    world = World().open(dose=True)
    world.vitals(range(1, 30))
    world.vitals(range(30, 42), spo2=87)
    (change,) = [c for c in world.changes("spo2-low") if c.after.condition == "active"]
    assert (change.at_us - T0_US) / US == 40
    assert change.after.text == "SpO2 87 < 88"


@pytest.mark.parametrize("value", [None, 250.0])
def test_no_valid_spo2_is_low_at_5_s_medium_at_30_s_and_high_at_120_s(value: float | None) -> None:
    world = World().open(dose=True)
    world.vitals(range(1, 10))
    world.put(Notice("ox", world.now_us, "sensor_off"))
    for second in range(10, 140):
        world.at(second).value("spo2", value, quality=Quality.INVALID)
    times = [((c.at_us - T0_US) / US, str(c.after.priority)) for c in world.changes("spo2-no-data")]
    assert times == [(14, "low"), (39, "medium"), (129, "high")]


def test_before_the_dose_missing_data_stays_low() -> None:
    world = World().open()
    world.vitals(range(1, 10))
    world.at(300).tick()
    assert world.alarm("signal-lost") == "active/low"


def test_the_cause_of_missing_data_is_named() -> None:
    world = World().open(dose=True)
    world.vitals(range(1, 10))
    world.put(Notice("ox", world.now_us, "sensor_off"))
    world.at(20).tick()
    assert world.room.alarms[0].text == "No SpO2: sensor off"
    world.put(Link("ox", world.now_us, "lost", detail="unplugged"))
    assert world.room.alarms[0].text == "No SpO2: link lost, unplugged"
    assert len(world.room.alarms) == 1, "one cause, one alarm"


def test_missing_data_ends_with_the_first_valid_value() -> None:
    world = World().open(dose=True)
    world.vitals(range(1, 10))
    world.put(Notice("ox", world.now_us, "sensor_off"))
    world.at(50).tick()
    assert world.alarm("spo2-no-data") == "active/medium"
    world.vitals([51])
    assert world.alarm("spo2-no-data") == "idle"


def test_silence_freezes_a_physiological_alarm_and_never_clears_it() -> None:
    world = World().open(dose=True)
    world.vitals(range(1, 20), spo2=85)
    assert world.alarm("spo2-low") == "active/high"
    world.put(Link("ox", world.now_us, "lost"))
    world.at(3000).tick()
    assert world.alarm("spo2-low") == "active/high"


def test_a_lost_link_of_a_cuff_monitor_is_its_own_condition() -> None:
    world = World().open(dose=True)
    world.vitals(range(1, 10))
    world.put(Link("cuff", world.now_us, "lost", detail="unplugged"))
    world.vitals(range(10, 50))
    assert world.alarm("link-lost:cuff") == "active/medium"
    world.put(Link("cuff", world.now_us, "streaming"))
    assert world.alarm("link-lost:cuff") == "idle"


def test_the_first_failed_reading_is_low_and_the_second_in_a_row_medium() -> None:
    world = World().open(dose=True)
    world.vitals([1])
    world.put(Notice("cuff", world.now_us, "nibp_failed", detail="cuff loose"))
    assert world.alarm("nibp-failed") == "active/low"
    assert "BP failed: cuff loose; repeat" in [a.text for a in world.room.alarms]
    world.put(Notice("cuff", world.now_us, "nibp_failed", detail="cuff loose"))
    assert world.alarm("nibp-failed") == "active/medium"
    world.reading(120)
    assert world.alarm("nibp-failed") == "idle"


def test_an_owed_reading_is_low_after_2_min_and_medium_after_5() -> None:
    world = World(auto_nibp=False).open("intranasal", dose=True)
    world.vitals(range(1, 20 * 60 + 310))
    times = [((c.at_us - T0_US) / US, str(c.after.priority)) for c in world.changes("nibp-overdue")]
    assert times == [(1320, "low"), (1500, "medium")]
    world.reading(130)
    assert world.alarm("nibp-overdue") == "idle"


def test_a_running_measurement_defers_the_overdue_alarm_but_not_for_ever() -> None:
    world = World(auto_nibp=False).open("intranasal", dose=True)
    world.vitals(range(1, 1315))
    world.put(Notice("cuff", world.now_us, "cuff_inflating"))
    world.vitals(range(1315, 1400))
    assert world.alarm("nibp-overdue") == "idle"
    world.vitals(range(1400, 1515))
    assert world.alarm("nibp-overdue") == "active/medium"


def test_a_due_reading_is_taken_by_a_device_that_can() -> None:
    world = World().open("im", dose=True)
    out = world.at(5 * 60).tick()
    assert [o for o in out if isinstance(o, DeviceRequest)] == [DeviceRequest("cuff", StartNibp())]
    manual = World(auto_nibp=False).open("im", dose=True)
    assert not [o for o in manual.at(5 * 60).tick() if isinstance(o, DeviceRequest)]


def test_a_failed_scheduled_reading_is_repeated_once_after_the_cuff_has_rested() -> None:
    world = World().open("im", dose=True)
    world.at(5 * 60).tick()
    world.at(5 * 60 + 30)
    world.put(Notice("cuff", world.now_us, "nibp_failed", detail="cuff loose"))
    asked = []
    for second in range(330, 420):
        asked += [second for o in world.at(second).tick() if isinstance(o, DeviceRequest)]
        if second == 380:
            world.put(Notice("cuff", world.now_us, "nibp_failed", detail="cuff loose"))
    assert asked == [360]


def test_a_due_reading_waits_for_the_link_of_its_device() -> None:
    world = World()
    world.put(Link("cuff", world.now_us, "lost"))
    world.open()
    assert not [o for o in world.at(1).tick() if isinstance(o, DeviceRequest)]
    world.put(Link("cuff", world.now_us, "streaming"))
    assert [o for o in world.at(2).tick() if isinstance(o, DeviceRequest)]


def test_a_reading_pays_for_the_latest_owed_and_older_ones_are_missed() -> None:
    world = World(auto_nibp=False).open("im", dose=True)
    world.at(11 * 60).tick()
    done = {o.what: o.state for o in world.reading(120) if isinstance(o, Due)}
    assert done == {"nibp+5": "missed", "nibp+10": "done"}


@pytest.mark.parametrize(("minute", "paid"), [(34, False), (36, True), (49, True)])
def test_the_first_reading_between_35_and_50_min_is_the_40_minute_reading(
    minute: int, paid: bool
) -> None:
    world = World(auto_nibp=False).open("intranasal", dose=True)
    world.at(20 * 60).reading(120)
    world.at(minute * 60).reading(130)
    assert (world.room.due.items["nibp+40"].state == "done") is paid


def test_phases_follow_the_minutes_since_the_dose_of_the_route() -> None:
    world = World().open("im", dose=True)
    world.at(2 * 3600).tick()
    phases = [
        ((o.at_us - T0_US) / US / 60, o.session.phase)
        for o in world.outputs
        if isinstance(o, SessionChange) and o.cause == "phase"
    ]
    assert phases == [(40, "DESCENT"), (75, "RECOVERY")]


def test_not_recording_is_a_condition_of_every_room() -> None:
    world = World().open()
    world.put(StoreState(world.now_us, recording=False, detail="disk full"))
    assert world.alarm("not-recording") == "active/medium"
    world.put(StoreState(world.now_us, recording=True))
    assert world.alarm("not-recording") == "idle"


def test_the_first_named_device_is_judged_and_another_only_when_it_is_stale() -> None:
    world = World().open(dose=True)
    world.vitals(range(1, 5))
    world.value("spo2", 70, "cuff")
    assert world.changes("spo2-low") == []
    assert not world.room.primary(Numeric("cuff", "spo2", world.now_us, 70))
    world.at(9).value("spo2", 70, "cuff")
    assert world.alarm("spo2-low").startswith("pending")
    assert world.room.primary(Numeric("cuff", "spo2", world.now_us, 70))


def test_baseline_readings_pay_in_order_and_the_second_is_due_five_minutes_after_the_first() -> (
    None
):
    world = World(auto_nibp=False).open()
    world.at(180).reading(120)
    items = world.room.due.items
    assert items["nibp-baseline-1"].state == "done"
    assert items["nibp-baseline-2"].state == "coming"
    assert items["nibp-baseline-2"].at_us == T0_US + 480 * US
    world.at(400).reading(120)
    assert items["nibp-baseline-2"].state == "coming"
    world.at(481).reading(120)
    assert items["nibp-baseline-2"].state == "done"


def test_a_reading_after_50_min_is_not_the_40_minute_reading() -> None:
    world = World(auto_nibp=False).open("intranasal", dose=True)
    world.at(20 * 60).reading(120)
    world.at(56 * 60).reading(130)
    assert world.room.due.items["nibp+40"].state == "missed"


def test_readings_between_the_dose_and_its_mark_count_and_no_alarm_is_older_than_the_mark() -> None:
    world = World(auto_nibp=False).open("im")
    world.vitals(range(1, 60))
    dose_us = world.now_us
    for minute in (5, 10):
        world.at(60 + minute * 60).reading(120)
    world.at(60 + 12 * 60)
    assert world.act("dose", at_us=dose_us).ok
    world.tick()
    states = {what: item.state for what, item in world.room.due.items.items()}
    assert (states["nibp+5"], states["nibp+10"]) == ("done", "done")
    late = World(auto_nibp=False).open("im")
    late.at(60 + 12 * 60)
    marked_us = late.now_us
    assert late.act("dose", at_us=T0_US + 60 * US).ok
    late.tick()
    after_dose = [c for c in late.changes("nibp-overdue") if " min " in c.after.text]
    assert after_dose
    assert all(change.at_us >= marked_us for change in after_dose)


def test_a_determination_without_a_value_is_a_failed_one() -> None:
    world = World().open("im", dose=True)
    world.at(5 * 60).tick()
    world.at(5 * 60 + 30).value("nibp_sys", None, "cuff")
    assert world.alarm("nibp-failed") == "active/low"
    assert [o for o in world.at(5 * 60 + 61).tick() if isinstance(o, DeviceRequest)]


def test_a_link_lost_while_measuring_is_a_failed_reading_and_is_repeated() -> None:
    world = World().open("im", dose=True)
    world.at(5 * 60).tick()
    world.put(Notice("cuff", world.now_us, "cuff_inflating"))
    world.at(5 * 60 + 10)
    world.put(Link("cuff", world.now_us, "lost"))
    world.put(Link("cuff", world.now_us, "streaming"))
    assert [o for o in world.at(5 * 60 + 41).tick() if isinstance(o, DeviceRequest)]


# --- people -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "args", "says"),
    [
        ("dose", {}, "no session"),
        ("mark", {"text": "x"}, "no session"),
        ("open_session", {"subject_ref": "", "route": "iv"}, "pseudonym"),
        ("open_session", {"subject_ref": "P-1", "route": "tea"}, "route must be"),
        ("no_such", {}, "may not"),
    ],
)
def test_an_impossible_act_is_refused_in_a_sentence(
    kind: str, args: dict[str, object], says: str
) -> None:
    result = World().act(kind, **args)
    assert not result.ok
    assert says in result.error


def test_a_dose_cannot_be_in_the_future_or_given_twice() -> None:
    world = World().open()
    assert "future" in world.act("dose", at_us=world.now_us + US).error
    assert world.act("dose").ok
    assert "already" in world.act("dose").error


def test_an_acknowledgement_of_a_level_that_has_risen_meanwhile_is_refused() -> None:
    world = World().open(dose=True)
    world.vitals(range(1, 20), spo2=91)
    (alarm,) = world.room.alarms
    assert (alarm.rule, alarm.level) == ("spo2-low", 1)
    world.vitals(range(20, 32), spo2=86)
    refused = world.act("acknowledge", rule="spo2-low", level=1, onset_us=alarm.onset_us)
    assert "changed" in refused.error
    assert world.room.alarms[0].sounding
    assert world.act("acknowledge", rule="spo2-low", level=2, onset_us=alarm.onset_us).ok


@pytest.mark.parametrize("value", [None, 1, [], {"a": 1}, False])
@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("open_session", "subject_ref"),
        ("mark", "text"),
        ("acknowledge", "rule"),
        ("close_session", "reason"),
        ("start_nibp", "device"),
        ("dose", "at_us"),
    ],
)
def test_an_argument_of_a_wrong_type_is_refused(kind: str, key: str, value: object) -> None:
    world = World()
    if kind != "open_session":
        world.open()
    args = {"route": "iv", key: value} if kind == "open_session" else {key: value}
    assert not world.act(kind, **args).ok


def test_a_paused_high_alarm_that_nobody_acknowledged_needs_a_reason_too() -> None:
    world = World().open(dose=True)
    world.vitals(range(1, 20), spo2=85)
    assert world.act("pause_audio").ok
    assert not world.act("close_session").ok


def test_a_session_with_an_unseen_high_alarm_needs_a_reason_to_close() -> None:
    world = World().open(dose=True)
    world.vitals(range(1, 20), spo2=85)
    assert "acknowledge" in world.act("close_session").error
    assert world.act("close_session", reason="patient transferred").ok
    assert world.room.session is None
    assert world.changes("spo2-low")[-1].cause == "session closed"


def test_a_repeated_command_does_nothing_and_gets_the_first_answer() -> None:
    world = World().open()
    world.tick()
    command = Command("same", NURSE, "mark", "room-1", {"text": "a"})
    first = world.put(command)
    again = world.put(command)
    assert len(first) == 2
    assert again == [Result("same", ok=True)]


# --- restart and replay -------------------------------------------------------------------------


def resume_of(world: World) -> Resume:
    """What the station reads back from its store."""
    last = {}
    due = {}
    for output in world.outputs:
        if isinstance(output, AlarmChange):
            last[output.after.rule] = output.after
        elif isinstance(output, Due):
            due[output.what] = output
    assert world.room.session is not None
    return Resume(world.now_us, world.room.session, tuple(last.values()), tuple(due.values()))


def test_restart_goes_on_with_session_dose_clock_due_list_and_alarms() -> None:
    world = World().open("im", dose=True)
    world.vitals(range(1, 20), spo2=85)
    world.at(301).reading(190)
    world.act("acknowledge", rule="spo2-low")
    before = {(a.rule, a.condition, a.priority, a.acked_by) for a in world.room.alarms}
    again = World((OXIMETER, CUFF))
    again.at(310)
    out = again.put(replace(resume_of(world), at_us=again.now_us))
    assert isinstance(out[0], SessionChange)
    assert (out[0].cause, out[0].session.resumed) == ("resumed", 1)
    assert again.room.session.dose_us == world.room.session.dose_us
    assert again.room.due.items["nibp+5"].state == "done"
    again_alarms = {(a.rule, a.condition, a.priority, a.acked_by) for a in again.room.alarms}
    assert {a for a in before if a[0] in ("spo2-low", "sbp-high")} <= again_alarms
    again.vitals(range(311, 400), spo2=97)
    assert again.alarm("spo2-low") == "idle", "acknowledged before the restart, back to normal"
    assert again.alarm("sbp-high") == "active/high"


def test_after_a_restart_nothing_is_measured_for_a_minute() -> None:
    world = World().open("im", dose=True)
    world.at(301)
    again = World()
    again.at(301)
    again.put(resume_of(world))
    assert not [o for o in again.at(350).tick() if isinstance(o, DeviceRequest)]
    assert [o for o in again.at(362).tick() if isinstance(o, DeviceRequest)]


Step = tuple[str, float, float]
_steps = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "spo2",
                "pr",
                "none",
                "bp",
                "tick",
                "ack",
                "pause",
                "link",
                "sensor",
                "store",
                "restart",
            ]
        ),
        st.sampled_from([0.0, 0.5, 1.0, 1.0, 1.0, 4.0, 12.0, 70.0]),
        st.sampled_from([95.0, 91.0, 86.0, 79.0, 135.0, 165.0, 185.0]),
    ),
    max_size=60,
)


def play(steps: list[Step], *, ticks: bool) -> World:
    world = World().open("im", dose=True)
    second = 0.0
    for word, wait, value in steps:
        if ticks and wait:
            for part in range(1, 4):
                world.at(second + wait * part / 4).tick()
        second += wait
        world.at(second)
        match word:
            case "spo2" | "pr":
                world.value(word, min(value, 100) if word == "spo2" else value)
            case "none":
                world.value("spo2", None, quality=Quality.INVALID)
            case "bp":
                world.reading(value)
            case "tick":
                world.tick()
            case "ack":
                for alarm in world.room.alarms[:1]:
                    world.act("acknowledge", rule=alarm.rule)
            case "pause":
                world.act("pause_audio")
            case "link":
                state = "lost" if value < 100 else "streaming"
                world.put(Link("ox", world.now_us, state))
            case "sensor":
                world.put(Notice("ox", world.now_us, "sensor_off", active=value < 100))
            case "store":
                world.put(StoreState(world.now_us, recording=value < 100))
            case "restart":
                world.put(resume_of(world))
    world.at(second + 300).tick()
    return world


@settings(max_examples=150, deadline=None)
@given(_steps)
def test_replaying_the_logged_inputs_gives_the_same_transitions(steps: list[Step]) -> None:
    world = play(steps, ticks=True)
    room = Room("room-1", (OXIMETER, CUFF), load())
    replayed = [o for item in world.inputs for o in room.step(item)]
    assert [o for o in replayed if isinstance(o, AlarmChange)] == [
        o for o in world.outputs if isinstance(o, AlarmChange)
    ]


@settings(max_examples=150, deadline=None)
@given(_steps)
def test_replay_without_the_ticks_gives_the_same_transitions(steps: list[Step]) -> None:
    world = play(steps, ticks=True)
    room = Room("room-1", (OXIMETER, CUFF), load())
    kept = [i for i in world.inputs if not isinstance(i.body, Tick)]
    end = Input(0, world.now_us, Tick(world.now_us))
    replayed = [o for item in [*kept, end] for o in room.step(item) if isinstance(o, AlarmChange)]
    logged = [o for o in world.outputs if isinstance(o, AlarmChange)]

    def by_rule(changes: list[AlarmChange]) -> dict[str, list[AlarmChange]]:
        rules: dict[str, list[AlarmChange]] = {}
        for change in changes:
            rules.setdefault(change.after.rule, []).append(change)
        return rules

    assert by_rule(replayed) == by_rule(logged)
