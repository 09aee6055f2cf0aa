"""A real station in this process, and its feed as a page hears it; monitors on ptys beside it.

Nothing is replaced but the patients: keepers, rooms, record, feed and follower are the program's.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from devices.cli_commands import _devices
from devices.station_process import serve
from tests.loop import until
from vitals import config, wire
from vitals.alarms import profile
from vitals.follower import Follower
from vitals.hub import Hub
from vitals.session import care
from vitals.store.reader import Reader


class Heard(Hub):
    """A hub that keeps what came over the feed, with the time at which it came.

    Attributes:
        messages: (`time.monotonic()`, message), in order.
    """

    def __init__(self) -> None:
        super().__init__("stale")
        self.messages: list[tuple[float, wire.Down]] = []

    def publish(self, message: wire.Down, raw: bytes | None = None) -> None:
        """Takes one message."""
        self.messages.append((time.monotonic(), message))
        super().publish(message, raw)

    def reset(self, snapshot: wire.Snapshot, raw: bytes | None = None) -> None:
        """Takes the present of everything."""
        self.messages.append((time.monotonic(), snapshot))
        super().reset(snapshot, raw)

    def alarms(self, room: str, rule: str, *, since: int = 0) -> list[tuple[float, wire.AlarmMsg]]:
        """What was said of an alarm, from a place in `messages` on."""
        return [
            (at, each)
            for at, each in self.messages[since:]
            if isinstance(each, wire.AlarmMsg) and (each.room, each.rule) == (room, rule)
        ]

    def numerics(
        self, room: str, channel: str = "spo2", *, since: int = 0
    ) -> list[tuple[float, wire.NumericMsg]]:
        """Values of a channel, from a place in `messages` on."""
        return [
            (at, each)
            for at, each in self.messages[since:]
            if isinstance(each, wire.NumericMsg)
            and (each.room, each.channel) == (room, channel)
            and each.value is not None
        ]

    def beats(self, *, since: int = 0) -> list[tuple[float, wire.BeatMsg]]:
        """The station's beats."""
        return [(at, each) for at, each in self.messages[since:] if isinstance(each, wire.BeatMsg)]

    def room(self, room: str) -> wire.RoomMsg | None:
        """The present of a room, None before it was told."""
        return next((each for each in self.snapshot().rooms if each.id == room), None)


class Page:
    """What a web process knows of one station, and what people ask of it there."""

    def __init__(self, feed: Path) -> None:
        self.heard = Heard()
        self.feed = feed
        self._follower = Follower(feed, self.heard, retry_s=(0.1, 0.2))

    @property
    def epoch(self) -> str:
        """Names the station's present start."""
        hello = self._follower.hello
        return hello.epoch if hello else ""

    async def follow(self) -> None:
        """Follows until cancelled."""
        await self._follower.run()

    async def act(
        self, kind: str, room: str, /, role: str = "nurse", **args: object
    ) -> wire.ResultMsg:
        """Somebody does something; waits for the answer."""
        message = wire.CommandMsg(
            id=str(uuid.uuid4()), kind=kind, room=room, name="Ann", role=role, args=args
        )
        return await self._follower.command(message, 20.0)

    async def open(self, room: str, *, dose: bool = False) -> str:
        """Opens a session; returns its id."""
        result = await self.act("open_session", room, subject_ref="P-1", route="iv")
        assert (result.ok, result.recorded) == (True, True), result.error
        if dose:
            assert (await self.act("dose", room)).ok

        def named() -> str:
            found = self.heard.room(room)
            return found.session.id if found and found.session else ""

        await until(named)
        return named()


@contextlib.asynccontextmanager
async def page_of(feed: Path) -> AsyncIterator[Page]:
    """A page's view of whatever station has this feed."""
    page = Page(feed)
    task = asyncio.create_task(page.follow())
    try:
        yield page
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def station(folder: Path, text: str) -> AsyncIterator[Page]:
    """A station for a config's text, and a page of it; both are ended at the end."""
    path = folder / "clinic.toml"
    path.write_text(text)
    loaded = config.load(path)
    serving = asyncio.create_task(
        serve(loaded, profile.load(None), care.load(None), _devices(loaded, path), text)
    )
    try:
        async with page_of(loaded.feed_file) as page:
            await until(lambda: serving.done() or page.heard.beats(), 60)
            assert not serving.done(), serving.exception()
            yield page
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


def reader_of(folder: Path) -> Reader:
    """The record of a station in this folder."""
    return Reader(folder / "vitals.db")


async def lateness(stop: asyncio.Event, every_s: float = 0.01) -> float:
    """How late this loop was at worst until `stop`, in seconds."""
    worst = 0.0
    while not stop.is_set():
        due = time.monotonic() + every_s
        await asyncio.sleep(every_s)
        worst = max(worst, time.monotonic() - due)
    return worst


async def seen(condition: Callable[[], object], limit_s: float = 60.0) -> float:
    """Waits until it holds; how long it took."""
    began = time.monotonic()
    await until(condition, limit_s)
    return time.monotonic() - began
