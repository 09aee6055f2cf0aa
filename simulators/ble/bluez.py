"""A stand-in for BlueZ: org.bluez on a private D-Bus, whose radio is a simulated adapter.

bleak's own BlueZ back end runs against it unchanged. It is our model of bluetoothd: objects and
signals as bleak expects them, errors of GATT as in BlueZ's src/gatt-client.c, those of connections
as bleak's users report them. What works with it has been tried with bleak, not with BlueZ.

    with private_bus() as address:
        bluez = Bluez(await Adapter.on_air(radio))
        await bluez.start(address)
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Coroutine
from typing import Any

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from simulators.ble.adapter import Adapter, AdapterLink, AdapterOff, Sighting, att_error
from simulators.ble.bluez_bus import (
    OBJECT_MANAGER,
    PROPERTIES,
    BluezError,
    Interfaces,
    Method,
    Objects,
    Reply,
)
from simulators.ble.bluez_gatt import GattObjects
from simulators.ble.radio import LinkGone

ADAPTER, DEVICE = "org.bluez.Adapter1", "org.bluez.Device1"
HCI = "/org/bluez/hci0"
CONNECT_S = 25.0
"""After this long BlueZ gives up a connection attempt by itself."""
ABORT_EDGE_S = 0.02
UNKNOWN_OBJECT = "org.freedesktop.DBus.Error.UnknownObject"
UNKNOWN_METHOD = "org.freedesktop.DBus.Error.UnknownMethod"
_ATT: dict[int, tuple[str, str]] = {
    0x02: ("NotPermitted", "Read not permitted"),
    0x03: ("NotPermitted", "Write not permitted"),
    0x05: ("NotPermitted", "Not paired"),
    0x06: ("NotSupported", "Operation is not supported"),
    0x07: ("InvalidArguments", "Invalid offset"),
    0x08: ("NotAuthorized", "Operation Not Authorized"),
    0x0C: ("NotPermitted", "Not paired"),
    0x0D: ("InvalidArguments", "Invalid Length"),
    0x0F: ("NotPermitted", "Not paired"),
}
"""ATT error -> D-Bus error; all others are `Failed`."""
_FLAGS = ("Connected", "Paired", "Bonded", "Trusted", "Blocked", "ServicesResolved")

log = logging.getLogger(__name__)


class Bluez:
    """The stand-in. Belongs to the loop of its adapter.

    Attributes:
        resolve: whether it ever says that the services of a device are known.
        silent: D-Bus methods that it never answers.
        calls: D-Bus methods that it was asked for.
    """

    def __init__(self, adapter: Adapter) -> None:
        self.resolve = True
        self.silent: set[str] = set()
        self.calls: deque[str] = deque(maxlen=1000)
        self._adapter = adapter
        self._errors: defaultdict[str, deque[BluezError]] = defaultdict(deque)
        self._scanners: set[str] = set()
        self._links: dict[str, AdapterLink] = {}
        self._attempts: dict[str, asyncio.Task[AdapterLink]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._methods: dict[tuple[str, str], Method] = {
            (OBJECT_MANAGER, "GetManagedObjects"): self._managed_objects,
            (PROPERTIES, "Get"): self._get,
            (PROPERTIES, "Set"): self._set,
            (ADAPTER, "SetDiscoveryFilter"): self._nothing,
            (ADAPTER, "StartDiscovery"): self._start_discovery,
            (ADAPTER, "StopDiscovery"): self._stop_discovery,
            (ADAPTER, "RemoveDevice"): self._remove_device,
            (DEVICE, "Connect"): self._connect,
            (DEVICE, "Disconnect"): self._disconnect,
            (DEVICE, "Pair"): self._pair,
        }

    async def start(self, bus_address: str) -> None:
        """Appears on the bus."""
        self._bus = MessageBus(bus_address=bus_address)
        await self._bus.connect()
        self._objects = Objects(self._bus)
        self._gatt = GattObjects(self._objects)
        self._methods |= self._gatt.methods
        self._objects.add(
            HCI,
            ADAPTER,
            {
                "Address": Variant("s", "00:1A:7D:DA:71:01"),
                "Name": Variant("s", "simulated"),
                "Powered": Variant("b", self._adapter.powered),
                "Discovering": Variant("b", False),
                "Roles": Variant("as", ["central"]),
                "UUIDs": Variant("as", []),
            },
        )
        self._bus.add_message_handler(self._on_message)
        await self._bus.request_name("org.bluez")

    async def stop(self) -> None:
        """Vanishes from the bus."""
        await self._adapter.end_scan(self)
        pending = [*self._attempts.values(), *self._tasks]
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        self._bus.disconnect()
        await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]

    @property
    def tree(self) -> dict[str, Interfaces]:
        """All objects by path, with the properties of their interfaces."""
        return self._objects.tree

    # --- what can go wrong --------------------------------------------------------------------

    def fail(self, method: str, name: str, words: str, *, times: int = 1) -> None:
        """Lets the next calls of a method fail: `fail("Connect", "InProgress", "…")`.

        A `Connect` that fails with `le-connection-abort-by-local` shows the device connected for
        a moment, as BlueZ does, and bleak tries again by itself.
        """
        self._errors[method].extend(BluezError(name, words) for _ in range(times))

    async def power(self, on: bool) -> None:
        """Switches the adapter on or off."""
        if not on:
            self._scanners.clear()
            await self._adapter.end_scan(self)
            self._objects.set(HCI, ADAPTER, Discovering=Variant("b", False))
        await self._adapter.power(on)
        self._objects.set(HCI, ADAPTER, Powered=Variant("b", on))

    async def remove(self, address: str) -> None:
        """Forgets a device, as `bluetoothctl remove` does; an object of it becomes stale."""
        await self._remove(device_path(address))

    # --- D-Bus --------------------------------------------------------------------------------

    def _on_message(self, message: Message) -> bool:
        if message.message_type is not MessageType.METHOD_CALL:
            return False
        if message.interface == "org.freedesktop.DBus.Peer":
            return False
        self._spawn(self._serve(message))
        return True

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, message: Message) -> None:
        member = message.member or ""
        self.calls.append(member)
        if member in self.silent:
            return
        method = self._methods.get((message.interface or "", member))
        if (path := message.path or "/") != "/" and path not in self._objects:
            reply = Message.new_error(message, UNKNOWN_OBJECT, f"{path} {member}")
        elif method is None:
            reply = Message.new_error(message, UNKNOWN_METHOD, f"{message.interface}.{member}")
        else:
            reply = await self._answer(method, message)
        self._bus.send(reply)

    async def _answer(self, method: Method, message: Message) -> Message:
        try:
            if errors := self._errors[message.member or ""]:
                await self._injected(message, errors.popleft())
            kinds, body = await method(message) or ("", [])
            return Message.new_method_return(message, kinds, body)
        except BluezError as error:
            return Message.new_error(message, error.name, str(error))
        except LinkGone:
            return Message.new_error(message, "org.bluez.Error.Failed", "Not connected")
        except AdapterOff:
            return Message.new_error(message, "org.bluez.Error.NotReady", "Resource Not Ready")
        except Exception as error:
            if (code := att_error(error)) is None:
                log.exception("the stand-in for BlueZ failed")
            words = f"Operation failed with ATT error: 0x{code or 0x0E:02x}"
            name, text = _ATT.get(code or 0, ("Failed", words))
            return Message.new_error(message, f"org.bluez.Error.{name}", text)

    async def _injected(self, message: Message, error: BluezError) -> None:
        if str(error) == "le-connection-abort-by-local":
            path = message.path or ""
            self._objects.set(path, DEVICE, Connected=Variant("b", True))
            asyncio.get_running_loop().call_later(
                ABORT_EDGE_S,
                lambda: self._objects.set(path, DEVICE, Connected=Variant("b", False)),
            )
        raise error

    async def _nothing(self, message: Message) -> None:
        """Accepts what it does not model."""

    async def _managed_objects(self, message: Message) -> Reply:
        return "a{oa{sa{sv}}}", [self._objects.tree]

    async def _get(self, message: Message) -> Reply:
        interface, name = message.body
        return "v", [self._objects.tree[message.path or ""][interface][name]]

    async def _set(self, message: Message) -> None:
        interface, name, value = message.body
        if (interface, name) == (ADAPTER, "Powered"):
            await self.power(value.value)
        else:
            self._objects.set(message.path or "", interface, **{name: value})

    # --- Adapter1 -----------------------------------------------------------------------------

    async def _start_discovery(self, message: Message) -> None:
        sender = message.sender or ""
        if sender in self._scanners:
            raise BluezError("InProgress", "Operation already in progress")
        await self._adapter.scan(self, self._sighted)
        self._scanners.add(sender)
        self._objects.set(HCI, ADAPTER, Discovering=Variant("b", True))

    async def _stop_discovery(self, message: Message) -> None:
        if not self._adapter.powered:
            raise AdapterOff
        if message.sender not in self._scanners:
            raise BluezError("Failed", "No discovery started")
        self._scanners.discard(message.sender)
        if not self._scanners:
            await self._adapter.end_scan(self)
            self._objects.set(HCI, ADAPTER, Discovering=Variant("b", False))

    def _sighted(self, seen: Sighting) -> None:
        path = device_path(seen.address)
        shown = {"RSSI": Variant("n", seen.rssi)}
        if seen.name is not None:
            shown |= {"Name": Variant("s", seen.name), "Alias": Variant("s", seen.name)}
        if seen.uuids:
            shown["UUIDs"] = Variant("as", seen.uuids)
        if path in self._objects:
            self._objects.set(path, DEVICE, **shown)
            return
        unknown = {
            "Address": Variant("s", seen.address),
            "AddressType": Variant("s", "random"),
            "Adapter": Variant("o", HCI),
            "Alias": Variant("s", seen.address.replace(":", "-")),
            "UUIDs": Variant("as", []),
        }
        flags = {flag: Variant("b", False) for flag in _FLAGS}
        self._objects.add(path, DEVICE, {**unknown, **flags, **shown})

    async def _remove_device(self, message: Message) -> None:
        path = message.body[0]
        if path not in self._objects:
            raise BluezError("DoesNotExist", "Does Not Exist")
        await self._remove(path)

    async def _remove(self, path: str) -> None:
        await self._adapter.forget(self._objects.get(path, DEVICE, "Address"))
        if link := self._links.get(path):
            await link.disconnect()
        self._objects.remove(path)

    # --- Device1 ------------------------------------------------------------------------------

    async def _connect(self, message: Message) -> None:
        path = message.path or ""
        if path in self._links:
            return
        if not self._adapter.powered:
            raise AdapterOff
        if self._attempts or self._adapter.connecting:
            raise BluezError("InProgress", "Operation already in progress")
        attempt = asyncio.ensure_future(
            self._adapter.connect(self._objects.get(path, DEVICE, "Address"))
        )
        self._attempts[path] = attempt
        try:
            async with asyncio.timeout(CONNECT_S):
                await asyncio.wait((attempt,))
            link = attempt.result()
        except (TimeoutError, asyncio.CancelledError, LinkGone) as error:
            raise BluezError("Failed", "br-connection-canceled") from error
        finally:
            attempt.cancel()
            del self._attempts[path]
        self._links[path] = link
        link.gone.add_done_callback(lambda _: self._gone(path))
        self._objects.set(path, DEVICE, Connected=Variant("b", True))
        self._spawn(self._discover(path, link))

    async def _disconnect(self, message: Message) -> None:
        path = message.path or ""
        if link := self._links.get(path):
            await link.disconnect()
        elif attempt := self._attempts.get(path):
            attempt.cancel()
        else:
            raise BluezError("NotConnected", "Not Connected")

    async def _pair(self, message: Message) -> None:
        path = message.path or ""
        if self._objects.get(path, DEVICE, "Paired"):
            raise BluezError("AlreadyExists", "Already Exists")
        await self._connect(message)
        try:
            await self._links[path].pair()
        except Exception as error:
            raise BluezError("AuthenticationFailed", "Authentication Failed") from error
        yes = Variant("b", True)
        self._objects.set(path, DEVICE, Paired=yes, Bonded=yes)

    def _gone(self, path: str) -> None:
        self._links.pop(path, None)
        self._gatt.gone(path)
        no = Variant("b", False)
        self._objects.set(path, DEVICE, ServicesResolved=no)
        self._objects.set(path, DEVICE, Connected=no)

    async def _discover(self, path: str, link: AdapterLink) -> None:
        try:
            await link.begin()
            services = await link.discover()
        except LinkGone:
            await link.disconnect()
            return
        self._gatt.show(path, link, services)
        if self.resolve:
            self._objects.set(path, DEVICE, ServicesResolved=Variant("b", True))


def device_path(address: str) -> str:
    """The D-Bus path of a device."""
    return f"{HCI}/dev_{address.replace(':', '_')}"
