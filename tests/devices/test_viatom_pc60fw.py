"""What is special about the PC-60FW and its kin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import registry
from devices.driver import Chunk
from devices.drivers.viatom_pc60fw import (
    BATTERY,
    CONTINUOUS,
    NOTIFY,
    PLETH,
    SPOT,
    STATUS,
    VALUES,
    crc8,
    frame,
)
from tests.devices.decoding import T0, decode, feed, latest, notices, numerics, waveforms
from vitals.clock import US
from vitals.model import Flag, Notice, Quality

DRIVER = registry.get("viatom-pc60fw")


def values(spo2: int = 97, pr: int = 64, index: int = 81, bits: int = 0) -> bytes:
    return frame(VALUES, spo2, pr & 0xFF, pr >> 8, index, bits, 0xC0)


# --- frames -----------------------------------------------------------------------------------


def test_checksum_is_crc8_maxim() -> None:
    assert crc8(b"123456789") == 0xA1
    assert frame((0x0F, 0x21), 2, 0, 0, 0).hex() == "aa550f06210200000045"  # as captured


def test_each_frame_of_a_second_is_a_notification_of_its_own() -> None:
    items = DRIVER.encode({"spo2": 97, "pr": 64, "pi": 8.1}, ())
    assert [(data[2], data[4]) for _, data in items] == [STATUS, BATTERY, VALUES] + [PLETH] * 10
    assert items[2] == (NOTIFY, bytes.fromhex("aa550f08016140005100c05b"))  # as captured
    assert max(len(data) for _, data in items) <= 20


@pytest.mark.parametrize("size", [0x00, 0x01, 0x41, 0xFF])
def test_a_length_that_cannot_be_does_not_hold_up_what_follows(size: int) -> None:
    decoder = DRIVER.decoder("bed-1")
    events = feed(decoder, [(NOTIFY, bytes((0xAA, 0x55, 0x0F, size, 0x01)) + values())])
    assert latest(events) == {"spo2": 97, "pr": 64, "pi": 8.1}
    assert (decoder.accepted, decoder.rejected) == (1, 1)


@given(token=st.sampled_from([0x0F, 0xF0]), kind=st.integers(0, 255), data=st.binary(max_size=62))
def test_unknown_functions_are_stepped_over(token: int, kind: int, data: bytes) -> None:
    if (token, kind) in (VALUES, PLETH, STATUS, BATTERY):
        return
    decoder = DRIVER.decoder("bed-1")
    assert feed(decoder, [(NOTIFY, frame((token, kind), *data))]) == []
    assert (decoder.accepted, decoder.rejected) == (1, 0)


def test_longer_data_are_read_as_far_as_they_are_known() -> None:
    longer = frame(VALUES, 97, 64, 0, 81, 0, 0xC0, 1, 2, 3)
    assert decode(DRIVER, longer) == decode(DRIVER, values())
    for kind in (VALUES, PLETH, STATUS, BATTERY):
        assert decode(DRIVER, frame(kind)) == []


# --- values -----------------------------------------------------------------------------------


@given(pr=st.integers(20, 300), spo2=st.integers(1, 100), index=st.integers(1, 200))
def test_values_are_read(pr: int, spo2: int, index: int) -> None:
    found = latest(decode(DRIVER, values(spo2, pr, index)))
    assert found == {"spo2": spo2, "pr": pr, "pi": index / 10}


@pytest.mark.parametrize(
    ("bit", "flag"),
    [(0x02, Flag.SENSOR_OFF), (0x04, Flag.SEARCHING), (0x08, Flag.SENSOR_FAULT)],
)
def test_numbers_sent_without_a_pulse_are_not_passed_on(bit: int, flag: Flag) -> None:
    wave = frame(PLETH, 1, 2, 3, 4, 5)
    events = decode(DRIVER, values(bits=bit) + wave + values() + wave)
    assert [(n.value, n.quality, n.flags) for n in numerics(events)[:3]] == [
        (None, Quality.INVALID, frozenset({flag}))
    ] * 3
    assert [n.quality for n in numerics(events)[3:]] == [Quality.GOOD] * 3
    assert [w.quality for w in waveforms(events)] == [Quality.INVALID, Quality.GOOD]
    assert notices(events) == [(flag.value, True), (flag.value, False)]


def test_a_result_that_stays_on_the_display_is_not_passed_on() -> None:
    said = [
        frame(STATUS, SPOT, 2, 30, 0),
        values(96),
        *(part for step in (3, 4, 5) for part in (frame(STATUS, SPOT, step, 97, 64), values(97))),
        frame(STATUS, 3, 0, 0, 0),
        frame(STATUS, CONTINUOUS, 0, 0, 0),
        values(98),
    ]
    events = decode(DRIVER, [(NOTIFY, data) for data in said])
    assert [n.value for n in numerics(events) if n.channel == "spo2"] == [96, 98]
    told = [e for e in events if isinstance(e, Notice)]
    assert [(e.code, e.active) for e in told] == [("wrong_mode", True), ("wrong_mode", False)]
    assert "continuous" in told[0].detail
    assert decode(DRIVER, [(NOTIFY, said[0]), (NOTIFY, said[-3])]) == told[:1]  # in its menu


def test_a_low_battery_is_told_with_its_level_and_ends_two_levels_higher() -> None:
    levels = (3, 1, 0, 0, 1, 0, 2, 3)
    events = decode(DRIVER, [(NOTIFY, frame(BATTERY, level)) for level in levels])
    assert [(e.code, e.active, e.detail) for e in events if isinstance(e, Notice)] == [
        ("low_battery", True, "level 0 of 3"),
        ("low_battery", False, "level 2 of 3"),
    ]


def test_battery_bits_in_the_values_are_not_looked_at() -> None:
    assert decode(DRIVER, frame(VALUES, 97, 64, 0, 81, 0, 0x00)) == decode(DRIVER, values())


# --- wave -------------------------------------------------------------------------------------


def test_wave_loses_its_beat_marks() -> None:
    (wave,) = waveforms(decode(DRIVER, bytes.fromhex("aa550f07025a57d24c45a7")))
    assert wave.values.tolist() == [0x5A, 0x57, 0x52, 0x4C, 0x45]
    assert (wave.rate_hz, wave.start_us) == (50, T0 - US // 10)


def test_waves_of_a_second_follow_each_other_without_a_gap() -> None:
    ramp = [i / 49 for i in range(50)]
    items = DRIVER.encode({"spo2": 97, "pr": 64, "pleth": ramp}, ())[3:]
    decoder = DRIVER.decoder("bed-1")
    found = []
    for i, (source, data) in enumerate(items):
        late_us = 40_000 if i % 3 == 1 else 0  # radio intervals
        found += waveforms(decoder.feed(Chunk(data, T0 + i * US // 10 + late_us, source)))
    assert np.concatenate([w.values for w in found]).tolist() == [
        round(127 * level) for level in ramp
    ]
    steps = np.diff([w.start_us for w in found])
    assert set(steps.tolist()) == {US // 10}
