"""Not taken and not known are two things, wherever a session is told."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from dashboard.review.answers import answers, honesty
from dashboard.review.noted import noted
from dashboard.review.pressures import pressure_rows
from tests.export.records import UUID, at, read
from tests.export.test_damage import broken, pages
from vitals.export import unknown
from vitals.export.command import write
from vitals.export.pdf_answers import tiles
from vitals.export.pdf_rows import coverage, nothing, readings
from vitals.export.planned import no_reading, planned
from vitals.export.rems import fill
from vitals.export.session_data import TRAIL, Lost, SessionData
from vitals.export.summary import summarise
from vitals.model import US
from vitals.store.retention import forget


@pytest.fixture(scope="module")
def deleted(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> SessionData:
    """The same session when the time of its values was over."""
    path = tmp_path_factory.mktemp("deleted") / "vitals.db"
    shutil.copy(recorded, path)
    assert list(forget(path, [UUID], reason="their time is over", by="Ann", now_us=at(90_000)))
    return read(path)


def torn(data: SessionData) -> SessionData:
    """Rows of the audit trail are lost: those that tell how it ended, too."""
    entries = tuple(entry for entry in data.entries if entry.at_us < at(120))
    state = replace(data.session, adverse={})
    record = replace(data.record, session=state)
    return replace(data, entries=entries, record=record, lost=(Lost(TRAIL, 0, 2**53),))


def said(data: SessionData) -> dict[str, str]:
    return {each["label"]: each["text"] for each in answers(data)}


def tile(data: SessionData, label: str) -> tuple[str, ...]:
    return next(one.lines for one in tiles(data, summarise(data)) if one.label == label)


def test_a_whole_record_knows_what_was_not_taken(data: SessionData) -> None:
    assert no_reading(data, "forty") == "not taken"
    outcomes = {one.what: one.outcome for one in planned(data)}
    assert outcomes == {
        "nibp-baseline-1": "taken",
        "nibp-repeat-1": "taken",
        "nibp+5": "not taken",
    }
    assert not any(words.startswith("not known") for words in said(data).values())
    assert nothing(data) == "none"


def test_values_that_were_deleted_are_not_known_and_what_did_not_come_was_not_taken(
    deleted: SessionData,
) -> None:
    gone = f"not known ({unknown.DELETED})"
    told = said(deleted)
    assert {told[key] for key in ("BP before the dose", "Peak BP", "Last BP")} == {gone}
    assert told["Lowest SpO₂"] == gone
    assert told["40-minute BP"] == "not taken"  # the trail says so, and it is whole
    assert told["Adverse events"] == "none entered"
    assert tile(deleted, "Lowest SpO2") == (gone,)
    assert tile(deleted, "Last BP") == (gone,)
    rows = [row for row in pressure_rows(deleted) if row["planned"]]
    first, missed = rows[0], rows[-1]
    assert (missed["planned"], missed["kind"]) == (["BP at 5 min"], "missed")
    assert missed["why"] == "not taken"
    assert (first["kind"], first["at_us"]) == ("unknown", at(29.5))
    assert first["why"] == f"taken, its values are {gone}"
    assert any(row[2] == "not known" and row[5] == "Baseline BP 1" for row in readings(deleted))
    (signs,) = [fields for title, fields in fill(deleted).sections if title == "Vital signs"]
    assert {field.source for field in signs if "before" in field.label} >= {gone}


def test_only_where_values_are_lost_a_reading_is_not_known(data: SessionData) -> None:
    """Damage of the time before the dose says nothing of the time after it."""
    early = Lost("nibp_sys", at(0), at(100))
    after = tuple(one for one in data.pressures if one.at_us > at(120))
    found = replace(data, pressures=after, lost=(early,))
    assert no_reading(found, "before") == f"not known ({unknown.DAMAGED})"
    assert said(found)["Peak BP"] == said(data)["Peak BP"]
    late = replace(data, lost=(Lost("nibp_dia", at(400), at(450)),))
    assert said(late)["Peak BP"].endswith("; other readings are not known")
    assert "other readings" not in said(late)["BP before the dose"]
    low = replace(data, lost=(Lost("spo2", at(400), at(450)),))
    assert said(low)["Lowest SpO₂"].endswith("; the rest is not known (the record is damaged)")


def test_a_torn_audit_trail_is_no_proof_that_nothing_happened(data: SessionData) -> None:
    found = torn(data)
    told = said(found)
    for label in ("Adverse events", "Scores", "Overrides", "Marks and interventions"):
        assert told[label] == f"not known ({unknown.DAMAGED})"
    assert told["Alarms"].endswith("(at least: the record is damaged)")
    assert [one.outcome for one in planned(found)][-1] == "not taken"
    open_ = replace(found, entries=tuple(e for e in found.entries if e.n < 6 and e.at_us < at(30)))
    assert [one.outcome for one in planned(open_)] == ["not known"]
    assert noted(found)["unknown"] == unknown.DAMAGED
    assert nothing(found) == f"not known: {unknown.DAMAGED}"


def test_time_that_is_lost_is_no_gap(recorded: Path, tmp_path: Path, data: SessionData) -> None:
    """Coverage is of the time that is known; how much is not, is said."""
    lost = broken(recorded, tmp_path / "vitals.db", *pages(recorded, "numeric")[5:8])
    found = read(lost)
    before, now = data.coverage.of("spo2"), found.coverage.of("spo2")
    assert before is not None
    assert now is not None
    assert now.unknown_us > 10 * US
    assert now.share == pytest.approx(before.share, abs=0.03)
    assert "not known" in found.coverage.sentence()
    shown = next(each for each in honesty(found)["channels"] if each["channel"] == "spo2")
    assert shown["unknown"]
    assert any("not known" in row[2] for row in coverage(found))
    assert before.unknown_us == 0


def test_csv_says_of_each_owed_reading_what_became_of_it(
    data: SessionData, deleted: SessionData, tmp_path: Path
) -> None:
    def table(found: SessionData, name: str) -> dict[str, tuple[str, str]]:
        write(found, "csv", tmp_path / name, lambda _: None)
        with (tmp_path / name / "planned.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        return {row["label"]: (row["outcome"], row["values"]) for row in rows}

    whole, gone = table(data, "whole"), table(deleted, "gone")
    assert whole["BP at 5 min"] == gone["BP at 5 min"] == ("not taken", "")
    assert whole["Baseline BP 1"] == ("taken", "")
    assert gone["Baseline BP 1"] == ("taken", f"not known ({unknown.DELETED})")
