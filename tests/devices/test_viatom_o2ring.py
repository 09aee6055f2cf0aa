"""What is special about the O2Ring and its kin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import registry
from devices.driver import Chunk, Decoder, Event
from devices.drivers.viatom_o2ring import (
    ANSWER,
    ASK_VALUES,
    ASK_WAVE,
    NOTIFY,
    RATE_HZ,
    REFUSED,
    REQUEST,
    crc8,
    packet,
    value_answer,
    wave_answer,
)
from tests.devices.decoding import (
    T0,
    FakePatient,
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

DRIVER = registry.get("viatom-o2ring")
TENTH = US // 10
VALUES = {"spo2": 98, "pr": 66, "pi": 1.0}
CAPTURED = bytes.fromhex("624200000000006100920a0100")


def live(data: bytes = b"", *, lead: int = 1, sat: int = 98, rate: int = 66) -> bytes:
    """An answer to 1B."""
    head = bytes((sat, rate, 0, 90, 0, 10, lead, 0, 0, 0)) + len(data).to_bytes(2, "little")
    return packet(ANSWER, 0, head + data)


def answered(decoder: Decoder, data: bytes, at_us: int = T0) -> list[Event]:
    return decoder.feed(Chunk(data, at_us, NOTIFY))


def asked(
    decoder: Decoder, seconds: float, answer: dict[bytes, bytes], since_s: float = 0
) -> list[tuple[int, bytes]]:
    """What it asks, tenths of seconds after T0, with the answer to each request."""
    said = []
    for tenth in range(round(since_s * 10), round(seconds * 10)):
        if request := decoder.due(T0 + tenth * TENTH):
            said.append((tenth, request))
            if data := answer.get(request):
                answered(decoder, data, T0 + tenth * TENTH + 1)
    return said


# --- requests ---------------------------------------------------------------------------------


@pytest.mark.parametrize("known", vectors("viatom-o2ring")["requests"], ids=lambda v: v["id"])
def test_requests_are_as_known(known: dict[str, str]) -> None:
    assert bytes.fromhex(known["hex"]) in (ASK_WAVE, ASK_VALUES)


def test_checksum_is_crc8_with_polynomial_07() -> None:
    assert crc8(b"123456789") == 0xF4


def test_a_request_fits_one_write() -> None:
    assert max(len(ASK_WAVE), len(ASK_VALUES)) <= 20


def test_it_asks_once_a_second_and_keeps_its_pace() -> None:
    said = asked(DRIVER.decoder("bed-1"), 5, {ASK_WAVE: live(b"\x10" * 20)})
    assert said == [(tenth, ASK_WAVE) for tenth in range(0, 50, 10)]
    slow = DRIVER.decoder("bed-1")
    for now_us in (T0, T0 + 1_090_000, T0 + 2_010_000):  # a late tick does not shift the next
        assert slow.due(now_us) == ASK_WAVE
        answered(slow, live(b"\x10" * 20), now_us)


def test_one_request_at_a_time_is_under_way() -> None:
    decoder = DRIVER.decoder("bed-1")
    assert decoder.due(T0) == ASK_WAVE
    begun, rest = live()[:9], live()[9:]
    answered(decoder, begun)
    assert decoder.due(T0 + 14 * TENTH) == b""
    answered(decoder, rest)
    assert decoder.due(T0 + 14 * TENTH) == ASK_WAVE


def test_unanswered_twice_it_asks_for_the_other_and_comes_back() -> None:
    said = asked(DRIVER.decoder("bed-1"), 9, {})
    assert said == [
        (0, ASK_WAVE),
        (15, ASK_WAVE),
        (30, ASK_VALUES),
        (45, ASK_VALUES),
        (60, ASK_WAVE),
        (75, ASK_WAVE),
    ]


def test_a_ring_that_refuses_the_wave_is_asked_for_values() -> None:
    refusal = packet(ANSWER, REFUSED)
    answers = {ASK_WAVE: refusal, ASK_VALUES: packet(ANSWER, 0, CAPTURED)}
    said = asked(DRIVER.decoder("bed-1"), 5, answers)
    assert said == [(0, ASK_WAVE), (10, ASK_WAVE)] + [(t, ASK_VALUES) for t in (20, 30, 40)]


def test_a_refusal_has_no_values_whatever_it_carries() -> None:
    assert decode(DRIVER, packet(ANSWER, REFUSED, CAPTURED)) == []


def test_one_miss_changes_nothing() -> None:
    decoder = DRIVER.decoder("bed-1")
    for second in range(0, 12, 4):
        assert decoder.due(T0 + second * US) == ASK_WAVE  # answered
        answered(decoder, live(), T0 + second * US)
        assert decoder.due(T0 + (second + 1) * US) == ASK_WAVE  # not answered
        assert decoder.due(T0 + (second + 3) * US) == ASK_WAVE  # answered again
        answered(decoder, live(), T0 + (second + 3) * US)


def test_a_half_answer_does_not_hold_up_the_next() -> None:
    decoder = DRIVER.decoder("bed-1")
    assert decoder.due(T0) == ASK_WAVE
    answered(decoder, live(b"\x10" * 125)[:40])
    assert decoder.due(T0 + 15 * TENTH) == ASK_WAVE
    assert decoder.rejected == 1
    assert latest(answered(decoder, live())) == VALUES


@given(
    pieces=st.lists(
        st.one_of(st.binary(max_size=40), st.just(live()), st.just(packet(ANSWER, REFUSED))),
        max_size=20,
    )
)
def test_nothing_else_is_ever_said(pieces: list[bytes]) -> None:
    decoder = DRIVER.decoder("bed-1")
    now_us = T0
    for piece in pieces:
        answered(decoder, piece, now_us)
        assert decoder.due(now_us) in (b"", ASK_WAVE, ASK_VALUES)
        now_us += 7 * TENTH


# --- values -----------------------------------------------------------------------------------


@given(pr=st.integers(20, 300), spo2=st.integers(1, 100), tenths=st.integers(1, 200))
def test_both_answers_are_read(pr: int, spo2: int, tenths: int) -> None:
    values = {"spo2": spo2, "pr": pr, "pi": tenths / 10}
    for answer in (wave_answer(values, ()), value_answer(values, ())):
        assert latest(decode(DRIVER, answer)) == values


def test_an_answer_without_samples_is_what_was_asked_for() -> None:
    short = bytes.fromhex("624200000000005a00000000")  # 12 bytes, not worn, battery 90 %
    decoder = DRIVER.decoder("bed-1")
    asked(decoder, 3.5, {})  # on to ASK_VALUES
    events = answered(decoder, packet(ANSWER, 0, short))
    assert notices(events) == [("sensor_off", True)]  # no low battery out of the steps
    live_short = bytes.fromhex("6242005a000a010000000000")
    assert latest(decode(DRIVER, packet(ANSWER, 0, live_short))) == VALUES


@pytest.mark.parametrize(
    ("answer", "flag"),
    [
        (live(lead=0), Flag.SENSOR_OFF),
        (live(lead=2), Flag.SENSOR_FAULT),
        (live(sat=0, rate=0), Flag.SEARCHING),
        (packet(ANSWER, 0, CAPTURED[:11] + b"\xa0\x00"), Flag.SENSOR_OFF),
    ],
)
def test_numbers_sent_without_a_pulse_are_not_passed_on(answer: bytes, flag: Flag) -> None:
    events = decode(DRIVER, answer)
    assert {(n.value, n.quality, n.flags) for n in numerics(events)} == {
        (None, Quality.INVALID, frozenset({flag}))
    }
    assert notices(events) == [(flag.value, True)]


def test_seconds_until_it_ends_are_not_taken_for_worn() -> None:
    worn = packet(ANSWER, 0, CAPTURED[:11] + b"\xa1\x00")
    assert latest(decode(DRIVER, worn)) == VALUES


def test_its_own_alarm_is_told() -> None:
    alarm = packet(ANSWER, 0, CAPTURED[:12] + b"\x04")
    found = decode(DRIVER, [(NOTIFY, alarm), (NOTIFY, packet(ANSWER, 0, CAPTURED))])
    assert notices(found) == [("device_alarm", True), ("device_alarm", False)]
    assert {n.quality for n in numerics(found)} == {Quality.GOOD}


def test_a_low_battery_is_told_with_its_per_cent() -> None:
    decoder = DRIVER.decoder("bed-1")
    told = []
    for percent in (21, 19, 24, 25, 255):
        data = CAPTURED[:7] + bytes((percent,)) + CAPTURED[8:]
        events = answered(decoder, packet(ANSWER, 0, data))
        assert latest(events) == VALUES
        told += [(e.code, e.active, e.detail) for e in events if isinstance(e, Notice)]
    assert told == [("low_battery", True, "19 %"), ("low_battery", False, "25 %")]


def test_an_impossible_length_does_not_hold_up_what_follows() -> None:
    claim = bytes((ANSWER, 0, 0xFF, 0, 0, 0xFF, 0x7F))
    decoder = DRIVER.decoder("bed-1")
    assert latest(answered(decoder, claim + live())) == VALUES
    assert decoder.rejected == 1


# --- wave -------------------------------------------------------------------------------------


def test_the_first_wave_is_old_and_only_its_numbers_count() -> None:
    decoder = DRIVER.decoder("bed-1")
    decoder.due(T0)
    first = answered(decoder, live(b"\x10" * RATE_HZ), T0)
    assert waveforms(first) == []
    assert latest(first) == VALUES
    decoder.due(T0 + US)
    (wave,) = waveforms(answered(decoder, live(b"\x10" * RATE_HZ), T0 + US))
    assert (wave.rate_hz, wave.start_us, len(wave.values)) == (RATE_HZ, T0, RATE_HZ)


def test_the_first_wave_after_asking_for_the_other_is_old_too() -> None:
    decoder = DRIVER.decoder("bed-1")
    wave = live(b"\x10" * 50)
    asked(decoder, 2, {ASK_WAVE: wave})
    away = asked(decoder, 8.1, {}, since_s=2)  # away from ASK_WAVE and back
    assert away[-1] == (80, ASK_WAVE)
    assert waveforms(answered(decoder, wave, T0 + 81 * TENTH)) == []
    assert waveforms(answered(decoder, wave, T0 + 91 * TENTH)) != []


def test_wave_is_turned_upright() -> None:
    (wave,) = waveforms(decode(DRIVER, live(bytes((200, 150, 100, 0, 255)))))
    assert wave.values.tolist() == [0, 50, 100, 200, 0]


def test_marks_among_the_samples_count_as_the_sample_before() -> None:
    decoder = DRIVER.decoder("bed-1")
    one = live(bytes((110, 156, 108, 246, 156, 106)))
    two = live(bytes((246, 104, 10, 156)))
    found = waveforms(feed(decoder, [(NOTIFY, one), (NOTIFY, two)]))
    assert [w.values.tolist() for w in found] == [[90, 90, 92, 92, 92, 94], [94, 96, 190, 190]]


# --- device side ------------------------------------------------------------------------------


def test_device_says_nothing_unless_asked() -> None:
    device = DRIVER.responder(FakePatient(**VALUES))
    assert [device.poll(T0 + tenth * TENTH) for tenth in range(20)] == [b""] * 20
    assert latest(decode(DRIVER, device.receive(ASK_VALUES, T0))) == VALUES


def test_device_answers_a_request_that_comes_in_pieces_and_after_noise() -> None:
    device = DRIVER.responder(FakePatient(**VALUES))
    noise = b"\x00\xaa\xaa\x17\x00"
    pieces = [device.receive(bytes((byte,)), T0) for byte in noise + ASK_VALUES]
    assert [bool(piece) for piece in pieces] == [False] * (len(pieces) - 1) + [True]


@pytest.mark.parametrize("command", [0x03, 0x04, 0x05, 0x14, 0x15, 0x16, 0x18, 0xFF])
def test_device_refuses_what_it_does_not_know(command: int) -> None:
    device = DRIVER.responder(FakePatient(**VALUES))
    answer = device.receive(packet(REQUEST, command), T0)
    assert answer == packet(ANSWER, REFUSED)
    assert decode(DRIVER, answer) == []


def test_device_gives_the_samples_since_it_was_last_asked() -> None:
    class Ramp(FakePatient):
        def pleth(self, offset_s: float = 0.0) -> float:
            return 0.5 + offset_s

    device = DRIVER.responder(Ramp(**VALUES))
    sizes = []
    for now_us in (T0, T0 + US, T0 + US + US // 5):
        (wave,) = waveforms(decode(DRIVER, device.receive(ASK_WAVE, now_us)))
        sizes.append(len(wave.values))
        assert wave.values[-1] == 100
    assert sizes == [125, 125, 25]
    assert wave.values[0] == round(200 * (0.5 - 24 / 125))


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("sensor_off", "sensor_off"),
        ("sensor_fault", "sensor_fault"),
        ("searching", "searching"),
        ("low_battery", "low_battery"),
    ],
)
def test_device_shows_the_faults_of_its_sensor(fault: str, told: str) -> None:
    device = DRIVER.responder(FakePatient(fault, **VALUES))
    for request in (ASK_WAVE, ASK_VALUES):
        events = decode(DRIVER, device.receive(request, T0))
        if (fault, request) == ("sensor_fault", ASK_VALUES):
            told = "sensor_off"  # the older answer has one bit for both
        assert notices(events) == [(told, True)]
        assert set(latest(events).values()) == ({None} if fault != "low_battery" else {98, 66, 1.0})


def test_a_second_is_sent_in_notifications_of_20_bytes() -> None:
    items = DRIVER.encode(VALUES, ())
    assert {source for source, _ in items} == {NOTIFY}
    assert [len(data) for _, data in items] == [20] * 7 + [5]
    assert joined(items) == wave_answer(VALUES, ())
