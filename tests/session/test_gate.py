"""The gate before the dose: what the values say, and who may decide what."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.room.world import NURSE, PRESCRIBER, T0_US, World
from tests.session.restarting import restarted
from vitals.model import US, Actor, Session, SessionChange
from vitals.session.arrival import gate_now, gate_state
from vitals.session.care import GateLimits, load
from vitals.session.evidence import Reading

CARE = load()
SESSION = Session("s", "room-1", "P-1", "iv", T0_US)
OLD = replace(SESSION, checkin={"age_band": "65 and over"})


def state(*pressures: tuple[float | None, float | None], spo2: float | None = 97,
          session: Session = SESSION) -> str:  # fmt: skip
    readings = [Reading(T0_US + n, *pair) for n, pair in enumerate(pressures)]
    return gate_state(session, readings, spo2, CARE)[0]


@pytest.mark.parametrize(
    ("pressures", "spo2", "expected"),
    [
        ([], 97, "no_readings"),
        ([(120, 80)], None, "no_readings"),
        ([], None, "no_readings"),
        ([(120, 80)], 97, "clear"),
        ([(140, 90), (140, 90)], 93, "clear"),
        # either of the last two
        ([(141, 80), (120, 80)], 97, "hold"),
        ([(120, 80), (120, 91)], 97, "hold"),
        # only of the last two
        ([(170, 100), (120, 80), (120, 80)], 97, "clear"),
        ([(120, 80)], 92.9, "hold"),
        ([], 92, "hold"),
        ([(150, 80)], None, "hold"),
        ([(180, 80)], 97, "override"),
        ([(120, 110), (120, 80)], 97, "override"),
        ([(179, 109)], 97, "hold"),
        ([(190, 80), (150, 80)], 90, "override"),
        # a device that gave one of the two only
        ([(150, None)], 97, "hold"),
        ([(None, 95)], 97, "hold"),
        ([(130, None)], 97, "clear"),
    ],
)
def test_the_last_two_pressures_and_the_saturation_decide(
    pressures: list[tuple[float | None, float | None]], spo2: float | None, expected: str
) -> None:
    assert state(*pressures, spo2=spo2) == expected


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        ("65 and over", "clear"), ("40–64", "hold"), ("under 65", "hold"), ("66–80", "clear"),
        (67, "clear"), (64, "hold"), (None, "hold"), (True, "hold"),
    ],
)  # fmt: skip
def test_from_65_on_the_systolic_limit_is_150(age: object, expected: str) -> None:
    session = replace(SESSION, checkin={"age_band": age})
    assert state((150, 80), session=session) == expected
    assert state((151, 80), session=session) == "hold"


def test_the_words_say_what_is_beyond_which_limit() -> None:
    readings = [Reading(T0_US, 162, 84), Reading(T0_US + 1, 184, 100)]
    assert gate_state(SESSION, readings, 91, CARE)[1] == [
        "BP 162/84 is above 140/90.",
        "BP 184/100 is at or above 180/110.",
        "SpO2 91 % is below 93 %.",
    ]
    assert gate_state(SESSION, [], None, CARE)[1] == [
        "No blood pressure yet.", "No SpO2 in the last 5 min.",
    ]  # fmt: skip
    assert gate_state(SESSION, readings[:1], 97, replace(CARE, gate=GateLimits(sbp=170)))[1] == [
        "BP 162/84, SpO2 97 %: within the limits.", "Only one blood pressure so far.",
    ]  # fmt: skip


RANK = ["clear", "hold", "override"]
PRESSURE = st.tuples(st.integers(60, 220), st.integers(30, 140))


@given(st.lists(PRESSURE, min_size=1, max_size=4), st.integers(80, 100), st.integers(0, 40))
def test_worse_values_never_open_the_gate(
    pressures: list[tuple[float, float]], spo2: float, worse: int
) -> None:
    before = state(*pressures, spo2=spo2)
    sys, dia = pressures[-1]
    after = state(*pressures[:-1], (sys + worse, dia + worse), spo2=spo2 - worse)
    assert RANK.index(after) >= RANK.index(before)
    assert RANK.index(state(*pressures, spo2=spo2, session=OLD)) <= RANK.index(before)


# --- the act ------------------------------------------------------------------------------------


def measured(*pressures: float, spo2: float = 97) -> World:
    world = World(auto_nibp=False).open("iv")
    for n, sys in enumerate(pressures):
        world.at(10 + 300 * n).reading(sys)
    world.vitals(range(320, 330), spo2=spo2)
    return world


def session(world: World) -> Session:
    assert world.room.session is not None
    return world.room.session


def test_go_is_for_a_clear_gate_and_enters_dosing() -> None:
    world = measured(128, 130)
    assert world.act("gate", decision="go").ok
    gate = session(world).gate
    assert (gate["decision"], gate["by"], gate["role"], gate["at_us"], gate["state"]) == (
        "go", "nurse A", "nurse", world.now_us, "clear",
    )  # fmt: skip
    assert session(world).phase == "DOSING"
    assert [o.cause for o in world.outputs if isinstance(o, SessionChange)][-2:] == [
        "gate", "phase",
    ]  # fmt: skip


@pytest.mark.parametrize("by", [NURSE, PRESCRIBER])
@pytest.mark.parametrize("world", [measured(150), measured(128, spo2=91), measured()])
def test_nobody_goes_at_a_gate_that_is_not_clear(world: World, by: Actor) -> None:
    result = world.act("gate", by, decision="go", reason="looks well")
    assert not result.ok
    assert "not clear" in result.error
    assert session(world).gate == {}


def test_a_hold_is_anybodys_and_enters_the_gate() -> None:
    world = measured(128, 130)
    assert world.act("gate", decision="hold", reason="waits for the prescriber").ok
    assert session(world).phase == "GATE"
    assert world.act("gate", decision="go").ok
    assert session(world).phase == "DOSING"
    assert world.act("gate", decision="hold").ok
    assert session(world).phase == "GATE"


@pytest.mark.parametrize(
    ("role", "args", "ok"),
    [
        ("prescriber", {"reason": "known hypertension"}, True),
        ("admin", {"reason": "known hypertension"}, True),
        ("prescriber", {}, False),
        ("prescriber", {"reason": "  "}, False),
        ("nurse", {"reason": "x"}, False),
        ("nurse", {"reason": "x", "order_by": "Dr. P"}, False),
        ("nurse", {"reason": "x", "read_back": True}, False),
        ("nurse", {"reason": "x", "order_by": "Dr. P", "read_back": False}, False),
        ("nurse", {"order_by": "Dr. P", "read_back": True}, False),
        ("nurse", {"reason": "x", "order_by": "Dr. P", "read_back": True}, True),
        ("therapist", {"reason": "x", "order_by": "Dr. P", "read_back": True}, False),
    ],
)
def test_an_override_is_a_prescribers_or_a_verbal_order_read_back(
    role: str, args: dict[str, object], ok: bool
) -> None:
    world = measured(185)
    assert world.act("gate", Actor("A", role), decision="override", **args).ok is ok
    assert bool(session(world).gate) is ok
    if ok:
        assert session(world).gate["order_by"] == args.get("order_by", "")
        assert session(world).gate["words"] == ["BP 185/75 is at or above 180/110."]
        assert session(world).phase == "DOSING"


@pytest.mark.parametrize(
    "args", [{}, {"decision": "maybe"}, {"decision": "hold", "read_back": "yes"}]
)
def test_a_decision_is_one_of_three(args: dict[str, object]) -> None:
    assert not measured(128).act("gate", **args).ok


@pytest.mark.parametrize("world", [measured(), measured(190), measured(128, 130)])
def test_the_gate_never_blocks_the_dose(world: World) -> None:
    assert world.act("dose").ok
    held = measured(190)
    held.act("gate", decision="hold")
    assert held.act("dose").ok
    assert session(held).phase == "ONSET_PEAK"


def test_after_the_dose_the_gate_is_what_it_was_at_the_dose() -> None:
    world = measured(128, 130)
    world.act("dose")
    world.vitals(range(340, 400), spo2=88)
    world.at(900).reading(190)
    assert gate_now(world.room, world.now_us)[0] == "clear"
    assert world.act("gate", decision="go").ok
    assert session(world).phase == "ONSET_PEAK"


def test_a_dose_that_is_marked_late_is_judged_on_what_was_before_it() -> None:
    world = measured(150)
    world.vitals(range(330, 700), spo2=97)
    world.at(700).reading(120)
    world.at(800).act("dose", at_us=T0_US + 600 * US)
    assert gate_now(world.room, world.now_us)[0] == "hold"


def test_an_old_saturation_says_nothing() -> None:
    world = measured(128, 130)
    last_us = T0_US + 329 * US
    assert gate_now(world.room, last_us + 300 * US)[0] == "clear"
    assert gate_now(world.room, last_us + 300 * US + 1)[0] == "no_readings"


def test_questionable_values_prove_nothing() -> None:
    world = measured(128, 130)
    world.act("check_in", cuff_side="left arm", probe_side="left hand")
    world.notice("cuff_inflating", "cuff")
    world.vitals(range(331, 340), spo2=85)  # held: the cuff is on that arm
    assert gate_now(world.room, world.now_us)[0] == "clear"


@pytest.mark.parametrize("dosed", [False, True])
def test_the_decision_and_what_it_stands_on_survive_a_restart(dosed: bool) -> None:
    world = measured(128, 150)
    world.act("gate", decision="hold", reason="high")
    if dosed:
        world.act("dose")
    again = restarted(world)
    assert session(again).gate == session(world).gate
    assert gate_now(again.room, again.now_us) == gate_now(world.room, again.now_us)
