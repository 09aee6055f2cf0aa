"""What is special about Nonin data format 2."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from devices import registry
from devices.driver import Chunk
from tests.devices.decoding import (
    T0,
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
from vitals.model import Flag, Quality

DRIVER = registry.get("nonin-df2")
KNOWN = vectors("nonin-df2")
PUBLISHED = bytes.fromhex(KNOWN["vectors"][0]["hex"])
PACKET_US = US // 3


def packet(*flags: Flag, **values: float) -> bytes:
    return joined(DRIVER.encode(values or {"pr": 72, "spo2": 97}, flags))


def with_status(bits: dict[int, int], source: bytes) -> bytes:
    """The packet with bits added to the status of some frames (counted from 0)."""
    out = bytearray(source)
    for frame, more in bits.items():
        at = 5 * frame
        out[at + 1] |= more
        out[at + 4] = sum(out[at : at + 4]) & 0xFF
    return bytes(out)


def without_pulse(source: bytes) -> bytes:
    out = bytearray(source)
    for at in range(0, len(out), 5):
        out[at + 1] &= ~0x26
        out[at + 4] = sum(out[at : at + 4]) & 0xFF
    return bytes(out)


@pytest.mark.parametrize("known", KNOWN["status_bytes"], ids=lambda known: known["hex"])
def test_every_status_bit_has_its_flag(known: dict[str, object]) -> None:
    status = int(str(known["hex"]), 16)
    events = decode(DRIVER, with_status({7: status}, PUBLISHED))
    expected = set(known["flags"])
    assert {flag.value for flag in numerics(events)[0].flags} == expected
    assert notices(events) == [(code, True) for code in sorted(expected)]


def test_encode_fills_the_same_values_as_the_published_packet() -> None:
    assert packet(pr=72, spo2=97)[3::5] == PUBLISHED[3::5]


@pytest.mark.parametrize("flag", [Flag.SENSOR_OFF, Flag.NO_SENSOR])
def test_held_display_values_are_in_the_packet_and_never_shown(flag: Flag) -> None:
    held = packet(flag, pr=88, spo2=96)
    assert held[8 * 5 + 3] == 96
    assert tuple(held[3 : 3 * 5 : 5]) == (511 >> 7, 511 & 0x7F, 127)
    events = feed(DRIVER.decoder("bed-1"), [("", packet(pr=88, spo2=96)), *[("", held)] * 30])
    after = numerics(events)[2:]
    assert len(after) >= 20
    assert {(n.value, n.quality) for n in after} == {(None, Quality.INVALID)}


def test_finger_off_is_said_in_the_very_next_packet() -> None:
    decoder = DRIVER.decoder("bed-1")
    feed(decoder, [("", packet())] * 4)
    events = feed(decoder, [("", packet(Flag.SENSOR_OFF))])
    assert notices(events) == [("sensor_off", True)]
    assert latest(events) == {"spo2": None, "pr": None}
    assert waveforms(events)[0].quality is Quality.INVALID


def test_numerics_come_once_a_second() -> None:
    decoder = DRIVER.decoder("bed-1")
    events = feed(decoder, [("", packet(pr=60 + i % 5, spo2=97)) for i in range(30)])
    assert len([n for n in numerics(events) if n.channel == "pr"]) == 10
    assert len(waveforms(events)) == 30


def test_perfusion_of_a_pulse_stands_between_pulses() -> None:
    decoder = DRIVER.decoder("bed-1")
    between = without_pulse(packet())
    stream = [packet(Flag.LOW_PERFUSION), between, between, between, packet()]
    events = feed(decoder, [("", piece) for piece in stream])
    assert notices(events) == [("low_perfusion", True), ("low_perfusion", False)]
    assert {n.quality for n in numerics(events)[:-2]} == {Quality.QUESTIONABLE}
    assert {n.quality for n in numerics(events)[-2:]} == {Quality.GOOD}


def test_perfusion_is_forgotten_after_three_seconds_without_a_pulse() -> None:
    decoder = DRIVER.decoder("bed-1")
    feed(decoder, [("", packet(Flag.ARTIFACT))])
    between = [("", without_pulse(packet()))]
    assert [e for _ in range(8) for e in notices(feed(decoder, between))] == []
    assert notices(feed(decoder, between)) == [("artifact", False)]


def test_perfusion_ends_with_the_value() -> None:
    decoder = DRIVER.decoder("bed-1")
    feed(decoder, [("", packet(Flag.LOW_PERFUSION))])
    gone = without_pulse(packet(spo2=97))
    assert notices(feed(decoder, [("", gone)])) == [("low_perfusion", False)]


def test_perfusion_ends_when_the_finger_is_gone() -> None:
    decoder = DRIVER.decoder("bed-1")
    feed(decoder, [("", packet(Flag.LOW_PERFUSION))])
    gone = with_status(dict.fromkeys(range(25), 0x08), without_pulse(packet()))
    changed = [("low_perfusion", False), ("sensor_off", True)]
    assert notices(feed(decoder, [("", gone)])) == changed


def test_worst_perfusion_of_a_packet_counts() -> None:
    both = with_status({3: 0x06, 20: 0x04}, PUBLISHED)
    assert numerics(decode(DRIVER, both))[0].flags == {Flag.LOW_PERFUSION}


def test_out_of_track_is_questionable_and_low_battery_is_not() -> None:
    for flag, trust in ((Flag.OUT_OF_TRACK, "questionable"), (Flag.LOW_BATTERY, "good")):
        assert {n.quality for n in numerics(decode(DRIVER, packet(flag)))} == {trust}


def test_wave_is_timed_by_counting_samples() -> None:
    decoder = DRIVER.decoder("bed-1")
    jitter = [0, 40_000, -30_000, 90_000, 10_000, 0]
    waves = []
    for i, late_us in enumerate(jitter):
        chunk = Chunk(packet(pr=72, spo2=97, pleth=0.4), T0 + i * PACKET_US + late_us)
        waves += waveforms(decoder.feed(chunk))
    starts = [wave.start_us for wave in waves]
    assert starts[0] == T0 - round(25 / 75 * US)
    assert {round((b - a) / 1000) for a, b in pairwise(starts)} == {333}
    assert waves[0].rate_hz == 75.0
    assert np.array_equal(waves[0].values, np.full(25, 102, np.float32))


def test_wave_does_not_fill_the_gap_of_a_stall() -> None:
    decoder = DRIVER.decoder("bed-1")
    first, second = (
        waveforms(decoder.feed(Chunk(packet(), at_us)))[0] for at_us in (T0, T0 + 5 * US)
    )
    assert second.start_us - first.start_us == 5 * US


@pytest.mark.parametrize("fault", ["lost byte", "doubled byte", "flipped bit"])
def test_a_damaged_packet_costs_itself_and_counts_once(fault: str) -> None:
    good = packet()
    damaged = {
        "lost byte": good[:60] + good[61:],
        "doubled byte": good[:60] + good[59:],
        "flipped bit": good[:60] + bytes([good[60] ^ 4]) + good[61:],
    }[fault]
    decoder = DRIVER.decoder("bed-1")
    events = feed(decoder, [("", good + damaged + good + good)])
    assert len(waveforms(events)) == 3
    assert decoder.rejected == (2 if fault == "doubled byte" else 1)


def test_every_break_counts() -> None:
    decoder = DRIVER.decoder("bed-1")
    feed(decoder, [("", (packet() + b"\x55") * 5)])
    assert decoder.rejected == 5


def test_joining_in_mid_packet_waits_for_the_next_one() -> None:
    decoder = DRIVER.decoder("bed-1")
    assert feed(decoder, [("", packet()[37:])]) == []
    assert latest(feed(decoder, [("", packet())])) == {"spo2": 97, "pr": 72}


def test_two_packets_with_the_sync_bit_missing_between_are_no_packet() -> None:
    unmarked = bytearray(packet())
    unmarked[1] &= 0xFE
    unmarked[4] = sum(unmarked[:4]) & 0xFF
    assert decode(DRIVER, bytes(unmarked) * 3) == []
