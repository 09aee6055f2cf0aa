"""What is special about Nonin data format 1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import registry
from devices.driver import Chunk
from tests.devices.decoding import T0, decode, feed, joined, latest, notices, numerics
from vitals.clock import US
from vitals.model import Flag, Notice, Quality

DRIVER = registry.get("nonin-df1")
FORMAT_8 = registry.get("nonin-df8")


def frame(*flags: Flag, **values: float) -> bytes:
    return joined(DRIVER.encode(values or {"pr": 72, "spo2": 97}, flags))


@pytest.mark.parametrize("rate", [20, 63, 64, 127, 128, 150, 255, 256, 300])
def test_rate_is_put_together_from_two_bytes(rate: int) -> None:
    data = bytes((0x80 | rate >> 7, rate & 0x7F, 97))
    assert latest(decode(DRIVER, data))["pr"] == rate
    assert frame(pr=rate, spo2=97) == data


@pytest.mark.parametrize(
    ("bit", "flag", "trust"),
    [
        (0x40, Flag.NO_SENSOR, Quality.INVALID),
        (0x20, Flag.OUT_OF_TRACK, Quality.QUESTIONABLE),
        (0x10, Flag.LOW_PERFUSION, Quality.QUESTIONABLE),
        (0x08, Flag.MARGINAL_PERFUSION, Quality.GOOD),
        (0x04, Flag.ARTIFACT, Quality.QUESTIONABLE),
    ],
)
def test_every_status_bit_has_its_flag(bit: int, flag: Flag, trust: Quality) -> None:
    data = bytes((0x80 | bit, 72, 97))
    assert frame(flag, pr=72, spo2=97)[0] & ~0x83 == bit
    events = decode(DRIVER, data)
    assert {(n.quality, n.flags) for n in numerics(events)} == {(trust, frozenset({flag}))}
    assert notices(events) == [(flag, True)]


def test_every_frame_is_given_when_its_last_byte_is_there() -> None:
    decoder = DRIVER.decoder("bed-1")
    for second in range(5):
        at_us = T0 + second * US
        data = frame(pr=70 + second, spo2=97)
        assert decoder.feed(Chunk(data[:2], at_us)) == []
        events = decoder.feed(Chunk(data[2:], at_us + 1000))
        assert [(n.value, n.at_us) for n in numerics(events)] == [
            (97, at_us + 1000),
            (70 + second, at_us + 1000),
        ]


def test_finger_off_has_no_number() -> None:
    off = frame(Flag.SENSOR_OFF, pr=72, spo2=97)
    assert off == b"\x83\x7f\x7f"
    assert latest(decode(DRIVER, frame() + off)) == {"spo2": None, "pr": None}


format_8_frames = st.lists(
    st.tuples(st.integers(30, 250), st.integers(35, 100), st.sampled_from([0, 1, 8, 0x20])),
    min_size=2,
    max_size=20,
)


@given(frames=format_8_frames, start=st.integers(0, 3))
def test_a_stream_of_format_8_leaves_no_value_standing(
    frames: list[tuple[int, int, int]], start: int
) -> None:
    stream = b"".join(bytes((0x80 | hr >> 7, hr & 0x7F, sat, b4)) for hr, sat, b4 in frames)
    events = decode(DRIVER, stream[start:])
    assert set(latest(events).values()) <= {None}
    assert len([n for n in numerics(events) if n.value is not None]) <= 2


def test_a_stream_of_format_8_says_what_to_set() -> None:
    held = joined(FORMAT_8.encode({"pr": 72, "spo2": 97}, {Flag.SENSOR_OFF}))
    events = decode(DRIVER, held * 20)
    said = [e for e in events if isinstance(e, Notice)]
    assert [(e.code, e.active) for e in said] == [("wrong_mode", True)]
    assert "data format 8" in said[0].detail
    assert "nonin-df8" in said[0].detail


def test_wrong_mode_ends_with_the_first_value() -> None:
    other = joined(FORMAT_8.encode({"pr": 72, "spo2": 97}, ()))
    decoder = DRIVER.decoder("bed-1")
    feed(decoder, [("", other * 6)])
    events = feed(decoder, [("", frame() * 3)])
    assert notices(events) == [("wrong_mode", False)]
    assert latest(events) == {"pr": 72, "spo2": 97}


def test_wrong_mode_is_not_said_of_three_bad_frames_among_good_ones() -> None:
    longer = frame() + b"\x05"
    decoder = DRIVER.decoder("bed-1")
    events = feed(decoder, [("", (longer + frame() * 4) * 5)])
    assert notices(events) == []


@pytest.mark.parametrize("fault", ["lost byte", "doubled byte", "break"])
def test_a_damaged_frame_costs_itself_and_the_next(fault: str) -> None:
    good = frame()
    damaged = {
        "lost byte": good[:1] + good[2:],
        "doubled byte": good[:2] + good[1:],
        "break": b"\x00" * 4,
    }[fault]
    rates = [60, 61, 62, 63, 64, 65]
    stream = [frame(pr=rate, spo2=97) for rate in rates]
    stream[3] = damaged
    events = decode(DRIVER, b"".join(stream))
    given_rates = [n.value for n in numerics(events) if n.channel == "pr"]
    # a doubled byte leaves a frame that reads well; what is left over then breaks the step
    assert given_rates == [60, 61, 62, *([72] if fault == "doubled byte" else []), 65]


def test_noise_in_mid_stream_takes_nothing_back() -> None:
    events = decode(DRIVER, frame(pr=60, spo2=97) * 3 + b"\x05")
    assert latest(events) == {"pr": 60, "spo2": 97}


def test_the_first_frame_is_taken_back_when_none_follows_it() -> None:
    events = decode(DRIVER, frame(Flag.ARTIFACT, pr=60, spo2=97) + b"\x05")
    assert latest(events) == {"pr": None, "spo2": None}
    assert notices(events) == [("artifact", True), ("artifact", False)]


def test_a_frame_that_came_in_step_after_noise_is_not_taken_back() -> None:
    events = decode(DRIVER, b"\x05" + frame() + frame(pr=60, spo2=97) + b"\x05")
    assert [n.value for n in numerics(events)] == [97, 60]


def test_a_frame_that_never_ends_is_not_kept() -> None:
    decoder = DRIVER.decoder("bed-1")
    feed(decoder, [("", b"\x05\x80" + b"\x00" * 30)])
    assert decoder.rejected == 11
    feed(decoder, [("", b"\x00" * 30)])
    assert decoder.rejected == 21


def test_what_only_looks_like_a_frame_after_noise_is_not_given() -> None:
    events = decode(DRIVER, b"\x05\x81\x16\x62\x05\x05" + frame() * 2)
    assert {n.value for n in numerics(events) if n.channel == "pr"} == {72}


def test_out_of_step_counts_what_it_steps_over() -> None:
    decoder = DRIVER.decoder("bed-1")
    feed(decoder, [("", b"\x00" * 30 + frame() * 3)])
    assert decoder.rejected == 11
