from __future__ import annotations

import io
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.export.records import HOSTILE, START_US, with_subject
from vitals.export import vital_file
from vitals.export.session_data import SessionData
from vitals.model import US


def exported(data: SessionData, path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries that it imports
        from vitaldb import VitalFile

        with path.open("wb") as file:
            vital_file.write(data, file, lambda _: None)
        return VitalFile(str(path))


@pytest.fixture(scope="module")
def found(data: SessionData, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return exported(data, tmp_path_factory.mktemp("vital") / "one.vital")


def test_every_valid_value_comes_back_with_its_time(data: SessionData, found: Any) -> None:
    for track in data.numerics:
        name = f"{track.device or 'hand'}/{track.channel.key.upper()}"
        records = found.trks[name].recs
        assert [record["val"] for record in records] == track.value[track.shown].tolist()
        times = [round(record["dt"] * US) for record in records]
        assert times == track.at_us[track.shown].tolist()
    assert found.trks["cuff/NIBP_SYS"].unit == "mmHg"


def test_every_sample_of_the_pleth_comes_back(data: SessionData, found: Any) -> None:
    track = found.trks["oxi/PLETH"]
    assert track.srate == 75
    (wave,) = data.waves
    for record, block in zip(track.recs, wave.blocks, strict=True):
        assert round(record["dt"] * US) == block.start_us
        assert np.array_equal(record["val"], block.values)


def test_its_own_sampling_gives_one_value_a_second(data: SessionData, found: Any) -> None:
    values = found.to_numpy(["oxi/SPO2"], 1)[:, 0]
    (track,) = [t for t in data.numerics if t.channel.key == "spo2"]
    assert np.count_nonzero(~np.isnan(values)) == np.count_nonzero(track.shown)


def test_beginning_end_and_zone_are_the_sessions(data: SessionData, found: Any) -> None:
    assert (found.dtstart, found.dtend) == (START_US / US, data.to_us / US)
    assert found.dgmt == -60


def test_events_and_doubts_are_texts(found: Any) -> None:
    said = [record["val"] for record in found.trks["EVENT"].recs]
    assert "NIBP failed: cuff leak" in said
    assert "NIBP 131/84 mmHg M" in said
    assert "mark: =eyes closed, calm; nurse 1 is here" in said
    assert not any("Anna" in text for text in said)
    doubts = found.trks["oxi/SPO2_QUALITY"].recs
    assert [record["val"] for record in doubts] == ["questionable", "good"]


def test_the_same_session_gives_the_same_bytes(data: SessionData) -> None:
    first, second = io.BytesIO(), io.BytesIO()
    vital_file.write(data, first, lambda _: None)
    vital_file.write(data, second, lambda _: None)
    assert first.getvalue() == second.getvalue()


def test_an_empty_or_hostile_session_is_readable(data: SessionData, tmp_path: Path) -> None:
    empty = replace(data, numerics=(), waves=(), pressures=(), entries=())
    found = exported(with_subject(empty, HOSTILE), tmp_path / "one.vital")
    assert list(found.trks) == ["EVENT"]
