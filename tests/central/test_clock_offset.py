"""What is delivered late looks old, never fresh, though the clocks differ."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vitals.central.clock_offset import PIECE_US, PIECES, STEP_US, ClockOffset
from vitals.central.station_rooms import clock_words
from vitals.model import US

T0 = 1_800_000_000 * US


@given(
    st.integers(-400 * 86400 * US, 400 * 86400 * US),
    st.lists(st.integers(0, 20 * US), min_size=1, max_size=40),
)
def test_a_value_never_looks_fresher_than_it_is_by_more_than_the_least_delay(
    ahead_us: int, delays_us: list[int]
) -> None:
    offset, at_us, arrived_us = ClockOffset(), T0, T0
    late_us = []
    for delay_us in delays_us:
        at_us += 6 * US
        arrived_us = max(arrived_us, at_us + delay_us)  # in order, as one row overwrites the other
        late_us.append(arrived_us - at_us)
        offset.hear(arrived_us, at_us + ahead_us)
        assert offset.now_us is not None
        age_us = arrived_us - (at_us + ahead_us + offset.now_us)
        assert 0 <= age_us <= late_us[-1]
        assert late_us[-1] - age_us == min(late_us)


def test_the_first_of_several_late_ones_does_not_count_for_ever() -> None:
    offset = ClockOffset()
    offset.hear(T0 + 8 * US, T0)
    offset.hear(T0 + 9 * US + 1000, T0 + 9 * US)
    assert offset.now_us == 1000
    assert offset.kept_us == 1000


def test_a_difference_that_grows_is_believed_after_some_minutes() -> None:
    offset = ClockOffset()
    for second in range(PIECES * 60 + 61):
        offset.hear(T0 + second * US, T0 + second * US)
    for second in range(PIECES * PIECE_US // US + 61):
        at_us = T0 + (1000 + second) * US
        offset.hear(at_us + 2 * US, at_us)
    assert offset.now_us == 2 * US


def test_another_clock_after_a_restart_counts_at_once() -> None:
    offset = ClockOffset()
    offset.hear(T0, T0)
    assert offset.hear(T0 + US, T0 - 3600 * US)
    assert offset.now_us == 3601 * US


def test_what_is_kept_does_not_move_with_every_millisecond() -> None:
    offset = ClockOffset()
    assert offset.hear(T0 + 5 * US, T0)
    assert not offset.hear(T0 + 6 * US - STEP_US, T0 + US)
    assert (offset.now_us, offset.kept_us) == (5 * US - STEP_US, 5 * US)
    assert offset.hear(T0 + 7 * US - STEP_US - 1, T0 + 2 * US)
    assert offset.kept_us == 5 * US - STEP_US - 1


def test_clocks_that_agree_but_for_the_way_count_as_one() -> None:
    offset = ClockOffset()
    assert not offset.hear(T0 + STEP_US, T0)
    assert (offset.now_us, offset.kept_us) == (STEP_US, 0)


def test_a_clock_is_spoken_of_from_five_seconds_and_loudly_from_an_hour() -> None:
    assert clock_words(5 * US) == ""
    assert clock_words(-12 * US) == "its clock is 12 s ahead; set it"
    assert clock_words(600 * US) == "its clock is 10 min behind; set it"
    assert clock_words(-86400 * US).startswith("ITS CLOCK IS 24 h AHEAD")
    assert clock_words(5 * 86400 * US).startswith("ITS CLOCK IS 5 days BEHIND")
