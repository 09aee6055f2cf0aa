"""A station without devices and a web process, both in threads, for tests of the pages.

The station is a real hub behind a real feed; what it says is what the test says.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from dashboard import server
from dashboard.cli_commands import listen
from tests.dashboard.figure_process import KeptWorker
from vitals import wire
from vitals.audience import AudienceCount
from vitals.clock import Clock
from vitals.feed import FeedServer
from vitals.hub import Hub
from vitals.model import US

DEADLINE_S = 20.0
ESCALATION = [(30.0, "all pages"), (60.0, "second recipient"), (120.0, "prescriber")]
OXIMETER, CUFF = "oximeter", "cuff"


def wait_until(condition: Callable[[], object], what: str = "condition") -> None:
    """Waits until it holds; fails after the deadline."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, f"never came true: {what}"
        time.sleep(0.01)


class Station:
    """Beats once a second, publishes what a test gives it, does commands in a simple way."""

    def __init__(
        self, path: Path, rooms: list[wire.RoomMsg], mode: str = "demo", care: str = "null"
    ) -> None:
        self.path = path
        self.clock = Clock.anchored_now()
        self.hub = Hub()
        self.hub.configure(rooms)
        self.mode = mode
        self.care = care
        self.commands: list[wire.CommandMsg] = []
        self.answer = wire.ResultMsg(id="", ok=True, recorded=True)
        self.answering = True
        self.recording = True
        self.beating = True
        self.audience = AudienceCount()
        self._down_s = 0.0
        self._done: dict[str, wire.ResultMsg] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="station")
        self._up = threading.Event()

    @property
    def now_us(self) -> int:
        return self.clock.now_us()

    def start(self) -> Station:
        self._thread.start()
        assert self._up.wait(DEADLINE_S)
        return self

    @property
    def armed(self) -> int:
        """Pages with armed sound, as every page is told."""
        return self.audience.armed(time.monotonic())

    @property
    def pages(self) -> int:
        """Open pages, armed or not."""
        return self.audience.pages(time.monotonic())

    @property
    def told(self) -> list[tuple[str, dict[str, Any]]]:
        """Kind and args of each command, once however often a page has sent it."""
        return list({each.id: (each.kind, each.args) for each in self.commands}.values())

    def hang_up(self, seconds: float) -> None:
        """Ends the feed for a while, as a station that dies and is started again."""
        self._down_s = seconds
        self._loop.call_soon_threadsafe(self._hung_up.set)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._loop.call_soon_threadsafe(self._hung_up.set)
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()

    def publish(self, *messages: Any) -> None:
        """Publishes from any thread and waits until it is done."""
        done = threading.Event()

        def publish() -> None:
            for message in messages:
                self.hub.publish(message)
            done.set()

        self._loop.call_soon_threadsafe(publish)
        assert done.wait(DEADLINE_S)

    def numeric(self, room: str, channel: str, value: float | None, **more: Any) -> None:
        more = {"at_us": self.now_us, "device": OXIMETER, **more}
        self.publish(wire.NumericMsg(room=room, channel=channel, value=value, **more))

    def vitals(self, room: str, spo2: float = 97, pr: float = 72) -> None:
        self.numeric(room, "spo2", spo2)
        self.numeric(room, "pr", pr)

    def _on_command(self, message: wire.CommandMsg, reply: Callable[[Any], None]) -> None:
        self.commands.append(message)
        if message.id not in self._done:
            self._carry_out(message)
            answer = self.answer
            self._done[message.id] = wire.ResultMsg(
                id=message.id, ok=answer.ok, error=answer.error, recorded=answer.recorded
            )
        if self.answering:
            reply(self._done[message.id])

    def _carry_out(self, message: wire.CommandMsg) -> None:
        if message.kind == "web_event":
            return
        (room,) = [room for room in self.hub.snapshot().rooms if room.id == message.room]
        args, now = message.args, self.now_us
        for alarm in room.alarms:
            if "rule" in args and alarm.rule != args["rule"]:
                continue
            match message.kind:
                case "acknowledge":
                    alarm.acked_by, alarm.sounding = message.name, False
                case "pause_audio" if alarm.sounding:
                    alarm.signal, alarm.signal_until_us = "paused", now + 120 * US
                    alarm.sounding = False
                case "resume_audio" if alarm.signal == "paused":
                    alarm.signal, alarm.signal_until_us, alarm.sounding = "on", None, True
                case "rule_off":
                    alarm.rule_state, alarm.rule_until_us = "off", now + 900 * US
                    alarm.rule_by, alarm.rule_reason = message.name, args["reason"]
                    alarm.sounding = False
                case "rule_on":
                    alarm.rule_state, alarm.rule_until_us = "enabled", None
                    alarm.sounding = alarm.condition == "active"
                case _:
                    continue
            self.hub.publish(alarm)
        if room.session is not None and self._enter(room.session, message):
            self.hub.publish(room.session)
        if message.kind == "symptom":
            said = f"SYMPTOM: {args['text']}"
            more = {"channel": "", "side": "technical", "value": None, "limit": None, "text": said}
            self.hub.publish(alarm_of(message, now, more))

    def _enter(self, session: wire.SessionMsg, message: wire.CommandMsg) -> bool:
        """What a command changes of the session; False for nothing."""
        args, now = message.args, self.now_us
        match message.kind:
            case "off_monitor":
                session.off_since_us, session.off_reason = now, args["reason"]
                session.off_until_us = now + (180 if args.get("battery") else 600) * US
            case "extend_off_monitor":
                session.off_until_us, session.off_extended = now + 600 * US, True
            case "on_monitor":
                session.off_since_us = session.off_until_us = None
            case "arms":
                session.same_arm = args["same"]
            case "confirm_own_alarm":
                session.own_alarm_by = {**session.own_alarm_by, args["device"]: message.name}
            case _:
                return False
        return True

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main())
        finally:
            self._loop.close()

    async def _main(self) -> None:
        self._stopped, self._hung_up = asyncio.Event(), asyncio.Event()
        while not self._stopped.is_set():
            feed = FeedServer(
                self.hub,
                self.path,
                "ward",
                "test",
                self.clock,
                self.mode,
                self._on_command,
                lambda web, armed, pages: self.audience.heard(web, armed, pages, time.monotonic()),
                self.audience.gone,
                care=self.care,
                escalation=ESCALATION,
            )
            async with feed:
                self._up.set()
                while not self._hung_up.is_set():
                    if self.beating:
                        beat = {"recording": self.recording, "armed": self.armed}
                        self.hub.publish(wire.BeatMsg(now_us=self.now_us, **beat))
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._hung_up.wait(), 0.5)
            self._hung_up.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), self._down_s)


class Web:
    """The web process's server in a thread; `stop` and `start` again on the same port."""

    def __init__(self, feed: Path, store: Path, access: server.Access | None = None) -> None:
        self._access = access
        self.deaths: list[str] = []
        self._feed = feed
        self._store = store
        self._port = 0
        self.server: server.Web | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> Web:
        self._listener = listen("127.0.0.1", self._port)
        self._port = self._listener.getsockname()[1]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(server, "Worker", KeptWorker)
            self.server = server.create(self._feed, self._store, self.deaths.append, self._access)
        settings = uvicorn.Config(
            self.server.asgi,
            log_level="warning",
            access_log=False,
            ws_ping_interval=None,
            timeout_graceful_shutdown=1,
        )
        self._uvicorn = uvicorn.Server(settings)
        self._thread = threading.Thread(target=self._run, name="web")
        self._thread.start()
        wait_until(lambda: self._uvicorn.started, "web server up")
        return self

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        await self._uvicorn.serve(sockets=[self._listener])
        for connection in list(self._uvicorn.server_state.connections):
            if connection.transport is not None:  # a page that did not read its last messages
                connection.transport.abort()
        await asyncio.sleep(0)

    def stop(self) -> None:
        self._uvicorn.should_exit = True
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()


def device(name: str, channels: list[str], can: list[str] | None = None) -> wire.DeviceMsg:
    return wire.DeviceMsg(
        id=name,
        driver="test",
        title=name,
        channels=channels,
        can=can or [],
        state="streaming",
        own_alarm="unknown",
    )


def room(number: int, **more: Any) -> wire.RoomMsg:
    """A room with an oximeter and a cuff, no session."""
    devices = [
        device(OXIMETER, ["spo2", "pr"]),
        device(CUFF, ["nibp_sys", "nibp_dia", "nibp_map", "pr"], ["start_nibp", "stop_nibp"]),
    ]
    return wire.RoomMsg(id=f"room-{number}", label=f"Room {number}", devices=devices, **more)


def session(room_id: str, now_us: int, dosed_min: float | None = 42, **more: Any) -> Any:
    """An open session that began 20 min before its dose."""
    dose_us = None if dosed_min is None else now_us - int(dosed_min * 60) * US
    more = {
        "id": f"s-{room_id}",
        "subject_ref": "KV-0417",
        "route": "im",
        "mode": "demo",
        "phase": "ONSET_PEAK",
        "started_us": (dose_us or now_us) - 20 * 60 * US,
        "dose_us": dose_us,
        **more,
    }
    return wire.SessionMsg(room=room_id, **more)


def alarm(room_id: str, rule: str = "spo2-low", **more: Any) -> wire.AlarmMsg:
    more = {
        "channel": "spo2",
        "side": "low",
        "priority": "high",
        "level": 1,
        "condition": "active",
        "value": 86,
        "limit": 88,
        "text": "SpO2 86 < 88",
        "sounding": True,
        **more,
    }
    return wire.AlarmMsg(room=room_id, rule=rule, **more)


def alarm_of(message: wire.CommandMsg, at_us: int, more: dict[str, Any]) -> wire.AlarmMsg:
    """The alarm that a person has raised, silent on that person's own page."""
    entered = {"entered_by": message.name, "onset_us": at_us, "raised_us": at_us}
    return alarm(message.room, message.kind, **entered, **more)


def now_us() -> int:
    return Clock.anchored_now().now_us()


def reading(room_id: str, at_us: int, sys: float = 128, dia: float = 79) -> list[Any]:
    """A blood pressure reading: three numbers of one time, kept for ever, grey after 10 min."""
    values = {"nibp_sys": sys, "nibp_dia": dia, "nibp_map": round((sys + 2 * dia) / 3)}
    return [
        wire.NumericMsg(
            room=room_id,
            channel=channel,
            device=CUFF,
            at_us=at_us,
            value=value,
            fresh_s=600,
            gone_s=None,
        )
        for channel, value in values.items()
    ]


def due(room_id: str, at_us: int, state: str = "coming", label: str = "BP at 50 min") -> Any:
    return wire.DueMsg(room=room_id, what=label, at_us=at_us, state=state, label=label)


def eight_rooms() -> list[wire.RoomMsg]:
    """Eight rooms with the widest numbers that occur; the last two have no session."""
    now = now_us()
    rooms = []
    for number in range(1, 9):
        name = f"room-{number}"
        state = {
            "session": session(name, now, 42 + number, subject_ref=f"KV-041{number}"),
            "numerics": reading(name, now - 5 * 60 * US, 188, 104),
            "due": [due(name, now + number * 60 * US)],
        }
        rooms.append(room(number, **(state if number <= 6 else {})))
    return rooms


@contextlib.contextmanager
def ward(
    folder: Path,
    rooms: list[wire.RoomMsg],
    mode: str = "demo",
    access: server.Access | None = None,
    care: str = "null",
) -> Iterator[Any]:
    """A station and a web process that always end: yields (station, web)."""
    station = Station(folder / "ward.db.feed", rooms, mode, care).start()
    try:
        web = Web(folder / "ward.db.feed", folder / "ward.db", access).start()
        try:
            assert web.server is not None
            wait_until(lambda: web.server.hub.link == "live", "feed")
            yield station, web
        finally:
            web.stop()
    finally:
        station.stop()
