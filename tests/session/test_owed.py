"""What is missing in the record, while the session runs and at its end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.room.world import CUFF, OXIMETER, T0_US, World
from vitals.model import US, Dose, Due, DueState, RoomDevice, Session
from vitals.session.care import load
from vitals.session.criteria import Line
from vitals.session.owed import owed
from vitals.session.view import care_view

CARE = load()
MIN_US = 60 * US
FILLED = {item.id: 1 for item in CARE.checkin}
"""Whatever the answers are: each is there."""
DOSE = Dose(1, "dose", T0_US, T0_US, "Anna", "ketamine", 40, "L1")
SESSION = Session(
    "s", "room-1", "P-1", "intranasal", T0_US - MIN_US, checkin=FILLED,
    own_alarm_by={"ox": "Anna", "cuff": "Anna"},
)  # fmt: skip
DOSED = replace(SESSION, dose_us=T0_US, doses=(DOSE,), gate={"decision": "go"}, phase="RECOVERY")


def keys(
    session: Session,
    *due: Due,
    lines: tuple[Line, ...] = (),
    now_us: int = T0_US + MIN_US,
    devices: tuple[RoomDevice, ...] = (OXIMETER, CUFF),
    closing: bool = False,
) -> list[str]:
    return [key for key, _ in owed(session, due, devices, lines, CARE, now_us, closing=closing)]


def test_nothing_is_owed_of_a_whole_record() -> None:
    assert keys(SESSION) == keys(DOSED) == []
    signed = replace(DOSED, signed={"by": "Anna"}, phase="DISCHARGE_CHECK")
    assert keys(signed, closing=True) == []


def test_open_answers_are_owed_by_group_with_their_labels() -> None:
    session = replace(SESSION, checkin={**FILLED, "opioids": None, "age_band": None, "maoi": None})
    assert owed(session, (), (), (), CARE, T0_US) == [
        ("checkin:patient", "Check-in not answered: Age"),
        ("checkin:drugs", "Check-in not answered: Opioids, MAO inhibitors"),
    ]
    optional = replace(CARE, checkin=tuple(replace(i, required=False) for i in CARE.checkin))
    assert owed(replace(SESSION, checkin={}), (), (), (), optional, T0_US) == []


def test_an_answer_no_is_an_answer() -> None:
    assert keys(replace(SESSION, checkin={**FILLED, "opioids": False, "plan_mg": 0})) == []


def test_a_decision_at_the_gate_is_owed_after_the_dose_only() -> None:
    assert keys(replace(SESSION, gate={})) == []
    assert keys(replace(DOSED, gate={})) == ["gate"]


@pytest.mark.parametrize(
    ("without", "words"),
    [
        ({"drug": ""}, "Dose 1: drug not entered"),
        ({"mg": None, "lot": ""}, "Dose 1: mg, lot not entered"),
        ({"witness": ""}, None),
    ],
)
def test_each_dose_has_drug_amount_and_lot(without: dict[str, object], words: str | None) -> None:
    session = replace(DOSED, doses=(replace(DOSE, **without),))
    found = owed(session, (), (), (), CARE, T0_US)
    assert found == ([] if words is None else [("dose:1", words)])


def test_each_further_dose_too() -> None:
    part = Dose(2, "part", T0_US, T0_US, "Anna")
    assert keys(replace(DOSED, doses=(DOSE, part))) == ["dose:2"]


def test_the_end_of_an_infusion_is_owed_when_it_should_have_come_or_at_the_end() -> None:
    iv = replace(DOSED, route="iv")
    planned_us = T0_US + 40 * MIN_US
    assert keys(iv, now_us=planned_us - 1) == []
    assert keys(iv, now_us=planned_us) == ["infusion-end"]
    assert "infusion-end" in keys(iv, closing=True)
    assert keys(replace(iv, infusion_end_us=T0_US + US), now_us=planned_us) == []
    assert keys(DOSED, now_us=planned_us) == []


@pytest.mark.parametrize("what", ["nibp+40", "nibp-discharge"])
@pytest.mark.parametrize(
    ("state", "now", "at_the_end"),
    [
        ("coming", False, True), ("due", True, True), ("overdue", True, True),
        ("missed", True, True), ("skipped", False, True), ("done", False, False),
        ("not_obtained", False, False),
    ],
)  # fmt: skip
def test_the_two_readings_that_matter_are_owed_until_taken_or_explained(
    what: str, state: DueState, now: bool, at_the_end: bool
) -> None:
    due = Due("room-1", what, T0_US, state=state, label="BP")
    assert (keys(DOSED, due) == [what]) is now
    assert (what in keys(DOSED, due, closing=True)) is at_the_end


def test_other_readings_are_not_owed_here() -> None:
    assert keys(DOSED, Due("room-1", "nibp+60", T0_US, state="missed")) == []


def test_an_adverse_event_is_owed_until_it_has_ended() -> None:
    event = {"what": "Headache", "outcome": "ongoing"}
    session = replace(DOSED, adverse={"a1": event, "a2": {**event, "outcome": "resolved"}})
    assert owed(session, (), (), (), CARE, T0_US) == [
        ("adverse:a1", "Adverse event goes on: Headache")
    ]


LINES = (
    Line("bp", "BP near baseline", False, True, "150/90"),
    Line("escort", "Escort is here", True, False, "ticked"),
    Line("spo2", "SpO2", False, True, "93 %", override="known (Anna)"),
)


def test_criteria_and_signature_are_owed_in_the_discharge_check_and_at_the_end() -> None:
    assert keys(DOSED, lines=LINES) == []
    check = replace(DOSED, phase="DISCHARGE_CHECK")
    assert keys(check, lines=LINES) == ["discharge:bp", "signature"]
    assert keys(DOSED, lines=LINES, closing=True) == ["discharge:bp", "signature"]
    assert keys(SESSION, lines=LINES, closing=True) == []  # nothing was given


def test_the_devices_own_alarms_are_owed_unless_they_have_none() -> None:
    session = replace(SESSION, own_alarm_by={"ox": "Anna"})
    silent = replace(CUFF, own_alarm="no")
    assert keys(session) == ["own-alarm:cuff"]
    assert keys(session, devices=(OXIMETER, silent)) == []
    assert keys(session, devices=(OXIMETER, replace(CUFF, own_alarm="yes"))) == ["own-alarm:cuff"]


def test_a_session_pays_what_it_owes() -> None:
    """From the first page to a record in which nothing is missing."""
    world = World(auto_nibp=False).open("sublingual")

    def now() -> set[str]:
        view = care_view(world.room, world.now_us)
        assert view is not None
        return set(dict(view.owed))

    groups = {f"checkin:{g}" for g in ("patient", "plan", "devices", "drugs", "conditions")}
    assert now() == groups | {"own-alarm:ox", "own-alarm:cuff"}
    for device in ("ox", "cuff"):
        world.act("confirm_own_alarm", device=device)
    answers = {"age_band": "40–64", "weight_kg": 70, "drug": "ketamine", "plan_mg": 100,
               "cuff_side": "left arm", "probe_side": "right hand"}  # fmt: skip
    flags = {item.id: False for item in CARE.checkin if item.kind == "flag"}
    world.act("check_in", **flags, **answers)
    assert now() == set()
    world.act("dose")
    assert now() == {"gate", "dose:1"}
    world.act("dose_details", n=1, mg=100, lot="L1")
    world.act("gate", decision="hold", reason="noted late")
    world.at(41 * 60).tick()
    assert now() == {"nibp+40"}
    world.act("not_obtained", what="nibp+40", reason="asleep")
    assert now() == set()
