"""One simulated Bluetooth device: it advertises, serves GATT, pairs, and fails as it is told to.

It knows no protocol: what it sends is given to `send`, what it is sent waits in `written`.
Its advertising and its scan response are one, as bumble's virtual controller has it.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from bumble import att, hci
from bumble.core import UUID, AdvertisingData
from bumble.device import Connection, Device
from bumble.gatt import (
    GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR,
    CharacteristicValue,
    Service,
)
from bumble.gatt import Characteristic as GattCharacteristic
from bumble.gatt_server import Server

from simulators.ble.gatt import SIG_TAIL, Characteristic, Profile
from simulators.ble.radio import Radio, place, while_linked

UNKEPT = 256
"""Writes that nobody has taken before the oldest is lost."""
_CONFIRMATION = 0x1E
_MTU_HEADER = 3
_UUID16 = AdvertisingData.Type.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS
_UUID128 = AdvertisingData.Type.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS
_Permissions = att.Attribute.Permissions
_Properties = GattCharacteristic.Properties


class _Listening(Device):
    """A device that shows what it hears before it is acted upon."""

    heard: Callable[[bytes, Callable[[], None]], None] | None = None

    def on_gatt_pdu(self, connection_handle: int, pdu: bytes) -> None:
        act = partial(super().on_gatt_pdu, connection_handle, pdu)
        if self.heard is None:
            act()
        else:
            self.heard(pdu, act)


class Peripheral:
    """A device on the air; everything in the radio's loop.

    Args:
        radio: where it is.
        profile: what it shows.
        address: its static random address.
        interval_ms: between two advertisements.

    Attributes:
        profile: see above.
        address: see above, upper case.
        values: what a read of a characteristic gives, by UUID.
        written: what it was sent: (UUID, bytes), oldest first.
        on_change: called when somebody has connected, subscribed, written, or gone.
        sent: notifications and indications that left.
        confirmed: indications that were confirmed.
        requests: ATT requests heard on this connection.
        answer_after_s: how late it answers each ATT request (a slow device, slow discovery).
        mute: whether it leaves every ATT request unanswered (a discovery that hangs; a zombie).
        errors: ATT error codes with which it refuses reads, writes and subscriptions, by UUID.
        drop_at_request: leaves in the middle of things, instead of answering the request of this
            number; 0 = never.
    """

    def __init__(
        self, radio: Radio, profile: Profile, address: str, *, interval_ms: float = 100.0
    ) -> None:
        self.profile = profile
        self.address = address.upper()
        self.values: dict[str, bytes] = {}
        self.written: deque[tuple[str, bytes]] = deque(maxlen=UNKEPT)
        self.on_change: Callable[[], None] = lambda: None
        self.sent = self.confirmed = self.requests = 0
        self.answer_after_s = 0.0
        self.mute = False
        self.errors: dict[str, int] = {}
        self.drop_at_request = 0
        self._radio = radio
        device, self._controller = place(
            radio, profile.name, address, kind=_Listening, interval_ms=interval_ms
        )
        self._device = device
        device.heard = self._heard  # type: ignore[attr-defined]
        device.advertising_data = advertising(profile)
        self._characteristics: dict[str, GattCharacteristic[Any]] = {}
        device.add_services([self._service(*item) for item in profile.services.items()])
        self._owners = self._owning()
        if profile.bond:
            for uuid in self._characteristics:
                self.require_encryption(uuid)
        device.on(Device.EVENT_CONNECTION, self._connected)
        device.gatt_server.on(Server.EVENT_CHARACTERISTIC_SUBSCRIPTION, self._subscribed)
        self._connection: Connection | None = None
        self._gone: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._visible = False
        self._tasks: set[asyncio.Task[None]] = set()

    # --- life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Switches it on; it advertises, unless it does so only when it has something to tell."""
        await self._device.power_on()
        if not self.profile.on_sight:
            await self.advertise()

    async def stop(self) -> None:
        """Switches it off for good: it vanishes, and its connection times out."""
        self._visible = False
        self._device.remove_listener(Device.EVENT_CONNECTION, self._connected)
        await asyncio.gather(*self._tasks)  # bumble cannot have a command cancelled half-way
        self._radio.remove(self._controller)

    async def advertise(self) -> None:
        """Shows itself from now on, whenever nobody is connected to it."""
        self._visible = True
        if self._connection is None:
            await self._device.start_advertising()

    async def hide(self) -> None:
        """Stops advertising."""
        self._visible = False
        await self._device.stop_advertising()

    @property
    def connected(self) -> bool:
        """Whether somebody is connected to it, as far as it knows."""
        return self._connection is not None

    @property
    def encrypted(self) -> bool:
        """Whether its connection is encrypted."""
        return self._connection is not None and bool(self._connection.is_encrypted)

    @property
    def payload_bytes(self) -> int:
        """What fits into one notification now; what is longer is cut off."""
        return (self._connection.att_mtu if self._connection else 23) - _MTU_HEADER

    def subscribed(self, uuid: str) -> bool:
        """Whether somebody wants to hear from a characteristic."""
        if self._connection is None:
            return False
        handle = self._characteristics[uuid].handle
        wanted = self._device.gatt_server.subscribers.get(self._connection, {}).get(handle)
        return bool(wanted and any(wanted))

    async def send(self, uuid: str, payload: bytes) -> bool:
        """Notifies, or indicates and waits for the confirmation.

        Returns:
            Whether it was sent: somebody is connected and has subscribed.

        Raises:
            LinkGone: the connection ended before the confirmation.
        """
        connection, characteristic = self._connection, self._characteristics[uuid]
        if connection is None or not self.subscribed(uuid):
            return False
        server = self._device.gatt_server
        self.sent += 1
        if characteristic.properties & _Properties.INDICATE:
            asked = server.indicate_subscriber(connection, characteristic, payload)
            await while_linked(self._gone, asked)
        else:
            await server.notify_subscriber(connection, characteristic, payload)
        return True

    # --- what can go wrong --------------------------------------------------------------------

    async def drop(
        self, reason: int = hci.HCI_ErrorCode.REMOTE_USER_TERMINATED_CONNECTION_ERROR
    ) -> None:
        """Ends the connection, as a device that is switched off or has told everything."""
        connection, gone = self._connection, self._gone
        if connection is not None:
            await connection.disconnect(reason)
            await gone

    def fade(self) -> None:
        """Goes out of range: nothing gets through, and nobody knows yet."""
        self._radio.take_away(self._controller)

    def time_out(self) -> None:
        """The supervision timeout of a connection that has faded: both ends learn of it."""
        self._radio.time_out(self._controller)

    def come_back(self) -> None:
        """Comes into range again."""
        self._radio.bring_back(self._controller)

    async def forget_bonds(self) -> None:
        """Forgets everybody it was paired with, as after a change of its batteries."""
        if self._device.keystore is not None:
            await self._device.keystore.delete_all()

    def require_encryption(self, uuid: str) -> None:
        """Gives this characteristic from now on over an encrypted connection only."""
        for attribute in self._device.gatt_server.attributes:
            if self._owners.get(attribute.handle) == uuid:
                attribute.permissions |= (
                    _Permissions.READ_REQUIRES_ENCRYPTION | _Permissions.WRITE_REQUIRES_ENCRYPTION
                )

    # --- inside -------------------------------------------------------------------------------

    def _service(self, uuid: str, found: tuple[Characteristic, ...]) -> Service:
        return Service(short(uuid), [self._made(characteristic) for characteristic in found])

    def _made(self, characteristic: Characteristic) -> GattCharacteristic[Any]:
        uuid = characteristic.uuid
        self.values[uuid] = characteristic.value
        properties = _Properties(0)
        for way in characteristic.can:
            properties |= getattr(_Properties, way.replace("-", "_").upper())
        permissions = _Permissions(0)
        if "read" in characteristic.can:
            permissions |= _Permissions.READABLE
        if properties & (_Properties.WRITE | _Properties.WRITE_WITHOUT_RESPONSE):
            permissions |= _Permissions.WRITEABLE
        made = GattCharacteristic(
            short(uuid),
            properties,
            permissions,
            CharacteristicValue(
                read=lambda _: self.values[uuid],
                write=lambda _, data: self._was_sent(uuid, bytes(data)),
            ),
        )
        self._characteristics[uuid] = made
        return made

    def _owning(self) -> dict[int, str]:
        """Attribute handle -> characteristic, for values and for what is subscribed with."""
        owners, owner = {}, ""
        uuids = {found.handle: uuid for uuid, found in self._characteristics.items()}
        for attribute in self._device.gatt_server.attributes:
            owner = uuids.get(attribute.handle, owner)
            cccd = attribute.type == GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR
            if attribute.handle in uuids or (cccd and owner):
                owners[attribute.handle] = owner
        return owners

    def _was_sent(self, uuid: str, data: bytes) -> None:
        self.written.append((uuid, data))
        self.on_change()

    def _connected(self, connection: Connection) -> None:
        self._connection, self.requests = connection, 0
        self._gone = asyncio.get_running_loop().create_future()
        connection.on(Connection.EVENT_DISCONNECTION, self._disconnected)
        self.on_change()

    def _subscribed(self, *what: object) -> None:
        self.on_change()

    def _disconnected(self, reason: int) -> None:
        self._connection = None
        self._gone.set_result(reason)
        if self._visible:
            self._spawn_advertising()
        self.on_change()

    def _spawn_advertising(self) -> None:
        task = asyncio.ensure_future(self._device.start_advertising())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _heard(self, pdu: bytes, act: Callable[[], None]) -> None:
        """An ATT PDU; `act` lets the GATT server act upon it."""
        if pdu[0] == _CONFIRMATION:
            self.confirmed += 1
        if pdu[0] not in att.ATT_REQUESTS:
            act()
            return
        self.requests += 1
        if self.requests == self.drop_at_request:
            task = asyncio.ensure_future(self.drop())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif not self.mute:
            asyncio.get_running_loop().call_later(
                self.answer_after_s, self._answer, self._connection, pdu, act
            )

    def _answer(self, connection: Connection | None, pdu: bytes, act: Callable[[], None]) -> None:
        if connection is None or connection is not self._connection:
            return  # it has ended meanwhile
        handle = struct.unpack_from("<H", pdu, 1)[0] if len(pdu) >= 3 else 0
        code = self.errors.get(self._owners.get(handle, "")) if pdu[0] in _ONE_VALUE else None
        if code is None:
            act()
        else:
            refusal = att.ATT_Error_Response(
                request_opcode_in_error=pdu[0],
                attribute_handle_in_error=handle,
                error_code=att.ErrorCode(code),
            )
            self._device.gatt_server.send_response(connection, refusal)


_ONE_VALUE = frozenset((0x0A, 0x0C, 0x12))
"""Read, read blob and write requests: their first field is the handle that is meant."""


def advertising(profile: Profile) -> bytes:
    """What a device with this profile advertises."""
    uuids = [short(uuid).to_pdu_bytes() for uuid in profile.advertised]
    parts: list[tuple[int, bytes]] = [(AdvertisingData.Type.FLAGS, b"\x06")]
    for kind, size in ((_UUID16, 2), (_UUID128, 16)):
        if found := b"".join(uuid for uuid in uuids if len(uuid) == size):
            parts.append((kind, found))
    parts.append((AdvertisingData.Type.COMPLETE_LOCAL_NAME, profile.name.encode()))
    return bytes(AdvertisingData(parts))


def short(uuid: str) -> UUID:
    """The UUID as it goes over the air: two bytes for those of the Bluetooth SIG."""
    head, tail = uuid[:8], uuid[8:]
    sig = tail == SIG_TAIL and head.startswith("0000")
    return UUID.from_16_bits(int(head, 16)) if sig else UUID(uuid)
