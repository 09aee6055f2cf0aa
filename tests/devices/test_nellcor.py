"""What is special about Nellcor's printed lines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from devices import registry
from devices.driver import Chunk, Decoder, Event
from tests.devices.decoding import (
    T0,
    bytewise,
    decode,
    feed,
    joined,
    latest,
    notices,
    numerics,
    vectors,
)
from vitals.clock import US
from vitals.model import Flag, Notice, Quality

DRIVER = registry.get("nellcor")
XON = b"\x11"
HEADING = (
    b"N-560    VERSION 1.56.00    CRC:XXXX  SpO2 Limit: 90-100%    PR Limit: 60-170BPM\r\n"
    b"                             ADULT            0SAT-S \r\n"
    b"TIME                 %SpO2   BPM     PA     Status\r\n"
)
TREND = (
    b"NPB-290 VERSION 1.0.0.1 TREND SpO2 Limit: 30-100% PR Limit: 100-180BPM\r\n"
    b"TIME %SPO2 BPM PA\r\n"
)
MIDNIGHT = datetime(1998, 11, 12, tzinfo=UTC)


def row(spo2: str = " 97 ", pr: str = " 72 ", codes: str = "", clock_s: int = 0) -> bytes:
    """A data line; the numbers are four wide, with room for a star."""
    stamp = (MIDNIGHT + timedelta(seconds=clock_s)).strftime("%d-%b-%y %H:%M:%S")
    return f"{stamp}   {spo2}    {pr}     50    {codes:<17}\r\n".encode()


def printed(decoder: Decoder, count: int, gap_us: int, first_s: int = 0) -> list[Event]:
    """Lines 2 s apart by the monitor's clock, and `gap_us` by ours."""
    events: list[Event] = []
    for i in range(count):
        data = row(clock_s=first_s + 2 * i)
        events += decoder.feed(Chunk(data, T0 + first_s * US + i * gap_us))
    return events


def test_line_is_laid_out_as_captured() -> None:
    captured = "29-Dec-17 07:18:57    89*     66     201    MO SL            "
    sent = joined(DRIVER.encode({"spo2": 89, "pr": 66}, {Flag.ARTIFACT, Flag.DEVICE_ALARM}))
    assert sent.decode()[18:37] == captured[18:37]
    assert sent.decode()[40:] == captured[40:] + "\r\n"
    off = "29-Dec-17 07:19:59   ---     ---     ---    SO               "
    sent = joined(DRIVER.encode({"spo2": 89, "pr": 66}, {Flag.SENSOR_OFF}))
    assert sent.decode()[18:] == off[18:] + "\r\n"


@pytest.mark.parametrize("end", [b"\r\n", b"\n\r", b"\r", b"\n"])
def test_lines_may_end_in_any_way(end: bytes) -> None:
    events = decode(DRIVER, (row() + row(" 96 ")).replace(b"\r\n", end))
    assert [n.value for n in numerics(events)] == [97, 72, 96, 72]


CODES = {
    "SD": {"no_sensor"},
    "SO": {"sensor_off"},
    "PS": {"searching"},
    "LP": {"searching", "out_of_track"},
    "LM": {"searching", "out_of_track", "interference"},
    "MO": {"artifact"},
    "LB": {"low_battery"},
    "SH": {"device_alarm"},
    "SL": {"device_alarm"},
    "PH": {"device_alarm"},
    "PL": {"device_alarm"},
    "AS": {"alarm_silenced"},
    "AO": {"alarm_off"},
}


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_said_when_it_comes_and_when_it_goes(code: str) -> None:
    decoder = DRIVER.decoder("bed-1")
    assert set(notices(feed(decoder, [("", row(codes=code))]))) == {(c, True) for c in CODES[code]}
    assert notices(feed(decoder, [("", row(codes=code))])) == []
    assert set(notices(feed(decoder, [("", row())]))) == {(c, False) for c in CODES[code]}


def test_all_codes_of_a_line_count() -> None:
    (spo2, _) = numerics(decode(DRIVER, row(codes="MO SL LB    AS")))
    assert spo2.flags == {Flag.ARTIFACT, Flag.DEVICE_ALARM, Flag.LOW_BATTERY}


@pytest.mark.parametrize("code", ["SD", "SO", "PS", "LP", "LM"])
def test_numbers_that_are_left_over_without_a_pulse_are_not_passed_on(code: str) -> None:
    found = numerics(decode(DRIVER, row(codes=code)))
    assert {(n.value, n.quality) for n in found} == {(None, Quality.INVALID)}


@pytest.mark.parametrize(("spo2", "pr"), [("103*", " 72 "), (" 97 ", " 72*")])
def test_a_star_marks_a_number_outside_its_limits(spo2: str, pr: str) -> None:
    found = numerics(decode(DRIVER, row(spo2, pr)))
    assert all(n.flags == {Flag.DEVICE_ALARM} for n in found)
    assert found[1].value == 72


def test_an_unknown_code_is_said_and_spoils_nothing() -> None:
    events = decode(DRIVER, row(codes="BU MO"))
    (unknown,) = [e for e in events if isinstance(e, Notice) and e.code == "unknown_status"]
    assert unknown.active
    assert "code BU," in unknown.detail
    assert latest(events) == {"spo2": 97, "pr": 72}


def test_headings_say_nothing_and_are_no_fault() -> None:
    decoder = DRIVER.decoder("bed-1")
    assert feed(decoder, [("", HEADING + b"\r\n")]) == []
    assert decoder.rejected == 0


@pytest.mark.parametrize(
    "line",
    [
        b"12-NOV-98 14:00:05   100     120\r\n",
        b"2-NOV-98 14:00:05   100     120      50\r\n",
        b"12-NOV-98 14:00:05   1000    120      50\r\n",
        b"12-NOV-98 14:00:05   100     12A      50\r\n",
        b"12-NOV-98 14:00:05   100     120      50    MO%\r\n",
        b"NPB-595   Interactive Mode\r\n",
    ],
)
def test_other_lines_are_refused(line: bytes) -> None:
    decoder = DRIVER.decoder("bed-1")
    assert feed(decoder, [("", line)]) == []
    assert decoder.rejected == 1


# --- columns ----------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [21, 22, 29, 30])
def test_a_line_that_lost_a_digit_is_refused(lost: int) -> None:
    decoder = DRIVER.decoder("bed-1")
    good, bad = row("100 ", "120 "), bytearray(row("100 ", "120 "))
    del bad[lost]
    events = feed(decoder, [("", good + bytes(bad) + good)])
    assert [n.value for n in numerics(events)] == [100, 120, 100, 120]
    assert decoder.rejected == 1


def test_columns_move_when_two_lines_agree() -> None:
    decoder = DRIVER.decoder("bed-1")
    moved = row().replace(b"   ", b"    ", 1)
    assert latest(feed(decoder, [("", row() + moved)])) == {"spo2": 97, "pr": 72}
    assert decoder.rejected == 1
    assert len(numerics(feed(decoder, [("", moved + moved)]))) == 4
    assert decoder.rejected == 1


def test_lines_without_columns_are_read_by_their_blanks() -> None:
    rows = b"12-NOV-98 14:00:05 100 120 50\r\n12-NOV-98 14:00:07 97 66 9 MO\r\n"
    assert [n.value for n in numerics(decode(DRIVER, rows))] == [100, 120, 97, 66]


# --- XON and XOFF -----------------------------------------------------------------------------


@pytest.mark.parametrize("stray", [b"\x11", b"\x13"])
def test_flow_control_inside_a_line_is_taken_out(stray: bytes) -> None:
    for at in range(len(row())):
        decoder = DRIVER.decoder("bed-1")
        data = row()[:at] + stray + row()[at:] + row()
        assert len(numerics(feed(decoder, bytewise(data)))) == 4
        assert decoder.rejected == 0


def test_xon_is_sent_when_output_stops() -> None:
    decoder = DRIVER.decoder("bed-1")
    said = {}
    for tenth in range(120):
        now_us = T0 + tenth * US // 10
        if tenth in (20, 40):
            decoder.feed(Chunk(row(clock_s=tenth // 10), now_us))
        if out := decoder.due(now_us):
            said[tenth / 10] = out
    assert said == {7.1: XON, 10.2: XON}


# --- stored readings --------------------------------------------------------------------------


def test_a_printed_trend_is_never_shown_as_live() -> None:
    decoder = DRIVER.decoder("bed-1")
    assert latest(printed(decoder, 1, 0)) == {"spo2": 97, "pr": 72}
    events = feed(decoder, [("", TREND)])
    events += printed(decoder, 200, US // 16)
    assert set(latest(events).values()) == {None}
    assert {n.quality for n in numerics(events)} == {Quality.INVALID}
    assert notices(events) == [("stored_data", True)]
    assert decoder.rejected == 0
    pairs = len(numerics(events)) / 2
    assert 10 < pairs < 16  # about once a second, so that the link is known to be alive


@pytest.mark.parametrize("end", [HEADING, b"Output Complete\r\n"])
def test_live_lines_after_a_trend_count_again(end: bytes) -> None:
    decoder = DRIVER.decoder("bed-1")
    feed(decoder, [("", TREND + row() + end)])
    assert latest(printed(decoder, 1, 0)) == {"spo2": 97, "pr": 72}


def test_the_end_of_a_trend_is_said() -> None:
    events = decode(DRIVER, TREND + row() + b"Output Complete\r\n" + row())
    assert notices(events) == [("stored_data", True), ("stored_data", False)]


def test_a_trend_whose_heading_was_missed_is_known_by_its_pace() -> None:
    decoder = DRIVER.decoder("bed-1")
    events = printed(decoder, 300, US // 16)
    shown = [n for n in numerics(events) if n.value is not None]
    assert len(shown) == 2 * 30  # two seconds of a print-out
    assert notices(events) == [("stored_data", True)]
    events = printed(decoder, 3, 2 * US, first_s=3600)
    assert notices(events) == [("stored_data", False)]
    assert latest(events) == {"spo2": 97, "pr": 72}


def test_live_lines_over_midnight_a_stall_and_a_clock_that_is_set_are_live() -> None:
    decoder = DRIVER.decoder("bed-1")
    assert len(numerics(printed(decoder, 100, 2 * US, first_s=86_400 - 100))) == 200
    assert len(numerics(printed(decoder, 20, 0, first_s=100_000))) == 40  # a stall, then a burst
    assert len(numerics(printed(decoder, 100, 2 * US, first_s=7))) == 200
    assert decoder.rejected == 0


# --- the capture ------------------------------------------------------------------------------


def test_every_captured_line_is_understood() -> None:
    captured = [v for v in vectors("nellcor")["vectors"] if v["kind"] == "captured"]
    assert len(captured) >= 6
    assert all(v["expected"]["rejected"] == 0 for v in captured)
