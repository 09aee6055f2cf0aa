"""The ten rules of the state machine, each by its number, at one alarm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.alarms.notation import DOSED, RULES, T0_US, fold, run, words
from vitals.alarms.alarm import RoomAlarm
from vitals.alarms.engine import Engine
from vitals.alarms.limits import Context
from vitals.alarms.technical import Fact
from vitals.model import US, AlarmChange, Numeric, Priority

SPO2 = RULES["spo2-low"]
MEDIUM, HIGH = "97 91x16", "97 86x11"
"""Active at second 16; at second 11."""
TECHNICAL = [rule for rule in RULES.values() if rule.side == "technical"]


def alarm_after(series: str, rule: str = "spo2-low") -> RoomAlarm:
    alarm = RoomAlarm("room-1", RULES[rule], DOSED)
    fold(RULES[rule], series, alarm=alarm)
    return alarm


def on(alarm: RoomAlarm, series: str, start_s: int) -> str:
    """What a further series does from second `start_s`."""
    changes = fold(alarm.rule, series, alarm=alarm, start_s=start_s)
    return " ".join(f"{(c.at_us - T0_US) / US:g}:{words(c)}" for c in changes)


# --- 1 --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [91, 87, 79])
def test_rule_1_a_pending_that_clears_is_a_near_miss_row_and_no_signal(value: int) -> None:
    changes = fold(SPO2, f"97 {value} 97x30")
    assert [words(c) for c in changes] == ["pending", "near-miss"]
    assert not any(c.after.sounding for c in changes)
    assert (changes[1].value, changes[1].limit) == (97, changes[0].limit)
    assert changes[0].value == value


def test_rule_1_a_wait_of_a_watchdog_is_no_near_miss() -> None:
    alarm = RoomAlarm("room-1", RULES["spo2-no-data"], DOSED)
    for second in range(60):
        assert alarm.technical(T0_US + second * US, Fact("spo2-no-data", T0_US + second * US, "")) \
            == []  # fmt: skip


# --- 2 --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["ack", "pause"])
@pytest.mark.parametrize(
    ("rule", "before", "worse"),
    [
        ("spo2-low", MEDIUM, "86x11"), ("spo2-low", HIGH, "79x2"),
        ("pr-high", "72 115x16", "135x11"), ("pr-low", "72 45x16", "35x11"),
        ("sbp-high", "120 165 165", "185"), ("sbp-low", "120 98 98", "88"),
        ("dbp-high", "75 102 102", "112"), ("rr-low", "15 9x31", "7x16"),
        ("moaas-low", "5 3", "1"),
    ],
)  # fmt: skip
def test_rule_2_a_rise_cancels_acknowledgement_and_pause_and_sounds(
    rule: str, before: str, worse: str, act: str
) -> None:
    alarm = alarm_after(f"{before} {act}", rule)
    assert not alarm.alarm.sounding
    level = alarm.alarm.level
    # the samples go on where they ended
    last_s = sum(int(token.partition("x")[2] or 1) for token in before.split())
    fold(alarm.rule, worse, alarm=alarm, start_s=last_s)
    assert alarm.alarm.level > level
    assert alarm.alarm.sounding
    assert (alarm.alarm.acked_by, alarm.alarm.signal) == ("", "on")


def test_rule_2_back_up_to_a_level_that_was_acknowledged_before_is_a_rise_again() -> None:
    alarm = alarm_after("97 86x11 ack 91x12")
    assert (alarm.alarm.priority, alarm.alarm.acked_by) == (Priority.MEDIUM, "nurse A")
    assert on(alarm, "86x11", 24) == "34:active/high"
    assert alarm.alarm.sounding


# --- 3 --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("series", "after_s"), [(MEDIUM, 180), (HIGH, 120)])
def test_rule_3_acknowledged_it_stays_visible_and_sounds_again_if_it_lasts(
    series: str, after_s: int
) -> None:
    value = series.split()[1].partition("x")[0]
    alarm = alarm_after(f"{series} ack")
    acked_us = alarm.alarm.acked_us
    assert acked_us is not None
    assert (alarm.alarm.condition, alarm.alarm.sounding, alarm.live) == ("active", False, True)
    start_s = 17 if value == "91" else 12
    changes = fold(SPO2, f"{value}x{after_s + 5}", alarm=alarm, start_s=start_s)
    assert [(c.at_us - acked_us) / US for c in changes] == [after_s]
    assert words(changes[0]) == "sounds-again"
    assert alarm.alarm.sounding


def test_rule_3_it_sounds_again_even_if_its_source_has_fallen_silent() -> None:
    assert on(alarm_after(f"{HIGH} ack"), "_x125", 12) == "131.5:sounds-again"


def test_rule_3_the_second_person_sees_that_the_first_has_acknowledged() -> None:
    alarm = alarm_after(HIGH)
    assert len(alarm.acknowledge(T0_US + 12 * US, "nurse A")) == 1
    assert alarm.acknowledge(T0_US + 13 * US, "nurse B") == []
    assert alarm.alarm.acked_by == "nurse A"


@pytest.mark.parametrize(
    ("rule", "out"), [("sbp-high", 185), ("dbp-high", 112), ("sbp-low", 88), ("moaas-low", 1)]
)
def test_rule_3_an_acknowledged_reading_is_silent_until_a_new_one_is_out(
    rule: str, out: float
) -> None:
    alarm = alarm_after(f"{out} ack", rule)
    assert alarm.advance(T0_US + 7200 * US) == []
    (again,) = alarm.sample(T0_US + 7201 * US, out)
    assert again.cause == "new reading"
    assert alarm.alarm.sounding


def test_rule_3_a_missed_repeat_sounds_again() -> None:
    alarm = alarm_after("185 ack", "sbp-high")
    (missed,) = alarm.missed_repeat(T0_US + 240 * US)
    assert (missed.cause, alarm.alarm.sounding) == ("repeat missed", True)
    assert alarm.missed_repeat(T0_US + 241 * US) == []


def test_rule_3_a_missed_repeat_is_nothing_to_an_alarm_that_has_ended_or_is_not_seen() -> None:
    assert alarm_after("185 ack 120", "sbp-high").missed_repeat(T0_US + 240 * US) == []
    assert alarm_after("185", "sbp-high").missed_repeat(T0_US + 20 * US) == []


def test_rule_3_a_missed_blood_pressure_is_nothing_to_a_sedation_score() -> None:
    engine = Engine("room-1", RULES.values(), DOSED)
    engine.sample(T0_US, Numeric("", "moaas", T0_US, 2.0), by="nurse A")
    engine.acknowledge(T0_US + US, "moaas-low", "nurse A")
    assert engine.missed_repeat(T0_US + 240 * US) == []


# --- 4 --------------------------------------------------------------------------------------------


def two() -> Engine:
    engine = Engine("room-1", RULES.values(), DOSED)
    for second in range(11):
        engine.sample(T0_US + second * US, Numeric("ox", "spo2", T0_US, 86.0))
    return engine


def test_rule_4_a_pause_covers_only_what_sounds_when_it_is_pressed() -> None:
    engine = two()
    assert [c.after.rule for c in engine.pause_audio(T0_US + 11 * US, "nurse A")] == ["spo2-low"]
    for second in range(12, 23):
        engine.sample(T0_US + second * US, Numeric("ox", "pr", T0_US, 135.0))
        engine.sample(T0_US + second * US, Numeric("ox", "spo2", T0_US, 86.0))
    assert not engine.alarm("spo2-low").sounding
    assert engine.alarm("pr-high").sounding


@pytest.mark.parametrize("milder", ["97 91x16"])
def test_rule_4_a_milder_alarm_that_comes_later_sounds_as_well(milder: str) -> None:
    engine = Engine("room-1", RULES.values(), DOSED)
    engine.sample(T0_US, Numeric("cuff", "nibp_sys", T0_US, 185.0))
    engine.pause_audio(T0_US + US, "nurse A")
    for second in range(2, 20):
        engine.sample(T0_US + second * US, Numeric("ox", "spo2", T0_US, 91.0))
    assert not engine.alarm("sbp-high").sounding
    assert engine.alarm("spo2-low").sounding


def test_rule_4_a_pause_lasts_120_s_and_a_second_press_does_not_prolong_it() -> None:
    assert on(alarm_after(f"{HIGH} pause"), "86x60 pause 86x80", 12).split() == [
        "41:escalated", "71:escalated", "131:escalated", "131.5:pause-ended",
    ]  # fmt: skip


def test_rule_4_a_pause_can_be_cancelled() -> None:
    alarm = alarm_after(f"{HIGH} pause")
    assert on(alarm, "86 unpause 86", 12) == "12.5:audio-on"
    assert alarm.alarm.sounding


def test_rule_4_nothing_can_be_paused_that_does_not_sound() -> None:
    for series in ("97", "97 86x5", f"{HIGH} ack", f"{MEDIUM} 97x12", f"{HIGH} off"):
        assert alarm_after(series).pause(T0_US + 60 * US, "nurse A") == []


def test_rule_4_high_and_low_of_one_vital_are_two_alarms() -> None:
    engine = Engine("room-1", RULES.values(), DOSED)
    for second in range(12):
        engine.sample(T0_US + second * US, Numeric("ox", "pr", T0_US, 135.0))
    engine.pause_audio(T0_US + 12 * US, "nurse A")
    engine.acknowledge(T0_US + 13 * US, "pr-high", "nurse A")
    for second in range(14, 26):
        engine.sample(T0_US + second * US, Numeric("ox", "pr", T0_US, 35.0))
    assert engine.alarm("pr-low").sounding
    assert engine.alarm("pr-high").acked_by in ("", "nurse A")


def test_rule_4_a_new_episode_is_not_covered_by_the_pause_of_the_old_one() -> None:
    alarm = alarm_after(f"{HIGH} pause 97x12 ack 97 86x11")
    assert alarm.alarm.sounding


# --- 5 --------------------------------------------------------------------------------------------


def test_rule_5_high_latches_visible_and_sounding_until_acknowledged() -> None:
    alarm = alarm_after(f"{HIGH} 97x600")
    assert (alarm.alarm.condition, alarm.alarm.sounding, alarm.live) == ("latched", True, True)
    (ended,) = alarm.acknowledge(T0_US + 700 * US, "nurse A")
    assert (ended.after.condition, ended.cause, ended.actor) == ("idle", "acknowledged", "nurse A")


def test_rule_5_what_has_ended_names_the_last_value_that_was_out() -> None:
    changes = fold(RULES["spo2-low"], "95 86x12 91x3 96x30")
    assert changes[-1].after.condition == "latched"
    assert changes[-1].after.text == "SpO2 91 < 92"
    assert changes[-1].after.value_us == T0_US + 15 * US


def test_rule_5_medium_latches_as_a_silent_message() -> None:
    alarm = alarm_after(f"{MEDIUM} 97x600")
    assert (alarm.alarm.condition, alarm.alarm.sounding, alarm.live) == ("latched", False, True)


@pytest.mark.parametrize("rule", TECHNICAL, ids=lambda rule: rule.id)
def test_rule_5_technical_conditions_end_by_themselves_and_do_not_latch(rule: object) -> None:
    (found,) = [r for r in TECHNICAL if r is rule]
    alarm = RoomAlarm("room-1", found, DOSED)
    alarm.technical(T0_US, Fact(found.id, T0_US, "said"))
    alarm.advance(T0_US + 1000 * US)
    assert alarm.alarm.condition == "active"
    assert alarm.alarm.priority is found.levels[-1].priority
    (ended,) = alarm.technical(T0_US + 1001 * US, None)
    assert (ended.after.condition, ended.cause) == ("idle", "condition ended")


def test_rule_5_an_annotation_does_not_latch() -> None:
    assert run(RULES["pr-high"], "72 105x20 90x12") == "16:active/info 31:idle"


# --- 6 --------------------------------------------------------------------------------------------


def test_rule_6_a_rule_that_is_off_is_seen_with_name_and_reason_and_is_not_heard() -> None:
    alarm = alarm_after(f"{HIGH} off")
    now = alarm.alarm
    assert (now.rule_state, now.rule_by, now.rule_reason) == (
        "off", "nurse A", "known to the prescriber",
    )  # fmt: skip
    assert (now.condition, now.sounding, alarm.live) == ("active", False, True)


def test_rule_6_it_comes_back_after_15_min_and_sounds_if_its_condition_lasts() -> None:
    alarm = alarm_after(f"{HIGH} off")
    found = on(alarm, "86x905", 12).split()
    assert found[0] == "911.5:rule-on-again"
    assert alarm.alarm.sounding
    assert (alarm.alarm.rule_by, alarm.alarm.rule_reason) == ("", "")


def test_rule_6_it_comes_back_at_a_phase_change() -> None:
    alarm = RoomAlarm("room-1", SPO2, Context(dose_us=1, phase="ONSET_PEAK"))
    alarm.switch_off(T0_US, "nurse A", "known")
    assert alarm.retune(T0_US + US, Context(dose_us=1, phase="ONSET_PEAK")) == []
    (back,) = alarm.retune(T0_US + 2 * US, Context(dose_us=1, phase="DESCENT"))
    assert (back.cause, back.after.rule_state) == ("phase changed", "enabled")


def test_rule_6_an_idle_rule_that_is_off_is_seen_and_an_alarm_of_it_is_kept_but_not_heard() -> None:
    alarm = alarm_after("97 off 97")
    assert alarm.live
    on(alarm, "86x12", 3)
    assert (alarm.alarm.condition, alarm.alarm.sounding) == ("active", False)
    (back,) = alarm.switch_on(T0_US + 20 * US, "nurse B")
    assert (back.actor, alarm.alarm.sounding) == ("nurse B", True)


def test_rule_6_switching_a_rule_on_that_is_on_is_nothing() -> None:
    assert alarm_after(HIGH).switch_on(T0_US + 20 * US, "nurse A") == []


# --- 7 --------------------------------------------------------------------------------------------


def steps(series: str, alarm: RoomAlarm | None = None) -> list[float]:
    changes = fold(SPO2, series, alarm=alarm)
    return [(c.at_us - T0_US) / US for c in changes if c.cause == "escalated"]


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        # active at 11
        ("97 86x200", [41, 71, 131]),
        # nobody pages for a medium one
        ("97 91x200", []),
        # acknowledged
        ("97 86x35 ack 86x100", []),
        ("97 86x45 ack 86x100", [41]),
        # sounding again begins anew: acknowledged at 40.5, again at 160.5
        ("97 86x40 ack 86x190", [190.5, 220.5]),
        # the episode ends: it goes on sounding and pages nobody
        ("97 86x35 97x300", [41]),
        ("97 86x25 97x300", []),
        # only a milder level lasts
        ("97 86x20 91x300", []),
        # a pause does not stop it
        ("97 86x11 pause 86x200", [41, 71, 131]),
        # switched off it stops, and begins anew when it is on
        ("97 86x35 off 86x20 on 86x100", [85.5, 115.5]),
        # silence of the source is no end
        ("97 86x11 _x200", [41, 71, 131]),
        # a rise restarts it: below 80 at 40
        ("97 86x38 79x200", [70, 100, 160]),
    ],
)  # fmt: skip
def test_rule_7_an_unacknowledged_high_escalates_while_it_is_active(
    series: str, expected: list[float]
) -> None:
    assert steps(series) == expected


def test_rule_7_the_times_are_the_clinics() -> None:
    alarm = RoomAlarm("room-1", SPO2, Context(dose_us=1, escalation_s=(5, 300)))
    assert steps("97 86x400", alarm) == [16, 311]
    none = RoomAlarm("room-1", SPO2, Context(dose_us=1, escalation_s=()))
    assert steps("97 86x400", none) == []


def test_rule_7_a_new_episode_begins_at_the_first_step() -> None:
    alarm = alarm_after("97 86x50 ack 97x12 86x11")
    assert (alarm.alarm.escalated, alarm.alarm.sounding) == (0, True)


def test_rule_7_what_a_person_enters_names_that_person_and_others_hear_it() -> None:
    alarm = RoomAlarm("room-1", RULES["moaas-low"], DOSED)
    alarm.sample(T0_US, 1.0, by="nurse A")
    assert (alarm.alarm.entered_by, alarm.alarm.sounding) == ("nurse A", True)
    assert [c.cause for c in alarm.advance(T0_US + 31 * US)] == ["escalated"]


# --- 8 --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "series",
    [MEDIUM, HIGH, f"{HIGH} ack", f"{HIGH} pause", f"{HIGH} off", f"{HIGH} 97x12",
     f"{MEDIUM} 97x12", "97 79x2 84x20", "97 off"],
)  # fmt: skip
def test_rule_8_a_restart_changes_nothing_of_an_alarm(series: str) -> None:
    alarm = alarm_after(series)
    again = RoomAlarm("room-1", SPO2, DOSED)
    again.restore(alarm.alarm, T0_US + 40 * US)
    assert again.alarm == alarm.alarm
    assert again.live == alarm.live


@pytest.mark.parametrize(("series", "end"), [(HIGH, "latched"), (f"{HIGH} ack", "idle")])
def test_rule_8_only_fresh_data_end_it(series: str, end: str) -> None:
    again = RoomAlarm("room-1", SPO2, DOSED)
    again.restore(alarm_after(series).alarm, T0_US + 20 * US)
    on(again, "97", 100)
    assert again.alarm.condition == "active"
    on(again, "97x11", 101)
    assert again.alarm.condition == end


def test_rule_8_a_pending_delay_starts_anew() -> None:
    again = RoomAlarm("room-1", SPO2, DOSED)
    again.restore(alarm_after("97 86x9").alarm, T0_US + 11 * US)
    assert not again.live
    assert on(again, "86x11", 12) == "12:pending 22:active/high"


def test_rule_8_a_medium_reading_that_sounded_sounds_after_a_restart() -> None:
    for count in (1, 2):
        alarm = alarm_after("165 " * count, "sbp-high")
        again = RoomAlarm("room-1", RULES["sbp-high"], DOSED)
        again.restore(alarm.alarm, T0_US + 20 * US)
        assert again.alarm.sounding is (count == 2)
        again.sample(T0_US + 300 * US, 165.0)
        assert again.alarm.sounding


# --- 9 and 10 -------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["ack", "pause", "unpause", "on"])
@pytest.mark.parametrize("series", ["97", HIGH, MEDIUM, f"{HIGH} 97x12", f"{MEDIUM} off"])
def test_rule_9_the_same_act_twice_is_one(series: str, act: str) -> None:
    alarm = alarm_after(f"{series} {act}")
    after = alarm.alarm
    assert fold(SPO2, act, alarm=alarm, start_s=40) == []
    assert alarm.alarm == after


TOKENS = ["97", "93", "91", "89", "87", "86x9", "79", "79?", "_", "_x12", "ack", "pause",
          "unpause", "off", "on"]  # fmt: skip


@given(st.lists(st.sampled_from(TOKENS), max_size=40))
def test_rule_10_every_transition_is_a_row_that_follows_from_the_one_before(
    tokens: list[str],
) -> None:
    alarm = RoomAlarm("room-1", SPO2, DOSED)
    first = alarm.alarm
    changes: list[AlarmChange] = fold(SPO2, " ".join(["97", *tokens]), alarm=alarm)
    assert [c.before for c in changes] == [first, *(c.after for c in changes)][:-1]
    assert (changes[-1].after if changes else first) == alarm.alarm
    assert [c.at_us for c in changes] == sorted(c.at_us for c in changes)
    for change in changes:
        assert change.cause
        assert change.before != change.after or change.cause == "rule off"
        by_hand = {"acknowledged", "audio paused", "audio on", "rule off", "rule on"}
        assert bool(change.actor) is (change.cause in by_hand)
        if change.after.condition in ("pending", "active"):
            assert change.limit is not None
            assert change.after.text
