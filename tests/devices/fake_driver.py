"""A protocol for tests of what surrounds a driver: lines `hr 61` or `!code 1`; asks `?` if told."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from devices.driver import Chunk, CommandError, Driver, Event, Request, SerialSettings, StartNibp
from vitals.model import Flag, Notice, Numeric

POLL_US = 1_000_000


class FakeDecoder:
    """Asks every second if `polls`; raises where it is told to, as no real one may."""

    polls = False

    def __init__(self, device: str) -> None:
        self.rejected = 0
        self._device = device
        self._rest = b""
        self._next_us = 0
        self._queued = b""

    def feed(self, chunk: Chunk) -> list[Event]:
        *lines, self._rest = (self._rest + chunk.data).split(b"\n")
        events: list[Event] = []
        for line in lines:
            word, _, value = line.partition(b" ")
            if word == b"bug":
                raise ZeroDivisionError("on bytes")
            if word.startswith(b"!"):
                code = word[1:].decode()
                events.append(Notice(self._device, chunk.at_us, code, value == b"1"))
            elif word == b"hr":
                events.append(Numeric(self._device, "hr", chunk.at_us, float(value)))
            elif word != b"idle":
                self.rejected += 1
        return events

    def due(self, now_us: int) -> bytes:
        if self._queued:
            queued, self._queued = self._queued, b""
            return queued
        if self.polls and now_us >= self._next_us:
            self._next_us = now_us + POLL_US
            return b"?"
        return b""

    def request(self, request: Request, now_us: int) -> None:
        if not isinstance(request, StartNibp):
            raise CommandError("this protocol cannot stop")
        if self._queued:
            raise ZeroDivisionError("on a second request")
        self._queued = b"start"


class PollingDecoder(FakeDecoder):
    polls = True


def _encode(values: object, flags: Collection[Flag]) -> list[tuple[str, bytes]]:
    return [("", b"hr 60\n")]


DRIVER = Driver(
    name="fake",
    transport="serial",
    title="a fake",
    channels=("hr",),
    settings=SerialSettings(),
    decoder=FakeDecoder,
    encode=_encode,
)


def driver(**changes: Any) -> Driver:
    return replace(DRIVER, **changes)
