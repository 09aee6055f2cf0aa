"""Scores that people enter."""

from __future__ import annotations

from typing import Any

import pytest

from tests.room.world import OTHER, T0_US, World
from tests.session.restarting import restarted
from vitals.model import US, Actor, Event


def opened() -> World:
    return World(auto_nibp=False).open("iv", dose=True).at(600)


def kept(world: World, scale: str) -> dict[str, Any]:
    assert world.room.session is not None
    return dict(world.room.session.scores[scale])


def told(world: World) -> list[Event]:
    return [o for o in world.outputs if isinstance(o, Event) and o.kind == "score"]


def test_a_score_is_kept_with_its_time_and_words() -> None:
    world = opened()
    assert world.act("score", scale="moaas", value=4).ok
    assert kept(world, "moaas") == {
        "value": 4, "at_us": world.now_us, "by": "nurse A",
        "text": "Sedation (MOAA/S) 4: lethargic to name", "all": [[world.now_us, 4]],
    }  # fmt: skip
    assert (told(world)[0].at_us, told(world)[0].body["text"]) == (
        world.now_us, "Sedation (MOAA/S) 4: lethargic to name",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("scale", "value", "text"),
    [
        ("rass", -5, "Agitation–sedation (RASS) -5: unarousable"),
        ("rass", 4, "Agitation–sedation (RASS) 4: combative"),
        ("pain", 10, "Pain 10"),
        ("moaas", "not_roused", "Sedation (MOAA/S) 0: not roused"),
        ("nausea_score", 3, "Nausea 3: severe"),
    ],
)
def test_each_step_has_its_word(scale: str, value: object, text: str) -> None:
    world = opened()
    assert world.act("score", scale=scale, value=value).ok
    assert kept(world, scale)["text"] == text


def test_several_numbers_are_summed() -> None:
    world = opened()
    items = {f"item{n}": n % 5 for n in range(1, 7)}
    assert world.act("score", scale="cadss6", **items).ok
    assert kept(world, "cadss6")["value"] == 11
    assert told(world)[0].body["items"] == [1, 2, 3, 4, 0, 1]
    assert world.act("score", scale="cadss6", value=11, **items).ok
    assert world.act("score", scale="cadss6", value=7).ok  # the sum alone


@pytest.mark.parametrize(
    "args",
    [
        {"scale": "apgar", "value": 9},
        {"scale": "moaas"},
        {"scale": "moaas", "value": 6},
        {"scale": "moaas", "value": -1},
        {"scale": "moaas", "value": 4.0},
        {"scale": "moaas", "value": True},
        {"scale": "moaas", "value": "4"},
        {"scale": "rass", "value": "not_roused"},
        {"scale": "cadss6", "value": 25},
        {"scale": "cadss6", "item1": 1},
        {"scale": "cadss6", **{f"item{n}": 5 for n in range(1, 7)}},
        {"scale": "cadss6", "value": 3, **{f"item{n}": 1 for n in range(1, 7)}},
        {"scale": "cadss6", **{f"item{n}": True for n in range(1, 7)}},
        {"scale": "moaas", "value": 4, "at_us": T0_US - 1},
        {"scale": "moaas", "value": 4, "at_us": T0_US + 601 * US},
    ],
)
def test_an_impossible_score_is_refused(args: dict[str, object]) -> None:
    world = opened()
    assert not world.act("score", **args).ok
    assert world.room.session is not None
    assert world.room.session.scores == {}


def test_sedation_is_judged_and_rings_elsewhere_than_on_the_page_of_who_entered_it() -> None:
    world = opened()
    world.act("score", OTHER, scale="moaas", value=1)
    assert world.alarm("moaas-low") == "active/high"
    assert world.state("moaas-low").entered_by == "nurse B"
    world.act("score", scale="pain", value=10)
    assert not [alarm for alarm in world.room.alarms if alarm.rule.startswith("pain")]


def test_a_score_of_before_is_kept_in_order_and_only_the_newest_is_judged() -> None:
    world = opened()
    world.act("score", scale="moaas", value=5)
    world.act("score", OTHER, scale="moaas", value=1, at_us=T0_US + 300 * US)
    assert world.alarm("moaas-low") == "idle"
    assert (kept(world, "moaas")["value"], kept(world, "moaas")["by"]) == (5, "nurse A")
    assert kept(world, "moaas")["all"] == [[T0_US + 300 * US, 1], [T0_US + 600 * US, 5]]
    assert [event.at_us for event in told(world)] == [T0_US + 600 * US, T0_US + 300 * US]


def test_of_two_at_the_same_moment_the_later_word_counts() -> None:
    world = opened()
    world.act("score", scale="moaas", value=5)
    world.act("score", scale="moaas", value=4)
    assert kept(world, "moaas")["value"] == 4


def test_the_session_keeps_the_newest_sixty() -> None:
    world = opened()
    for second in range(70):
        world.at(600 + second)
        world.act("score", scale="pain", value=second % 11)
    every = kept(world, "pain")["all"]
    assert (len(every), every[-1][0]) == (60, world.now_us)


def test_scores_survive_a_restart() -> None:
    world = opened()
    world.act("score", scale="moaas", value=3)
    assert kept(restarted(world), "moaas") == kept(world, "moaas")


def test_a_therapist_may_score() -> None:
    assert opened().act("score", Actor("T", "therapist"), scale="distress", value=3).ok
