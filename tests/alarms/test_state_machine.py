"""The rules of docs/alarms.md, section "State machine", each by name."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.alarms.notation import DOSED, T0_US, run, words
from vitals.alarms.alarm import RoomAlarm
from vitals.alarms.profile import load
from vitals.model import US, Alarm, Level, Priority, Rule

RULES = {rule.id: rule for rule in load().rules}
SPO2 = RULES["spo2-low"]
SHORT = Rule(
    "t",
    "spo2",
    "low",
    (
        Level(Priority.MEDIUM, 92, hold_s=2, clear=94, release_s=2, latching=True, strict=True),
        Level(Priority.HIGH, 88, hold_s=1, clear=90, release_s=2, latching=True, strict=True),
    ),
    "SpO2",
)
LOW = Rule("low", "spo2", "low", (Level(Priority.LOW, 92, hold_s=0, clear=92),), "SpO2")


@pytest.mark.parametrize(
    ("rule", "series", "expected"),
    [
        (SHORT, "95 91 91 91 91", "1:pending 3:active/medium"),
        # the limit itself is inside
        (SHORT, "92x9", ""),
        # 1. a pending that clears is a near miss
        (SHORT, "95 91 93 95", "1:pending 2:near-miss"),
        # hysteresis: 93 does not clear, 94 for two seconds does; MEDIUM latches as a message
        (SHORT, "91x3 93x5 94x3", "0:pending 2:active/medium 10:latched"),
        # acknowledged first: it simply ends
        (SHORT, "91x3 ack 94x3", "0:pending 2:active/medium 2.5:acknowledged 5:idle"),
        # a release that is interrupted starts anew
        (SHORT, "91x3 ack 94 93 94x3", "0:pending 2:active/medium 2.5:acknowledged 7:idle"),
        # 2. a rise in level cancels the acknowledgement
        (
            SHORT,
            "91x3 ack 87x3",
            "0:pending 2:active/medium 2.5:acknowledged 4:active/high",
        ),
        # 5. HIGH latches until acknowledged
        (SHORT, "87x2 95x5", "0:pending 1:active/high 4:latched"),
        (SHORT, "87x2 95x5 ack", "0:pending 1:active/high 4:latched 6.5:idle"),
        # the latched one comes back
        (SHORT, "87x2 95x5 87x2", "0:pending 1:active/high 4:latched 8:active/high"),
        # HIGH falls to MEDIUM only through a person: the condition lasts, nobody has seen it
        (SHORT, "87x2 91x6", "0:pending 1:active/high 4:level-fell"),
        (SHORT, "87x2 91x4 ack", "0:pending 1:active/high 4:level-fell 5.5:active/medium"),
        (SHORT, "87x2 91x4 95x3", "0:pending 1:active/high 4:level-fell 8:latched"),
        (SHORT, "87x2 ack 91x4", "0:pending 1:active/high 1.5:acknowledged 4:active/medium"),
        # LOW does not latch
        (LOW, "91 95", "0:active/low 1:idle"),
    ],
)
def test_transitions(rule: Rule, series: str, expected: str) -> None:
    assert run(rule, series) == expected


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        # ten seconds below 88 after two good readings: high at its own delay, not later
        ("97x5 86x12", "5:pending 15:active/high"),
        ("97x5 91x20", "5:pending 20:active/medium"),
        # two good samples below 80: at once
        ("97x5 79 79", "5:pending 6:active/high"),
        ("97x5 79 97x3", "5:pending 6:near-miss"),
    ],
)
def test_spo2_of_the_shipped_profile(series: str, expected: str) -> None:
    assert run(SPO2, series) == expected


def test_a_new_high_below_a_latched_worse_one_is_active_and_sounds_although_that_was_paused() -> (
    None
):
    alarm = RoomAlarm("room-1", SPO2, DOSED)
    first = run(SPO2, "97 75x3 pause 97x15", alarm=alarm)
    assert first.endswith("latched")
    assert not alarm.alarm.sounding
    changes = [c for s in range(12) for c in alarm.sample(T0_US + (30 + s) * US, 86.0)]
    assert [words(c) for c in changes] == ["active/high"]
    assert changes[0].at_us == T0_US + 40 * US
    assert alarm.alarm.sounding
    assert alarm.alarm.text == "SpO2 86 < 88"


def test_an_unseen_worse_level_keeps_its_priority_while_a_milder_one_lasts() -> None:
    alarm = RoomAlarm("room-1", SPO2, DOSED)
    run(SPO2, "97 75x3 84x40", alarm=alarm)
    assert (alarm.alarm.condition, alarm.alarm.sounding) == ("active", True)
    assert alarm.alarm.text == "SpO2 84 < 88"


def test_a_restored_alarm_of_a_level_that_the_profile_no_longer_has_goes_on() -> None:
    alarm = RoomAlarm("room-1", SPO2, DOSED)
    run(SPO2, "97 75x3", alarm=alarm)
    assert alarm.alarm.level == 3
    fewer = RoomAlarm("room-1", replace(SPO2, levels=SPO2.levels[:3]), DOSED)
    fewer.restore(alarm.alarm)
    assert fewer.alarm.sounding
    for second in range(20):
        fewer.sample(T0_US + (100 + second) * US, 97.0)
    assert fewer.alarm.condition == "latched"


def test_rule_3_acknowledged_sounds_again_after_180_s_at_medium_and_120_s_at_high() -> None:
    medium = run(SHORT, "91x3 ack " + "91x185").split()
    assert medium[-1] == "182.5:sounds-again"
    high = run(SHORT, "87x3 ack " + "87x125").split()
    assert high[-1] == "122.5:sounds-again"


def test_rule_3_an_acknowledged_reading_sounds_again_only_on_a_new_reading() -> None:
    alarm = RoomAlarm("room-1", RULES["sbp-high"], DOSED)
    alarm.sample(T0_US, 165.0)
    alarm.acknowledge(T0_US + US, "nurse A")
    assert alarm.advance(T0_US + 600 * US) == []
    assert not alarm.alarm.sounding
    changes = alarm.sample(T0_US + 601 * US, 166.0)
    assert [words(c) for c in changes] == ["new-reading"]
    assert alarm.alarm.sounding


def test_rule_4_pause_covers_only_what_is_sounding() -> None:
    alarm = RoomAlarm("room-1", SHORT, DOSED)
    assert alarm.pause(T0_US, "nurse A") == []
    for second, value in enumerate([91.0] * 3):
        alarm.sample(T0_US + second * US, value)
    assert alarm.alarm.sounding
    (paused,) = alarm.pause(T0_US + 3 * US, "nurse A")
    assert paused.after.signal == "paused"
    assert paused.after.signal_until_us == T0_US + 123 * US
    assert not alarm.alarm.sounding
    # a second press does not prolong it
    assert alarm.pause(T0_US + 50 * US, "nurse A") == []


def test_rule_4_a_paused_alarm_stays_paused_until_its_time_however_many_readings_come() -> None:
    assert run(SHORT, "91x3 pause 91x130").split()[2:] == ["2.5:audio-paused", "122.5:pause-ended"]


def test_rule_4_a_pause_can_be_cancelled_and_a_rise_breaks_it() -> None:
    assert run(SHORT, "91x3 pause 91 unpause 91").endswith("2.5:audio-paused 3.5:audio-on")
    alarm = RoomAlarm("room-1", SHORT, DOSED)
    run(SHORT, "91x3 pause 87x3", alarm=alarm)
    assert alarm.alarm.sounding
    assert alarm.alarm.priority is Priority.HIGH


def test_silence_never_clears_and_never_raises_an_alarm() -> None:
    assert run(SHORT, "91x3 _x600") == "0:pending 2:active/medium"
    # one sample out, then nothing: the delay cannot end on a value that is no longer fresh
    assert run(SPO2, "97 86 _x60") == "1:pending"


def test_a_pending_delay_survives_a_gap_of_ten_seconds_and_restarts_after_a_longer_one() -> None:
    assert run(SPO2, "97 86x4 _x9 86x2") == "1:pending 14:active/high"
    assert run(SPO2, "97 86x4 _x12 86x2") == "1:pending"


def test_rule_8_restart_keeps_what_was_active_and_starts_delays_anew() -> None:
    alarm = RoomAlarm("room-1", SHORT, DOSED)
    run(SHORT, "87x3", alarm=alarm)
    again = RoomAlarm("room-1", SHORT, DOSED)
    later_us = T0_US + 3600 * US
    again.restore(alarm.alarm, later_us)
    assert again.alarm == alarm.alarm
    assert again.alarm.sounding
    # nobody was told while the program was down; nothing else happens by itself
    told = again.advance(later_us)
    assert [(c.at_us, c.cause, c.after.escalated) for c in told] == [
        (later_us, "escalated", 1),
        (later_us, "escalated", 2),
        (later_us, "escalated", 3),
    ]
    changes = [c for s in range(4) for c in again.sample(T0_US + (4000 + s) * US, 95.0)]
    assert [words(c) for c in changes] == ["latched"]

    pending = RoomAlarm("room-1", SHORT, DOSED)
    run(SHORT, "91x2", alarm=pending)
    fresh = RoomAlarm("room-1", SHORT, DOSED)
    fresh.restore(pending.alarm)
    assert fresh.alarm.condition == "idle"


def test_every_change_carries_value_limit_cause_and_actor() -> None:
    alarm = RoomAlarm("room-1", SHORT, DOSED)
    changes = [c for s, v in enumerate([95.0, 86.0, 86.0]) for c in alarm.sample(T0_US + s * US, v)]
    active = changes[-1]
    assert (active.value, active.limit, active.cause) == (86.0, 88, "condition met")
    assert active.after.text == "SpO2 86 < 88"
    (ack,) = alarm.acknowledge(T0_US + 3 * US, "nurse A")
    assert (ack.actor, ack.after.acked_by) == ("nurse A", "nurse A")


@given(
    st.lists(
        st.sampled_from(
            ["95", "93", "91", "89", "87", "79", "_", "_x4", "ack", "pause", "unpause"]
        ),
        max_size=40,
    ),
    st.integers(1, 5),
)
def test_ticks_change_nothing_but_when_a_change_is_seen(tokens: list[str], ticks: int) -> None:
    series = "95 " + " ".join(tokens)
    assert run(SHORT, series, ticks_per_s=ticks).split() == run(SHORT, series).split()


@given(st.lists(st.sampled_from([95.0, 93.0, 91.0, 87.0, None]), max_size=60))
def test_an_unacknowledged_high_never_ends_by_itself(values: list[float | None]) -> None:
    alarm = RoomAlarm("room-1", SHORT, DOSED)
    seen_high = False
    for second, value in enumerate(values):
        at_us = T0_US + second * US
        changes = alarm.advance(at_us) if value is None else alarm.sample(at_us, value)
        for change in changes:
            state: Alarm = change.after
            seen_high |= state.condition == "active" and state.priority is Priority.HIGH
        if seen_high:
            assert alarm.alarm.sounding
            assert alarm.alarm.priority is Priority.HIGH
