"""With a real device, worn by somebody.

    pytest -s --ble-address ADDRESS --ble-driver NAME tests/ble/test_hardware.py

Collected only with these options. It prints what docs/bluetooth.md asks to be noted down.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest

from devices import registry
from devices.driver import BleSettings, Event
from devices.keeper import Keeper
from devices.transports.ble import BleTransport
from tests.ble.conftest import release_bleak
from vitals.clock import Clock
from vitals.model import Link, Notice, Numeric, Waveform

SECONDS = 60.0
MEASURING_S = 240.0
"""Time to take a reading with a cuff."""
BACK_S = 5.0
RECONNECTS = 5


class Worn:
    """The device, kept as in a station."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        address, name = (request.config.getoption(o) for o in ("--ble-address", "--ble-driver"))
        self.driver = registry.get(name)
        assert isinstance(self.driver.settings, BleSettings), f"{name} is for no Bluetooth device"
        self.on_sight = self.driver.settings.on_sight
        self.transport = BleTransport()
        self.events: list[Event] = []
        self.links: list[Link] = []
        self.clock = Clock.anchored_now()
        self.keeper = Keeper(
            "worn", self.driver, f"ble://{address}", self.clock, self.events.extend, self._told,
            self.transport.connect,
        )  # fmt: skip

    def _told(self, link: Link) -> None:
        self.links.append(link)
        print(f"  {link.state} {link.detail} ({link.rejected} refused)")  # noqa: T201

    @property
    def numerics(self) -> list[Numeric]:
        return [event for event in self.events if isinstance(event, Numeric)]

    @property
    def valid(self) -> list[Numeric]:
        return [numeric for numeric in self.numerics if numeric.value is not None]

    async def wait(self, count: int, limit_s: float) -> float:
        """Waits for so many more valid values; how long that took."""
        begin_s, known = time.monotonic(), len(self.valid)
        async with asyncio.timeout(limit_s):
            while len(self.valid) < known + count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return time.monotonic() - begin_s


@pytest.fixture
def worn(request: pytest.FixtureRequest) -> Worn:
    if not request.config.getoption("--ble-driver", None):
        pytest.fail("name a real device by --ble-address and --ble-driver")
    return Worn(request)


def test_it_is_heard_and_what_it_says_is_understood(worn: Worn) -> None:
    async def main() -> None:
        task = asyncio.create_task(worn.keeper.run())
        try:
            if worn.on_sight:
                print("\nTake a reading with it now.")  # noqa: T201
            first_s = await worn.wait(1, MEASURING_S if worn.on_sight else 45.0)
            if not worn.on_sight:
                await asyncio.sleep(SECONDS)
        finally:
            task.cancel()
            await asyncio.wait([task])
            await worn.transport.close()
            await release_bleak()
        channels = Counter(numeric.channel for numeric in worn.valid)
        waves = sum(isinstance(event, Waveform) for event in worn.events)
        notices = Counter(event.code for event in worn.events if isinstance(event, Notice))
        print(f"  first value after {first_s:.1f} s; valid values {dict(channels)}")  # noqa: T201
        print(f"  waveforms {waves}, notices {dict(notices)}")  # noqa: T201
        print(f"  last {[(n.channel, n.value) for n in worn.valid[-4:]]}: as on its screen?")  # noqa: T201
        assert {numeric.channel for numeric in worn.numerics} <= set(worn.driver.channels)
        assert worn.links[-1].rejected <= len(worn.numerics) * 0.01
        if not worn.on_sight:
            assert sum(channels.values()) >= SECONDS / worn.driver.period_s * 0.8

    asyncio.run(main())


def test_it_is_back_soon_after_its_link_has_ended(worn: Worn) -> None:
    if worn.on_sight:
        return  # it comes back when it has measured

    async def main() -> None:
        took: list[float] = []
        for _ in range(RECONNECTS):
            task = asyncio.create_task(worn.keeper.run())
            try:
                took.append(await worn.wait(1, 45.0))
                await asyncio.sleep(3.0)
            finally:
                task.cancel()
                await asyncio.wait([task])
        await worn.transport.close()
        await release_bleak()
        print(f"  from an ended link to a value: {[f'{s:.1f}' for s in took]} s")  # noqa: T201
        assert max(took[1:]) <= BACK_S

    asyncio.run(main())
