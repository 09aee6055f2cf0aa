from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.store.build import T0, pleth
from vitals.clock import US
from vitals.model import Quality, Waveform
from vitals.store.waves import Packet, blocks, decode, encode


@given(hnp.arrays(np.int64, st.integers(1, 100), elements=st.integers(0, 65534)))
def test_whole_numbers_come_back_as_they_were(values: np.ndarray) -> None:
    coded = encode(values.astype(np.float32))
    assert coded.scale == 1.0
    assert len(coded.data) == 2 * values.size
    assert np.array_equal(decode(*coded), values.astype(np.float32))


@given(
    hnp.arrays(
        np.float32, st.integers(1, 100), elements=st.floats(-1e6, 1e6, width=32, allow_nan=False)
    )
)
def test_other_numbers_come_back_within_half_a_step_of_the_block(values: np.ndarray) -> None:
    coded = encode(values)
    span = float(values.max()) - float(values.min())
    allowed = span / 65534 / 2 + np.abs(values).max() * 2**-22
    assert np.abs(decode(*coded) - values).max() <= allowed


@given(hnp.arrays(np.float32, st.integers(1, 50), elements=st.floats(width=32)))
def test_what_is_no_number_stays_no_number_and_disturbs_nothing_else(values: np.ndarray) -> None:
    back = decode(*encode(values))
    finite = np.isfinite(values)
    assert np.array_equal(np.isnan(back), ~finite)


@pytest.mark.parametrize("value", [0.0, 0.5, -32768.0, 65535.0, 1e30])
def test_a_flat_line_is_exact(value: float) -> None:
    values = np.full(10, value, dtype=np.float32)
    assert np.array_equal(decode(*encode(values)), values)


def _packets(*starts_s: float, rate_hz: float = 75.0) -> list[Packet]:
    return [
        Packet(seq, "session-a", pleth(start_s, range(seq, seq + 25), rate_hz))
        for seq, start_s in enumerate(starts_s, 1)
    ]


def test_packets_that_follow_each_other_become_blocks_of_a_second() -> None:
    made = list(blocks(_packets(*(third / 3 for third in range(9)))))
    assert [(block.seq, block.wave.values.size) for block in made] == [(3, 75), (6, 75), (9, 75)]
    assert [block.wave.start_us for block in made] == [T0, T0 + US, T0 + 2 * US]
    assert made[0].wave.values.tolist() == [*range(1, 26), *range(2, 27), *range(3, 28)]


def test_a_block_never_spans_a_gap_or_an_overlap() -> None:
    made = list(blocks(_packets(0, 1 / 3, 1.0, 4 / 3, 4 / 3)))
    assert [block.seq for block in made] == [2, 4, 5]


@pytest.mark.parametrize(("late_s", "joined"), [(0.4 / 75, True), (0.6 / 75, False)])
def test_half_a_sample_of_jitter_is_no_gap(late_s: float, joined: bool) -> None:
    made = list(blocks(_packets(0, 1 / 3 + late_s)))
    assert (len(made) == 1) is joined


def test_channels_sessions_rates_and_qualities_are_kept_apart() -> None:
    def packet(seq: int, session: str, start_s: float, **changes: object) -> Packet:
        facts = {"device": "oximeter", "rate_hz": 75.0, "quality": Quality.GOOD} | changes
        wave = Waveform(
            str(facts["device"]),
            "pleth",
            T0 + round(start_s * US),
            float(str(facts["rate_hz"])),
            np.zeros(25, dtype=np.float32),
            Quality(facts["quality"]),
        )
        return Packet(seq, session, wave)

    made = blocks(
        [
            packet(1, "session-a", 0),
            packet(2, "session-b", 0),
            packet(3, "session-a", 0, device="other"),
            packet(4, "session-a", 1 / 3),
            packet(5, "session-b", 1 / 3, quality=Quality.QUESTIONABLE),
            packet(6, "session-a", 1 / 3, device="other", rate_hz=60.0),
        ]
    )
    assert sorted((block.seq, block.wave.values.size) for block in made) == [
        (2, 25),
        (3, 25),
        (4, 50),
        (5, 25),
        (6, 25),
    ]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(20, 250))
def test_no_sample_is_lost_or_moved_however_packets_are_cut(sizes: list[int], rate: int) -> None:
    packets, start = [], 0
    for seq, size in enumerate(sizes, 1):
        values = range(start, start + size)
        packets.append(Packet(seq, "session-a", pleth(start / rate, values, float(rate))))
        start += size
    seen = np.concatenate([block.wave.values for block in blocks(packets)])
    assert np.array_equal(seen, np.arange(start))
    for block in blocks(packets):
        expected_us = T0 + block.wave.values[0] / rate * US
        assert abs(block.wave.start_us - expected_us) <= 1
        assert block.wave.values.size <= max(rate, 40)
