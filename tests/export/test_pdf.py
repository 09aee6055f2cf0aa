"""The report as an independent reader (pdfium) sees it."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.export.records import HOSTILE, at, with_subject
from tests.export.whole import picture, printed, texts
from vitals.export import pdf
from vitals.export.pdf_spans import limit_spans
from vitals.export.pdf_text import latin
from vitals.export.session_data import AlarmEpisode, Entry, SessionData
from vitals.export.technical import technical_alarms
from vitals.model import US, Dose

MM = 2 * 72 / 25.4
"""Dots a millimetre of a picture."""
BLUE, GREEN, RED = (24, 95, 165), (38, 122, 72), (170, 40, 40)


@pytest.fixture(scope="module")
def pages(data: SessionData) -> list[str]:
    return texts(printed(pdf, data))


def with_session(data: SessionData, **changes: Any) -> SessionData:
    return replace(data, record=replace(data.record, session=replace(data.session, **changes)))


def is_colour(image: np.ndarray[Any, Any], colour: tuple[int, int, int]) -> Any:
    return np.abs(image.astype(int) - np.array(colour[::-1])).sum(axis=2) < 60


def test_the_first_page_has_the_answers(data: SessionData, pages: list[str]) -> None:
    for words in (
        "KV-0417",
        "2027-01-15 09:00 - 09:10 UTC+01:00",
        "09:02 ketamine 70 mg, IM injection, lot L-17",
        "Baseline BP 128/80",
        "Peak BP after the dose 131/83 09:07, +6 min highest DIA 84, +6 min",
        "BP at 40 min -- not taken",
        "Last BP",
        "Lowest SpO2 93 % 09:00 (-2 min), good signal never below 90 %",
        "Alarms: high / medium / low 1 / 0 / 0 acknowledged in 5 s (median)",
        "SpO2 coverage 96.4 % longest gap 10 s, artifact",
        "BP: 1 of 2 planned, 3 failed",
        "Closed 09:10 discharge not signed 8 min after the last dose",
        "BP not taken BP at 5 min",
        "Missing nothing was owed at closing",
        "Off the monitor 30 s",
        "Program down 1 x, 10 s in all",
        "page 1 of 2",
        "Staff aid, not a medical device.",
        f"Head of the audit trail: {data.head}",
        "kap-vitals 0.1.0",
    ):
        assert words in pages[0], words
    assert "DEMO" not in pages[0]


def test_the_second_page_has_failures_manual_readings_and_who(pages: list[str]) -> None:
    assert len(pages) == 2
    for words in (
        "failed: cuff leak",
        "failed: the monitor gave no valid pressure",
        "131/84 M, by hand",
        "128/80 95 70 Baseline BP 1 cuff",
        "high SpO2 86 < 88 20 s 5 s, nurse 1",
        "SpO2 96.4 % 10 s at 09:05 7.4 %",
        "1 of 2 repeats 1 of 1 3 of 8 failed",
        "Devices: cuff, oxi",
        "MOAA/S 4",
        "session closed 09:10 nurse 1",
        "page 2 of 2",
    ):
        assert words in pages[1], words


@pytest.mark.parametrize(("mode", "mark"), [("demo", "DEMO"), ("test", "TEST")])
def test_what_is_simulated_says_so_across_every_page(
    data: SessionData, mode: str, mark: str
) -> None:
    assert all(mark in text for text in texts(printed(pdf, with_session(data, mode=mode))))


def test_the_trend_is_drawn_in_its_colours(data: SessionData) -> None:
    def count(shown: SessionData, colour: tuple[int, int, int]) -> int:
        return int(is_colour(picture(printed(pdf, shown)), colour).sum())

    blank = replace(data, numerics=(), pressures=())
    for colour in (BLUE, GREEN, RED):
        assert count(data, colour) > count(blank, colour) + 100


def test_a_gap_stays_a_gap_in_the_trend(data: SessionData) -> None:
    """Nothing blue between the last value before the gap and the first one after it."""
    blue = is_colour(picture(printed(pdf, data)), BLUE)
    left, wide, top = 23.0, 173.0, round(120 * MM)
    column = [round((left + wide * second / 600) * MM) for second in (303, 337)]
    assert not blue[top:, column[0] : column[1]].any()
    assert blue[top:, column[0] - 20 : column[0] - 5].any()
    assert blue[top:].any()


def test_alarms_stand_in_the_trend_when_they_were_on(data: SessionData) -> None:
    red = (200, 40, 40)
    left, wide = 23.0, 173.0
    met, over = (round((left + wide * second / 600) * MM) for second in (150, 170))
    image = picture(printed(pdf, replace(data, pressures=())))
    lane = is_colour(image, red)[round(120 * MM) :].sum(axis=0)
    assert lane[met + 2 : over - 2].all()
    assert not lane[over + 30 :].any()


def test_technical_alarms_are_other_marks_in_a_lane_of_their_own_also_in_grey(
    data: SessionData,
) -> None:
    """Two alarms of the same time and priority: only one is about the patient."""

    def grey(*rules: str) -> np.ndarray[Any, Any]:
        alarms = tuple(AlarmEpisode(rule, "high", "", at(200), at(400)) for rule in rules)
        image = picture(printed(pdf, replace(data, alarms=alarms, pressures=(), entries=())))
        strip: np.ndarray[Any, Any] = image[round(110 * MM) :].mean(axis=2)
        left, wide = 23.0, 173.0
        from_x, to_x = (round((left + wide * second / 600) * MM) for second in (210, 390))
        return strip[:, from_x:to_x]

    none, patient, technical = grey(), grey("spo2-low"), grey("nibp-failed:cuff")
    full = np.flatnonzero((patient < none - 60).mean(axis=1) > 0.98)
    outline = np.flatnonzero((technical < none - 60).mean(axis=1) > 0.05)
    assert full.size >= 3
    assert outline.size >= 4
    assert not set(full) & set(outline)  # another lane
    inside = technical[outline[2] : outline[-2]]
    assert 0.05 < (inside < 200).mean() < 0.5  # hatched, not full
    words = texts(printed(pdf, data))[0]
    assert "full bars are about the patient" in words
    assert "hatched outlines are technical" in words


def test_what_the_patient_reported_is_no_technical_alarm(data: SessionData) -> None:
    alarms = tuple(
        AlarmEpisode(rule, "high", rule, at(200), at(400))
        for rule in ("symptom", "nurse-call", "spo2-no-data", "nibp-failed:cuff")
    )
    found = replace(data, alarms=alarms)
    assert [one.rule for one in technical_alarms(found)] == ["spo2-no-data", "nibp-failed:cuff"]
    assert "2 of them technical" in texts(printed(pdf, found))[0]


def limit_entry(second: float, kind: str, **body: Any) -> Entry:
    return Entry(999, at(second), kind, "", "", "", body)


def test_limits_are_those_that_held_for_this_patient(data: SessionData) -> None:
    """One that was set for the patient from then on; none while the rule was off."""
    state = {"limits": {"spo2-low": [None, None, 86.0, None]}}
    off, on = {"rule_state": "off", "condition": "idle"}, {"condition": "idle"}
    entries = (
        limit_entry(300, "session_change", cause="limit", rule="spo2-low", state=state),
        limit_entry(400, "alarm", rule="spo2-low", after=off),
        limit_entry(450, "alarm", rule="spo2-low", after=on),
    )
    kept = tuple(entry for entry in data.entries if entry.kind == "session_change")
    found = limit_spans(replace(data, entries=(*kept, *entries)), ("spo2-low", "no-such-rule"))
    assert found["no-such-rule"] == []
    high = [(a, b, limit) for a, b, priority, limit in found["spo2-low"] if priority == "high"]
    assert [one for one in high if one[2] > 80] == [
        (at(0), at(300), 88.0),
        (at(300), at(400), 86.0),
        (at(450), at(600), 86.0),
    ]


def test_limits_are_drawn_where_they_lie_in_the_picture(data: SessionData) -> None:
    plain = replace(data, pressures=(), alarms=(), entries=())
    without = replace(plain, record=replace(data.record, profile_text=""))
    drawn, blank = (picture(printed(pdf, one)).astype(int) for one in (plain, without))
    changed = np.abs(drawn - blank).sum(axis=2) > 60
    assert changed.sum(axis=1).max() > 300  # a dashed line from side to side


@pytest.mark.parametrize(
    "subject", [HOSTILE, "", "Ω" * 300, "\x00\x01", "{nb}", "x" * 5000, "😀 Мария\u202e\u200f"]
)
def test_any_pseudonym_makes_two_pages(data: SessionData, subject: str) -> None:
    assert len(texts(printed(pdf, with_subject(data, subject)))) == 2


def test_a_long_session_stays_on_two_pages(data: SessionData) -> None:
    one = data.pressures[0]
    many = tuple(replace(one, at_us=at(60 * n)) for n in range(200))
    alarms = tuple(AlarmEpisode("r", "low", f"alarm {n}", at(n)) for n in range(100))
    marks = tuple(
        Entry(n, at(n), "mark", "word " * 60, "nurse 1", "nurse", {"text": "word " * 60})
        for n in range(100)
    )
    owed = {"cause": "closed", "owed": [["x", "a field that nobody has filled in"]] * 60}
    closed = Entry(500, at(600), "session_change", "", "", "", owed)
    busy = replace(data, pressures=many, alarms=alarms, entries=(*marks, closed))
    raw = printed(pdf, busy)
    found = texts(raw)
    assert len(found) == 2
    assert found[1].count("more in the CSV export") == 3
    for page in (0, 1):
        image = picture(raw, page)
        above, below = round((297 - 22 + 4.5) * MM), round((297 - 22 + 5.5) * MM)
        assert (image[above:below] == 255).all()  # nothing runs into the foot of the page


def test_of_too_many_alarms_the_urgent_ones_stay(data: SessionData) -> None:
    alarms = [AlarmEpisode("r", "low", f"low {n}", at(n)) for n in range(100)]
    alarms.insert(60, AlarmEpisode("s", "high", "the one that matters", at(60), heard_us=at(60)))
    second = texts(printed(pdf, replace(data, alarms=tuple(alarms))))[1]
    assert "high the one that matters goes on never" in second
    assert "more in the CSV export" in second


def test_remarks_are_no_alarms(data: SessionData) -> None:
    remark = AlarmEpisode("r", "info", "SYS 146 (baseline +20 %)", at(100))
    assert "baseline +20 %" not in texts(printed(pdf, replace(data, alarms=(remark,))))[1]


def test_an_open_or_empty_session_is_a_report(data: SessionData) -> None:
    open_ = with_session(data, ended_us=None, dose_us=None, doses=(), baseline={})
    empty = replace(open_, numerics=(), waves=(), pressures=(), alarms=(), entries=())
    found = texts(printed(pdf, empty))
    for words in (
        "(still open)",
        "No dose was marked",
        "Missing not known yet: the session is open",
        "Lowest SpO2 -- no SpO2 was recorded",
        "Baseline BP -- not taken",
        "Peak BP after the dose -- no dose",
    ):
        assert words in found[0], words


def test_what_cannot_be_read_stands_on_the_first_page(data: SessionData) -> None:
    broken = replace(data, unreadable=("The record is damaged: PR cannot be read.",))
    assert "The record is damaged: PR cannot be read." in texts(printed(pdf, broken))[0]


def test_many_doses_are_counted_where_they_do_not_fit(data: SessionData) -> None:
    given = tuple(
        Dose(n, "dose" if n == 1 else "booster", at(100 * n), at(100 * n), "nurse 1", mg=5.0 * n)
        for n in range(1, 8)
    )
    first = texts(printed(pdf, with_session(data, doses=given)))[0]
    assert "booster: drug not recorded 15 mg" in first
    assert "... 4 more in the CSV export" in first


def test_an_addendum_and_an_older_signature_are_told(data: SessionData) -> None:
    signed = {"text": "I have reviewed this record.", "seen": 0, "identity": "account"}
    added = {"text": "Called the next day.", "identity": "typed"}
    entries = (
        *data.entries,
        Entry(900, at(86_400), "signature", "", "clinician 1", "clinician", signed),
        Entry(901, at(90_000), "addendum", "", "nurse 1", "nurse", added),
    )
    found = texts(printed(pdf, replace(data, entries=entries)))
    assert "1 addendum, see page 2" in found[0]
    assert "I have reviewed this record: clinician 1, 2027-01-16 09:00 (before the last" in found[0]
    assert "2027-01-16 10:00 Called the next day. nurse 1 (not authenticated)" in found[1]


def test_the_file_says_how_wide_its_letters_are(data: SessionData) -> None:
    """A reader without Helvetica sets another font into the same room."""
    raw = printed(pdf, data)
    widths = [row.split() for row in re.findall(rb"/Widths \[([^\]]*)\]", raw)]
    assert len(widths) == raw.count(b"/Subtype /Type1") == raw.count(b"/FontDescriptor ") == 2
    for row in widths:
        assert len(row) == 256 - 32
        assert row[ord("M") - 32] == b"833"
    assert {row[ord("a") - 32] for row in widths} == {b"556"}


def test_the_same_data_gives_the_same_bytes(data: SessionData) -> None:
    assert printed(pdf, data) == printed(pdf, data)


def test_a_long_session_goes_over_midnight_with_its_day(data: SessionData) -> None:
    long = replace(with_session(data, ended_us=None), to_us=at(20 * 3600))
    assert "2027-01-15 09:00 - 2027-01-16 05:00 (still open)" in texts(printed(pdf, long))[0]


def test_signs_that_the_fonts_do_not_have_are_spelled() -> None:
    assert latin("DIA 101 ≥ 100 → SpO₂ – Łódź\n„x“") == 'DIA 101 >= 100 -> SpO2 - Lódz "x"'
    assert latin("Мария Ёж, Έλλη") == "Mariya Yozh, Elli"
    assert latin("\u202eevil\u200f 中") == "evil [U+4E2D]"


@given(st.text())
def test_any_text_can_be_printed(value: str) -> None:
    latin(value).encode("latin-1")
    assert "\n" not in latin(value)


@given(*[st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF))] * 2)
def test_texts_that_differ_differ_in_print(one: str, other: str) -> None:
    """A sign of which nothing is left is told by its number: two patients stay two."""
    assert (latin(one) == latin(other)) == (one == other)


def test_it_is_written_to_a_file_object(data: SessionData) -> None:
    told: list[str] = []
    file = io.BytesIO()
    pdf.write(data, file, told.append)
    assert file.getvalue().startswith(b"%PDF-")
    assert told == ["page 1", "page 2"]


def test_minutes_of_a_two_hour_span_do_not_overrun(data: SessionData) -> None:
    """A mark long before or after the session stands at the edge of the picture."""
    mark = Entry(800, at(10) - 7200 * US, "mark", "early", "nurse 1", "nurse", {"text": "early"})
    found = texts(printed(pdf, replace(data, entries=(*data.entries, mark))))
    assert "early" in found[1]
