"""What is special about Jumper's oximeters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import registry
from devices.driver import Chunk
from devices.drivers.jumper_jpd500f import NOTIFY
from tests.devices.decoding import T0, decode, latest, numerics
from vitals.model import Flag, Quality

DRIVER = registry.get("jumper-jpd500f")


def frame(pr: int, spo2: int, index: int) -> bytes:
    return bytes((0x81, pr, spo2, index))


@given(pr=st.integers(20, 254), spo2=st.integers(1, 100), index=st.integers(1, 200))
def test_values_are_read(pr: int, spo2: int, index: int) -> None:
    events = decode(DRIVER, frame(pr, spo2, index))
    assert latest(events) == {"spo2": spo2, "pr": pr, "pi": index / 10}
    assert {n.quality for n in numerics(events)} == {Quality.GOOD}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (frame(255, 127, 0), {"spo2": None, "pr": None, "pi": None}),
        (frame(255, 97, 20), {"spo2": 97, "pr": None, "pi": 2.0}),
        (frame(72, 127, 20), {"spo2": None, "pr": 72, "pi": 2.0}),
        (frame(72, 177, 20), {"spo2": None, "pr": 72, "pi": 2.0}),
        (frame(72, 97, 0), {"spo2": 97, "pr": 72, "pi": None}),
        (frame(0, 0, 0), {"spo2": None, "pr": None, "pi": None}),
    ],
)
def test_each_value_may_be_missing(data: bytes, expected: dict[str, float | None]) -> None:
    events = decode(DRIVER, data)
    assert latest(events) == expected
    assert {n.quality for n in numerics(events) if n.value is None} == {Quality.INVALID}


@pytest.mark.parametrize("first", [0x80, 0x82])
@pytest.mark.parametrize("size", [2, 4, 11, 20])
def test_pleth_and_limits_are_stepped_over(first: int, size: int) -> None:
    decoder = DRIVER.decoder("bed-1")
    # 97, 72 and so on inside them are no values
    body = (bytes((0x81, 72, 97, 20)) * 5)[: size - 1]
    assert decoder.feed(Chunk(bytes((first,)) + body, T0, NOTIFY)) == []
    assert (decoder.accepted, decoder.rejected) == (1, 0)


@given(data=st.binary(max_size=300))
def test_only_a_whole_frame_alone_has_values(data: bytes) -> None:
    decoder = DRIVER.decoder("bed-1")
    events = decoder.feed(Chunk(data, T0, NOTIFY))
    assert bool(events) == (len(data) == 4 and data[0] == 0x81)
    assert decoder.accepted + decoder.rejected == 1


def test_a_rate_of_129_never_shows_as_saturation() -> None:
    stream = frame(129, 97, 50) * 3
    for size in range(1, len(stream) + 1):
        pieces = [(NOTIFY, stream[i : i + size]) for i in range(0, len(stream), size)]
        found = {(n.channel, n.value) for n in numerics(decode(DRIVER, pieces))}
        assert found <= {("spo2", 97), ("pr", 129), ("pi", 5.0)}


def test_without_a_finger_it_sends_none() -> None:
    values = {"spo2": 97, "pr": 72, "pi": 2.4}
    assert DRIVER.encode(values, ()) == [(NOTIFY, bytes.fromhex("81486118"))]
    assert DRIVER.encode(values, {Flag.SENSOR_OFF}) == [(NOTIFY, bytes.fromhex("81ff7f00"))]
