"""What is special about Nonin's ASCII lines."""

from __future__ import annotations

import pytest

from devices import registry
from devices.driver import Chunk
from tests.devices.decoding import T0, decode, feed, joined, latest, notices, numerics
from vitals.clock import US
from vitals.model import Flag

DRIVER = registry.get("nonin-ascii")
LINE = b"SPO2=097 HR=072\r\n"


def test_encode_is_the_line_of_the_manuals() -> None:
    assert joined(DRIVER.encode({"spo2": 97, "pr": 72}, ())) == LINE
    assert joined(DRIVER.encode({}, ())) == b"SPO2=--- HR=---\r\n"
    assert joined(DRIVER.encode({"spo2": 97, "pr": 72}, {Flag.SENSOR_OFF})) == (
        b"SPO2=--- HR=---\r\n"
    )


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r", b"\n\n", b"\r\r\n"])
def test_the_last_line_is_read_as_soon_as_it_ends(end: bytes) -> None:
    lines = [b"SPO2=097 HR=%03d" % rate for rate in (70, 71, 72)]
    decoder = DRIVER.decoder("bed-1")
    events = feed(decoder, [("", end.join(lines) + end)])
    assert [n.value for n in numerics(events) if n.channel == "pr"] == [70, 71, 72]
    assert decoder.rejected == 0


def test_a_line_has_the_time_of_its_end() -> None:
    decoder = DRIVER.decoder("bed-1")
    assert decoder.feed(Chunk(LINE[:-2], T0)) == []
    events = decoder.feed(Chunk(LINE[-2:] + LINE[:5], T0 + US))
    assert {n.at_us for n in numerics(events)} == {T0 + US}


@pytest.mark.parametrize(
    "line",
    [
        b"SPO2=097 HR=072 F",
        b"SPO2=097 HR=072*",
        b"SPO2=097 HR=072 *",
        b"SPO2=097 HR=072 F*",
        b"SPO2=097 HR=072 B",
        b"SPO2=097 HR=072* B",
        b"14:30:15 SPO2=097 HR=072",
        b"14:30:15  SPO2=097  HR=072 ",
        b"SPO2= 97 HR= 72",
        b"SPO2=97 HR=72",
    ],
)
def test_every_form_of_the_line_is_read(line: bytes) -> None:
    assert latest(decode(DRIVER, line + b"\r\n")) == {"spo2": 97, "pr": 72}


@pytest.mark.parametrize(
    "line",
    [
        b"SPO2=097 HR=072 X",
        b"SPO2=097HR=072",
        b"SPO2=--  HR=072",
        b"SPO2=0097 HR=072",
        b"SPO2=097 HR=",
        b"SPO2=097",
        b"xSPO2=097 HR=072",
        b"4:30:15 SPO2=097 HR=072",
        b"SPO2=\xb097 HR=072",
        b"SPO2=097 HR=072 12345",
        b"NONIN AVANT 4000  01/15/08 09:12:44",
    ],
)
def test_what_is_no_such_line_is_counted(line: bytes) -> None:
    decoder = DRIVER.decoder("bed-1")
    assert feed(decoder, [("", line + b"\r\n")]) == []
    assert decoder.rejected == 1
    assert latest(feed(decoder, [("", LINE)])) == {"spo2": 97, "pr": 72}


@pytest.mark.parametrize("lost", range(len(LINE)))
@pytest.mark.parametrize("fill", [b"0", b" "])
def test_a_lost_character_never_makes_another_number(lost: int, fill: bytes) -> None:
    line = LINE.replace(b"=0", b"=" + fill)
    decoder = DRIVER.decoder("bed-1")
    events = feed(decoder, [("", line + line[:lost] + line[lost + 1 :] + line)])
    assert {n.value for n in numerics(events)} == {97, 72}
    assert [n.value for n in numerics(events)][-1] == 72


def test_a_monitor_that_fills_nothing_up_is_read_to_the_end() -> None:
    lines = b"SPO2=99 HR=98\r\nSPO2=100 HR=102\r\nSPO2=--- HR=---\r\nSPO2=98 HR=99\r\n"
    found = [n.value for n in numerics(decode(DRIVER, lines))]
    assert found == [99, 98, 100, 102, None, None, 98, 99]


def test_the_event_marker_begins_and_ends() -> None:
    decoder = DRIVER.decoder("bed-1")
    marked = LINE.replace(b"072", b"072*")
    said = [notices(feed(decoder, [("", line)])) for line in (LINE, marked, marked, LINE, LINE)]
    assert said == [[], [("event_mark", True)], [], [("event_mark", False)], []]


@pytest.mark.parametrize("line", [b"SPO2=  9 HR= 72", b"SPO2=009 HR=072", b"SPO2=9 HR=72"])
def test_a_single_digit_is_read(line: bytes) -> None:
    assert latest(decode(DRIVER, line + b"\r\n")) == {"spo2": 9, "pr": 72}


def test_dashes_are_no_value_and_no_refusal() -> None:
    decoder = DRIVER.decoder("bed-1")
    events = feed(decoder, [("", LINE + b"SPO2=--- HR=---\r\n")])
    assert latest(events) == {"spo2": None, "pr": None}
    assert decoder.rejected == 0


@pytest.mark.parametrize("split", [1, 7, 1000])
def test_the_end_of_a_line_that_is_too_long_is_not_read(split: int) -> None:
    assert latest(decode(DRIVER, b"14:30:15" + b" " * 25 + LINE)) == {"spo2": 97, "pr": 72}
    assert decode(DRIVER, b"14:30:15" + b" " * 26 + LINE) == []
    for length in range(1, 200):
        decoder = DRIVER.decoder("bed-1")
        data = b"x" * length + b"14:30:15" + b" " * 25 + LINE
        pieces = [("", data[i : i + split]) for i in range(0, len(data), split)]
        assert feed(decoder, pieces) == []
        assert latest(feed(decoder, [("", LINE)])) == {"spo2": 97, "pr": 72}
