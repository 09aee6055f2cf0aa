"""The station's Bluetooth adapter on the simulated air, and its connections.

Shared by the bleak back ends and the stand-in for BlueZ: both only translate. Its errors are
`LinkGone`, `att_error`'s code, `AdapterOff` and TimeoutError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bleak.uuids import normalize_uuid_str
from bumble import core, hci
from bumble.core import UUID, AdvertisingData
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.gatt_client import CharacteristicProxy, DescriptorProxy, ServiceProxy

from simulators.ble.radio import LinkGone, Radio, place, while_linked

T = TypeVar("T")
ADDRESS = "F0:00:00:00:00:01"
MTU = 247
RSSI_DBM = -60

Heard = Callable[["Sighting"], None]
_Kind = AdvertisingData.Type
_UUID_BYTES = {
    _Kind.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS: 2,
    _Kind.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS: 2,
    _Kind.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS: 16,
    _Kind.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS: 16,
}
_NAMES = (_Kind.COMPLETE_LOCAL_NAME, _Kind.SHORTENED_LOCAL_NAME)


class AdapterOff(Exception):
    """The adapter is switched off."""


@dataclass(slots=True)
class Sighting:
    """One advertisement."""

    address: str
    name: str | None = None
    uuids: list[str] = field(default_factory=list)
    rssi: int = RSSI_DBM


def att_error(error: Exception) -> int | None:
    """The ATT error code that a device has refused something with, None for other errors."""
    refused = isinstance(error, core.ProtocolError) and error.error_namespace == "att"
    return getattr(error, "error_code", None) if refused else None


class Adapter:
    """One adapter.

    Args:
        device: the host, powered on.
        hang_up: takes its controller away.

    Attributes:
        lost: whether its controller is gone, which was in another process.
    """

    def __init__(self, device: Device, hang_up: Callable[[], None]) -> None:
        self.lost = False
        self._device = device
        self._hang_up = hang_up
        self._listeners: dict[object, Heard] = {}
        self._scanning = asyncio.Lock()
        self._connecting = asyncio.Lock()
        self._links: set[AdapterLink] = set()
        self._powered = True
        device.on(Device.EVENT_ADVERTISEMENT, self._heard)
        device.on(Device.EVENT_FLUSH, self._lose_all)

    @classmethod
    async def on_air(cls, radio: Radio, address: str = ADDRESS) -> Adapter:
        """A new adapter on this air."""
        device, controller = place(radio, "station", address)
        await device.power_on()
        return cls(device, lambda: radio.remove(controller))

    @property
    def powered(self) -> bool:
        """Whether it is switched on."""
        return self._powered

    async def power(self, on: bool) -> None:
        """Switches it on or off; off ends all its connections."""
        self._powered = on
        if not on:
            for link in list(self._links):
                await link.disconnect()
        await self._follow()

    async def close(self) -> None:
        """Takes it off the air."""
        self._listeners.clear()
        self._hang_up()
        self._lose_all()

    # --- scanning -----------------------------------------------------------------------------

    @property
    def scanning(self) -> bool:
        """Whether somebody scans."""
        return bool(self._listeners)

    async def scan(self, key: object, heard: Heard) -> None:
        """Tells `heard` of every advertisement until `end_scan` with the same key.

        Raises:
            AdapterOff: it is switched off.
        """
        if not self._powered:
            raise AdapterOff
        self._listeners[key] = heard
        await self._follow()

    async def end_scan(self, key: object) -> None:
        """Ends one scan."""
        self._listeners.pop(key, None)
        await self._follow()

    async def _follow(self) -> None:
        async with self._scanning:
            if self.lost:
                return
            wanted = bool(self._listeners) and self._powered
            if wanted and not self._device.is_scanning:
                await self._device.start_scanning(filter_duplicates=False)
            elif self._device.is_scanning and not wanted:
                await self._device.stop_scanning()

    def _heard(self, advertisement: Advertisement) -> None:
        sighting = Sighting(advertisement.address.to_string(False))
        for kind, data in advertisement.data.ad_structures:
            if size := _UUID_BYTES.get(_Kind(kind)):
                pieces = (data[i : i + size] for i in range(0, len(data), size))
                found = [*sighting.uuids, *(text(UUID.from_bytes(piece)) for piece in pieces)]
                sighting.uuids = list(dict.fromkeys(found))  # the scan response says it again
            elif kind in _NAMES:
                sighting.name = data.decode("utf-8", "replace")
        for heard in list(self._listeners.values()):
            heard(sighting)

    # --- connecting ---------------------------------------------------------------------------

    @property
    def connecting(self) -> bool:
        """Whether an attempt is going on; there can be only one."""
        return self._connecting.locked()

    async def connect(self, address: str) -> AdapterLink:
        """Connects to a device as soon as it advertises; cancel it to give up.

        Another attempt waits until this one has ended: bumble takes whichever connection comes
        about next for the one that was asked for.

        Raises:
            AdapterOff: it is switched off.
            LinkGone: the attempt failed.
        """
        if not self._powered:
            raise AdapterOff
        if self.lost:
            raise LinkGone("the adapter has gone")
        async with self._connecting:
            attempt = asyncio.ensure_future(
                self._device.connect(hci.Address(address), timeout=None)
            )
            try:
                connection = await asyncio.shield(attempt)
            except asyncio.CancelledError:
                if attempt.cancelled():  # by bumble: its controller is gone
                    raise LinkGone("the adapter has gone") from None
                await asyncio.shield(self._give_up(attempt))
                raise
            except (core.BaseBumbleError, hci.HCI_Error) as error:
                raise LinkGone(str(error)) from error
        link = AdapterLink(self, address, connection)
        self._links.add(link)
        link.gone.add_done_callback(lambda _: self._links.discard(link))
        return link

    async def bonded(self, address: str) -> bool:
        """Whether keys of an earlier pairing with a device are kept."""
        keys = self._device.keystore
        return keys is not None and await keys.get(str(hci.Address(address))) is not None

    async def forget(self, address: str) -> None:
        """Forgets the keys."""
        if self._device.keystore is not None and await self.bonded(address):
            await self._device.keystore.delete(str(hci.Address(address)))

    async def _give_up(self, attempt: asyncio.Task[Connection]) -> None:
        """Cancels at HCI level, which bumble does not; ends what has come about meanwhile."""
        await self._device.send_sync_command_raw(hci.HCI_LE_Create_Connection_Cancel_Command())
        await asyncio.wait((attempt,))
        if not attempt.cancelled() and attempt.exception() is None:
            await attempt.result().disconnect()

    def _lose_all(self) -> None:
        self.lost = True
        for link in list(self._links):
            link.lose()


class AdapterLink:
    """A connection to one device.

    Attributes:
        gone: done as soon as it has ended.
    """

    def __init__(self, adapter: Adapter, address: str, connection: Connection) -> None:
        self.gone: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._adapter = adapter
        self._address = address
        self._connection = connection
        self._peer = Peer(connection)
        connection.on(Connection.EVENT_DISCONNECTION, self.lose)

    async def begin(self) -> None:
        """What a station does first: larger packets, and the encryption agreed upon earlier."""
        await self.asked(self._peer.request_mtu(MTU))
        if await self._adapter.bonded(self._address):
            try:
                await self.asked(self._connection.encrypt())
            except hci.HCI_Error as error:  # the device has forgotten
                raise LinkGone("the device does not know the key any more") from error

    @property
    def connected(self) -> bool:
        """Whether it still exists, as far as the adapter knows."""
        return not self.gone.done()

    @property
    def mtu(self) -> int:
        """What was agreed upon."""
        return int(self._connection.att_mtu)

    async def pair(self) -> None:
        """Pairs, Just Works with LE Secure Connections."""
        await self.asked(self._connection.pair())

    async def disconnect(self) -> None:
        """Ends it; a device that is out of range learns of it later."""
        if self.connected:
            await self._connection.disconnect()
            self.lose()

    def lose(self, reason: int = hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR) -> None:
        """It has ended."""
        if not self.gone.done():
            self.gone.set_result(reason)

    async def discover(self) -> list[ServiceProxy]:
        """All services, with their characteristics and descriptors."""
        services = await self.asked(self._peer.discover_services())
        for service in services:
            for characteristic in await self.asked(service.discover_characteristics()):
                await self.asked(characteristic.discover_descriptors())
        return list(services)

    async def read(self, attribute: CharacteristicProxy[Any] | DescriptorProxy) -> bytes:
        """Reads a value."""
        return bytes(await self.asked(attribute.read_value()))

    async def write(
        self, attribute: CharacteristicProxy[Any] | DescriptorProxy, data: bytes, response: bool
    ) -> None:
        """Writes a value."""
        await self.asked(attribute.write_value(data, with_response=response))

    async def subscribe(
        self, characteristic: CharacteristicProxy[Any], heard: Callable[[bytes], None]
    ) -> None:
        """Lets `heard` know of every notification or indication."""
        await self.asked(characteristic.subscribe(heard))

    async def unsubscribe(self, characteristic: CharacteristicProxy[Any]) -> None:
        """Wants to hear nothing more."""
        client = self._peer.gatt_client
        for subscribers in (client.notification_subscribers, client.indication_subscribers):
            subscribers.pop(characteristic.handle, None)
        await self.asked(characteristic.unsubscribe(force=True))

    async def asked(self, asked: Coroutine[Any, Any, T]) -> T:
        """Awaits it while there is a connection.

        Raises:
            LinkGone: there is none any more.
        """
        return await while_linked(self.gone, asked)


def text(uuid: UUID) -> str:
    """A UUID as bleak writes it."""
    return normalize_uuid_str(uuid.to_hex_str("-").lower())
