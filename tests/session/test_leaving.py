"""The discharge: what is met since when, the signature, and the end of the session."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.room.world import OTHER, PRESCRIBER, T0_US, World
from tests.session.restarting import restarted
from vitals.model import US, Actor, Due, Session, SessionChange
from vitals.session.criteria import Line, criteria, met_us
from vitals.session.evidence import span
from vitals.session.view import CareView, care_view

MIN = 60
DOSE_S = 700
CLINICIAN = Actor("Dr. C", "clinician")


def view(world: World, at_s: float | None = None) -> CareView:
    now_us = world.now_us if at_s is None else T0_US + round(at_s * US)
    found = care_view(world.room, now_us)
    assert found is not None
    return found


def line(world: World, key: str, at_s: float | None = None) -> Line:
    return next(line for line in view(world, at_s).criteria if line.id == key)


def since_s(world: World, key: str, at_s: float | None = None) -> float | None:
    since_us = line(world, key, at_s).since_us
    return None if since_us is None else (since_us - T0_US) / US


def session(world: World) -> Session:
    assert world.room.session is not None
    return world.room.session


def dosed(route: str = "intranasal", *, baseline: bool = True) -> World:
    """Two readings of 120/75 before the dose at 700 s."""
    world = World(auto_nibp=False).open(route)
    for second in (10, 320) if baseline else ():
        world.at(second).reading(120, 75)
    world.at(DOSE_S)
    assert world.act("dose").ok
    return world


def ready(route: str = "intranasal", at_min: float = 125) -> World:
    """All met at this minute after the dose, in the discharge check."""
    world = dosed(route)
    world.at(DOSE_S + at_min * MIN - 300).reading(125, 80)
    world.vitals(range(DOSE_S + round(at_min * MIN) - 290, DOSE_S + round(at_min * MIN) - 280))
    world.at(DOSE_S + at_min * MIN - 200)
    world.act("score", scale="moaas", value=5)
    world.act("score", scale="cadss6", value=2)
    world.at(DOSE_S + at_min * MIN - 100)
    assert world.act("phase", to="DISCHARGE_CHECK").ok
    world.act("discharge", criterion="ambulation", met=True)
    world.at(DOSE_S + at_min * MIN)
    world.act("discharge", criterion="escort", met=True)
    return world


# --- each criterion -----------------------------------------------------------------------------


def test_minutes_count_from_the_last_dose_and_parts_are_none() -> None:
    world = dosed()
    assert view(world).earliest_us == T0_US + (DOSE_S + 120 * MIN) * US
    world.at(DOSE_S + 10 * MIN)
    world.act("part")
    assert view(world).earliest_us == T0_US + (DOSE_S + 120 * MIN) * US
    world.at(DOSE_S + 30 * MIN)
    world.act("booster")
    last_s = DOSE_S + 150 * MIN
    assert view(world).earliest_us == T0_US + last_s * US
    assert not line(world, "minutes", last_s - 0.001).met
    assert since_s(world, "minutes", last_s) == last_s
    assert since_s(world, "minutes", last_s + 999) == last_s
    assert line(world, "minutes", last_s + 60).words == "121 of 120 min since the last dose start"


def test_before_the_dose_there_is_no_earliest_discharge() -> None:
    world = World().open()
    assert view(world).earliest_us is None
    assert line(world, "minutes").words == "no dose yet"
    assert view(world).met_us is None


@pytest.mark.parametrize(
    ("sys", "dia", "met"),
    [(140, 85, True), (100, 65, True), (141, 75, False), (99, 75, False), (120, 86, False)],
)
def test_a_pressure_is_near_its_baseline_on_both_sides(sys: float, dia: float, met: bool) -> None:
    world = dosed()
    world.at(1000).reading(sys, dia)
    assert line(world, "bp").met is met
    assert line(world, "bp").words == f"{sys}/{dia}, now; baseline 120/75"


@pytest.mark.parametrize(("sys", "dia", "met"), [(140, 90, True), (141, 90, False), (90, 50, True)])
def test_without_a_baseline_a_pressure_is_below_the_limits(
    sys: float, dia: float, met: bool
) -> None:
    world = dosed(baseline=False)
    assert line(world, "bp").words == "no reading"
    world.at(1000).reading(sys, dia)
    assert line(world, "bp").met is met
    assert line(world, "bp").words == f"{sys}/{dia}, now; no baseline: at most 140/90"


def test_half_a_pressure_meets_nothing() -> None:
    world = dosed()
    world.at(1000).value("nibp_sys", 120, "cuff")
    assert not line(world, "bp").met
    assert line(world, "bp").words.startswith("120/–")


def test_a_pressure_is_met_since_the_first_of_an_unbroken_row() -> None:
    world = dosed()
    for minute, sys in ((40, 160), (60, 125), (80, 130), (100, 128)):
        world.at(minute * MIN).reading(sys)
    assert since_s(world, "bp") == 60 * MIN
    assert since_s(world, "bp", 130 * MIN) == 60 * MIN
    assert since_s(world, "bp", 130 * MIN + 1) is None
    assert line(world, "bp", 131 * MIN).words == (
        "128/75, 31 min ago, older than 30 min; baseline 120/75"
    )
    world.at(140 * MIN).reading(126)
    assert since_s(world, "bp") == 140 * MIN  # the row was broken by time


def test_a_reading_that_is_entered_late_counts_from_when_it_was_taken() -> None:
    world = dosed()
    world.at(60 * MIN).reading(125)
    world.at(80 * MIN).reading(125)
    world.act("reading", nibp_sys=170, nibp_dia=95, at_us=T0_US + 70 * MIN * US)
    assert since_s(world, "bp") == 80 * MIN
    world.act("reading", nibp_sys=122, nibp_dia=80, at_us=T0_US + 75 * MIN * US)
    assert since_s(world, "bp") == 75 * MIN


def test_saturation_is_met_while_the_newest_is_high_and_young_enough() -> None:
    world = dosed()
    world.vitals(range(1000, 1010), spo2=93)
    assert since_s(world, "spo2") is None
    world.vitals(range(1010, 1100), spo2=94)
    assert since_s(world, "spo2") == 1010
    assert since_s(world, "spo2", 1099 + 30 * MIN) == 1010
    assert since_s(world, "spo2", 1099 + 30 * MIN + 1) is None
    assert line(world, "spo2", 1099 + 5 * MIN).words == "94 %, 5 min ago"


def test_a_low_saturation_that_is_entered_late_breaks_the_row() -> None:
    world = dosed()
    for second in (1000, 1300, 1600):
        world.vitals([second], spo2=97)
    world.act("reading", spo2=97, at_us=T0_US + 1200 * US)
    assert since_s(world, "spo2") == 1000
    world.act("reading", spo2=90, at_us=T0_US + 1400 * US)
    assert since_s(world, "spo2") == 1600
    world.act("reading", spo2=90, at_us=T0_US + 1100 * US)
    assert since_s(world, "spo2") == 1600  # it was broken later already


def test_scores_are_met_between_their_numbers_while_young_enough() -> None:
    world = dosed()
    assert line(world, "sedation").words == "not scored"
    for second, value in ((1000, 4), (1600, 5), (2200, 5)):
        world.at(second)
        world.act("score", scale="moaas", value=value)
    assert since_s(world, "sedation") == 1600
    assert since_s(world, "sedation", 2200 + 30 * MIN) == 1600
    assert since_s(world, "sedation", 2200 + 30 * MIN + 1) is None
    world.act("score", scale="cadss6", value=5)
    assert not line(world, "dissociation").met
    world.act("score", scale="cadss6", value=4)
    assert line(world, "dissociation").met


FRESH_S = 1800


@given(
    st.lists(st.tuples(st.integers(1, 4000), st.booleans()), min_size=1, max_size=12),
    st.integers(0, 4000),
)
def test_since_when_follows_from_the_values_alone(
    steps: list[tuple[int, bool]], later_s: int
) -> None:
    at_s, values = 0, []
    for wait_s, met in steps:
        at_s += wait_s
        values.append((at_s * US, met))

    def met_at(second: int) -> bool:
        known = [value for value in values if value[0] <= second * US]
        return bool(known) and known[-1][1] and second * US - known[-1][0] <= FRESH_S * US

    now_s = at_s + later_s
    found = span(values, FRESH_S * US).met_since(now_s * US)
    since = now_s
    while met_at(since):
        since -= 1
    assert found == ((since + 1) * US if since != now_s else None)


# --- all of them --------------------------------------------------------------------------------


def test_all_are_met_when_the_last_one_was() -> None:
    world = ready()
    assert [line.met for line in view(world).criteria] == [True] * 7
    assert view(world).met_us == world.now_us
    assert view(world, DOSE_S + 130 * MIN).met_us == world.now_us


WORDS = st.sampled_from(["bp ok", "bp high", "spo2 ok", "spo2 low", "alert", "drowsy", "clear",
                         "far", "walks", "lies", "escort", "alone", "booster", "wait"])  # fmt: skip


def live(world: World, word: str) -> None:
    match word:
        case "bp ok" | "bp high":
            world.reading(125 if word == "bp ok" else 160)
        case "spo2 ok" | "spo2 low":
            world.value("spo2", 96 if word == "spo2 ok" else 92)
        case "alert" | "drowsy":
            world.act("score", scale="moaas", value=5 if word == "alert" else 4)
        case "clear" | "far":
            world.act("score", scale="cadss6", value=2 if word == "clear" else 9)
        case "walks" | "lies":
            world.act("discharge", criterion="ambulation", met=word == "walks")
        case "escort" | "alone":
            world.act("discharge", criterion="escort", met=word == "escort")
        case "booster":
            world.act("booster")


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(WORDS, st.sampled_from([1, 60, 600, 1500])), max_size=15))
def test_met_at_is_exact_without_ticks(steps: list[tuple[str, int]]) -> None:
    """Whoever looks a moment before finds it not met; at that moment it is met, as told later."""
    world = dosed()
    world.at(DOSE_S + 115 * MIN)
    for word in ("bp ok", "spo2 ok", "alert", "clear", "walks"):
        live(world, word)
    told: list[tuple[int, int | None]] = []
    second = DOSE_S + 115 * MIN
    for word, wait_s in [*steps, ("wait", 700), ("escort", 60), ("wait", 60)]:
        end_s = second + wait_s
        # the present judged at the second of each change that time alone can bring
        while second < end_s:
            second += min(30, end_s - second)
            told.append((second, view(world, second).met_us))
        live(world.at(second), word)
        told.append((second, view(world).met_us))
    for before, after in pairwise(told):
        if after[1] is None:
            continue
        if before[1] is not None:
            assert before[1] == after[1] or after[1] > before[0] * US + T0_US - 1
        else:
            assert after[1] >= T0_US + before[0] * US
        assert after[1] <= T0_US + after[0] * US


# --- ticks, overrides, signature ------------------------------------------------------------------


def test_a_tick_can_be_taken_back() -> None:
    world = ready()
    assert line(world, "escort").words == "ticked by nurse A"
    assert world.act("discharge", criterion="escort", met=False).ok
    assert (line(world, "escort").met, line(world, "escort").words) == (False, "not ticked")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"criterion": "no", "met": True}, "no criterion 'no'"),
        ({"criterion": "escort"}, "true or false"),
        ({"criterion": "escort", "met": 1}, "true or false"),
        ({"criterion": "bp", "met": True, "reason": "x"}, "met already"),
        ({"criterion": "sedation", "met": True}, "say why"),
    ],
)
def test_an_impossible_tick_is_refused(args: dict[str, object], said: str) -> None:
    world = ready()
    world.act("score", scale="moaas", value=4)
    assert said in world.act("discharge", **args).error


def test_what_is_not_met_is_set_aside_with_a_reason_and_still_not_met() -> None:
    world = ready()
    world.at(8300).reading(150)
    assert world.act("discharge", criterion="bp", met=True, reason="as at home").ok
    assert (line(world, "bp").met, line(world, "bp").override) == (False, "as at home (nurse A)")
    assert view(world).met_us is None
    assert "discharge:bp" not in dict(view(world).owed)
    world.at(8400).reading(125)
    assert (line(world, "bp").met, line(world, "bp").override) == (True, "")


def test_the_discharge_is_signed_when_all_is_met_with_the_numbers() -> None:
    world = ready()
    assert world.act("sign_discharge", CLINICIAN).ok
    signed = session(world).signed
    assert (signed["by"], signed["role"], signed["at_us"]) == ("Dr. C", "clinician", world.now_us)
    change = [o for o in world.outputs if isinstance(o, SessionChange)][-1]
    assert (change.cause, change.body["met_us"]) == ("signed", world.now_us)
    found = {one["id"]: one for one in change.body["criteria"]}
    assert found["bp"]["numbers"] == {
        "sys": 125, "dia": 80, "base_sys": 120, "base_dia": 75,
        "at_us": T0_US + (DOSE_S + 120 * MIN) * US,
    }  # fmt: skip
    assert found["minutes"]["numbers"]["minutes"] == 125
    assert found["spo2"]["label"] == "SpO2 at least 94 %"


def test_what_is_neither_met_nor_set_aside_is_not_signed() -> None:
    world = ready()
    world.act("score", scale="moaas", value=4)
    refused = world.act("sign_discharge")
    assert "MOAA/S 5 in the last 30 min (4, now)" in refused.error
    world.act("discharge", criterion="sedation", met=True, reason="sleepy as before")
    assert world.act("sign_discharge").ok
    change = [o for o in world.outputs if isinstance(o, SessionChange)][-1]
    assert (change.body["text"], change.body["met_us"]) == ("1 criteria set aside", None)


def test_only_in_the_discharge_check_and_once() -> None:
    world = ready()
    world.act("phase", to="RECOVERY")
    assert "discharge check" in world.act("sign_discharge").error
    world.act("phase", to="DISCHARGE_CHECK")
    world.act("sign_discharge")
    assert "has signed" in world.act("sign_discharge", OTHER).error
    assert "has signed" in world.act("discharge", criterion="escort", met=False).error


@pytest.mark.parametrize("phase", ["RECOVERY", "EMERGENCY"])
def test_another_phase_undoes_the_signature(phase: str) -> None:
    world = ready()
    world.act("sign_discharge")
    world.act("phase", to=phase)
    assert session(world).signed == {}


# --- the reading before discharge -----------------------------------------------------------------


def discharge_due(world: World) -> Due | None:
    return world.room.due.items.get("nibp-discharge")


@pytest.mark.parametrize(
    ("route", "age_min", "owed"),
    [("intranasal", 1, True), ("iv", 14.9, False), ("iv", 15.1, True), ("im", 1, False)],
)
def test_a_reading_is_owed_in_the_discharge_check_unless_there_is_a_young_one(
    route: str, age_min: float, owed: bool
) -> None:
    world = dosed(route)
    world.at(8000).reading(120)
    world.at(8000 + age_min * MIN)
    world.act("phase", to="DISCHARGE_CHECK")
    found = discharge_due(world)
    assert (found is not None) is owed
    if found is not None:
        assert (found.state, found.at_us, found.label) == (
            "due", world.now_us, "BP before discharge",
        )  # fmt: skip
        assert found in world.outputs
        world.at(8000 + age_min * MIN + 60).reading(121)
        paid = discharge_due(world)
        assert paid is not None
        assert (paid.state, paid.done_us) == ("done", world.now_us)


def test_the_reading_before_discharge_takes_none_from_the_schedule() -> None:
    world = dosed("im")
    world.at(DOSE_S + 113 * MIN)
    world.act("phase", to="DISCHARGE_CHECK")
    world.at(DOSE_S + 114 * MIN).reading(120)
    states = {due.what: due.state for due in world.room.due}
    assert (states["nibp-discharge"], states["nibp+115"]) == ("done", "done")


def test_without_a_dose_none_is_owed() -> None:
    world = World(auto_nibp=False).open("intranasal")
    world.act("phase", to="DISCHARGE_CHECK")
    assert discharge_due(world) is None


def test_a_later_discharge_check_owes_another_one() -> None:
    world = ready()
    world.reading(121)
    world.act("phase", to="RECOVERY")
    world.at(8300)
    world.act("phase", to="DISCHARGE_CHECK")
    found = discharge_due(world)
    assert found is not None
    assert found.state == "done"  # of a moment ago
    world.act("phase", to="RECOVERY")
    world.at(8300 + 20 * MIN)
    world.act("phase", to="DISCHARGE_CHECK")
    found = discharge_due(world)
    assert found is not None
    assert found.state == "due"


# --- the end ------------------------------------------------------------------------------------


def closing(world: World) -> dict[str, Any]:
    change = [o for o in world.outputs if isinstance(o, SessionChange)][-1]
    assert change.cause == "closed"
    return dict(change.body)


def test_closing_tells_what_is_owed_and_refuses_nothing() -> None:
    world = ready()
    assert world.act("finished").ok
    assert world.act("close_session").ok
    owed = dict(closing(world)["owed"])
    assert owed["signature"] == "Discharge not signed"
    assert owed["nibp-discharge"] == "BP before discharge: not taken, and no reason given"
    assert world.room.session is None


def test_closing_early_tells_of_what_was_still_to_come() -> None:
    world = dosed("iv")
    assert not {"infusion-end", "nibp+40", "signature"} & dict(view(world).owed).keys()
    assert world.act("close_session", reason="goes home").ok
    assert {"infusion-end", "nibp+40", "signature"} <= dict(closing(world)["owed"]).keys()


def test_an_unseen_high_alarm_still_needs_a_reason_to_close() -> None:
    world = ready()
    world.reading(190)
    assert "not acknowledged" in world.act("close_session").error
    assert world.act("close_session", reason="handed over").ok
    assert closing(world)["reason"] == "handed over"


def test_finished_ends_the_time_off_the_monitor_whole() -> None:
    world = ready()
    world.act("off_monitor", reason="dresses")
    world.act("extend_off_monitor")
    assert world.act("finished").ok
    now = session(world)
    assert (now.off_since_us, now.off_until_us, now.off_reason, now.off_extended) == (
        None, None, "", False,
    )  # fmt: skip


# --- restart ------------------------------------------------------------------------------------


def test_the_checklist_is_the_same_after_a_restart() -> None:
    world = ready()
    world.act("reading", spo2=95, at_us=world.now_us - 60 * US)
    world.act("score", scale="moaas", value=4)
    world.act("discharge", criterion="sedation", met=True, reason="sleepy as before")
    again = restarted(world)
    later_us = again.now_us
    assert view(again) == care_view(world.room, later_us)
    world.act("sign_discharge", PRESCRIBER)
    after = restarted(world)
    assert session(after).signed == session(world).signed
    found = discharge_due(after)
    assert found is not None
    assert found.state == "due"


def test_met_at_is_the_same_after_a_restart() -> None:
    world = ready()
    assert met_us(criteria(session(world), world.room.desk.course.evidence, world.room.care,
                           world.now_us)) == world.now_us  # fmt: skip
    assert view(restarted(world, 600)).met_us == world.now_us


def test_the_routes_number_counts_where_it_is_the_stricter_one() -> None:
    world = dosed()
    care = world.room.care
    longer = replace(care.route("intranasal"), discharge_minutes=180)
    world.room.care = replace(care, routes={**care.routes, "intranasal": longer})
    assert view(world).earliest_us == T0_US + (DOSE_S + 180 * MIN) * US
    assert not line(world, "minutes", DOSE_S + 150 * MIN).met
