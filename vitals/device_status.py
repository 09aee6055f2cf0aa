"""How well each device is heard, for the pages: told again only when it has changed.

None of it is clinical and none is recorded: refused frames and the state of a link are recorded
with the link itself, a low battery as the notice that it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from msgspec.structs import replace

from vitals import wire
from vitals.model import Notice
from vitals.station_device import Keeper

EVERY_S = 2.0
"""How often the devices are looked at, real seconds."""
_LEVEL = re.compile(r"\d+(?:[.,]\d+)?\s?(?:%|m?V\b)")
"""What a notice about a battery says of its charge: `85 %`, `3.1 V`."""


class DeviceStatuses:
    """Compares what the keepers know with what was told before."""

    def __init__(self, keepers: Mapping[str, Keeper], strangers: Mapping[str, str]) -> None:
        """`strangers`: see `vitals.claims.Claims`."""
        self._keepers = keepers
        self._strangers = strangers
        self._battery: dict[str, str] = {}
        self._told: dict[str, wire.DeviceStatusMsg] = {}

    def notice(self, notice: Notice) -> None:
        """Takes what a device says of its battery."""
        if "battery" not in notice.code:
            return
        level = _LEVEL.search(notice.detail)
        if level is not None:
            self._battery[notice.device] = level[0]
        elif notice.active:
            self._battery[notice.device] = "low"
        else:
            self._battery.pop(notice.device, None)

    def changed(self, room_of: Mapping[str, str]) -> Iterator[wire.DeviceStatusMsg]:
        """What is news; `room_of` says where each device is."""
        for device, keeper in self._keepers.items():
            known = keeper.status()
            message = wire.DeviceStatusMsg(
                room=room_of[device],
                device=device,
                heard_us=known.heard_us,
                rejected=known.rejected,
                reconnects=known.reconnects,
                battery=self._battery.get(device),
                signal=known.signal,
                stranger=self._strangers.get(device, ""),
            )
            if message != self._told.get(device):
                self._told[device] = message
                yield replace(message)  # the station gives it a number


def short(url: str) -> str:
    """A link as it fits a table: a port or a file without its folders, anything else as it is.

    `serial:///dev/serial/by-id/usb-FTDI_AB0C-if00-port0?line=4800,8O1` is
    `usb-FTDI_AB0C-if00-port0`.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("serial", "replay"):
        return url.partition("?")[0]
    return (parts.path.rpartition("/")[2] or parts.netloc) or url
