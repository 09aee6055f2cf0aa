"""What is special about Masimo ASCII 1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import registry
from tests.devices.decoding import (
    decode,
    feed,
    joined,
    latest,
    notices,
    numerics,
    vectors,
)
from vitals.model import Flag, Notice, Quality

DRIVER = registry.get("masimo-ascii1")
KNOWN = {v["id"]: bytes.fromhex(v["hex"]) for v in vectors("masimo-ascii1")["vectors"]}
RAD_8 = KNOWN["rad-8"].split(b"\r\n")[0] + b"\r\n"
SHOWN = {"spo2": 98, "pr": 97, "pi": 3.6}


def with_exc(exc: str) -> bytes:
    return RAD_8.replace(b"EXC=000800", b"EXC=" + exc.encode())


def test_encode_is_the_captured_line_but_for_clock_and_serial_number() -> None:
    ours = joined(DRIVER.encode({"spo2": 98, "pr": 97, "pi": 3.6}, ()))
    at = RAD_8.index(b" SPO2")
    assert ours[ours.index(b" SPO2") :] == RAD_8[at:]
    assert len(ours) == len(RAD_8)


@pytest.mark.parametrize("exc", ["000800", "800", "0000800", "000000", "000"])
def test_masimo_set_is_normal(exc: str) -> None:
    events = decode(DRIVER, with_exc(exc))
    assert notices(events) == []
    assert {(n.quality, n.flags) for n in numerics(events)} == {(Quality.GOOD, frozenset())}
    assert latest(events) == SHOWN


@pytest.mark.parametrize(
    ("exc", "flag", "trust"),
    [
        ("801", Flag.NO_SENSOR, Quality.INVALID),
        ("802", Flag.SENSOR_FAULT, Quality.INVALID),
        ("804", Flag.LOW_PERFUSION, Quality.QUESTIONABLE),
        ("808", Flag.SEARCHING, Quality.INVALID),
        ("810", Flag.INTERFERENCE, Quality.QUESTIONABLE),
        ("820", Flag.SENSOR_OFF, Quality.INVALID),
        ("840", Flag.INTERFERENCE, Quality.QUESTIONABLE),
        ("880", Flag.SENSOR_FAULT, Quality.INVALID),
        ("C00", Flag.WEAK_SIGNAL, Quality.QUESTIONABLE),
    ],
)
def test_every_exception_bit_has_its_flag(exc: str, flag: Flag, trust: Quality) -> None:
    for digits in (exc, "000" + exc, "0000" + exc):
        events = decode(DRIVER, with_exc(digits))
        assert {(n.quality, n.flags) for n in numerics(events)} == {(trust, frozenset({flag}))}
        assert notices(events) == [(flag, True)]


def test_encode_says_every_flag_that_the_line_has() -> None:
    in_exc = [Flag(code) for code, _ in notices(decode(DRIVER, with_exc("000FFF")))]
    assert len(in_exc) == 7
    for flag in (*in_exc, Flag.DEVICE_ALARM):
        events = decode(DRIVER, DRIVER.encode(SHOWN, {flag}))
        assert {n.flags for n in numerics(events)} == {frozenset({flag})}


def test_encode_holds_spo2_and_rate_of_a_sensor_that_is_off_as_a_rad_8_does() -> None:
    line = joined(DRIVER.encode(SHOWN, {Flag.SENSOR_OFF}))
    assert b" SPO2=098% BPM=097 PI=--.--% " in line
    assert line.endswith(b" EXC=000820\r\n")


def test_held_numbers_of_a_sensor_that_is_off_are_not_shown() -> None:
    held = KNOWN["sensor-off-spo2-held"]
    assert b"SPO2=098% BPM=101" in held
    events = feed(DRIVER.decoder("bed-1"), [("", RAD_8 + held * 10)])
    assert {n.value for n in numerics(events)[3:]} == {None}


@pytest.mark.parametrize("none", [b"000%", b"---%", b"--%", b"---", b"-"])
def test_000_and_dashes_are_no_value_even_without_a_fault_bit(none: bytes) -> None:
    line = RAD_8.replace(b"098%", none).replace(b"BPM=097", b"BPM=" + none)
    decoder = DRIVER.decoder("bed-1")
    events = feed(decoder, [("", line)])
    assert latest(events) == {"spo2": None, "pr": None, "pi": 3.6}
    assert decoder.rejected == 0


@pytest.mark.parametrize("none", [b"PI=00.00%", b"PI=--.--%", b"PI=--.--", b"PI=-", b"X=1"])
def test_pi_may_be_missing_in_several_ways(none: bytes) -> None:
    line = RAD_8.replace(b"PI=03.60%", none)
    assert latest(decode(DRIVER, line)) == {"spo2": 98, "pr": 97, "pi": None}


@pytest.mark.parametrize("which", range(4))
def test_the_trend_memory_is_never_shown(which: int) -> None:
    events = decode(DRIVER, KNOWN[f"trend-{which}"] * 50)
    assert numerics(events) == []
    (said,) = events
    assert isinstance(said, Notice)
    assert (said.code, said.active) == ("wrong_mode", True)
    assert "ASCII 1" in said.detail


def test_trend_lines_between_live_ones_change_no_value() -> None:
    decoder = DRIVER.decoder("bed-1")
    events = feed(decoder, [("", RAD_8 + KNOWN["trend-2"] + RAD_8 + RAD_8)])
    assert [n.value for n in numerics(events)] == [98, 97, 3.6] * 3
    assert notices(events) == [("wrong_mode", True), ("wrong_mode", False)]
    assert decoder.rejected == 0


def test_the_last_line_is_read_as_soon_as_it_ends() -> None:
    for end in (b"\r\n", b"\n\r", b"\n", b"\r"):
        data = end.join(KNOWN["rad-8"].split(b"\r\n")[:5]) + end[:1]
        found = [n.value for n in numerics(decode(DRIVER, data)) if n.channel == "pr"]
        assert found == [97, 96, 96, 96, 97]


TOKENS = RAD_8.decode().split()


@given(tokens=st.permutations(TOKENS[2:]), more=st.lists(st.sampled_from(["PVI=027", "A1=x"])))
def test_keys_are_found_wherever_they_stand(tokens: list[str], more: list[str]) -> None:
    line = " ".join([*TOKENS[:2], *tokens, *dict.fromkeys(more)]) + "\r\n"
    assert latest(decode(DRIVER, line.encode())) == SHOWN


@pytest.mark.parametrize("key", ["SPO2", "BPM", "EXC"])
def test_a_line_without_a_value_or_the_exceptions_is_refused(key: str) -> None:
    kept = [token for token in TOKENS if not token.startswith(key + "=")]
    decoder = DRIVER.decoder("bed-1")
    assert feed(decoder, [("", " ".join(kept).encode() + b"\r\n")]) == []
    assert decoder.rejected == 1


def test_a_key_that_comes_twice_is_two_lines_run_into_one() -> None:
    twice = RAD_8.replace(b" PI=", b" SPO2=088% PI=")
    assert decode(DRIVER, twice) == []


@pytest.mark.parametrize("lost", range(len(RAD_8)))
def test_a_lost_character_never_makes_another_number_or_flag(lost: int) -> None:
    decoder = DRIVER.decoder("bed-1")
    events = feed(decoder, [("", RAD_8[:lost] + RAD_8[lost + 1 :] + RAD_8)])
    for channel, value in SHOWN.items():
        assert {n.value for n in numerics(events) if n.channel == channel} <= {value, None}
    assert {n.flags for n in numerics(events)} <= {frozenset()}


@pytest.mark.parametrize("bits", [0x01, 0x02, 0x04, 0x08, 0x10, 0x12, 0x18])
def test_an_alarm_of_the_device_is_told_and_leaves_its_values_good(bits: int) -> None:
    for width in (2, 4, 6):
        alarm = f"ALARM={bits:0{width}X}".encode()
        events = decode(DRIVER, RAD_8.replace(b"ALARM=0000", alarm))
        assert notices(events) == [("device_alarm", True)]
        assert {n.quality for n in numerics(events)} == {Quality.GOOD}


def test_a_silenced_alarm_is_told_when_it_begins_and_ends() -> None:
    decoder = DRIVER.decoder("bed-1")
    silenced = RAD_8.replace(b"ALARM=0000", b"ALARM=0032")
    said = [notices(feed(decoder, [("", line)])) for line in (silenced, silenced, RAD_8)]
    assert said[0] == [("alarm_silenced", True), ("device_alarm", True)]
    assert said[1] == []
    assert said[2] == [("alarm_silenced", False), ("device_alarm", False)]
