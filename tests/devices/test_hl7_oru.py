"""What is special about HL7: codes, units, whose message it is, and above all when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import registry
from devices.driver import Chunk, Decoder, Event
from devices.hl7 import frame
from simulators.monitor import SimulatedMonitor
from simulators.patient import Patient
from tests.devices.decoding import T0, decode, latest, notices, numerics
from tests.devices.hl7_messages import nibp, obx, oru, stamp
from vitals.channels import NIBP, plausible
from vitals.model import US, Flag, Notice, Numeric, Quality

DRIVER = registry.get("hl7-oru")


def bps(events: list[Event]) -> list[tuple[float | None, ...]]:
    """Readings as (sys, dia, map)."""
    found = [n.value for n in numerics(events) if n.channel in NIBP]
    return list(zip(found[0::3], found[1::3], found[2::3], strict=True))


def only(events: list[Event]) -> Numeric:
    (numeric,) = numerics(events)
    return numeric


def details(events: list[Event]) -> dict[str, str]:
    return {e.code: e.detail for e in events if isinstance(e, Notice) and e.active}


def feed(decoder: Decoder, message: bytes, after_s: float = 0.0) -> list[Event]:
    return decoder.feed(Chunk(message, T0 + round(after_s * US)))


def what(code: str, value: object = 97, unit: str = "262688^MDC_DIM_PERCENT^MDC") -> bytes:
    return oru(f"OBX|1|NM|{code}||{value}|{unit}|||||R")


# --- what it is -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        "150456^MDC_PULS_OXIM_SAT_O2^MDC",
        "150456^^MDC",
        "^MDC_PULS_OXIM_SAT_O2^",
        "MDC_PULS_OXIM_SAT_O2^^MDC".replace("MDC_PULS", "X^MDC_PULS").removesuffix("^^MDC"),
        "19384^MDC_PULS_OXIM_SAT_O2^MDC",
        "0002-4bb8^SpO2^MDIL",
        "59408-5^Oxygen saturation^LN",
        "2708-6^Oxygen saturation^LOINC",
        "2708-6",
        "59408-5^Oxygen saturation^LN^150456^MDC_PULS_OXIM_SAT_O2^MDC",
    ],
)
def test_a_saturation_by_any_of_its_names(code: str) -> None:
    assert latest(decode(DRIVER, what(code))) == {"spo2": 97}


@pytest.mark.parametrize(
    "code",
    [
        "19384^SpO2^MDC",  # 16 bit: of which partition?
        "150456^SpO2^99MAKER",
        "150456^MDC_PULS_OXIM_PULS_RATE^MDC",  # code and name disagree
        "59408-5^Oxygen saturation^99MAKER",
        "0002-4bb8^SpO2",
        "150457^MDC_SOMETHING^MDC",
        "",
    ],
)
def test_what_is_not_surely_a_saturation_is_passed_over(code: str) -> None:
    assert decode(DRIVER, what(code)) == []


def test_an_arterial_pressure_is_none_of_the_cuff_though_its_loinc_says_so() -> None:
    unit = "266016^MDC_DIM_MMHG^MDC"
    code = "150037^MDC_PRESS_BLD_ART_ABP_SYS^MDC^8480-6^Systolic^LN"
    assert decode(DRIVER, what(code, 120, unit)) == []


def test_heart_rate_and_pulse_rate_stay_apart() -> None:
    events = decode(DRIVER, oru(obx("hr", 61), obx("pr", 60)))
    assert latest(events) == {"hr": 61, "pr": 60}


def test_the_heart_rate_of_a_cuff_is_no_running_value() -> None:
    code, unit = "149546^MDC_PULS_RATE_NON_INV^MDC", "264864^MDC_DIM_BEAT_PER_MIN^MDC"
    assert decode(DRIVER, what(code, 74, unit)) == []


def test_of_two_of_one_kind_the_preferred_code_is_taken_then_the_first() -> None:
    chest = "OBX|1|NM|151578^MDC_TTHOR_RESP_RATE^MDC||19|264928^^MDC|||||R"
    general = "OBX|1|NM|151562^MDC_RESP_RATE^MDC||15|264928^^MDC|||||R"
    assert latest(decode(DRIVER, oru(chest, general))) == {"rr": 15}
    assert latest(decode(DRIVER, oru(obx("spo2", 97), obx("spo2", 91)))) == {"spo2": 97}


# --- whether there is a value -----------------------------------------------------------------


@pytest.mark.parametrize("status", ["X", "N", "O", "I"])
def test_a_status_that_means_none(status: str) -> None:
    found = only(decode(DRIVER, oru(obx("spo2", 97, status=status))))
    assert (found.value, found.quality) == (None, Quality.INVALID)


@pytest.mark.parametrize("status", ["C", "D", "W", "?"])
def test_a_status_that_changes_the_past_is_passed_over(status: str) -> None:
    assert decode(DRIVER, oru(obx("spo2", 97, status=status))) == []


@pytest.mark.parametrize("value", ["", "-999", "-1", "8388607", "abc", "1e2", "NaN", "0", "101"])
def test_what_is_no_saturation_is_none(value: str) -> None:
    assert only(decode(DRIVER, oru(obx("spo2", value)))).value is None


@pytest.mark.parametrize("mark", ["INV", "NAV", "CAL", "H~INV"])
def test_a_mark_that_means_none(mark: str) -> None:
    assert only(decode(DRIVER, oru(obx("spo2", 97, mark=mark)))).value is None


@pytest.mark.parametrize("mark", ["QUES", "EARLY"])
def test_a_mark_that_means_doubt(mark: str) -> None:
    found = only(decode(DRIVER, oru(obx("spo2", 97, mark=mark))))
    assert (found.value, found.quality) == (97, Quality.QUESTIONABLE)


def test_an_alarm_of_the_monitor_is_a_flag_and_a_notice_until_it_ends() -> None:
    decoder = DRIVER.decoder("bed-1")
    events = feed(decoder, oru(obx("spo2", 87, mark="L~ALACT")))
    assert numerics(events)[0].flags == {Flag.DEVICE_ALARM}
    events += feed(decoder, oru(obx("spo2", 97)))
    assert notices(events) == [("device_alarm", True), ("device_alarm", False)]


@pytest.mark.parametrize("mark", ["DEMO", "TEST"])
def test_demo_values_are_never_shown(mark: str) -> None:
    decoder = DRIVER.decoder("bed-1")
    lines = [line.replace("||||R", f"|{mark}|||R", 1) for line in nibp(128, 79, 95, stamp(-1))]
    assert f"|{mark}|||R" in lines[0]
    events = feed(decoder, oru(obx("spo2", 97, mark=mark), *lines, sent=stamp()))
    assert latest(events) == {"spo2": None}
    assert "demo" in details(events)["demo_data"]
    assert notices(feed(decoder, oru(obx("spo2", 97)))) == [("demo_data", False)]


@pytest.mark.parametrize("mode", ["T", "D", "T^T"])
def test_messages_that_are_not_of_production_are_never_shown(mode: str) -> None:
    events = decode(DRIVER, oru(obx("spo2", 97), mode=mode))
    assert latest(events) == {"spo2": None}
    assert notices(events) == [("demo_data", True)]


# --- units ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "unit", ["266016^MDC_DIM_MMHG^MDC", "mm[Hg]^^UCUM", "mmHg", "0004-0f20^mmHg^MDIL"]
)
def test_a_pressure_in_mmhg(unit: str) -> None:
    lines = [line.replace("266016^MDC_DIM_MMHG^MDC", unit) for line in nibp(128, 79, 95, stamp())]
    assert bps(decode(DRIVER, oru(*lines, sent=stamp()))) == [(128, 79, 95)]


@pytest.mark.parametrize("unit", ["265987^MDC_DIM_KILO_PASCAL^MDC", "kPa^^UCUM", "KPA"])
def test_a_pressure_in_kilopascal_is_converted(unit: str) -> None:
    lines = [line.replace("266016^MDC_DIM_MMHG^MDC", unit) for line in nibp(16, 10, 12, stamp())]
    assert bps(decode(DRIVER, oru(*lines, sent=stamp()))) == [(120, 75, 90)]


@pytest.mark.parametrize("unit", ["", "266080^MDC_DIM_CM_H2O^MDC", "3872^^MDC", "%"])
def test_a_pressure_in_any_other_unit_or_none_is_refused_and_said(unit: str) -> None:
    lines = [line.replace("266016^MDC_DIM_MMHG^MDC", unit) for line in nibp(128, 79, 95, stamp())]
    events = decode(DRIVER, oru(*lines, sent=stamp()))
    assert bps(events) == []
    assert notices(events) == [("unknown_unit", True)]


def test_a_saturation_needs_no_unit_but_no_other_one_either() -> None:
    code = "150456^^MDC"
    assert latest(decode(DRIVER, what(code, unit=""))) == {"spo2": 97}
    assert latest(decode(DRIVER, what(code, unit="mmHg"))) == {"spo2": None}


# --- when it was ------------------------------------------------------------------------------


def test_a_value_is_as_old_as_its_own_time_says_by_the_senders_clock() -> None:
    message = oru(obx("spo2", 97, stamp(27)), sent=stamp(30))
    found = only(decode(DRIVER, message))  # arrives at T0: the sender is 30 s ahead
    assert found.at_us == T0 - 3 * US
    assert found.device_at_us == T0 + 27 * US


def test_a_value_without_a_time_is_of_its_message() -> None:
    found = only(decode(DRIVER, oru(obx("spo2", 97), sent=stamp(2))))
    assert (found.at_us, found.device_at_us) == (T0, T0 + 2 * US)
    found = only(decode(DRIVER, oru(obx("spo2", 97))))
    assert (found.at_us, found.device_at_us) == (T0, None)


def test_a_value_that_is_sent_again_is_no_new_one() -> None:
    decoder = DRIVER.decoder("bed-1")
    assert latest(feed(decoder, oru(obx("spo2", 97, stamp()), sent=stamp()))) == {"spo2": 97}
    assert feed(decoder, oru(obx("spo2", 97, stamp()), sent=stamp(5)), 5) == []
    assert feed(decoder, oru(obx("spo2", 95, stamp(-5)), sent=stamp(6)), 6) == []
    assert latest(feed(decoder, oru(obx("spo2", 96, stamp(7)), sent=stamp(7)), 7)) == {"spo2": 96}


@pytest.mark.parametrize("off_s", [-3600, -121, 121, 3600])
def test_a_message_from_another_time_shows_nothing_and_says_so(off_s: int) -> None:
    decoder = DRIVER.decoder("bed-1")
    lines = (obx("spo2", 97, stamp(off_s)), *nibp(128, 79, 95, stamp(off_s)))
    events = feed(decoder, oru(*lines, sent=stamp(off_s)))
    assert latest(events) == {"spo2": None}
    assert f"{abs(off_s)} s apart" in details(events)["clock_differs"]
    assert notices(feed(decoder, oru(obx("spo2", 97), sent=stamp()))) == [("clock_differs", False)]


def test_a_monitor_whose_clock_is_off_by_itself_is_said_too() -> None:
    events = decode(DRIVER, oru(obx("spo2", 97, stamp(-600)), sent=stamp()))
    assert latest(events) == {"spo2": None}
    assert details(events)["clock_differs"].startswith("the monitor")


def test_a_blood_pressure_has_its_own_time_and_is_given_once() -> None:
    decoder = DRIVER.decoder("bed-1")
    feed(decoder, oru(obx("spo2", 97), sent=stamp()))
    events: list[Event] = []
    for second in range(60, 600, 10):
        lines = nibp(147, 90, 109, stamp(45))
        events += feed(decoder, oru(*lines, sent=stamp(second + 30)), second)
    assert bps(events) == [(147, 90, 109)]
    assert {n.at_us for n in numerics(events)} == {T0 + 15 * US}
    assert {n.device_at_us for n in numerics(events)} == {T0 + 45 * US}


def test_a_blood_pressure_that_was_there_before_the_link_is_none() -> None:
    decoder = DRIVER.decoder("bed-1")
    events = feed(decoder, oru(*nibp(147, 90, 109, stamp(-30)), sent=stamp()))
    events += feed(decoder, oru(*nibp(147, 90, 109, stamp(-30)), sent=stamp(5)), 5)
    assert events == []
    assert bps(feed(decoder, oru(*nibp(131, 84, 101, stamp(8)), sent=stamp(10)), 10)) == [
        (131, 84, 101)
    ]


def test_a_stored_blood_pressure_is_none_though_it_is_sent_for_the_first_time() -> None:
    decoder = DRIVER.decoder("bed-1")
    feed(decoder, oru(obx("spo2", 97), sent=stamp()))
    assert feed(decoder, oru(*nibp(147, 90, 109, stamp(300)), sent=stamp(421)), 421) == []


def test_an_older_blood_pressure_after_a_newer_one_is_none() -> None:
    decoder = DRIVER.decoder("bed-1")
    feed(decoder, oru(*nibp(147, 90, 109, stamp(-1)), sent=stamp()))
    assert feed(decoder, oru(*nibp(131, 84, 101, stamp(-2)), sent=stamp(1)), 1) == []


def test_parts_of_two_determinations_are_no_reading() -> None:
    old, new = nibp(147, 90, 109, stamp(-5)), nibp(131, 84, 101, stamp(-1))
    assert decode(DRIVER, oru(new[0], *old[1:], sent=stamp())) == []


def test_without_a_time_the_first_blood_pressure_is_old_and_a_changed_one_new() -> None:
    decoder = DRIVER.decoder("bed-1")
    given = []
    for bp in [(147, 90, 109)] * 3 + [(131, 84, 101)] * 3 + [(147, 90, 109)]:
        given += bps(feed(decoder, oru(*nibp(*bp), sent=stamp())))
    assert given == [(131, 84, 101), (147, 90, 109)]


def test_no_blood_pressure_yet_makes_the_first_one_new_and_later_means_nothing() -> None:
    decoder = DRIVER.decoder("bed-1")
    none = [line.replace("|R|", "|X|") for line in nibp(0, 0, 0)]
    assert feed(decoder, oru(*none)) == []
    assert bps(feed(decoder, oru(*nibp(131, 84, 101)))) == [(131, 84, 101)]
    assert feed(decoder, oru(*none)) == []
    assert feed(decoder, oru(*nibp(131, 84, 101))) == []


@pytest.mark.parametrize("bp", [(90, 147, 109), (147, 90, 150), (147, 90, 80), (300, 90, 109)])
def test_a_reading_that_cannot_be_is_invalid(bp: tuple[int, int, int]) -> None:
    found = numerics(decode(DRIVER, oru(*nibp(*bp, stamp(-1)), sent=stamp())))
    assert len(found) == 3
    assert found[0].value is None


def test_a_monitor_that_gives_no_mean_has_readings_too() -> None:
    found = latest(decode(DRIVER, oru(*nibp(128, 79, 95, stamp(-1))[:2], sent=stamp())))
    assert found == {"nibp_sys": 128, "nibp_dia": 79}


# --- whose it is ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"bed": "ICU^1^1"}, {"bed": "ICU^1^2"}),
        ({"pid": "A"}, {"pid": "B"}),
        ({"bed": "ICU", "pid": "A"}, {"bed": "ICU", "pid": "B"}),
    ],
)
def test_two_beds_never_become_one_patient(one: dict[str, str], two: dict[str, str]) -> None:
    decoder = DRIVER.decoder("bed-1")
    events: list[Event] = []
    for second in range(0, 100, 2):
        events += feed(decoder, oru(obx("spo2", 97), **one), second)
        events += feed(decoder, oru(obx("spo2", 80), **two), second + 1)
    assert {n.value for n in numerics(events)} == {97}
    assert len(numerics(events)) == 50
    assert notices(events) == [("several_patients", True)]
    assert "add ?bed= or ?pid=" in details(events)["several_patients"]
    events = [e for s in range(100, 170, 5) for e in feed(decoder, oru(obx("spo2", 97), **one), s)]
    assert notices(events) == [("several_patients", False)]


def test_the_next_patient_is_taken_when_the_one_before_has_been_silent_for_a_minute() -> None:
    decoder = DRIVER.decoder("bed-1")
    feed(decoder, oru(obx("spo2", 97), bed="ICU^1^1"))
    assert numerics(feed(decoder, oru(obx("spo2", 80), bed="ICU^1^2"), 59)) == []
    assert latest(feed(decoder, oru(obx("spo2", 80), bed="ICU^1^2"), 61)) == {"spo2": 80}
    assert numerics(feed(decoder, oru(obx("spo2", 97), bed="ICU^1^1"), 62)) == []


def test_the_next_patients_values_are_not_measured_by_the_last_ones_times() -> None:
    decoder = DRIVER.decoder("bed-1")
    last = (obx("spo2", 97, stamp(60)), *nibp(147, 90, 109, stamp(60)))
    feed(decoder, oru(*last, bed="A", sent=stamp(60)))
    following = (obx("spo2", 96, stamp(50)), *nibp(128, 79, 95, stamp(55)))
    events = feed(decoder, oru(*following, bed="B", sent=stamp(62)), 62)
    assert latest(events)["spo2"] == 96
    assert bps(events) == [(128, 79, 95)]


def test_a_bed_that_is_named_now_and_then_is_the_same() -> None:
    decoder = DRIVER.decoder("bed-1")
    messages = [oru(obx("spo2", 97), **whose) for whose in ({}, {"bed": "ICU^1"}, {"pid": "A"})]
    assert [latest(feed(decoder, message)) for message in messages] == [{"spo2": 97}] * 3


def test_several_patients_in_one_message_are_refused() -> None:
    decoder = DRIVER.decoder("bed-1")
    assert feed(decoder, oru(obx("spo2", 97), "PID|||B", obx("spo2", 80))) == []
    assert decoder.rejected == 1
    assert b"MSA|AE|42|several patients" in decoder.due(T0)


# --- what is answered -------------------------------------------------------------------------


def test_every_message_is_answered_once_in_its_order() -> None:
    decoder = DRIVER.decoder("bed-1")
    feed(decoder, b"".join(oru(obx("spo2", 97), control=str(i)) for i in range(5)))
    said = [decoder.due(T0) for _ in range(6)]
    assert [f"MSA|AA|{i}\r".encode() in said[i] for i in range(5)] == [True] * 5
    assert said[5] == b""
    assert {text[:1] + text[-2:] for text in said[:5]} == {b"\x0b\x1c\r"}


@pytest.mark.parametrize("kind", ["ORU^R40^ORU_R40", "ADT^A01", "ORU^W01", "", "QRY"])
def test_another_kind_of_message_is_refused(kind: str) -> None:
    decoder = DRIVER.decoder("bed-1")
    assert feed(decoder, oru(obx("spo2", 97), kind=kind)) == []
    assert decoder.rejected == 1
    assert b"MSA|AE|42|only ORU R01" in decoder.due(T0)


def test_an_old_message_is_accepted_for_sending_it_again_makes_it_no_younger() -> None:
    decoder = DRIVER.decoder("bed-1")
    feed(decoder, oru(obx("spo2", 97), sent=stamp(-3600)))
    assert b"MSA|AA|42\r" in decoder.due(T0)


def test_what_is_no_hl7_is_refused_and_not_answered() -> None:
    decoder = DRIVER.decoder("bed-1")
    feed(decoder, frame("hello") + frame("") + b"GET / HTTP/1.1\r\n\r\n")
    assert decoder.rejected == 3
    assert decoder.due(T0) == b""


def test_answers_that_nobody_fetches_are_not_kept_for_ever() -> None:
    decoder = DRIVER.decoder("bed-1")
    feed(decoder, oru() * 1000)
    assert sum(bool(decoder.due(T0)) for _ in range(1000)) == 64


# --- anything ---------------------------------------------------------------------------------

_words = st.sampled_from(
    ["150456", "MDC_PULS_OXIM_SAT_O2", "MDC", "147842", "8480-6", "LN", "97", "-999", "R", "X", "|",
     "^", "~", "\\", "&", "\r", "OBX", "PID", "PV1", "MSH", "ORU", "R01", stamp(), "%", "DEMO"]
)  # fmt: skip


@given(st.lists(st.one_of(_words, st.text(max_size=4)), max_size=60))
def test_no_fields_raise_or_show_what_cannot_be(words: list[str]) -> None:
    events = decode(DRIVER, oru(obx("spo2", 97), "".join(words), *nibp(128, 79, 95, stamp())))
    for n in numerics(events):
        assert n.value is None or plausible(n.channel, n.value)


# --- the simulator ----------------------------------------------------------------------------


def test_a_simulated_monitor_gives_the_patients_values() -> None:
    patient = Patient(1)
    monitor = SimulatedMonitor(DRIVER, patient, nibp_every_s=120)
    decoder = DRIVER.decoder("bed-1")
    events: list[Event] = []
    for _ in range(400):
        patient.advance(1.0)
        events += decoder.feed(Chunk(monitor.advance(1.0), monitor.now_us))
    assert decoder.rejected == 0
    assert len(bps(events)) == 4  # the one of its first half minute, and one in each two minutes
    assert latest(events)["spo2"] == pytest.approx(patient.value("spo2"), abs=2)
    assert len([n for n in numerics(events) if n.channel == "hr"]) == 400
