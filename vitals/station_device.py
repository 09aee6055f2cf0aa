"""What the station needs of a device: facts about its driver, and somebody who keeps its link."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from vitals.model import Link, Notice, Numeric, Request, Waveform


@dataclass(frozen=True, slots=True)
class StationDevice:
    """What the station needs to know of a device and its driver."""

    id: str
    driver: str
    title: str
    channels: tuple[str, ...]
    can: frozenset[str]
    period_s: float
    own_alarm: str
    spot: bool = False


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """How well a device is heard.

    Attributes:
        heard_us: station time of its last bytes, None before the first.
        rejected: frames refused since the station was started.
        reconnects: how often the link has come back since then.
        signal: of its radio, dBm; None where the transport knows none.
    """

    heard_us: int | None = None
    rejected: int = 0
    reconnects: int = 0
    signal: int | None = None


class Keeper(Protocol):
    """Keeps the link to one device for life (`devices.keeper`)."""

    async def run(self) -> None:
        """Never returns."""

    def status(self) -> LinkStatus:
        """How well the device is heard."""

    def reopen(self, why: str) -> None:
        """Ends the connection, so that another one begins; nothing more is heard of this one."""

    def request(self, request: Request) -> None:
        """Asks the device for something; raises CommandError when that is impossible."""


OnEvents = Callable[[list[Numeric | Waveform | Notice]], None]
OnLink = Callable[[Link], None]
MakeKeeper = Callable[[str, OnEvents, OnLink], Keeper]
"""(device id, on_events, on_link) -> keeper."""
