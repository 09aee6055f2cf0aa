"""What the simulated nurse does, and when."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from simulators.cohort import run
from simulators.nurse import Nurse, Plan
from vitals.alarms.profile import load
from vitals.model import Alarm, AlarmChange, Priority, Result, Session, SessionChange

QUIET = Alarm("room-1", "sbp-high")
LOUD = Alarm("room-1", "sbp-high", 1, Priority.HIGH, "active")


def nurse() -> Nurse:
    return Nurse(np.random.default_rng(1))


def kinds(plans: Iterable[Plan]) -> list[str]:
    return [plan.kind for plan in plans]


def dosed(someone: Nurse) -> Nurse:
    session = Session("s", "room-1", "P-1", "iv", 0, dose_us=0)
    list(someone.hears(600, [SessionChange(0, session, "dose")]))
    return someone


def test_the_dose_waits_for_two_readings_five_minutes_apart() -> None:
    someone = nurse()
    assert not list(someone.reads(30, 128, 80))
    assert not list(someone.reads(200, 126, 80))
    (plan,) = someone.reads(335, 130, 82)
    assert (plan.kind, 395 <= plan.at_s <= 575) == ("dose", True)
    assert not list(someone.reads(400, 131, 82))


def test_either_reading_above_the_gate_holds_the_dose() -> None:
    for first, second in (((141, 80), (120, 80)), ((120, 80), (120, 91))):
        someone = nurse()
        list(someone.reads(30, *first))
        (plan,) = someone.reads(335, *second)
        assert plan.kind == "close_session"
        assert someone.held == (first, second)
    someone = nurse()
    list(someone.reads(30, 140, 90))
    assert kinds(someone.reads(335, 140, 90)) == ["dose"]


def test_a_held_visit_ends_without_a_dose() -> None:
    done = next(d for d in (run(s, load(), oximeter=False) for s in range(100)) if d.held)
    assert done.dose_s is None
    assert done.session.dose_us is None
    assert done.session.phase == "CLOSED"
    assert max(max(s / 140, d / 90) for s, d in done.held) > 1


def test_an_alarm_that_begins_to_sound_is_acknowledged_once() -> None:
    someone = nurse()
    change = AlarmChange(0, QUIET, LOUD, 185, 180, "condition met")
    (plan,) = someone.hears(1000, [change])
    assert (plan.kind, plan.args["rule"]) == ("acknowledge", "sbp-high")
    assert 1008 <= plan.at_s <= 1040
    assert not list(someone.hears(1005, [change]))
    assert not list(someone.acknowledges(1020, "sbp-high"))
    assert kinds(someone.hears(1200, [change])) == ["acknowledge"]


def test_a_missing_reading_is_taken_again_by_hand() -> None:
    assert kinds(nurse().acknowledges(1000, "nibp-failed")) == ["start_nibp"]


def test_two_severe_readings_in_a_row_are_treated_once() -> None:
    someone = dosed(nurse())
    assert not list(someone.reads(1200, 181, 95))
    assert not list(someone.reads(1500, 170, 95))
    assert not list(someone.reads(1800, 180, 95))
    (plan,) = someone.reads(2100, 182, 95)
    assert (plan.kind, plan.args["text"]) == ("mark", "antihypertensive given")
    assert not list(someone.reads(2400, 190, 95))


def test_a_refused_closing_is_tried_again() -> None:
    (plan,) = nurse().hears(9000, [Result("visit-1-9-close_session", ok=False, error="no")])
    assert (plan.kind, plan.at_s) == ("close_session", 9030)


def test_a_visit_ends_two_hours_after_the_dose() -> None:
    someone = nurse()
    session = Session("s", "room-1", "P-1", "iv", 0, dose_us=0)
    plans = list(someone.hears(600, [SessionChange(0, session, "dose")]))
    assert plans[-1] == Plan(600 + 7200 + 120, "close_session")
