"""The serial ports of this computer, and the names by which a config should call them.

`/dev/ttyUSB0` is given out anew at each start and replug, so it is no name for a config. The links
in `/dev/serial/by-id` name the adapter, those in `/dev/serial/by-path` the socket it is plugged
into. Adapters without a serial number all have the same by-id name: they are told apart by socket.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from serial.tools import list_ports

from vitals.errors import ConfigError

BY_ID, BY_PATH = Path("/dev/serial/by-id"), Path("/dev/serial/by-path")

_ADAPTERS = {
    (0x0403, 0x6001): "FTDI chip, in adapters for any monitor",
    (0x10C4, 0xEA60): "CP210x chip, in Contec cables among others",
    (0x067B, 0x2303): "Prolific chip, in adapters for any monitor",
    (0x1A86, 0x7523): "CH340 chip, in adapters for any monitor",
}
"""USB ids of adapters. A hint for people: the same ids are in cables of very different monitors."""


class Info(Protocol):
    """What pyserial's `list_ports` says of a port."""

    device: str
    vid: int | None
    pid: int | None
    serial_number: str | None
    product: str | None


@dataclass(frozen=True, slots=True)
class Port:
    """A port.

    Attributes:
        device: its name for now, or the url of a port behind a converter.
        name: the name for a config: one that stays, where there is one.
        by_id: link that names the adapter, `""` without one.
        by_path: link that names the socket, `""` without one.
        usb: `vid:pid` of the adapter, `""` when it is none.
        adapter: what is known of the adapter; says nothing about the monitor.
        note: what to mind about the name.
    """

    device: str
    name: str
    by_id: str = ""
    by_path: str = ""
    usb: str = ""
    adapter: str = ""
    note: str = ""

    @property
    def url(self) -> str:
        """For the config."""
        return self.name if "://" in self.name else f"serial://{self.name}"


def find(
    patterns: Sequence[str] = (),
    *,
    infos: Iterable[Info] | None = None,
    by_id: Path = BY_ID,
    by_path: Path = BY_PATH,
) -> list[Port]:
    """The ports of this computer; with patterns the ones that these name, listed or not.

    Args:
        patterns: file names, with wildcards if need be, or urls (`socket://HOST:PORT`).
        infos: the listed ports; by default what pyserial finds.
        by_id: folder of links that name adapters.
        by_path: folder of links that name sockets.

    Raises:
        ConfigError: a pattern fits nothing.
    """
    listed = {info.device: info for info in (list_ports.comports() if infos is None else infos)}
    links = _links(by_id), _links(by_path)
    names = list(dict.fromkeys(name for p in patterns for name in _expand(p, listed)))
    return [_port(name, listed, links) for name in names or ([] if patterns else sorted(listed))]


def _expand(pattern: str, listed: Iterable[str]) -> list[str]:
    if "://" in pattern:
        return [pattern.removeprefix("serial://")]
    found = sorted(glob.glob(pattern)) or [name for name in listed if name == pattern]
    if not found:
        raise ConfigError(
            f"no port is called {pattern}: plug the adapter in, or correct --port", key="port"
        )
    return found


def _links(folder: Path) -> dict[str, str]:
    """Device -> its link in that folder."""
    try:
        return {os.path.realpath(link): str(link) for link in sorted(folder.iterdir())}
    except OSError:  # no USB adapter is plugged in, or this system has no such folder
        return {}


def _port(name: str, listed: dict[str, Info], links: tuple[dict[str, str], dict[str, str]]) -> Port:
    if "://" in name:
        return Port(name, name)
    real = os.path.realpath(name) if os.path.exists(name) else name
    info = listed.get(name) or listed.get(real)
    by_id, by_path = (found.get(real, "") for found in links)
    numbered = info is not None and bool(info.serial_number)
    stays = (by_id if numbered or not by_path else "") or by_path
    given = name if os.path.islink(name) else ""  # somebody's own udev rule
    note = ""
    if stays and stays == by_path and not given:
        note = "the adapter has no serial number: keep it in this USB socket"
    elif not stays and not given and info is not None and info.vid is not None:
        note = "this name may change when the adapter is plugged in again"
    usb, adapter = "", ""
    if info is not None and info.vid is not None and info.pid is not None:
        usb = f"{info.vid:04x}:{info.pid:04x}"
        hint = _ADAPTERS.get((info.vid, info.pid), "")
        adapter = ", ".join(word for word in (info.product or "", hint) if word)
    return Port(real, given or stays or name, by_id, by_path, usb, adapter, note)
