from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.decimate import GAP_US, MOST_POINTS, decimate
from vitals.model import US

values = st.one_of(st.integers(0, 300).map(float), st.just(float("nan")))
steps = st.integers(1, 30 * US)


@st.composite
def recordings(draw: st.DrawFn) -> list[tuple[int, float]]:
    """Hundreds of values from one seed: longer than a list that is drawn value by value."""
    chance = draw(st.randoms(use_true_random=False))
    return [
        (
            chance.choice([US, US, US, 2 * US, 30 * US]),
            float("nan") if chance.random() < 0.05 else float(chance.randint(0, 300)),
        )
        for _ in range(draw(st.integers(100, 600)))
    ]


def column(pairs: list[tuple[int, float]]) -> tuple[np.ndarray, np.ndarray]:
    at_us = np.cumsum([step for step, _ in pairs]).astype(np.int64)
    return at_us, np.array([value for _, value in pairs], dtype=np.float64)


def test_a_short_series_is_kept_whole() -> None:
    at_us = np.arange(100, dtype=np.int64) * US
    value = np.arange(100, dtype=np.float64)
    x, y = decimate(at_us, value)
    assert x.tolist() == at_us.tolist()
    assert y.tolist() == value.tolist()


def test_two_hours_become_few_points_and_one_low_second_survives() -> None:
    at_us = np.arange(7200, dtype=np.int64) * US
    value = np.full(7200, 97.0)
    value[3601] = 71.0
    x, y = decimate(at_us, value)
    assert x.size <= MOST_POINTS
    assert y.min() == 71.0
    assert x[y.argmin()] == 3601 * US


def test_a_gap_breaks_the_line() -> None:
    at_us = np.array([0, 1, 2, 60, 61], dtype=np.int64) * US
    x, y = decimate(at_us, np.full(5, 97.0))
    assert np.isnan(y).tolist() == [False, False, False, True, False, False]
    assert 2 * US < x[3] < 60 * US


def test_missing_values_are_gaps_and_not_points() -> None:
    at_us = np.arange(40, dtype=np.int64) * US
    value = np.full(40, 97.0)
    value[10:30] = np.nan
    _, y = decimate(at_us, value)
    assert np.isnan(y).sum() == 1
    assert y.size == 21


def test_nothing_gives_nothing() -> None:
    x, y = decimate(np.array([], dtype=np.int64), np.array([], dtype=np.float64))
    assert x.size == y.size == 0


@settings(deadline=None, max_examples=200)
@given(
    st.one_of(st.lists(st.tuples(steps, values), max_size=30), recordings()),
    st.sampled_from([16, 40, 1440]),
)
def test_extremes_survive_and_no_line_crosses_a_gap(
    pairs: list[tuple[int, float]], most: int
) -> None:
    at_us, value = column(pairs)
    x, y = decimate(at_us, value, most=most)
    assert x.size == y.size <= most
    assert (np.diff(x) >= 0).all()
    real = value[~np.isnan(value)]
    drawn = y[~np.isnan(y)]
    assert set(drawn) <= set(real)
    if real.size:
        assert drawn.min() == real.min()
        assert drawn.max() == real.max()
    known = at_us[~np.isnan(value)]
    for (a, u), (b, v) in zip(zip(x, y, strict=True), zip(x[1:], y[1:], strict=True), strict=False):
        if not (np.isnan(u) or np.isnan(v)):
            between = known[(known >= a) & (known <= b)]
            assert (np.diff(between) <= GAP_US).all()
