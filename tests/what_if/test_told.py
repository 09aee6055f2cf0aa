"""From the changes of an alarm to the alarms that a nurse would count."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vitals.alarms.told import Told, told
from vitals.model import US, Alarm, AlarmChange, Priority

STATES = {
    "idle": Alarm("r", "x"),
    "pending": Alarm("r", "x", 0, Priority.MEDIUM, "pending"),
    "note": Alarm("r", "x", 0, Priority.INFO, "active"),
    "low": Alarm("r", "x", 0, Priority.LOW, "active"),
    "medium": Alarm("r", "x", 1, Priority.MEDIUM, "active"),
    "high": Alarm("r", "x", 2, Priority.HIGH, "active"),
    "hold": Alarm("r", "x", 1, Priority.MEDIUM, "active", silent=True),
    "acked": Alarm("r", "x", 1, Priority.MEDIUM, "active", acked_by="A"),
    "paused": Alarm("r", "x", 1, Priority.MEDIUM, "active", signal="paused"),
    "off": Alarm("r", "x", 1, Priority.MEDIUM, "active", rule_state="off"),
    "latched": Alarm("r", "x", 2, Priority.HIGH, "latched"),
    "message": Alarm("r", "x", 1, Priority.MEDIUM, "latched"),
}


def counted(
    line: str, rule: str = "x", end_s: int = 100, down: tuple[tuple[int, int], ...] = ()
) -> list[Told]:
    """`"3:medium 9:idle"`: at second 3 it was this, at 9 that."""
    changes, before = [], STATES["idle"]
    for word in line.split():
        second, state = word.split(":")
        after = replace(STATES[state], rule=rule)
        changes.append(AlarmChange(int(second) * US, before, after, None, None, ""))
        before = after
    spans = [(a * US, b * US) for a, b in down]
    return list(told(changes, end_s * US, spans))


@pytest.mark.parametrize(
    ("line", "alarms"),
    [  # (met, over, active, sounding), seconds
        ("1:pending 4:idle", []),
        ("1:note 9:idle", []),
        ("1:pending 4:medium 9:idle", [(4, 9, 5, 5)]),
        ("4:medium 6:high 9:idle", [(4, 9, 5, 5)]),
        ("4:note 6:medium 9:note 12:idle", [(6, 9, 3, 3)]),
        ("4:low 9:idle", [(4, 9, 5, None)]),
        ("4:hold 9:idle", [(4, 9, 5, None)]),
        ("4:hold 7:medium 9:idle", [(4, 9, 5, 2)]),
        ("4:medium 6:acked 20:medium 23:acked 30:idle", [(4, 30, 26, 5)]),
        ("4:medium 6:paused 8:medium 9:off 12:idle", [(4, 12, 8, 3)]),
        ("4:high 9:latched 20:idle", [(4, 9, 5, 16)]),
        ("4:medium 9:message 20:idle", [(4, 9, 5, 5)]),
        # met again while it latches: two alarms, and it was heard all the time
        ("4:high 9:latched 20:high 22:latched 30:idle", [(4, 9, 5, 16), (20, 22, 2, 10)]),
        ("4:medium 9:idle 20:low 22:idle", [(4, 9, 5, 5), (20, 22, 2, None)]),
        ("90:medium", [(90, 100, 10, 10)]),
    ],
)
def test_alarms_are_counted_from_the_condition_to_its_end(
    line: str, alarms: list[tuple[int, int, int, int | None]]
) -> None:
    found = [
        (
            each.met_us / US,
            each.over_us / US,
            each.active_us / US,
            each.sounding_us / US if each.sounded else None,
        )
        for each in counted(line)
    ]
    assert found == alarms
    assert all(each.sounded or not each.sounding_us for each in counted(line))


def test_an_alarm_that_sounds_at_the_end_is_unanswered() -> None:
    for line in ("90:high", "90:high 95:latched", "90:high 100:idle"):
        assert [each.unanswered for each in counted(line)] == [True], line
    for line in ("90:high 99:idle", "90:acked 100:idle", "90:low 100:idle", "90:medium 95:acked"):
        assert [each.unanswered for each in counted(line)] == [False], line


def test_time_in_which_the_program_was_down_is_no_time_of_an_alarm() -> None:
    (alarm,) = counted("10:high 40:latched 60:idle", down=((20, 25), (35, 50)))
    assert (alarm.active_us, alarm.sounding_us) == (20 * US, 30 * US)


def test_alarms_of_devices_are_of_one_rule_and_of_rooms_without_session_of_none() -> None:
    assert [each.rule for each in counted("1:low 2:idle", "link-lost:ox")] == ["link-lost"]
    assert not counted("1:low 2:idle", "open-session")
