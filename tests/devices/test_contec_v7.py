"""What is special about Contec V7.0."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import registry
from devices.driver import Chunk
from tests.devices.decoding import (
    T0,
    FakePatient,
    bytewise,
    decode,
    feed,
    joined,
    latest,
    notices,
    numerics,
    vectors,
    waveforms,
)
from vitals.clock import US
from vitals.model import Flag, Notice, Quality

DRIVER = registry.get("contec-v7")
START, STOP, ALIVE = (bytes.fromhex(f"7d81{code}808080808080") for code in ("a1", "a2", "af"))
FRAME = bytes.fromhex("01e0849392bce3ffff")


def quarter(*flags: Flag, **values: float) -> bytes:
    return joined(DRIVER.encode(values or {"pr": 72, "spo2": 97}, flags))


# --- decoder ----------------------------------------------------------------------------------


@given(pr=st.integers(20, 254), spo2=st.integers(1, 100), pi=st.integers(2, 2000))
def test_top_bits_of_every_value_survive(pr: int, spo2: int, pi: int) -> None:
    found = latest(decode(DRIVER, quarter(pr=pr, spo2=spo2, pi=pi / 100)))
    assert found == {"pr": pr, "spo2": spo2, "pi": pi / 100}


def test_a_rate_that_the_byte_cannot_hold_is_no_value() -> None:
    assert latest(decode(DRIVER, quarter(pr=255, spo2=97)))["pr"] is None


@pytest.mark.parametrize("flag", [Flag.SENSOR_OFF, Flag.SEARCHING])
def test_numbers_sent_without_a_pulse_are_not_passed_on(flag: Flag) -> None:
    events = decode(DRIVER, quarter(flag, pr=88, spo2=96))
    assert {(n.value, n.quality) for n in numerics(events)} == {(None, Quality.INVALID)}
    assert waveforms(events)[0].quality is Quality.INVALID


def test_one_frame_without_a_finger_spoils_its_own_wave_packet_only() -> None:
    pieces = [quarter()[:36], quarter(Flag.SENSOR_OFF)[:9], quarter()[:90], quarter()]
    events = decode(DRIVER, b"".join(pieces))
    assert [wave.quality for wave in waveforms(events)] == [Quality.INVALID, Quality.GOOD]


def test_numerics_come_once_a_second_and_at_once_on_change() -> None:
    decoder = DRIVER.decoder("bed-1")
    events = feed(decoder, [("", quarter())] * 40)
    assert len([n for n in numerics(events) if n.channel == "pr"]) == 10
    assert len(waveforms(events)) == 40
    assert notices(feed(decoder, [("", quarter(Flag.SENSOR_OFF)[:18])])) == [("sensor_off", True)]


def test_a_change_counts_from_the_second_frame_that_shows_it() -> None:
    decoder = DRIVER.decoder("bed-1")
    on, off = quarter()[:9], quarter(Flag.SENSOR_OFF)[:9]
    assert len(feed(decoder, [("", on + off + on + off)])) == 3
    assert notices(feed(decoder, [("", off)])) == [("sensor_off", True)]
    assert notices(feed(decoder, [("", on + on)])) == [("sensor_off", False)]


@pytest.mark.parametrize("place", range(1, 9))
@pytest.mark.parametrize("kept", [0, 2], ids=["lost", "doubled"])
def test_a_lost_or_doubled_byte_shows_no_rate_as_saturation(place: int, kept: int) -> None:
    frame = quarter(pr=57, spo2=98, pi=2.5)[:9]
    damaged = frame[:place] + frame[place : place + 1] * kept + frame[place + 1 :]
    for before in range(1, 63):  # also where the next value of the second would be due
        decoder = DRIVER.decoder("bed-1")
        events = feed(decoder, bytewise(frame * before + damaged + frame * 70))
        assert {(n.channel, n.value) for n in numerics(events)} <= {
            ("pr", 57),
            ("spo2", 98),
            ("pi", 2.5),
        }
        assert notices(events) == []
        assert decoder.rejected == 1


def test_wave_is_cut_into_quarter_seconds() -> None:
    wave = [i / 127 for i in range(15)]
    events = decode(DRIVER, joined(DRIVER.encode({"pr": 72, "spo2": 97, "pleth": wave}, ())))
    (found,) = waveforms(events)
    assert found.values.tolist() == list(range(15))
    assert (found.rate_hz, found.start_us) == (60, T0 - US // 4)


def test_a_byte_without_bit_7_ends_a_frame_and_begins_the_next() -> None:
    decoder = DRIVER.decoder("bed-1")
    events = feed(decoder, [("", FRAME[:4] + FRAME[:6] + FRAME)])
    assert latest(events) == {"pr": 60, "spo2": 99, "pi": None}
    assert decoder.rejected == 2  # ten bytes in a row, a frame has nine


@pytest.mark.parametrize("place", range(1, 9))
def test_a_frame_with_a_byte_that_lost_its_bit_7_is_no_frame(place: int) -> None:
    spoilt = bytearray(FRAME)
    spoilt[place] = 0x5A
    decoder = DRIVER.decoder("bed-1")
    assert feed(decoder, [("", bytes(spoilt))]) == []
    assert decoder.rejected == 1


def test_unknown_types_are_counted_and_stepped_over() -> None:
    decoder = DRIVER.decoder("bed-1")
    events = feed(decoder, [("", bytes.fromhex("42808182") + FRAME)])
    assert latest(events)["pr"] == 60
    assert decoder.rejected == 1


@pytest.mark.parametrize(
    ("code", "reason"),
    [("81", "switched off"), ("83", "recording"), ("8a", "reason 0A"), ("ff", "reason FF")],
)
def test_the_device_says_that_it_leaves_and_why(code: str, reason: str) -> None:
    high = "81" if code == "ff" else "80"
    (event,) = decode(DRIVER, bytes.fromhex(f"0d{high}{code}"))
    assert isinstance(event, Notice)
    assert (event.code, event.active) == ("disconnecting", True)
    assert reason in event.detail


def test_leaving_is_said_once_and_ends_with_data() -> None:
    decoder = DRIVER.decoder("bed-1")
    bye = bytes.fromhex("0d8081")
    assert notices(feed(decoder, [("", bye + bye)])) == [("disconnecting", True)]
    assert notices(feed(decoder, [("", FRAME + FRAME)])) == [("disconnecting", False)]


def test_a_refused_keep_alive_is_said_once() -> None:
    decoder = DRIVER.decoder("bed-1")
    refusal = bytes.fromhex("0b81af85")
    (event,) = feed(decoder, [("", refusal)] * 5)
    assert isinstance(event, Notice)
    assert event.code == "command_refused"
    assert event.detail == "command AF: not supported"


def test_starts_at_connect_keeps_alive_and_starts_again_when_quiet() -> None:
    decoder = DRIVER.decoder("bed-1")
    said = {}
    for tenth in range(0, 200):
        now_us = T0 + tenth * US // 10
        if tenth < 130:
            decoder.feed(Chunk(FRAME * 6, now_us))
        if out := decoder.due(now_us):
            said[tenth / 10] = out
    # data until 12.9: quiet for more than 2 s from 15.0 on, then again every 2 s
    assert said == {0: START, 5: ALIVE, 10: ALIVE, 15: START, 17.1: START, 19.2: START}


def test_a_wave_packet_never_spans_a_restart() -> None:
    decoder = DRIVER.decoder("bed-1")
    decoder.due(T0)
    decoder.feed(Chunk(quarter(pr=72, spo2=97, pleth=1.0)[: 9 * 9], T0))
    assert decoder.due(T0 + 3 * US) == START
    again = Chunk(quarter(pr=72, spo2=97, pleth=0.0), T0 + 4 * US)
    (wave,) = waveforms(decoder.feed(again))
    assert set(wave.values.tolist()) == {0.0}


# --- device side ------------------------------------------------------------------------------


def test_device_is_silent_until_it_is_started_and_then_sends_60_frames_a_second() -> None:
    device = DRIVER.responder(FakePatient(pr=150, spo2=97, pi=1.5))
    assert device.poll(T0) + device.poll(T0 + US) == b""
    assert device.receive(START, T0 + US) == b""
    sent = [device.poll(T0 + US + tenth * US // 10) for tenth in range(1, 11)]
    assert [len(piece) // 9 for piece in sent] == [6] * 10
    assert latest(decode(DRIVER, b"".join(sent))) == {"pr": 150, "spo2": 97, "pi": 1.5}


def test_device_wave_goes_on_from_poll_to_poll() -> None:
    class Ramp(FakePatient):
        def pleth(self, offset_s: float = 0.0) -> float:
            return 0.5 + offset_s

    device = DRIVER.responder(Ramp(pr=70, spo2=97))
    device.receive(START, T0)
    (wave,) = waveforms(decode(DRIVER, device.poll(T0 + US // 4)))
    steps = [(0.5 - (14 - i) / 60) * 127 for i in range(15)]
    assert wave.values.tolist() == [round(step) for step in steps]


def test_device_falls_silent_a_minute_after_it_was_last_told_to_be_alive() -> None:
    device = DRIVER.responder(FakePatient(pr=70, spo2=97))
    device.receive(START, T0)
    device.receive(ALIVE, T0 + 30 * US)
    frames = len(device.poll(T0 + 200 * US)) // 9
    assert frames == 90 * 60
    assert device.poll(T0 + 201 * US) == b""
    device.receive(ALIVE, T0 + 202 * US)
    assert device.poll(T0 + 203 * US) == b""
    device.receive(START, T0 + 203 * US)
    assert len(device.poll(T0 + 204 * US)) // 9 == 60


@pytest.mark.parametrize("known", vectors("contec-v7")["commands"], ids=lambda known: known["id"])
def test_device_answers_as_captured(known: dict[str, str]) -> None:
    device = DRIVER.responder(FakePatient())
    pieces = bytewise(b"\x7d\x00" + bytes.fromhex(known["hex"]))
    answer = b"".join(device.receive(piece, T0) for _, piece in pieces)
    assert answer.hex() == known["reply_hex"]


def test_device_stops_when_told() -> None:
    device = DRIVER.responder(FakePatient(pr=70, spo2=97))
    device.receive(START, T0)
    assert device.receive(STOP, T0 + US) == bytes.fromhex("0c80")
    assert device.poll(T0 + 2 * US) == b""


def test_device_refuses_what_it_does_not_know() -> None:
    device = DRIVER.responder(FakePatient())
    answer = device.receive(bytes.fromhex("7d81b6808080808080"), T0)
    assert answer == bytes.fromhex("0b81b685")
    assert notices(decode(DRIVER, answer)) == [("command_refused", True)]


def test_device_shows_the_faults_of_its_sensor() -> None:
    device = DRIVER.responder(FakePatient("sensor_off", pr=70, spo2=97))
    device.receive(START, T0)
    events = decode(DRIVER, device.poll(T0 + US))
    assert notices(events) == [("sensor_off", True)]
    assert set(latest(events).values()) == {None}
