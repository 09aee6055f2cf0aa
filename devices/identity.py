"""Which box is on a link, as far as the link itself can tell.

A USB adapter has a serial number, a Bluetooth device an address. Everything else is only a place:
a socket of a converter, a port on the mainboard, an adapter without a number. Its identity is its
url, so that nothing there ever seems to be swapped.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from serial.tools import list_ports

from devices.ports import Info


def identity(url: str, ports: Callable[[], Iterable[Info]] = list_ports.comports) -> str:
    """What tells the box on a link from another one on the same link; blocks for some ms.

    Args:
        url: as in the config.
        ports: lists the serial ports that are there.

    Returns:
        `usb 0403:6001 AB0CDEF1`, `ble C0:26:DF:01:02:03`, or the url; `""` when nothing is there.
    """
    bare = url.partition("?")[0]
    scheme, _, name = bare.partition("://")
    if scheme == "ble":
        return f"ble {name.strip('/').upper()}"
    if scheme != "serial":
        return bare
    real = os.path.realpath(name) if os.path.exists(name) else name
    info = next((info for info in ports() if info.device in (name, real)), None)
    if info is None:
        return bare if os.path.exists(name) else ""
    if info.vid is None or info.pid is None:
        return bare
    usb = f"usb {info.vid:04x}:{info.pid:04x}"
    return f"{usb} {info.serial_number}" if info.serial_number else f"{usb} at {bare}"
