from __future__ import annotations

import io
from dataclasses import replace
from datetime import date, time
from pathlib import Path
from typing import Any

import edfio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.export import records
from tests.export.records import HOSTILE, START_US, with_subject
from vitals.export import edf
from vitals.export.session_data import NumericTrack, SessionData, WaveTrack
from vitals.export.target import ExportError
from vitals.model import US, Waveform


def exported(data: SessionData) -> edfio.Edf:
    file = io.BytesIO()
    edf.write(data, file, lambda _: None)
    return edfio.read_edf(io.BytesIO(file.getvalue()))


def signal(found: edfio.Edf, label: str) -> Any:
    (one,) = [s for s in found.signals if s.label == label]
    return one


def without_holes(one: Any, decimals: int = 3) -> np.ndarray[Any, Any]:
    """The values of a signal; its physical minimum is "no value"."""
    real = one.digital != one.digital_min
    values: np.ndarray[Any, Any] = np.round(one.data[real], decimals)
    return values


@pytest.fixture(scope="module")
def found(data: SessionData) -> edfio.Edf:
    return exported(data)


@pytest.mark.parametrize("label", ["SpO2", "PR", "PI"])
def test_every_value_of_a_stream_comes_back(
    data: SessionData, found: edfio.Edf, label: str
) -> None:
    (track,) = [t for t in data.numerics if t.channel.label == label and t.device == "oxi"]
    one = signal(found, label)
    assert one.sampling_frequency == 1
    assert without_holes(one).tolist() == track.value[track.shown].tolist()
    place = np.flatnonzero(one.digital != one.digital_min)
    expected = (track.at_us[track.shown] - START_US) / US - 0.3
    assert (np.abs(place - expected) < 0.1).all()


def test_every_sample_of_the_pleth_comes_back(data: SessionData, found: edfio.Edf) -> None:
    (wave,) = data.waves
    one = signal(found, "Pleth")
    assert one.sampling_frequency == 75
    samples = np.concatenate([block.values for block in wave.blocks])
    assert np.array_equal(without_holes(one), samples)


def test_gaps_doubts_alarms_and_pressures_are_annotations(found: edfio.Edf) -> None:
    texts = [one.text for one in found.annotations]
    assert "NIBP 128/79.5 (95) mmHg" in texts
    assert "NIBP 131/84 mmHg M" in texts
    assert "NIBP failed: cuff leak" in texts
    (gap,) = [a for a in found.annotations if a.text == "SpO2 gap" and a.onset > 290]
    assert gap.onset == pytest.approx(299.3, abs=0.1)
    assert gap.duration == pytest.approx(41, abs=0.1)
    (alarm,) = [a for a in found.annotations if a.text.startswith("ALARM")]
    assert (alarm.onset, alarm.duration, alarm.text) == (150, 20, "ALARM high: SpO2 86 < 88")
    (doubt,) = [a for a in found.annotations if a.text == "SpO2 questionable"]
    assert doubt.duration == pytest.approx(30, abs=0.2)
    assert "mark: =eyes closed, calm; nurse 1 is here" in texts
    assert any("UTC+01:00" in text and "audit head" in text for text in texts)
    assert any("not a medical device" in text for text in texts)
    assert not any("Anna" in text for text in texts)


def test_the_header_has_the_pseudonym_and_local_time(found: edfio.Edf) -> None:
    assert (found.patient.code, found.patient.name, found.patient.sex) == ("KV-0417", "X", "X")
    assert (found.startdate, found.starttime) == (date(2027, 1, 15), time(9, 0))
    assert found.recording.hospital_administration_code == records.UUID
    assert found.recording.equipment_code == "kap-vitals"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_wfdb_reads_it_too(data: SessionData, tmp_path: Path) -> None:
    from wfdb.io.convert.edf import read_edf

    with (tmp_path / "one.edf").open("wb") as file:
        edf.write(data, file, lambda _: None)
    record = read_edf(str(tmp_path / "one.edf"), rdedfann_flag=False)
    values = record.p_signal[:, record.sig_name.index("SpO2")]
    ours = signal(exported(data), "SpO2").data
    # wfdb 4.3.1 adds 1 to the baseline of a signal that has no fraction there: a step too low
    assert np.ptp(ours - values) < 1e-6


def test_a_demo_says_so(data: SessionData) -> None:
    session = replace(data.session, mode="demo")
    found = exported(replace(data, record=replace(data.record, session=session)))
    assert "DEMO" in found.recording.additional
    assert any(a.text.startswith("DEMO") for a in found.annotations)


@pytest.mark.parametrize("subject", [HOSTILE, "", " ", "ö" * 200, "a b c d"])
def test_no_pseudonym_makes_a_field_of_its_own(data: SessionData, subject: str) -> None:
    found = exported(with_subject(data, subject))
    assert found.patient.code == edf.subfield(subject, 40)
    assert " " not in found.patient.code
    assert (found.patient.sex, found.patient.name) == ("X", "X")


def test_a_session_without_signals_has_annotations_only(data: SessionData) -> None:
    found = exported(replace(data, numerics=(), waves=()))
    assert len(found.signals) == 0
    assert any(a.text.startswith("ALARM") for a in found.annotations)


def test_a_year_that_edf_does_not_know_is_refused(data: SessionData) -> None:
    early = replace(data.session, started_us=0)
    with pytest.raises(ExportError, match="1985 to 2084"):
        exported(replace(data, record=replace(data.record, session=early)))


def test_without_edfio_it_says_what_to_install(
    data: SessionData, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "edfio", None)
    with pytest.raises(ExportError, match=r"kap-vitals\[edf\]"):
        edf.write(data, io.BytesIO(), lambda _: None)


def only(
    data: SessionData, track: NumericTrack | None = None, wave: WaveTrack | None = None
) -> Any:
    tracks, waves = ((track,) if track else ()), ((wave,) if wave else ())
    return exported(replace(data, numerics=tracks, waves=waves)).signals[0]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.integers(-3000, 70_000).map(float),
            st.floats(-40, 300).map(lambda v: round(v, 2)),
        ),
        min_size=2,
        max_size=30,
    )
)
def test_decimal_values_of_any_range_are_exact(values: list[float]) -> None:
    count = len(values)
    one = edf._signal("X", "%", "oxi", np.arange(count), np.array(values), count + 5, 1.0)
    span = max(values) - min(values)
    whole = all(value == round(value) for value in values)
    tolerance = 1e-6 if span * 100 < 60_000 or (whole and span < 60_000) else span / 20_000
    back = one.data[one.digital != one.digital_min]
    assert back.size == count
    assert np.abs(back - np.array(values)).max() <= tolerance


def test_a_full_sixteen_bit_waveform_is_exact(data: SessionData) -> None:
    values = np.linspace(0, 65_534, 500).round().astype(np.float32)
    block = Waveform("oxi", "pleth", START_US, 125.0, values)
    one = only(data, wave=WaveTrack("oxi", data.waves[0].channel, (block,)))
    assert np.array_equal(without_holes(one), values)


def test_two_values_of_one_second_do_not_leave_the_next_second_empty(data: SessionData) -> None:
    at_us = np.array([0.0, 1.1, 2.6, 3.4, 5.0, 6.0]) * US + START_US
    place = edf._seconds(at_us.astype(np.int64), START_US)
    assert len(set(place.tolist())) == 6
