from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitals import wire
from vitals.model import US
from vitals.trend import MAX_BUCKETS, Trend

T0 = 1_800_000_000 * US
times = st.integers(0, 8 * 3600 * US).map(lambda us: T0 + us)
samples = st.lists(
    st.tuples(times, st.floats(-1000, 1000, width=32)),
    min_size=1,
    max_size=200,
    unique_by=lambda sample: sample[0],
)


def trend(samples: list[tuple[int, float]]) -> Trend:
    made = Trend("spo2")
    made.load(samples)
    return made


def test_six_minutes_are_one_bucket_a_second() -> None:
    message = trend([(T0 + s * US, 90.0 + s % 5) for s in range(360)]).message()
    assert message.width_us == US
    assert len(message.b) == 360
    assert message.b[3] == (T0 + 3 * US, 93.0, 93.0, 93.0)


def test_the_width_doubles_when_the_span_no_longer_fits() -> None:
    message = trend([(T0 + s * US, float(s)) for s in range(361)]).message()
    assert message.width_us == 2 * US
    assert message.b[1] == (T0 + 2 * US, 2.0, 3.0, 3.0)


@pytest.mark.parametrize(("hours", "width_s"), [(1, 16), (2, 32), (4, 64)])
def test_width_of_a_whole_session(hours: int, width_s: int) -> None:
    message = trend([(T0 + s * US, 97.0) for s in range(hours * 3600)]).message()
    assert message.width_us == width_s * US
    assert len(message.b) <= MAX_BUCKETS


def test_a_gap_has_no_bucket() -> None:
    message = trend([(T0, 97.0), (T0 + 60 * US, 96.0)]).message()
    assert [row[0] for row in message.b] == [T0, T0 + 60 * US]


def test_one_low_second_in_two_hours_is_still_there() -> None:
    values = [(T0 + s * US, 71.0 if s == 3601 else 97.0) for s in range(7200)]
    assert min(row[1] for row in trend(values).message().b) == 71.0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_is_left_out(value: float) -> None:
    assert trend([(T0, value)]).message().b == []


@given(samples)
def test_every_sample_is_inside_its_bucket_and_every_extreme_was_a_sample(
    samples: list[tuple[int, float]],
) -> None:
    message = trend(samples).message()
    width_us = message.width_us
    assert width_us % US == 0
    assert (width_us // US).bit_count() == 1
    assert len(message.b) <= MAX_BUCKETS
    held: dict[int, list[tuple[int, float]]] = {}
    for at_us, value in sorted(samples):
        held.setdefault(at_us - at_us % width_us, []).append((at_us, value))
    assert message.b == [
        (start, min(v for _, v in inside), max(v for _, v in inside), inside[-1][1])
        for start, inside in sorted(held.items())
    ]


@given(samples)
def test_the_width_is_the_smallest_that_fits(samples: list[tuple[int, float]]) -> None:
    message = trend(samples).message()
    half_us = message.width_us // 2
    first, last = (at_us // half_us for at_us in (min(samples)[0], max(samples)[0]))
    assert message.width_us == US or last - first >= MAX_BUCKETS


@given(samples, st.randoms(use_true_random=False))
def test_the_order_of_samples_does_not_matter(samples: list[tuple[int, float]], random) -> None:
    shuffled = samples.copy()
    random.shuffle(shuffled)
    assert trend(shuffled).message() == trend(samples).message()


@given(samples, samples)
def test_a_trend_goes_on_from_its_message(
    before: list[tuple[int, float]], after: list[tuple[int, float]]
) -> None:
    end = max(before)[0] + 8 * 3600 * US
    later = [(at_us - T0 + end, value) for at_us, value in after]
    encoded = wire.encode(trend(before).message())
    again = Trend.of(wire.msgspec.json.decode(encoded, type=wire.TrendMsg))
    again.load(later)
    assert again.message() == trend([*before, *later]).message()
