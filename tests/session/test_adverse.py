"""Adverse events: entered once, followed until they have ended."""

from __future__ import annotations

from typing import Any

import pytest

from tests.room.world import OTHER, T0_US, World
from tests.session.restarting import restarted
from vitals.model import US, Event, SessionChange


def opened() -> World:
    return World(auto_nibp=False).open("iv", dose=True).at(600)


def known(world: World) -> dict[str, dict[str, Any]]:
    assert world.room.session is not None
    return {key: dict(event) for key, event in world.room.session.adverse.items()}


def told(world: World) -> list[Event]:
    return [o for o in world.outputs if isinstance(o, Event) and o.kind == "adverse_event"]


def test_a_new_event_goes_on_from_its_onset() -> None:
    world = opened()
    assert world.act(
        "adverse_event", what="Headache", severity="mild", onset_us=T0_US + 300 * US
    ).ok
    ((key, event),) = known(world).items()
    assert event == {
        "what": "Headache", "severity": "mild", "onset_us": T0_US + 300 * US, "action": "",
        "outcome": "ongoing", "serious": False, "by": "nurse A", "ended_us": None,
        "changed_us": world.now_us, "changed_by": "nurse A",
    }  # fmt: skip
    (mark,) = told(world)
    assert (mark.at_us, mark.body["id"], mark.body["text"]) == (
        T0_US + 300 * US, key, "Adverse event: Headache (mild, ongoing)",
    )  # fmt: skip


def test_a_later_word_changes_what_it_says_and_leaves_the_rest() -> None:
    world = opened()
    world.act("adverse_event", what="Vomiting", severity="moderate", serious=True)
    (key,) = known(world)
    world.at(900)
    assert world.act("adverse_event", OTHER, id=key, outcome="resolved", action="ondansetron").ok
    event = known(world)[key]
    assert (event["what"], event["severity"], event["serious"], event["by"]) == (
        "Vomiting", "moderate", True, "nurse A",
    )  # fmt: skip
    assert (event["outcome"], event["action"], event["ended_us"], event["changed_by"]) == (
        "resolved", "ondansetron", world.now_us, "nurse B",
    )  # fmt: skip
    assert told(world)[1].body["text"] == "Adverse event: Vomiting (moderate, serious, resolved)"
    world.at(1000)
    world.act("adverse_event", id=key, outcome="resolved with sequelae")
    assert known(world)[key]["ended_us"] == T0_US + 900 * US
    world.act("adverse_event", id=key, outcome="ongoing")
    assert known(world)[key]["ended_us"] is None


def test_a_corrected_onset_moves_its_point_and_keeps_the_first() -> None:
    world = opened()
    world.act("adverse_event", what="Vertigo", severity="mild")
    (key,) = known(world)
    world.act("adverse_event", id=key, onset_us=T0_US + 120 * US)
    world.act("adverse_event", id=key, onset_us=T0_US + 180 * US)
    world.act("adverse_event", id=key, action="lies down")
    last = told(world)[-1]
    assert (last.at_us, last.body["first_us"]) == (T0_US + 180 * US, T0_US + 600 * US)


def test_two_events_are_two() -> None:
    world = opened()
    world.act("adverse_event", what="Headache", severity="mild")
    world.act("adverse_event", what="Headache", severity="severe")
    assert [event["severity"] for event in known(world).values()] == ["mild", "severe"]


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"what": "x"},
        {"what": " ", "severity": "mild"},
        {"what": "x", "severity": "awful"},
        {"what": "x", "severity": "mild", "outcome": "gone"},
        {"what": "x", "severity": "mild", "serious": 1},
        {"what": "x", "severity": "mild", "serious": "no"},
        {"what": "x", "severity": "mild", "onset_us": T0_US - 1},
        {"what": "x", "severity": "mild", "onset_us": T0_US + 601 * US},
        {"what": "x", "severity": "mild", "onset_us": 1.5},
        {"what": "x", "severity": "mild", "id": "unknown"},
        {"what": "x" * 501, "severity": "mild"},
        {"what": "x", "severity": "mild", "action": 3},
    ],
)
def test_an_impossible_event_is_refused(args: dict[str, object]) -> None:
    world = opened()
    assert not world.act("adverse_event", **args).ok
    assert known(world) == {}
    assert told(world) == []


def test_events_survive_a_restart_and_go_on() -> None:
    world = opened()
    world.act("adverse_event", what="Headache", severity="mild")
    (key,) = known(world)
    again = restarted(world)
    assert known(again) == known(world)
    assert again.act("adverse_event", id=key, outcome="resolved").ok


def test_the_session_change_names_the_event() -> None:
    world = opened()
    world.act("adverse_event", what="Headache", severity="mild")
    change = [o for o in world.outputs if isinstance(o, SessionChange)][-1]
    assert (change.cause, list(known(world))) == ("adverse event", [change.body["id"]])
