"""A station with nothing but a hub and a feed: inside a test, or as a process to be killed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

from vitals import wire
from vitals.clock import ManualClock
from vitals.feed import FeedServer
from vitals.hub import Hub

BEAT_S = 0.05


class Station:
    """Counts commands; a repeated id gets the first answer, as the real one does it."""

    def __init__(self, path: Path) -> None:
        self.hub = Hub()
        self.done: list[str] = []
        self.asked: list[wire.CommandMsg] = []
        self.deaf = False
        self.audience: list[tuple[int, int]] = []
        self.connections: set[object] = set()
        self.server = FeedServer(
            self.hub,
            path,
            "clinic-a",
            "build-1",
            ManualClock(),
            "test",
            self.on_command,
            self.on_audience,
            self.connections.discard,
        )

    def on_audience(self, connection: object, armed: int, pages: int) -> None:
        self.connections.add(connection)
        self.audience.append((armed, pages))

    def on_command(self, message: wire.CommandMsg, reply: Callable[[wire.ResultMsg], None]) -> None:
        self.asked.append(message)
        if message.id not in self.done:
            self.done.append(message.id)
        if not self.deaf:
            reply(wire.ResultMsg(id=message.id, ok=True, recorded=True))

    async def beat(self) -> None:
        number = 0
        while True:
            number += 1
            self.hub.publish(wire.BeatMsg(now_us=number))
            await asyncio.sleep(BEAT_S)


async def _main(path: Path) -> None:
    station = Station(path)
    station.hub.publish(
        wire.AlarmMsg(room="r1", rule="spo2-low", condition="active", text=str(os.getpid()))
    )
    async with station.server:
        await station.beat()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
