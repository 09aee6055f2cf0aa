"""How a delay runs: the floor, questionable values, gaps, SatSeconds, levels by time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.alarms.notation import DOSED, RULES, T0_US, run
from vitals.alarms.alarm import RoomAlarm
from vitals.alarms.limits import Context
from vitals.model import US, Level, Priority, Rule

SPO2 = RULES["spo2-low"]
MINUTE_US = 60 * US


# --- the floor -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        ("97x3 79 79", "3:pending 4:active/high"),
        ("97x3 80 80", "3:pending"),
        ("97x3 79 80 79 80 79 80", "3:pending"),
        # one good sample is not two, whatever comes or does not come after it
        ("97x3 79 81x5", "3:pending"),
        ("97x3 79 97", "3:pending 4:near-miss"),
        # questionable ones take 5 s
        ("97x3 79?x5", "3:pending"),
        ("97x3 79?x6", "3:pending 8:active/high"),
        # good ones among them count for twice as much
        ("97x3 79? 79 79? 79 79", "3:pending 7:active/high"),
    ],
)
def test_below_80_two_good_samples_or_5_s_of_questionable_ones(series: str, expected: str) -> None:
    found = run(SPO2, series)
    assert found == expected


def test_a_single_good_sample_below_80_and_then_silence_is_not_two_good_samples() -> None:
    assert run(SPO2, "97x3 79 _x30") == "3:pending"


def test_the_floor_is_high_above_an_alarm_that_is_high_already_and_breaks_its_pause() -> None:
    alarm = RoomAlarm("room-1", SPO2, DOSED)
    assert "active/high" in run(SPO2, "97 87x11 pause", alarm=alarm)
    assert not alarm.alarm.sounding
    alarm.sample(T0_US + 13 * US, 79.0)
    (risen,) = alarm.sample(T0_US + 14 * US, 79.0)
    assert risen.cause == "level rose"
    assert alarm.alarm.sounding
    assert alarm.alarm.text == "SpO2 79 < 80"


# --- questionable values -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "value", "normal", "delay_s"),
    [
        ("spo2-low", 91, 97, 15), ("spo2-low", 87, 97, 10),
        ("pr-high", 111, 72, 15), ("pr-high", 131, 72, 10),
        ("pr-low", 49, 72, 15), ("pr-low", 39, 72, 10),
        ("hr-high", 131, 72, 10), ("hr-low", 39, 72, 10),
        ("rr-low", 9, 15, 30), ("rr-high", 30, 15, 15),
    ],
)  # fmt: skip
def test_questionable_values_double_the_delay(
    rule: str, value: int, normal: int, delay_s: int
) -> None:
    def signals(seconds: int) -> list[str]:
        found = run(RULES[rule], f"{normal} {value}?x{seconds}").split()
        return [word for word in found if "active" in word and "info" not in word]

    # out from second 1: after 2 × delay - 1 s not yet, after 2 × delay
    assert signals(2 * delay_s) == [] or signals(2 * delay_s)[-1].endswith("medium")
    last = signals(2 * delay_s + 1)[-1]
    assert last.startswith(f"{1 + 2 * delay_s}:active/")


def test_a_second_of_a_questionable_value_counts_for_half_a_second() -> None:
    # 6 s questionable count 3, so 7 s of good ones are missing
    assert run(SPO2, "97 86?x6 86x8") == "1:pending 14:active/high"


# --- gaps --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gap", "raised"),
    [(1, 11), (9, 11), (10, None)],
)
def test_a_delay_survives_gaps_of_at_most_10_s(gap: int, raised: int | None) -> None:
    """`gap` seconds without a value: `gap` + 1 s from the last sample to the next."""
    found = run(SPO2, f"97 86x4 _x{gap} 86x8").split()
    at = [float(word.partition(":")[0]) for word in found if "active" in word]
    if raised is None:
        assert at == []
    else:
        assert at == [max(raised, 5 + gap)]


def test_silence_neither_raises_nor_clears_nor_releases() -> None:
    assert run(SPO2, "97 86x5 _x600") == "1:pending"
    frozen = RoomAlarm("room-1", SPO2, DOSED)
    found = run(SPO2, "97 86x11 _x600", alarm=frozen).split()
    assert found[:2] == ["1:pending", "11:active/high"]
    assert all("escalated" in word for word in found[2:])
    assert frozen.alarm.sounding
    released = run(SPO2, "97 86x11 ack 97x5 _x60").split()
    assert released == ["1:pending", "11:active/high", "11.5:acknowledged"]


# --- SatSeconds ---------------------------------------------------------------------------------


def sat(clip: float = 50, limit: float = 90) -> Rule:
    level = Level(
        Priority.MEDIUM, limit, strict=True, clear=limit + 2, release_s=10, sat_seconds=clip
    )
    return Rule("sat", "spo2", "low", (level,), "SpO2")


def test_the_worked_example_of_satseconds_crosses_50_after_10_67_s() -> None:
    """Masimo: 88 % for 2 s, 86 % for 3 s, 84 % for 6 s below 90 are 4 + 12 + 36 points."""
    (pending, active) = run(sat(), "88x2 86x3 84x6 84").split()
    assert pending == "0:pending"
    at_s, _, word = active.partition(":")
    assert word == "active/medium"
    assert float(at_s) == pytest.approx(10.6667, abs=1e-3)


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        # just short of the clip
        ("88x2 86x3 84x5", "0:pending"),
        ("89x50", "0:pending"),
        ("89x51", "0:pending 50:active/medium"),
        ("40x2", "0:pending 1:active/medium"),
        # back inside, the sum runs down by the height above the limit
        ("80x4 95x8 90", "0:pending 12:near-miss"),
        ("80x4 95x4 80x4", "0:pending 11:active/medium"),
        # at the limit itself by one point a second
        ("89x5 90x6", "0:pending 10:near-miss"),
        # three dips in a row that no delay of 15 s would see
        ("85x5 91x2 85x5 91x2 85x5", "0:pending 14.8:active/medium"),
    ],
)
def test_satseconds_sum_the_depth_and_give_it_back(series: str, expected: str) -> None:
    assert run(sat(), series) == expected


def test_satseconds_of_questionable_values_count_half() -> None:
    assert run(sat(), "80?x10") == "0:pending"
    assert run(sat(), "80?x11") == "0:pending 10:active/medium"


def test_satseconds_do_not_go_on_in_silence() -> None:
    assert run(sat(), "88x3 _x300") == "0:pending"


# --- by phase, by minutes since the dose --------------------------------------------------------

BASE = Level(Priority.HIGH, 88, strict=True, latching=True)


def test_a_level_of_a_phase_counts_in_that_phase_only() -> None:
    early = Level(Priority.MEDIUM, 94, phases=("ONSET_PEAK",), strict=True)
    rule = Rule("r", "spo2", "low", (early, BASE), "SpO2")
    alarm = RoomAlarm("room-1", rule, Context(dose_us=1, phase="DESCENT"))
    assert alarm.sample(T0_US, 93.0) == []
    alarm.retune(T0_US + US, Context(dose_us=1, phase="ONSET_PEAK"))
    alarm.sample(T0_US + 2 * US, 93.0)
    assert alarm.alarm.condition == "active"
    alarm.retune(T0_US + 3 * US, Context(dose_us=1, phase="DESCENT"))
    assert alarm.alarm.condition == "idle"


@pytest.mark.parametrize(
    ("minute", "counts"), [(9.99, False), (10, True), (29.99, True), (30, False)]
)
def test_a_level_by_minutes_counts_from_the_first_up_to_the_second(
    minute: float, counts: bool
) -> None:
    timed = Level(Priority.MEDIUM, 94, minutes=(10, 30), strict=True)
    rule = Rule("r", "spo2", "low", (timed, BASE), "SpO2")
    alarm = RoomAlarm("room-1", rule, Context(dose_us=T0_US))
    alarm.sample(T0_US + round(minute * MINUTE_US), 93.0)
    assert (alarm.alarm.condition == "active") is counts


def test_a_level_by_minutes_does_not_count_before_the_dose() -> None:
    timed = Level(Priority.MEDIUM, 94, minutes=(0, 30), strict=True)
    alarm = RoomAlarm("room-1", Rule("r", "spo2", "low", (timed, BASE), "SpO2"), Context())
    alarm.sample(T0_US, 93.0)
    assert alarm.alarm.condition == "idle"


def test_a_level_that_ends_by_the_clock_gives_way_to_the_one_that_is_still_met() -> None:
    mild = Level(Priority.MEDIUM, 94, strict=True)
    timed = Level(Priority.HIGH, 90, minutes=(0, 10), strict=True)
    rule = Rule("r", "spo2", "low", (mild, timed), "SpO2")
    alarm = RoomAlarm("room-1", rule, Context(dose_us=T0_US))
    alarm.sample(T0_US + 9 * MINUTE_US, 89.0)
    assert alarm.alarm.priority is Priority.HIGH
    alarm.sample(T0_US + 11 * MINUTE_US, 89.0)
    assert (alarm.alarm.condition, alarm.alarm.priority) == ("active", Priority.MEDIUM)


# --- before the dose ----------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [r for r in RULES.values() if r.side != "technical"])
def test_before_the_dose_a_medium_level_is_a_silent_hold_and_a_high_one_sounds(rule: Rule) -> None:
    for level in rule.levels:
        if level.limit is None:
            continue
        beyond = level.limit + (1 if rule.side == "high" else -1)
        alarm = RoomAlarm("room-1", rule, Context())
        for second in range(40):
            alarm.sample(T0_US + second * US, beyond)
        assert alarm.alarm.condition == "active"
        assert alarm.alarm.sounding is (alarm.alarm.priority is Priority.HIGH)
        assert alarm.alarm.silent is (alarm.alarm.priority is Priority.MEDIUM)


def test_a_hold_that_lasts_begins_to_sound_at_the_dose() -> None:
    alarm = RoomAlarm("room-1", SPO2, Context())
    run(SPO2, "97 91x20", alarm=alarm)
    dose_us = T0_US + 21 * US
    (spoken,) = alarm.retune(dose_us, Context(dose_us=dose_us))
    assert (spoken.at_us, spoken.cause) == (dose_us, "dose given")
    assert alarm.alarm.sounding


def test_a_hold_that_has_ended_before_the_dose_leaves_nothing() -> None:
    alarm = RoomAlarm("room-1", SPO2, Context())
    assert run(SPO2, "97 91x20 97x12", alarm=alarm).endswith("31:idle")
    assert alarm.retune(T0_US + 40 * US, Context(dose_us=T0_US + 40 * US)) == []


def test_a_single_medium_reading_before_the_dose_still_waits_for_the_second_after_it() -> None:
    alarm = RoomAlarm("room-1", RULES["sbp-high"], Context())
    alarm.sample(T0_US, 165.0)
    assert alarm.retune(T0_US + US, Context(dose_us=T0_US + US)) == []
    alarm.sample(T0_US + 300 * US, 165.0)
    assert alarm.alarm.sounding


def test_two_medium_readings_before_the_dose_sound_at_the_dose() -> None:
    alarm = RoomAlarm("room-1", RULES["sbp-high"], Context())
    for minute in (0, 5):
        alarm.sample(T0_US + minute * MINUTE_US, 165.0)
        assert not alarm.alarm.sounding
    alarm.retune(T0_US + 6 * MINUTE_US, Context(dose_us=T0_US + 6 * MINUTE_US))
    assert alarm.alarm.sounding


# --- relative to the baseline -------------------------------------------------------------------


def relative(rule: str, base: dict[str, float], value: float, seconds: int = 1) -> RoomAlarm:
    alarm = RoomAlarm("room-1", RULES[rule], Context(dose_us=1, baseline=base))
    for second in range(seconds):
        alarm.sample(T0_US + second * US, value)
    return alarm


@pytest.mark.parametrize(
    ("rule", "base", "value", "expected"),
    [
        # SYS: baseline + 40 is medium, + 20 % an annotation
        ("sbp-high", {"nibp_sys": 110.0}, 149, "info"),
        ("sbp-high", {"nibp_sys": 110.0}, 150, "medium"),
        ("sbp-high", {"nibp_sys": 110.0}, 132, "info"),
        ("sbp-high", {"nibp_sys": 110.0}, 131, None),
        # where the baseline is high the absolute limit is the stricter one
        ("sbp-high", {"nibp_sys": 138.0}, 159, None),
        ("sbp-high", {"nibp_sys": 138.0}, 160, "medium"),
        ("sbp-high", {"nibp_sys": 138.0}, 180, "high"),
        ("sbp-high", {}, 159, None),
        # DIA: baseline + 25
        ("dbp-high", {"nibp_dia": 70.0}, 94, None),
        ("dbp-high", {"nibp_dia": 70.0}, 95, "medium"),
        ("dbp-high", {"nibp_dia": 85.0}, 100, "medium"),
        ("dbp-high", {}, 99, None),
        # another channel's baseline is none
        ("dbp-high", {"nibp_sys": 70.0}, 95, None),
    ],
)
def test_a_pressure_relative_to_the_baseline(
    rule: str, base: dict[str, float], value: float, expected: str | None
) -> None:
    alarm = relative(rule, base, value).alarm
    found = None if alarm.condition == "idle" else str(alarm.priority)
    assert found == expected


def test_a_relative_limit_says_so_and_clears_as_far_inside_as_the_absolute_one() -> None:
    alarm = relative("sbp-high", {"nibp_sys": 110.0}, 152)
    assert alarm.alarm.text == "SYS 152 ≥ 150 (baseline +40)"
    assert alarm.alarm.limit == 150
    alarm.sample(T0_US + 300 * US, 146.0)
    assert alarm.alarm.priority is Priority.MEDIUM
    alarm.sample(T0_US + 600 * US, 145.0)
    assert alarm.alarm.priority is Priority.INFO


@pytest.mark.parametrize(("value", "seconds", "said"), [(93, 60, 0), (93, 61, 1), (94, 200, 0)])
def test_four_below_the_baseline_for_60_s_is_an_annotation(
    value: float, seconds: int, said: int
) -> None:
    alarm = relative("spo2-low", {"spo2": 97.0}, value, seconds).alarm
    assert (alarm.condition == "active") is bool(said)
    assert not alarm.sounding
    assert alarm.priority in (Priority.INFO, Priority.LOW)


def test_without_a_baseline_the_annotation_is_off() -> None:
    assert relative("spo2-low", {}, 93, 200).alarm.condition == "idle"


def test_the_annotation_is_no_obstacle_for_the_levels_that_signal() -> None:
    alarm = RoomAlarm("room-1", SPO2, Context(dose_us=1, baseline={"spo2": 98.0}))
    assert run(SPO2, "98 93x70 86x12", alarm=alarm).split() == [
        "61:active/info",
        "71:pending",
        "81:active/high",
    ]
    assert alarm.alarm.sounding


def test_a_patients_own_limit_takes_the_place_of_the_profiles() -> None:
    own = Context(dose_us=1, limits={"sbp-low": (None, 80.0)})
    alarm = RoomAlarm("room-1", RULES["sbp-low"], own)
    alarm.sample(T0_US, 89.0)
    assert alarm.alarm.priority is Priority.MEDIUM
    alarm.sample(T0_US + US, 80.0)
    assert alarm.alarm.text == "SYS 80 ≤ 80 (this patient's limit)"
    assert alarm.alarm.sounding


def test_an_alarm_keeps_its_number_of_levels_whatever_the_context() -> None:
    # a level that does not count is still there: indices on the record stay what they mean
    rule = replace(SPO2, levels=SPO2.levels)
    assert len(RoomAlarm("room-1", rule, Context()).tracks) == len(SPO2.levels)
