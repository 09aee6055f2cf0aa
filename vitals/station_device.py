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


class Keeper(Protocol):
    """Keeps the link to one device for life (`devices.keeper`)."""

    async def run(self) -> None:
        """Never returns."""

    def request(self, request: Request) -> None:
        """Asks the device for something; raises CommandError when that is impossible."""


OnEvents = Callable[[list[Numeric | Waveform | Notice]], None]
OnLink = Callable[[Link], None]
MakeKeeper = Callable[[str, OnEvents, OnLink], Keeper]
"""(device id, on_events, on_link) -> keeper."""
