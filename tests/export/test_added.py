"""Addenda and signatures in every export: who, when, what, and nowhere within the session."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from edfio import read_edf
from fhir.resources.R4B.bundle import Bundle

from tests.export import records
from tests.export.records import ANNA, UUID, at, read
from tests.export.test_vital_file import exported
from vitals.export import csv_files, edf, fhir
from vitals.export.added import additions
from vitals.export.session_data import SessionData
from vitals.export.target import whole_folder
from vitals.export.timeline import timeline
from vitals.store.rows import AuditRow

DAY_S = 86_400
TEXT = f'=1+1 Called {ANNA} at home;\n"no nausea" — felt well'


def row(seq: int, second: float, kind: str, actor: str, role: str, **body: Any) -> AuditRow:
    command = {"addendum": "addendum", "signature": "sign_record"}[kind]
    facts = {"command": command, "ok": True, "error": "", "session": UUID, **body}
    return AuditRow(seq, at(second), UUID, "room-1", actor, role, kind, facts, f"c-{seq}")


ROWS = [
    row(900, DAY_S, "addendum", ANNA, "nurse", text=TEXT, about_us=at(700), identity="account"),
    row(901, 2 * DAY_S, "signature", "Dr. Cho", "clinician", statement="reviewed", seen=1,
        text="I have reviewed this record.", comment="Complete.", identity="account"),
    row(902, 3 * DAY_S, "addendum", "nurse", "nurse", text="Lot was L-18", corrects=9,
        identity="typed"),
    row(903, 4 * DAY_S, "signature", "Dr. Cho", "clinician", statement="addenda_seen", seen=10**6,
        text="I have seen the addenda to this record.", comment="", identity="typed"),
]  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return records.write(tmp_path_factory.mktemp("added") / "vitals.db", pleth=False, rows=ROWS)


@pytest.fixture(scope="module")
def named(path: Path) -> SessionData:
    return read(path, names=True)


def test_they_come_in_order_and_a_signature_before_the_last_addendum_says_so(
    named: SessionData,
) -> None:
    first, signed, second, last = additions(named.entries)
    assert (first.text, first.actor, first.about_us) == (TEXT, ANNA, at(700))
    assert (signed.text, signed.comment) == ("I have reviewed this record.", "Complete.")
    assert (signed.outdated, last.outdated) == (True, False)
    assert (second.corrects, second.authenticated) == (9, False)
    assert [one.kind for one in (first, signed)] == ["addendum", "signature"]


def test_without_names_people_are_roles_also_within_the_text(path: Path) -> None:
    first, signed, *_ = additions(read(path).entries)
    assert first.actor == "nurse 1"
    assert "Anna" not in first.text
    assert "Called nurse 1 at home" in first.text
    assert (signed.actor, signed.text) == ("clinician 1", "I have reviewed this record.")
    assert signed.identity == "account"


def test_the_session_itself_is_as_long_and_as_covered_as_without_them(
    named: SessionData, tmp_path: Path
) -> None:
    without = read(records.write(tmp_path / "vitals.db", pleth=False), names=True)
    assert named.coverage == without.coverage
    assert (named.to_us, named.alarms, named.pressures) == (
        without.to_us, without.alarms, without.pressures,
    )  # fmt: skip


def test_on_the_time_line_they_stand_at_the_end_with_the_time_they_were_written(
    named: SessionData,
) -> None:
    points = timeline(named.entries, added=True)
    assert points[:-4] == timeline(named.entries)
    assert max(point.at_us for point in points) <= named.to_us
    assert [p.kind for p in points][-4:] == ["addendum", "signature", "addendum", "signature"]
    assert points[-4].text.endswith("(written 2027-01-16T08:00Z, about 2027-01-15T08:11Z)")
    assert points[-3].text == ("I have reviewed this record. Complete. (written 2027-01-17T08:00Z)")


def test_recordings_do_not_grow_by_days(named: SessionData, tmp_path: Path) -> None:
    file = io.BytesIO()
    edf.write(named, file, lambda _: None)
    back = read_edf(io.BytesIO(file.getvalue()))
    assert back.duration < 3600
    assert any("Lot was L-18" in one.text for one in back.annotations)
    assert max(one.onset for one in back.annotations) <= back.duration
    vital = exported(named, tmp_path / "s.vital")
    assert vital.dtend - vital.dtstart < 3600


def test_csv_has_them_whole(named: SessionData, tmp_path: Path) -> None:
    with whole_folder(tmp_path / "out") as files:
        csv_files.write(named, files, lambda _: None)
    with (tmp_path / "out" / "events.csv").open(newline="", encoding="utf-8") as file:
        rows = [one for one in csv.DictReader(file) if one["kind"] in ("addendum", "signature")]
    assert [one["actor"] for one in rows] == [ANNA, "Dr. Cho", "nurse", "Dr. Cho"]
    assert json.loads(rows[0]["details"])["text"] == TEXT
    assert rows[0]["text"].startswith("'=1+1 Called")
    assert rows[2]["text"] == "corrects row 9: Lot was L-18 (name not authenticated)"
    assert [int(one["at_us"]) for one in rows] == [one.at_us for one in ROWS]


def test_fhir_has_them_as_communications(named: SessionData) -> None:
    file = io.BytesIO()
    fhir.write(named, file, lambda _: None)
    found = json.loads(file.getvalue())
    assert Bundle.model_validate_json(json.dumps(found)).type == "collection"
    said = [
        entry["resource"]
        for entry in found["entry"]
        if entry["resource"]["resourceType"] == "Communication"
    ]
    assert [one["category"][0]["text"] for one in said] == [
        "addendum", "signature", "addendum", "signature",
    ]  # fmt: skip
    assert said[0]["payload"] == [{"contentString": TEXT}]
    assert said[0]["sender"] == {"display": ANNA}
    assert said[0]["sent"] == "2027-01-16T09:00:00.000000+01:00"
    assert said[1]["payload"][1] == {"contentString": "Complete."}
    assert {"text": "something was added afterwards"} in said[1]["note"]
    assert {"text": "the sender's name is not authenticated"} in said[2]["note"]
    assert {"text": "corrects row 9 of the audit trail"} in said[2]["note"]
