"""`/live`: the websocket of one page. Everything live goes down here, commands come up.

Down: `hello` first, a snapshot, then whatever is new; an empty frame every second of silence, so
that a page can tell a quiet server from a dead one. Up: `command`, answered to this page alone,
`waves`, the rooms whose waveforms the page draws, and `sound`, whether an alarm would be heard
there, which the station is told.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from dashboard.station_clock import StationClock
from vitals import wire
from vitals.clock import boottime_ns
from vitals.errors import FeedError
from vitals.follower import Follower
from vitals.hub import Hub, Mailbox

ROLE = "nurse"
KEEP_ALIVE_S = 1.0
ANSWER_S = 6.0
"""How long a page waits for the station's answer; the page itself gives up at 8 s."""
MOST_AT_ONCE = 16
"""Commands of one page that may wait for an answer."""
NAME_LENGTH = 40
BAD_MESSAGE = 4400
UNHEARD_S = 6.0
"""A page says every 2 s whether its sound is armed; one that is silent for so long is not."""


class Waves(msgspec.Struct, tag_field="t", tag="waves", kw_only=True):
    """Up: the rooms whose waveforms this page draws."""

    rooms: list[str]


class Sound(msgspec.Struct, tag_field="t", tag="sound", kw_only=True):
    """Up: whether an alarm would be heard at this page, and why not."""

    armed: bool
    why: str = ""


@dataclass(slots=True)
class Ear:
    """What a page last said of its sound; `heard_ns` is `boottime_ns`."""

    armed: bool = False
    heard_ns: int = 0

    def hears(self, now_ns: int) -> bool:
        """Whether an alarm is heard there now, as far as anybody can tell."""
        return self.armed and now_ns - self.heard_ns <= UNHEARD_S * 1e9


class Unanswered(wire.ResultMsg, tag="result", kw_only=True):
    """No answer came: the page keeps the command's id, so that pressing again is harmless."""

    unanswered: bool = True


_decode_up = msgspec.json.Decoder(wire.CommandMsg | Waves | Sound).decode


def clean_name(name: str) -> str:
    """What a person has entered as a name, as it may stand in the record."""
    printable = "".join(c for c in name if c.isprintable()).strip()
    return printable[:NAME_LENGTH] or ROLE


def rooms_of(query: str) -> frozenset[str]:
    """The rooms of `?waves=room-1,room-2`."""
    return frozenset(filter(None, query.split(",")))


class Live:
    """All open pages.

    Attributes:
        clients: pages that are connected now.
        armed: of these, where an alarm is heard.
        counts: frames and bytes sent, messages dropped, commands by outcome.
    """

    def __init__(self, hub: Hub, follower: Follower, clock: StationClock, build: str) -> None:
        self.counts: Counter[str] = Counter()
        self._hub = hub
        self._follower = follower
        self._clock = clock
        self._build = build
        self._boxes: dict[Mailbox, Ear] = {}

    @property
    def clients(self) -> int:
        """Pages that are connected now."""
        return len(self._boxes)

    @property
    def armed(self) -> int:
        """Pages where an alarm is heard now."""
        now_ns = boottime_ns()
        return sum(ear.hears(now_ns) for ear in self._boxes.values())

    def audience(self) -> wire.AudienceMsg:
        """What the station must know of the pages here."""
        return wire.AudienceMsg(armed=self.armed, pages=self.clients)

    @property
    def dropped(self) -> int:
        """Messages that pages were too slow for."""
        return self.counts["dropped"] + sum(box.dropped for box in self._boxes)

    async def serve(self, ws: WebSocket) -> None:
        """Serves one page until it leaves."""
        await ws.accept()
        box = self._hub.subscribe(rooms_of(ws.query_params.get("waves", "")))
        self._boxes[box] = Ear()
        self._follower.audience_changed()
        try:
            async with asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(self._send(ws, box), name="live-send")
                await self._receive(ws, box, tasks)
                sending.cancel()
        finally:
            self._hub.unsubscribe(box)
            del self._boxes[box]
            self._follower.audience_changed()
            self.counts["dropped"] += box.dropped

    async def _send(self, ws: WebSocket, box: Mailbox) -> None:
        greeted: wire.Hello | None = None
        first = True
        try:
            while True:
                messages: list[bytes] = []
                try:
                    async with asyncio.timeout(KEEP_ALIVE_S):
                        messages.append((await box.take())[1:-1])
                except TimeoutError:
                    pass
                if first or greeted is not self._follower.hello:
                    greeted, first = self._follower.hello, False
                    messages.insert(0, wire.encode(self._hello(greeted)))
                frame = wire.frame(*messages).decode()
                await ws.send_text(frame)
                self.counts["frames"] += 1
                self.counts["bytes"] += len(frame)
        except (WebSocketDisconnect, RuntimeError):
            return  # the page has left; `_receive` hears of it too

    def _hello(self, station: wire.Hello | None) -> wire.Hello:
        return wire.Hello(
            v=wire.VERSION,
            build=self._build,
            station=station.station if station else "",
            epoch=station.epoch if station else "",
            clock=self._clock.reading(boottime_ns()),
            mode=station.mode if station else "real",
            care=station.care if station else msgspec.Raw(b"null"),
        )

    async def _receive(self, ws: WebSocket, box: Mailbox, tasks: asyncio.TaskGroup) -> None:
        waiting: set[asyncio.Task[None]] = set()
        try:
            while True:
                text = await ws.receive_text()
                try:
                    message = _decode_up(text)
                except msgspec.MsgspecError:
                    await ws.close(BAD_MESSAGE, "that was no command")
                    return
                if isinstance(message, Waves):
                    box.rooms_with_waves = frozenset(message.rooms)
                elif isinstance(message, Sound):
                    self._sound(self._boxes[box], message.armed)
                elif len(waiting) >= MOST_AT_ONCE:
                    error = "too many commands are waiting for an answer; wait a moment"
                    box.post(wire.ResultMsg(id=message.id, ok=False, error=error))
                else:
                    task = tasks.create_task(self._command(message, box))
                    waiting.add(task)
                    task.add_done_callback(waiting.discard)
        except WebSocketDisconnect:
            return
        finally:
            _cancel(waiting)

    def _sound(self, ear: Ear, armed: bool) -> None:
        now_ns = boottime_ns()
        changed = armed != ear.hears(now_ns)
        ear.armed, ear.heard_ns = armed, now_ns
        if changed:
            self._follower.audience_changed()

    async def _command(self, message: wire.CommandMsg, box: Mailbox) -> None:
        message.role = ROLE
        message.name = clean_name(message.name)
        try:
            result = await self._follower.command(message, ANSWER_S)
        except FeedError as error:
            result = Unanswered(id=message.id, ok=False, error=str(error))
            self.counts["commands_unanswered"] += 1
        else:
            self.counts["commands_ok" if result.ok else "commands_refused"] += 1
        box.post(result)


def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
