"""What is special about standard oximeters: two statuses, spot checks, fields that are not read."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import registry
from devices.driver import BleSettings, Chunk, Event
from devices.gatt import (
    BATTERY,
    CURRENT_TIME,
    OXIMETER_FEATURES,
    OXIMETER_SPOT,
    OXIMETER_STREAM,
    local_offset_us,
)
from devices.ieee11073 import SPECIAL, sfloat_word, time_bytes
from tests.devices.decoding import T0, decode, feed, latest, notices, numerics
from vitals.model import US, Flag, Notice, Quality

DRIVER = registry.get("ble-plx")
GOOD, QUESTIONABLE, INVALID = Quality.GOOD, Quality.QUESTIONABLE, Quality.INVALID
HOUR = 3600 * US


def pair(spo2: float | None = 97, pr: float | None = 72) -> bytes:
    words = [sfloat_word(value).to_bytes(2, "little") for value in (spo2, pr)]
    return b"".join(words)


def stream(measured: int = 0, sensor: int = 0) -> bytes:
    """2A5F of 97 %, 72 /min with both statuses."""
    status = measured.to_bytes(2, "little") + sensor.to_bytes(3, "little")
    return b"\x0c" + pair() + status


def stamped(at_us: int) -> bytes:
    return time_bytes(at_us + local_offset_us(at_us))


def read(data: bytes, source: str = OXIMETER_STREAM, at_us: int = T0) -> list[Event]:
    return decode(DRIVER, [(source, data)], at_us)


def worth(events: Iterable[Event]) -> set[tuple[Quality, frozenset[Flag]]]:
    return {(n.quality, n.flags) for n in numerics(events)}


# --- what a value is worth --------------------------------------------------------------------

MEASUREMENT = [
    (5, GOOD, None), (6, INVALID, Flag.SEARCHING), (7, GOOD, None), (8, GOOD, None),
    (12, INVALID, Flag.SEARCHING), (13, INVALID, None), (14, QUESTIONABLE, Flag.ARTIFACT),
    (15, INVALID, None), *((bit, GOOD, None) for bit in range(5)),
]  # fmt: skip
SENSOR = [
    (0, QUESTIONABLE, Flag.OUT_OF_TRACK), (1, INVALID, Flag.SENSOR_FAULT),
    (2, QUESTIONABLE, Flag.ARTIFACT), (3, INVALID, Flag.WEAK_SIGNAL),
    (4, QUESTIONABLE, Flag.WEAK_SIGNAL), (5, QUESTIONABLE, Flag.LOW_PERFUSION),
    (6, QUESTIONABLE, Flag.ARTIFACT), (7, INVALID, Flag.OUT_OF_TRACK),
    (8, QUESTIONABLE, Flag.OUT_OF_TRACK), (9, INVALID, Flag.SEARCHING),
    (10, INVALID, Flag.INTERFERENCE), (11, INVALID, Flag.SENSOR_OFF),
    (12, INVALID, Flag.NO_SENSOR), (13, INVALID, Flag.SENSOR_OFF),
    (14, INVALID, Flag.SENSOR_FAULT), (15, INVALID, Flag.NO_SENSOR),
    *((bit, GOOD, None) for bit in range(16, 24)),
]  # fmt: skip


def expects(data: bytes, quality: Quality, flag: Flag | None) -> None:
    events = read(data)
    assert worth(events) == {(quality, frozenset({flag} if flag else ()))}
    assert notices(events) == ([(flag.value, True)] if flag else [])
    value = None if quality is INVALID else 97
    assert latest(events)["spo2"] == value


@pytest.mark.parametrize(("bit", "quality", "flag"), MEASUREMENT)
def test_every_bit_of_the_measurement_status(bit: int, quality: Quality, flag: Flag | None) -> None:
    expects(stream(measured=1 << bit), quality, flag)


@pytest.mark.parametrize(("bit", "quality", "flag"), SENSOR)
def test_every_bit_of_the_sensor_status(bit: int, quality: Quality, flag: Flag | None) -> None:
    expects(stream(sensor=1 << bit), quality, flag)


@given(st.sets(st.sampled_from(SENSOR)), st.sets(st.sampled_from(MEASUREMENT)))
def test_the_worst_bit_counts_and_every_condition_is_told(
    sensor: set[tuple[int, Quality, Flag | None]],
    measured: set[tuple[int, Quality, Flag | None]],
) -> None:
    bits = [sum(1 << bit for bit, _, _ in found) for found in (measured, sensor)]
    ((quality, flags),) = worth(read(stream(bits[0], bits[1])))
    both = sensor | measured
    assert flags == {flag for _, _, flag in both if flag}
    order = [GOOD, QUESTIONABLE, INVALID]
    assert quality is max((q for _, q, _ in both), key=order.index, default=GOOD)


@pytest.mark.parametrize("bit", [9, 10, 11], ids=["stored", "demo", "test"])
def test_what_is_not_of_now_or_of_nobody_is_never_shown(bit: int) -> None:
    for source, data in (
        (OXIMETER_STREAM, stream(measured=1 << bit)),
        (OXIMETER_SPOT, b"\x02" + pair() + (1 << bit).to_bytes(2, "little")),
    ):
        decoder = DRIVER.decoder("bed-1")
        events = decoder.feed(Chunk(data, T0, source))
        assert numerics(events) == []
        assert notices(events) == ([] if bit == 9 else [("demo_data", True)])
        assert decoder.rejected == 0


def test_a_demo_is_told_when_it_begins_and_ends() -> None:
    demo, real = (OXIMETER_STREAM, stream(measured=1 << 10)), (OXIMETER_STREAM, stream())
    events = decode(DRIVER, [real, demo, demo, real, real])
    assert notices(events) == [("demo_data", True), ("demo_data", False)]
    assert len(numerics(events)) == 2 * 3
    assert next(e.detail for e in events if isinstance(e, Notice)).startswith("the oximeter")


def test_conditions_end_with_the_payload_that_no_longer_has_them() -> None:
    off, on = (OXIMETER_STREAM, stream(sensor=1 << 11)), (OXIMETER_STREAM, stream())
    assert notices(decode(DRIVER, [on, off, off, on])) == [
        ("sensor_off", True),
        ("sensor_off", False),
    ]


# --- values -----------------------------------------------------------------------------------


@pytest.mark.parametrize("word", sorted(SPECIAL))
def test_no_number_is_no_value(word: int) -> None:
    data = b"\x10" + word.to_bytes(2, "little") * 3
    events = read(data)
    assert latest(events) == {"spo2": None, "pr": None, "pi": None}
    assert worth(events) == {(INVALID, frozenset())}


@pytest.mark.parametrize(
    ("spo2", "pr"), [(0, 19), (101, 301), (127, 511), (-5, -72)], ids=lambda value: str(value)
)
def test_what_cannot_be_is_no_value(spo2: int, pr: int) -> None:
    assert latest(read(b"\x00" + pair(spo2, pr))) == {"spo2": None, "pr": None}


def test_one_value_may_come_without_the_other() -> None:
    assert latest(read(b"\x00" + pair(97, None))) == {"spo2": 97, "pr": None}


@given(st.binary(min_size=8, max_size=8), st.integers(0, 31))
def test_fast_and_slow_averages_change_nothing(averages: bytes, flags: int) -> None:
    flags |= 0x03
    rest = (b"\x20\x00" if flags & 4 else b"") + (b"\x20\x00\x00" if flags & 8 else b"")
    rest += b"\x57\xf0" if flags & 16 else b""
    found = latest(read(bytes([flags]) + pair() + averages + rest))
    without = latest(read(bytes([flags & ~0x03]) + pair() + rest))
    assert found == without == {"spo2": 97, "pr": 72} | ({"pi": 8.7} if flags & 16 else {})


@given(st.integers(0, 255), st.binary(min_size=23, max_size=23))
def test_only_one_length_fits_the_flags(flags: int, filler: bytes) -> None:
    for source in (OXIMETER_STREAM, OXIMETER_SPOT):
        fits = []
        for size in range(1, 25):
            decoder = DRIVER.decoder("bed-1")
            decoder.feed(Chunk((bytes([flags]) + filler)[:size], T0, source))
            fits += [size] * (1 - decoder.rejected)
        assert len(fits) == 1


# --- spot checks ------------------------------------------------------------------------------


def test_a_spot_check_has_the_time_at_which_it_was_made() -> None:
    at_us = T0 - 40 * US
    events = read(b"\x09" + pair() + stamped(at_us) + b"\x57\xf0", OXIMETER_SPOT)
    assert {(n.channel, n.value) for n in numerics(events)} == {
        ("spo2", 97), ("pr", 72), ("pi", 8.7),
    }  # fmt: skip
    assert {n.at_us for n in numerics(events)} == {at_us}
    assert {n.device_at_us for n in numerics(events)} == {at_us + local_offset_us(at_us)}


def test_a_spot_check_without_a_time_is_of_its_arrival() -> None:
    assert {n.at_us for n in numerics(read(b"\x00" + pair(), OXIMETER_SPOT))} == {T0}


def test_a_spot_check_that_lay_in_the_memory_is_not_given() -> None:
    events = read(b"\x01" + pair() + stamped(T0 - HOUR), OXIMETER_SPOT)
    assert numerics(events) == []
    assert notices(events) == [("clock_differs", True)]


def test_a_clock_that_was_never_set_does_not_date_a_spot_check() -> None:
    events = read(b"\x11" + pair() + stamped(T0 - HOUR), OXIMETER_SPOT)
    assert {(n.at_us, n.device_at_us) for n in numerics(events)} == {(T0, None)}


def test_a_clock_that_was_read_dates_a_spot_check() -> None:
    decoder = DRIVER.decoder("bed-1")
    wrong = stamped(T0 - 7 * HOUR)
    feed(decoder, [(CURRENT_TIME, wrong + b"\x01\x00\x00")])
    events = feed(decoder, [(OXIMETER_SPOT, b"\x01" + pair() + wrong)])
    assert latest(events) == {"spo2": 97, "pr": 72}


def test_statuses_of_a_spot_check_stand_behind_its_time() -> None:
    data = b"\x07" + pair() + stamped(T0) + b"\x00\x40" + b"\x20\x00\x00"
    assert worth(read(data, OXIMETER_SPOT)) == {
        (QUESTIONABLE, frozenset({Flag.ARTIFACT, Flag.LOW_PERFUSION}))
    }


# --- features, the simulated oximeter, settings -----------------------------------------------


@pytest.mark.parametrize(
    ("text", "fits"),
    [("a3004010800100", True), ("0000", True), ("01004010", True), ("0200800100", True),
     ("", False), ("00", False), ("010040", False), ("000000", False), ("0300401080010000", False)],
)  # fmt: skip
def test_features_have_the_length_that_they_say(text: str, fits: bool) -> None:
    decoder = DRIVER.decoder("bed-1")
    assert decoder.feed(Chunk(bytes.fromhex(text), T0, OXIMETER_FEATURES)) == []
    assert decoder.rejected == (not fits)


def test_the_simulated_oximeter_sends_what_an_oximeter_sends() -> None:
    values = {"spo2": 97, "pr": 72, "pi": 2.5}
    assert DRIVER.encode(values, ()) == [
        (OXIMETER_STREAM, bytes.fromhex("1c61004800a000000000fae0"))
    ]
    assert DRIVER.encode(values, {Flag.SENSOR_OFF}) == [
        (OXIMETER_STREAM, bytes.fromhex("1cff07ff07a000000800ff07"))
    ]
    assert DRIVER.encode({"spo2": 97}, ())[0][1][:5] == bytes.fromhex("0c6100ff07")


@pytest.mark.parametrize("flag", sorted(Flag))
def test_a_condition_of_the_simulated_oximeter_is_read_as_the_same(flag: Flag) -> None:
    events = decode(DRIVER, DRIVER.encode({"spo2": 97, "pr": 72}, {flag}))
    said = {
        Flag.MARGINAL_PERFUSION,
        Flag.IRREGULAR_PULSE,
        Flag.DEVICE_ALARM,
        Flag.MANUAL,
        Flag.CLAIMED,
    }
    assert notices(events) == ([] if flag in said else [(flag.value, True)])


def test_is_a_stream_that_may_send_spot_checks() -> None:
    settings = DRIVER.settings
    assert isinstance(settings, BleSettings)
    assert settings.notify == (OXIMETER_STREAM, OXIMETER_SPOT, BATTERY)
    assert settings.read == (OXIMETER_FEATURES, CURRENT_TIME, BATTERY)
    assert (settings.on_sight, DRIVER.mode) == (False, "continuous")
