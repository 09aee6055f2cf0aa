"""The ten rules of the state machine, each by its number, through a room and its commands."""

from __future__ import annotations

import pytest

from tests.room.world import CUFF, NURSE, OTHER, OXIMETER, PRESCRIBER, T0_US, World
from vitals.alarms.profile import load
from vitals.model import US, Actor, AlarmChange, Command, Event, Result
from vitals.room import Room


def dosed(**options: object) -> World:
    world = World(auto_nibp=False, **options).open("intranasal", dose=True)
    world.vitals(range(1, 11), spo2=94)
    return world


def desaturated(value: float = 86, until: int = 25) -> World:
    """High from second 21 on."""
    world = dosed()
    world.vitals(range(11, until), spo2=value)
    return world


def test_rule_1_a_desaturation_that_ends_in_time_is_a_near_miss_and_nothing_sounds() -> None:
    world = dosed()
    world.vitals(range(11, 18), spo2=86)
    world.vitals(range(18, 40), spo2=94)
    assert [c.cause for c in world.changes("spo2-low")] == ["delay started", "near miss"]
    assert world.room.alarms == []


def test_rule_2_a_rise_cancels_acknowledgement_and_pause() -> None:
    world = desaturated(91, until=30)
    assert world.act("acknowledge", rule="spo2-low").ok
    world.vitals(range(30, 42), spo2=86)
    assert world.state("spo2-low").sounding
    assert world.act("pause_audio").ok
    world.vitals(range(42, 44), spo2=79)
    assert world.state("spo2-low").sounding
    assert world.state("spo2-low").text == "SpO2 79 < 80"


@pytest.mark.parametrize(("value", "after_s"), [(91, 180), (86, 120)])
def test_rule_3_acknowledged_it_sounds_again_after_its_time(value: float, after_s: int) -> None:
    world = desaturated(value, until=40)
    acked_s = 39
    assert world.act("acknowledge", rule="spo2-low").ok
    for second in range(40, 40 + after_s + 10):
        world.vitals([second], spo2=value)
        assert world.state("spo2-low").sounding is (second >= acked_s + after_s)


def test_rule_4_a_pause_covers_only_what_sounds_and_any_other_alarm_is_heard() -> None:
    world = desaturated()
    assert world.act("pause_audio").ok
    world.reading(185)
    assert [a.rule for a in world.room.alarms if a.sounding] == ["sbp-high"]
    assert world.act("pause_audio", rule="sbp-high").ok
    assert not any(a.sounding for a in world.room.alarms)
    first, second = world.state("spo2-low"), world.state("sbp-high")
    assert first.signal_until_us is not None
    assert second.signal_until_us is not None
    assert world.act("resume_audio", rule="spo2-low").ok
    assert [a.rule for a in world.room.alarms if a.sounding] == ["spo2-low"]


def test_rule_4_a_high_pulse_that_is_paused_does_not_pause_a_low_one() -> None:
    world = dosed()
    for second in range(11, 40):
        world.vitals([second], pr=135)
    world.act("acknowledge", rule="pr-high")
    world.act("pause_audio")
    world.vitals(range(40, 60), pr=35)
    assert world.state("pr-low").sounding


def test_rule_4_technical_alarms_are_paused_like_any_other() -> None:
    world = dosed()
    world.at(30).tick()
    assert world.state("signal-lost").sounding
    world.act("pause_audio", rule="signal-lost")
    world.at(149).tick()
    assert not world.state("signal-lost").sounding
    world.at(150).tick()
    assert world.state("signal-lost").sounding


def test_rule_5_high_stays_until_acknowledged_and_medium_as_a_message() -> None:
    world = desaturated()
    world.vitals(range(25, 300), spo2=94)
    assert world.alarm("spo2-low") == "latched/high"
    assert world.state("spo2-low").sounding
    world.act("acknowledge", rule="spo2-low")
    assert world.alarm("spo2-low") == "idle"
    world.vitals(range(300, 330), spo2=91)
    world.vitals(range(330, 360), spo2=94)
    assert world.alarm("spo2-low") == "latched/medium"
    assert not world.state("spo2-low").sounding


def test_rule_5_a_symptom_is_high_until_somebody_has_seen_to_it() -> None:
    world = dosed()
    world.act("symptom", text="chest pain")
    world.vitals(range(11, 100))
    symptom = world.state("symptom")
    assert (world.alarm("symptom"), symptom.sounding) == ("active/high", True)
    assert (symptom.text, symptom.entered_by) == ("SYMPTOM: chest pain", "nurse A")
    world.act("acknowledge", OTHER, rule="symptom")
    assert world.alarm("symptom") == "idle"
    assert world.changes("symptom")[-1].cause in ("acknowledged", "condition ended")


def test_rule_6_rule_off_needs_a_role_and_a_reason() -> None:
    world = desaturated()
    assert "say why" in world.act("rule_off", rule="spo2-low").error
    assert "say why" in world.act("rule_off", rule="spo2-low", reason="  ").error
    viewer = Actor("display", "viewer")
    assert "may not" in world.act("rule_off", viewer, rule="spo2-low", reason="x").error
    assert world.state("spo2-low").sounding
    assert world.act("rule_off", rule="spo2-low", reason="known").ok
    (listed,) = [a for a in world.room.alarms if a.rule == "spo2-low"]
    assert (listed.rule_state, listed.rule_by, listed.rule_reason, listed.sounding) == (
        "off", "nurse A", "known", False,
    )  # fmt: skip


@pytest.mark.parametrize("rule", ["not-recording", "no-sound"])
def test_rule_6_what_speaks_of_the_program_itself_cannot_be_switched_off(rule: str) -> None:
    assert "cannot be switched off" in dosed().act("rule_off", rule=rule, reason="x").error


def test_rule_6_it_restores_itself_after_15_min() -> None:
    world = desaturated()
    world.act("rule_off", rule="spo2-low", reason="known")
    world.vitals(range(25, 24 + 900), spo2=86)
    assert world.state("spo2-low").rule_state == "off"
    world.vitals([24 + 900], spo2=86)
    assert world.state("spo2-low").rule_state == "enabled"
    assert world.state("spo2-low").sounding


@pytest.mark.parametrize("how", ["by hand", "by time"])
def test_rule_6_it_restores_itself_at_a_phase_change(how: str) -> None:
    world = World(auto_nibp=False).open("im", dose=True)
    world.at(39 * 60).tick()
    world.act("rule_off", rule="sbp-high", reason="known")
    if how == "by hand":
        world.act("phase", to="RECOVERY")
    else:
        world.at(40 * 60).tick()
    assert world.state("sbp-high").rule_state == "enabled"
    assert world.changes("sbp-high")[-1].cause == "phase changed"


def escalations(world: World) -> list[float]:
    return [(c.at_us - T0_US) / US for c in world.changes("spo2-low") if c.cause == "escalated"]


def test_rule_7_it_escalates_at_30_60_and_120_s_and_a_pause_does_not_stop_it() -> None:
    world = desaturated()
    world.act("pause_audio")
    world.vitals(range(25, 200), spo2=86)
    assert escalations(world) == [51, 81, 141]


@pytest.mark.parametrize("how", ["acknowledged", "ended", "rule off", "fell"])
def test_rule_7_it_stops(how: str) -> None:
    world = desaturated(until=55)
    if how == "acknowledged":
        world.act("acknowledge", rule="spo2-low")
    if how == "rule off":
        world.act("rule_off", rule="spo2-low", reason="known")
    world.vitals(range(55, 150), spo2={"ended": 94, "fell": 91}.get(how, 86))
    assert escalations(world) == [51]


def test_rule_7_a_finished_episode_never_pages_anyone() -> None:
    world = desaturated()
    world.vitals(range(25, 600), spo2=94)
    assert world.state("spo2-low").sounding
    assert escalations(world) == []


def test_rule_7_the_steps_are_the_rooms() -> None:
    world = dosed(escalation_s=(10.0,))
    world.vitals(range(11, 100), spo2=86)
    assert escalations(world) == [31]


def test_rule_7_a_score_that_a_person_enters_names_that_person() -> None:
    world = dosed()
    assert world.act("score", OTHER, scale="moaas", value="not_roused").ok
    alarm = world.state("moaas-low")
    assert (alarm.entered_by, alarm.sounding, alarm.text) == ("nurse B", True, "MOAA/S 0 ≤ 1")


def test_rule_7_a_test_of_a_step_is_an_event_and_no_alarm() -> None:
    world = dosed()
    assert world.act("test_escalation", step=2).ok
    (event,) = [o for o in world.outputs if isinstance(o, Event)]
    assert (event.kind, event.body["step"]) == ("escalation_test", 2)
    assert world.room.alarms == []


def test_rule_9_the_second_person_sees_the_first_ones_act() -> None:
    world = desaturated()
    assert world.act("acknowledge", NURSE, rule="spo2-low").ok
    rows = len(world.changes("spo2-low"))
    assert world.act("acknowledge", OTHER, rule="spo2-low").ok
    assert len(world.changes("spo2-low")) == rows
    assert world.state("spo2-low").acked_by == "nurse A"


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        ("acknowledge", {"rule": "spo2-low"}), ("pause_audio", {}), ("symptom", {"text": "x"}),
        ("rule_off", {"rule": "spo2-low", "reason": "x"}),
        ("score", {"scale": "moaas", "value": 2}),
        ("off_monitor", {"reason": "x"}), ("arms", {"same": True}), ("phase", {"to": "RECOVERY"}),
    ],
)  # fmt: skip
def test_rule_9_every_act_has_an_actor_and_a_second_arrival_does_nothing(
    kind: str, args: dict[str, object]
) -> None:
    world = desaturated()
    command = Command("once", OTHER, kind, "room-1", args)
    first = world.put(command)
    acts = [o.actor for o in first if hasattr(o, "actor") and o.actor]
    assert set(acts) <= {"nurse B"}
    assert acts or kind == "symptom"
    world.at(26)
    world.tick()
    before = world.room.alarms, world.room.session
    assert world.put(command) == [Result("once", ok=True)]
    assert (world.room.alarms, world.room.session) == before


def test_rule_9_a_limit_of_one_patient_is_the_prescribers_to_set_inside_the_bounds() -> None:
    world = dosed()
    args = {"rule": "sbp-low", "level": 1, "limit": 80, "reason": "usual for her"}
    assert "may not" in world.act("set_limit", NURSE, **args).error
    assert "say why" in world.act("set_limit", PRESCRIBER, **{**args, "reason": ""}).error
    assert "must be from" in world.act("set_limit", PRESCRIBER, **{**args, "limit": 60}).error
    assert world.act("set_limit", PRESCRIBER, **args).ok
    world.reading(88)
    assert world.alarm("sbp-low") == "active/medium"
    reset = {"rule": "sbp-low", "reason": "as usual"}
    assert world.act("reset_limit", PRESCRIBER, **reset).ok
    world.at(100).reading(88)
    assert world.alarm("sbp-low") == "active/high"


def test_rule_10_transitions_are_stamped_when_the_condition_was_met_however_late_the_tick() -> None:
    world = dosed()
    world.vitals(range(11, 20), spo2=86)
    world.at(500).tick()
    (active,) = [c for c in world.changes("spo2-low") if c.after.condition == "active"][:1]
    assert (active.at_us - T0_US) / US == 21
    assert (active.value, active.limit, active.cause) == (86, 88, "condition met")


def test_rule_10_folding_the_inputs_again_gives_the_same_rows() -> None:
    world = desaturated()
    world.act("acknowledge", rule="spo2-low")
    world.act("rule_off", rule="pr-high", reason="known")
    world.reading(185)
    world.vitals(range(25, 400), spo2=86)
    again = Room("room-1", (OXIMETER, CUFF), load(), auto_nibp=False)
    assert [o for item in world.inputs for o in again.step(item)] == world.outputs


def test_rule_10_what_the_list_shows_is_what_the_rows_say_after_the_session_is_closed() -> None:
    world = desaturated()
    world.act("rule_off", rule="pr-high", reason="known")
    assert world.act("close_session", reason="transferred").ok
    told = {c.after.rule: c.after for c in world.outputs if isinstance(c, AlarmChange)}
    live = {r for r, a in told.items() if a.condition != "idle" or a.rule_state != "enabled"}
    assert live == {a.rule for a in world.room.alarms} == set()


def test_a_later_session_begins_with_all_rules_on_and_no_alarm() -> None:
    world = desaturated()
    world.act("rule_off", rule="spo2-low", reason="known")
    world.act("close_session", reason="transferred")
    world.open("iv", dose=True)
    assert world.room.alarms == []
    assert world.state("spo2-low").rule_state == "enabled"
