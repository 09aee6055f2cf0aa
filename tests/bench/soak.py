"""`make soak`: a day of sixteen ports, as fast as the computer can: what grows, what stays open.

Real simulated monitors on lines with rare faults, MLLP among them, real keepers with their
decoders, a clock moved by hand; only the cable is one of memory, which is pulled once an hour for
a minute. Real terminals and their open files are in `tests/simulators/test_replug.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from devices import keeper as keeping
from devices import registry
from devices.driver import Event, StartNibp
from devices.keeper import Keeper
from devices.transports.memory import MemoryLink
from simulators.faults import LineFault
from simulators.monitor import SimulatedMonitor
from tests.bench.faulty_link import Sweep
from vitals.clock import ManualClock
from vitals.errors import CommandError
from vitals.model import Link, Numeric

PORTS, HOURS = 16, 24.0
STEP_S = 0.5
WARM_S, EVERY_S = 3600.0, 3600.0
"""From when memory counts, and how often it is measured."""
NIBP_S, AWAY_S = 600.0, 60.0
GROWTH_MB = 5.0
FAULTS = [LineFault(kind, 0.02) for kind in
          ("bit-flip", "dropped-byte", "doubled-byte", "break", "noise", "wrong-baud", "reboot",
           "stall", "half-packet")]  # fmt: skip


class Port:
    """One monitor, cable and keeper; a patient without a heart, as one costs half the time."""

    def __init__(self, number: int, name: str, clock: ManualClock, real_s: Callable[[], float]):
        self.driver = registry.get(name)
        self.patient = Sweep()
        self.monitor = SimulatedMonitor(self.driver, self.patient, seed=number, faults=FAULTS)
        self.link = MemoryLink()
        self.values = self.links = self.readings = 0
        self._clock = clock
        self._next_s = {"nibp": 60.0 + number, "pull": 3600.0 / (number + 2)}
        self.keeper = Keeper(
            f"d{number}", self.driver, "memory://", clock, self._on_events, self._on_link,
            self.link.connect, back_off_s=(0.0, 0.0), real_s=real_s,
        )  # fmt: skip

    def _on_events(self, events: list[Event]) -> None:
        numerics = [e for e in events if isinstance(e, Numeric) and e.value is not None]
        self.values += len(numerics)
        self.readings += sum(numeric.channel == "nibp_sys" for numeric in numerics)

    def _on_link(self, link: Link) -> None:
        self.links += 1

    def step(self, now_s: float) -> None:
        """Half a second of the bed and its cable."""
        self.patient.advance(STEP_S)
        self.monitor.receive(b"".join(self.link.written))
        self.link.written.clear()
        if data := self.monitor.advance(STEP_S):
            self.link.feed(data)
        if now_s >= self._next_s["nibp"] and "start_nibp" in self.driver.can:
            self._next_s["nibp"] = now_s + NIBP_S
            try:
                self.keeper.request(StartNibp())
            except CommandError:
                self._next_s["nibp"] = now_s + 30.0
        if now_s >= self._next_s["pull"]:
            away = not self.link.refuse
            self._next_s["pull"] = now_s + (AWAY_S if away else EVERY_S - AWAY_S)
            self.link.refuse = "unplugged" if away else ""
            if away:
                self.link.cut()


def names(count: int) -> list[str]:
    """Every driver with a cable, then again from the first."""
    known = [name for name in registry.names() if registry.get(name).transport != "ble"]
    return [known[i % len(known)] for i in range(count)]


def open_files() -> int:
    """Open files of this process; -1 where the system does not say."""
    folder = Path("/proc/self/fd")
    return len(os.listdir(folder)) if folder.is_dir() else -1


Measured = tuple[float, float, int]


async def soak(
    ports: list[Port], hours: float, clock: ManualClock, simulated_s: list[float],
    on_measured: Callable[[Measured], None] = lambda measured: None,
) -> list[Measured]:  # fmt: skip
    """(simulated hours, MB, open files), at the end of each hour from `WARM_S` on."""
    process, found = psutil.Process(), list[Measured]()
    tasks = [asyncio.create_task(port.keeper.run()) for port in ports]
    next_s = min(WARM_S, hours * 1800)
    try:
        while simulated_s[0] < hours * 3600:
            simulated_s[0] += STEP_S
            clock.advance(STEP_S)
            for port in ports:
                port.step(simulated_s[0])
            for _ in range(3):  # keepers ask, writers write
                await asyncio.sleep(0)
            if simulated_s[0] >= next_s:
                next_s += min(EVERY_S, hours * 1800)
                gc.collect()
                megabytes = process.memory_info().rss / 1e6
                found.append((simulated_s[0] / 3600, megabytes, open_files()))
                on_measured(found[-1])
        assert not any(task.done() for task in tasks), "a keeper never ends by itself"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=HOURS)
    parser.add_argument("--ports", type=int, default=PORTS)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    keeping.TICK_S = 0.0  # keepers look as often as the loop turns, and not by real time
    clock, simulated_s, out = ManualClock(), [0.0], sys.stdout.write
    ports = [
        Port(i, name, clock, lambda: simulated_s[0]) for i, name in enumerate(names(options.ports))
    ]
    began = time.monotonic()
    out(f"{'hour':>6}{'memory MB':>11}{'open files':>12}\n")

    def tell(measured: Measured) -> None:
        out("{:6.1f}{:11.1f}{:12}\n".format(*measured))
        sys.stdout.flush()

    found = asyncio.run(soak(ports, options.hours, clock, simulated_s, tell))
    out(f"\n{'port':16}{'values':>9}{'readings':>10}{'links':>7}{'opened':>8}\n")
    for port in ports:
        counts = (port.values, port.readings, port.links, port.link.opened)
        out("{:16}{:9}{:10}{:7}{:8}\n".format(port.driver.name, *counts))
    growth = found[-1][1] - found[0][1]
    files = {count for _, _, count in found}
    silent = [port.driver.name for port in ports if not port.values]
    out(
        f"\n{options.hours:g} simulated hours of {len(ports)} ports in "
        f"{time.monotonic() - began:.0f} s: memory grew by {growth:.1f} MB (at most {GROWTH_MB:g}),"
        f" open files {sorted(files)}, silent ports {silent or 'none'}\n"
    )
    sys.exit(1 if growth > GROWTH_MB or len(files) > 1 or silent else 0)


if __name__ == "__main__":
    main()
