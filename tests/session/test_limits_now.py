"""The limits that a page draws are those that hold for this patient now."""

from __future__ import annotations

from tests.room.world import PRESCRIBER, World
from vitals.session.view import LimitNow, care_view


def limits(world: World, channel: str) -> list[LimitNow]:
    found = care_view(world.room, world.now_us)
    assert found is not None
    return [limit for limit in found.limits if limit.channel == channel]


def dosed(sys: int, dia: int, *, baseline: bool = True) -> World:
    world = World(auto_nibp=False).open("intranasal")
    for second in (10, 320) if baseline else ():
        world.at(second).reading(sys, dia)
    world.at(700)
    assert world.act("dose").ok
    return world


def high(world: World) -> dict[str, tuple[float, str]]:
    return {
        limit.priority: (limit.limit, limit.why)
        for limit in limits(world, "nibp_sys")
        if limit.side == "high"
    }


def test_the_stricter_of_the_profiles_limit_and_the_one_from_the_baseline_is_told() -> None:
    assert high(dosed(110, 70)) == {"medium": (150.0, "baseline +40"), "high": (180.0, "")}
    assert high(dosed(130, 70)) == {"medium": (160.0, ""), "high": (180.0, "")}


def test_without_a_baseline_they_are_the_profiles() -> None:
    assert high(dosed(0, 0, baseline=False)) == {"medium": (160.0, ""), "high": (180.0, "")}


def test_technical_rules_and_notes_are_no_lines() -> None:
    found = care_view(dosed(120, 75).room, dosed(120, 75).now_us)
    assert found is not None
    assert {limit.side for limit in found.limits} <= {"high", "low"}
    assert {limit.priority for limit in found.limits} == {"high", "medium"}


def test_an_own_limit_of_the_patient_is_told_with_that_word() -> None:
    world = dosed(120, 75)
    args = {"rule": "pr-low", "level": 0, "limit": 45, "reason": "athlete"}
    assert world.act("set_limit", PRESCRIBER, **args).ok
    (own,) = [limit for limit in limits(world, "pr") if limit.why]
    assert (own.limit, own.priority, own.why) == (45.0, "medium", "this patient's limit")
