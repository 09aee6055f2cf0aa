"""Which alarm limit was in force when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.export import records
from tests.export.records import at
from vitals.export.limits import (
    LimitSpan,
    limits_in_force,
    other_profiles,
    profile_of,
    rules_off,
)
from vitals.export.session_data import Entry, SessionData
from vitals.model import Priority

OWN = """
version = "clinic-7"
[[rule]]
id = "pr-high"
channel = "pr"
side = "high"
level = [
  { priority = "medium", limit = 110, minutes = [1, 3] },
  { priority = "medium", limit = 120, phases = ["RECOVERY"] },
  { priority = "high", limit = 130 },
]
"""


def entry(second: float, kind: str, actor: str = "", **body: Any) -> Entry:
    return Entry(0, at(second), kind, "", actor, "", body)


def change(second: float, cause: str, phase: str = "ONSET_PEAK", **body: Any) -> Entry:
    return entry(second, "session_change", cause=cause, phase=phase, **body)


def off(second: float, state: str, rule: str = "spo2-low", **more: Any) -> Entry:
    after = {**records.alarm("idle"), "rule_state": state, **more}
    return entry(second, "alarm", rule=rule, before={}, after=after)


def told(data: SessionData, entries: Sequence[Entry], profile: str = "") -> SessionData:
    record = replace(data.record, profile_text=profile or data.record.profile_text)
    return replace(data, record=record, entries=tuple(entries))


def of(data: SessionData, rule: str, level: int) -> list[tuple[float, float, float, str]]:
    spans = limits_in_force(data, profile_of(data))
    return [_plain(one) for one in spans if (one.rule, one.level) == (rule, level)]


def _plain(one: LimitSpan) -> tuple[float, float, float, str]:
    start = records.START_US
    return (one.from_us - start) / 1e6, (one.to_us - start) / 1e6, one.limit, one.why


def test_a_limit_from_the_baseline_holds_from_its_being_frozen(data: SessionData) -> None:
    low = {"baseline": {"nibp_sys": 112.0}}
    found = told(data, [change(0, "opened"), change(120, "dose", state=low)])
    assert of(found, "sbp-high", 1) == [(0, 120, 160, ""), (120, 600, 152, "baseline +40")]
    assert of(found, "sbp-high", 2) == [(0, 600, 180, "")]  # not relative


def test_a_patients_own_limit_holds_from_when_it_was_set_until_it_was_taken_back(
    data: SessionData,
) -> None:
    own = {"limits": {"spo2-low": [None, None, 86, None]}}
    none: dict[str, Any] = {"limits": {}}
    found = told(data, [change(0, "opened"), change(200, "limit", state=own)])
    assert of(found, "spo2-low", 2) == [
        (0, 200, 88, ""),
        (200, 600, 86, "this patient's limit"),
    ]
    again = told(found, [*found.entries, change(300, "limit", state=none)])
    assert [span[:3] for span in of(again, "spo2-low", 2)] == [
        (0, 200, 88),
        (200, 300, 86),
        (300, 600, 88),
    ]


def test_levels_of_phases_and_of_minutes_from_the_dose_count_only_then(data: SessionData) -> None:
    changes = [
        change(0, "opened", "CHECK_IN"),
        change(120, "dose"),
        change(400, "phase", "RECOVERY"),
    ]
    found = told(data, changes, OWN)
    assert of(found, "pr-high", 0) == [(180, 300, 110, "")]
    assert of(found, "pr-high", 1) == [(400, 600, 120, "")]
    assert of(found, "pr-high", 2) == [(0, 600, 130, "")]


def test_a_corrected_dose_moves_the_minutes_from_when_it_was_corrected(data: SessionData) -> None:
    changes = [
        change(0, "opened"),
        change(120, "dose"),
        change(150, "dose corrected", dose_us=at(60)),
    ]
    assert of(told(data, changes, OWN), "pr-high", 0) == [(150, 240, 110, "")]


def test_annotations_and_technical_conditions_have_no_line(data: SessionData) -> None:
    spans = limits_in_force(data, profile_of(data))
    assert {span.priority for span in spans} <= {Priority.LOW, Priority.MEDIUM, Priority.HIGH}
    assert {"spo2-low", "sbp-high"} <= {span.rule for span in spans}
    assert not {"signal-lost", "nibp-failed"} & {span.rule for span in spans}


def test_what_came_late_counts_from_when_it_came_and_no_span_runs_backwards(
    data: SessionData,
) -> None:
    own = {"limits": {"spo2-low": [None, None, 86, None]}}
    changes = [
        change(0, "opened"),
        change(300, "phase", "DESCENT"),
        change(200, "limit", state=own),
    ]
    spans = limits_in_force(told(data, changes), profile_of(data))
    assert all(span.from_us < span.to_us for span in spans)
    assert of(told(data, changes), "spo2-low", 2)[-1] == (300, 600, 86, "this patient's limit")


@pytest.mark.parametrize("text", ["version = 3", "no toml at all {"])
def test_a_profile_of_another_form_gives_no_lines_and_no_error(
    data: SessionData, text: str
) -> None:
    found = told(data, data.entries, text)
    assert profile_of(found) is None
    assert limits_in_force(found, None) == ()


def test_a_rule_is_off_until_it_is_on_again_or_the_session_ends(data: SessionData) -> None:
    by = {"rule_by": "Anna", "rule_reason": "moves a lot"}
    entries = [off(100, "off", **by), off(160, "enabled"), off(300, "suspended", "pr-low")]
    spans = rules_off(entries, at(600))
    assert [(s.rule, s.state, s.by, s.reason) for s in spans] == [
        ("spo2-low", "off", "Anna", "moves a lot"),
        ("pr-low", "suspended", "", ""),
    ]
    assert [(s.from_us, s.to_us) for s in spans] == [(at(100), at(160)), (at(300), at(600))]


def test_alarms_that_were_judged_under_another_profile_are_told(data: SessionData) -> None:
    profile = profile_of(data)
    assert profile is not None
    known = entry(10, "alarm", profile=profile.version, after={})
    other = entry(20, "alarm", profile="clinic-9 on default-3", after={})
    assert other_profiles(told(data, [known, other, other]), profile) == ("clinic-9 on default-3",)
    assert other_profiles(told(data, [known]), profile) == ()
