"""A record with broken pages: what can be read is exported, what cannot is said."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import apsw
import numpy as np
import pytest

from tests.export.records import UUID, read
from vitals.cli import main
from vitals.errors import StoreError
from vitals.export.command import write
from vitals.export.pdf_answers import tiles
from vitals.export.salvage import salvage
from vitals.export.session_data import SessionData
from vitals.export.summary import summarise

FORMATS = ("csv", "fhir", "hl7", "edf", "parquet", "vital")


def pages(path: Path, table: str, kind: str = "leaf") -> list[int]:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        rows = connection.execute(
            "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = ? ORDER BY pageno",
            (table, kind),
        )
        return [int(page) for (page,) in rows]
    finally:
        connection.close()


def broken(recorded: Path, to: Path, *numbers: int) -> Path:
    shutil.copy(recorded, to)
    with to.open("r+b") as file:
        for number in numbers:
            file.seek((number - 1) * 4096)
            file.write(b"\xa5" * 4096)
    return to


@pytest.fixture(scope="module")
def damaged(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pages of values, one of waveforms and one of the audit trail are gone."""
    numeric, wave, audit = (pages(recorded, table) for table in ("numeric", "wave", "audit"))
    folder = tmp_path_factory.mktemp("damaged")
    return broken(recorded, folder / "vitals.db", *numeric[5:8], wave[10], audit[1])


def test_what_can_be_read_is_as_it_was(damaged: Path, data: SessionData) -> None:
    found = read(damaged)
    assert len(found.numerics) == len(data.numerics)
    for mine, whole in zip(found.numerics, data.numerics, strict=True):
        known = dict(zip(whole.at_us.tolist(), whole.value.tolist(), strict=True))
        assert all(known[t] == v for t, v in zip(mine.at_us, mine.value, strict=True) if v == v)
        assert 0 < mine.at_us.size <= whole.at_us.size
    lost = sum(t.at_us.size for t in data.numerics) - sum(t.at_us.size for t in found.numerics)
    assert 0 < lost < 600
    assert 0.9 < len(found.waves[0].blocks) / len(data.waves[0].blocks) < 1
    assert 0 < len(found.entries) < len(data.entries)


def test_what_cannot_is_said(damaged: Path) -> None:
    said = read(damaged).unreadable
    assert any("SpO2 in " in text and "between 2027-01-15T09:0" in text for text in said)
    assert any("Pleth in " in text for text in said)
    assert any("the audit trail from row " in text for text in said)
    assert all(text.endswith("cannot be read.") for text in said)
    assert len(said) == 9  # one for each channel, the trail and its head


def test_a_whole_record_says_nothing(data: SessionData) -> None:
    assert data.unreadable == ()


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_written_and_the_command_says_what_is_missing(
    damaged: Path, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    main(["sessions", "export", UUID, "--format", form, "--out", str(out), "--store", str(damaged)])
    assert out.exists()
    said = capsys.readouterr().out
    assert "The record is damaged: SpO2 in" in said
    if form == "csv":
        with (out / "session.csv").open(newline="") as file:
            facts = {row["fact"]: row["value"] for row in csv.DictReader(file)}
        assert "cannot be read" in facts["unreadable_1"]


def test_an_index_that_is_gone_costs_its_table_only(recorded: Path, tmp_path: Path) -> None:
    index = pages(recorded, "numeric_by_time") + pages(recorded, "numeric_by_time", "internal")
    found = read(broken(recorded, tmp_path / "vitals.db", *index))
    assert found.numerics == ()
    assert len(found.waves) == 1
    assert found.alarms
    assert any("SpO2" in text for text in found.unreadable)


def test_no_more_is_said_to_be_lost_than_the_session_was_long(
    recorded: Path, tmp_path: Path
) -> None:
    """Stray values are looked for a day around the session; that day was never recorded."""
    table = [page for kind in ("leaf", "internal") for page in pages(recorded, "numeric", kind)]
    said = read(broken(recorded, tmp_path / "vitals.db", *table)).unreadable
    (spo2,) = [text for text in said if "SpO2" in text]
    assert "SpO2 in 10 min between 2027-01-15T09:00:00" in spo2
    assert "and 2027-01-15T09:10:00" in spo2


def test_a_trail_that_is_gone_leaves_the_values(recorded: Path, tmp_path: Path) -> None:
    trail = pages(recorded, "audit") + pages(recorded, "audit", "internal")
    path = broken(recorded, tmp_path / "vitals.db", *trail)
    found = read(path)
    assert len(found.numerics) > 5
    assert found.entries == ()
    assert any("audit trail from row 1 on cannot be read" in text for text in found.unreadable)
    (rung,) = [tile for tile in tiles(found, summarise(found)) if tile.label.startswith("Alarms")]
    assert (rung.marked, rung.lines) == (True, ("at least: the audit trail is torn",))
    write(found, "fhir", tmp_path / "out.json", lambda _: None)


def test_a_file_that_is_no_record_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "vitals.db"
    path.write_bytes(b"\xa5" * 20_000)
    arguments = ["sessions", "export", "x", "--format", "csv", "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--store", str(path)])
    assert stop.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_salvage_reads_around_the_smallest_part() -> None:
    bad = {37, 38, 90}

    def part(low: int, high: int) -> list[int]:
        if bad & set(range(low, high)):
            raise ValueError("broken")
        return list(range(low, high))

    found, lost = salvage(part, 0, 100, 1)
    assert [x for one in found for x in one] == [x for x in range(100) if x not in bad]
    assert lost == [(37, 39), (90, 91)]


def test_salvage_does_not_hide_a_record_that_is_away() -> None:
    def away(low: int, high: int) -> list[int]:
        raise StoreError("another program has locked the record") from apsw.BusyError()

    with pytest.raises(StoreError):
        salvage(away, 0, 100, 1)


def test_times_that_no_clock_shows_are_left_out_and_said(recorded: Path, tmp_path: Path) -> None:
    from tests.store.build import raw

    path = tmp_path / "vitals.db"
    shutil.copy(recorded, path)
    connection = raw(path)
    connection.execute("DROP TRIGGER numeric_no_update")
    connection.execute("UPDATE numeric SET at_us = 1 << 60 WHERE seq IN (1100, 1101)")
    connection.close()
    found = read(path)
    assert sum("have no real time" in text for text in found.unreadable) == 2
    assert all((np.diff(track.at_us) >= 0).all() for track in found.numerics)
    write(found, "csv", tmp_path / "out", lambda _: None)
