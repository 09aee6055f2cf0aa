"""Services, characteristics and descriptors of connected devices, as BlueZ shows them on D-Bus."""

from __future__ import annotations

from typing import Any

from bleak.assigned_numbers import gatt_char_props_to_strs
from bumble.gatt_client import CharacteristicProxy, DescriptorProxy, ServiceProxy
from dbus_fast import Message, Variant

from simulators.ble.adapter import AdapterLink, text
from simulators.ble.bluez_bus import BluezError, Method, Objects, Reply
from simulators.ble.radio import LinkGone

SERVICE, CHARACTERISTIC = "org.bluez.GattService1", "org.bluez.GattCharacteristic1"
DESCRIPTOR = "org.bluez.GattDescriptor1"

Attribute = CharacteristicProxy[Any] | DescriptorProxy


class GattObjects:
    """The objects below the devices. They stay when a device is gone, as BlueZ keeps them.

    Attributes:
        methods: (interface, method) -> what serves it; raises LinkGone, BluezError, ATT errors.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._links: dict[str, AdapterLink] = {}
        self._attributes: dict[str, Attribute] = {}
        self._notifying: set[str] = set()
        self.methods: dict[tuple[str, str], Method] = {
            (CHARACTERISTIC, "ReadValue"): self._read,
            (CHARACTERISTIC, "WriteValue"): self._write,
            (CHARACTERISTIC, "StartNotify"): self._start_notify,
            (CHARACTERISTIC, "StopNotify"): self._stop_notify,
            (DESCRIPTOR, "ReadValue"): self._read,
            (DESCRIPTOR, "WriteValue"): self._write,
        }

    def show(self, device: str, link: AdapterLink, services: list[ServiceProxy]) -> None:
        """Shows what was discovered on a device, by its path."""
        self._links[device] = link
        for service in services:
            at = f"{device}/service{service.handle:04x}"
            about = {"UUID": text(service.uuid), "Primary": True}
            self._show(at, SERVICE, Device=Variant("o", device), **_plain(about))
            for characteristic in service.characteristics:
                self._show_characteristic(at, characteristic, link.mtu)

    def gone(self, device: str) -> None:
        """A device has gone: nobody is subscribed any more."""
        self._links.pop(device, None)
        self._notifying = {path for path in self._notifying if not path.startswith(f"{device}/")}

    def _show_characteristic(self, at: str, found: CharacteristicProxy[Any], mtu: int) -> None:
        path = f"{at}/char{found.handle - 1:04x}"  # BlueZ names it by its declaration
        self._attributes[path] = found
        flags = Variant("as", list(gatt_char_props_to_strs(found.properties)))
        about = _plain({"UUID": text(found.uuid), "Value": b"", "Notifying": False})
        linked = {"Service": Variant("o", at), "Flags": flags, "MTU": Variant("q", mtu)}
        self._show(path, CHARACTERISTIC, **linked, **about)
        for descriptor in found.descriptors:
            below = f"{path}/desc{descriptor.handle:04x}"
            self._attributes[below] = descriptor
            about = _plain({"UUID": text(descriptor.type), "Value": b""})
            self._show(below, DESCRIPTOR, Characteristic=Variant("o", path), **about)

    def _show(self, path: str, interface: str, **properties: Variant) -> None:
        if path not in self._objects:
            self._objects.add(path, interface, properties)

    def _asked(self, message: Message) -> tuple[str, AdapterLink, Any]:
        path = message.path or ""
        link = self._links.get(path.partition("/service")[0])
        if link is None:
            raise LinkGone
        return path, link, self._attributes[path]

    async def _read(self, message: Message) -> Reply:
        _, link, attribute = self._asked(message)
        return "ay", [await link.read(attribute)]

    async def _write(self, message: Message) -> None:
        _, link, attribute = self._asked(message)
        data, options = message.body
        how = options.get("type")
        await link.write(attribute, bytes(data), how is None or how.value != "command")

    async def _start_notify(self, message: Message) -> None:
        path, link, characteristic = self._asked(message)
        if path in self._notifying:
            raise BluezError("InProgress", "Operation already in progress")

        def heard(value: bytes) -> None:
            self._objects.set(path, CHARACTERISTIC, Value=Variant("ay", bytes(value)))

        await link.subscribe(characteristic, heard)
        self._notifying.add(path)
        self._objects.set(path, CHARACTERISTIC, Notifying=Variant("b", True))

    async def _stop_notify(self, message: Message) -> None:
        path, link, characteristic = self._asked(message)
        if path not in self._notifying:
            raise BluezError("Failed", "No notify session started")
        self._notifying.discard(path)
        await link.unsubscribe(characteristic)
        self._objects.set(path, CHARACTERISTIC, Notifying=Variant("b", False))


_KINDS: dict[type, str] = {str: "s", bytes: "ay", bool: "b"}


def _plain(values: dict[str, Any]) -> dict[str, Variant]:
    return {name: Variant(_KINDS[type(value)], value) for name, value in values.items()}
