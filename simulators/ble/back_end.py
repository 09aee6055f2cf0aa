"""bleak back ends on a simulated adapter: pass them as `backend=` to bleak's own front ends.

    scanner, client = backends(adapter)
    device = await BleakScanner.find_device_by_name("ble-plx", backend=scanner)
    async with BleakClient(device, backend=client) as connected: ...

Errors are those of bleak: BleakError and its kinds, TimeoutError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from bleak.args import SizedBuffer
from bleak.assigned_numbers import gatt_char_props_to_strs
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import (
    AdvertisementData,
    AdvertisementDataCallback,
    BaseBleakScanner,
)
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakError,
    BleakGATTProtocolError,
    BleakGATTProtocolErrorCode,
)

from simulators.ble.adapter import Adapter, AdapterLink, AdapterOff, Sighting, att_error, text
from simulators.ble.radio import LinkGone

T = TypeVar("T")


def backends(adapter: Adapter) -> tuple[type[BaseBleakScanner], type[BaseBleakClient]]:
    """Scanner and client classes that use this adapter."""
    bound = {"adapter": adapter}
    return type("SimulatedScanner", (_Scanner,), bound), type("SimulatedClient", (_Client,), bound)


class _Scanner(BaseBleakScanner):
    adapter: Adapter

    def __init__(
        self,
        detection_callback: AdvertisementDataCallback | None = None,
        service_uuids: list[str] | None = None,
        scanning_mode: str = "active",
        **others: Any,
    ) -> None:
        super().__init__(detection_callback, service_uuids)

    async def start(self) -> None:
        self.seen_devices = {}
        await _said(self.adapter.scan(self, self._heard))

    async def stop(self) -> None:
        await self.adapter.end_scan(self)

    def _heard(self, seen: Sighting) -> None:
        if not self.is_allowed_uuid(seen.uuids):
            return
        shown = AdvertisementData(seen.name, {}, {}, seen.uuids, None, seen.rssi, (seen,))
        device = self.create_or_update_device(seen.address, seen.address, seen.name, seen, shown)
        self.call_detection_callbacks(device, shown)


class _Client(BaseBleakClient):
    adapter: Adapter

    def __init__(
        self,
        address_or_ble_device: BLEDevice | str,
        services: set[str] | None = None,
        *,
        disconnected_callback: Callable[[], None] | None,
        timeout: float,
        **others: Any,
    ) -> None:
        super().__init__(
            address_or_ble_device, disconnected_callback=disconnected_callback, timeout=timeout
        )
        self._wanted = services
        known = isinstance(address_or_ble_device, BLEDevice)
        self._name = address_or_ble_device.name if known else None  # type: ignore[union-attr]
        self._link: AdapterLink | None = None

    @property
    def name(self) -> str:
        return self._name or self.address.replace(":", "-")

    @property
    def mtu_size(self) -> int:
        return self._link.mtu if self._link else 23

    @property
    def is_connected(self) -> bool:
        return self._link is not None and self._link.connected

    async def connect(self, pair: bool, **options: Any) -> None:
        if self.is_connected:
            raise BleakError("Client is already connected")
        async with asyncio.timeout(options.get("timeout", self._timeout)):
            link = await _said(self.adapter.connect(self.address))
            try:
                await _said(link.begin())
                if pair and not await self.adapter.bonded(self.address):
                    await _said(link.pair())
                self.services = await _said(self._discover(link))
                if not link.connected:
                    raise BleakError("disconnected during service discovery")
            except BaseException:
                await asyncio.shield(link.disconnect())
                raise
        self._link = link
        link.gone.add_done_callback(self._ended)

    async def disconnect(self) -> None:
        link = self._link
        if link is not None and link.connected:
            await link.disconnect()
            self._ended(link.gone)

    async def pair(self, *args: Any, **options: Any) -> None:
        await _said(self._linked().pair())

    async def unpair(self) -> None:
        await self.adapter.forget(self.address)

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, *, use_cached: bool = False, **options: Any
    ) -> bytearray:
        return bytearray(await _said(self._linked().read(characteristic.obj)))

    async def read_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, *, use_cached: bool = False, **options: Any
    ) -> bytearray:
        return bytearray(await _said(self._linked().read(descriptor.obj)))

    async def write_gatt_char(
        self, characteristic: BleakGATTCharacteristic, data: SizedBuffer, response: bool
    ) -> None:
        await _said(self._linked().write(characteristic.obj, bytes(data), response))

    async def write_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, data: SizedBuffer
    ) -> None:
        await _said(self._linked().write(descriptor.obj, bytes(data), True))

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **options: Any
    ) -> None:
        def heard(value: bytes) -> None:
            callback(bytearray(value))

        await _said(self._linked().subscribe(characteristic.obj, heard))

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        await _said(self._linked().unsubscribe(characteristic.obj))

    def _linked(self) -> AdapterLink:
        if self._link is None or not self._link.connected:
            raise BleakError("Not connected")
        return self._link

    def _ended(self, gone: asyncio.Future[int]) -> None:
        if self._link is None or self._link.gone is not gone:
            return
        self._link = self.services = None
        if self._disconnected_callback is not None:
            self._disconnected_callback()

    async def _discover(self, link: AdapterLink) -> BleakGATTServiceCollection:
        found = BleakGATTServiceCollection()
        for service in await link.discover():
            if self._wanted and text(service.uuid) not in self._wanted:
                continue
            shown = BleakGATTService(service, service.handle, text(service.uuid))
            found.add_service(shown)
            for characteristic in service.characteristics:
                made = BleakGATTCharacteristic(
                    characteristic,
                    characteristic.handle,
                    text(characteristic.uuid),
                    list(gatt_char_props_to_strs(characteristic.properties)),
                    lambda: link.mtu - 3,
                    shown,
                )
                found.add_characteristic(made)
                for descriptor in characteristic.descriptors:
                    uuid = text(descriptor.type)
                    found.add_descriptor(
                        BleakGATTDescriptor(descriptor, descriptor.handle, uuid, made)
                    )
        return found


async def _said(asked: Awaitable[T]) -> T:
    """Awaits it, and says errors as bleak does."""
    try:
        return await asked
    except LinkGone as error:
        raise BleakError(f"disconnected {error}".rstrip()) from error
    except AdapterOff as error:
        raise BleakBluetoothNotAvailableError(
            "the Bluetooth adapter is switched off", BleakBluetoothNotAvailableReason.POWERED_OFF
        ) from error
    except Exception as error:
        if (code := att_error(error)) is None:
            raise
        raise BleakGATTProtocolError(BleakGATTProtocolErrorCode(code)) from error
