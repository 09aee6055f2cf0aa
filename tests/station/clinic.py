"""A station with a real record and hub, and devices that say what the test says."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

from vitals import wire
from vitals.alarms.profile import load
from vitals.clock import Clock
from vitals.config import Config, parse
from vitals.errors import CommandError
from vitals.hub import Hub
from vitals.model import Link, Notice, Numeric, Request, Waveform
from vitals.record import Record
from vitals.station import Station
from vitals.station_device import LinkStatus, OnEvents, OnLink, StationDevice
from vitals.store.reader import Reader

CONFIG = """
[station]
id = "s"
store = "vitals.db"
mode = "test"
[[room]]
id = "room-1"
  [[room.device]]
  id = "ox"
  driver = "nonin-df2"
  url = "serial:///dev/ttyS8"
  [[room.device]]
  id = "cuff"
  driver = "dinamap"
  url = "serial:///dev/ttyS9"
"""
DEVICES = {
    "ox": StationDevice("ox", "nonin-df2", "", ("spo2", "pr", "pleth"), frozenset(), 1.0, "yes"),
    "cuff": StationDevice(
        "cuff", "dinamap", "", ("nibp_sys", "nibp_dia"), frozenset({"start_nibp"}), 1.0, "yes"
    ),
}


class FakeKeeper:
    """Remembers what it was asked; refuses when told to."""

    def __init__(self, device: str, on_events: OnEvents, on_link: OnLink) -> None:
        self.device, self.on_events, self.on_link = device, on_events, on_link
        self.asked: list[Request] = []
        self.refuses = ""
        self.known = LinkStatus()
        self.reopened: list[str] = []

    async def run(self) -> None:
        await asyncio.Event().wait()

    def status(self) -> LinkStatus:
        return self.known

    def reopen(self, why: str) -> None:
        self.reopened.append(why)

    def request(self, request: Request) -> None:
        if self.refuses:
            raise CommandError(self.refuses, device=self.device)
        self.asked.append(request)


class Clinic:
    """One running station."""

    def __init__(
        self,
        folder: Path,
        text: str = CONFIG,
        devices: Mapping[str, StationDevice] = DEVICES,
    ) -> None:
        self.config: Config = parse(text, path=folder / "clinic.toml")
        self.record = Record(self.config.station.store, "s", text)
        self.clock: Clock = self.record.clock(1.0)
        self.hub = Hub()
        self.keepers: dict[str, FakeKeeper] = {}
        self.station = Station(
            self.config, load(), devices, self._keeper, self.hub, self.record, self.clock
        )
        self.reader = Reader(self.config.station.store)

    def _keeper(self, device: str, on_events: OnEvents, on_link: OnLink) -> FakeKeeper:
        self.keepers[device] = FakeKeeper(device, on_events, on_link)
        return self.keepers[device]

    def link(self, device: str, state: str = "streaming") -> None:
        self.keepers[device].on_link(Link(device, self.clock.now_us(), state))  # type: ignore[arg-type]

    def say(self, *events: Numeric | Waveform | Notice) -> None:
        for event in events:
            self.keepers[event.device].on_events([event])

    def value(self, channel: str, value: float | None, device: str = "ox") -> None:
        self.say(Numeric(device, channel, self.clock.now_us(), value))

    async def act(
        self,
        kind: str,
        /,
        ident: str = "",
        *,
        room: str = "room-1",
        role: str = "nurse",
        **args: object,
    ) -> wire.ResultMsg:
        got: asyncio.Future[wire.ResultMsg] = asyncio.get_running_loop().create_future()
        message = wire.CommandMsg(
            id=ident or f"{kind}-{time.monotonic_ns()}",
            kind=kind,
            room=room,
            name="nurse A",
            role=role,
            args=args,
        )
        self.station.on_command(message, got.set_result)
        return await asyncio.wait_for(got, 5)

    async def until(self, condition: Callable[[], object], what: str) -> None:
        end = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < end, f"never came true: {what}"
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def running(
    folder: Path, text: str = CONFIG, devices: Mapping[str, StationDevice] = DEVICES
) -> AsyncIterator[Clinic]:
    """A station that runs, and is stopped and closed in order."""
    clinic = Clinic(folder, text, devices)
    task = asyncio.create_task(clinic.station.run())
    try:
        await asyncio.sleep(0)
        yield clinic
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.to_thread(clinic.record.close)
