"""What is special about Nonin's oximeters with Bluetooth LE."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import registry
from devices.driver import Chunk
from devices.drivers.nonin_3230 import OXIMETRY
from tests.devices.decoding import T0, decode, latest, notices, numerics
from vitals.clock import US
from vitals.model import Flag, Quality

DRIVER = registry.get("nonin-3230")
SYNC, SMARTPOINT, IN_PLACE, ENCRYPTED = 0x01, 0x04, 0x10, 0x40


def packet(status: int = IN_PLACE, pai: int = 250, spo2: int = 97, pr: int = 72) -> bytes:
    values = pai.to_bytes(2, "big") + bytes((0, 9, spo2)) + pr.to_bytes(2, "big")
    return bytes((10, status, 30)) + values


@given(pr=st.integers(20, 300), spo2=st.integers(1, 100), pai=st.integers(2, 2000))
def test_both_bytes_of_every_value_count(pr: int, spo2: int, pai: int) -> None:
    events = decode(DRIVER, packet(pai=pai, spo2=spo2, pr=pr))
    assert latest(events) == {"spo2": spo2, "pr": pr, "pi": pai / 100}
    assert {n.quality for n in numerics(events)} == {Quality.GOOD}


def test_every_packet_gives_its_values_at_the_time_it_came() -> None:
    decoder = DRIVER.decoder("bed-1")
    for second in range(3):
        found = numerics(decoder.feed(Chunk(packet(), T0 + second * US, OXIMETRY)))
        assert [(n.channel, n.at_us - T0) for n in found] == [
            (channel, second * US) for channel in ("spo2", "pr", "pi")
        ]


@pytest.mark.parametrize(
    ("status", "flag"),
    [(0x00, Flag.SENSOR_OFF), (IN_PLACE | 0x08, Flag.SEARCHING)],
)
def test_numbers_that_are_held_without_a_finger_are_not_passed_on(status: int, flag: Flag) -> None:
    events = decode(DRIVER, packet(status))
    assert {(n.value, n.quality, n.flags) for n in numerics(events)} == {
        (None, Quality.INVALID, frozenset({flag}))
    }


def test_a_weak_signal_makes_values_questionable() -> None:
    found = numerics(decode(DRIVER, packet(IN_PLACE | 0x02)))
    assert {(n.quality, n.flags) for n in found} == {
        (Quality.QUESTIONABLE, frozenset({Flag.LOW_PERFUSION}))
    }
    assert [n.value for n in found] == [97, 72, 2.5]


def test_a_condition_is_told_when_it_begins_and_when_it_ends() -> None:
    states = (IN_PLACE, 0x00, 0x00, IN_PLACE | 0x20, IN_PLACE | 0x20, IN_PLACE)
    events = decode(DRIVER, [(OXIMETRY, packet(status)) for status in states])
    assert notices(events) == [
        ("sensor_off", True),
        ("low_battery", True),
        ("sensor_off", False),
        ("low_battery", False),
    ]


@pytest.mark.parametrize("bit", [SYNC, SMARTPOINT, ENCRYPTED, 0x80])
def test_bits_that_are_no_condition_change_nothing(bit: int) -> None:
    assert decode(DRIVER, packet(IN_PLACE | bit)) == decode(DRIVER, packet())


def test_an_index_that_cannot_be_is_none_and_leaves_the_others() -> None:
    for pai in (0, 1, 2001, 0xFFFF):
        assert latest(decode(DRIVER, packet(pai=pai))) == {"spo2": 97, "pr": 72, "pi": None}


@given(data=st.binary(max_size=300))
def test_a_payload_is_read_only_when_it_tells_its_own_length(data: bytes) -> None:
    decoder = DRIVER.decoder("bed-1")
    events = decoder.feed(Chunk(data, T0, OXIMETRY))
    sound = len(data) >= 10 and data[0] == len(data)
    assert bool(numerics(events)) == sound
    assert (decoder.accepted, decoder.rejected) == ((1, 0) if sound else (0, 1))


@given(tail=st.binary(max_size=30))
def test_what_is_reserved_behind_the_pulse_rate_is_not_looked_at(tail: bytes) -> None:
    longer = bytes((10 + len(tail),)) + packet()[1:] + tail
    assert decode(DRIVER, longer) == decode(DRIVER, packet())


def test_encoded_packet_is_ten_bytes_and_without_a_finger_has_no_numbers() -> None:
    values = {"spo2": 97, "pr": 72, "pi": 2.5}
    assert DRIVER.encode(values, ())[0][1].hex() == "0a101e00fa000061" + "0048"
    assert DRIVER.encode(values, {Flag.SENSOR_OFF})[0][1].hex() == "0a001e000000007f01ff"
