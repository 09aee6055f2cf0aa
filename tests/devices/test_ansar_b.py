"""What is special about ANSAR-B: waves before text in one frame, and pressures without an age."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices import registry
from devices.driver import Chunk, Event
from devices.drivers.ansar_b import Monitor
from tests.devices.decoding import (
    T0,
    FakePatient,
    bytewise,
    decode,
    feed,
    latest,
    notices,
    numerics,
    waveforms,
)
from vitals.channels import NIBP
from vitals.clock import US
from vitals.model import Notice, Quality

DRIVER = registry.get("ansar-b")
ZERO = bytes([100] * 200 + [0] * 50 + [86] * 50 + [80] * 50 + [251] * 50)
CAPTURED = {
    "HR": "1;80;ECG-II-DIAG;",
    "RR": "1;35;APNEA: 20 SEC;",
    "ETCO2": "1;;;",
    "SPO2": "1;100;PR=80 ;",
    "NIBP": "4;121;75;92;80;;",
    "P1": "3;111;73;88;;",
    "P2": "3;;;;NO TRANSDUCER;",
    "T1": "1;;;",
}
SHOWN = {"hr": 80, "rr": 35, "spo2": 100, "pr": 80}
BLANK, NEW, NEWER = "4;;;;;;", "4;133;82;99;84;;", "4;141;88;105;84;;"


def message(waves: bytes = ZERO, last: str = "\r", **lines: str) -> bytes:
    """A message with the captured lines, but for those that are given."""
    text = "\r".join(f"{name}={rest}" for name, rest in (CAPTURED | lines).items())
    return b"\xffANSAR-B " + waves + text.encode() + last.encode() + b"\xfe"


def bps(events: list[Event]) -> list[tuple[float | None, ...]]:
    """Readings as (sys, dia, map)."""
    found = [n.value for n in numerics(events) if n.channel in NIBP]
    return list(zip(found[0::3], found[1::3], found[2::3], strict=True))


# --- frame ------------------------------------------------------------------------------------


def test_message_is_laid_out_as_captured() -> None:
    values = {"hr": 80, "rr": 35, "spo2": 100, "pr": 80}
    values |= {"nibp_sys": 121, "nibp_dia": 75, "nibp_map": 92}
    sent = DRIVER.encode(values, ())[1][1]
    lines = sent[409:-1].decode().split("\r")
    wanted = [f"{name}={rest}" for name, rest in CAPTURED.items()]
    wanted[3] = "SPO2=1;100;PR=80 ;"
    wanted[4] = "NIBP=4;121;75;92;;;"
    wanted[5] = "P1=3;;;;NO TRANSDUCER;"
    assert lines == [*wanted, ""]
    assert (sent[:9], sent[-1]) == (b"\xffANSAR-B ", 0xFE)


@pytest.mark.parametrize("name", ["SPO2", "NIBP", "RR", "HR"])
@pytest.mark.parametrize("last", ["\r", "", "\r\n"])
def test_the_last_line_counts(name: str, last: str) -> None:
    order = [key for key in CAPTURED if key != name] + [name]
    lines = CAPTURED | {"NIBP": NEW}

    def sent(nibp: str) -> bytes:
        text = "\r".join(f"{key}={(lines | {'NIBP': nibp})[key]}" for key in order)
        return b"\xffANSAR-B " + ZERO + (text + last).encode() + b"\xfe"

    events = decode(DRIVER, sent(BLANK) + 2 * sent(NEW))
    assert latest(events) == SHOWN | {"nibp_sys": 133, "nibp_dia": 82, "nibp_map": 99}


def test_diastolic_stands_before_mean() -> None:
    events = decode(DRIVER, message() + 2 * message(NIBP=NEW))
    assert bps(events) == [(133, 82, 99)]


@pytest.mark.parametrize("byte", [0x11, 0x13, 0x0D, 0xFE, 0xFF])
def test_any_byte_may_stand_in_the_waves(byte: int) -> None:
    decoder = DRIVER.decoder("bed-1")
    events = feed(decoder, bytewise(2 * message(bytes([byte]) * 400)))
    assert latest(events) == SHOWN
    assert decoder.rejected == 0
    pleth = [wave for wave in waveforms(events) if wave.channel == "pleth"]
    assert [set(wave.values.tolist()) for wave in pleth] == [{byte}, {byte}]


@pytest.mark.parametrize("byte", [b"\x11", b"\x13", b"\x00", b"\x80", b"\xff"])
def test_text_with_a_byte_that_is_none_is_refused(byte: bytes) -> None:
    decoder = DRIVER.decoder("bed-1")
    spoilt = message()[:420] + byte + message()[420:]
    assert feed(decoder, [("", spoilt)]) == []
    assert latest(feed(decoder, [("", message())])) == SHOWN
    assert decoder.rejected == 1


@pytest.mark.parametrize("waves", [ZERO[1:], ZERO + b"V", ZERO + b"\r", ZERO[:-2]])
def test_a_lost_or_doubled_wave_byte_costs_the_message(waves: bytes) -> None:
    decoder = DRIVER.decoder("bed-1")
    if waves == ZERO + b"\r":  # an empty line: harmless
        assert latest(feed(decoder, [("", message(waves))])) == SHOWN
        return
    assert feed(decoder, [("", message(waves))]) == []
    assert latest(feed(decoder, [("", message())])) == SHOWN
    assert decoder.rejected == 1


@pytest.mark.parametrize("cut", [5, 9, 10, 300, 409, 410, 450, -1])
def test_a_message_cut_short_costs_no_other(cut: int) -> None:
    for waves in (ZERO, b"d" * 400):  # printable waves look like text
        decoder = DRIVER.decoder("bed-1")
        events = feed(decoder, [("", message(waves)[:cut] + message(waves) * 2)])
        assert len([n for n in numerics(events) if n.channel == "hr"]) == 2
        assert decoder.rejected == 1


def test_starts_in_the_middle_of_a_message() -> None:
    decoder = DRIVER.decoder("bed-1")
    events = feed(decoder, bytewise(message()[123:] + message() * 2))
    assert len([n for n in numerics(events) if n.channel == "hr"]) == 2
    assert decoder.rejected == 1


def test_text_without_an_end_is_given_up() -> None:
    decoder = DRIVER.decoder("bed-1")
    feed(decoder, [("", message()[:-1] + b"x" * 600)])
    assert latest(feed(decoder, [("", message())])) == SHOWN


# --- values -----------------------------------------------------------------------------------


def test_empty_fields_are_no_values() -> None:
    events = decode(DRIVER, message(HR="1;;ECG-II-DIAG;", RR="1;;;", SPO2="1;;PR=   ;"))
    assert set(latest(events).values()) == {None}


def test_a_line_that_is_missing_says_nothing() -> None:
    text = b"HR=1;80;ECG-II-DIAG;\rT2=1;36.5;;\r"
    events = decode(DRIVER, b"\xffANSAR-B " + ZERO + text + b"\xfe")
    assert latest(events) == {"hr": 80}
    ecg, pleth = waveforms(events)
    assert (ecg.quality, pleth.quality) == (Quality.GOOD, Quality.INVALID)


def test_a_heart_rate_from_another_source_than_the_ecg_is_not_one() -> None:
    assert latest(decode(DRIVER, message(HR="1;80;SPO2;")))["hr"] is None
    assert latest(decode(DRIVER, message(HR="1;80;;")))["hr"] == 80


SPO2_WORDS = {
    "NO SENSOR": "no_sensor",
    "SENSOR OFF": "sensor_off",
    "DEFECTIVE SENSOR": "sensor_fault",
    "PULSE SEARCH": "searching",
}


@pytest.mark.parametrize("words", SPO2_WORDS)
@pytest.mark.parametrize("line", ["1;97;PR=80 {};", "1;97;PR=80 ;{}"])
def test_numbers_that_are_left_over_without_a_pulse_are_not_passed_on(
    words: str, line: str
) -> None:
    events = decode(DRIVER, message(SPO2=line.format(words)))
    assert (SPO2_WORDS[words], True) in notices(events)
    found = latest(events)
    assert (found["spo2"], found["pr"], found["hr"]) == (None, None, 80)
    ecg, pleth = waveforms(events)
    assert (ecg.quality, pleth.quality) == (Quality.GOOD, Quality.INVALID)


@pytest.mark.parametrize("words", ["LOW PERFUSION", "INTERFERENCE", "MOTION", "WEAK SIGNAL"])
def test_a_poor_signal_is_questionable(words: str) -> None:
    events = decode(DRIVER, message(SPO2=f"1;97;PR=80 {words};"))
    trust = {n.channel: n.quality for n in numerics(events)}
    assert (trust["spo2"], trust["hr"]) == (Quality.QUESTIONABLE, Quality.GOOD)


def test_leads_off_is_not_the_oximeter_s_sensor() -> None:
    decoder = DRIVER.decoder("bed-1")
    events = feed(decoder, [("", message(HR="1;80;LEADS OFF;"))])
    assert notices(events) == [("leads_off", True)]
    assert latest(events) == SHOWN | {"hr": None}
    assert waveforms(events)[0].quality is Quality.INVALID
    assert notices(feed(decoder, [("", message())])) == [("leads_off", False)]


def test_alarms_are_said_in_the_monitor_s_words_when_they_change() -> None:
    decoder = DRIVER.decoder("bed-1")
    low = message(SPO2="1;84;PR=80 ;SPO2 LOW")
    both = message(SPO2="1;84;PR=80 ;SPO2 LOW", HR="1;150;ECG-II-DIAG;HR HIGH")
    events = feed(decoder, [("", low + low + both + message())])
    found = [(e.code, e.active, e.detail) for e in events if isinstance(e, Notice)]
    assert found == [
        ("device_alarm", True, "SPO2: SPO2 LOW"),
        ("device_alarm", True, "HR: HR HIGH; SPO2: SPO2 LOW"),
        ("device_alarm", False, ""),
    ]


# --- one reading for each determination -------------------------------------------------------


def test_a_pressure_that_was_there_before_us_is_never_a_reading() -> None:
    assert bps(decode(DRIVER, message() * 100)) == []


def test_a_new_pressure_is_given_once_with_the_time_it_was_first_seen() -> None:
    decoder = DRIVER.decoder("bed-1")
    events: list[Event] = []
    for second in range(600):
        seen = message(NIBP=NEW) if second >= 10 else message()
        events += decoder.feed(Chunk(seen, T0 + second * US))
    assert bps(events) == [(133, 82, 99)]
    assert {n.at_us for n in numerics(events) if n.channel in NIBP} == {T0 + 10 * US}


def test_a_pulse_that_runs_on_beside_it_makes_no_new_pressure() -> None:
    running = [message(NIBP=f"4;121;75;92;{pulse // 2};;") for pulse in range(140, 200)]
    assert bps(decode(DRIVER, b"".join(running))) == []


def test_a_pressure_seen_once_is_no_reading() -> None:
    events = decode(DRIVER, (message() + message(NIBP=NEW) + message(NIBP=NEWER)) * 3)
    assert bps(events) == []


def test_blanks_while_it_measures_make_no_old_pressure_new() -> None:
    blank = message(NIBP=BLANK)
    assert bps(decode(DRIVER, message() * 2 + blank * 30 + message() * 3)) == []
    assert bps(decode(DRIVER, blank * 3 + message() * 3)) == [(121, 75, 92)]
    partly = message(NIBP="4;160;;;;;")
    assert bps(decode(DRIVER, message() + partly * 30 + message(NIBP=NEW) * 3)) == [(133, 82, 99)]


@pytest.mark.parametrize("values", ["4;133;99;82;84;;", "4;82;133;99;84;;", "4;0;0;0;0;;"])
def test_pressures_in_no_possible_order_are_an_invalid_reading(values: str) -> None:
    assert bps(decode(DRIVER, message() + message(NIBP=values) * 3)) == [(None, None, None)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([NEW, NEWER, BLANK]), st.integers(2, 5))))
def test_as_many_readings_as_pressures_that_changed(taken: list[tuple[str, int]]) -> None:
    data = message() + b"".join(message(NIBP=nibp) * count for nibp, count in taken)
    whole = [nibp for nibp, _ in taken if nibp != BLANK]
    assert len(bps(decode(DRIVER, data))) == len(list(itertools.groupby(whole)))


# --- waves ------------------------------------------------------------------------------------


def test_waves_are_cut_out_at_their_places() -> None:
    waves = bytes([100] * 199 + [150]) + bytes(50) + bytes(range(50)) + bytes(100)
    ecg, pleth = waveforms(decode(DRIVER, message(waves)))
    assert (ecg.channel, ecg.rate_hz, ecg.start_us) == ("ecg", 200, T0 - US)
    np.testing.assert_allclose(ecg.values, [0.0] * 199 + [1.0], atol=1e-6)
    assert ecg.values.dtype == np.float32
    assert (pleth.channel, pleth.rate_hz, pleth.start_us) == ("pleth", 50, T0 - US)
    assert pleth.values.tolist() == list(range(50))


# --- device side ------------------------------------------------------------------------------


def test_device_sends_a_message_a_second_and_measures_by_its_own_clock() -> None:
    patient = FakePatient(hr=72, rr=14, spo2=97, pr=72, nibp_sys=128, nibp_dia=79, nibp_map=95)
    decoder, device = DRIVER.decoder("bed-1"), Monitor(patient)
    events: list[Event] = []
    sent = inflated = 0
    for now_us in range(T0, T0 + 60 * US, US // 20):
        answer = device.receive(b"hello", now_us) + device.poll(now_us)
        sent += bool(answer)
        inflated += device.inflating
        events += decoder.feed(Chunk(answer, now_us))
    assert sent == 59
    assert inflated == 30 * 20
    assert bps(events) == [(128, 79, 95)]
    assert decoder.rejected == 0


def test_device_draws_an_ecg_at_the_rate_it_shows() -> None:
    device = Monitor(FakePatient(hr=90))
    device.poll(T0)
    data = b"".join(device.poll(T0 + second * US) for second in range(1, 21))
    ecg = [wave for wave in waveforms(decode(DRIVER, data)) if wave.channel == "ecg"]
    high = np.concatenate([wave.values for wave in ecg]) > 0.5
    assert np.count_nonzero(np.diff(high.astype(int)) == 1) == pytest.approx(30, abs=1)


def test_device_wave_goes_on_from_second_to_second() -> None:
    class Ramp(FakePatient):
        def pleth(self, offset_s: float = 0.0) -> float:
            return 1 + offset_s

    device = Monitor(Ramp(hr=70, spo2=97))
    device.poll(T0)
    (pleth,) = [w for w in waveforms(decode(DRIVER, device.poll(T0 + US))) if w.channel == "pleth"]
    assert pleth.values.tolist() == [round(253 * i / 50) for i in range(1, 51)]


def test_device_shows_a_sensor_that_is_off_and_the_ecg_goes_on() -> None:
    device = Monitor(FakePatient("sensor_off", hr=70, spo2=97, pr=70))
    device.poll(T0)
    events = decode(DRIVER, device.poll(T0 + US))
    assert notices(events) == [("sensor_off", True)]
    assert latest(events)["hr"] == 70
    assert latest(events)["spo2"] is None
