"""The check-in, and the phases before the dose."""

from __future__ import annotations

import pytest

from tests.room.world import T0_US, World
from tests.session.restarting import restarted
from vitals.model import US, Actor, Session, SessionChange
from vitals.session.arrival import concerns
from vitals.session.care import load


def opened() -> World:
    return World(auto_nibp=False).open("iv")


def session(world: World) -> Session:
    assert world.room.session is not None
    return world.room.session


def phases(world: World) -> list[str]:
    changes = [o for o in world.outputs if isinstance(o, SessionChange) and o.cause == "phase"]
    return [change.session.phase for change in changes]


def test_answers_are_merged_and_null_takes_one_back() -> None:
    world = opened()
    assert world.act("check_in", age_band="40–64", weight_kg=71.5, opioids=False).ok
    assert world.act("check_in", drug="  ketamine ", opioids=True, seen=1).ok
    assert session(world).checkin == {
        "age_band": "40–64", "weight_kg": 71.5, "opioids": True, "drug": "ketamine",
    }  # fmt: skip
    assert world.act("check_in", opioids=None, drug="").ok
    assert session(world).checkin == {"age_band": "40–64", "weight_kg": 71.5}
    change = [o for o in world.outputs if isinstance(o, SessionChange)][-1]
    assert (change.cause, change.actor) == ("check-in", "nurse A")
    assert change.body == {"answers": {"opioids": None, "drug": None}}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({}, "at least one"),
        ({"no_such": 1}, "no item 'no_such'"),
        ({"consent": "yes"}, "Consent signed: answer yes or no"),
        ({"consent": 1}, "answer yes or no"),
        ({"age_band": "30"}, "Age: one of 18–39"),
        ({"age_band": 40}, "Age: answer in words"),
        ({"weight_kg": 19.9}, "from 20 to 300"),
        ({"weight_kg": 301}, "from 20 to 300"),
        ({"weight_kg": 10**400}, "from 20 to 300"),
        ({"weight_kg": True}, "from 20 to 300"),
        ({"weight_kg": "70"}, "from 20 to 300"),
        ({"weight_kg": float("nan")}, "from 20 to 300"),
        ({"drug": 3}, "Planned drug: answer in words"),
        ({"drug": "x" * 501}, "longer than 500"),
    ],
)
def test_an_impossible_answer_is_refused_and_changes_nothing(
    args: dict[str, object], said: str
) -> None:
    world = opened()
    result = world.act("check_in", escort=True, **args) if args else world.act("check_in")
    assert not result.ok
    assert said in result.error
    assert session(world).checkin == {}
    assert session(world).phase == "CHECK_IN"


def test_the_same_answer_again_is_no_change() -> None:
    world = opened()
    world.act("check_in", escort=True)
    rev = session(world).rev
    assert world.act("check_in", escort=True).ok
    assert session(world).rev == rev


@pytest.mark.parametrize(
    ("cuff", "probe", "same"),
    [
        ("left arm", "left hand", True),
        ("right arm", "right hand", True),
        ("left arm", "right hand", False),
        ("left leg", "left hand", False),
        ("left arm", "ear", False),
        ("left leg", "foot", False),
    ],
)
@pytest.mark.parametrize("before", [True, False])
def test_cuff_and_probe_on_one_limb_are_the_same_arm(
    cuff: str, probe: str, same: bool, before: bool
) -> None:
    world = opened()
    world.act("arms", same=before)
    world.act("check_in", cuff_side=cuff)
    assert session(world).same_arm is before  # nobody has said yet where the probe is
    world.act("check_in", probe_side=probe)
    assert session(world).same_arm is same


def test_other_answers_leave_the_arms_as_somebody_has_said() -> None:
    world = opened()
    world.act("check_in", cuff_side="left arm", probe_side="right hand")
    world.act("arms", same=True)
    world.act("check_in", weight_kg=70)
    assert session(world).same_arm


def test_the_first_answer_begins_the_baseline() -> None:
    world = opened()
    world.act("check_in", escort=True)
    assert session(world).phase == "BASELINE"
    world.act("check_in", fasting=True)
    assert phases(world) == ["BASELINE"]


@pytest.mark.parametrize("by_hand", [True, False])
def test_the_first_reading_begins_the_baseline(by_hand: bool) -> None:
    world = opened()
    world.at(20)
    if by_hand:
        world.act("reading", nibp_sys=120, nibp_dia=80)
    else:
        world.reading(120)
    assert session(world).phase == "BASELINE"
    (change,) = [o for o in world.outputs if isinstance(o, SessionChange) and o.cause == "phase"]
    assert (change.at_us, change.actor) == (T0_US + 20 * US, "")
    assert change.body == {"from": "CHECK_IN", "to": "BASELINE"}


def test_a_reading_after_the_dose_or_in_another_phase_begins_nothing() -> None:
    world = opened()
    world.act("phase", to="GATE")
    world.at(20).reading(120)
    assert session(world).phase == "GATE"
    dosed = World(auto_nibp=False).open("iv", dose=True)
    dosed.act("phase", to="CHECK_IN")
    dosed.at(20).reading(120)
    assert session(dosed).phase == "CHECK_IN"


@pytest.mark.parametrize("phase", ["CHECK_IN", "BASELINE", "GATE", "DOSING"])
def test_a_dose_can_be_marked_from_any_phase(phase: str) -> None:
    world = opened()
    if phase != "CHECK_IN":
        world.act("phase", to=phase)
    assert world.act("dose").ok
    assert session(world).phase == "ONSET_PEAK"


def test_concerns_are_the_answers_that_matter_at_the_gate() -> None:
    world = opened()
    world.act("check_in", opioids=True, consent=False, stimulants=False, escort=True)
    assert concerns(session(world), load()) == ["Consent signed", "Opioids"]


def test_answers_and_phase_survive_a_restart() -> None:
    world = opened()
    world.act("check_in", escort=True, cuff_side="left arm", probe_side="left hand")
    again = session(restarted(world))
    assert (again.checkin, again.same_arm, again.phase) == (
        session(world).checkin, True, "BASELINE",
    )  # fmt: skip


def test_a_therapist_does_not_fill_in_the_check_in() -> None:
    world = opened()
    assert "may not" in world.act("check_in", Actor("T", "therapist"), escort=True).error
