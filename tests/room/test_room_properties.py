"""What holds in a room for every order of readings, faults, acts and ticks."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.room.world import CUFF, NURSE, OXIMETER, T0_US, World
from vitals.alarms.profile import load
from vitals.model import (
    US,
    Alarm,
    AlarmChange,
    Input,
    Output,
    Priority,
    Quality,
    SessionChange,
    StoreState,
    Tick,
)
from vitals.room import Room, RoomDevice

ECG = RoomDevice("ecg", ("hr",))
DEVICES = (OXIMETER, CUFF, ECG)
WORDS = [
    "spo2", "spo2", "pr", "hr", "both", "both", "both", "none", "bp", "bp", "inflate", "deflate",
    "failed", "ack", "ack all", "pause", "unpause", "off", "on", "link", "sensor", "store",
    "audience", "battery", "arms", "away", "back", "extend", "emergency", "phase", "score",
    "symptom", "dose", "finished", "close", "open", "late",
]  # fmt: skip
VALUES = [97.0, 93.0, 91.0, 86.0, 79.0, 115.0, 135.0, 165.0, 185.0]
WAITS = [0.0, 0.5, 1.0, 1.0, 1.0, 4.0, 12.0, 70.0, 400.0]
Step = tuple[str, float, float, bool]
steps_of_a_day = st.lists(
    st.tuples(
        st.sampled_from(WORDS), st.sampled_from(WAITS), st.sampled_from(VALUES), st.booleans()
    ),
    max_size=50,
)


def do(world: World, word: str, value: float, good: bool) -> None:
    """One step; an act that is refused is an act as well."""
    quality = Quality.GOOD if good else Quality.QUESTIONABLE
    world.tick()  # a person acts on what is shown at that moment
    alarms = [a.rule for a in world.room.alarms]
    match word:
        case "spo2" | "pr":
            world.value(word, min(value, 100) if word == "spo2" else value, quality=quality)
        case "hr":
            world.value("hr", value, "ecg")
        case "both":
            start = (world.now_us - T0_US) // US + 1
            world.vitals(range(start, start + (16 if good else 3)), spo2=min(value, 100))
        case "none":
            world.value("spo2", None, quality=Quality.INVALID)
        case "bp":
            world.reading(value)
        case "inflate" | "deflate":
            world.notice("cuff_inflating", "cuff", active=word == "inflate")
        case "failed":
            world.notice("nibp_failed", "cuff", detail="motion")
        case "ack":
            for rule in alarms[:1]:
                world.act("acknowledge", rule=rule)
        case "ack all":
            for rule in alarms:
                world.act("acknowledge", rule=rule)
        case "pause":
            world.act("pause_audio")
        case "unpause":
            world.act("resume_audio")
        case "off":
            world.act("rule_off", rule=alarms[0] if alarms else "spo2-low", reason="known")
        case "on":
            world.act("rule_on", rule=alarms[-1] if alarms else "spo2-low")
        case "link":
            world.link("streaming" if good else "lost", "ox" if value < 100 else "cuff")
        case "sensor":
            world.notice("sensor_off", active=good)
        case "battery":
            world.notice("low_battery", active=good)
        case "late":
            world.notice("engine_late", "", detail="late by 2 s")
        case "store":
            world.put(StoreState(world.now_us, recording=good))
        case "audience":
            world.heard_by(int(good))
        case "arms":
            world.act("arms", same=good)
        case "away":
            world.act("off_monitor", reason="toilet", battery=not good)
        case "back":
            world.act("on_monitor")
        case "extend":
            world.act("extend_off_monitor")
        case "emergency":
            world.act("phase", to="EMERGENCY")
        case "phase":
            world.act("phase", to="DISCHARGE_CHECK" if good else "RECOVERY")
        case "score":
            world.act("score", scale="moaas", value=int(value) % 6)
        case "symptom":
            world.act("symptom", text="nausea")
        case "dose" | "finished":
            world.act(word)
        case "close":
            world.act("close_session", reason="over")
        case "open":
            world.act("open_session", subject_ref="P-2", route="im" if good else "iv")


def play(steps: Iterable[Step], *, ticks: bool = False) -> World:
    world = World(DEVICES).open("im")
    for word, wait, value, good in steps:
        begin_us = world.now_us
        if ticks and wait:
            for part in range(1, 4):
                world.now_us = begin_us + round(wait * US * part / 4)
                world.tick()
        world.now_us = begin_us + round(wait * US)
        do(world, word, value, good)
    world.now_us += 300 * US
    world.tick()
    return world


def changes(outputs: Iterable[Output]) -> list[AlarmChange]:
    return [o for o in outputs if isinstance(o, AlarmChange)]


def by_rule(outputs: Iterable[Output]) -> dict[str, list[AlarmChange]]:
    rules: dict[str, list[AlarmChange]] = {}
    for change in changes(outputs):
        rules.setdefault(change.after.rule, []).append(change)
    return rules


@settings(max_examples=100, deadline=None)
@given(steps_of_a_day)
def test_a_page_that_folds_the_changes_knows_the_alarm_list(steps: list[Step]) -> None:
    world = World(DEVICES).open("im")
    known: dict[str, Alarm] = {}
    seen = len(world.outputs)
    for word, wait, value, good in steps:
        world.now_us += round(wait * US)
        do(world, word, value, good)
        for output in world.outputs[seen:]:
            if isinstance(output, AlarmChange):
                before = known.get(output.after.rule)
                assert before is None or output.before == before
                known[output.after.rule] = output.after
            elif isinstance(output, SessionChange) and output.cause == "opened":
                # another patient: nothing of the last one is left
                assert all(a.condition == "idle" for a in known.values())
                assert all(a.rule_state == "enabled" for a in known.values())
                known = {}
        seen = len(world.outputs)
        live = {a.rule: a for a in known.values() if a.condition != "idle"}
        live |= {a.rule: a for a in known.values() if a.rule_state != "enabled"}
        listed = world.room.alarms
        assert len(listed) == len({a.rule for a in listed})
        assert {a.rule: a for a in listed} == live
        assert {a.rule for a in listed} <= set(world.room.rules)


@settings(max_examples=100, deadline=None)
@given(steps_of_a_day)
def test_ticks_change_nothing_but_when_a_change_is_seen(steps: list[Step]) -> None:
    assert by_rule(play(steps).outputs) == by_rule(play(steps, ticks=True).outputs)


@settings(max_examples=80, deadline=None)
@given(steps_of_a_day)
def test_the_inputs_give_the_same_outputs_again_with_and_without_the_ticks(
    steps: list[Step],
) -> None:
    world = play(steps, ticks=True)
    room = Room("room-1", DEVICES, load())
    assert [o for item in world.inputs for o in room.step(item)] == world.outputs
    bare = Room("room-1", DEVICES, load())
    kept = [i for i in world.inputs if not isinstance(i.body, Tick)]
    end = Input(0, world.now_us, Tick(world.now_us))
    again = [o for item in [*kept, end] for o in bare.step(item)]
    assert by_rule(again) == by_rule(world.outputs)


@settings(max_examples=100, deadline=None)
@given(steps_of_a_day)
def test_nothing_worse_is_ever_muted_and_only_people_silence(steps: list[Step]) -> None:
    world = play(steps, ticks=True)
    for change in changes(world.outputs):
        before, after = change.before, change.after
        risen = before.condition == after.condition == "active" and after.level > before.level
        if risen and after.priority.rank >= Priority.MEDIUM.rank and after.rule_state == "enabled":
            assert after.sounding or after.silent
        technical = world.room.rules[after.rule].side == "technical"
        ended = after.condition == "idle" and before.condition in ("active", "latched")
        if ended and before.priority is Priority.HIGH and not before.acked_by and not technical:
            assert change.actor == NURSE.name, change
        if before.signal == "on" and after.signal == "paused":
            assert change.actor == NURSE.name
        if before.acked_by == "" and after.acked_by:
            assert after.acked_by == change.actor == NURSE.name


@settings(max_examples=60, deadline=None)
@given(steps_of_a_day, st.sampled_from([5.0, 60.0, 3600.0]))
def test_silence_clears_no_alarm_of_a_vital(steps: list[Step], silence_s: float) -> None:
    world = play(steps)
    vitals = [r.id for r in world.room.rules.values() if r.side != "technical"]
    before = {r: world.state(r) for r in vitals}
    seen = len(world.outputs)
    world.now_us += round(silence_s * US)
    world.tick()
    for rule, alarm in before.items():
        now = world.state(rule)
        assert (now.condition, now.level) == (alarm.condition, alarm.level)
    told = changes(world.outputs[seen:])
    assert all(c.before.condition == c.after.condition for c in told if c.after.rule in vitals)
