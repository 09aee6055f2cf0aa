"""Monitors that changed places are refused at their ports until a person claims them."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devices.identity import identity
from devices.keeper import Keeper
from devices.transports.memory import MemoryLink
from devices.transports.serial_port import connect
from tests.devices.fake_driver import driver
from tests.devices.pty_port import PtyPort
from tests.loop import run, until
from vitals.claims import Claims
from vitals.clock import ManualClock
from vitals.model import Link, Numeric

ROOMS = {"d1": "room-1", "d2": "room-2"}
LABELS = {"room-1": "Room 1", "room-2": "Room 2"}


@dataclass
class Adapter:
    """A USB adapter as the system lists it: which box it is shows its serial number."""

    port: PtyPort
    serial_number: str
    vid: int = 0x0403
    pid: int = 0x6001
    product: str = ""

    @property
    def device(self) -> str:
        return os.path.realpath(self.port.link)


class Kept:
    """One device with its keeper, wired as the station process does it."""

    def __init__(self, name: str, port: PtyPort, claims: Claims, adapters: list[Adapter]) -> None:
        self.events: list[Any] = []
        self.links: list[Link] = []

        self.asked = 0

        async def admit() -> str:
            self.asked += 1
            return claims.admit(name, identity(port.url, lambda: adapters))

        self.keeper = Keeper(
            name,
            driver(),
            port.url,
            ManualClock(),
            self.events.extend,
            self.links.append,
            connect,
            back_off_s=(0.01, 0.03),
            admit=admit,
        )

    @property
    def last(self) -> Link:
        return self.links[-1]

    @property
    def values(self) -> list[float | None]:
        return [event.value for event in self.events if isinstance(event, Numeric)]


@contextlib.asynccontextmanager
async def kept(*all_kept: Kept) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(one.keeper.run()) for one in all_kept]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def test_boxes_swapped_between_two_rooms_show_nothing_until_they_are_claimed(
    tmp_path: Path,
) -> None:
    ports = [PtyPort(tmp_path / "port-1"), PtyPort(tmp_path / "port-2")]
    adapters = [Adapter(ports[0], "BOX-A"), Adapter(ports[1], "BOX-B")]
    claims = Claims(tmp_path / "devices.json", ROOMS, LABELS)
    one, two = (Kept(name, port, claims, adapters) for name, port in zip(ROOMS, ports, strict=True))

    async def main() -> None:
        async with kept(one, two):
            for bed, port in ((one, ports[0]), (two, ports[1])):
                await until(lambda bed=bed, port=port: _says(bed, port, 61))
            for port in ports:
                port.unplug()
            await until(lambda: one.last.state == two.last.state == "lost")
            one.events.clear()
            two.events.clear()
            adapters[0].serial_number, adapters[1].serial_number = "BOX-B", "BOX-A"
            for port in ports:
                port.plug_in()
            await until(lambda: "another monitor" in one.last.detail + two.last.detail)
            await until(lambda: "it was last in Room 2" in one.last.detail)
            await until(lambda: "it was last in Room 1" in two.last.detail)
            for port in ports:
                port.send(b"hr 99\n")
            asked = one.asked, two.asked
            await until(lambda: one.asked > asked[0] + 2 and two.asked > asked[1] + 2)
            assert one.last.state == two.last.state == "lost"
            assert one.events == two.events == []
            claims.claim("d1", "nurse A")
            await until(lambda: _says(one, ports[0], 62))
            assert one.values[-1] == 62
            assert two.last.state == "lost"
            assert two.events == []

    run(main())
    claims.close()
    for port in ports:
        port.unplug()


def _says(bed: Kept, port: PtyPort, value: int) -> bool:
    with contextlib.suppress(OSError):
        port.send(b"hr %d\n" % value)
    return value in bed.values


def test_a_status_counts_over_all_connections() -> None:
    link = MemoryLink()
    links: list[Link] = []
    clock = ManualClock()
    keeper = Keeper(
        "d1",
        driver(checked=True),
        "memory://d1",
        clock,
        lambda events: None,
        links.append,
        link.connect,
        back_off_s=(0.01, 0.03),
    )

    async def main() -> None:
        task = asyncio.create_task(keeper.run())
        await until(lambda: link.connected)
        assert keeper.status().heard_us is None
        clock.advance(5)
        link.feed(b"noise\nhr 60\n")
        before = keeper.status()
        assert (before.heard_us, before.rejected, before.reconnects) == (clock.now_us(), 1, 0)
        assert before.signal is None
        link.cut()
        await until(lambda: link.opened == 2 and link.connected)
        clock.advance(1)
        link.feed(b"noise\nnoise\nhr 61\n")
        after = keeper.status()
        assert (after.heard_us, after.rejected, after.reconnects) == (clock.now_us(), 3, 1)
        task.cancel()
        await asyncio.wait([task])

    run(main())


def test_a_moved_device_is_not_heard_before_its_next_connection() -> None:
    link = MemoryLink()
    events: list[Any] = []
    links: list[Link] = []
    keeper = Keeper(
        "d1",
        driver(),
        "memory://d1",
        ManualClock(),
        events.extend,
        links.append,
        link.connect,
        back_off_s=(0.01, 0.03),
    )

    async def main() -> None:
        task = asyncio.create_task(keeper.run())
        await until(lambda: link.connected)
        link.feed(b"hr 60\n")
        keeper.reopen("it was moved to Room 2")
        link.feed(b"hr 61\n")
        assert [event.value for event in events] == [60]
        await until(lambda: link.opened == 2 and link.connected)
        assert (links[-1].state, links[-1].detail) == ("lost", "it was moved to Room 2")
        link.feed(b"hr 62\n")
        assert [event.value for event in events] == [60, 62]
        task.cancel()
        await asyncio.wait([task])

    run(main())


def test_a_radio_tells_its_signal() -> None:
    class Radio(MemoryLink):
        async def connect(self, *args: Any) -> Any:
            connection = await super().connect(*args)
            connection.signal = lambda: -61
            return connection

    link = Radio()
    keeper = Keeper(
        "d1",
        driver(),
        "memory://d1",
        ManualClock(),
        lambda events: None,
        lambda told: None,
        link.connect,
    )

    async def main() -> None:
        task = asyncio.create_task(keeper.run())
        await until(lambda: link.connected)
        assert keeper.status().signal == -61
        link.cut()
        await until(lambda: keeper.status().signal is None)
        task.cancel()
        await asyncio.wait([task])

    run(main())
