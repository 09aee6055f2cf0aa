"""What `tests.bench.central` sees: when values are in the centre's hub, and at open pages."""

from __future__ import annotations

import asyncio
import time

from vitals import wire
from vitals.central.poll import LatestRow
from vitals.central.room_changes import room_id
from vitals.central.station_rooms import StationRooms
from vitals.hub import Hub
from vitals.model import US

PAGES, ON_A_PAGE = 5, 40
"""Pages that are open meanwhile, and the rooms that each of them shows."""


class Times:
    """When values came; each is the number of its second, so it is known when it was due.

    Attributes:
        begin_us: when second 0 was; 0 before it is known.
        heard_ms: of all values: late until the centre's hub gives them to whoever asks.
        new_ms: the same of the first seconds, see `central_load.NEW_S`.
        told_ms: of those of rooms on open pages: late until they are in a page's mailbox.
    """

    def __init__(self, phase_us: dict[str, int]) -> None:
        self.begin_us = 0
        self.heard_ms: list[float] = []
        self.new_ms: list[float] = []
        self.told_ms: list[float] = []
        self._phase_us = phase_us

    def late_ms(self, station: str, value: float) -> float:
        """How late it is now."""
        due_us = self.begin_us + self._phase_us[station] + int(value) * US
        return (time.time_ns() // 1000 - due_us) / 1000


class Seen(Hub):
    """Times what pages are told."""

    def __init__(self, times: Times) -> None:
        super().__init__("stale", trends=False)
        self._times = times

    def publish(self, message: wire.Down, raw: bytes | None = None) -> None:
        """Takes one message."""
        super().publish(message, raw)
        if (
            isinstance(message, wire.NumericMsg)
            and message.value is not None
            and message.value >= 0
            and self._times.begin_us
        ):
            station = message.room.partition(":")[0]
            self._times.told_ms.append(self._times.late_ms(station, message.value))


def timed(times: Times) -> type[StationRooms]:
    """The program's own `StationRooms`, timed."""

    class Timed(StationRooms):
        def hear(self, row: LatestRow) -> int:
            count = super().hear(row)
            if count and times.begin_us and row.value[0] is not None:
                late_ms = [times.late_ms(self.id, row.value[0])] * count
                (times.new_ms if row.value[0] < 0 else times.heard_ms).extend(late_ms)
            return count

    return Timed


async def read(hub: Hub, names: list[str], rooms: int) -> None:
    """Pages that take whatever comes."""
    all_rooms = [room_id(name, f"room-{i + 1}") for name in names for i in range(rooms)]
    step = max(1, len(all_rooms) // (PAGES * ON_A_PAGE))
    chosen = all_rooms[::step]

    async def page(shown: list[str]) -> None:
        box = hub.subscribe(frozenset(), frozenset(shown))
        while True:
            await box.take()
            await asyncio.sleep(0.02)  # as `dashboard.live` sends at most so often

    async with asyncio.TaskGroup() as pages:
        for i in range(0, len(chosen), ON_A_PAGE):
            pages.create_task(page(chosen[i : i + ON_A_PAGE]))
