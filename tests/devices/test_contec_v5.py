"""What is special about Contec V5.0."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import registry
from devices.driver import Chunk, SerialSettings
from tests.devices.decoding import T0, decode, feed, joined, latest, notices, numerics, waveforms
from vitals.clock import US
from vitals.model import Flag, Quality

DRIVER = registry.get("contec-v5")
LIVE = b"\xf6\xf6\xf6"
FRAME = bytes.fromhex("8540084861")
FINGER_OUT = bytes.fromhex("9540084861")


def quarter(*flags: Flag, **values: float) -> bytes:
    return joined(DRIVER.encode(values or {"pr": 72, "spo2": 97}, flags))


def test_line_has_odd_parity_and_no_flow_control() -> None:
    assert DRIVER.settings == SerialSettings(19200, parity="O", rtscts=False)


def test_frame_is_the_sheet_s() -> None:
    sent = joined(DRIVER.encode({"pr": 150, "spo2": 97, "pleth": 1.0}, {Flag.SEARCHING}))
    assert sent == bytes.fromhex("857f6f1661") * 15
    assert quarter(Flag.SENSOR_OFF, pr=150, spo2=97) == bytes.fromhex("8000100000") * 15


@given(pr=st.integers(20, 254), spo2=st.integers(1, 100))
def test_top_bit_of_the_rate_survives(pr: int, spo2: int) -> None:
    assert latest(decode(DRIVER, quarter(pr=pr, spo2=spo2))) == {"pr": pr, "spo2": spo2}


def test_beep_bit_is_not_the_top_bit_of_the_rate() -> None:
    beeping = bytes((FRAME[0] | 0x40, *FRAME[1:]))
    assert (
        latest(decode(DRIVER, beeping)) == latest(decode(DRIVER, FRAME)) == {"pr": 72, "spo2": 97}
    )


@pytest.mark.parametrize(
    ("byte_3", "code"), [(0x18, "sensor_off"), (0x28, "searching")], ids=["off", "searching"]
)
def test_numbers_sent_without_a_pulse_are_not_passed_on(byte_3: int, code: str) -> None:
    events = decode(DRIVER, bytes((0x85, 0x40, byte_3, 72, 97)) * 15)
    assert notices(events) == [(code, True)]
    assert {(n.value, n.quality) for n in numerics(events)} == {(None, Quality.INVALID)}
    assert waveforms(events)[0].quality is Quality.INVALID


def test_numbers_sent_with_the_finger_out_are_not_passed_on() -> None:
    events = decode(DRIVER, FINGER_OUT)
    assert set(latest(events).values()) == {None}
    assert notices(events) == [("out_of_track", True)]


def test_stored_readings_are_never_shown_as_live() -> None:
    stored = bytes.fromhex("f28000f28000f28000808172") + bytes.fromhex("f0c45ff0c35ff1965f") * 100
    decoder = DRIVER.decoder("bed-1")
    assert feed(decoder, [("", stored)]) == []
    assert decoder.rejected == -(-len(stored[:-2]) // 5)  # the last two could begin a frame
    assert latest(feed(decoder, [("", FRAME)])) == {"pr": 72, "spo2": 97}


@given(rates=st.lists(st.integers(0, 255), max_size=20), spo2=st.integers(0, 127))
def test_no_stored_readings_make_a_frame(rates: list[int], spo2: int) -> None:
    stored = b"".join(bytes((0xF0 | rate >> 7, 0x80 | rate & 0x7F, spo2)) for rate in rates)
    assert decode(DRIVER, stored) == []


@pytest.mark.parametrize("place", range(1, 5))
def test_xon_and_xoff_are_data_like_any_other(place: int) -> None:
    for byte in (0x11, 0x13):
        frame = bytearray(FRAME)
        frame[place] = byte
        decoder = DRIVER.decoder("bed-1")
        assert numerics(feed(decoder, [("", bytes(frame))]))
        assert decoder.rejected == 0


def test_xon_and_xoff_in_the_wave_survive() -> None:
    frames = b"".join(bytes((0x85, pleth, 8, 72, 97)) for pleth in [0x11, 0x13] * 7 + [0x11])
    (wave,) = waveforms(decode(DRIVER, frames))
    assert wave.values.tolist() == [17, 19] * 7 + [17]


def test_a_lost_byte_costs_one_frame() -> None:
    for lost in range(5):
        decoder = DRIVER.decoder("bed-1")
        data = FRAME * 3 + FRAME[:lost] + FRAME[lost + 1 :] + FRAME * 56
        assert len(feed(decoder, [("", data)])) == 2 + 3  # first values and three waves
        assert decoder.rejected == 1


@pytest.mark.parametrize("doubled", range(1, 5))
def test_a_doubled_byte_shows_no_rate_as_saturation(doubled: int) -> None:
    frame = bytes((0x85, 0x30, 0x07, 57, 98))
    decoder = DRIVER.decoder("bed-1")
    data = frame * 3 + frame[:doubled] + frame[doubled - 1 :] + frame * 30
    events = feed(decoder, [("", data)])
    assert {n.channel: n.value for n in numerics(events)} == {"spo2": 98, "pr": 57}
    assert notices(events) == []
    assert decoder.rejected == 1


def test_a_change_counts_from_the_second_frame_that_shows_it() -> None:
    decoder = DRIVER.decoder("bed-1")
    off = bytes((0x80, 0, 0x10, 0, 0))
    assert len(feed(decoder, [("", FRAME + off + FRAME + off)])) == 2
    assert notices(feed(decoder, [("", off)])) == [("sensor_off", True)]
    assert notices(feed(decoder, [("", FRAME + FRAME)])) == [("sensor_off", False)]


def test_numerics_come_once_a_second_and_at_once_on_change() -> None:
    decoder = DRIVER.decoder("bed-1")
    events = feed(decoder, [("", quarter())] * 40)
    assert len([n for n in numerics(events) if n.channel == "pr"]) == 10
    assert len(waveforms(events)) == 40
    assert notices(feed(decoder, [("", quarter(Flag.SENSOR_OFF)[:10])])) == [("sensor_off", True)]


def test_one_frame_without_a_finger_spoils_its_own_wave_packet_only() -> None:
    off = quarter(Flag.SENSOR_OFF)[:5]
    events = decode(DRIVER, quarter()[:20] + off + quarter()[:50] + quarter())
    assert [wave.quality for wave in waveforms(events)] == [Quality.INVALID, Quality.GOOD]


def test_wave_is_cut_into_quarter_seconds() -> None:
    wave = [i / 127 for i in range(15)]
    (found,) = waveforms(decode(DRIVER, joined(DRIVER.encode({"pr": 72, "pleth": wave}, ()))))
    assert found.values.tolist() == list(range(15))
    assert (found.rate_hz, found.start_us) == (60, T0 - US // 4)


def test_live_data_are_asked_for_when_none_come() -> None:
    decoder = DRIVER.decoder("bed-1")
    said = {}
    for tenth in range(120):
        now_us = T0 + tenth * US // 10
        if 30 <= tenth < 60:
            decoder.feed(Chunk(FRAME * 6, now_us))
        elif tenth >= 60:
            decoder.feed(Chunk(b"\xf0\xc4\x5f" * 6, now_us))  # stored readings are none
        if out := decoder.due(now_us):
            said[tenth / 10] = out
    assert said == {2.1: LIVE, 8.0: LIVE, 10.1: LIVE}


def test_a_wave_packet_never_spans_a_pause() -> None:
    decoder = DRIVER.decoder("bed-1")
    decoder.due(T0)
    decoder.feed(Chunk(quarter(pr=72, pleth=1.0)[: 9 * 5], T0))
    assert decoder.due(T0 + 3 * US) == LIVE
    (wave,) = waveforms(decoder.feed(Chunk(quarter(pr=72, pleth=0.0), T0 + 4 * US)))
    assert set(wave.values.tolist()) == {0.0}
