"""What this program has exported comes back as it was in the record, to the last digit."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.export import records
from vitals.export.command import write
from vitals.export.session_data import NumericTrack, SessionData
from vitals.recordings import Recording, RecordingError, read
from vitals.recordings.recording import Numbers

WHOLE = ("csv", "csv.zip", "parquet", "parquet.zip")
ALL = (*WHOLE, "vital", "edf")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> SessionData:
    return records.read(records.write(tmp_path_factory.mktemp("own") / "vitals.db"))


@pytest.fixture(scope="module", params=ALL)
def found(
    request: pytest.FixtureRequest, data: SessionData, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Recording]:
    path = tmp_path_factory.mktemp("exported") / f"session.{request.param}"
    write(data, request.param.removesuffix(".zip"), path, lambda _: None)
    return request.param, read(path)


def of(found: Recording, track: NumericTrack) -> Numbers:
    device = track.device or "hand"
    return next(n for n in found.numbers if (n.device, n.channel) == (device, track.channel.key))


def test_values_come_back_as_they_were(data: SessionData, found: tuple[str, Recording]) -> None:
    form, recording = found
    for track in data.numerics:
        if form == "edf" and (track.device != "oxi"):
            continue  # readings are texts there, see below
        back = of(recording, track)
        kept = np.ones(track.value.size, bool) if form in WHOLE else track.shown
        if form == "edf":  # a stream's time is that of its second
            assert np.abs(back.at_us - track.at_us[kept]).max() < 1_000_000
        else:
            assert back.at_us.tolist() == track.at_us[kept].tolist()
        assert np.array_equal(back.value, track.value[kept], equal_nan=True)


def test_quality_flags_and_the_devices_time_come_back(
    data: SessionData, found: tuple[str, Recording]
) -> None:
    form, recording = found
    for track in data.numerics if form in WHOLE else ():
        back = of(recording, track)
        assert back.quality.tolist() == track.quality.tolist()
        assert back.flags == track.flags
        assert back.device_at_us == track.device_at_us
    if form == "vital":
        spo2 = next(track for track in data.numerics if track.channel.key == "spo2")
        assert of(recording, spo2).quality.tolist() == spo2.quality[spo2.shown].tolist()
        by_hand = next(one for one in recording.numbers if one.device == "hand")
        assert set(by_hand.flags) == {"manual"}


def test_every_sample_of_the_pleth_comes_back(
    data: SessionData, found: tuple[str, Recording]
) -> None:
    form, recording = found
    (wave,) = data.waves
    exact = np.concatenate([block.values for block in wave.blocks])
    back = np.concatenate([block.values for block in recording.waves])
    assert np.array_equal(back, exact)
    assert recording.waves[0].channel == "pleth"
    assert recording.waves[0].rate_hz == pytest.approx(records.PLETH_HZ, abs=1e-3)
    slack_us = 20_000 if form == "edf" else 1
    assert abs(recording.waves[0].start_us - wave.blocks[0].start_us) <= slack_us
    last = recording.waves[-1]
    end_us = last.start_us + (last.values.size - 1) / last.rate_hz * 1e6
    block = wave.blocks[-1]
    was_us = block.start_us + (block.values.size - 1) / block.rate_hz * 1e6
    assert abs(end_us - was_us) <= slack_us


def test_edf_readings_come_back_from_their_texts(
    data: SessionData, found: tuple[str, Recording]
) -> None:
    form, recording = found
    if form != "edf":
        return
    taken = [one for one in data.pressures if one.sys is not None and not one.manual]
    sys = next(n for n in recording.numbers if (n.device, n.channel) == ("cuff", "nibp_sys"))
    assert sys.value.tolist() == [one.sys for one in taken]
    assert sys.at_us.tolist() == pytest.approx([one.at_us for one in taken], abs=1000)
    by_hand = next(n for n in recording.numbers if (n.device, n.channel) == ("hand", "nibp_dia"))
    assert (by_hand.value.tolist(), by_hand.flags) == ([84.0], ("manual",))


def test_facts_and_marks_come_back(data: SessionData, found: tuple[str, Recording]) -> None:
    form, recording = found
    assert recording.facts.tz == "+0100"
    texts = [remark.text for remark in recording.remarks]
    assert any("eyes closed" in text for text in texts)
    assert not any("SpO2 86 < 88" in text for text in texts)  # alarms are found out again
    if form in WHOLE:
        facts = recording.facts
        assert (facts.subject, facts.route, facts.mode) == ("KV-0417", "im", "real")
        assert facts.dose_us == data.session.dose_us
        assert (facts.from_us, facts.to_us) == (data.session.started_us, data.session.ended_us)


def test_a_zip_that_lacks_a_table_says_which(data: SessionData, tmp_path: Path) -> None:
    whole, part = tmp_path / "whole.zip", tmp_path / "part.zip"
    write(data, "csv", whole, lambda _: None)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(part, "w") as new:
        for name in ("numerics.csv", "session.csv"):
            new.writestr(name, old.read(name))
    with pytest.raises(RecordingError, match=r"part\.zip: events\.csv is missing"):
        read(part)


def test_a_zip_is_not_unpacked_beyond_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitals.recordings.folder.MOST_BYTES", 100_000)
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("session.csv", "fact,value\r\n")
        archive.writestr("numerics.csv", b"0" * 1_000_000)
    with pytest.raises(RecordingError, match="larger than"):
        read(bomb)


def test_a_zip_that_lies_about_its_size_is_stopped(
    data: SessionData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "session.zip"
    write(data, "csv", path, lambda _: None)
    monkeypatch.setattr("vitals.recordings.folder.Folder.__init__", _believing)
    monkeypatch.setattr("vitals.recordings.folder.MOST_BYTES", 1000)
    with pytest.raises(RecordingError, match="larger than it says"):
        read(path)


def _believing(self, name, sizes, open_):  # type: ignore[no-untyped-def]
    self._name, self._open, self.names = name, open_, sorted(sizes)


@pytest.mark.parametrize("cell", ["x", "1e999999", "9" * 50])
def test_a_damaged_table_is_one_sentence(data: SessionData, tmp_path: Path, cell: str) -> None:
    path = tmp_path / "session"
    write(data, "csv", path, lambda _: None)
    table = path / "numerics.csv"
    lines = table.read_text().splitlines()
    cells = lines[5].split(",")
    cells[1] = cell
    lines[5] = ",".join(cells)
    table.write_text("\r\n".join(lines))
    with pytest.raises(RecordingError, match=r"numerics\.csv: .* is no time"):
        read(path)
