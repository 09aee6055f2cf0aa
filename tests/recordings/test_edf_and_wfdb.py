"""EDF of other programs compared with edfio, WFDB compared with what was written."""

from __future__ import annotations

import datetime
import struct
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.recordings.files import refusal
from vitals.model import US
from vitals.recordings import Recording, RecordingError, read
from vitals.recordings.csv_times import us_of
from vitals.recordings.mapping import parse

START = datetime.datetime(2026, 3, 1, 8, 0, tzinfo=datetime.UTC)
SECONDS = 30
HR = 60 + np.arange(SECONDS) % 7.0
PLETH = 50 * np.sin(np.arange(SECONDS * 50) / 8)


def edf(path: Path) -> Path:
    from edfio import Edf, EdfAnnotation, EdfSignal

    spo2 = np.full(SECONDS, 97.0)
    spo2[5:8] = 0
    Edf(
        [
            EdfSignal(HR, 1, label="HR", physical_dimension="bpm", physical_range=(0, 327.67)),
            EdfSignal(spo2, 1, label="SpO2", physical_dimension="%", physical_range=(0, 100)),
            EdfSignal(PLETH, 50, label="PLETH", physical_range=(-60, 60)),
            EdfSignal(PLETH, 50, label="EEG Fp1", physical_range=(-60, 60)),
        ],
        starttime=START.time().replace(tzinfo=None),
        recording=None,
        annotations=[EdfAnnotation(3.5, None, "nausea")],
        data_record_duration=1,
    ).write(path)
    data = bytearray(path.read_bytes())
    data[168:176] = START.strftime("%d.%m.%y").encode()  # edfio hides it unless told otherwise
    path.write_bytes(bytes(data))
    return path


def of(found: Recording, channel: str) -> list[float | None]:
    one = next(one for one in found.numbers if one.channel == channel)
    return [None if v != v else v for v in one.value.tolist()]


def test_edf_signals_have_the_values_that_edfio_finds(tmp_path: Path) -> None:
    from edfio import read_edf

    path = edf(tmp_path / "night.edf")
    theirs = read_edf(path)
    found = read(path)
    assert of(found, "hr") == pytest.approx(theirs.get_signal("HR").data.tolist())
    assert of(found, "spo2")[4:9] == [pytest.approx(97, abs=0.01), None, None, None,
                                      pytest.approx(97, abs=0.01)]  # fmt: skip
    (hr,) = (one for one in found.numbers if one.channel == "hr")
    assert hr.at_us.tolist() == [us_of(START) + n * US for n in range(SECONDS)]
    pleth = np.concatenate([wave.values for wave in found.waves])
    exact = theirs.get_signal("PLETH").data
    assert np.corrcoef(pleth, exact)[0, 1] > 0.9999
    assert {wave.rate_hz for wave in found.waves} == {50}
    assert [(r.at_us, r.text) for r in found.remarks] == [(us_of(START) + 3_500_000, "nausea")]
    assert [one.name for one in found.left_out] == ["EEG Fp1"]
    assert any("time zone" in note for note in found.notes)


def test_edf_times_are_of_the_zone_that_a_mapping_names(tmp_path: Path) -> None:
    said = parse('[time]\ncolumn = "-"\nzone = "Europe/Berlin"\n', tmp_path)
    found = read(edf(tmp_path / "night.edf"), said)
    assert found.from_us == us_of(START) - 3600 * US
    assert found.facts.tz == "+0100"


def test_an_edf_that_is_cut_short_gives_its_whole_records(tmp_path: Path) -> None:
    path = edf(tmp_path / "night.edf")
    path.write_bytes(path.read_bytes()[:-10])
    found = read(path)
    assert len(of(found, "hr")) == SECONDS - 1
    assert any("cut short" in note for note in found.notes)


@pytest.mark.parametrize(
    ("place", "content"),
    [(252, b"9999"), (252, b"-1  "), (244, b"nan     "), (168, b"xx.yy.zz"), (236, b"x" * 8),
     (256 + 16 * 5 + 80 * 5 + 8 * 5 * 4, b"5" * 8)],
)  # fmt: skip
def test_a_damaged_edf_header_is_one_sentence(tmp_path: Path, place: int, content: bytes) -> None:
    path = edf(tmp_path / "night.edf")
    data = bytearray(path.read_bytes())
    data[place : place + len(content)] = content
    path.write_bytes(bytes(data))
    assert "\n" not in refusal(lambda: read(path))


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_no_change_of_an_edf_makes_the_reader_fail(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("edf")
    content = bytearray(edf(folder / "x.edf").read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(8, 2000))] = data.draw(st.integers(0, 255))
    path = folder / "changed.edf"
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))
    assert "\n" not in refusal(lambda: read(path))


# --- WFDB -----------------------------------------------------------------------------------------


@pytest.fixture
def numerics(tmp_path: Path) -> Path:
    """A record of numerics as MIMIC has them: one value a second, 0 for none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import wfdb

        spo2 = np.full(SECONDS, 96.0)
        spo2[10:12] = 0
        wfdb.wrsamp(
            "3000003n",
            fs=1,
            units=["bpm", "%", "mmHg"],
            sig_name=["HR", "SpO2", "ABPMean"],
            p_signal=np.stack([HR, spo2, np.full(SECONDS, 90.0)], axis=1),
            fmt=["16", "16", "16"],
            base_datetime=datetime.datetime(2026, 3, 1, 8, 0),  # noqa: DTZ001 - as it wants it
            write_dir=str(tmp_path),
        )
    return tmp_path / "3000003n.hea"


@pytest.fixture(autouse=True)
def quiet() -> None:
    warnings.filterwarnings("ignore", module="wfdb")


def test_wfdb_numerics_come_back_and_zero_is_no_value(numerics: Path) -> None:
    found = read(numerics)
    assert of(found, "hr") == pytest.approx(HR.tolist(), abs=0.01)
    spo2 = of(found, "spo2")
    assert spo2[9:13] == [pytest.approx(96, abs=0.01), None, None, pytest.approx(96, abs=0.01)]
    assert found.from_us == us_of(START)
    assert [one.name for one in found.left_out] == ["ABPMean"]


def test_wfdb_waveforms_come_back(tmp_path: Path) -> None:
    import wfdb

    wfdb.wrsamp(
        "waves",
        fs=50,
        units=["NU", "mV"],
        sig_name=["PLETH", "II"],
        p_signal=np.stack([PLETH / 100, PLETH / 60], axis=1),
        fmt=["16", "16"],
        base_datetime=datetime.datetime(2026, 3, 1, 8, 0),  # noqa: DTZ001 - as it wants it
        write_dir=str(tmp_path),
    )
    found = read(tmp_path / "waves.hea")
    ecg = np.concatenate([wave.values for wave in found.waves if wave.channel == "ecg"])
    assert ecg == pytest.approx(PLETH / 60, abs=1e-3)
    pleth = np.concatenate([wave.values for wave in found.waves if wave.channel == "pleth"])
    assert np.corrcoef(pleth, PLETH)[0, 1] > 0.9999
    assert (pleth == np.rint(pleth)).all()


def test_wfdb_without_a_date_needs_a_start(numerics: Path, tmp_path: Path) -> None:
    lines = numerics.read_text().splitlines()
    lines[0] = " ".join(lines[0].split()[:4])
    numerics.write_text("\n".join(lines))
    with pytest.raises(RecordingError, match=r"does not say when it began; name `start`"):
        read(numerics)
    said = parse('[time]\ncolumn = "-"\nstart = "2026-03-01T09:00:00+01:00"\n', tmp_path)
    assert read(numerics, said).from_us == us_of(START)


@pytest.mark.parametrize("name", ["../secret.dat", "/etc/passwd", "gone.dat"])
def test_a_wfdb_header_reads_nothing_but_what_lies_beside_it(numerics: Path, name: str) -> None:
    numerics.write_text(numerics.read_text().replace("3000003n.dat", name))
    with pytest.raises(RecordingError, match="is not beside it"):
        read(numerics)


@pytest.mark.parametrize("text", ["", "x", "a 99999999999999 1 5", "a 1 nan 5\na.dat 16 1 1 1"])
def test_a_damaged_wfdb_header_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.hea"
    path.write_text(text)
    (tmp_path / "a.dat").write_bytes(struct.pack("<4h", 1, 2, 3, 4))
    with pytest.raises(RecordingError) as refused:
        read(path)
    assert "\n" not in str(refused.value)


def test_without_wfdb_the_command_to_install_it_is_named(
    numerics: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wfdb", None)
    with pytest.raises(RecordingError, match=r'pip install "kap-vitals\[wfdb\]"'):
        read(numerics)
