"""The REMS sheet: what the record knows with its source, and judgements left to a person."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.export import whole
from tests.export.records import HOSTILE, at, with_subject
from tests.export.records import session as summary
from vitals.export import rems_pdf
from vitals.export.coverage import measure
from vitals.export.rems import BY_PROVIDER, Field, RemsSheet, fill, uses_rems
from vitals.export.session_data import Entry, SessionData
from vitals.model import Dose
from vitals.store.rows import SessionRecord


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> SessionData:
    return whole.read(tmp_path_factory.mktemp("rems") / "whole.db")


def with_session(data: SessionData, **changes: Any) -> SessionData:
    return replace(data, record=replace(data.record, session=replace(data.session, **changes)))


def fields(sheet: RemsSheet) -> dict[str, Field]:
    return {field.label: field for _, some in sheet.sections for field in some}


def sprayed(data: SessionData, *mg: float | None, drug: str = "Esketamine") -> SessionData:
    """The same with a nasal spray, each part so much."""
    doses = tuple(
        Dose(
            n + 1, "part" if n else "dose", at(1200 + 300 * n), at(1200), "nurse 1", drug, one, "L1"
        )
        for n, one in enumerate(mg)
    )
    return with_session(data, route="intranasal", doses=doses)


def test_every_value_has_a_source_and_no_judgement_has_a_value(session: SessionData) -> None:
    for field in fields(fill(session)).values():
        assert field.source, field.label
        assert (field.kind == "value") == bool(field.value), field.label
        if field.kind == "judgement":
            assert (field.value, field.ticked, field.source) == ("", "", BY_PROVIDER)


def test_the_judgements_are_those_of_the_form(session: SessionData) -> None:
    judged = {f.label for f in fields(fill(session)).values() if f.kind == "judgement"}
    assert judged == {
        "Minutes until ready to leave, but for the 2 hours",
        "Acceptable before dosing?",
        "Acceptable before completion?",
        "Sedation?",
        "Sedation: resolved when",
        "Dissociation?",
        "Dissociation: resolved when",
        "Respiratory depression?",
        "Respiratory depression: resolved when",
        "Serious adverse event?",
    }


def test_pressures_have_their_own_minute_and_device(session: SessionData) -> None:
    found = fields(fill(session))
    told = {
        "Blood pressure before dosing": ("127/79 mmHg", "cuff, 09:11 (-9 min)"),
        "Blood pressure at 40 minutes": ("167/98 mmHg", "cuff, 10:01 (+41 min)"),
        "Blood pressure before completion": (
            "130/80 mmHg",
            "M, by hand, nurse 1, 11:19 (+119 min)",
        ),
    }
    assert {label: (found[label].value, found[label].source) for label in told} == told


def test_what_nobody_knows_stays_blank(session: SessionData) -> None:
    found = fields(fill(session))
    for label in (
        "First name, middle initial, last name",
        "Date of birth",
        "Sex",
        "Name of the monitoring provider",
        "Name and address of the setting",
        "Non-benzodiazepine sedative hypnotics",
        "Opioids",
    ):
        assert (found[label].kind, found[label].value) == ("blank", ""), label
    assert found["Opioids"].source == "not answered at check-in"


def test_answers_of_the_check_in_are_ticked_with_who_and_when(session: SessionData) -> None:
    found = fields(fill(session))
    assert found["Psychostimulants"].ticked == "yes"
    assert found["Psychostimulants"].source == 'check-in "Stimulants", nurse 1, 09:01'
    assert found["Benzodiazepines"].ticked == "no"


def test_the_minutes_run_from_the_dose_to_the_end_of_monitoring(session: SessionData) -> None:
    label = "Total minutes, dose to end of monitoring"
    found = fields(fill(session))[label]
    assert (found.value, found.source) == ("119", "monitoring finished: nurse 1, 11:19")
    unfinished = fields(fill(with_session(session, finished_us=None)))[label]
    assert (unfinished.value, unfinished.source) == ("120", "session closed: nurse 1, 11:20")
    open_ = with_session(session, finished_us=None, ended_us=None)
    assert fields(fill(open_))[label].kind == "blank"


@pytest.mark.parametrize(
    ("mg", "ticked", "kind"),
    [
        ((28.0, 28.0), "56 mg", "value"),
        ((28.0, 28.0, 28.0), "84 mg", "value"),
        ((28.0,), "other", "value"),
        ((28.0, None), "", "blank"),
    ],
)
def test_the_dose_is_the_sum_of_its_parts(
    session: SessionData, mg: tuple[float | None, ...], ticked: str, kind: str
) -> None:
    found = fields(fill(sprayed(session, *mg)))["Dose"]
    assert (found.ticked, found.kind) == (ticked, kind)


def test_only_esketamine_as_a_spray_is_under_the_rems(session: SessionData) -> None:
    assert uses_rems(sprayed(session, 56.0))
    assert uses_rems(sprayed(session, 56.0, drug="SPRAVATO"))
    assert not uses_rems(sprayed(session, 56.0, drug="ketamine"))
    assert not uses_rems(with_session(sprayed(session, 56.0), route="im"))


def test_the_heading_says_whether_it_is(session: SessionData) -> None:
    under = fill(sprayed(session, 56.0))
    assert under.title == "REMS sheet"
    assert under.note.endswith("within 7 days of the treatment: by 2027-01-22.")
    other = fill(session)
    assert other.title == "REMS-style sheet"
    assert "(IM injection, ketamine) is not under the esketamine REMS" in other.note
    assert "Do not send it." in other.note


def test_beside_a_judgement_stands_what_was_recorded(session: SessionData) -> None:
    found = {label: field.recorded for label, field in fields(fill(session)).items()}
    assert found["Acceptable before dosing?"].startswith(
        "Gate 09:15, prescriber 1: override: white coat."
    )
    assert found["Sedation?"] == (
        "Sedation (MOAA/S): lowest 3 at 09:35 (+15 min) (nurse 1), first below 5 at 09:35 "
        "(+15 min), 5 again at 10:05 (+45 min)."
    )
    assert "highest 14 at 09:52 (+32 min) (nurse 1), last 1" in found["Dissociation?"]
    assert found["Respiratory depression?"] == (
        "Lowest SpO2 87 % (oximeter, 09:50 (+30 min)). SpO2 below 90 % for 30 s in all."
    )
    assert found["Serious adverse event?"] == (
        "0 entered as serious. nausea 09:53 (+33 min): mild, resolved (nurse 1)."
    )


def test_serious_events_stand_first(session: SessionData) -> None:
    event = {"what": "syncope", "onset_us": at(3000), "serious": True, "severity": "severe"}
    adverse = {**session.session.adverse, "a2": {**event, "outcome": "resolved", "by": "nurse 1"}}
    found = fields(fill(with_session(session, adverse=adverse)))["Serious adverse event?"]
    assert found.recorded.startswith("1 entered as serious. syncope")
    assert found.value == ""


def test_a_session_without_a_dose_has_no_treatment(session: SessionData) -> None:
    bare = with_session(session, dose_us=None, doses=(), ended_us=None, finished_us=None)
    empty = replace(bare, entries=(), pressures=(), numerics=())
    found = fields(fill(empty))
    for label in ("Date of treatment", "Dose", "Lot number", "Blood pressure before dosing"):
        assert found[label].kind == "blank", label
    assert len(whole.texts(whole.printed(rems_pdf, empty))) == 1


def test_it_is_one_page_with_its_marks(session: SessionData) -> None:
    demo = with_session(session, mode="demo")
    (page,) = whole.texts(whole.printed(rems_pdf, demo))
    for words in ("DEMO", "REMS-style sheet", BY_PROVIDER, "Staff aid", "page 1 of 1"):
        assert words in page


@pytest.mark.parametrize("words", [HOSTILE, "x" * 5000, "word " * 1000, "😀\u202e" * 40])
def test_long_and_hostile_words_stay_on_the_page(session: SessionData, words: str) -> None:
    adverse = {
        str(n): {"what": words, "onset_us": at(n), "severity": words, "serious": True}
        for n in range(30)
    }
    gate = {"decision": words, "reason": words, "by": words, "words": [words] * 9}
    dose = replace(session.session.doses[0], drug=words, lot=words, by=words)
    changed = with_session(session, adverse=adverse, gate=gate, doses=(dose,))
    raw = whole.printed(rems_pdf, with_subject(changed, words))
    above_the_foot(raw)


def test_a_sheet_with_two_lines_everywhere_is_cut_to_its_page(
    session: SessionData, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheet = fill(session)
    sections = tuple(
        (title, tuple(replace(f, recorded="word " * 90 if f.recorded else "") for f in some))
        for title, some in sheet.sections
    )
    monkeypatch.setattr(rems_pdf, "fill", lambda _: replace(sheet, sections=sections))
    above_the_foot(whole.printed(rems_pdf, session))


def above_the_foot(raw: bytes) -> None:
    """Nothing runs into the foot of the page."""
    image = whole.picture(raw)
    dots = 2 * 72 / 25.4
    above, below = round((297 - 22 + 3.5) * dots), round((297 - 22 + 5.5) * dots)
    assert (image[above:below] == 255).all()
    (text,) = whole.texts(raw)
    assert "page 1 of 1" in text


@given(st.dictionaries(st.sampled_from(["decision", "at_us", "words", "by"]), st.integers(0, 9)))
def test_a_gate_of_another_version_is_no_error(gate: dict[str, int]) -> None:
    entry = Entry(1, at(0), "session_change", "", "", "", {"cause": "opened"})
    data = _bare(entry)
    fill(with_session(data, gate=gate))


def _bare(*entries: Entry) -> SessionData:
    about = summary(600)
    return SessionData(
        record=SessionRecord(about),
        station="",
        numerics=(),
        waves=(),
        pressures=(),
        entries=entries,
        alarms=(),
        devices=(),
        gaps=(),
        coverage=measure((), (), about.started_us, about.started_us),
        head="",
        to_us=about.started_us,
        named=False,
        unreadable=(),
        software="",
        exported_us=0,
    )
