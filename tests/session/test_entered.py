"""Readings that people take, or do not take."""

from __future__ import annotations

from typing import Any

import pytest

from tests.room.world import OTHER, OXIMETER, T0_US, World
from vitals.model import US, DeviceRequest, Event, Flag, Numeric, RoomDevice, StopNibp

MIN = 60


def dosed(route: str = "intranasal") -> World:
    world = World().open(route, dose=True)
    world.vitals(range(1, 10))
    return world


def entered(world: World) -> list[Numeric]:
    return [o for o in world.outputs if isinstance(o, Numeric)]


def state(world: World, what: str) -> str:
    return next(due.state for due in world.room.due if due.what == what)


def test_a_reading_by_hand_is_marked_and_pays_what_is_owed() -> None:
    world = dosed()
    world.at(20 * MIN)
    assert world.act("reading", nibp_sys=142, nibp_dia=88, method="manual cuff").ok
    found = entered(world)
    assert [(n.channel, n.value, n.device, n.flags) for n in found] == [
        ("nibp_sys", 142.0, "", {Flag.MANUAL}),
        ("nibp_dia", 88.0, "", {Flag.MANUAL}),
    ]
    assert state(world, "nibp+20") == "done"


def test_a_reading_of_some_minutes_ago_counts_from_then() -> None:
    world = dosed()
    world.at(25 * MIN)
    at_us = T0_US + 21 * MIN * US
    assert world.act("reading", nibp_sys=120, nibp_dia=80, at_us=at_us).ok
    assert entered(world)[0].at_us == at_us
    due = next(due for due in world.room.due if due.what == "nibp+20")
    assert (due.state, due.done_us) == ("done", at_us)


def test_a_reading_by_hand_obeys_the_limits_and_is_its_persons_own_alarm() -> None:
    world = dosed()
    world.at(20 * MIN)
    world.act("reading", nibp_sys=190, nibp_dia=95)
    assert world.alarm("sbp-high") == "active/high"
    assert world.state("sbp-high").entered_by == "nurse A"
    assert world.state("sbp-high").sounding


def test_an_older_reading_is_recorded_and_not_judged() -> None:
    world = dosed()
    world.at(25 * MIN).reading(120)
    at_us = T0_US + 22 * MIN * US
    world.act("reading", nibp_sys=190, nibp_dia=95, at_us=at_us)
    assert len(entered(world)) == 2
    assert world.alarm("sbp-high") == "idle"


def test_the_next_cuff_reading_takes_over_at_once() -> None:
    world = dosed()
    world.at(20 * MIN)
    world.act("reading", nibp_sys=190, nibp_dia=95)
    world.at(20 * MIN + 2).reading(120)
    assert world.alarm("sbp-high") in ("idle", "latched/high")
    newest = world.room.bed.sources.newest("nibp_sys")
    assert newest is not None
    assert newest.value == 120


def test_a_saturation_by_hand_never_hides_a_silent_oximeter() -> None:
    world = dosed()  # last value at 9 s
    world.at(60)
    assert world.alarm("signal-lost") == "active/high" or world.tick() is not None
    world.at(61)
    assert world.act("reading", spo2=97).ok
    world.at(62).tick()
    assert world.alarm("signal-lost") == "active/high"
    newest = world.room.bed.sources.newest("spo2")
    assert newest is not None
    assert (newest.device, newest.value) == ("", 97)


def test_a_saturation_by_hand_is_judged_where_no_stream_speaks() -> None:
    world = dosed()
    world.at(120)
    world.act("reading", spo2=85)
    assert world.alarm("spo2-low") == "active/high"


def test_a_saturation_by_hand_beside_a_stream_is_recorded_and_not_judged() -> None:
    world = dosed()
    world.act("reading", spo2=85)
    assert entered(world)[0].value == 85
    assert world.alarm("spo2-low") == "idle"


def test_baselines_may_be_taken_by_hand() -> None:
    world = World().open("im")
    world.at(10)
    world.act("reading", nibp_sys=120, nibp_dia=70)
    world.at(10 + 300)
    world.act("reading", nibp_sys=130, nibp_dia=80)
    assert state(world, "nibp-baseline-2") == "done"
    world.at(320)
    world.act("dose")
    assert world.room.session is not None
    assert world.room.session.baseline["nibp_sys"] == 125


def test_a_failed_cuff_is_forgotten_when_a_person_has_measured() -> None:
    world = dosed()
    world.at(20 * MIN).notice("nibp_failed", "cuff", detail="motion")
    world.at(20 * MIN + 40).notice("nibp_failed", "cuff", detail="motion")
    assert world.alarm("nibp-failed") == "active/medium"
    world.at(20 * MIN + 60)
    world.act("reading", nibp_sys=120, nibp_dia=80)
    assert world.alarm("nibp-failed") == "idle"


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"nibp_sys": None},
        {"nibp_dia": 80},
        {"nibp_sys": 80, "nibp_dia": 80},
        {"nibp_sys": 120, "nibp_dia": 80, "nibp_map": 79},
        {"nibp_sys": 120, "nibp_map": 130},
        {"nibp_sys": 20},
        {"spo2": 101},
        {"spo2": True},
        {"spo2": "97"},
        {"spo2": float("nan")},
        {"pr": 400},
        {"pr": 10**400},
        {"rr": 1},
        {"spo2": 97, "at_us": T0_US - US},
        {"spo2": 97, "at_us": T0_US + 3600 * US},
        {"spo2": 97, "method": 3},
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_recorded(args: dict[str, Any]) -> None:
    world = dosed()
    result = world.act("reading", **args)
    assert not result.ok
    assert result.error
    assert entered(world) == []


def test_a_reading_needs_a_session() -> None:
    world = World()
    assert not world.act("reading", spo2=97).ok


def test_a_held_cuff_skips_what_is_owed_and_says_why() -> None:
    world = dosed()
    world.at(21 * MIN).tick()
    assert not world.act("hold_cuff").ok  # without a reason
    assert world.act("hold_cuff", reason="deep in the experience").ok
    assert state(world, "nibp+20") == "skipped"
    assert state(world, "nibp+40") == "coming"
    event = next(o for o in world.outputs if isinstance(o, Event) and o.kind == "skipped")
    assert event.body["reason"] == "deep in the experience"
    world.at(27 * MIN).tick()
    assert world.alarm("nibp-overdue") == "idle"


def test_a_held_cuff_skips_the_next_reading_when_none_is_owed() -> None:
    world = dosed()
    world.at(12 * MIN)
    world.act("hold_cuff", reason="asleep")
    assert state(world, "nibp+20") == "skipped"


def test_the_forty_minute_reading_is_never_skipped_but_not_obtained() -> None:
    world = dosed()
    world.at(20 * MIN).reading(120)
    world.at(41 * MIN).tick()
    world.act("hold_cuff", reason="refused")
    assert state(world, "nibp+40") == "not_obtained"


def test_holding_the_cuff_stops_one_that_inflates() -> None:
    can = frozenset({"start_nibp", "stop_nibp"})
    world = World([OXIMETER, RoomDevice("cuff", ("nibp_sys", "nibp_dia"), can)])
    world.open("intranasal", dose=True)
    world.at(20 * MIN).tick()
    world.notice("cuff_inflating", "cuff")
    world.act("hold_cuff", reason="woke up")
    stops = [o for o in world.outputs
             if isinstance(o, DeviceRequest) and isinstance(o.request, StopNibp)]  # fmt: skip
    assert len(stops) == 1


def test_a_reading_that_was_missed_can_be_explained() -> None:
    world = dosed()
    world.at(21 * MIN).tick()
    assert not world.act("not_obtained", what="nibp+20").ok
    assert not world.act("not_obtained", what="nothing", reason="x").ok
    assert world.act("not_obtained", what="nibp+20", reason="patient refused", by=OTHER).ok
    assert state(world, "nibp+20") == "not_obtained"
    world.at(22 * MIN).reading(120)
    assert not world.act("not_obtained", what="baseline", reason="x").ok
    assert state(world, "nibp+20") == "not_obtained"


def test_calling_the_nurse_is_heard_until_somebody_has_seen_to_it() -> None:
    world = dosed()
    assert world.act("call_nurse").ok
    assert world.alarm("nurse-call") == "active/medium"
    assert not world.act("rule_off", rule="nurse-call", reason="x").ok
    world.at(12)
    assert world.act("acknowledge", rule="nurse-call", by=OTHER).ok
    world.at(13).tick()
    assert world.alarm("nurse-call") == "idle"
