"""Why did it ring: each alarm from the first value out to what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.export import records
from tests.export.records import at
from vitals.channels import CHANNELS
from vitals.export.folding import episodes
from vitals.export.limits import limits_in_force, profile_of
from vitals.export.ring import Ring, rings
from vitals.export.session_data import Entry, NumericTrack, SessionData
from vitals.model import US

ANNA = "Anna Berger"


def alarm(
    second: float, condition: str, *, rule: str = "spo2-low", actor: str = "", **more: Any
) -> Entry:
    """A row as the station writes it: `value` and `limit` in the body, too."""
    after = {**records.alarm(condition), "rule": rule, "level": 2, **more}
    facts = {"value": more.get("value", 86.0), "limit": more.get("limit", 88.0)}
    body = {"rule": rule, "cause": more.pop("cause", condition), "before": {}, "after": after}
    return Entry(0, at(second), "alarm", "", actor, "", body | facts)


def mark(second: float, text: str, actor: str = ANNA, kind: str = "mark") -> Entry:
    return Entry(0, at(second), kind, text, actor, "nurse", {"text": text})


def with_(data: SessionData, entries: Iterable[Entry]) -> SessionData:
    rows = tuple(replace(entry, n=n) for n, entry in enumerate(entries, 1))
    return replace(data, entries=rows, alarms=episodes(rows))


def found(data: SessionData) -> tuple[Ring, ...]:
    profile = profile_of(data)
    return rings(data, profile, limits_in_force(data, profile))


def one(data: SessionData, *entries: Entry) -> Ring:
    (ring,) = found(with_(data, entries))
    return ring


def pending(second: float, value: float, onset_s: float | None = None, **more: Any) -> Entry:
    onset = at(second if onset_s is None else onset_s)
    return alarm(second, "pending", onset_us=onset, value=value, limit=92.0, level=1, **more)


def with_values(data: SessionData, channel: str, values: Sequence[tuple[float, float]]) -> Any:
    track = NumericTrack(
        "oxi",
        CHANNELS[channel],
        np.array([at(second) for second, _ in values], dtype=np.int64),
        np.array([value for _, value in values]),
        np.zeros(len(values), dtype=np.uint8),
        ("",) * len(values),
        (None,) * len(values),
    )
    return replace(data, numerics=(track,))


def test_the_first_crossing_is_where_the_delay_began_with_its_own_value(data: SessionData) -> None:
    ring = one(data, pending(150, 91.0), alarm(173, "active"), alarm(200, "idle"))
    assert (ring.crossed_us, ring.crossed) == (at(150), 91)
    assert (ring.shown_us, ring.value, ring.limit) == (at(173), 86, 88)
    assert ring.waited_us == 23 * US
    assert ring.hold_s == 10  # of the high level at 88
    assert ring.over_us == at(200)


def test_a_near_miss_before_it_is_no_part_of_its_delay(data: SessionData) -> None:
    near = [pending(100, 90.0), alarm(104, "idle")]
    ring = one(data, *near, pending(150, 89.0), alarm(160, "active"))
    assert ring.crossed_us == at(150)
    again = one(data, *near, alarm(160, "active", value_us=at(159.5)))
    assert again.crossed_us == at(159.5)
    assert again.waited_us == US // 2


def test_who_acknowledged_and_how_fast(data: SessionData) -> None:
    seen = alarm(185, "active", actor=ANNA, acked_by=ANNA, acked_us=at(185))
    ring = one(data, alarm(173, "active"), seen, alarm(300, "idle"))
    assert (ring.acked_by, ring.answered_us) == (ANNA, 12 * US)
    nobody = one(data, alarm(173, "active"), alarm(300, "idle"))
    assert (nobody.acked_by, nobody.answered_us) == ("", None)


def test_it_says_when_it_was_heard_and_that_it_never_was(data: SessionData) -> None:
    silent = alarm(150, "active", priority="medium", silent=True)
    ring = one(data, silent, alarm(200, "active", priority="medium", silent=False))
    assert (ring.shown_us, ring.sounded_us) == (at(150), at(200))
    low = one(data, alarm(150, "active", rule="nibp-overdue", priority="low"))
    assert low.sounded_us is None
    crossed = one(data, alarm(150, "active", rule_state="off"))
    assert crossed.sounded_us is None


def test_a_rise_in_level_and_meeting_it_again_stay_one_line(data: SessionData) -> None:
    first = alarm(150, "active", priority="medium", level=1)
    higher = alarm(170, "active", text="SpO2 84 < 88")
    latched = alarm(190, "latched")
    again = alarm(200, "active", cause="condition met again")
    ring = one(data, first, higher, latched, again, alarm(230, "idle"))
    assert ring.priority == "high"
    assert ring.rises == ((at(170), "high", "SpO2 84 < 88"),)
    assert ring.again == 1
    assert (ring.shown_us, ring.over_us) == (at(150), at(230))


def test_a_latched_alarm_was_over_when_its_condition_ended(data: SessionData) -> None:
    rows = [alarm(150, "active"), alarm(190, "latched"), alarm(400, "idle", actor=ANNA)]
    assert one(data, *rows).over_us == at(190)
    assert one(data, rows[0]).over_us is None


def test_an_annotation_is_no_alarm_and_no_part_of_one(data: SessionData) -> None:
    note = alarm(100, "active", priority="info", level=0)
    assert found(with_(data, [note, alarm(120, "idle")])) == ()
    ring = one(data, note, alarm(150, "active"))  # it rose from there
    assert ring.shown_us == at(150)
    assert ring.rises == ()


def test_what_people_marked_next_within_ten_minutes(data: SessionData) -> None:
    by_itself = Entry(
        0, at(152), "session_change", "", "", "", {"cause": "phase", "phase": "DESCENT"}
    )
    rows = [mark(140, "before it"), alarm(150, "active"), by_itself, mark(200, "repositioned")]
    ring = one(data, *rows, mark(210, "later"))
    assert ring.next is not None
    assert (ring.next.text, ring.next.actor, ring.next.at_us) == ("repositioned", ANNA, at(200))
    assert one(data, alarm(150, "active"), mark(751, "too late")).next is None
    assert one(data, alarm(150, "active"), mark(750, "just")).next is not None


def test_the_value_minutes_later_is_one_that_was_measured_about_then(data: SessionData) -> None:
    values = [(100, 80.0), (447, 93.0), (452, 94.0), (1000, 99.0)]
    ring = one(with_values(data, "spo2", values), alarm(150, "active"))
    five, ten = ring.later
    assert (five.minutes, five.value, five.at_us) == (5, 94, at(452))
    assert (ten.minutes, ten.value, ten.at_us) == (10, None, None)  # a gap is a gap


def test_a_cuff_is_looked_up_in_a_wider_time_than_a_running_vital(data: SessionData) -> None:
    values = [(151, 188.0), (560, 150.0)]
    rule = {"rule": "sbp-high", "level": 2, "value": 182.0, "limit": 180.0}
    ring = one(with_values(data, "nibp_sys", values), alarm(150, "active", **rule))
    assert [later.value for later in ring.later] == [150, None]
    assert (
        one(with_values(data, "spo2", [(560, 97.0)]), alarm(150, "active")).later[0].value is None
    )


def test_a_technical_condition_has_no_value_of_the_patient(data: SessionData) -> None:
    rows = alarm(150, "active", rule="signal-lost", priority="low", level=0, value_us=at(140))
    ring = one(data, rows)
    assert (ring.channel, ring.crossed_us, ring.crossed, ring.limit) == ("", None, None, None)
    assert all(later.value is None for later in ring.later)
    named = one(data, alarm(150, "active", rule="link-lost:r1-oximeter", priority="medium"))
    assert named.label != named.rule  # the rule's own words, whatever the device


def test_a_limit_that_is_not_the_profiles_says_where_it_comes_from(data: SessionData) -> None:
    own = {"state": {"limits": {"spo2-low": [None, None, 86, None]}}}
    change = Entry(0, at(100), "session_change", "", ANNA, "", {"cause": "limit"} | own)
    assert one(data, change, alarm(150, "active")).why == "this patient's limit"
    assert one(data, alarm(150, "active")).why == ""


def test_a_whole_recorded_session_gives_its_alarm(data: SessionData) -> None:
    (ring,) = found(data)
    assert (ring.rule, ring.priority, ring.label) == ("spo2-low", "high", "SpO2")
    assert (ring.shown_us, ring.value, ring.limit) == (at(150), 86, 88)
    assert ring.answered_us == 5 * US
    assert ring.next is not None
    assert ring.next.text == "MOAA/S 4"


def test_without_a_profile_the_record_alone_is_told(data: SessionData) -> None:
    (ring,) = rings(data, None)
    assert (ring.label, ring.hold_s, ring.channel) == ("spo2-low", None, "")
    assert ring.answered_us == 5 * US


conditions = st.sampled_from(["idle", "pending", "active", "latched"])
priorities = st.sampled_from(["info", "low", "medium", "high"])
steps = st.lists(st.tuples(st.integers(1, 50), conditions, priorities), max_size=30)


@pytest.fixture(scope="module")
def bare(data: SessionData) -> SessionData:
    """Nothing but what is needed: Hypothesis prints its arguments."""
    return replace(data, numerics=(), waves=(), pressures=(), entries=(), alarms=())


@given(steps=steps)
def test_there_is_one_line_for_each_episode_that_signals(
    bare: SessionData, steps: list[tuple[int, str, str]]
) -> None:
    second = 0
    rows = []
    for wait, condition, priority in steps:
        second += wait
        rows.append(alarm(second, condition, priority=priority, value_us=at(second)))
    told = with_(bare, rows)
    lines = found(told)
    signals = [episode for episode in told.alarms if episode.priority != "info"]
    assert len(lines) == len(signals)
    for line, episode in zip(lines, sorted(signals, key=lambda e: e.from_us), strict=True):
        assert line.priority == episode.priority
        assert episode.from_us <= line.shown_us
        assert line.crossed_us is not None
        assert line.crossed_us <= line.shown_us
        assert line.over_us is None or line.over_us >= line.shown_us
        assert all(line.shown_us < at_us for at_us, *_ in line.rises)


@pytest.mark.parametrize("body", [{}, {"after": None}, {"after": {"condition": "active"}}])
def test_rows_of_another_version_are_no_error(data: SessionData, body: dict[str, Any]) -> None:
    assert len(found(with_(data, [Entry(0, at(1), "alarm", "", "", "", body)]))) <= 1
