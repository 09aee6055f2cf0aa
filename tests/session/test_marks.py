"""Marks: one tap or a note, for now or for before, corrected with a reason, rechecked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.room.world import OTHER, T0_US, World
from tests.session.restarting import restarted
from vitals.model import US, DeviceRequest, Due, Event
from vitals.session.due import DueList

MIN = 60


def opened(route: str = "iv", *, auto: bool = False) -> World:
    world = World(auto_nibp=auto).open(route, dose=True)
    return world.at(30 * MIN)


def events(world: World) -> list[Event]:
    return [o for o in world.outputs if isinstance(o, Event) and o.kind == "mark"]


def due(world: World, what: str) -> Due:
    return world.room.due.items[what]


def test_a_note_is_a_mark_of_now() -> None:
    world = opened()
    assert world.act("mark", text="  patient smiles ").ok
    (event,) = events(world)
    assert (event.at_us, event.actor, event.body["text"]) == (
        world.now_us, "nurse A", "patient smiles",
    )  # fmt: skip


def test_one_tap_says_what_the_clinic_calls_it_and_a_note_may_be_added() -> None:
    world = opened()
    world.act("mark", kind="nausea")
    world.act("mark", kind="oxygen", text="2 l/min")
    assert [(e.body["mark"], e.body["text"]) for e in events(world)] == [
        ("nausea", "Nausea"), ("oxygen", "O2 given: 2 l/min"),
    ]  # fmt: skip


def test_a_mark_may_be_of_before_but_not_of_the_future_or_before_arrival() -> None:
    world = opened()
    assert world.act("mark", kind="nausea", at_us=T0_US + 60 * US).ok
    assert events(world)[0].at_us == T0_US + 60 * US
    for at_us in (world.now_us + 1, T0_US - 1, 1.5, True, "now"):
        assert not world.act("mark", kind="nausea", at_us=at_us).ok
    assert len(events(world)) == 1


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({}, "what happened"),
        ({"text": "   "}, "what happened"),
        ({"kind": "sneeze"}, "no mark 'sneeze'"),
        ({"kind": "swallowed"}, "sublingual sessions only"),
        ({"text": "x" * 501}, "longer"),
        ({"text": 3}, "must be a text"),
    ],
)
def test_an_impossible_mark_is_refused(args: dict[str, object], said: str) -> None:
    world = opened()
    assert said in world.act("mark", **args).error
    assert events(world) == []


def test_a_mark_of_one_route_is_there_on_that_route() -> None:
    assert opened("sublingual").act("mark", kind="swallowed").ok


# --- corrections --------------------------------------------------------------------------------


def test_a_corrected_mark_keeps_who_made_it_and_when_it_was_entered_first() -> None:
    world = opened()
    world.act("mark", kind="nausea")
    first = events(world)[0]
    key = first.body["id"]
    world.at(31 * MIN)
    at_us = T0_US + 20 * MIN * US
    assert world.act("correct_mark", OTHER, mark=key, at_us=at_us, reason="wrong clock").ok
    second = events(world)[1]
    assert (second.at_us, second.actor, second.kind) == (at_us, "nurse B", "mark")
    assert second.body == {
        **first.body, "first_us": first.at_us, "from_us": first.at_us, "reason": "wrong clock",
    }  # fmt: skip
    world.act("correct_mark", mark=key, at_us=at_us + US, reason="again")
    third = events(world)[2]
    assert (third.body["first_us"], third.body["from_us"]) == (first.at_us, at_us)


@pytest.mark.parametrize(
    "wrong",
    [{"mark": "x"}, {"reason": ""}, {"at_us": None}, {"at_us": T0_US - 1},
     {"at_us": T0_US + 3600 * US}, {"at_us": T0_US + 30 * MIN * US}],
)  # fmt: skip
def test_an_impossible_correction_is_refused(wrong: dict[str, object]) -> None:
    world = opened()
    world.act("mark", kind="nausea")
    args = {"mark": events(world)[0].body["id"], "at_us": T0_US + US, "reason": "wrong", **wrong}
    assert not world.act("correct_mark", **args).ok
    del args["at_us"]
    assert not world.act("correct_mark", **args).ok
    assert len(events(world)) == 1


def test_a_mark_can_be_corrected_after_a_restart() -> None:
    world = opened()
    world.act("mark", kind="antihypertensive")
    key = events(world)[0].body["id"]
    world.act("correct_mark", mark=key, at_us=T0_US + 25 * MIN * US, reason="wrong")
    again = restarted(world)
    assert due(again, "recheck-1").at_us == T0_US + 35 * MIN * US
    assert again.act("correct_mark", mark=key, at_us=T0_US + 28 * MIN * US, reason="again").ok
    assert events(again)[0].body["first_us"] == T0_US + 30 * MIN * US
    assert due(again, "recheck-1").at_us == T0_US + 38 * MIN * US
    again.act("mark", kind="antihypertensive")
    assert "recheck-2" in again.room.due.items


# --- rechecks -----------------------------------------------------------------------------------


def test_a_mark_that_is_rechecked_owes_a_reading_that_any_later_one_pays() -> None:
    world = opened()
    world.act("mark", kind="antihypertensive")
    found = due(world, "recheck-1")
    assert (found.at_us, found.state) == (T0_US + 40 * MIN * US, "coming")
    assert found.label == "BP after: Antihypertensive given"
    assert events(world)[0].body["recheck"] == "recheck-1"
    world.at(39 * MIN).reading(120)
    assert due(world, "recheck-1").state == "coming"  # before its time
    world.at(40 * MIN).tick()
    assert due(world, "recheck-1").state == "due"
    world.at(43 * MIN).reading(120)
    assert (due(world, "recheck-1").state, due(world, "recheck-1").done_us) == (
        "done", world.now_us,
    )  # fmt: skip


def test_a_recheck_and_the_schedule_do_not_take_each_others_readings() -> None:
    world = opened("intranasal").at(29 * MIN)
    world.act("mark", kind="antihypertensive")
    world.at(39 * MIN + 30).reading(120)  # early enough for the schedule, too early for the recheck
    assert (due(world, "nibp+40").state, due(world, "recheck-1").state) == ("done", "done")
    world.at(50 * MIN)
    world.act("mark", kind="antihypertensive")
    world.at(59 * MIN).reading(120)
    assert (due(world, "nibp+60").state, due(world, "recheck-2").state) == ("done", "coming")


def test_a_recheck_is_asked_of_a_cuff_that_can() -> None:
    world = opened("intranasal", auto=True).at(21 * MIN)
    world.reading(120)
    world.act("mark", kind="antihypertensive")
    asked = [o for s in range(30 * MIN, 32 * MIN) for o in world.at(s).tick()
             if isinstance(o, DeviceRequest)]  # fmt: skip
    assert len(asked) == 1


def test_a_late_mark_is_rechecked_by_what_was_measured_since() -> None:
    world = opened().at(35 * MIN)
    world.reading(150)
    world.at(50 * MIN)
    world.act("mark", kind="antihypertensive", at_us=T0_US + 20 * MIN * US)
    assert (due(world, "recheck-1").state, due(world, "recheck-1").done_us) == (
        "done", T0_US + 35 * MIN * US,
    )  # fmt: skip
    world.act("mark", kind="antihypertensive", at_us=T0_US + 30 * MIN * US)
    found = due(world, "recheck-2")
    assert (found.state, found.at_us) == ("coming", world.now_us)  # nobody could know before


def test_a_correction_moves_the_recheck_that_is_still_owed() -> None:
    world = opened()
    world.act("mark", kind="antihypertensive")
    key = events(world)[0].body["id"]
    world.at(31 * MIN).reading(150)
    world.act("correct_mark", mark=key, at_us=T0_US + 20 * MIN * US, reason="was before")
    assert due(world, "recheck-1").state == "done"
    world.act("correct_mark", mark=key, at_us=T0_US + 30 * MIN * US, reason="was not")
    assert due(world, "recheck-1").state == "done"  # taken is taken


@pytest.mark.parametrize("pays", ["nibp-discharge", "recheck-7"])
def test_a_restored_recheck_is_still_owed(pays: str) -> None:
    restored = DueList()
    restored.restore([Due("room-1", pays, T0_US, state="due")])
    (paid,) = restored.reading(T0_US + US)
    assert (paid.what, paid.state) == (pays, "done")


@settings(max_examples=200)
@given(
    st.lists(st.integers(0, 200), max_size=8),
    st.lists(st.integers(0, 200), min_size=1, max_size=8),
)
def test_rechecks_change_nothing_for_the_schedule(rechecks: list[int], readings: list[int]) -> None:
    plan = [Due("r", f"nibp+{m}", T0_US + m * MIN * US) for m in (0, 20, 40, 60, 90, 120)]
    extra = [Due("r", f"recheck-{n}", T0_US + m * MIN * US) for n, m in enumerate(rechecks)]
    bare, both = DueList(plan), DueList([*plan, *extra])
    for minute in sorted(readings):
        at_us = T0_US + minute * MIN * US
        for one in (bare, both):
            one.advance(at_us)
            one.reading(at_us)
    for item in plan:
        assert both.items[item.what] == bare.items[item.what]
    for item in extra:
        first = min((m for m in readings if T0_US + m * MIN * US >= item.at_us), default=None)
        expected = replace(item, state="done", done_us=first and T0_US + first * MIN * US)
        found = both.items[item.what]
        if first is None:
            assert found.state in ("coming", "due", "overdue")
        else:
            assert (found.state, found.done_us) == ("done", T0_US + first * MIN * US)
            assert expected.what == found.what
