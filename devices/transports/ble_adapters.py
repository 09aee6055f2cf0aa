"""The Bluetooth adapters of a Linux computer, as BlueZ lists them on the system's D-Bus.

An adapter is always named to bleak: it would else take any that is powered, and not always the
same. Other systems have one adapter only, and no name for it.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from devices.transports.ble_calls import bounded
from devices.transports.ble_faults import FORGOTTEN, NO_ADAPTER, OFF
from vitals.errors import TransportError

BLUEZ, ADAPTER = "org.bluez", "org.bluez.Adapter1"
ANSWER_S = 4.0
NAMED = sys.platform == "linux"
"""Whether adapters have names here."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """One adapter.

    Attributes:
        name: `hci0`; may change when adapters are plugged in and out.
        address: its own, which stays.
        powered: whether it is on.
        central: whether it can connect to Bluetooth LE devices.
        discovering: whether it scans for anybody.
    """

    name: str
    address: str
    powered: bool
    central: bool = True
    discovering: bool = False


async def adapters() -> list[Adapter]:
    """The adapters that BlueZ knows, in the order of their numbers.

    Raises:
        TransportError: BlueZ cannot be asked, and what to do.
    """
    found = await bounded(_managed(), ANSWER_S, "scan")
    here = [
        _adapter(path, interfaces[ADAPTER])
        for path, interfaces in found.items()
        if ADAPTER in interfaces
    ]
    return sorted(here, key=lambda adapter: (len(adapter.name), adapter.name))


def choose(here: Sequence[Adapter], wanted: str) -> Adapter:
    """The adapter that a url names by name or address; without one the first that is on.

    Raises:
        TransportError: there is none that can be used, and what to do.
    """
    able = [adapter for adapter in here if adapter.central]
    if not able:
        raise TransportError(NO_ADAPTER)
    named = [a for a in able if wanted.lower() in ("", a.name.lower(), a.address.lower())]
    if not named:
        known = " and ".join(adapter.name for adapter in able)
        raise TransportError(
            f"there is no Bluetooth adapter {wanted}: plug it in, or correct the url ({known} "
            f"{'is' if len(able) == 1 else 'are'} there)"
        )
    for adapter in named:
        if adapter.powered:
            return adapter
    raise TransportError(OFF)


def _adapter(path: str, facts: dict[str, Any]) -> Adapter:
    said = {name: getattr(value, "value", value) for name, value in facts.items()}
    return Adapter(
        path.rpartition("/")[2],
        str(said.get("Address", "")),
        bool(said.get("Powered")),
        "central" in said.get("Roles", ["central"]),  # BlueZ before 5.49 does not say
        bool(said.get("Discovering")),
    )


async def scans(name: str) -> bool:
    """Whether an adapter scans just now; cheaper than `adapters`.

    Raises:
        TransportError: it is off or has gone, or BlueZ cannot be asked, and what to do.
    """
    try:
        powered, discovering = await bounded(_state(name), ANSWER_S, "scan")
    except TransportError as error:
        if str(error) == FORGOTTEN:
            raise TransportError(NO_ADAPTER) from error
        raise
    if not powered:
        raise TransportError(OFF)
    return bool(discovering)


async def _managed() -> dict[str, dict[str, dict[str, Any]]]:
    """Every object of BlueZ: path -> interface -> property -> value."""
    ((found,),) = await _asked(("/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", ()))
    return cast(dict[str, dict[str, dict[str, Any]]], found)


async def _state(name: str) -> tuple[bool, bool]:
    """Whether an adapter is on, and whether it scans."""
    path, get = f"/org/bluez/{name}", "org.freedesktop.DBus.Properties"
    powered, discovering = await _asked(
        (path, get, "Get", (ADAPTER, "Powered")), (path, get, "Get", (ADAPTER, "Discovering"))
    )
    return powered[0].value, discovering[0].value


async def _asked(*calls: tuple[str, str, str, tuple[str, ...]]) -> list[Sequence[Any]]:
    """What BlueZ answers to calls: each with path, interface, method and texts."""
    from bleak.backends.bluezdbus.utils import assert_reply, get_dbus_authenticator
    from dbus_fast import BusType, Message
    from dbus_fast.aio import MessageBus

    bus = MessageBus(bus_type=BusType.SYSTEM, auth=get_dbus_authenticator())
    answers: list[Sequence[Any]] = []
    linked = False
    try:
        await bus.connect()
        linked = True
        for path, interface, method, texts in calls:
            reply = await bus.call(
                Message(BLUEZ, path, interface, method, signature="s" * len(texts), body=[*texts])
            )
            assert_reply(reply)
            answers.append(reply.body)
    finally:
        bus.disconnect()  # also after a connect that failed: it has opened a socket
        if linked:
            with contextlib.suppress(Exception):  # how the bus ended does not matter any more
                await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
    return answers


ADDRESS = re.compile(r"(?:[0-9A-F]{2}:){5}[0-9A-F]{2}|[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}")
"""Of a device, in capitals: its own, or what macOS gives it instead."""
