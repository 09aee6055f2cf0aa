"""Shared by the driver tests: how bytes reach a decoder, and a patient without physiology."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from devices.driver import BleSettings, Chunk, Decoder, Driver, Event
from vitals.clock import US
from vitals.model import Notice, Numeric, Waveform

T0 = 1_800_000_000 * US
VECTORS = Path(__file__).parents[1] / "vectors"

Items = Sequence[tuple[str, bytes]]


def vectors(name: str) -> dict[str, Any]:
    """The vectors file of a driver."""
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


def stream_source(driver: Driver) -> str:
    """Where the bytes of a stream protocol come from."""
    return driver.settings.notify[0] if isinstance(driver.settings, BleSettings) else ""


def arrival_us(vector: dict[str, Any]) -> int:
    """When a vector's bytes arrive; `arrives` is local time, as that of a device without a zone."""
    if "arrives" not in vector:
        return T0
    return round(datetime.fromisoformat(vector["arrives"]).astimezone().timestamp() * US)


def feed(decoder: Decoder, items: Items, at_us: int = T0) -> list[Event]:
    """Feeds each item as one chunk."""
    return [e for source, data in items for e in decoder.feed(Chunk(data, at_us, source))]


def decode(driver: Driver, items: Items | bytes, at_us: int = T0) -> list[Event]:
    """What a new decoder makes of them."""
    items = [(stream_source(driver), items)] if isinstance(items, bytes) else items
    return feed(driver.decoder("bed-1"), items, at_us)


def joined(items: Items) -> bytes:
    """The bytes of a stream protocol, whatever the pieces."""
    return b"".join(data for _, data in items)


def bytewise(data: bytes, source: str = "") -> Items:
    return [(source, data[i : i + 1]) for i in range(len(data))]


def split(data: bytes, cuts: Iterable[int], source: str = "") -> Items:
    """Cut at the given places (modulo the length)."""
    at = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [(source, data[a:b]) for a, b in pairwise(at)]


def numerics(events: Iterable[Event]) -> list[Numeric]:
    return [e for e in events if isinstance(e, Numeric)]


def notices(events: Iterable[Event]) -> list[tuple[str, bool]]:
    return [(e.code, e.active) for e in events if isinstance(e, Notice)]


def waveforms(events: Iterable[Event]) -> list[Waveform]:
    return [e for e in events if isinstance(e, Waveform)]


def latest(events: Iterable[Event]) -> dict[str, float | None]:
    """The last value of each channel."""
    return {n.channel: n.value for n in numerics(events)}


class FakePatient:
    """What it is told to be; the pleth is a sine of 1 Hz."""

    def __init__(self, *faults: str, **values: float) -> None:
        self.values: dict[str, float] = values
        self.faults = set(faults)

    def value(self, channel: str) -> float | None:
        return self.values.get(channel)

    def fault(self, code: str) -> bool:
        return code in self.faults

    def pleth(self, offset_s: float = 0.0) -> float:
        return 0.5 + 0.5 * math.sin(2 * math.pi * offset_s)
