"""What is special about BerryMed's oximeters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import registry
from devices.driver import Chunk
from devices.drivers.berry_bm1000 import NOTIFY
from tests.devices.decoding import T0, decode, feed, joined, latest, notices, numerics, waveforms
from vitals.clock import US
from vitals.model import Flag, Quality

DRIVER = registry.get("berry-bm1000")
FRAME = bytes.fromhex("8732054862")


def quarter(*flags: Flag, **values: float) -> bytes:
    return joined(DRIVER.encode(values or {"pr": 72, "spo2": 98}, flags))


def test_a_notification_is_at_most_20_bytes() -> None:
    items = DRIVER.encode({"pr": 72, "spo2": 98}, ())
    assert {source for source, _ in items} == {NOTIFY}
    assert [len(data) for _, data in items] == [20] * 6 + [5]


@given(pr=st.integers(20, 254), spo2=st.integers(1, 100))
def test_the_top_bit_of_the_rate_survives(pr: int, spo2: int) -> None:
    assert latest(decode(DRIVER, quarter(pr=pr, spo2=spo2))) == {"pr": pr, "spo2": spo2}


def test_a_rate_that_the_byte_cannot_hold_is_no_value() -> None:
    assert latest(decode(DRIVER, quarter(pr=255, spo2=97))) == {"pr": None, "spo2": 97}


@pytest.mark.parametrize("flag", [Flag.SENSOR_OFF, Flag.SEARCHING, Flag.NO_SENSOR])
def test_numbers_sent_without_a_pulse_are_not_passed_on(flag: Flag) -> None:
    byte, bit = {
        Flag.SENSOR_OFF: (2, 0x10),
        Flag.SEARCHING: (2, 0x20),
        Flag.NO_SENSOR: (0, 0x20),
    }[flag]
    still = bytearray(FRAME)
    still[byte] |= bit
    events = decode(DRIVER, bytes(still) * 25)
    assert {(n.value, n.quality, n.flags) for n in numerics(events)} == {
        (None, Quality.INVALID, frozenset({flag}))
    }
    assert waveforms(events)[0].quality is Quality.INVALID
    assert notices(events) == [(flag.value, True)]


def test_one_packet_without_a_finger_spoils_its_own_wave_only() -> None:
    pieces = [quarter()[:60], quarter(Flag.SENSOR_OFF)[:5], quarter()[:60], quarter()]
    found = waveforms(decode(DRIVER, b"".join(pieces)))
    assert [wave.quality for wave in found] == [Quality.INVALID, Quality.GOOD]


def test_without_a_signal_there_is_no_value() -> None:
    events = decode(DRIVER, quarter(Flag.WEAK_SIGNAL, pr=72, spo2=98))
    assert {(n.value, n.flags) for n in numerics(events)} == {(None, frozenset({Flag.WEAK_SIGNAL}))}
    assert waveforms(events)[0].quality is Quality.QUESTIONABLE


def test_numerics_come_once_a_second_and_at_once_on_change() -> None:
    decoder = DRIVER.decoder("bed-1")
    events = feed(decoder, [(NOTIFY, quarter())] * 40)
    assert len([n for n in numerics(events) if n.channel == "pr"]) == 10
    assert len(waveforms(events)) == 40
    off = quarter(Flag.SENSOR_OFF)[:10]
    assert notices(feed(decoder, [(NOTIFY, off)])) == [("sensor_off", True)]


def test_a_change_counts_from_the_second_packet_that_shows_it() -> None:
    decoder = DRIVER.decoder("bed-1")
    on, off = quarter()[:5], quarter(Flag.SENSOR_OFF)[:5]
    assert len(feed(decoder, [(NOTIFY, on + off + on + off)])) == 2
    assert notices(feed(decoder, [(NOTIFY, off)])) == [("sensor_off", True)]
    assert notices(feed(decoder, [(NOTIFY, on + on)])) == [("sensor_off", False)]


@given(place=st.integers(1, 4), before=st.integers(1, 120))
def test_a_packet_of_two_halves_shows_no_number_of_its_own(place: int, before: int) -> None:
    one, two = quarter(pr=57, spo2=99)[:5], quarter(pr=200, spo2=88)[:5]
    stream = one * before + one[:place] + two[place:] + two * 130
    found = {(n.channel, n.value) for n in numerics(decode(DRIVER, stream))}
    assert found == {("pr", 57), ("spo2", 99), ("pr", 200), ("spo2", 88)}


def test_wave_is_cut_into_quarter_seconds() -> None:
    wave = [i / 100 for i in range(25)]
    events = decode(DRIVER, DRIVER.encode({"pr": 72, "spo2": 98, "pleth": wave}, ()))
    (found,) = waveforms(events)
    assert found.values.tolist() == list(range(25))
    assert (found.rate_hz, found.start_us) == (100, T0 - US // 4)


def test_beep_bars_and_strength_change_nothing() -> None:
    for byte, bits in ((0, 0x40), (0, 0x08), (2, 0x0A)):
        other = bytearray(FRAME)
        other[byte] ^= bits
        assert decode(DRIVER, bytes(other) * 2) == decode(DRIVER, FRAME * 2)


@pytest.mark.parametrize("place", range(5))
def test_a_packet_with_a_wrong_bit_7_is_no_packet(place: int) -> None:
    spoilt = bytearray(FRAME)
    spoilt[place] ^= 0x80
    decoder = DRIVER.decoder("bed-1")
    assert decoder.feed(Chunk(bytes(spoilt) + FRAME, T0, NOTIFY))
    assert decoder.rejected == 1
    assert decoder.accepted == 1


def test_every_packet_is_counted() -> None:
    decoder = DRIVER.decoder("bed-1")
    feed(decoder, [(NOTIFY, FRAME * 7), (NOTIFY, FRAME[:3]), (NOTIFY, FRAME[3:] + FRAME)])
    assert (decoder.accepted, decoder.rejected) == (9, 0)
