"""Recorded sessions under other limits: what is compared, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.what_if.visit import Visit, rules, spo2
from vitals.alarms.profile import Profile, load
from vitals.errors import StoreError
from vitals.replay import recorded
from vitals.what_if import SessionWhatIf, Tally, WhatIf, compare, of_session

NO_MEDIUM = spo2()


def weighed(visit: Visit, session: str, profile: Profile) -> SessionWhatIf:
    return of_session(recorded(visit.reader, session), profile)


def of_rule(found: SessionWhatIf, rule: str) -> tuple[Tally, Tally]:
    return (
        Tally.of(alarm for alarm in found.were if alarm.rule == rule),
        Tally.of(alarm for alarm in found.would_be if alarm.rule == rule),
    )


def dip(visit: Visit) -> None:
    """SpO2 90 for 40 s: a medium alarm as shipped."""
    visit.vitals(60)
    visit.vitals(40, spo2=90)
    visit.vitals(60)


def test_a_level_that_is_gone_takes_its_alarms_with_it(visit: Visit, tmp_path: Path) -> None:
    found = weighed(visit, visit.record(dip), rules(tmp_path, NO_MEDIUM))
    were, would_be = of_rule(found, "spo2-low")
    assert (were.shown, were.sounding, would_be.shown, would_be.sounding) == (1, 1, 0, 0)
    # 40 s low and 10 s until it is released, less the delay
    assert (were.active_s, were.sounding_s) == (35, 35)
    assert found.changed == {"spo2-low"}
    assert found.profile == "default-3"


def test_a_level_that_is_new_brings_alarms(visit: Visit, tmp_path: Path) -> None:
    visit.under(rules(tmp_path, NO_MEDIUM, "mild"))
    session = visit.record(dip)
    found = weighed(visit, session, load())
    were, would_be = of_rule(found, "spo2-low")
    assert (were.shown, would_be.shown, would_be.active_s) == (0, 1, 35)
    assert found.profile == "mild on default-3"


def test_the_same_rules_under_another_name_change_nothing(visit: Visit, tmp_path: Path) -> None:
    session = visit.record(dip)
    found = weighed(visit, session, replace(load(), version="mine"))
    assert found.changed == frozenset()
    assert found.would_be == found.were != ()


# --- acts of people -------------------------------------------------------------------------------


def test_an_acknowledgement_answers_the_alarm_that_began_earlier(
    visit: Visit, tmp_path: Path
) -> None:
    def course(visit: Visit) -> None:
        visit.vitals(6, spo2=92)  # a larger step would be doubted
        visit.vitals(18, spo2=86)
        visit.acknowledge_what_is_seen("spo2-low")
        visit.vitals(42, spo2=86)
        visit.vitals(30)

    quick = rules(tmp_path, spo2(hold_s=5))
    were, would_be = of_rule(weighed(visit, visit.record(course), quick), "spo2-low")
    assert (were.sounding_s, would_be.sounding_s) == (7, 12)
    assert (were.active_s, would_be.active_s) == (60, 65)
    assert would_be.unanswered == 0


def test_an_alarm_that_nobody_answered_then_sounds_until_the_end(
    visit: Visit, tmp_path: Path
) -> None:
    def course(visit: Visit) -> None:
        visit.vitals(60, spo2=90)
        visit.vitals(60)
        visit.act("close_session")  # nothing high was on, so no reason was needed

    graver = rules(tmp_path, spo2(high=92))
    found = weighed(visit, visit.record(course), graver)
    were, would_be = of_rule(found, "spo2-low")
    assert (were.unanswered, would_be.unanswered) == (0, 1)
    assert found.refused == 0
    assert would_be.sounding_s == 120 - 11


def test_what_was_refused_was_not_done(visit: Visit, tmp_path: Path) -> None:
    def course(visit: Visit) -> None:
        visit.vitals(6, spo2=92)  # a larger step would be doubted
        visit.vitals(30, spo2=86)
        visit.act("acknowledge", rule="spo2-low", level=0, onset_us=1)
        visit.vitals(30, spo2=86)

    quick = rules(tmp_path, spo2(hold_s=5))
    were, would_be = of_rule(weighed(visit, visit.record(course), quick), "spo2-low")
    assert (were.sounding_s, would_be.sounding_s) == (49, 54)


def test_an_act_that_the_other_rules_do_not_know_is_counted(visit: Visit, tmp_path: Path) -> None:
    def course(visit: Visit) -> None:
        visit.act("set_limit", rule="spo2-low", level=1, limit=90, reason="lives high up")
        visit.vitals(5)

    session = visit.record(course)
    assert weighed(visit, session, rules(tmp_path, NO_MEDIUM)).refused == 1
    assert weighed(visit, session, rules(tmp_path, spo2(medium=93), "two")).refused == 0


def test_after_a_restart_each_room_goes_on_with_its_own_alarms(
    visit: Visit, tmp_path: Path
) -> None:
    def course(visit: Visit) -> None:
        visit.vitals(30, spo2=90)
        visit.restart()
        visit.wait(2)
        visit.vitals(5, spo2=90)
        visit.act("acknowledge", rule="spo2-low")
        visit.vitals(15, spo2=90)
        visit.vitals(30)

    session = visit.record(course)
    found = weighed(visit, session, rules(tmp_path, NO_MEDIUM))
    were, would_be = of_rule(found, "spo2-low")
    assert (were.shown, would_be.shown) == (1, 0)
    more = weighed(visit, session, rules(tmp_path, spo2(medium=93, hold_s=5), "more"))
    assert of_rule(more, "spo2-low")[1].shown == 1


def test_repeats_that_nobody_was_asked_for_are_not_overdue(visit: Visit, tmp_path: Path) -> None:
    def course(visit: Visit) -> None:
        visit.pressure(150)
        for _ in range(8):
            visit.vitals(60)

    stricter = rules(
        tmp_path,
        '[[rule]]\nid = "sbp-high"\nchannel = "nibp_sys"\nside = "high"\nby_reading = true\n'
        'level = [{ priority = "medium", limit = 140 }, { priority = "high", limit = 180 }]\n',
    )
    found = weighed(visit, visit.record(course), stricter)
    assert [alarm.rule for alarm in found.would_be if alarm not in found.were] == ["sbp-high"]
    assert not [alarm for alarm in found.would_be if alarm.rule == "nibp-overdue"]


def test_repeats_that_were_asked_for_stay_owed(visit: Visit, tmp_path: Path) -> None:
    def course(visit: Visit) -> None:
        visit.pressure(165)
        for _ in range(9):
            visit.vitals(60)

    milder = rules(
        tmp_path,
        '[[rule]]\nid = "sbp-high"\nchannel = "nibp_sys"\nside = "high"\nby_reading = true\n'
        'level = [{ priority = "high", limit = 180 }]\n',
    )
    found = weighed(visit, visit.record(course), milder)
    overdue = [alarm for alarm in found.were if alarm.rule == "nibp-overdue"]
    assert overdue
    assert overdue == [alarm for alarm in found.would_be if alarm.rule == "nibp-overdue"]


# --- marked events --------------------------------------------------------------------------------


def missed(found: SessionWhatIf) -> list[str]:
    return [event.text for event in found.events if event.missed]


def test_an_event_is_missed_when_no_alarm_is_left_that_warned_of_it(
    visit: Visit, tmp_path: Path
) -> None:
    def course(visit: Visit) -> None:
        visit.act("mark", text="before all")
        visit.vitals(40, spo2=90)
        visit.act("mark", text="while it lasts")
        visit.vitals(24 + 240)
        visit.act("mark", text="soon after")
        visit.vitals(60)
        visit.act("mark", text="much later")
        visit.vitals(6, spo2=92)  # a larger step would be doubted
        visit.vitals(20, spo2=86)
        visit.act("symptom", text="dizzy")
        visit.vitals(5)

    found = weighed(visit, visit.record(course), rules(tmp_path, NO_MEDIUM))
    assert missed(found) == ["while it lasts", "soon after"]
    assert [(e.kind, e.text) for e in found.events if e.warned and e.would_be_warned] == [
        ("symptom", "dizzy")
    ]
    assert [event.since_s for event in found.events][:2] == [0, 40]


def test_an_alarm_warns_for_five_minutes_from_its_beginning(visit: Visit, tmp_path: Path) -> None:
    def course(visit: Visit) -> None:
        visit.vitals(16, spo2=90)  # met at 1 + 15 s
        visit.vitals(300)
        visit.act("mark", text="at five minutes")
        visit.vitals(1)
        visit.act("mark", text="a second later")

    found = weighed(visit, visit.record(course), rules(tmp_path, NO_MEDIUM))
    assert missed(found) == ["at five minutes"]


def test_an_alarm_warns_as_long_as_it_lasts(visit: Visit, tmp_path: Path) -> None:
    def course(visit: Visit) -> None:
        visit.vitals(400, spo2=90)
        visit.act("mark", text="still low")
        visit.vitals(1, spo2=90)

    found = weighed(visit, visit.record(course), rules(tmp_path, NO_MEDIUM))
    assert missed(found) == ["still low"]


def test_neither_the_button_nor_a_flat_battery_warns_of_an_event(
    visit: Visit, tmp_path: Path
) -> None:
    def course(visit: Visit) -> None:
        visit.notice("ox", "low_battery")
        visit.vitals(40, spo2=90)
        visit.act("symptom", text="short of breath")
        visit.vitals(5)

    found = weighed(visit, visit.record(course), rules(tmp_path, NO_MEDIUM))
    assert {"battery-low", "symptom"} <= {alarm.rule for alarm in found.would_be}
    assert missed(found) == ["short of breath"]


def test_a_latched_alarm_warns_of_nothing_new(visit: Visit, tmp_path: Path) -> None:
    def course(visit: Visit) -> None:
        visit.vitals(6, spo2=92)  # a larger step would be doubted
        visit.vitals(20, spo2=86)
        visit.vitals(400)
        visit.act("mark", text="nobody had looked")
        visit.act("acknowledge", rule="spo2-low")

    found = weighed(visit, visit.record(course), rules(tmp_path, spo2(high=86)))
    assert of_rule(found, "spo2-low")[0].sounding_s > 400
    assert [event.warned for event in found.events] == [False]


def test_without_a_dose_time_counts_from_the_start(visit: Visit, tmp_path: Path) -> None:
    def course(visit: Visit) -> None:
        visit.vitals(57)
        visit.act("mark", text="still here")

    session = visit.record(course, dose=False)
    (event,) = weighed(visit, session, rules(tmp_path, NO_MEDIUM)).events
    assert (event.dosed, event.since_s) == (False, 60)


# --- sessions that cannot be compared ------------------------------------------------------------


def test_a_session_whose_replay_is_not_its_record_is_refused(visit: Visit, tmp_path: Path) -> None:
    session = recorded(visit.reader, visit.record(dip))
    other = rules(tmp_path, NO_MEDIUM)
    alarms = [row for row in session.rows if row.kind == "alarm"]
    lost = replace(session, rows=tuple(row for row in session.rows if row is not alarms[-1]))
    with pytest.raises(StoreError, match=r"as it was recorded \(spo2-low would differ\)"):
        of_session(lost, other)
    foreign = replace(alarms[0], body={**alarms[0].body, "after": {"rule": "x", "colour": "red"}})
    with pytest.raises(StoreError, match="was recorded by another version"):
        of_session(replace(session, rows=(foreign,)), other)
    of_session(session, other)


def test_what_cannot_be_compared_is_skipped_and_the_rest_is_not(
    visit: Visit, tmp_path: Path
) -> None:
    first = visit.record(dip)
    still_open = visit.record(Visit.leave_open)
    other = rules(tmp_path, NO_MEDIUM)
    found = WhatIf.of(other, compare(visit.reader, [first, "nobody", still_open], other))
    assert [one.id for one in found.sessions] == [first]
    assert [(one.id, one.why.split("; ")[0]) for one in found.skipped] == [
        ("nobody", "there is no session nobody"),
        (still_open, f"session {still_open} is still open"),
    ]


# --- all sessions together -----------------------------------------------------------------------


def test_sums_are_over_all_sessions_and_the_loudest_rule_comes_first(
    visit: Visit, tmp_path: Path
) -> None:
    def long(visit: Visit) -> None:
        dip(visit)
        visit.vitals(60, spo2=90)
        visit.vitals(20)
        visit.vitals(6, pr=95)
        visit.vitals(20, pr=120)
        visit.notice("ox", "low_battery")

    sessions = [visit.record(dip), visit.record(long)]
    other = rules(tmp_path, NO_MEDIUM)
    found = WhatIf.of(other, compare(visit.reader, sessions, other))
    assert [rule.rule for rule in found.rules] == ["spo2-low", "pr-high", "battery-low"]
    low = found.rules[0]
    assert (low.were.shown, low.were.active_s, low.were.active_median_s) == (3, 125, 35)
    assert low.would_be == Tally(0, 0, 0, 0, None, 0, None)
    assert (found.all.were.shown, found.all.would_be.shown) == (5, 2)
    assert (found.all.were.sounding, found.all.would_be.sounding) == (4, 1)
