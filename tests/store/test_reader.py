from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.store.build import T0, audit, fill, raw, session, spo2, station
from vitals.clock import US
from vitals.errors import StoreError
from vitals.model import Flag, Numeric, Quality
from vitals.store.connection import select
from vitals.store.reader import Reader
from vitals.store.rows import QUALITIES, SessionRecord
from vitals.store.verify import verify
from vitals.store.writer import Writer


def test_a_channel_comes_back_as_arrays_in_order_of_time(path: Path) -> None:
    fill(path)
    series = Reader(path).numerics("session-a", "spo2")
    assert series.at_us.dtype == np.int64
    assert series.value.dtype == np.float64
    assert series.quality.dtype == np.uint8
    assert series.at_us.tolist() == [T0 + second * US for second in range(40)]
    assert np.flatnonzero(np.isnan(series.value)).tolist() == [7]
    assert series.value[8:11].tolist() == [91.0, 91.125, 91.25]
    assert QUALITIES[series.quality[9]] is Quality.QUESTIONABLE
    assert series.flags[7] == Flag.SEARCHING
    assert set(series.device) == {"oximeter"}


def test_a_range_takes_its_start_and_leaves_its_end(path: Path) -> None:
    fill(path)
    series = Reader(path).numerics("session-a", "spo2", T0 + 3 * US, T0 + 6 * US)
    assert series.at_us.tolist() == [T0 + 3 * US, T0 + 4 * US, T0 + 5 * US]


def test_what_was_never_recorded_is_empty(path: Path) -> None:
    fill(path)
    reader = Reader(path)
    series = reader.numerics("session-a", "rr")
    assert (series.at_us.size, series.value.size, series.quality.size) == (0, 0, 0)
    assert (series.device, series.flags) == ((), ())
    assert reader.waves("nobody", "pleth") == []
    assert reader.audit("nobody") == []
    assert reader.nibp("session-b") == []
    assert reader.session("nobody") is None


def test_waveforms_come_back_sample_by_sample(path: Path) -> None:
    fill(path)
    blocks = Reader(path).waves("session-b", "pleth")
    samples = np.concatenate([block.values for block in blocks])
    assert samples.dtype == np.float32
    expected = [second + step for second in range(40) for _ in range(3) for step in range(25)]
    assert samples.tolist() == expected
    assert {(block.device, block.rate_hz, block.quality) for block in blocks} == {
        ("oximeter", 75.0, Quality.GOOD)
    }
    part = Reader(path).waves("session-b", "pleth", T0 + 10 * US, T0 + 20 * US)
    assert part == [block for block in blocks if T0 + 10 * US <= block.start_us < T0 + 20 * US]


def test_one_determination_is_one_row_with_its_three_values(path: Path) -> None:
    fill(path)
    (reading,) = Reader(path).nibp("session-a")
    assert (reading.device, reading.at_us) == ("cuff", T0 + 5 * US)
    assert (reading.sys, reading.dia, reading.map) == (128.0, 82.0, 97.0)
    assert reading.quality is Quality.GOOD


def test_a_determination_keeps_its_holes_and_its_worst_quality(
    path: Path, opened: Callable[..., Writer]
) -> None:
    writer = opened()
    at_us = T0 + 9 * US
    writer.put_numeric("session-a", 2, Numeric("cuff", "nibp_sys", at_us, 120.0))
    doubtful = Numeric("cuff", "nibp_map", at_us, 90.0, Quality.QUESTIONABLE)
    writer.put_numeric("session-a", 3, doubtful)
    by_hand = Numeric("manual", "nibp_sys", at_us, 118.0, flags=frozenset({Flag.MANUAL}))
    writer.put_numeric("session-a", 4, by_hand)
    assert writer.close()
    first, second = Reader(path).nibp("session-a")
    assert (first.sys, first.dia, first.map) == (120.0, None, 90.0)
    assert first.quality is Quality.QUESTIONABLE
    assert (second.device, second.sys, second.dia) == ("manual", 118.0, None)


def test_sessions_come_back_whole_and_the_open_ones_apart(path: Path) -> None:
    fill(path)
    reader = Reader(path)
    first, second = reader.sessions()
    assert first == SessionRecord(session(), "Europe/Berlin", "limits", "rooms")
    assert (second.session.id, second.session.dose_us, second.state) == (
        "session-b",
        T0 + 9 * US,
        "closed",
    )
    assert reader.open_sessions() == [first]
    assert reader.session("session-b") == second
    assert reader.station() == station()


def test_the_trail_of_a_session_is_in_order_and_can_be_asked_by_kind(path: Path) -> None:
    fill(path)
    reader = Reader(path)
    rows = reader.audit("session-a")
    assert [row.n for row in rows] == sorted(row.n for row in rows)
    assert {row.session for row in rows} == {"session-a"}
    put = [row for row in rows if row.seq is not None]
    assert [row.kind for row in put[1:]] == ["note", "alarm"] * 5
    assert put[1].as_put() == audit(put[1].seq or 0, "note", command_id="c0")
    assert reader.audit_by_kind("session-a", {"alarm"}) == [r for r in rows if r.kind == "alarm"]
    assert [row.kind for row in reader.audit(None)] == ["station_row"]


def test_the_answer_to_a_command_is_found(path: Path) -> None:
    fill(path)
    reader = Reader(path)
    found = reader.result_of("c3")
    assert found is not None
    assert found.body == {"text": f"note {found.seq}"}
    assert reader.result_of("c99") is None
    assert [row.command_id for row in reader.answers(3)] == ["c7", "c8", "c9"]


def test_gaps_are_where_no_streaming_channel_had_a_value(
    path: Path, opened: Callable[..., Writer]
) -> None:
    writer = opened()
    times = [0, 1, 2, 40, 41, 42, 43, 44, 60]
    for seq, second in enumerate(times, 2):
        writer.put_numeric("session-a", seq, spo2(second))
    writer.put_numeric("session-a", 20, spo2(50, None))
    writer.put_numeric("session-a", 21, Numeric("cuff", "nibp_sys", T0 + 20 * US, 120.0))
    assert writer.close()
    gaps = Reader(path).gaps("session-a")
    assert gaps == [(T0 + 2 * US, T0 + 40 * US), (T0 + 44 * US, T0 + 60 * US)]
    assert Reader(path).gaps("session-a", longer_s=20) == gaps[:1]


PROBE = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 510, 0x40000002)
    except OSError:
        print("held")
"""
"""Asks from outside for SQLite's shared lock bytes, which a writer in WAL mode always holds."""


def test_reading_disturbs_neither_the_writers_locks_nor_its_checkpoints(
    path: Path, opened: Callable[..., Writer]
) -> None:
    opened()
    reader = Reader(path)
    for _ in range(5):
        reader.numerics("session-a", "spo2")
        with pytest.raises(StoreError, match="not encrypted"):
            Reader(path, key=bytes(32)).sessions()
    probe = [sys.executable, "-c", PROBE, str(path)]
    assert subprocess.run(probe, capture_output=True, text=True, check=True).stdout == "held\n"
    connection = raw(path)
    ((busy, *_),) = select(connection, "PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert busy == 0
    assert Path(f"{path}-wal").stat().st_size == 0


def test_a_record_on_a_read_only_medium_can_be_read_and_verified(tmp_path: Path) -> None:
    medium = tmp_path / "medium"
    medium.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", medium], check=True)
    try:
        fill(medium / "vitals.db")
        subprocess.run(["mount", "-o", "remount,ro", medium], check=True)
        assert len(Reader(medium / "vitals.db").sessions()) == 2
        assert verify(medium / "vitals.db").ok
    finally:
        subprocess.run(["umount", "--lazy", medium], check=True)


def test_a_missing_record_is_named(path: Path) -> None:
    with pytest.raises(StoreError, match=r"vitals\.db: there is no such record; check the path"):
        Reader(path).sessions()
    assert not path.exists()
