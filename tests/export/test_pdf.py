"""The report as an independent reader (pdfium) sees it."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pypdfium2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.export.records import HOSTILE, at, with_subject
from vitals.export import pdf
from vitals.export.pdf_text import latin
from vitals.export.session_data import AlarmEpisode, Entry, SessionData


def exported(data: SessionData) -> bytes:
    file = io.BytesIO()
    pdf.write(data, file, lambda _: None)
    return file.getvalue()


def texts(raw: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(raw)
    try:
        return [page.get_textpage().get_text_bounded() for page in document]
    finally:
        document.close()


def picture(raw: bytes, page: int = 0) -> np.ndarray[Any, Any]:
    document = pypdfium2.PdfDocument(raw)
    try:
        found: np.ndarray[Any, Any] = document[page].render(scale=2).to_numpy()
        return found
    finally:
        document.close()


@pytest.fixture(scope="module")
def pages(data: SessionData) -> list[str]:
    return texts(exported(data))


def test_the_first_page_has_the_answers(data: SessionData, pages: list[str]) -> None:
    first = pages[0]
    for words in (
        "KV-0417",
        "2027-01-15 09:00 - 09:10 UTC+01:00",
        "Baseline BP",
        "128/80",
        "Peak BP after the dose",
        "131/84",
        "not taken",
        "09:02, dose, ketamine, 70 mg, lot L-17",
        "93 % (-2 min, good signal), never below 90 %",
        "1 high, 0 medium, 0 low; acknowledged after 5 s (median)",
        "SpO2 coverage 96.4 %, longest gap 10 s",
        "3 of 8 BP attempts failed",
        "not taken: BP at 5 min",
        "Off the monitor",
        "30 s",
        "page 1 of 2",
        "Staff aid, not a medical device.",
        f"Head of the audit trail: {data.head}",
        "kap-vitals 0.1.0",
    ):
        assert words in " ".join(first.split()), words
    assert "DEMO" not in first


def test_the_second_page_has_failures_manual_readings_and_who(pages: list[str]) -> None:
    assert len(pages) == 2
    second = " ".join(pages[1].split())
    for words in (
        "failed: cuff leak",
        "failed: the monitor gave no valid pressure",
        "131/84 M, by hand",
        "high SpO2 86 < 88 20 s 5 s, nurse 1",
        "MOAA/S 4",
        "session closed 09:10 nurse 1",
        "page 2 of 2",
    ):
        assert words in second, words


@pytest.mark.parametrize(("mode", "mark"), [("demo", "DEMO"), ("test", "TEST")])
def test_what_is_simulated_says_so_across_every_page(
    data: SessionData, mode: str, mark: str
) -> None:
    session = replace(data.session, mode=mode)
    raw = exported(replace(data, record=replace(data.record, session=session)))
    assert all(mark in text for text in texts(raw))


def test_the_trend_is_drawn_in_its_colours(data: SessionData) -> None:
    def count(shown: SessionData, colour: tuple[int, int, int]) -> int:
        image = picture(exported(shown))[..., :3].astype(int)
        return int((np.abs(image - np.array(colour[::-1])).sum(axis=2) < 60).sum())

    blank = replace(data, numerics=(), pressures=())
    for colour in ((24, 95, 165), (38, 122, 72), (170, 40, 40)):
        assert count(data, colour) > count(blank, colour) + 100


def test_a_gap_stays_a_gap_in_the_trend(data: SessionData) -> None:
    """Nothing blue between the last value before the gap and the first one after it."""
    image = picture(exported(data))[..., :3].astype(int)
    blue = np.abs(image - np.array([165, 95, 24])).sum(axis=2) < 60
    left, wide = 23.0, 173.0  # mm of the picture
    column = [round((left + wide * second / 600) * 2 * 72 / 25.4) for second in (303, 337)]
    lines = blue[:, column[0] : column[1]]
    assert not lines[round(90 * 5.67) :].any()
    assert blue[round(90 * 5.67) :].any()


@pytest.mark.parametrize("subject", [HOSTILE, "", "Ω" * 300, "\x00\x01", "{nb}"])
def test_any_pseudonym_makes_two_pages(data: SessionData, subject: str) -> None:
    assert len(texts(exported(with_subject(data, subject)))) == 2


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
    found = texts(exported(busy))
    assert len(found) == 2
    assert "more in the CSV export" in found[0]
    assert found[1].count("more in the CSV export") == 3
    image = picture(exported(busy), 1)[..., :3]
    below = round((297 - 22 + 5) * 2 * 72 / 25.4)
    above = round((297 - 22 + 1) * 2 * 72 / 25.4)
    assert (image[above:below] == 255).all()  # nothing runs into the foot of the page


def test_an_open_or_empty_session_is_a_report(data: SessionData) -> None:
    session = replace(data.session, ended_us=None, dose_us=None, doses=())
    empty = replace(data, numerics=(), waves=(), pressures=(), alarms=(), entries=())
    found = texts(exported(replace(empty, record=replace(data.record, session=session))))
    assert "(still open)" in found[0]
    assert "no dose was marked" in found[0]
    assert "the session is open" in found[0]


def test_what_cannot_be_read_stands_on_the_first_page(data: SessionData) -> None:
    broken = replace(data, unreadable=("The record is damaged: PR cannot be read.",))
    assert "The record is damaged: PR cannot be read." in texts(exported(broken))[0]


def test_the_same_data_gives_the_same_bytes(data: SessionData) -> None:
    assert exported(data) == exported(data)


def test_signs_that_the_fonts_do_not_have_are_spelled() -> None:
    assert latin("DIA 101 ≥ 100 → SpO₂ – Łódź\n„x“") == 'DIA 101 >= 100 -> SpO2 - Lódz "x"'


@given(st.text())
def test_any_text_can_be_printed(value: str) -> None:
    latin(value).encode("latin-1")
    assert "\n" not in latin(value)
