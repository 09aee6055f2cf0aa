from __future__ import annotations

import csv
import io
import json
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.export import records
from tests.export.records import HOSTILE, at, read, with_subject
from vitals.export import csv_files
from vitals.export.command import write
from vitals.export.session_data import SessionData

Rows = list[dict[str, str]]


def tables(data: SessionData, path: Path) -> dict[str, Rows]:
    write(data, "csv", path / "out", lambda _: None)
    return {file.name: rows(file.read_bytes()) for file in (path / "out").glob("*.csv")}


def rows(raw: bytes) -> Rows:
    return list(csv.DictReader(io.StringIO(raw.decode(), newline=""), strict=True))


def number(cell: str) -> float:
    return float(cell) if cell else float("nan")


def test_every_value_comes_back_to_the_last_digit(data: SessionData, tmp_path: Path) -> None:
    found = tables(data, tmp_path)["numerics.csv"]
    for track in data.numerics:
        key = track.channel.key
        mine = [row for row in found if row["device"] == track.device and row[f"{key} quality"]]
        assert [int(row["at_us"]) for row in mine] == track.at_us.tolist()
        values = np.array([number(row[f"{key} [{track.channel.unit}]"]) for row in mine])
        assert np.array_equal(values, track.value, equal_nan=True)
        names = [("good", "questionable", "invalid")[code] for code in track.quality.tolist()]
        assert [row[f"{key} quality"] for row in mine] == names
        assert tuple(row[f"{key} flags"] for row in mine) == track.flags
        theirs = [int(row["device_at_us"]) if row["device_at_us"] else None for row in mine]
        assert tuple(theirs) == track.device_at_us


def test_every_sample_of_a_waveform_comes_back(data: SessionData, tmp_path: Path) -> None:
    found = tables(data, tmp_path)["waveform-pleth-oxi.csv"]
    (wave,) = data.waves
    values = np.concatenate([block.values for block in wave.blocks])
    assert np.array_equal(np.array([row["pleth [1]"] for row in found], dtype=np.float32), values)
    at_us = np.concatenate([csv_files.sample_times(block) for block in wave.blocks])
    assert [int(row["at_us"]) for row in found] == at_us.tolist()
    doubted = [row for row in found if row["quality"] == "questionable"]
    assert len(doubted) == 30 * 75


def test_times_are_iso_with_the_offset_of_the_clinic(data: SessionData, tmp_path: Path) -> None:
    first = tables(data, tmp_path)["numerics.csv"][0]
    assert first["time"] == "2027-01-15T09:00:00.300000+01:00"
    assert first["at_us"] == str(at(0.3))


def test_failed_and_manual_pressures_stand_among_the_others(
    data: SessionData, tmp_path: Path
) -> None:
    found = tables(data, tmp_path)["blood_pressures.csv"]
    failed = [row for row in found if row["failed"] == "yes"]
    assert failed[0]["reason"] == "cuff leak"
    assert {row["sys [mm[Hg]]"] for row in failed} == {""}
    assert {row["quality"] for row in failed} == {""}
    (by_hand,) = [row for row in found if row["manual"] == "yes"]
    assert (by_hand["sys [mm[Hg]]"], by_hand["dia [mm[Hg]]"]) == ("131", "84")


def test_alarms_events_coverage_and_limits_are_there(data: SessionData, tmp_path: Path) -> None:
    found = tables(data, tmp_path)
    (alarm,) = found["alarms.csv"]
    assert (alarm["duration [s]"], alarm["acknowledged_by"]) == ("20", "nurse 1")
    kinds = [row["kind"] for row in found["events.csv"]]
    assert {"mark", "score", "alarm", "notice", "link", "due", "command"} <= set(kinds)
    assert json.loads(found["events.csv"][0]["details"])["cause"] == "opened"
    assert {row["channel"] for row in found["coverage.csv"]} == {"spo2", "pr", "pi", "pleth"}
    facts = {row["fact"]: row["value"] for row in found["session.csv"]}
    assert facts["audit_head"] == data.head
    assert facts["subject"] == "KV-0417"
    assert "not a medical device" in facts["disclaimer"]
    assert tomllib.loads((tmp_path / "out" / "profile.toml").read_text())


def test_a_zip_holds_the_same_files(data: SessionData, tmp_path: Path) -> None:
    write(data, "csv", tmp_path / "out", lambda _: None)
    write(data, "csv", tmp_path / "out.zip", lambda _: None)
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            assert archive.read(name) == (tmp_path / "out" / name).read_bytes()
        assert sorted(archive.namelist()) == sorted(p.name for p in (tmp_path / "out").iterdir())


def test_rows_end_and_are_quoted_as_rfc_4180_says(data: SessionData, tmp_path: Path) -> None:
    write(with_subject(data, 'a "b", c\r\nd'), "csv", tmp_path / "out", lambda _: None)
    raw = (tmp_path / "out" / "session.csv").read_bytes()
    assert b'subject,"a ""b"", c\r\nd"\r\n' in raw
    assert {row["fact"]: row["value"] for row in rows(raw)}["subject"] == 'a "b", c\r\nd'


@pytest.mark.parametrize("subject", [HOSTILE, "=1+1", " @SUM(A1)", "+1", "-2", "\t=1", "＝1"])
def test_no_pseudonym_becomes_a_formula_or_a_cell(
    data: SessionData, tmp_path: Path, subject: str
) -> None:
    facts = tables(with_subject(data, subject), tmp_path)["session.csv"]
    (cell,) = [row["value"] for row in facts if row["fact"] == "subject"]
    assert cell == f"'{subject}"
    assert len(facts) == len(data.facts())


def test_a_text_of_a_person_becomes_no_formula(data: SessionData, tmp_path: Path) -> None:
    (mark,) = [row for row in tables(data, tmp_path)["events.csv"] if row["kind"] == "mark"]
    assert mark["text"].startswith("'=eyes closed")


def test_a_negative_number_stays_a_number() -> None:
    assert csv_files.number(-2.5) == "-2.5"
    assert csv_files.number(98.0) == "98"
    assert csv_files.number(float("nan")) == ""


@given(st.text())
def test_no_text_begins_like_a_formula(value: str) -> None:
    shown = csv_files.text(value)
    assert not shown.strip().startswith(("=", "+", "-", "@"))
    assert shown.removeprefix("'") == value.replace("\0", "\N{REPLACEMENT CHARACTER}").removeprefix(
        "'"
    )


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_read_back_the_same(value: float) -> None:
    assert float(csv_files.number(value)) == value


def test_two_values_of_one_channel_at_one_time_are_two_rows(tmp_path: Path) -> None:
    from vitals.model import Numeric
    from vitals.store.rows import SessionRecord
    from vitals.store.writer import Writer

    path = tmp_path / "vitals.db"
    writer = Writer(path, now_us=lambda: 0)
    writer.start()
    opening = next(iter(records.audit_rows(600)))
    writer.put_audit(opening, session=SessionRecord(records.session(60), "", "", ""))
    for seq, (key, value) in enumerate([("spo2", 97.0), ("pr", 70.0), ("spo2", 96.0)], 2):
        writer.put_numeric(records.UUID, seq, Numeric("oxi", key, at(1), value))
    assert writer.close()
    found = tables(read(path), tmp_path)["numerics.csv"]
    assert [(row["spo2 [%]"], row["pr [/min]"]) for row in found] == [("97", "70"), ("96", "")]


def test_devices_whose_names_look_alike_as_files_have_two_files(
    data: SessionData, tmp_path: Path
) -> None:
    from dataclasses import replace

    (wave,) = data.waves
    twice = (replace(wave, device="a/b"), replace(wave, device="a:b"), replace(wave, device="../x"))
    found = tables(replace(data, waves=twice), tmp_path)
    waves = sorted(name for name in found if name.startswith("waveform"))
    assert waves == [
        "waveform-pleth-.._x.csv",
        "waveform-pleth-a_b-2.csv",
        "waveform-pleth-a_b.csv",
    ]
