"""What is entered late, corrected, or given after all: the readings that are owed then."""

from __future__ import annotations

import pytest

from tests.room.world import T0_US, World
from tests.session.restarting import restarted
from tests.session.test_dosing import changes
from vitals.model import US, Session

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


def session(world: World) -> Session:
    assert world.room.session is not None
    return world.room.session


def dosed(route: str, *readings: float) -> World:
    """A dose at minute 0, and a clear pressure at each of these minutes."""
    world = World().open(route, dose=True)
    for minute in readings:
        world.at(minute * MIN).reading(120)
    return world


# --- the 40-minute reading ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minute", "state"),
    [(34.9, "coming"), (35, "done"), (47.4, "done"), (48, "done"), (50, "done"), (50.1, "missed")],
)
def test_the_first_reading_in_35_to_50_min_is_the_40_minute_reading(
    minute: float, state: str
) -> None:
    world = dosed("iv", 0, 10, 20, 30, minute)
    assert owed(world)["nibp+40"] == (40, state)


def test_one_reading_may_be_that_of_40_and_of_50_min() -> None:
    assert owed(dosed("iv", 0, 10, 20, 30, 48))["nibp+50"] == (50, "done")


def test_a_40_minute_reading_that_is_entered_late_counts_after_all() -> None:
    world = dosed("iv", 0, 10, 20, 30, 51)
    assert owed(world)["nibp+40"] == (40, "missed")
    world.at(60 * MIN)
    assert world.act("reading", nibp_sys=120, nibp_dia=80, at_us=minute_us(41)).ok
    assert owed(world)["nibp+40"] == (40, "done")


def test_a_40_minute_reading_that_was_given_up_and_taken_after_all_is_taken() -> None:
    world = dosed("im", 5, 10, 15, 20, 30)
    world.at(33 * MIN)
    assert world.act("hold_cuff", reason="deep in it").ok
    assert owed(world)["nibp+40"] == (40, "not_obtained")
    world.at(45 * MIN).reading(120)
    assert owed(world)["nibp+40"] == (40, "done")


@pytest.mark.parametrize("ends", [1, 13, 19.9])
def test_however_soon_an_infusion_ends_the_40_minute_reading_stays(ends: float) -> None:
    world = dosed("iv", 0)
    world.at(ends * MIN)
    assert world.act("infusion_end").ok
    assert owed(world)["nibp+40"] == (40, "coming")
    assert owed(world)["nibp+55"] == (55, "coming")


def test_a_reading_counts_when_the_dose_turns_out_to_have_been_40_min_before() -> None:
    world = World().open("intranasal")
    world.at(30 * MIN).act("dose")
    world.at(40 * MIN).reading(120)
    world.at(52 * MIN)
    assert world.act("correct_dose", n=1, at_us=minute_us(0), reason="marked late").ok
    assert owed(world)["nibp+40"] == (40, "done")


# --- infusion and boosters ------------------------------------------------------------------------


def test_an_infusion_end_that_is_marked_late_owes_nothing_in_the_past() -> None:
    world = dosed("iv", 0, 10, 20, 30, 40, 50, 60, 75, 90)
    world.at(100 * MIN)
    assert world.act("infusion_end", at_us=minute_us(30)).ok
    world.tick()
    again = restarted(world)
    for each in (world, again):
        still = {m for m, s in owed(each).values() if s in ("coming", "due", "overdue")}
        assert still == {110}


def test_what_is_owed_already_stays_owed_when_the_infusion_ends() -> None:
    world = dosed("iv", 0, 10, 20, 30, 40)
    world.at(51 * MIN).tick()
    assert world.act("infusion_end", at_us=minute_us(22)).ok
    assert owed(world)["nibp+50"] == (50, "due")


def test_an_infusion_end_that_was_wrong_is_corrected_and_what_it_took_away_comes_back() -> None:
    world = dosed("iv", 0, 10, 20)
    world.at(21 * MIN)
    assert world.act("infusion_end").ok
    assert "nibp+50" not in {w for w, (_, s) in owed(world).items() if s == "coming"}
    world.at(45 * MIN).reading(120)
    late = {"at_us": minute_us(44), "reason": "it was only stopped for a moment"}
    assert not world.act("correct_infusion_end", at_us=minute_us(44)).ok, "without a reason"
    assert not world.act("correct_infusion_end", **late, goes_on=True).ok, "one or the other"
    assert not world.act("correct_infusion_end", at_us=minute_us(-1), reason="x").ok
    assert world.act("correct_infusion_end", **late).ok
    assert session(world).infusion_end_us == minute_us(44)
    for each in (world, restarted(world)):
        coming = {m for m, s in owed(each).values() if s == "coming"}
        assert coming == {50, 60, 75, 90, 105, 120}
    body = changes(world, "infusion corrected")[0].body
    assert (body["from_us"], body["infusion_end_us"]) == (minute_us(21), minute_us(44))


def test_an_infusion_that_has_not_ended_after_all_goes_on_and_may_end_again() -> None:
    world = dosed("iv", 0, 10, 20)
    assert not world.act("correct_infusion_end", goes_on=True, reason="slip").ok, "not marked"
    before = {w: s for w, (_, s) in owed(world).items()}
    world.at(21 * MIN)
    assert world.act("infusion_end").ok
    assert world.act("correct_infusion_end", goes_on=True, reason="wrong button").ok
    assert session(world).infusion_end_us is None
    assert {w: s for w, (_, s) in owed(world).items() if s != "skipped"} == before
    assert world.act("infusion_end").ok


def test_what_a_person_skipped_is_not_brought_back_by_another_end() -> None:
    world = dosed("iv", 0, 10, 20, 30, 40)
    world.at(46 * MIN)
    assert world.act("hold_cuff", reason="asleep").ok
    held = [w for w, (_, s) in owed(world).items() if s == "skipped"]
    assert held == ["nibp+50"]
    assert world.act("infusion_end", at_us=minute_us(41)).ok
    assert world.act("correct_infusion_end", at_us=minute_us(45), reason="slip").ok
    assert owed(world)["nibp+50"][1] == "skipped"


def test_the_first_dose_cannot_come_to_be_after_the_end_of_its_infusion() -> None:
    world = dosed("iv")
    world.at(5 * MIN)
    assert world.act("infusion_end").ok
    world.at(45 * MIN)
    refused = world.act("correct_dose", n=1, at_us=minute_us(40), reason="slip")
    assert refused.error == "the dose cannot be later than the end of its infusion"
    assert session(world).doses[0].at_us == session(world).dose_us == minute_us(0)


def test_readings_since_a_booster_count_for_it_when_it_is_marked_late() -> None:
    world = dosed("im", 5, 10, 15, 20, 26, 30, 32, 37)
    world.at(38 * MIN)
    assert world.act("booster", at_us=minute_us(22)).ok
    states = {what: state for what, (_, state) in owed(world, "nibp-booster2").items()}
    paid = [what.partition("+")[2] for what, state in states.items() if state == "done"]
    assert paid == ["5", "10", "15"]
    assert set(states.values()) == {"done", "coming"}


def test_a_boosters_readings_move_with_its_corrected_time() -> None:
    world = dosed("im")
    world.at(60 * MIN)
    assert world.act("booster").ok
    assert owed(world)["nibp-booster2+115"] == (175, "coming")
    world.at(62 * MIN)
    assert world.act("correct_dose", n=2, at_us=minute_us(57), reason="marked late").ok
    assert owed(world)["nibp-booster2+115"] == (172, "coming")
    # 57 + 5 is not within 5 min of what the first dose owes at 55 and 70 min
    assert owed(world)["nibp-booster2+5"] == (62, "due")


# --- readings that are older than the newest ------------------------------------------------------


def test_a_reading_from_before_pays_no_repeat() -> None:
    world = dosed("im")
    world.at(20 * MIN).reading(185)
    world.at(20.5 * MIN)
    assert world.act("reading", nibp_sys=120, nibp_dia=80, at_us=minute_us(12)).ok
    assert owed(world, "nibp-repeat") == {"nibp-repeat-1": (22, "coming")}


def test_a_reading_from_before_asks_for_no_repeat() -> None:
    world = dosed("im", 20)
    world.at(25 * MIN)
    assert world.act("reading", nibp_sys=185, nibp_dia=80, at_us=minute_us(12)).ok
    assert owed(world, "nibp-repeat") == {}


def test_a_reading_from_before_leaves_the_next_one_of_an_emergency_owed() -> None:
    world = dosed("im", 20)
    world.at(25 * MIN).act("emergency")
    world.at(25.2 * MIN).reading(120)
    world.at(25.5 * MIN)
    assert world.act("reading", nibp_sys=120, nibp_dia=80, at_us=minute_us(24)).ok
    assert owed(world, "nibp-emergency") == {
        "nibp-emergency-1": (25, "done"), "nibp-emergency-2": (27.2, "coming"),
    }  # fmt: skip


def test_the_repeat_after_a_systolic_alone_is_overdue_however_seldom_anybody_looks() -> None:
    worlds = []
    for seconds in (range(1201, 2400), range(0)):
        world = dosed("im")
        world.at(1200).act("reading", nibp_sys=185)
        for second in seconds:
            world.at(second).tick()
        world.at(2400).act("reading", nibp_sys=120, nibp_dia=70)
        worlds.append(world)
    often, seldom = (world.told("nibp-overdue") for world in worlds)
    assert often == seldom
    assert owed(worlds[0], "nibp-repeat") == owed(worlds[1], "nibp-repeat")


def test_the_baseline_of_late_entries_is_the_same_after_a_restart() -> None:
    world = World().open("im")
    world.at(10 * MIN).reading(130)
    world.at(20 * MIN).reading(120)
    world.at(21 * MIN)
    assert world.act("reading", nibp_sys=150, nibp_dia=90, at_us=minute_us(2)).ok
    for each in (world, restarted(world)):
        each.at(22 * MIN).act("dose")
        assert session(each).baseline["nibp_sys"] == 125


def test_readings_before_a_restart_count_for_a_dose_that_is_marked_late() -> None:
    world = World().open("intranasal")
    world.at(20 * MIN).reading(120)
    again = restarted(world)
    again.at(22 * MIN)
    assert again.act("dose", at_us=minute_us(0)).ok
    assert owed(again)["nibp+20"] == (20, "done")


# --- something is given after the discharge was signed --------------------------------------------


def signed(route: str = "im") -> World:
    world = World().open(route, dose=True)
    world.at(130 * MIN).act("phase", to="DISCHARGE_CHECK")
    for criterion in world.room.care.discharge:
        world.act("discharge", criterion=criterion.id, met=True, reason="seen")
    assert world.act("sign_discharge").ok
    assert world.act("finished").ok
    world.at(131 * MIN)
    return world


def test_a_booster_undoes_the_discharge_and_monitoring_goes_on() -> None:
    world = signed()
    assert world.act("booster").ok
    now = session(world)
    assert (now.signed, now.discharge, now.finished_us) == ({}, {}, None)
    assert not world.act("sign_discharge").ok
    world.at(131 * MIN + 45).tick()  # nothing is heard of the oximeter
    assert world.alarm("signal-lost") == "active/high"


def test_a_part_or_a_correction_undoes_the_signature() -> None:
    for kind, args in (
        ("part", {}),
        ("correct_dose", {"n": 1, "at_us": minute_us(100), "reason": "slip"}),
    ):
        world = signed()
        assert world.act(kind, **args).ok
        assert session(world).signed == {}


def test_an_override_of_the_two_hours_does_not_hold_for_a_later_booster() -> None:
    world = dosed("im")
    world.at(5 * MIN)
    assert world.act("discharge", criterion="minutes", met=True, reason="asked for").ok
    assert world.act("booster").ok
    assert session(world).discharge == {}


def test_a_first_dose_after_a_signature_begins_anew() -> None:
    world = World().open("im")
    world.at(MIN).act("phase", to="DISCHARGE_CHECK")
    for criterion in world.room.care.discharge:
        world.act("discharge", criterion=criterion.id, met=True, reason="no dose today")
    assert world.act("sign_discharge").ok
    assert world.act("finished").ok
    assert world.act("dose").ok
    now = session(world)
    assert (now.phase, now.signed, now.finished_us) == ("ONSET_PEAK", {}, None)
