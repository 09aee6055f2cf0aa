"""Which blood pressures are taken again, and when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitals.model import US, Priority
from vitals.session.repeats import Repeats

M, H, C, INFO = Priority.MEDIUM, Priority.HIGH, None, Priority.INFO
SEVERITY = {"m": M, "h": H, "c": C, "i": INFO}
T0_US = 1_800_000_000 * US


def waits(readings: str) -> list[int | None]:
    """Seconds from each reading to the repeat that it asks for."""
    repeats, found = Repeats(), []
    for minute, word in enumerate(readings):
        at_us = T0_US + minute * 60 * US
        planned = repeats.reading(at_us, SEVERITY[word])
        found.append(None if planned is None else (planned[1] - at_us) // US)
    return found


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ("ccc", [None, None, None]),
        ("iii", [None, None, None]),
        ("mmmmmmm", [300, 300, 300, 300, None, None, None]),
        ("mcc", [300, 300, None]),
        ("mii", [300, 300, None]),
        ("mcmcc", [300, 300, 300, 300, None]),
        ("mccmmmmm", [300, 300, None, 300, 300, 300, 300, None]),
        ("hhhhhhhh", [120, 120, 120, 300, 300, 300, 300, 300]),
        ("hcc", [120, 300, None]),
        ("hhhhcch", [120, 120, 120, 300, 300, None, 120]),
        ("hmmmmm", [120, 300, 300, 300, 300, None]),
        ("mmmmmh", [300, 300, 300, 300, None, 120]),
    ],
)
def test_medium_every_5_min_four_times_and_high_every_2_min_three_times_then_every_5(
    readings: str, expected: list[int | None]
) -> None:
    assert waits(readings) == expected


@given(st.text("mhci", max_size=40))
def test_a_high_reading_always_asks_for_another_and_each_is_another_one(readings: str) -> None:
    repeats, names = Repeats(), []
    for minute, word in enumerate(readings):
        planned = repeats.reading(T0_US + minute * US, SEVERITY[word])
        assert planned is not None or word != "h"
        if planned is not None:
            names.append(planned[0])
    assert len(names) == len(set(names))


@given(st.text("mhci", max_size=40))
def test_two_clear_readings_always_end_it(readings: str) -> None:
    assert waits(readings + "cc")[-1] is None


def test_after_a_restart_the_names_go_on_and_two_clear_readings_end_it() -> None:
    repeats = Repeats()
    repeats.resume(2, going_on=True)
    assert repeats.reading(T0_US, C) == ("nibp-repeat-3", T0_US + 300 * US)
    assert repeats.reading(T0_US + 300 * US, C) is None
    fresh = Repeats()
    fresh.resume(0, going_on=False)
    assert fresh.reading(T0_US, C) is None
