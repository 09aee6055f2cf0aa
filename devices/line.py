"""Line settings in words, and in the url of a device whose line differs from its driver's.

    serial:///dev/serial/by-id/usb-...?line=4800,8O1      4800 baud, 8 data bits, odd parity, 1 stop

Some monitors have their speed in a menu (Accutorr 3), and some exist with several (Contec V5.0).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal, cast

from devices.driver import BleSettings, SerialSettings
from vitals.errors import ConfigError

_LINE = re.compile(r"(\d{3,6}),([78])([NEO])([12])")
_SCHEME = "serial://"
_MARK = "?line="

Settings = SerialSettings | BleSettings | None


def words(line: SerialSettings) -> str:
    """As people say it: `9600 8N1`."""
    return f"{line.baudrate} {line.bytesize}{line.parity}{line.stopbits:g}"


def with_line(url: str, line: SerialSettings, usual: Settings) -> str:
    """The url for a device on this line; it says the line only where that is not the usual one."""
    if line == usual or not url.startswith(_SCHEME):
        return url
    return f"{url}{_MARK}{words(line).replace(' ', ',')}"


def of(url: str, usual: Settings) -> tuple[str, Settings]:
    """The url to open, and the settings to open it with.

    Args:
        url: as in the config.
        usual: the driver's settings.

    Raises:
        ConfigError: the line is not written as it should be, or the driver has none.
    """
    bare, mark, text = url.partition(_MARK)
    if not mark or not url.startswith(_SCHEME):
        return url, usual
    found = _LINE.fullmatch(text)
    if found is None or not isinstance(usual, SerialSettings):
        why = f"{text!r} is no line; write for example ?line=4800,8O1"
        if not isinstance(usual, SerialSettings):
            why = "its driver uses no serial line; leave ?line= away"
        raise ConfigError(f"{url}: {why}", key="url")
    baudrate, bytesize, parity, stopbits = found.groups()
    line = replace(
        usual,
        baudrate=int(baudrate),
        bytesize=int(bytesize),
        parity=cast(Literal["N", "E", "O"], parity),
        stopbits=float(stopbits),
    )
    return bare, line
