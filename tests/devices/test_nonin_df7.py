"""What is special about Nonin data format 7."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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

DRIVER = registry.get("nonin-df7")
FORMAT_2 = registry.get("nonin-df2")
KNOWN = vectors("nonin-df7")
PUBLISHED = bytes.fromhex(KNOWN["vectors"][0]["hex"])
PACKET_US = US // 3


def packet(*flags: Flag, **values: float) -> bytes:
    return joined(DRIVER.encode(values or {"pr": 72, "spo2": 97}, flags))


def changed(source: bytes, frame: int, byte: int, value: int) -> bytes:
    """The packet with one byte of a frame (both counted from 0) set, and its checksum."""
    out = bytearray(source)
    at = 5 * frame
    out[at + byte] = value
    out[at + 4] = sum(out[at : at + 4]) & 0xFF
    return bytes(out)


@pytest.mark.parametrize("known", KNOWN["status_bytes"], ids=lambda known: known["hex"])
def test_every_status_bit_has_its_flag(known: dict[str, object]) -> None:
    events = decode(DRIVER, changed(PUBLISHED, 7, 0, int(str(known["hex"]), 16)))
    expected = set(known["flags"])
    assert {flag.value for flag in numerics(events)[0].flags} == expected
    assert notices(events) == [(code, True) for code in sorted(expected)]


@settings(max_examples=50)
@given(
    pr=st.none() | st.integers(0, 511),
    spo2=st.none() | st.integers(0, 127),
    flags=st.frozensets(st.sampled_from(list(Flag)), max_size=3),
)
def test_says_the_same_as_format_2(
    pr: int | None, spo2: int | None, flags: frozenset[Flag]
) -> None:
    values = {"pr": pr, "spo2": spo2}
    ours = decode(DRIVER, DRIVER.encode(values, flags))
    theirs = decode(FORMAT_2, FORMAT_2.encode(values, flags))
    assert numerics(ours) == numerics(theirs)
    assert notices(ours) == notices(theirs)


def test_pleth_has_16_bits_high_byte_first() -> None:
    known = changed(changed(PUBLISHED, 3, 1, 0x12), 3, 2, 0x34)
    wave = waveforms(decode(DRIVER, known))[0]
    assert wave.values[3] == 0x1234
    assert wave.values.dtype == np.float32
    full = waveforms(decode(DRIVER, packet(pr=72, spo2=97, pleth=1.0)))[0]
    assert set(full.values) == {65535.0}


def test_encode_fills_the_same_values_as_the_published_packet() -> None:
    assert packet(pr=72, spo2=97)[3::5] == PUBLISHED[3::5]


@pytest.mark.parametrize("flag", [Flag.SENSOR_OFF, Flag.NO_SENSOR])
def test_held_display_values_are_in_the_packet_and_never_shown(flag: Flag) -> None:
    held = packet(flag, pr=88, spo2=96)
    assert held[8 * 5 + 3] == 96
    events = feed(DRIVER.decoder("bed-1"), [("", packet(pr=88, spo2=96)), *[("", held)] * 30])
    after = numerics(events)[2:]
    assert len(after) >= 20
    assert {(n.value, n.quality) for n in after} == {(None, Quality.INVALID)}
    assert {wave.quality for wave in waveforms(events)[1:]} == {Quality.INVALID}


def test_display_values_are_never_read() -> None:
    for frame in (8, 9, 10, 13, 14, 15, 16, 19, 20, 21, 22):
        other = changed(packet(), frame, 3, 99)
        assert latest(decode(DRIVER, other)) == {"spo2": 97, "pr": 72}


def test_numerics_come_once_a_second_and_waves_with_each_packet() -> None:
    events = feed(
        DRIVER.decoder("bed-1"), [("", packet(pr=60 + i % 5, spo2=97)) for i in range(30)]
    )
    assert len([n for n in numerics(events) if n.channel == "pr"]) == 10
    assert len(waveforms(events)) == 30


def test_wave_is_timed_by_counting_samples() -> None:
    decoder = DRIVER.decoder("bed-1")
    waves = []
    for i, late_us in enumerate([0, 40_000, -30_000, 90_000, 10_000, 0]):
        waves += waveforms(decoder.feed(Chunk(packet(), T0 + i * PACKET_US + late_us)))
    starts = [wave.start_us for wave in waves]
    assert starts[0] == T0 - round(25 / 75 * US)
    assert {round((b - a) / 1000) for a, b in pairwise(starts)} == {333}


@given(
    pleth=st.lists(st.sampled_from([0x8181, 0x81FF, 0xFF81, 0x8001, 0]), min_size=25, max_size=25)
)
def test_no_pleth_is_taken_for_the_beginning_of_a_packet(pleth: list[int]) -> None:
    data = packet()
    for i, sample in enumerate(pleth):
        data = changed(changed(data, i, 1, sample >> 8), i, 2, sample & 0xFF)
    decoder = DRIVER.decoder("bed-1")
    assert feed(decoder, [("", data[5:])]) == []
    waves = waveforms(feed(decoder, [("", data + data)]))
    assert [list(wave.values) for wave in waves] == [pleth, pleth]


@pytest.mark.parametrize("fault", ["lost byte", "doubled byte", "flipped bit"])
def test_a_damaged_packet_costs_itself(fault: str) -> None:
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


@pytest.mark.parametrize("status", [0x00, 0x81])
def test_sync_belongs_to_the_first_frame_only(status: int) -> None:
    frame = 0 if status == 0x00 else 12
    decoder = DRIVER.decoder("bed-1")
    assert feed(decoder, [("", changed(packet(), frame, 0, 0x80 | status) * 3)]) == []
    assert decoder.rejected >= 2


def test_a_stream_of_format_2_is_not_read() -> None:
    other = joined(FORMAT_2.encode({"pr": 72, "spo2": 97, "pleth": 0.0}, ()))
    assert decode(DRIVER, other * 10) == []
