"""Each stream is named by the drivers' own decoders, and nothing else is."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices import registry
from devices.driver import SerialSettings
from devices.fingerprint import decode, identify
from devices.scan import lines
from tests.devices.decoding import joined
from tests.devices.streams import DRIVERS, SERIAL, names, of_bytes, stream, usual
from tests.devices.uart import heard_on
from vitals.model import US, Chunk, Flag

LINES = lines(DRIVERS)
every_driver = pytest.mark.parametrize("name", SERIAL)


@every_driver
def test_a_monitor_is_named_by_what_it_sends(name: str) -> None:
    verdict = identify({usual(name): stream(name)}, DRIVERS)
    assert names(verdict) == [name]
    assert verdict.sure
    (fit,) = verdict.fits
    assert fit.accepted >= 2
    assert fit.rejected <= 2


@every_driver
def test_no_other_driver_fits_even_when_the_right_one_is_not_there(name: str) -> None:
    others = [driver for driver in DRIVERS if driver.name != name]
    verdict = identify({usual(name): stream(name)}, others)
    assert not verdict.sure, names(verdict)


@every_driver
def test_the_line_is_found_among_all_and_garbage_at_wrong_speeds_is_no_driver(name: str) -> None:
    sent = usual(name)
    heard = {line: heard_on(stream(name), sent, line) for line in LINES}
    verdict = identify(heard, DRIVERS)
    assert [(fit.driver.name, fit.line) for fit in verdict.fits] == [(name, sent)]


@every_driver
def test_listening_on_one_wrong_line_never_makes_sure(name: str) -> None:
    sent = usual(name)
    for line in LINES:
        if line == sent:
            continue
        verdict = identify({line: heard_on(stream(name), sent, line)}, DRIVERS)
        assert not verdict.sure, (line, names(verdict))
        assert not verdict.hints


@pytest.mark.parametrize(
    "line",
    [SerialSettings(4800, parity="O"), SerialSettings(4800), SerialSettings(19200)],
)
def test_an_older_contec_is_found_on_whichever_line_it_has(line: SerialSettings) -> None:
    heard = {tried: heard_on(stream("contec-v5"), line, tried) for tried in LINES}
    verdict = identify(heard, DRIVERS)
    assert [(fit.driver.name, fit.line) for fit in verdict.fits] == [("contec-v5", line)]


def test_a_stream_without_a_value_is_recognised_too() -> None:
    for name in ("nonin-df1", "nonin-df2", "masimo-ascii1", "contec-v7"):
        driver = registry.get(name)
        packet = joined(driver.encode({}, {Flag.SENSOR_OFF}))
        step_us = round(driver.encode_s * US)
        chunks = [Chunk(packet, i * step_us) for i in range(8)]
        assert names(identify({usual(name): chunks}, DRIVERS)) == [name]


@pytest.mark.parametrize(
    ("name", "frames", "sure"),
    [
        ("nonin-df1", 2, False),
        ("nonin-df1", 4, True),
        ("nonin-df2", 2, True),
        ("masimo-ascii1", 1, False),
        ("masimo-ascii1", 2, True),
        ("contec-v5", 3, False),
    ],
)
def test_a_checksum_or_a_long_line_needs_less_evidence(name: str, frames: int, sure: bool) -> None:
    driver = registry.get(name)
    packet = joined(driver.encode({"spo2": 97, "pr": 71, "pi": 2.0}, ()))
    packet = packet[: driver.frame_bytes] if name == "contec-v5" else packet
    chunks = [Chunk(packet, i * US) for i in range(frames)]
    verdict = identify({usual(name): chunks}, DRIVERS)
    assert names(verdict) == [name]
    assert verdict.sure is sure


def test_two_drivers_that_fit_equally_are_both_named() -> None:
    twin = replace(registry.get("nonin-df2"), name="another-df2")
    verdict = identify({usual("nonin-df2"): stream("nonin-df2")}, (*DRIVERS, twin))
    assert names(verdict) == ["another-df2", "nonin-df2"]
    assert not verdict.sure


def test_a_checksum_decides_between_two_that_fit() -> None:
    twin = replace(registry.get("nonin-df2"), name="another-df2", checked=False)
    verdict = identify({usual("nonin-df2"): stream("nonin-df2")}, (*DRIVERS, twin))
    assert names(verdict) == ["nonin-df2"]


def test_damaged_lines_are_still_recognised() -> None:
    rng = random.Random(5)  # noqa: S311 no secret
    for name in ("nonin-df2", "contec-v7", "masimo-ascii1"):
        damaged = []
        for chunk in stream(name, 12.0):
            data = bytearray(chunk.data)
            if data and rng.random() < 0.002 * len(data):
                data[rng.randrange(len(data))] ^= 0x10
            damaged.append(Chunk(bytes(data), chunk.at_us))
        assert names(identify({usual(name): damaged}, DRIVERS)) == [name]


@settings(max_examples=150, deadline=None)
@given(st.binary(min_size=0, max_size=400))
def test_random_bytes_are_no_monitor(data: bytes) -> None:
    assert not of_bytes(data).sure


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(max_codepoint=126), max_size=60), max_size=20))
def test_lines_of_any_text_are_no_monitor(text: list[str]) -> None:
    verdict = of_bytes("\r\n".join(text).encode())
    assert not verdict.sure
    assert not verdict.hints


def test_a_trend_print_out_is_no_fit_but_says_what_to_set() -> None:
    line = b"01/01/26 12:00:00 SpO2=097 PR=069 PI=04.69 EXC=800:SET\r\n"
    verdict = of_bytes(line * 12)
    assert verdict.fits == ()
    (hint,) = verdict.hints
    assert "ASCII 1" in hint


def test_the_binary_mode_of_a_dinamap_says_what_to_set() -> None:
    blocks = bytearray()
    for number in range(20, 60):
        body = bytes((number, *range(0x20, 0x2E)))
        blocks += bytes((*body, 0x5A, 0xA5, number ^ 0xFF))
    verdict = of_bytes(bytes(blocks))
    assert verdict.fits == ()
    assert any("ASCII host mode" in hint for hint in verdict.hints)


def test_a_nonin_spot_reading_says_what_to_set() -> None:
    reading = bytes.fromhex("0002000d000e20260101120000000000004800006100b003")
    assert any("format 13" in hint for hint in of_bytes(reading).hints)


def test_text_that_no_driver_reads_tells_the_line_at_least() -> None:
    verdict = of_bytes(b"another machine, 36.6 C\r\n" * 4)
    assert verdict.fits == ()
    assert verdict.text_on == SerialSettings()


def test_a_driver_that_fails_on_bytes_is_named_and_spoils_nothing() -> None:
    class Broken:
        rejected = 0

        def feed(self, chunk: Chunk) -> list[object]:
            raise ZeroDivisionError

    broken = replace(registry.get("nonin-df2"), name="broken", decoder=lambda device: Broken())
    heard = {usual("nonin-df2"): stream("nonin-df2")}
    assert names(identify(heard, (broken, *DRIVERS))) == ["nonin-df2"]
    assert any("broken" in hint for hint in identify(heard, (broken,)).hints)


def test_a_decoder_that_counts_only_what_it_refuses_is_judged_by_its_readings() -> None:
    class Plain:
        """A decoder of another distribution: `rejected`, and nothing else."""

        def __init__(self, device: str) -> None:
            self._inner = registry.get("nonin-df1").decoder(device)
            self.rejected = 0

        def feed(self, chunk: Chunk) -> list[object]:
            found = list(self._inner.feed(chunk))
            self.rejected = self._inner.rejected
            return found

    plain = replace(registry.get("nonin-df1"), name="plain", decoder=Plain)
    assert decode(plain, stream("nonin-df1")).accepted >= 4
    assert names(identify({usual("nonin-df1"): stream("nonin-df1")}, (plain,))) == ["plain"]
