"""What is special about Nonin data format 8."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import registry
from tests.devices.decoding import (
    T0,
    bytewise,
    decode,
    feed,
    joined,
    latest,
    notices,
    numerics,
    vectors,
)
from vitals.clock import US
from vitals.model import Flag, Notice, Quality

DRIVER = registry.get("nonin-df8")
FORMAT_1 = registry.get("nonin-df1")
COMMANDS = {known["meaning"]: known for known in vectors("nonin-df8")["commands"]}
SET_FORMAT = bytes.fromhex(COMMANDS["set data format 8; 06 done, 15 cannot"]["hex"])


def frame(*flags: Flag, **values: float) -> bytes:
    return joined(DRIVER.encode(values or {"pr": 72, "spo2": 97}, flags))


@pytest.mark.parametrize("rate", [20, 127, 128, 150, 255, 256, 300])
def test_rate_is_put_together_from_two_bytes(rate: int) -> None:
    data = bytes((0x80 | rate >> 7, rate & 0x7F, 97, 0))
    assert latest(decode(DRIVER, data))["pr"] == rate
    assert frame(pr=rate, spo2=97) == data


@pytest.mark.parametrize(
    ("data", "flags"),
    [
        ("c0486100", {Flag.NO_SENSOR}),
        ("a0486100", {Flag.OUT_OF_TRACK}),
        ("90486100", {Flag.LOW_PERFUSION}),
        ("88486100", {Flag.MARGINAL_PERFUSION}),
        ("84486100", {Flag.ARTIFACT}),
        ("80486140", set()),
        ("80486120", set()),
        ("80486110", set()),
        ("80486108", {Flag.SENSOR_OFF}),
        ("80486104", set()),
        ("80486102", {Flag.LOW_BATTERY}),
        ("80486101", {Flag.LOW_BATTERY}),
        (
            "b8486109",
            {Flag.OUT_OF_TRACK, Flag.LOW_PERFUSION, Flag.MARGINAL_PERFUSION}
            | {Flag.SENSOR_OFF, Flag.LOW_BATTERY},
        ),
    ],
)
def test_every_status_bit_has_its_flag(data: str, flags: set[Flag]) -> None:
    events = decode(DRIVER, bytes.fromhex(data))
    assert {n.flags for n in numerics(events)} == {frozenset(flags)}
    assert notices(events) == [(flag, True) for flag in sorted(flags)]


def test_low_battery_leaves_the_values_good() -> None:
    events = decode(DRIVER, frame(Flag.LOW_BATTERY, pr=72, spo2=97))
    assert {n.quality for n in numerics(events)} == {Quality.GOOD}


def test_held_values_are_in_the_frames_and_never_shown() -> None:
    held = frame(Flag.SENSOR_OFF, pr=88, spo2=96)
    assert held == bytes((0x80, 88, 96, 0x08))
    decoder = DRIVER.decoder("bed-1")
    feed(decoder, [("", frame(pr=88, spo2=96))] * 3)
    events = feed(decoder, [("", held)] * 10)
    assert notices(events) == [("sensor_off", True)]
    assert len(numerics(events)) == 20
    assert {(n.value, n.quality) for n in numerics(events)} == {(None, Quality.INVALID)}
    back = feed(decoder, [("", frame(pr=90, spo2=95))])
    assert notices(back) == [("sensor_off", False)]
    assert latest(back) == {"pr": 90, "spo2": 95}


@given(
    first=st.integers(0x80, 0xFF),
    rate=st.integers(0, 0x7F),
    spo2=st.integers(0, 0x7F),
    second=st.integers(0, 0x7F).map(lambda byte: byte | 0x08),
)
def test_no_frame_with_a_sensor_alarm_has_a_value(
    first: int, rate: int, spo2: int, second: int
) -> None:
    found = latest(decode(DRIVER, bytes((first, rate, spo2, second))))
    assert found == {"spo2": None, "pr": None}


@given(rates=st.lists(st.integers(30, 250), min_size=4, max_size=20), start=st.integers(0, 2))
def test_a_stream_of_format_1_is_not_read(rates: list[int], start: int) -> None:
    stream = b"".join(joined(FORMAT_1.encode({"pr": r, "spo2": 97}, ())) for r in rates)
    events = decode(DRIVER, stream[start:])
    assert numerics(events) == []
    assert len(rates) < 6 or notices(events) == [("wrong_mode", True)]


def test_wrong_mode_says_what_to_set() -> None:
    data = joined(FORMAT_1.encode({"pr": 72, "spo2": 97}, ())) * 6
    said = [e for e in decode(DRIVER, data) if isinstance(e, Notice)]
    assert "data format 1" in said[0].detail
    assert "nonin-df1" in said[0].detail


def spot(rate: int, spo2: int, status: int, second: int) -> bytes:
    """A packet of data format 13, one reading of 2010-06-15 14:30."""
    data = bytes((0x20, 0x10, 0x06, 0x15, 0x14, 0x30, second, 0, 0, status))
    data += bytes((rate >> 8, rate & 0xFF, 0, spo2))
    return b"\x00\x02\x00\x0d\x00\x0e" + data + bytes((sum(data) & 0xFF, 3))


@given(
    readings=st.lists(
        st.tuples(
            st.integers(30, 300),
            st.integers(35, 100),
            st.sampled_from([0x00, 0x01, 0x10, 0x11]),
            st.integers(0, 0x59),
        ),
        max_size=8,
    )
)
def test_readings_from_the_memory_are_never_shown(
    readings: list[tuple[int, int, int, int]],
) -> None:
    stream = b"".join(spot(*reading) for reading in readings)
    assert numerics(decode(DRIVER, stream)) == []
    after = decode(DRIVER, stream + frame() * 3)
    assert {n.value for n in numerics(after)} == {72, 97}


def test_asks_for_the_format_when_nothing_comes() -> None:
    decoder = DRIVER.decoder("bed-1")
    asked = [t for t in range(100) if decoder.due(T0 + t * US // 10) == SET_FORMAT]
    assert asked == [15, 25, 35]


def test_does_not_ask_a_device_that_sends_the_format() -> None:
    decoder = DRIVER.decoder("bed-1")
    assert decoder.due(T0) == b""
    feed(decoder, [("", frame())])
    assert {decoder.due(T0 + t * US // 10) for t in range(100)} == {b""}


def test_stops_asking_when_the_device_has_changed_over() -> None:
    decoder = DRIVER.decoder("bed-1")
    decoder.due(T0)
    feed(decoder, [("", spot(72, 97, 0x10, 0))])
    assert decoder.due(T0 + 3 * US // 2) == SET_FORMAT
    events = feed(decoder, bytewise(b"\x06" + frame() * 2))
    assert latest(events) == {"pr": 72, "spo2": 97}
    assert {decoder.due(T0 + t * US // 10) for t in range(15, 100)} == {b""}
