"""A window of a waveform: the extremes of each pixel, gaps kept, nothing that is invalid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dashboard.decimate import thin
from dashboard.review.waves import wave
from tests.export import records
from tests.export.records import at
from vitals.model import US, Quality, Waveform
from vitals.store.rows import SessionRecord
from vitals.store.writer import Writer

UUID = records.UUID


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return records.write(tmp_path_factory.mktemp("wave") / "vitals.db")


def window(store: Path, from_s: float, to_s: float, px: int = 600, **more: Any) -> Any:
    body = wave(store, UUID, "pleth", at(from_s), at(to_s), px, **more)
    assert body is not None
    return orjson.loads(body)


def write(path: Path, *waves: Waveform) -> Path:
    writer = Writer(path, now_us=lambda: records.START_US)
    writer.start()
    rows = list(records.audit_rows(600))
    writer.put_audit(rows[0], session=SessionRecord(records.session(600), "+0100", "", ""))
    for seq, packet in enumerate(waves, 1000):
        writer.put_wave(UUID, seq, packet)
    assert writer.close(60)
    return path


def packet(second: float, values: list[float], quality: Quality = Quality.GOOD, **more: Any) -> Any:
    facts = {"device": "oxi", "channel": "pleth", "rate_hz": 10.0, **more}
    return Waveform(
        start_us=at(second), values=np.array(values, dtype=np.float32), quality=quality, **facts
    )


def test_every_sample_is_there_where_there_is_room(store: Path) -> None:
    found = window(store, 20, 24, px=600)
    (track,) = found["tracks"]
    (run,) = track["runs"]
    assert track["device"] == "oxi"
    assert len(run["y"]) == len(run["at_us"]) == 4 * 75
    assert 0 <= run["at_us"][0] < 20_000
    assert np.allclose(np.diff(run["at_us"]), US / 75, atol=1)


def test_a_minute_keeps_the_extremes_in_two_points_a_pixel(store: Path) -> None:
    few = window(store, 20, 80, px=200)
    every = window(store, 20, 80, px=8000)
    runs = [run for track in few["tracks"] for run in track["runs"]]
    assert sum(len(run["y"]) for run in runs) <= 2 * 200
    assert (few["low"], few["high"]) == (every["low"], every["high"])
    assert min(min(run["y"]) for run in runs) == few["low"]


def test_a_gap_is_a_gap_and_a_doubtful_stretch_says_so(store: Path) -> None:
    gap = window(store, 295, 345)
    runs = gap["tracks"][0]["runs"]
    assert len(runs) == 2
    assert runs[0]["at_us"][-1] < 5.1 * US
    assert runs[1]["at_us"][0] >= 45 * US - US // 10
    doubt = [run["quality"] for run in window(store, 190, 240)["tracks"][0]["runs"]]
    assert doubt == ["good", "questionable", "good"]


def test_a_time_without_a_waveform_is_empty(store: Path) -> None:
    found = window(store, 310, 330)
    assert (found["tracks"], found["low"], found["high"]) == ([], None, None)
    assert window(store, 5000, 5060)["tracks"] == []


def test_invalid_samples_and_those_without_a_value_are_not_drawn_over(tmp_path: Path) -> None:
    store = write(
        tmp_path / "vitals.db",
        packet(10.0, [1, 2, float("nan"), 4, 5, 6, 7, 8, 9, 10]),
        packet(11.0, [11, 12, 13, 14, 15], Quality.INVALID),
        packet(11.5, [16, 17, 18, 19, 20]),
    )
    runs = window(store, 9, 13)["tracks"][0]["runs"]
    assert [run["y"] for run in runs] == [[1, 2], [4, 5, 6, 7, 8, 9, 10], [16, 17, 18, 19, 20]]


def test_two_devices_stand_apart_and_blocks_out_of_order_are_put_in_order(tmp_path: Path) -> None:
    store = write(
        tmp_path / "vitals.db",
        packet(12.0, [3, 4], rate_hz=2.0),
        packet(11.0, [1, 2], rate_hz=2.0),
        packet(11.0, [7, 8], rate_hz=2.0, device="second"),
    )
    tracks = window(store, 10, 14)["tracks"]
    assert [track["device"] for track in tracks] == ["oxi", "second"]
    assert [run["y"] for run in tracks[0]["runs"]] == [[1, 2, 3, 4]]


def test_a_block_that_began_before_the_window_reaches_into_it(tmp_path: Path) -> None:
    store = write(tmp_path / "vitals.db", packet(10.0, [float(n) for n in range(10)]))
    (run,) = window(store, 10.5, 11)["tracks"][0]["runs"]
    assert run["y"] == [5, 6, 7, 8, 9]
    assert run["at_us"][0] == 0


def test_only_sessions_of_ones_rooms_are_there(store: Path, tmp_path: Path) -> None:
    span = (at(20), at(24), 600)
    assert wave(store, UUID, "pleth", *span, rooms=frozenset({"room-2"})) is None
    assert wave(store, UUID, "pleth", *span, rooms=frozenset({"room-1"})) is not None
    assert wave(store, "nobody", "pleth", *span) is None
    assert wave(tmp_path / "none.db", UUID, "pleth", *span) is None


@example(steps=[1, 1, 1, 1, 1, 1, 3], px=3, seed=57)  # the last value is the greatest
@given(
    steps=st.lists(st.integers(1, 5000), min_size=1, max_size=400),
    px=st.integers(2, 50),
    seed=st.integers(0, 2**16),
)
def test_thinned_points_are_real_ones_in_order_with_the_extremes(
    steps: list[int], px: int, seed: int
) -> None:
    at_us = np.cumsum(np.array(steps, dtype=np.int64))
    value = np.random.default_rng(seed).integers(-1000, 1000, at_us.size).astype(np.float64)
    x, y = thin(at_us, value, px)
    known = dict(zip(at_us.tolist(), value.tolist(), strict=True))
    assert all(known[t] == v for t, v in zip(x.tolist(), y.tolist(), strict=True))
    assert (np.diff(x) > 0).all()
    assert (y.min(), y.max()) == (value.min(), value.max())
    assert x.size <= max(2 * px, at_us.size if at_us.size <= 2 * px else 0)
