"""`/live`: the websocket of one page. Everything live goes down here, commands come up.

Down: `hello` first, a snapshot, then whatever is new; an empty frame every second of silence, so
that a page can tell a quiet server from a dead one. Up: `command`, answered to this page alone,
`waves`, the rooms whose waveforms the page draws, `sound`, whether an alarm would be heard
there, which the station is told, and `active`, that somebody is there.

A command carries the person and the role of the screen it comes from, whatever the page says.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from dashboard.auth import Auth
from dashboard.limits import Limits
from dashboard.metrics_station import Family
from dashboard.station_clock import StationClock
from dashboard.who import ANYBODY, SCOPE, Viewer
from vitals import wire
from vitals.clock import boottime_ns
from vitals.errors import FeedError
from vitals.feed import NO_MESSAGE
from vitals.follower import Source
from vitals.hub import Hub, Mailbox

log = logging.getLogger(__name__)

NOBODY = "nurse"
"""Stands in the record for somebody without account who has given no name."""
KEEP_ALIVE_S = 1.0
ANSWER_S = 6.0
"""How long a page waits for the station's answer; the page itself gives up at 8 s."""
MOST_AT_ONCE = 16
"""Commands of one page that may wait for an answer."""
NAME_LENGTH = 40
BAD_MESSAGE, SIGNED_OUT, TOO_MANY = 4400, 4401, 4429
MOST_PAGES_OF_ONE, MOST_PAGES = 64, 512
"""Open pages of one screen (without accounts: of one address), and of everybody."""
MESSAGES_A_MINUTE = 600.0
"""Of one page, half of them at once; a page sends three or four in five seconds."""
OTHER_ROOM = {"move_session": "to", "rebind_device": "to_room"}
"""Commands with an argument that names another room than the command's own."""
WHEN_LOCKED = frozenset({"call_nurse", "emergency"})
"""What a locked screen may ask for, too: help."""
OF_A_DEVICE = frozenset({"identify", "claim_device", "rebind_device"})
"""Commands about a device, wherever it is."""
SIGNED = frozenset({"sign_record"})
"""Commands for which the person must have given a PIN or a password just now."""
UNHEARD_S = 6.0
"""A page says every 2 s whether its sound is armed; one that is silent for so long is not."""


class Waves(msgspec.Struct, tag_field="t", tag="waves", kw_only=True):
    """Up: the rooms whose waveforms this page draws."""

    rooms: list[str]


class Sound(msgspec.Struct, tag_field="t", tag="sound", kw_only=True):
    """Up: whether an alarm would be heard at this page, and why not."""

    armed: bool
    why: str = ""


class Active(msgspec.Struct, tag_field="t", tag="active"):
    """Up: somebody has touched the page; as often as that happens, at most every 5 s."""


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


class Locked(wire.ResultMsg, tag="result", kw_only=True):
    """Not done: locked, or somebody signs. The page asks for a PIN and then sends it again."""

    locked: bool = True


_decode_up = msgspec.json.Decoder(wire.CommandMsg | Waves | Sound | Active).decode


class OpenPage:
    """One page and who is at it; see `dashboard.auth.Page`.

    Attributes:
        caller: whose page it is, where pages are counted.
        pace: of its messages.
        closing: set when its socket must be closed.
    """

    def __init__(
        self, hub: Hub, auth: Auth, viewer: Viewer, waves: frozenset[str], caller: str
    ) -> None:
        self.viewer = viewer
        self.caller = caller
        self.pace = Limits(MESSAGES_A_MINUTE)
        self.ear = Ear()
        self.closing = asyncio.Event()
        self.box = hub.subscribe(waves, self.rooms())
        self._hub = hub
        self._auth = auth

    def rooms(self) -> frozenset[str] | None:
        """The rooms whose state flows to it, None for all."""
        return self.viewer.rooms

    def cut(self) -> None:
        """Ends it, and whatever waits for it."""
        self._hub.unsubscribe(self.box)
        self.closing.set()

    def tell(self) -> None:
        """Tells the page who is there now; another person may see other rooms."""
        viewer = self._auth.viewer_at(self.viewer.key)
        if viewer is None:
            self.cut()
            return
        self.viewer = viewer
        self.show()
        self.box.put(("who", ""), msgspec.json.encode(self._auth.who(viewer)))

    def show(self) -> None:
        """Begins anew when other rooms flow to it than before."""
        rooms = self.rooms()
        if rooms != self.box.rooms:
            self._hub.show(self.box, rooms)

    def take(self, message: Any) -> None:
        """Takes what the page says of itself."""
        if isinstance(message, Waves):
            self.box.rooms_with_waves = frozenset(message.rooms)


async def _text(ws: WebSocket) -> str | bytes:
    """The next message of a page; no page sends bytes, which are judged like any other text."""
    message = await ws.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005), message.get("reason"))
    text: str | bytes | None = message.get("text")
    return text if text is not None else message.get("bytes") or b""


def clean_name(name: str) -> str:
    """What a person has entered as a name, as it may stand in the record."""
    printable = "".join(c for c in name if c.isprintable()).strip()
    return printable[:NAME_LENGTH] or NOBODY


def rooms_of(query: str) -> frozenset[str]:
    """The rooms of `?waves=room-1,room-2`."""
    return frozenset(filter(None, query.split(",")))


class Live:
    """All open pages.

    Attributes:
        clients: pages that are connected now.
        armed: of these, where an alarm is heard.
        queued: messages that wait for pages.
        counts: frames and bytes sent, messages dropped, commands by outcome.
        central: whether these are the pages of the centre; see `dashboard.central_live`.
        decode_up: a message of a page.
    """

    central: ClassVar[bool] = False
    decode_up: ClassVar[Any] = _decode_up

    def __init__(
        self, hub: Hub, follower: Source, clock: StationClock, build: str, auth: Auth
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._hub = hub
        self._follower = follower
        self._clock = clock
        self._build = build
        self._auth = auth
        self._pages: set[OpenPage] = set()

    def tasks(self) -> Iterable[tuple[str, Coroutine[Any, Any, None]]]:
        """What has to run beside it, by name."""
        return ()

    def families(self) -> Iterable[Family]:
        """More for `/metrics`."""
        return ()

    @property
    def clients(self) -> int:
        """Pages that are connected now."""
        return len(self._pages)

    @property
    def armed(self) -> int:
        """Pages where an alarm is heard now."""
        now_ns = boottime_ns()
        return sum(page.ear.hears(now_ns) for page in self._pages)

    def audience(self) -> wire.AudienceMsg:
        """What the station must know of the pages here."""
        return wire.AudienceMsg(armed=self.armed, pages=self.clients)

    @property
    def dropped(self) -> int:
        """Messages that pages were too slow for."""
        return self.counts["dropped"] + sum(page.box.dropped for page in self._pages)

    @property
    def queued(self) -> int:
        """Messages that wait for pages."""
        return sum(len(page.box) for page in self._pages)

    async def serve(self, ws: WebSocket) -> None:
        """Serves one page until it leaves, or may no longer be here."""
        viewer = ws.scope.get(SCOPE, ANYBODY)
        caller = viewer.key or (ws.client.host if ws.client else "")
        if self._too_many(caller):  # a close before the accept is answered with 403
            await ws.close(TOO_MANY, "too many pages are open; close some")
            return
        await ws.accept()
        waves = rooms_of(ws.query_params.get("waves", ""))
        page = self._page(viewer, waves, caller)
        self._pages.add(page)
        self._auth.join(page)
        page.tell()  # it may have been signed out since the gate let it in
        self._follower.audience_changed()
        try:
            async with asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(self._send(ws, page.box), name="live-send")
                closing = tasks.create_task(self._close(ws, page, sending), name="live-close")
                await self._receive(ws, page, tasks)
                sending.cancel()
                closing.cancel()
        finally:
            self._auth.leave(page)
            self._hub.unsubscribe(page.box)
            self._pages.discard(page)
            self._follower.audience_changed()
            self.counts["dropped"] += page.box.dropped
            if page.box.dropped:
                log.info("a page that has left was too slow for %d messages", page.box.dropped)

    def _page(self, viewer: Viewer, waves: frozenset[str], caller: str) -> OpenPage:
        return OpenPage(self._hub, self._auth, viewer, waves, caller)

    def _too_many(self, caller: str) -> bool:
        of_one = sum(page.caller == caller for page in self._pages)
        return of_one >= MOST_PAGES_OF_ONE or len(self._pages) >= MOST_PAGES

    async def _close(self, ws: WebSocket, page: OpenPage, sending: asyncio.Task[None]) -> None:
        await page.closing.wait()
        sending.cancel()
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # it has just left
            await ws.close(SIGNED_OUT, "signed out")

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
            escalation=station.escalation if station else [],
            central=self.central,
        )

    async def _receive(self, ws: WebSocket, page: OpenPage, tasks: asyncio.TaskGroup) -> None:
        box = page.box
        waiting: set[asyncio.Task[None]] = set()
        try:
            while True:
                text = await _text(ws)
                if page.pace.wait_s("", 1.0, self._auth.now_us()):
                    self.counts["too_often"] += 1
                    await ws.close(TOO_MANY, "too many messages in a short time")
                    return
                try:
                    message = self.decode_up(text)
                except NO_MESSAGE:
                    await ws.close(BAD_MESSAGE, "that was no command")
                    return
                if isinstance(message, Sound):
                    self._sound(page.ear, message.armed)
                elif isinstance(message, Active):
                    self._auth.touch(page.viewer)
                elif not isinstance(message, wire.CommandMsg):
                    page.take(message)
                elif len(waiting) >= MOST_AT_ONCE:
                    error = "too many commands are waiting for an answer; wait a moment"
                    box.post(wire.ResultMsg(id=message.id, ok=False, error=error))
                else:
                    task = tasks.create_task(self._command(message, page))
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

    async def _command(self, message: wire.CommandMsg, page: OpenPage) -> None:
        viewer, box = self._auth.viewer_at(page.viewer.key), page.box
        refused = why_not(self._hub, viewer, message)
        refused = refused or not_proved(viewer, message, self._auth.now_us())
        if viewer is None or refused is not None:
            self.counts["commands_refused"] += 1
            if refused is not None:
                box.post(refused)
            return
        self._auth.touch(viewer)
        message.role = viewer.role
        message.name = viewer.name or clean_name(message.name)
        message.identity = viewer.identity
        try:
            result = await self._follower.command(message, ANSWER_S)
        except FeedError as error:
            result = Unanswered(id=message.id, ok=False, error=str(error))
            self.counts["commands_unanswered"] += 1
        else:
            self.counts["commands_ok" if result.ok else "commands_refused"] += 1
        box.post(result)


def why_not(hub: Hub, viewer: Viewer | None, message: wire.CommandMsg) -> wire.ResultMsg | None:
    """The web's own refusal of a command; None for one that the station is asked."""
    if viewer is None:
        error = "this screen was signed out; sign in again"
        return wire.ResultMsg(id=message.id, ok=False, error=error)
    if viewer.locked and message.kind not in WHEN_LOCKED:
        return Locked(id=message.id, ok=False, error="locked: give a PIN to act")
    if viewer.rooms is None:
        return None
    beyond = [
        str(room)
        for room in (message.room, message.args.get(OTHER_ROOM.get(message.kind, ""), message.room))
        if room not in viewer.rooms
    ]
    if not beyond and message.kind in OF_A_DEVICE:
        here = {d.id for room in hub.snapshot(viewer.rooms).rooms for d in room.devices}
        beyond = [device for device in [str(message.args.get("device"))] if device not in here]
    if not beyond:
        return None
    error = (
        f"{viewer.name} may not see {beyond[0] or 'the station as a whole'}; the rooms of an "
        "account are set with `vitals user change`"
    )
    return wire.ResultMsg(id=message.id, ok=False, error=error)


def not_proved(viewer: Viewer | None, message: wire.CommandMsg, now_us: int) -> Locked | None:
    """Refuses a signature while it is not known who is at a screen that is somebody's."""
    if message.kind not in SIGNED or viewer is None or viewer.screen is None:
        return None
    if viewer.screen.proved(now_us):
        return None
    return Locked(id=message.id, ok=False, error="give a PIN or a password to sign")


def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
