"""Every row and side of the limits table, as literal numbers: limit, delay, hysteresis, release.

The numbers are those of the specification, not read back from the profile.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.alarms.notation import DOSED, RULES, T0_US, fold, run
from vitals.alarms.alarm import RoomAlarm
from vitals.alarms.limits import Context
from vitals.model import US, Priority

NORMAL = {"spo2": 97, "pr": 72, "hr": 72, "rr": 15, "nibp_sys": 120, "nibp_dia": 75, "moaas": 5}


class Row(NamedTuple):
    """One level: first value out, last value in, delay, first that clears, last that does not."""

    rule: str
    priority: str
    out: float
    inside: float
    delay_s: int
    clears: float
    stays: float
    release_s: int


STREAMS = [
    Row("spo2-low", "medium", 91, 92, 15, 94, 93, 10),
    Row("spo2-low", "high", 87, 88, 10, 90, 89, 10),
    Row("pr-high", "medium", 111, 110, 15, 105, 106, 10),
    Row("pr-high", "high", 131, 130, 10, 125, 126, 10),
    Row("pr-low", "medium", 49, 50, 15, 55, 54, 10),
    Row("pr-low", "high", 39, 40, 10, 45, 44, 10),
    Row("hr-high", "medium", 111, 110, 15, 105, 106, 10),
    Row("hr-high", "high", 131, 130, 10, 125, 126, 10),
    Row("hr-low", "medium", 49, 50, 15, 55, 54, 10),
    Row("hr-low", "high", 39, 40, 10, 45, 44, 10),
    Row("rr-low", "medium", 9, 10, 30, 12, 11, 15),
    Row("rr-low", "high", 8, 9, 15, 10, 9, 15),
    Row("rr-high", "medium", 25, 24, 30, 22, 23, 15),
    Row("rr-high", "high", 30, 29, 15, 28, 29, 15),
]
READINGS = [
    Row("sbp-high", "medium", 160, 159, 0, 155, 156, 0),
    Row("sbp-high", "high", 180, 179, 0, 175, 176, 0),
    Row("dbp-high", "medium", 100, 99, 0, 95, 96, 0),
    Row("dbp-high", "high", 110, 109, 0, 105, 106, 0),
    Row("sbp-low", "medium", 100, 101, 0, 105, 104, 0),
    Row("sbp-low", "high", 90, 91, 0, 95, 94, 0),
]
BY_NAME = {f"{row.rule} {row.priority}": row for row in STREAMS + READINGS}
streams = pytest.mark.parametrize("row", STREAMS, ids=lambda row: f"{row.rule} {row.priority}")
readings = pytest.mark.parametrize("row", READINGS, ids=lambda row: f"{row.rule} {row.priority}")
every = pytest.mark.parametrize("row", STREAMS + READINGS, ids=list(BY_NAME))


def normal(rule: str) -> float:
    return NORMAL[RULES[rule].channel]


def reached(rule: str, series: str) -> list[Priority]:
    """Priorities that signal at which the rule became active."""
    changes = fold(RULES[rule], series)
    active = [c.after.priority for c in changes if c.after.condition == "active"]
    return [priority for priority in active if priority is not Priority.INFO]


def milder(row: Row) -> list[Priority]:
    return [] if row.priority == "medium" else [Priority.MEDIUM]


@every
def test_the_first_value_out_reaches_the_level(row: Row) -> None:
    assert row.priority in reached(row.rule, f"{normal(row.rule)} {row.out}x40")


@every
def test_the_last_value_in_does_not_reach_the_level_however_long(row: Row) -> None:
    found = reached(row.rule, f"{normal(row.rule)} {row.inside}x90")
    assert row.priority not in found
    assert set(found) == set(milder(row))


@every
def test_one_further_out_reaches_the_level_too(row: Row) -> None:
    further = row.out + (1 if RULES[row.rule].side == "high" else -1)
    worst = reached(row.rule, f"{normal(row.rule)} {further}x40")[-1]
    assert worst.rank >= Priority(row.priority).rank


@streams
def test_one_second_less_than_the_delay_is_a_near_miss(row: Row) -> None:
    # out from second 1 until the normal one at second `delay_s`
    series = f"{normal(row.rule)} {row.out}x{row.delay_s - 1} {normal(row.rule)}x20"
    found = [w for w in run(RULES[row.rule], series).split() if "info" not in w]
    assert [w.partition(":")[2] for w in found] == ["pending", "near-miss"]
    assert reached(row.rule, series) == []


@streams
def test_the_delay_itself_raises_stamped_when_it_ended(row: Row) -> None:
    series = f"{normal(row.rule)} {row.out}x{row.delay_s + 1}"
    changes = [c for c in fold(RULES[row.rule], series) if c.after.condition == "active"]
    last = changes[-1]
    assert last.after.priority == row.priority
    assert (last.at_us - T0_US) / US == 1 + row.delay_s
    assert last.after.value == row.out
    assert last.after.sounding


def after_ack(row: Row) -> tuple[RoomAlarm, int]:
    """The alarm at the row's level, acknowledged; and the second that follows."""
    alarm = RoomAlarm("room-1", RULES[row.rule], DOSED)
    held = row.delay_s + 1
    fold(RULES[row.rule], f"{normal(row.rule)} {row.out}x{held} ack", alarm=alarm)
    assert (alarm.alarm.priority, alarm.alarm.acked_by) == (row.priority, "nurse A")
    return alarm, held + 1


def ends(row: Row, value: float, times: int) -> list[float]:
    """Seconds after the first `value` at which the row's level ended."""
    alarm, start_s = after_ack(row)
    changes = fold(RULES[row.rule], f"{value}x{times}", alarm=alarm, start_s=start_s)
    left = [
        c
        for c in changes
        if c.before.condition == "active"
        and c.before.priority == row.priority
        and (c.after.condition == "idle" or c.after.priority.rank < c.before.priority.rank)
    ]
    return [(c.at_us - T0_US) / US - start_s for c in left]


@every
def test_a_value_short_of_the_clearing_one_never_ends_it(row: Row) -> None:
    # 100 s: an acknowledged alarm that lasts would sound again after 120 s
    assert ends(row, row.stays, 100) == []


@every
def test_the_clearing_value_ends_it_after_its_release_and_not_before(row: Row) -> None:
    assert ends(row, row.clears, row.release_s + 5) == [row.release_s]
    if row.release_s:
        assert ends(row, row.clears, row.release_s) == []


@streams
def test_a_release_that_is_interrupted_begins_anew(row: Row) -> None:
    alarm, start_s = after_ack(row)
    part = f"{row.clears}x{row.release_s - 1}"
    series = f"{part} {row.stays} {part} {row.stays}"
    fold(RULES[row.rule], series, alarm=alarm, start_s=start_s)
    assert (alarm.alarm.condition, alarm.alarm.priority) == ("active", row.priority)


@readings
def test_a_reading_needs_no_delay_and_the_next_valid_one_clears(row: Row) -> None:
    series = f"{normal(row.rule)} {row.out} ack {normal(row.rule)}"
    found = run(RULES[row.rule], series).split()
    assert found == [f"1:active/{row.priority}", "1.5:acknowledged", "2:idle"]


@pytest.mark.parametrize("rule", ["pr-high", "hr-high"])
def test_a_pulse_above_100_is_an_annotation_and_never_a_signal(rule: str) -> None:
    assert run(RULES[rule], "72 100x60") == ""
    alarm = RoomAlarm("room-1", RULES[rule], DOSED)
    assert run(RULES[rule], "72 101x60", alarm=alarm) == "16:active/info"
    assert not alarm.alarm.sounding
    assert run(RULES[rule], "72 101x20 95x12").endswith(":idle")


@pytest.mark.parametrize(
    ("score", "priority"),
    [(5, None), (4, "info"), (3, "medium"), (2, "medium"), (1, "high"), (0, "high")],
)
def test_a_sedation_score_is_judged_as_it_is_entered(score: int, priority: str | None) -> None:
    alarm = RoomAlarm("room-1", RULES["moaas-low"], DOSED)
    changes = alarm.sample(T0_US, score, by="nurse A")
    assert [str(c.after.priority) for c in changes] == ([priority] if priority else [])
    assert alarm.alarm.sounding is (priority in ("medium", "high"))
    if priority:
        assert alarm.alarm.entered_by == "nurse A"


def test_a_sedation_score_clears_at_the_next_score_above() -> None:
    assert run(RULES["moaas-low"], "5 1 ack 5") == "1:active/high 1.5:acknowledged 2:idle"
    assert "2:active/info" in run(RULES["moaas-low"], "5 3 ack 4").split()


@pytest.mark.parametrize(
    ("rule", "base", "medium", "annotated"),
    [("moaas-low", {}, 3, 4), ("sbp-high", {"nibp_sys": 110.0}, 165, 140)],
)
def test_a_value_that_is_only_annotated_is_no_new_violating_one(
    rule: str, base: dict[str, float], medium: float, annotated: float
) -> None:
    alarm = RoomAlarm("room-1", RULES[rule], Context(dose_us=1, baseline=base))
    alarm.sample(T0_US, medium)
    alarm.acknowledge(T0_US + US, "nurse A")
    changes = alarm.sample(T0_US + 300 * US, annotated)
    assert [c.cause for c in changes] == ["level fell"]


@pytest.mark.parametrize("row", [r for r in READINGS if r.priority == "medium"])
def test_a_medium_reading_shows_first_and_sounds_at_the_second_in_a_row(row: Row) -> None:
    alarm = RoomAlarm("room-1", RULES[row.rule], DOSED)
    alarm.sample(T0_US, row.out)
    assert (alarm.alarm.condition, alarm.alarm.silent) == ("active", True)
    assert not alarm.alarm.sounding
    (second,) = alarm.sample(T0_US + 300 * US, row.out)
    assert second.cause == "second reading"
    assert alarm.alarm.sounding


@pytest.mark.parametrize("row", [r for r in READINGS if r.priority == "medium"])
def test_two_medium_readings_that_are_not_in_a_row_do_not_sound(row: Row) -> None:
    for between in (row.clears, row.stays, row.inside, normal(row.rule)):
        alarm = RoomAlarm("room-1", RULES[row.rule], DOSED)
        for minute, value in enumerate((row.out, between, row.out)):
            alarm.sample(T0_US + minute * 300 * US, value)
            assert not alarm.alarm.sounding


@pytest.mark.parametrize("row", [r for r in READINGS if r.priority == "high"])
def test_a_high_reading_sounds_at_the_first(row: Row) -> None:
    alarm = RoomAlarm("room-1", RULES[row.rule], DOSED)
    alarm.sample(T0_US, row.out)
    assert alarm.alarm.sounding
    assert alarm.alarm.priority is Priority.HIGH


def test_a_high_reading_counts_as_the_first_of_two_medium_ones() -> None:
    alarm = RoomAlarm("room-1", RULES["sbp-high"], DOSED)
    alarm.sample(T0_US, 185.0)
    alarm.acknowledge(T0_US + US, "nurse A")
    alarm.sample(T0_US + 120 * US, 165.0)
    assert (alarm.alarm.priority, alarm.alarm.sounding) == (Priority.MEDIUM, True)
