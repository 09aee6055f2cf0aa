from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.export.records import HOSTILE, with_subject
from vitals.export.command import write
from vitals.export.session_data import SessionData
from vitals.export.target import ExportError


@pytest.fixture(scope="module")
def folder(data: SessionData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("parquet") / "out"
    write(data, "parquet", path, lambda _: None)
    return path


def test_every_value_comes_back(data: SessionData, folder: Path) -> None:
    found = pq.read_table(folder / "numerics.parquet").to_pylist()
    for track in data.numerics:
        mine = [
            row for row in found
            if (row["device"], row["channel"]) == (track.device, track.channel.key)
        ]  # fmt: skip
        assert [row["at_us"] for row in mine] == track.at_us.tolist()
        values = [float("nan") if row["value"] is None else row["value"] for row in mine]
        assert np.array_equal(values, track.value, equal_nan=True)
        assert tuple(row["flags"] for row in mine) == track.flags
        assert tuple(row["device_at_us"] for row in mine) == track.device_at_us
        assert {row["unit"] for row in mine} == {track.channel.unit}
    assert {row["quality"] for row in found} == {"good", "questionable", "invalid"}


def test_every_block_of_a_waveform_comes_back(data: SessionData, folder: Path) -> None:
    found = pq.read_table(folder / "waveforms.parquet").to_pylist()
    (wave,) = data.waves
    assert len(found) == len(wave.blocks)
    for row, block in zip(found, wave.blocks, strict=True):
        assert row["start_us"] == block.start_us
        assert np.array_equal(np.array(row["values"], dtype=np.float32), block.values)


def test_pressures_alarms_events_and_facts_come_back(data: SessionData, folder: Path) -> None:
    pressures = pq.read_table(folder / "blood_pressures.parquet").to_pylist()
    assert [row["failure"] for row in pressures] == [one.failure for one in data.pressures]
    assert [row["sys_mmhg"] for row in pressures] == [one.sys for one in data.pressures]
    (alarm,) = pq.read_table(folder / "alarms.parquet").to_pylist()
    assert alarm["acked_by"] == "nurse 1"
    events = pq.read_table(folder / "events.parquet").to_pylist()
    assert [json.loads(row["details"]) for row in events] == [dict(e.body) for e in data.entries]
    facts = pq.read_schema(folder / "numerics.parquet").metadata
    assert facts[b"kap_vitals.audit_head"].decode() == data.head


def test_an_empty_session_and_a_hostile_pseudonym_make_tables(
    data: SessionData, tmp_path: Path
) -> None:
    from dataclasses import replace

    empty = replace(data, numerics=(), waves=(), pressures=(), alarms=(), entries=())
    write(with_subject(empty, HOSTILE), "parquet", tmp_path / "out.zip", lambda _: None)
    write(with_subject(empty, HOSTILE), "parquet", tmp_path / "out", lambda _: None)
    for file in (tmp_path / "out").iterdir():
        assert pq.read_table(file).num_rows == 0
        assert pq.read_schema(file).metadata[b"kap_vitals.subject"].decode() == HOSTILE


def test_without_pyarrow_it_says_what_to_install(
    data: SessionData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ExportError, match=r"kap-vitals\[parquet\]"):
        write(data, "parquet", tmp_path / "out", lambda _: None)
    assert list(tmp_path.iterdir()) == []
