"""Doses, parts, boosters, the end of an infusion, and corrections of their times."""

from __future__ import annotations

from typing import Any

import pytest

from tests.room.world import NURSE, OTHER, T0_US, World
from vitals.model import US, Due, SessionChange

MIN = 60


def minute_us(minute: float) -> int:
    return T0_US + round(minute * MIN * US)


def owed(world: World, prefix: str = "nibp") -> dict[str, tuple[float, str]]:
    """what -> (minute, state)."""
    return {
        due.what: ((due.at_us - T0_US) / US / MIN, due.state)
        for due in world.room.due
        if due.what.startswith(prefix)
    }


def changes(world: World, cause: str) -> list[SessionChange]:
    return [o for o in world.outputs if isinstance(o, SessionChange) and o.cause == cause]


def session(world: World) -> Any:
    assert world.room.session is not None
    return world.room.session


def dosed(route: str = "iv", minute: float = 10) -> World:
    world = World().open(route)
    world.at(minute * MIN)
    assert world.act("dose", drug="ketamine", mg=40, lot="A1").ok
    return world


def test_a_dose_keeps_what_was_given() -> None:
    dose = session(dosed()).doses[0]
    assert (dose.n, dose.kind, dose.drug, dose.mg, dose.lot) == (1, "dose", "ketamine", 40.0, "A1")
    assert dose.at_us == session(dosed()).dose_us == minute_us(10)


def test_details_can_follow() -> None:
    world = World().open()
    assert world.act("dose").ok
    assert world.act("dose_details", n=1, mg=35.5, witness="nurse B").ok
    dose = session(world).doses[0]
    assert (dose.mg, dose.witness, dose.by) == (35.5, "nurse B", "nurse A")


@pytest.mark.parametrize("mg", [0, -1, 2001, 10**400, float("nan"), float("inf"), True, "40"])
def test_an_impossible_dose_is_refused(mg: object) -> None:
    world = World().open()
    assert not world.act("dose", mg=mg).ok
    assert session(world).dose_us is None


@pytest.mark.parametrize("minute", [-1, 30])
def test_a_dose_before_arrival_or_in_the_future_is_refused(minute: float) -> None:
    world = World().open()
    world.at(20 * MIN)
    assert not world.act("dose", at_us=minute_us(minute)).ok


def test_a_second_dose_is_refused_and_a_part_never_restarts_a_clock() -> None:
    world = dosed("intranasal")
    before = owed(world)
    world.at(15 * MIN)
    assert not world.act("dose").ok
    assert world.act("part", mg=28).ok
    after = session(world)
    assert after.dose_us == minute_us(10)
    assert [(dose.kind, dose.at_us) for dose in after.doses] == [
        ("dose", minute_us(10)), ("part", minute_us(15)),
    ]  # fmt: skip
    assert owed(world) == before


def test_a_part_or_booster_needs_a_dose() -> None:
    world = World().open()
    for kind in ("part", "booster", "dose_details", "infusion_end"):
        assert not world.act(kind).ok


def test_a_booster_owes_its_own_readings_where_none_is_near() -> None:
    world = dosed("im", 0)
    world.at(22 * MIN)
    assert world.act("booster").ok
    new = owed(world, "nibp-booster2+")
    # of the route's 5 10 15 20 30 40 55 …, those within 5 min of 30 40 55 70 85 100 115 are merged
    assert all(
        min(abs(minute - other) for other in (30, 40, 55, 70, 85, 100, 115)) > 5
        for minute, _ in new.values()
    )
    assert [round(minute) for minute, _ in new.values()] == [62, 77, 92, 107, 122, 137]


def test_the_end_of_an_infusion_plans_its_readings_anew() -> None:
    world = dosed("iv", 0)
    world.at(25 * MIN)
    assert world.act("infusion_end").ok
    still = {w: m for w, (m, s) in owed(world).items() if s in ("coming", "due", "overdue")}
    assert set(still.values()) >= {10, 20, 30, 40, 55, 70, 85, 100, 115}
    assert 50 not in still.values()
    assert 60 not in still.values()
    assert not world.act("infusion_end").ok


def test_other_routes_have_no_infusion() -> None:
    world = dosed("im")
    assert not world.act("infusion_end").ok


def test_a_corrected_first_dose_moves_its_clocks_and_keeps_the_first_entry() -> None:
    world = dosed("intranasal", 10)
    world.at(20 * MIN)
    assert not world.act("correct_dose", n=1, at_us=minute_us(5)).ok  # without a reason
    assert world.act("correct_dose", n=1, at_us=minute_us(5), reason="marked late").ok
    after = session(world)
    assert after.dose_us == after.doses[0].at_us == minute_us(5)
    assert after.doses[0].marked_us == minute_us(10)
    assert owed(world)["nibp+20"] == (25, "coming")
    body = changes(world, "dose corrected")[0].body
    assert (body["from_us"], body["to_us"]) == (minute_us(10), minute_us(5))
    # the phases follow the corrected clock: 0-60-90
    world.at(64.9 * MIN).tick()
    assert session(world).phase == "ONSET_PEAK"
    world.at(65.1 * MIN).tick()
    assert session(world).phase == "DESCENT"


def test_what_is_owed_already_by_the_corrected_clock_is_said_at_once() -> None:
    world = dosed("intranasal", 10)
    world.at(29 * MIN)
    world.act("correct_dose", n=1, at_us=minute_us(5), reason="marked late")
    assert owed(world)["nibp+20"] == (25, "overdue")
    assert any(isinstance(o, Due) and o.what == "nibp+20" and o.state == "overdue"
               for o in world.outputs)  # fmt: skip


def test_readings_that_were_taken_stay_taken_when_the_dose_is_corrected() -> None:
    world = dosed("intranasal", 10)
    world.at(30 * MIN).reading(120)
    world.at(31 * MIN)
    world.act("correct_dose", n=1, at_us=minute_us(5), reason="marked late")
    assert owed(world)["nibp+20"][1] == "done"


@pytest.mark.parametrize("n", [0, 2, "1", True, None])
def test_a_dose_that_is_not_there_cannot_be_corrected(n: object) -> None:
    world = dosed()
    world.at(30 * MIN)
    assert not world.act("correct_dose", n=n, at_us=minute_us(11), reason="x").ok


def test_the_second_person_sees_the_firsts_act_and_confirms() -> None:
    world = World().open()
    seen = session(world).rev
    assert world.act("check", by=NURSE).ok is False  # unknown acts change nothing
    world.at(60)
    assert world.act("dose", by=NURSE, seen=seen).ok
    world.at(64)
    refused = world.act("booster", by=OTHER, seen=seen)
    assert not refused.ok
    assert refused.error == "nurse A: dose, 4 s ago. Look again, then confirm"
    assert world.act("booster", by=OTHER, seen=session(world).rev).ok


def test_a_rev_that_never_was_is_no_reason_to_look_again() -> None:
    assert World().open().act("dose", seen=-1).ok


def test_ones_own_acts_need_no_second_look() -> None:
    world = World().open()
    seen = session(world).rev
    world.act("dose", by=NURSE, seen=seen)
    assert world.act("part", by=NURSE, seen=seen).ok
