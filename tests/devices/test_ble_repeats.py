"""A cuff that sends its memory again gives nothing twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from devices.driver import Event
from devices.repeats import AGAIN_US, REMEMBERED, Repeats
from vitals.model import US, Chunk, Notice, Numeric

NOW_US = 1_800_000_000 * US
SOURCE = "00002a35-0000-1000-8000-00805f9b34fb"


def chunk(data: bytes = b"reading", at_us: int = NOW_US) -> Chunk:
    return Chunk(data, at_us, SOURCE)


def reading(device_at_us: int | None, *values: float | None) -> list[Event]:
    channels = ("nibp_sys", "nibp_dia", "nibp_map", "pr")
    return [
        Numeric("cuff", channel, NOW_US, value, device_at_us=device_at_us)
        for channel, value in zip(channels, values, strict=False)
    ]


def test_the_same_time_and_values_are_one_reading_however_late() -> None:
    repeats = Repeats()
    once = reading(NOW_US, 120, 80, 93, 70)
    assert repeats.fresh(chunk(), once) == once
    assert repeats.fresh(chunk(at_us=NOW_US + 3600 * US), once) == []


def test_another_time_or_another_value_is_another_reading() -> None:
    repeats = Repeats()
    assert repeats.fresh(chunk(), reading(NOW_US, 120)) == reading(NOW_US, 120)
    assert repeats.fresh(chunk(), reading(NOW_US + US, 120)) == reading(NOW_US + US, 120)
    assert repeats.fresh(chunk(), reading(NOW_US, 121)) == reading(NOW_US, 121)


def test_without_a_time_the_same_payload_is_one_reading_for_a_while() -> None:
    repeats = Repeats()
    first, later = chunk(), chunk(at_us=NOW_US + AGAIN_US)
    assert repeats.fresh(first, reading(None, 120, 80)) == reading(None, 120, 80)
    assert repeats.fresh(chunk(at_us=NOW_US + US), reading(None, 120, 80)) == []
    # the one that was dropped begins no new while
    assert repeats.fresh(chunk(b"other"), reading(None, 121, 80)) == reading(None, 121, 80)
    much_later = chunk(at_us=later.at_us + US)
    assert repeats.fresh(much_later, reading(None, 120, 80)) == reading(None, 120, 80)


def test_a_failed_reading_is_told_once() -> None:
    repeats = Repeats()
    failed: list[Event] = [Notice("cuff", NOW_US, "nibp_failed", True, "the body moved")]
    assert repeats.fresh(chunk(), failed) == failed
    assert repeats.fresh(chunk(at_us=NOW_US + US), failed) == []


def test_what_is_no_reading_passes_always() -> None:
    repeats = Repeats()
    inflating: list[Event] = [
        Numeric("cuff", "cuff", NOW_US, 140.0),
        Notice("cuff", NOW_US, "cuff_inflating"),
    ]
    assert repeats.fresh(chunk(), inflating) == inflating
    assert repeats.fresh(chunk(), inflating) == inflating
    assert repeats.fresh(chunk(), []) == []


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(100, 103)), max_size=40))
def test_whatever_is_sent_in_whatever_order_comes_once(sent: list[tuple[int, int]]) -> None:
    repeats = Repeats()
    told = [
        (event.device_at_us, event.value)
        for when, value in sent
        for event in repeats.fresh(chunk(), reading(NOW_US + when * US, value))
        if isinstance(event, Numeric)
    ]
    assert len(told) == len(set(told)) == len(set(sent))


def test_a_memory_without_end_is_not_remembered_without_end() -> None:
    repeats = Repeats()
    for n in range(3 * REMEMBERED):
        repeats.fresh(chunk(), reading(NOW_US + n * US, 120))
    assert len(repeats._told) == REMEMBERED
