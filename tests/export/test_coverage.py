from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitals.export.coverage import Coverage, Stream, lasting, measure
from vitals.model import US, Due


def stream(seconds: list[float], channel: str = "spo2", period_s: float = 1.0) -> Stream:
    at_us = np.array([round(s * US) for s in seconds], dtype=np.int64)
    none = np.zeros(at_us.size, dtype=np.bool_)
    return Stream(channel, at_us, ~none, none, period_s)


def covered(*streams: Stream, to_s: float = 100, off: list[tuple[float, float]] = []) -> Coverage:  # noqa: B006
    spans = [(round(a * US), round(b * US)) for a, b in off]
    return measure(streams, (), 0, round(to_s * US), off=spans)


def test_a_value_each_second_covers_everything() -> None:
    (one,) = covered(stream(list(range(100)))).channels
    assert (one.share, one.longest, one.gaps) == (1.0, None, 0)


def test_values_within_the_time_they_are_current_leave_no_gap() -> None:
    (one,) = covered(stream([s for s in range(100) if s % 3 != 1])).channels
    assert one.share == 1.0


def test_a_gap_lasts_from_the_last_value_to_the_next() -> None:
    (one,) = covered(stream([*range(40), *range(60, 100)])).channels
    assert one.longest == (40 * US, 60 * US)
    assert one.share == pytest.approx(0.8)


def test_before_the_first_and_behind_the_last_value_is_a_gap_too() -> None:
    (one,) = covered(stream(list(range(30, 60)))).channels
    assert one.gaps == 2
    assert one.longest == (60 * US, 100 * US)
    assert one.share == pytest.approx(0.3)


def test_invalid_values_cover_nothing_and_are_counted() -> None:
    values = stream(list(range(100)))
    shown = np.arange(100) < 50
    doubtful = np.arange(100) < 10
    (one,) = measure([Stream("spo2", values.at_us, shown, doubtful)], (), 0, 100 * US).channels
    assert one.share == pytest.approx(0.5)
    assert (one.values, one.invalid, one.questionable) == (100, 0.5, 0.1)


def test_a_second_device_fills_the_gap_of_the_first() -> None:
    (one,) = covered(stream(list(range(60))), stream(list(range(50, 100)))).channels
    assert (one.share, one.values) == (1.0, 110)


def test_time_off_the_monitor_is_no_gap_and_told_apart() -> None:
    values = stream([*range(40), *range(60, 100)])
    found = covered(values, off=[(40, 55)])
    assert found.off_us == 15 * US
    (one,) = found.channels
    assert one.longest == (55 * US, 60 * US)
    assert one.share == pytest.approx(80 / 85)


def test_what_no_device_gave_is_not_covered() -> None:
    found = measure([], (), 0, 100 * US, expected=("spo2",))
    assert found.of("spo2") is not None
    assert found.channels[0].share == 0.0
    assert found.of("pr") is None
    assert found.sentence() == "SpO2 coverage 0.0 %, longest gap 1 min 40 s"


def test_a_slow_device_has_its_own_period() -> None:
    every_5_s = list(range(0, 100, 5))
    assert covered(stream(every_5_s, period_s=5.0)).channels[0].share == 1.0
    assert covered(stream(every_5_s)).channels[0].share == pytest.approx(0.2)


def test_planned_readings_are_those_owed_until_the_end() -> None:
    due = [
        Due("r", "nibp-baseline-1", 0, 1, "done"),
        Due("r", "nibp+10", 10 * US, None, "missed", "BP at 10 min"),
        Due("r", "nibp+90", 90 * US, None, "overdue"),
        Due("r", "nibp+120", 120 * US, None, "coming"),
        Due("r", "nibp-repeat-1", 50 * US, 52 * US, "done"),
        Due("r", "score+30", 30 * US, None, "missed"),
    ]
    found = measure([], due, 0, 100 * US, attempts=4, failed=1).nibp
    assert (found.planned, found.taken) == (3, 1)
    assert found.missed == ("BP at 10 min", "nibp+90")
    assert (found.repeats, found.repeats_taken, found.attempts, found.failed) == (1, 1, 4, 1)


def test_coverage_is_never_rounded_up() -> None:
    values = stream([s for s in range(100_000) if not 500 <= s < 504])
    assert "SpO2 coverage 99.9 %, longest gap 4 s" in covered(values, to_s=100_000).sentence()


def test_a_session_without_length_has_no_share() -> None:
    found = measure([stream([])], (), 5, 5)
    assert found.channels[0].share is None
    assert found.sentence() == "nothing was measured"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(41, "41 s"), (60, "1 min"), (200, "3 min 20 s"), (3900, "1 h 05 min")],
)
def test_lengths_are_said_as_people_say_them(seconds: int, words: str) -> None:
    assert lasting(seconds * US) == words


_TIMES = st.lists(st.integers(-50, 150), max_size=40).map(sorted)
_SPANS = st.lists(st.tuples(st.integers(-20, 120), st.integers(1, 60)), max_size=4)


@given(_TIMES, _TIMES, _SPANS)
def test_covered_and_missing_make_up_the_time_on_the_monitor(
    first: list[int], second: list[int], off: list[tuple[int, int]]
) -> None:
    spans = [(float(a), float(a + length)) for a, length in off]
    found = covered(
        stream([float(s) for s in first]), stream([float(s) for s in second]), off=spans
    )
    (one,) = found.channels
    assert one.share is None or 0.0 <= one.share <= 1.0
    out = set().union(*(range(a, a + length) for a, length in off)) if off else set()
    assert found.off_us == len([s for s in range(100) if s in out]) * US
    if one.longest is not None:
        assert one.longest[0] >= 0
        assert one.longest[1] <= 100 * US
        assert not [s for s in (*first, *second) if one.longest[0] < s * US < one.longest[1] - US]
