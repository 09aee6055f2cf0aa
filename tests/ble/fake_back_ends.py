"""bleak back ends in a test's own hand, for what simulated radio cannot do: hang, leak, crash."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from bleak.backends.adapter import BaseBleakAdapter
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection

ADDRESS = "C0:00:00:00:00:01"


class World:
    """One device, and everything that can be made to go wrong.

    Attributes:
        advertises: whether the device is heard by a scan that starts or runs.
        characteristics: uuid -> properties.
        wrong: name of a call (`connect`, `start_notify`, `scan`, …) -> what it does instead.
        calls: names of all calls, in order.
        clients: every client that was made.
        most: how many connections were being made at once, at most.
        scans: how many scans run.
        already: devices that the system is connected to.
    """

    def __init__(self) -> None:
        self.advertises = True
        self.characteristics: dict[str, list[str]] = {}
        self.wrong: dict[str, Callable[[], Any]] = {}
        self.calls: list[str] = []
        self.clients: list[FakeClient] = []
        self.written: list[bytes] = []
        self.max_write = 20
        self.most = self.connecting = self.scans = 0
        self.scanners: list[FakeScanner] = []
        self.already: list[BLEDevice] = []
        self.platform_data: tuple[Any, ...] = ()
        world = self
        self.scanner = type("Scanner", (FakeScanner,), {"world": world})
        self.client = type("Client", (FakeClient,), {"world": world})
        self.adapter = type("Adapter", (FakeAdapter,), {"world": world})

    async def do(self, name: str) -> None:
        self.calls.append(name)
        if name in self.wrong:
            outcome = self.wrong[name]()
            if asyncio.iscoroutine(outcome):
                await outcome

    def advertise(self, address: str = ADDRESS, name: str = "Fake", rssi: int = -60) -> None:
        for scanner in self.scanners:
            scanner.hear(address, name, rssi)


def raises(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


async def hang() -> None:
    """Never ends, and does not care that it is cancelled at first."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.Event().wait()


class FakeScanner(BaseBleakScanner):
    world: World

    def __init__(self, detection_callback: Any, service_uuids: Any, *_: Any, **__: Any) -> None:
        super().__init__(detection_callback, service_uuids)

    async def start(self) -> None:
        await self.world.do("scan")
        self.world.scanners.append(self)
        self.world.scans += 1
        if self.world.advertises:
            self.hear(ADDRESS, "Fake", -60)

    async def stop(self) -> None:
        await self.world.do("stop_scan")
        if self in self.world.scanners:
            self.world.scanners.remove(self)

    def hear(self, address: str, name: str, rssi: int) -> None:
        shown = AdvertisementData(name, {}, {}, [], None, rssi, self.world.platform_data)
        device = self.create_or_update_device(address, address, name, {}, shown)
        self.call_detection_callbacks(device, shown)


class FakeClient(BaseBleakClient):
    world: World

    def __init__(self, device: Any, *_: Any, disconnected_callback: Any, **more: Any) -> None:
        super().__init__(
            device, disconnected_callback=disconnected_callback, timeout=more.get("timeout", 10)
        )
        self.connected = False
        self.told: dict[str, Callable[[bytearray], None]] = {}
        self.world.clients.append(self)

    @property
    def name(self) -> str:
        return "Fake"

    @property
    def mtu_size(self) -> int:
        return self.world.max_write + 3

    @property
    def is_connected(self) -> bool:
        return self.connected

    async def connect(self, pair: bool, **_: Any) -> None:
        world = self.world
        world.connecting += 1
        world.most = max(world.most, world.connecting)
        try:
            await world.do("connect_and_pair" if pair else "connect")
            await asyncio.sleep(0.01)
        finally:
            world.connecting -= 1
        self.services = BleakGATTServiceCollection()
        service = BleakGATTService(None, 1, "0000180d-0000-1000-8000-00805f9b34fb")
        self.services.add_service(service)
        for handle, (uuid, properties) in enumerate(world.characteristics.items(), 2):
            self.services.add_characteristic(
                BleakGATTCharacteristic(
                    None,
                    handle,
                    uuid,
                    list(properties),  # type: ignore[arg-type]
                    lambda: world.max_write,
                    service,
                )
            )
        self.connected = True

    async def disconnect(self) -> None:
        await self.world.do("disconnect")
        self.drop()

    def drop(self) -> None:
        """The link ends."""
        was, self.connected, self.services = self.connected, False, None
        if was and self._disconnected_callback is not None:
            self._disconnected_callback()

    async def pair(self, *_: Any, **__: Any) -> None:
        await self.world.do("pair")

    async def unpair(self) -> None:
        await self.world.do("unpair")

    async def read_gatt_char(self, characteristic: Any, **_: Any) -> bytearray:
        await self.world.do("read")
        return bytearray(b"\x57")

    async def read_gatt_descriptor(self, descriptor: Any, **_: Any) -> bytearray:
        raise NotImplementedError

    async def write_gatt_char(self, characteristic: Any, data: Any, response: bool) -> None:
        await self.world.do("write+" if response else "write")
        self.world.written.append(bytes(data))

    async def write_gatt_descriptor(self, descriptor: Any, data: Any) -> None:
        raise NotImplementedError

    async def start_notify(self, characteristic: Any, callback: Any, **_: Any) -> None:
        await self.world.do("start_notify")
        self.told[characteristic.uuid] = callback

    async def stop_notify(self, characteristic: Any) -> None:
        raise NotImplementedError


class FakeAdapter(BaseBleakAdapter):
    world: World

    @classmethod
    async def get(cls, **_: Any) -> FakeAdapter:
        await cls.world.do("adapter")
        return cls()

    async def get_connected_devices(self, service_uuids: frozenset[str]) -> list[BLEDevice]:
        return self.world.already
