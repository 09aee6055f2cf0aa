"""What is special about the Accutorr 3: a prompt, MEAN before DIA, and pressures with an age."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices import registry
from devices.driver import Chunk, Event
from devices.drivers.accutorr3 import Monitor
from tests.devices.decoding import T0, FakePatient, decode, feed, latest, notices, numerics
from vitals.channels import NIBP
from vitals.clock import US
from vitals.model import Flag, Numeric, Quality

DRIVER = registry.get("accutorr3")
ASK_PROMPT, ASK = b"\x03", b"P"
BPS = {"nibp_sys": 128.0, "nibp_dia": 79.0, "nibp_map": 95.0}
OLD = "128, 95, 79"
NEW = "133, 99, 82"


def reply(
    nibp: str = OLD, minutes: int | str = 7, status: str = "000,000,000", sat: str = " 97"
) -> bytes:
    return f"P:{sat}, 72,{nibp},{status},{minutes:>3}\r\n>".encode()


def bps(events: list[Event]) -> list[tuple[float | None, ...]]:
    """Readings as (sys, dia, map)."""
    found = [n.value for n in numerics(events) if n.channel in NIBP]
    return list(zip(found[0::3], found[1::3], found[2::3], strict=True))


# --- what is sent -----------------------------------------------------------------------------


def test_asks_for_the_prompt_and_then_for_data_once_a_second() -> None:
    decoder = DRIVER.decoder("bed-1")
    assert decoder.due(T0) == ASK_PROMPT
    assert decoder.due(T0) == b""
    decoder.feed(Chunk(b">", T0))
    assert decoder.due(T0) == ASK
    decoder.feed(Chunk(reply(), T0))
    assert decoder.due(T0 + US - 1) == b""
    assert decoder.due(T0 + US) == ASK
    assert decoder.rejected == 0


def test_no_command_is_sent_without_the_prompt() -> None:
    decoder = DRIVER.decoder("bed-1")
    decoder.due(T0)
    decoder.feed(Chunk(b">", T0))
    decoder.due(T0)
    decoder.feed(Chunk(reply()[:-1], T0))
    assert decoder.due(T0 + US) == ASK_PROMPT
    decoder.feed(Chunk(b">", T0 + US))
    assert decoder.due(T0 + US) == ASK


def test_a_monitor_that_shows_no_prompt_is_asked_all_the_same() -> None:
    decoder = DRIVER.decoder("bed-1")
    assert [decoder.due(T0 + i * US) for i in range(3)] == [ASK_PROMPT, ASK, ASK_PROMPT]
    assert decoder.rejected == 1  # the reply that did not come


def test_limits_are_never_asked_for() -> None:
    decoder, device = DRIVER.decoder("bed-1"), Monitor(FakePatient())
    said = b""
    for now_us in range(T0, T0 + 30 * US, US // 10):
        said += (out := decoder.due(now_us))
        decoder.feed(Chunk(device.receive(out, now_us), now_us))
    assert set(said) == {*ASK_PROMPT, *ASK}


# --- the order of the fields ------------------------------------------------------------------


def test_mean_stands_before_diastolic() -> None:
    events = decode(DRIVER, reply() + 2 * reply("133, 99, 82", 0))
    assert {n.channel: n.value for n in numerics(events) if n.channel in NIBP} == {
        "nibp_sys": 133,
        "nibp_map": 99,
        "nibp_dia": 82,
    }
    sent = DRIVER.encode({"nibp_sys": 133, "nibp_map": 99, "nibp_dia": 82, "spo2": 97}, ())[1][1]
    assert sent == b"P: 97,--,133, 99, 82,000,000,000,  0\r\n>"


@pytest.mark.parametrize("values", ["120, 45, 80", " 99,133, 82", "  0,  0,  0"])
def test_values_in_no_possible_order_are_an_invalid_reading(values: str) -> None:
    events = decode(DRIVER, reply() + 2 * reply(values, 0))
    assert bps(events) == [(None, None, None)]
    found = [n for n in numerics(events) if n.channel in NIBP]
    assert {n.quality for n in found} == {Quality.INVALID}


# --- one reading for each determination -------------------------------------------------------


def test_what_was_there_before_us_is_never_a_reading() -> None:
    for minutes in (0, 1, 7):
        assert bps(decode(DRIVER, reply(minutes=minutes) * 5)) == []


def test_a_new_reading_is_given_once_with_the_time_it_was_first_seen() -> None:
    decoder = DRIVER.decoder("bed-1")
    events = []
    for second in range(600):
        seen = reply() if second < 10 else reply(NEW, (second - 10) // 60)
        events += decoder.feed(Chunk(seen, T0 + second * US))
    assert bps(events) == [(133, 82, 99)]
    assert {n.at_us for n in numerics(events) if n.channel in NIBP} == {T0 + 10 * US}


def test_the_same_values_again_are_new_when_the_minutes_have_fallen() -> None:
    assert bps(decode(DRIVER, reply() + 2 * reply(OLD, 0))) == [(128, 79, 95)]


@pytest.mark.parametrize("last", [99, 255, 999])
def test_a_minute_counter_that_runs_over_is_no_reading(last: int) -> None:
    assert bps(decode(DRIVER, reply(OLD, last) + 2 * reply(OLD, 0))) == []


def test_two_readings_within_a_minute_are_two() -> None:
    events = decode(DRIVER, reply() + 2 * reply(NEW, 0) + 2 * reply("141,105, 88", 0))
    assert bps(events) == [(133, 82, 99), (141, 88, 105)]


def test_an_old_reading_that_comes_back_after_blanks_is_still_old() -> None:
    blank = reply(" --, --, --", "--")
    events = decode(DRIVER, reply(minutes=0) + 3 * blank + 3 * reply(minutes=1))
    assert bps(events) == []
    assert bps(decode(DRIVER, blank + 3 * reply(minutes=0))) == [(128, 79, 95)]


def test_values_that_changed_long_ago_are_no_reading() -> None:
    assert bps(decode(DRIVER, reply() + 3 * reply(NEW, 2))) == []


def test_a_reply_seen_once_is_no_reading() -> None:
    garbled = reply("133, 99, 82", 0)
    events = decode(DRIVER, reply() + garbled + reply() + garbled + reply())
    assert bps(events) == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([OLD, NEW, "141,105, 88"]), st.integers(2, 40))))
def test_as_many_readings_as_determinations(taken: list[tuple[str, int]]) -> None:
    decoder = DRIVER.decoder("bed-1")
    events = feed(decoder, [("", reply(minutes=7))])
    for values, minutes in taken:
        for minute in range(minutes):
            events += feed(decoder, [("", 2 * reply(values, minute))])
    assert len(bps(events)) == len(taken)


# --- the oximeter -----------------------------------------------------------------------------


def test_a_pulse_rate_without_saturation_is_that_of_the_cuff_and_old() -> None:
    assert latest(decode(DRIVER, reply(sat=" --"))) == {"spo2": None, "pr": None}


STATUS = {
    "001,000": {"no_sensor"},
    "002,000": {"sensor_off"},
    "004,000": {"interference"},
    "008,000": {"searching"},
    "016,000": {"weak_signal"},
    "032,000": {"searching", "out_of_track"},
    "064,000": {"weak_signal"},
    "128,000": {"device_alarm"},
    "000,001": {"device_alarm"},
    "000,002": {"sensor_fault"},
    "000,004": {"device_alarm"},
    "000,008": {"sensor_fault"},
    "000,016": {"sensor_fault"},
    "000,032": {"sensor_fault"},
    "000,064": {"sensor_fault"},
    "000,128": {"sensor_fault"},
}


@pytest.mark.parametrize("status", STATUS)
def test_every_status_bit_is_said_when_it_comes_and_when_it_goes(status: str) -> None:
    decoder = DRIVER.decoder("bed-1")
    events = feed(decoder, [("", 2 * reply(status=f"{status},000"))])
    assert set(notices(events)) == {(code, True) for code in STATUS[status]}
    assert {str(flag) for flag in numerics(events)[0].flags} == STATUS[status]
    ended = notices(feed(decoder, [("", reply())]))
    assert set(ended) == {(code, False) for code in STATUS[status]}


@pytest.mark.parametrize("status", ["001", "002", "008", "010", "016", "032", "040", "064"])
def test_no_value_when_either_radix_says_that_there_is_none(status: str) -> None:
    assert set(latest(decode(DRIVER, reply(status=f"{status},000,000"))).values()) == {None}


@pytest.mark.parametrize("status", ["000", "004", "128"])
def test_values_stay_when_no_radix_forbids_them(status: str) -> None:
    found = latest(decode(DRIVER, reply(status=f"{status},000,000")))
    assert found == {"spo2": 97, "pr": 72}


# --- the cuff ---------------------------------------------------------------------------------


def test_overpressure_is_a_failed_reading_and_said_once() -> None:
    decoder = DRIVER.decoder("bed-1")
    failed = reply(status="000,000,001")
    assert notices(feed(decoder, [("", reply() + 5 * failed)])) == [("nibp_failed", True)]
    assert notices(feed(decoder, [("", reply())])) == []
    assert notices(feed(decoder, [("", failed)])) == [("nibp_failed", True)]


def test_a_failure_that_was_there_before_us_is_not_said() -> None:
    assert notices(decode(DRIVER, 3 * reply(status="000,000,001"))) == []


def test_motion_makes_the_pressure_questionable_and_not_the_oximeter() -> None:
    events = decode(DRIVER, reply() + 2 * reply(NEW, 0, "000,000,002"))
    assert notices(events) == [("cuff_motion", True)]
    trust = {n.channel: (n.quality, n.flags) for n in numerics(events)}
    assert trust["nibp_sys"] == (Quality.QUESTIONABLE, {Flag.ARTIFACT})
    assert trust["spo2"] == (Quality.GOOD, frozenset())


# --- what stands around a reply ---------------------------------------------------------------


@pytest.mark.parametrize("before", [b">", b"> ", b">P", b"ACCUTORR PC Interface is ready\r\n>"])
def test_prompt_echo_and_banner_are_no_fault(before: bytes) -> None:
    decoder = DRIVER.decoder("bed-1")
    assert latest(feed(decoder, [("", before + reply())])) == {"spo2": 97, "pr": 72}
    assert decoder.rejected == 0


@pytest.mark.parametrize(
    "line",
    [
        b"P: 97, 72,128, 95, 79,000,000,000\r",
        b"P: 97, 72,128, 95, 79,000,000,000,  7,  1\r",
        b"P: 97, 72,128, 95, 79,000,000,0x0,  7\r",
        b"P: 97, 72,1283, 95, 79,000,000,000,  7\r",
        b"L:100, 85,120, 50,160, 90,110, 60, 90, 50\r",
    ],
)
def test_other_lines_are_refused(line: bytes) -> None:
    decoder = DRIVER.decoder("bed-1")
    assert feed(decoder, [("", line)]) == []
    assert decoder.rejected == 1


# --- device side ------------------------------------------------------------------------------


def test_device_greets_and_answers_single_characters() -> None:
    device = Monitor(FakePatient(spo2=97, pr=72))
    assert device.poll(T0) == b"ACCUTORR PC Interface is ready\r\n>"
    assert device.receive(b"\x03", T0) == b">"
    assert device.receive(b"x", T0) == b""
    assert device.receive(b"P", T0) == b"P: 97, 72,--,--,--,000,000,000,--\r\n>"


def test_device_measures_every_five_minutes_and_each_is_read_once() -> None:
    patient = FakePatient(spo2=97, pr=72, **BPS)
    decoder, device = DRIVER.decoder("bed-1"), Monitor(patient)
    events: list[Event] = []
    inflated = 0
    for now_us in range(T0, T0 + 20 * 60 * US, US // 4):
        answer = device.poll(now_us) + device.receive(decoder.due(now_us), now_us)
        events += decoder.feed(Chunk(answer, now_us))
        inflated += device.inflating
    assert bps(events) == [(128, 79, 95)] * 4
    assert inflated == 4 * 25 * 4
    assert decoder.rejected == 0


def test_device_shows_a_failed_reading() -> None:
    patient = FakePatient(spo2=97, pr=72)
    decoder, device = DRIVER.decoder("bed-1"), Monitor(patient)
    events: list[Event] = []
    for now_us in range(T0, T0 + 60 * US, US // 4):
        answer = device.poll(now_us) + device.receive(decoder.due(now_us), now_us)
        events += decoder.feed(Chunk(answer, now_us))
    assert notices(events) == [("nibp_failed", True)]
    assert not [e for e in events if isinstance(e, Numeric) and e.channel in NIBP]
