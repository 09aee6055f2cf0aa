"""A keeper on simulated Bluetooth, with everything that it said, and a clock that runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from devices import registry
from devices.driver import Driver, Event
from devices.keeper import Keeper
from devices.transports.ble import BleTransport
from devices.transports.ble_link import Limits
from simulators.ble.device import BleDevice
from tests.ble.conftest import Ble
from vitals.clock import Clock
from vitals.model import Link, Notice, Numeric

QUICK = Limits(
    look_s=0.4, sight_s=0.1, connect_s=2.0, pair_s=3.0, call_s=1.5, close_s=0.5,
    stream_gap_s=0.3, stream_s=0.5, idle_s=1.0, linger_s=0.1,
)  # fmt: skip
"""Limits of the transport that make a test quick; the order between them is that of the real."""
QUIET_S = 1.0
BACK_OFF_S = (0.02, 0.1)
BEAT_S = 0.05
"""Real seconds between two packets of a device whose patient lives a second meanwhile."""


class Kept:
    """One kept device."""

    def __init__(self, transport: BleTransport, driver: Driver, url: str, clock: Clock) -> None:
        self.driver = driver
        self.events: list[Event] = []
        self.links: list[Link] = []
        self.clock = clock
        self.keeper = Keeper(
            "d1",
            driver,
            url,
            clock,
            self.events.extend,
            self.links.append,
            transport.connect,
            back_off_s=BACK_OFF_S,
        )

    @property
    def state(self) -> str:
        return self.links[-1].state if self.links else ""

    @property
    def detail(self) -> str:
        return self.links[-1].detail if self.links else ""

    @property
    def states(self) -> list[str]:
        return [link.state for link in self.links]

    @property
    def numerics(self) -> list[Numeric]:
        return [event for event in self.events if isinstance(event, Numeric)]

    @property
    def notices(self) -> list[Notice]:
        return [event for event in self.events if isinstance(event, Notice)]

    def values(self, channel: str) -> list[float | None]:
        return [numeric.value for numeric in self.numerics if numeric.channel == channel]


def quick(driver: str | Driver) -> Driver:
    """The driver, with little patience."""
    found = registry.get(driver) if isinstance(driver, str) else driver
    return replace(found, quiet_s=QUIET_S)


def transport(ble: Ble, limits: Limits = QUICK, **options: Any) -> BleTransport:
    return BleTransport(ble.scanner, ble.backend, limits=limits, **options)


@contextlib.asynccontextmanager
async def kept(
    ble: Ble,
    device: BleDevice | str,
    driver: str | Driver = "",
    *,
    on: BleTransport | None = None,
    limits: Limits = QUICK,
) -> AsyncIterator[Kept]:
    """Keeps a device of the stack (or an address) until the end."""
    own = on or transport(ble, limits)
    address = device if isinstance(device, str) else device.address
    wanted = driver or device.monitor.driver  # type: ignore[union-attr]
    one = Kept(own, quick(wanted), f"ble://{address}", Clock.anchored_now())
    task = asyncio.create_task(one.keeper.run())
    try:
        yield one
        assert not task.done(), "a keeper never ends by itself"
    finally:
        task.cancel()
        await asyncio.wait([task])
        if on is None:
            await own.close()


@contextlib.asynccontextmanager
async def living(ble: Ble) -> AsyncIterator[None]:
    """The patient and all devices live on meanwhile."""

    async def live() -> None:
        while True:
            await ble.advance(1.0)
            await asyncio.sleep(BEAT_S)

    task = asyncio.create_task(live())
    try:
        yield
        assert not task.done() or task.exception() is None
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
