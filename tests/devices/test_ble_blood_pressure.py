"""What is special about Bluetooth cuffs: time, failed readings, status, quirks, inflation."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import registry
from devices.driver import BleSettings, Chunk, Decoder, Event
from devices.drivers.ble_blood_pressure import INFLATING_US, payload
from devices.gatt import (
    BATTERY,
    BLOOD_PRESSURE,
    CUFF_PRESSURE,
    CURRENT_TIME,
    DATE_TIME,
    local_offset_us,
)
from devices.ieee11073 import SPECIAL, time_bytes
from tests.devices.decoding import T0, arrival_us, decode, latest, notices, numerics, vectors
from vitals.channels import NIBP, plausible
from vitals.model import US, Flag, Notice, Quality

DRIVER = registry.get("ble-blood-pressure")
KNOWN = {vector["id"]: vector for vector in vectors("ble-blood-pressure")["vectors"]}
MINUTE, HOUR = 60 * US, 3600 * US
NONE = (None, None, None)
ONE, TWO = (128, 79, 95), (171, 101, 124)


def known(name: str) -> tuple[bytes, int]:
    """A vector's bytes, and when they arrive."""
    return bytes.fromhex(KNOWN[name]["hex"]), arrival_us(KNOWN[name])


def fed(
    decoder: Decoder, data: bytes, at_us: int = T0, source: str = BLOOD_PRESSURE
) -> list[Event]:
    return decoder.feed(Chunk(data, at_us, source))


def read(data: bytes, at_us: int = T0) -> list[Event]:
    return fed(DRIVER.decoder("cuff"), data, at_us)


def bps(events: Iterable[Event]) -> list[tuple[float | None, ...]]:
    """Readings as (sys, dia, map)."""
    found = [n.value for n in numerics(events) if n.channel in NIBP]
    return list(zip(found[0::3], found[1::3], found[2::3], strict=True))


def details(events: Iterable[Event], code: str) -> list[str]:
    return [e.detail for e in events if isinstance(e, Notice) and e.code == code and e.active]


def stamped(at_us: int) -> bytes:
    """The time of a clock that is set by the local time of this computer."""
    return time_bytes(at_us + local_offset_us(at_us))


# --- a reading --------------------------------------------------------------------------------


def test_a_reading_shares_its_time_with_its_pulse_rate() -> None:
    events = numerics(read(payload(ONE, stamp=stamped(T0 - 20 * US), pulse=72)))
    assert {(n.channel, n.value) for n in events} == {*zip(NIBP, ONE, strict=True), ("pr", 72)}
    assert {n.at_us for n in events} == {T0 - 20 * US}
    assert {n.quality for n in events} == {Quality.GOOD}


def test_a_reading_that_is_sent_again_is_known_by_the_cuffs_own_time() -> None:
    data, at_us = known("a-reading")
    first, again = numerics(read(data, at_us)), numerics(read(data, at_us + 30 * US))
    assert first == again
    wall = datetime(2024, 6, 15, 17, 17, 27, tzinfo=UTC).timestamp() * US
    assert {n.device_at_us for n in first} == {wall}


def test_without_a_time_its_arrival_counts() -> None:
    events = numerics(read(payload(ONE)))
    assert {(n.at_us, n.device_at_us) for n in events} == {(T0, None)}


@pytest.mark.parametrize("mean", [None, 0], ids=["not a number", "zero"])
def test_a_cuff_that_does_not_know_the_mean_gives_the_others(mean: int | None) -> None:
    events = read(payload((128, 79, mean)))
    assert bps(events) == [(128, 79, None)]
    assert [n.quality for n in numerics(events)] == [Quality.GOOD] * 2 + [Quality.INVALID]


@pytest.mark.parametrize(
    "values",
    [(271, 79, 95), (39, 20, 30), (128, 9, 95), (230, 211, 220), (128, 79, 79), (128, 79, 128),
     (79, 128, 95), (128, 128, None), (128, 79, 231), (128, 79, -95), (-128, 79, 95)],
)  # fmt: skip
def test_a_blood_pressure_that_cannot_be_has_no_values(values: tuple[int | None, ...]) -> None:
    events = read(payload((values[0], values[1], values[2]), pulse=72))
    assert bps(events) == [NONE]
    assert "pr" not in latest(events)
    assert notices(events) == []  # the room counts the reading as failed by its values


@pytest.mark.parametrize("pulse", [None, 0, 19, 301, 1823])
def test_a_pulse_rate_that_cannot_be_is_absent(pulse: int | None) -> None:
    events = read(payload(ONE, pulse=pulse))
    assert latest(events) == dict(zip(NIBP, ONE, strict=True))


@given(st.binary(min_size=7, max_size=21))
def test_whatever_is_shown_could_be(data: bytes) -> None:
    for systolic, diastolic, mean in bps(read(data)):
        if systolic is None or diastolic is None:
            assert (systolic, diastolic, mean) == NONE
            continue
        assert plausible("nibp_sys", systolic)
        assert plausible("nibp_dia", diastolic)
        assert diastolic < (mean or (systolic + diastolic) / 2) < systolic


def test_kilopascals_become_mmhg() -> None:
    assert bps(read(known("kpa")[0])) == [(120.0, 80.3, 93.8)]


# --- failed readings --------------------------------------------------------------------------


@pytest.mark.parametrize("word", sorted(SPECIAL))
@pytest.mark.parametrize("place", [0, 1], ids=["systolic", "diastolic"])
def test_a_reading_without_a_number_is_a_failed_one(word: int, place: int) -> None:
    data = bytearray(payload(ONE, pulse=72))
    data[1 + 2 * place : 3 + 2 * place] = word.to_bytes(2, "little")
    events = read(bytes(data))
    assert numerics(events) == []
    assert details(events, "nibp_failed") == [f"the cuff gives {SPECIAL[word]}"]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (0x00, "the cuff gives no value"),
        (0x01, "the body moved"),
        (0x02, "the cuff is too loose"),
        (0x04, "the pulse is irregular"),
        (0x08, "the pulse rate is above its range"),
        (0x10, "the pulse rate is below its range"),
        (0x18, "the cuff gives no value"),
        (0x20, "the cuff is in a wrong position"),
        (0x23, "the body moved, the cuff is too loose, the cuff is in a wrong position"),
        (0xFFC0, "the cuff gives no value"),
    ],
)
def test_the_status_says_why_a_reading_failed(status: int, reason: str) -> None:
    assert details(read(payload(NONE, status=status)), "nibp_failed") == [reason]


@pytest.mark.parametrize("name", ["failed-movement", "failed-loose-cuff"])
def test_captured_failures_are_told_once(name: str) -> None:
    decoder = DRIVER.decoder("cuff")
    data, at_us = known(name)
    assert notices(fed(decoder, data, at_us)) == [("nibp_failed", True)]
    assert fed(decoder, data, at_us + US) == []


def test_an_old_failure_is_none_of_ours() -> None:
    data, at_us = known("failed-movement")
    assert details(read(data, at_us + HOUR), "nibp_failed") == []


# --- status -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "flag", "quality"),
    [
        (0x01, "cuff_motion", Flag.ARTIFACT, Quality.QUESTIONABLE),
        (0x02, "cuff_loose", Flag.WEAK_SIGNAL, Quality.QUESTIONABLE),
        (0x04, "irregular_pulse", Flag.IRREGULAR_PULSE, Quality.GOOD),
        (0x20, "cuff_position", Flag.ARTIFACT, Quality.QUESTIONABLE),
    ],
)
def test_a_condition_goes_with_the_values_until_the_next_reading(
    status: int, code: str, flag: Flag, quality: Quality
) -> None:
    decoder = DRIVER.decoder("cuff")
    events = fed(decoder, payload(ONE, pulse=72, status=status))
    assert notices(events) == [(code, True)]
    assert {(n.quality, n.flags) for n in numerics(events)} == {(quality, frozenset({flag}))}
    assert notices(fed(decoder, payload(TWO), T0 + MINUTE)) == [(code, False)]


@pytest.mark.parametrize(("status", "side"), [(0x08, "above"), (0x10, "below")])
def test_a_pulse_rate_out_of_range_casts_no_doubt_on_the_pressures(status: int, side: str) -> None:
    events = read(payload(ONE, pulse=40, status=status))
    assert details(events, "pulse_range") == [f"the pulse rate is {side} its range"]
    assert {n.channel: n.quality for n in numerics(events)} == {
        **dict.fromkeys(NIBP, Quality.GOOD),
        "pr": Quality.QUESTIONABLE,
    }


@pytest.mark.parametrize("status", [0x18, 0x40, 0xFFC0])
def test_reserved_bits_say_nothing(status: int) -> None:
    assert read(payload(ONE, status=status)) == read(payload(ONE))


# --- time -------------------------------------------------------------------------------------


def test_what_lay_in_the_memory_is_not_given_and_not_refused() -> None:
    decoder = DRIVER.decoder("cuff")
    for minutes in (3, 61, 24 * 60):
        events = fed(decoder, payload(ONE, stamp=stamped(T0 - minutes * MINUTE)))
        assert numerics(events) == []
    events = fed(decoder, payload(TWO, stamp=stamped(T0)), T0 + US)
    assert bps(events) == [TWO]
    assert decoder.rejected == 0


def test_a_memory_does_not_touch_the_conditions_of_now() -> None:
    decoder = DRIVER.decoder("cuff")
    fed(decoder, payload(ONE, stamp=stamped(T0), status=0x01))
    assert fed(decoder, payload(TWO, stamp=stamped(T0 - HOUR), status=0x02)) == []


@pytest.mark.parametrize("source", [CURRENT_TIME, DATE_TIME], ids=["2A2B", "2A08"])
@pytest.mark.parametrize("wrong_us", [-HOUR, 5 * HOUR, -4000 * 24 * HOUR])
def test_a_cuff_that_tells_its_time_may_be_wrong(source: str, wrong_us: int) -> None:
    decoder = DRIVER.decoder("cuff")
    now = stamped(T0 + wrong_us) + (b"\x01\x00\x00" if source == CURRENT_TIME else b"")
    assert fed(decoder, now, T0, source) == []
    assert fed(decoder, payload(TWO, stamp=stamped(T0 + wrong_us - HOUR))) == []
    events = fed(decoder, payload(ONE, stamp=stamped(T0 + wrong_us - 30 * US)), T0)
    assert bps(events) == [ONE]
    assert {n.at_us for n in numerics(events)} == {T0 - 30 * US}


def test_a_cuff_with_a_wrong_clock_that_does_not_tell_it_is_explained() -> None:
    events = read(payload(ONE, stamp=stamped(T0 - HOUR)))
    assert numerics(events) == []
    assert [words.split(",")[0] for words in details(events, "clock_differs")] == [
        "by the device's clock this was measured 60 min ago"
    ]


def test_a_clock_that_nobody_set_counts_as_none() -> None:
    events = read(payload(ONE, stamp=bytes(7)))
    assert bps(events) == [ONE]
    assert {n.at_us for n in numerics(events)} == {T0}


def test_a_reading_that_is_sent_twice_is_given_once() -> None:
    decoder = DRIVER.decoder("cuff")
    data = payload(ONE, stamp=stamped(T0))
    assert bps(fed(decoder, data)) == [ONE]
    assert fed(decoder, data, T0 + MINUTE) == []
    assert decoder.rejected == 0


def test_without_a_time_the_same_values_are_a_new_reading_after_a_while() -> None:
    decoder = DRIVER.decoder("cuff")
    given = [bps(fed(decoder, payload(ONE), T0 + s * US)) for s in (0, 1, 19, 60, 61)]
    assert given == [[ONE], [], [], [ONE], []]


# --- quirks -----------------------------------------------------------------------------------


def test_the_bm85s_fields_are_read_its_own_way() -> None:
    data, at_us = known("bp_quirk_beurer_bm85_1")
    assert latest(read(data, at_us)) == {
        "nibp_sys": 106, "nibp_dia": 71, "nibp_map": None, "pr": 63,
    }  # fmt: skip


def test_the_bm85s_status_is_big_endian() -> None:
    data, at_us = known("bp_quirk_beurer_bm85_1")
    assert notices(read(data[:-2] + b"\x00\x04", at_us)) == [("irregular_pulse", True)]
    assert notices(read(data[:-2] + b"\x04\x00", at_us)) == []


def test_a_payload_of_the_bm85s_flags_and_right_length_is_a_standard_one() -> None:
    data, at_us = known("a-reading")
    assert bps(read(b"\x56" + data[1:], at_us)) == [(124, 86, 97)]


@pytest.mark.parametrize("flags", [0x16, 0x46, 0x54, 0x57, 0x5E])
def test_one_byte_too_many_is_forgiven_to_the_bm85_alone(flags: int) -> None:
    data, at_us = known("bp_quirk_beurer_bm85_1")
    decoder = DRIVER.decoder("cuff")
    size = 7 + sum(size for bit, size in ((2, 7), (4, 2), (8, 1), (16, 2)) if flags & bit)
    too_long = (bytes([flags]) + data[1:] + bytes(1))[: size + 1]
    assert len(too_long) == size + 1
    assert fed(decoder, too_long, at_us) == []
    assert decoder.rejected == 1


# --- inflation --------------------------------------------------------------------------------


def test_a_cuff_that_tells_its_pressure_inflates_until_the_reading() -> None:
    decoder = DRIVER.decoder("cuff")
    events = []
    for second, pressure in enumerate((20, 90, 180, 120)):
        at_us = T0 + second * US
        events += fed(decoder, payload((pressure, None, None)), at_us, CUFF_PRESSURE)
    events += fed(decoder, payload(ONE), T0 + 30 * US)
    assert notices(events) == [("cuff_inflating", True), ("cuff_inflating", False)]
    assert [n.value for n in numerics(events) if n.channel == "cuff"] == [20, 90, 180, 120]
    assert bps(events) == [ONE]


def test_a_failed_reading_ends_the_inflation_too() -> None:
    decoder = DRIVER.decoder("cuff")
    fed(decoder, payload((90, None, None)), T0, CUFF_PRESSURE)
    assert notices(fed(decoder, payload(NONE), T0 + 30 * US)) == [
        ("cuff_inflating", False),
        ("nibp_failed", True),
    ]


def test_a_memory_does_not_end_the_inflation() -> None:
    decoder = DRIVER.decoder("cuff")
    fed(decoder, payload((90, None, None)), T0, CUFF_PRESSURE)
    events = fed(decoder, payload(TWO, stamp=stamped(T0 - HOUR)), T0 + US)
    assert "cuff_inflating" not in dict(notices(events))


def test_an_inflation_that_comes_to_nothing_has_failed_at_the_next() -> None:
    decoder = DRIVER.decoder("cuff")
    cuff = payload((90, None, None))
    fed(decoder, cuff, T0, CUFF_PRESSURE)
    assert notices(fed(decoder, cuff, T0 + INFLATING_US - 1, CUFF_PRESSURE)) == []
    events = fed(decoder, cuff, T0 + INFLATING_US, CUFF_PRESSURE)
    assert notices(events) == [
        ("cuff_inflating", False),
        ("nibp_failed", True),
        ("cuff_inflating", True),
    ]
    assert details(events, "nibp_failed") == ["the cuff gave no result within 180 s"]


def test_a_cuff_that_is_loose_says_so_while_it_inflates() -> None:
    data = payload((90, None, None), status=0x02)
    events = fed(DRIVER.decoder("cuff"), data, T0, CUFF_PRESSURE)
    assert notices(events) == [("cuff_inflating", True), ("cuff_loose", True)]
    assert latest(events) == {"cuff": 90}


# --- the simulated cuff and its settings ------------------------------------------------------


def test_the_simulated_cuff_sends_what_a_cuff_sends() -> None:
    values = {**dict(zip(NIBP, ONE, strict=True)), "pr": 72, "cuff": 30}
    assert DRIVER.encode(values, {Flag.ARTIFACT, Flag.IRREGULAR_PULSE}) == [
        (CUFF_PRESSURE, bytes.fromhex("141e00ff07ff07ff070000")),
        (BLOOD_PRESSURE, bytes.fromhex("1480004f005f0048000500")),
    ]
    assert DRIVER.encode({}, ()) == [(BLOOD_PRESSURE, bytes.fromhex("14ff07ff07ff07ff070000"))]


def test_a_reading_of_a_simulated_cuff_without_an_arm_has_failed() -> None:
    values = {**dict(zip(NIBP, ONE, strict=True)), "pr": 72}
    events = decode(DRIVER, DRIVER.encode(values, {Flag.SENSOR_OFF}))
    assert notices(events) == [("nibp_failed", True)]
    assert numerics(events) == []


def test_a_cuff_is_met_on_sight_and_paired() -> None:
    settings = DRIVER.settings
    assert isinstance(settings, BleSettings)
    assert (settings.on_sight, settings.bond, DRIVER.mode) == (True, True, "spot")
    assert settings.read == (CURRENT_TIME, DATE_TIME, BATTERY)
    assert DRIVER.can == frozenset()
