"""`make fuzz`: ten million random bytes, and 200 000 of a damaged stream, through every driver.

Nothing may raise, nothing outside a channel's hard limits may be given, and a driver may take ten
seconds of one core. A decoder that raises is counted and begun anew. `tests/devices/test_fuzz.py`
does the same with a hundredth of the bytes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from devices import registry
from devices.driver import Chunk, Driver, Event
from simulators.faults import LineFault
from simulators.monitor import SimulatedMonitor
from simulators.patient import Patient
from vitals.channels import plausible
from vitals.model import US, Numeric, Quality

BYTES = 10_000_000
DAMAGED = 50
"""One damaged byte for so many random ones."""
LIMIT_S = 10.0
CHUNK = 2000
BATCH = 500
"""Chunks that are made, fed and judged at a time."""
STRIKES = [LineFault(kind, 60) for kind in
           ("bit-flip", "dropped-byte", "doubled-byte", "break", "noise", "line-ends")]  # fmt: skip

Pieces = Iterator[tuple[str, bytes]]


@dataclass
class Fuzzed:
    """What one driver made of it.

    Attributes:
        seconds: of one core, for the decoder alone.
        raised: how often it raised; `error` says what, the first time.
        implausible: values outside the hard limits, or without a value but not invalid.
        given: numbers that were given as usable.
    """

    name: str
    bytes: int = 0
    seconds: float = 0.0
    raised: int = 0
    error: str = ""
    implausible: int = 0
    given: int = 0
    rejected: int = 0

    @property
    def well(self) -> bool:
        """Whether it kept every promise but the time."""
        return not self.raised and not self.implausible and bool(self.rejected)


def random_bytes(driver: Driver, count: int, seed: int) -> Pieces:
    """Noise, in chunks of 1 to `CHUNK` bytes; on BLE spread over its characteristics."""
    rng = np.random.default_rng(seed)
    values = {"spo2": 97.0, "pr": 72.0, "hr": 72.0, "nibp_sys": 120.0}
    sources = sorted({source for source, _ in driver.encode(values, ())}) or [""]
    longest = CHUNK if driver.transport != "ble" else 21
    while count > 0:
        sizes = rng.integers(1, longest, BATCH).tolist()
        whence = rng.integers(len(sources), size=BATCH).tolist()
        block, start = rng.bytes(min(count, sum(sizes))), 0
        for size, source in zip(sizes, whence, strict=True):
            if start < len(block):
                yield sources[source], block[start : start + size]
            start += size
        count -= len(block)


def damaged_bytes(driver: Driver, count: int, seed: int) -> Pieces:
    """A simulated monitor over a line on which a fault strikes six times a second."""
    patient = Patient(seed)
    monitor = SimulatedMonitor(driver, patient, seed=seed, faults=STRIKES, nibp_every_s=60)
    decoder = driver.decoder("asks")  # one that hears nothing goes on asking
    while count > 0:
        for _ in range(20):
            patient.advance(0.05)
            asked = decoder.due(monitor.now_us)
            monitor.receive(asked)
            data = monitor.advance(0.05)
            count -= max(len(data), 1)
            yield "", data


def fuzz(driver: Driver, pieces: Pieces) -> Fuzzed:
    """Feeds them, with 50 ms of the station's time between two."""
    found = Fuzzed(driver.name)
    decoder, at_us = driver.decoder("bed-1"), 1_800_000_000 * US
    rejected = 0
    while batch := list(islice(pieces, BATCH)):
        chunks, events = list[Chunk](), list[Event]()
        for source, data in batch:
            at_us += US // 20
            chunks.append(Chunk(data, at_us, source))
            found.bytes += len(data)
        began = time.process_time()  # of a batch: asking costs more than most chunks
        for chunk in chunks:
            try:
                events += decoder.feed(chunk)
                decoder.due(chunk.at_us)
            except Exception as error:
                found.raised += 1
                found.error = found.error or f"{type(error).__name__}: {error}"
                rejected += decoder.rejected
                decoder = driver.decoder("bed-1")
        found.seconds += time.process_time() - began
        for event in events:
            if isinstance(event, Numeric):
                given = event.value is not None
                found.given += given
                invalid = event.quality is Quality.INVALID
                found.implausible += given == invalid
                found.implausible += given and not plausible(event.channel, event.value or 0.0)
    found.rejected = rejected + decoder.rejected
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("drivers", nargs="*", default=registry.names())
    parser.add_argument("--bytes", type=int, default=BYTES)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    out = sys.stdout.write
    out(f"{'driver':16}{'bytes':9}{'count':>10}{'s':>7}{'raised':>8}{'implausible':>12}")
    out(f"{'given':>9}{'rejected':>10}\n")
    ill = []
    for name in options.drivers:
        driver = registry.get(name)
        kinds = {"random": random_bytes(driver, options.bytes, options.seed)}
        if driver.transport != "ble":
            count = options.bytes // DAMAGED
            kinds["damaged"] = damaged_bytes(driver, count, options.seed)
        for kind, pieces in kinds.items():
            found = fuzz(driver, pieces)
            well = found.well and found.seconds <= LIMIT_S
            out(
                f"{name:16}{kind:9}{found.bytes:10}{found.seconds:7.2f}{found.raised:8}"
                f"{found.implausible:12}{found.given:9}{found.rejected:10}"
                f"{'' if well else '  <-- ' + (found.error or 'too slow or wrong')}\n"
            )
            ill += [] if well else [name]
    sys.exit(1 if ill else 0)


if __name__ == "__main__":
    main()
