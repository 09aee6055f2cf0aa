"""Simulated Bluetooth for tests: the air, and bleak on top of it in two ways.

    def test_a_reading_arrives(radio, stack):
        async def main() -> None:
            async with stack as ble:
                device = await ble.device("ble-plx")          # on, advertising every 20 ms
                found = await ble.find(device.address)        # bleak's BleakScanner
                async with ble.client(found) as client:       # bleak's BleakClient
                    await device.advance(1.0)                 # its patient and itself, one second
                device.peripheral.fade()                      # see Peripheral: what can go wrong
        run(main())

`stack` runs a test twice: on the back ends of `simulators.ble.back_end`, and on bleak's own BlueZ
code against `simulators.ble.bluez` (`ble.bluez`: injected errors, removed devices; None on the
other one). `ble.scanner` and `ble.backend` are the classes for `BleTransport(scanner_backend=,
client_backend=)`, None with BlueZ; `ble.adapter.power(False)` or `ble.power(False)` switches the
adapter off. `radio` is the air of the test's stack, once that is entered.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bleak import BleakClient, BleakScanner
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import BaseBleakScanner

from devices import registry
from devices.driver import Driver
from simulators.ble.adapter import Adapter
from simulators.ble.back_end import backends
from simulators.ble.device import BleDevice, GattMonitor
from simulators.ble.radio import Radio
from simulators.patient import Patient

if sys.platform == "linux":
    from bleak.backends.bluezdbus import manager
    from dbus_fast.aio import MessageBus

    from simulators.ble.bluez import Bluez
    from simulators.ble.bluez_bus import private_bus

FIND_S = 5.0
HARDWARE = "test_hardware.py"
IN_PROCESS, BLUEZ = "in-process", "bluez"
STACKS = [IN_PROCESS, BLUEZ] if sys.platform == "linux" else [IN_PROCESS]
collect_ignore = [] if sys.platform == "linux" else ["test_simulated_bluez.py"]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("bluetooth", "a real Bluetooth device")
    group.addoption("--ble-address", help=f"of the device that {HARDWARE} is run with")
    group.addoption("--ble-driver", help="its driver")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Without a real device its tests do not exist."""
    return (collection_path.name == HARDWARE and not config.getoption("--ble-address")) or None


class Ble:
    """A station's Bluetooth on simulated air, and devices on it."""

    def __init__(self, radio: Radio, adapter: Adapter, bluez: Bluez | None) -> None:
        self.radio = radio
        self.adapter = adapter
        self.bluez = bluez
        self.scanner: type[BaseBleakScanner] | None = None
        self.backend: type[BaseBleakClient] | None = None
        if bluez is None:
            self.scanner, self.backend = backends(adapter)
        self.patient = Patient(1)
        self.devices: list[BleDevice] = []
        self._numbers = itertools.count(1)

    async def device(self, driver: str | Driver, **options: Any) -> BleDevice:
        """A device of this driver, switched on; every one has another address."""
        found = registry.get(driver) if isinstance(driver, str) else driver
        address = f"C0:00:00:00:00:{next(self._numbers):02X}"
        options = {"interval_ms": 20.0, "linger_s": 0.02} | options
        device = BleDevice(self.radio, GattMonitor(found, self.patient), address, **options)
        self.devices.append(device)
        await device.start()
        return device

    async def find(self, address: str) -> BLEDevice:
        found = await BleakScanner.find_device_by_address(
            address, timeout=FIND_S, **self._bluez(), **self._backend(self.scanner)
        )
        assert found is not None, f"{address} was not seen"
        return found

    def scan(self, heard: Callable[..., None], **options: Any) -> BleakScanner:
        return BleakScanner(heard, **options, **self._bluez(), **self._backend(self.scanner))

    def client(self, device: BLEDevice | str, **options: Any) -> BleakClient:
        options = {"timeout": 10.0} | options
        return BleakClient(device, **options, **self._bluez(), **self._backend(self.backend))

    async def power(self, on: bool) -> None:
        await (self.adapter if self.bluez is None else self.bluez).power(on)

    async def advance(self, dt_s: float) -> None:
        """Lets the patient's time pass, and that of all devices."""
        self.patient.advance(dt_s)
        for device in self.devices:
            await device.advance(dt_s)

    def _bluez(self) -> dict[str, Any]:
        return {"bluez": {"adapter": "hci0"}} if self.bluez else {}

    def _backend(self, backend: type | None) -> dict[str, Any]:
        return {"backend": backend} if backend else {}


class Stack:
    """`async with stack as ble`; may be entered again, as after a restart of the computer."""

    def __init__(self, radio: Radio, bus_address: str | None) -> None:
        self._radio = radio
        self._bus_address = bus_address

    async def __aenter__(self) -> Ble:
        self._made = self._make()
        return await self._made.__aenter__()

    async def __aexit__(self, *error: Any) -> None:
        await self._made.__aexit__(*error)

    @contextlib.asynccontextmanager
    async def _make(self) -> AsyncIterator[Ble]:
        adapter = await Adapter.on_air(self._radio)
        if self._bus_address:
            async with closed_buses(), self._made_on(adapter, Bluez(adapter)) as ble:
                yield ble
        else:
            async with self._made_on(adapter, None) as ble:
                yield ble

    @contextlib.asynccontextmanager
    async def _made_on(self, adapter: Adapter, bluez: Bluez | None) -> AsyncIterator[Ble]:
        if bluez and self._bus_address:
            await bluez.start(self._bus_address)
        ble = Ble(self._radio, adapter, bluez)
        try:
            yield ble
        finally:
            for device in ble.devices:
                await device.stop()
            if bluez:
                await release_bleak()
                await bluez.stop()
            await adapter.close()


async def release_bleak() -> None:
    """Closes the D-Bus connection that bleak keeps for the whole life of a loop."""
    found = await manager.get_global_bluez_manager()
    if found._bus is not None and found._bus_watcher_task is not None:
        found._bus.disconnect()
        await found._bus_watcher_task


@contextlib.asynccontextmanager
async def closed_buses() -> AsyncIterator[None]:
    """Waits until every D-Bus connection made meanwhile is closed, not only told to close.

    bleak ends that of a connect that fails without waiting, and the loop may be over before the
    socket is; it would be complained of in whichever test comes next.
    """
    made: list[MessageBus] = []
    connect = MessageBus.connect

    async def noted(bus: MessageBus) -> MessageBus:
        made.append(bus)
        return await connect(bus)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MessageBus, "connect", noted)
        try:
            yield
        finally:
            for bus in made:
                if bus._sock is not None and not bus._disconnected:
                    bus.disconnect()
                    with contextlib.suppress(Exception):  # what ended it is the test's matter
                        await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]


@pytest.fixture
def radio() -> Radio:
    return Radio()


@pytest.fixture(scope="module")
def bus() -> Iterator[str]:
    """The address of a private D-Bus, which is the system bus of this process meanwhile."""
    with private_bus() as address:
        yield address


@pytest.fixture(params=STACKS)
def stack(request: pytest.FixtureRequest, radio: Radio) -> Stack:
    is_bluez = request.param == BLUEZ
    return Stack(radio, request.getfixturevalue("bus") if is_bluez else None)


@pytest.fixture
def in_process(radio: Radio) -> Stack:
    """The back ends of the simulator only."""
    return Stack(radio, None)


@pytest.fixture
def on_bluez(radio: Radio, bus: str) -> Stack:
    """bleak's own BlueZ code only."""
    return Stack(radio, bus)
