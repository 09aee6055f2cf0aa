"""Row 13: a day.

Made: a real station with its record and hub, and a reader that never reads, in three rooms with
three numbers and a waveform packet a second, a session of two hours after another in each; time is
moved by hand, 24 hours of it (20 minutes in two rooms in a test). Every hour a link is lost for a
minute, an SpO2 falls for a minute, and another program locks the record for a moment. `make soak`
does the same for ports, keepers and drivers.

Bar: memory grows by 5 MB at most after the first hour, open files stay what they are, the log of
the record never exceeds 64 MB.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.faults.reached import Fault, Number, Result, logged
from tests.faults.test_row_05_locked import locked
from tests.loop import run, until
from tests.station.clinic import FakeKeeper
from vitals import config, wire
from vitals.alarms.profile import load
from vitals.clock import Clock
from vitals.hub import Hub
from vitals.model import US, Link, Numeric, Waveform
from vitals.record import Record
from vitals.station import Station
from vitals.station_device import OnEvents, OnLink, StationDevice
from vitals.store import writer as writing
from vitals.store.pace import WriterSettings
from vitals.store.verify import verify

pytestmark = pytest.mark.long

ROOMS, HOURS, ROOMS_SHORT, HOURS_SHORT = 3, 24.0, 2, 1 / 3
WARM = 1 / 24
"""Of the whole time: memory counts from then on."""
SESSION_S, HOUR_S, LASTS_S = 7200, 3600, 60
GROWTH_MB, LOG_MB = 5.0, 64.0
MOST_QUEUED = 2_000
"""The day is a thousand times as fast as a real one: the writer is waited for."""
CHANNELS = ("spo2", "pr", "pi")
SEAL_S = 0.2


@dataclass(slots=True)
class Day:
    """What was measured: (hour, MB, open files), and the largest log."""

    measured: list[tuple[float, float, int]] = field(default_factory=list)
    log_mb: float = 0.0
    values: int = 0
    sessions: int = 0
    kinds: Counter[str] = field(default_factory=Counter)


class SkippingClock:
    """The station's clock, which the day moves on."""

    speed = 1.0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.ahead_us = 0

    def now_us(self) -> int:
        return self._clock.now_us() + self.ahead_us


class Clinic:
    """A station whose devices say what the day asks for."""

    def __init__(self, folder: Path, rooms: int) -> None:
        self.names = [f"room-{i}" for i in range(rooms)]
        text = '[station]\nid = "s"\nmode = "test"\n' + "".join(
            f'[[room]]\nid = "{name}"\n  [[room.device]]\n  id = "ox-{name}"\n'
            f'  driver = "nonin-df2"\n  url = "serial:///dev/ttyS{i}"\n'
            for i, name in enumerate(self.names)
        )
        self.record = Record(folder / "vitals.db", "s", text)
        self.clock = SkippingClock(self.record.clock(1.0))
        self.hub, self.keepers = Hub(), dict[str, FakeKeeper]()
        devices = {
            f"ox-{name}": StationDevice(
                f"ox-{name}", "nonin-df2", "", (*CHANNELS, "pleth"), frozenset(), 1.0, "yes"
            )
            for name in self.names
        }
        self.station = Station(
            config.parse(text, path=folder / "clinic.toml"), load(), devices, self._keeper,
            self.hub, self.record, self.clock,  # type: ignore[arg-type]
        )  # fmt: skip
        self._acts = 0

    def _keeper(self, device: str, on_events: OnEvents, on_link: OnLink) -> FakeKeeper:
        self.keepers[device] = FakeKeeper(device, on_events, on_link)
        return self.keepers[device]

    def act(self, kind: str, room: str, **args: object) -> None:
        """Somebody does something."""
        self._acts += 1
        message = wire.CommandMsg(
            id=f"act-{self._acts}", kind=kind, room=room, name="Ann", role="nurse", args=args
        )
        self.station.on_command(message, lambda result: None)

    def second(self, at_s: int, found: Day) -> None:
        """One second of all rooms."""
        self.clock.ahead_us += US
        now_us = self.clock.now_us()
        for number, name in enumerate(self.names):
            device, own_s = self.keepers[f"ox-{name}"], at_s + 600 * number
            if own_s % SESSION_S in (0, 5):
                self._visit(name, own_s % SESSION_S == 5, found)
            phase = own_s % HOUR_S
            if phase in (1200, 1200 + LASTS_S):
                state = "lost" if phase == 1200 else "streaming"
                device.on_link(Link(device.device, now_us, state))  # type: ignore[arg-type]
            if 1200 <= phase < 1200 + LASTS_S:
                continue
            low = 2400 <= phase < 2400 + LASTS_S
            values = (84.0 if low else 97.0, 72.0, 3.0)
            device.on_events(
                [
                    *(Numeric(device.device, key, now_us, value)
                      for key, value in zip(CHANNELS, values, strict=True)),
                    Waveform(device.device, "pleth", now_us, 75.0, PLETH),
                ]
            )  # fmt: skip
            found.values += len(CHANNELS)
        self.station.tick()

    def _visit(self, room: str, comes: bool, found: Day) -> None:
        if comes:
            self.act("open_session", room, subject_ref="P-1", route="iv")
            self.act("dose", room)
            found.sessions += 1
        else:
            self.act("close_session", room, reason="the next patient")


PLETH = (np.arange(75, dtype=np.float32) * 7) % 200


def look(log: Path, process: psutil.Process, hour: float, found: Day) -> None:
    """Measures this process, and the log of the record."""
    gc.collect()
    found.log_mb = max(found.log_mb, log.stat().st_size / 1e6)
    found.measured.append((hour, process.memory_info().rss / 1e6, len(os.listdir("/proc/self/fd"))))


async def day(folder: Path, rooms: int, hours: float, found: Day) -> None:
    """All seconds of it, as fast as the computer can."""
    clinic, process = Clinic(folder, rooms), psutil.Process()
    log = Path(f"{folder / 'vitals.db'}-wal")
    task = asyncio.create_task(clinic.station.run())
    box = clinic.hub.subscribe(None)
    await asyncio.sleep(0.1)
    for keeper in clinic.keepers.values():
        keeper.on_link(Link(keeper.device, clinic.clock.now_us(), "streaming"))
    whole_s = round(hours * 3600)
    every_s = max(60, round(whole_s * WARM))
    try:
        for at_s in range(1, whole_s + 1):
            clinic.second(at_s, found)
            if at_s % 20 == 0:
                await asyncio.sleep(0)
            await until(lambda: clinic.record.health().queued <= MOST_QUEUED, 300)
            if at_s % HOUR_S == 1800:
                with locked(folder / "vitals.db"):
                    await asyncio.sleep(0.3)
            if at_s % every_s == 0:
                await until(lambda: not clinic.record.health().queued, 300)
                look(log, process, at_s / 3600, found)
        assert not task.done(), task.exception()
    finally:
        clinic.hub.unsubscribe(box)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.to_thread(clinic.record.close)


def measure(folder: Path, full: bool) -> Result:
    found = Day()
    rooms, hours = (ROOMS, HOURS) if full else (ROOMS_SHORT, HOURS_SHORT)
    with pytest.MonkeyPatch.context() as patch, logged() as log:
        # samples of a minute under a seal, as in a real day
        patch.setattr(writing, "WriterSettings", functools.partial(WriterSettings, seal_s=SEAL_S))
        run(day(folder, rooms, hours, found), 850)
    first, last = found.measured[0], found.measured[-1]
    warm = max(1, len(found.measured) // 8)
    growth = last[1] - max(mb for _, mb, _ in found.measured[:warm])
    files = {count for _, _, count in found.measured}
    checked = verify(folder / "vitals.db")
    numbers = (
        Number("memory growth", max(0.0, growth), GROWTH_MB, "MB"),
        Number("open files more than at first", max(files) - first[2], 0),
        Number("largest log of the record", found.log_mb, LOG_MB, "MB"),
        Number("broken places", int(not checked.ok), 0),
    )
    also = (
        f"{last[0]:.3g} h of {rooms} rooms, {found.sessions} sessions, {found.values:,} values, "
        f"{last[1]:.0f} MB at the end"
    )
    line = log.line("is tried again") or log.line("RECORDING") or "– (no trouble)"
    return Result(numbers, "– (nothing is wrong)", line, also)


FAULT = Fault(13, "a day", "24 hours as fast as it goes, links lost, record locked", measure)


def test_a_station_does_not_grow(tmp_path: Path) -> None:
    measure(tmp_path, full=False).check()
