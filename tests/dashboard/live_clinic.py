"""The real station and the real web process in threads, with devices that say what a test says.

Time is the test's: `skip` lets minutes pass in which the devices go on and the cuff measures.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from dashboard.server import Access
from tests.dashboard.ward import DEADLINE_S, Web, wait_until
from tests.station.clinic import FakeKeeper
from tests.station.two_rooms import CONFIG, DEVICES
from vitals import config, wire
from vitals.alarms.profile import load
from vitals.clock import Clock
from vitals.feed import FeedServer
from vitals.hub import Hub
from vitals.model import US, Link, Numeric, StartNibp
from vitals.record import Record
from vitals.session import care
from vitals.station import Station

STEP_S, STEPS = 5, 12


class SkippingClock:
    """The station's clock, which a test may move on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.ahead_us = 0
        self.speed = clock.speed

    def now_us(self) -> int:
        return self._clock.now_us() + self.ahead_us


class LiveClinic:
    """Two rooms, each with an oximeter and a cuff; nobody is in them yet."""

    def __init__(self, folder: Path, own_care: Path | None = None) -> None:
        self.folder = folder
        self.own_care = own_care
        self.pressures = {"room-1": (124, 78), "room-2": (118, 74)}
        self.vitals = {"room-1": (97, 72), "room-2": (98, 66)}
        self.quiet = False
        self._up, self._tasks = threading.Event(), threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="live station")

    # --- what tests do ------------------------------------------------------------------------

    def call(self, act: Callable[[], Any]) -> Any:
        """Runs something in the station's loop and waits for it."""
        done: list[Any] = []
        ended = threading.Event()

        def run() -> None:
            try:
                done.append(act())
            finally:
                ended.set()

        self._loop.call_soon_threadsafe(run)
        assert ended.wait(DEADLINE_S)
        assert done, "it failed in the station"
        return done[0]

    def room(self, room: str = "room-1") -> wire.RoomMsg:
        """What the station tells a new page of a room."""

        def find() -> wire.RoomMsg:
            return next(each for each in self.hub.snapshot().rooms if each.id == room)

        found: wire.RoomMsg = self.call(find)
        return found

    def session(self, room: str = "room-1") -> wire.SessionMsg:
        found = self.room(room).session
        assert found is not None
        return found

    def act(
        self,
        kind: str,
        /,
        room: str = "room-1",
        name: str = "Anna",
        role: str = "nurse",
        **args: Any,
    ) -> wire.ResultMsg:
        """Somebody at another screen does something."""
        got: list[wire.ResultMsg] = []
        self._acts += 1
        message = wire.CommandMsg(
            id=f"act-{self._acts}", kind=kind, room=room, name=name, role=role, args=args
        )
        self.call(lambda: self.station.on_command(message, got.append) or True)
        wait_until(lambda: got, f"answer to {kind}")
        return got[0]

    def done(self, kind: str, /, room: str = "room-1", **more: Any) -> None:
        result = self.act(kind, room, **more)
        assert result.ok, result.error

    def empty(self) -> None:
        """Closes what is open and forgets what was asked, as a new day begins."""
        for room in self.vitals:
            session = self.room(room).session
            if session is not None and session.id:
                self.done("close_session", room, reason="the next test")
            self.pressures[room], self.vitals[room] = (124, 78), (97, 72)
        self.commands.clear()

    def arrive(self, route: str = "iv", room: str = "room-1") -> None:
        """A session is open, with two pressures before the dose."""
        self.done("open_session", room, subject_ref="KV-0417", route=route)
        self.pressure(124, 78, room)
        self.skip(5.5)
        self.pressure(126, 80, room)

    def dosed(self, minutes: float = 0, route: str = "iv", room: str = "room-1") -> None:
        """A session whose dose was given some minutes ago."""
        self.arrive(route, room)
        self.done("dose", room, drug="Ketamine", mg=35.0)
        self.skip(minutes)

    def told(self, kind: str) -> list[dict[str, Any]]:
        """Arguments of what pages have sent of a kind, each once, without what they had seen."""
        sent = {each.id: each.args for each in self.commands if each.kind == kind}
        return [{k: v for k, v in args.items() if k != "seen"} for args in sent.values()]

    def pressure(self, sys: float, dia: float, room: str = "room-1") -> None:
        """The cuff of a room has measured."""
        self.pressures[room] = (sys, dia)
        self.call(lambda: self._measure(room) or True)

    def skip(self, minutes: float) -> None:
        """Time passes; devices go on, and a cuff that is asked measures."""

        def pass_on(steps: int) -> bool:
            for _ in range(steps):
                self.clock.ahead_us += STEP_S * US
                self._stream()
                self.station.tick()
            return True

        left = round(minutes * 60 / STEP_S)
        while left > 0:  # in pieces: the station's loop must not be late
            self.call(partial(pass_on, min(left, STEPS)))
            left -= STEPS

    @property
    def kinds(self) -> list[str]:
        """Kinds of the commands that pages have sent, each once."""
        return list({each.id: each.kind for each in self.commands}.values())

    # --- life ---------------------------------------------------------------------------------

    def start(self) -> LiveClinic:
        self._thread.start()
        assert self._up.wait(DEADLINE_S)
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            with contextlib.suppress(asyncio.CancelledError):
                self._loop.run_until_complete(self._main())
        finally:
            self._loop.close()

    async def _main(self) -> None:
        self._task = asyncio.current_task()  # type: ignore[assignment]
        self._acts = 0
        self.commands: list[wire.CommandMsg] = []
        self.keepers: dict[str, FakeKeeper] = {}
        self.config = config.parse(CONFIG, path=self.folder / "clinic.toml")
        record = Record(self.config.station.store, "s", CONFIG)
        self.clock = SkippingClock(record.clock(1.0))
        self.hub = Hub()
        asked = care.load(self.own_care)
        self.station = Station(
            self.config,
            load(),
            DEVICES,
            self._keeper,
            self.hub,
            record,
            self.clock,
            asked,  # type: ignore[arg-type]
        )
        feed = FeedServer(
            self.hub,
            self.config.feed_file,
            "s",
            "test",
            self.clock,  # type: ignore[arg-type]
            "test",
            self._on_command,
            self.station.watch.on_audience,
            self.station.watch.on_gone,
            asked.text,
        )
        try:
            async with feed, asyncio.TaskGroup() as tasks:
                tasks.create_task(self.station.run())
                await asyncio.sleep(0)
                for device in self.keepers.values():
                    now_us = self.clock.now_us()
                    device.on_link(Link(device.device, now_us, "streaming"))
                self._up.set()
                while True:
                    self._stream()
                    await asyncio.sleep(1)
        finally:
            await asyncio.to_thread(record.close)

    def _on_command(self, message: wire.CommandMsg, reply: Callable[[Any], None]) -> None:
        if message.kind != "web_event":
            self.commands.append(message)
        self.station.on_command(message, reply)

    def _keeper(self, device: str, on_events: Any, on_link: Any) -> FakeKeeper:
        self.keepers[device] = FakeKeeper(device, on_events, on_link)
        return self.keepers[device]

    def _stream(self) -> None:
        """One value of each oximeter, and a reading of each cuff that was asked for one."""
        if self.quiet:
            return
        now_us = self.clock.now_us()
        for room, (spo2, pr) in self.vitals.items():
            device = f"ox{room[-1]}"
            values = [Numeric(device, "spo2", now_us, spo2), Numeric(device, "pr", now_us, pr)]
            self.keepers[device].on_events(list(values))
            cuff = self.keepers[f"cuff{room[-1]}"]
            if any(isinstance(request, StartNibp) for request in cuff.asked):
                self._measure(room)
            cuff.asked.clear()

    def _measure(self, room: str) -> None:
        now_us, cuff = self.clock.now_us(), f"cuff{room[-1]}"
        sys, dia = self.pressures[room]
        values = [Numeric(cuff, "nibp_sys", now_us, sys), Numeric(cuff, "nibp_dia", now_us, dia)]
        self.keepers[cuff].on_events(list(values))


@contextlib.contextmanager
def live_clinic(
    folder: Path, *, own_care: Path | None = None, access: Access | None = None
) -> Iterator[Any]:
    """(clinic, web); both end whatever happens."""
    clinic = LiveClinic(folder, own_care).start()
    try:
        store = clinic.config.station.store
        web = Web(clinic.config.feed_file, store, access).start()
        try:
            assert web.server is not None
            wait_until(lambda: web.server.hub.link == "live", "feed")
            yield clinic, web
        finally:
            web.stop()
    finally:
        clinic.stop()


def at_room(open_page: Any, web: Any, room: str = "room-1", **more: Any) -> Page:
    """The page of a room, alive."""
    page: Page = open_page(f"{web.address}/room/{room}", **more)
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    expect(page.locator(".room-name")).not_to_be_empty()
    return page
