"""The answers of a report's first page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.export.records import at
from vitals.export import pdf_rows, summary
from vitals.export.folding import episodes
from vitals.export.session_data import AlarmEpisode, Entry, Pressure, SessionData, channel_of
from vitals.export.session_data import NumericTrack as Track
from vitals.export.summary import summarise
from vitals.model import US


def minute(n: float) -> int:
    """After the dose, which is two minutes after the beginning."""
    return at(120 + 60 * n)


def entry(kind: str, body: Mapping[str, Any], actor: str = "") -> Entry:
    return Entry(1, minute(1), kind, "", actor, "", body)


def test_the_four_pressures_are_what_they_are_called(data: SessionData) -> None:
    readings = [(-1, 120), (5, 150), (38, 160), (44, 175), (90, 175), (119, 130)]
    pressures = [Pressure(minute(m), "cuff", float(sys), 80.0) for m, sys in readings]
    pressures.append(Pressure(minute(119.5), "cuff", failure="cuff leak"))
    due = {"what": "nibp+40", "state": "done", "done_us": minute(38), "at_us": minute(40)}
    found = summarise(replace(data, pressures=tuple(pressures), entries=(entry("due", due),)))
    assert found.before is not None
    assert found.before.minute == -1
    assert summary.pressure_words(found.peak) == "175/80"
    assert found.peak is not None
    assert found.peak.minute == 44  # the first of two that are equally high
    assert found.forty is not None
    assert summary.minute_words(found.forty.minute) == "+38 min"  # its own minute, not 40
    assert [summary.minute_words(m) for m in (40.5, -0.2, -1.5)] == ["+41 min", "+0 min", "-1 min"]
    mean = replace(found.peak, pressure=Pressure(minute(44), "cuff", 134.5, 77.5))
    assert summary.pressure_words(mean) == "135/78"  # as on the pages
    assert found.last is not None
    assert found.last.pressure.sys == 130


def test_a_missed_forty_minute_reading_is_none(data: SessionData) -> None:
    due = {"what": "nibp+40", "state": "missed", "done_us": None, "at_us": minute(40)}
    found = summarise(replace(data, entries=(entry("due", due),)))
    assert found.forty is None
    assert summary.pressure_words(found.forty) == "--"


def spo2(values: list[float], doubted: int = 0) -> Track:
    at_us = np.array([minute(10) + n * US for n in range(len(values))], dtype=np.int64)
    quality = np.array([1 if n < doubted else 0 for n in range(len(values))], dtype=np.uint8)
    none = (None,) * len(values)
    return Track(
        "oxi", channel_of("spo2"), at_us, np.array(values), quality, ("",) * len(values), none
    )


def test_the_lowest_spo2_says_how_long_and_how_sure(data: SessionData) -> None:
    track = spo2([97, 89, 88, 86, 89, 97, 97], doubted=3)
    found = summarise(replace(data, numerics=(track,))).spo2
    assert found is not None
    assert (found.value, found.minute, found.questionable) == (86, pytest.approx(10.05), False)
    assert (found.below_us, found.doubted_us) == (4 * US, 2 * US)
    words = summary.spo2_words(found)
    assert words == "86 % (+10 min, good signal), below 90 % for 4 s (2 s of it questionable)"


def test_a_gap_is_not_time_below(data: SessionData) -> None:
    track = spo2([89, 97])
    track = replace(track, at_us=np.array([minute(10), minute(20)], dtype=np.int64))
    found = summarise(replace(data, numerics=(track,))).spo2
    assert found is not None
    assert found.below_us == 3 * US


def test_without_spo2_it_says_so(data: SessionData) -> None:
    assert summary.spo2_words(summarise(replace(data, numerics=())).spo2) == "no SpO2 was recorded"


def test_alarms_say_how_soon_somebody_saw_to_them(data: SessionData) -> None:
    def alarm(priority: str, after_s: int | None) -> AlarmEpisode:
        seen = None if after_s is None else minute(1) + after_s * US
        heard = None if priority == "low" else minute(1)
        return AlarmEpisode("r", priority, "t", minute(1), minute(5), seen, heard_us=heard)

    alarms = (alarm("high", 10), alarm("medium", 30), alarm("medium", 20), alarm("medium", None))
    found = summarise(replace(data, alarms=(*alarms, alarm("low", None))))
    assert summary.alarm_words(found) == (
        "1 high, 3 medium, 1 low; acknowledged after 20 s (median); "
        "1 that sounded never acknowledged"
    )
    assert summary.alarm_words(summarise(replace(data, alarms=()))) == "0 high, 0 medium, 0 low"


def alarm_entry(second: float, cause: str, **state: Any) -> Entry:
    facts = {"condition": "active", "priority": "medium", "text": "DIA 102", "silent": False}
    body = {"rule": "dbp-high", "after": {**facts, **state}, "cause": cause}
    return Entry(1, at(second), "alarm", "", "", "", body)


def test_the_time_to_acknowledge_counts_from_when_it_was_heard(data: SessionData) -> None:
    """A first reading beyond a limit is shown only; the second one calls."""
    entries = (
        alarm_entry(100, "condition met", silent=True),
        alarm_entry(400, "second reading"),
        alarm_entry(430, "acknowledged", acked_by="nurse 1", acked_us=at(430)),
        alarm_entry(900, "condition ended", condition="idle"),
    )
    (found,) = episodes(entries)
    assert (found.from_us, found.heard_us, found.waited_us) == (at(100), at(400), 30 * US)
    told = summarise(replace(data, alarms=(found,)))
    assert (told.acknowledged_us, told.unseen) == (30 * US, 0)


def test_an_alarm_that_was_only_shown_needs_nobody(data: SessionData) -> None:
    entries = (
        alarm_entry(100, "condition met", silent=True),
        alarm_entry(400, "condition ended", condition="idle"),
    )
    (found,) = episodes(entries)
    assert found.heard_us is None
    assert summarise(replace(data, alarms=(found,))).unseen == 0


def test_an_alarm_has_ended_with_its_condition_however_long_it_waited_to_be_seen() -> None:
    met, over = alarm_entry(100, "condition met"), alarm_entry(400, "ended", condition="latched")
    seen = alarm_entry(450, "acknowledged", condition="latched", acked_by="nurse 1")
    gone = alarm_entry(900, "acknowledged", condition="idle")
    for entries in ((met, over), (met, over, seen), (met, over, seen, gone)):
        (found,) = episodes(entries)
        assert (found.from_us, found.to_us) == (at(100), at(400))
    again = alarm_entry(500, "condition met again")
    assert [one.to_us for one in episodes((met, over, again))] == [None]
    assert [one.to_us for one in episodes((met, over, again, gone))] == [at(900)]


def test_an_alarm_that_rose_says_when_in_the_report(data: SessionData) -> None:
    entries = (
        alarm_entry(100, "condition met"),
        alarm_entry(400, "rose", priority="high", text="DIA 115"),
        alarm_entry(900, "condition ended", condition="idle"),
    )
    rows, _ = pdf_rows.alarms(replace(data, alarms=episodes(entries)))
    assert rows == [("09:01", "high", "DIA 115 (09:06)", "13 min 20 s", "never")]


def test_an_alarm_whose_audio_was_paused_has_called(data: SessionData) -> None:
    entries = (alarm_entry(100, "condition met", signal="paused"),)
    (found,) = episodes(entries)
    assert found.heard_us == at(100)
    assert summarise(replace(data, alarms=(found,))).unseen == 1


def test_what_was_owed_and_overridden_is_told(data: SessionData) -> None:
    on, off = {"rule_state": "enabled"}, {"rule_state": "off", "rule_reason": "moving"}
    gate = {"cause": "gate", "decision": "override", "reason": "known"}
    limit = {"cause": "limit", "rule": "sbp-high", "limit": 190.0, "reason": "usual"}
    leaving = {"cause": "discharge", "criterion": "bp", "met": True, "reason": "as at home"}
    closed = {"cause": "closed", "owed": [["gate", "No decision at the gate"]]}
    entries = (
        entry("alarm", {"rule": "spo2-low", "before": on, "after": off}, "nurse 1"),
        entry("alarm", {"rule": "spo2-low", "before": off, "after": off}, "nurse 1"),
        entry("session_change", gate | {"order_by": "prescriber 1"}),
        entry("session_change", {"cause": "gate", "decision": "go", "reason": ""}),
        entry("session_change", limit, "prescriber 1"),
        entry("session_change", leaving),
        entry("session_change", closed),
    )
    found = summarise(replace(data, entries=entries))
    assert found.owed == ("No decision at the gate",)
    assert found.overrides == (
        "spo2-low off: moving (nurse 1)",
        "gate overridden: known (order of prescriber 1)",
        "sbp-high limit 190: usual (prescriber 1)",
        "discharge: bp: as at home",
    )


def test_without_a_dose_there_is_no_minute(data: SessionData) -> None:
    session = replace(data.session, dose_us=None, doses=())
    found = summarise(replace(data, record=replace(data.record, session=session)))
    assert found.peak is None
    assert found.before is not None
    assert found.before.minute is None
    assert summary.minute_words(None) == ""
