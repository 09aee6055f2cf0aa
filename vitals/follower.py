"""Follows a station's feed into a hub, for ever: connect, snapshot, messages, and again.

What arrives is passed on as it is, without encoding it again. When the station is silent the hub
says `stale` before anything else is done, so that no page shows old numbers as if they were new.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from vitals import feed_file, wire
from vitals.errors import FeedError
from vitals.feed import BAD_VERSION, CLOSE_S
from vitals.hub import Hub

SILENT_S = 3.0
"""Real seconds without any message, though the station's beat comes every second."""
RETRY_S = (0.25, 2.0)
"""First and longest wait before the next connect; each is shortened at random by up to 25 %."""
AUDIENCE_S = 1.0
"""How often the station hears how many pages with armed sound are here."""
MAX_DOWN = 64 << 20
"""Bytes of a frame from the station; the snapshot of 16 rooms is about half a megabyte."""

_BROKEN_FRAME = "the station sent a frame that is not a list of messages; restart it"

log = logging.getLogger(__name__)


class Source(Protocol):
    """What a dashboard follows: a station's feed, or PostgreSQL (`vitals.central.follower`).

    Attributes:
        hello: see `Follower`, as all of these.
    """

    @property
    def hello(self) -> wire.Hello | None:
        """The last greeting."""
        ...

    @property
    def trouble(self) -> str:
        """Why it is not heard."""
        ...

    @property
    def ignored(self) -> int:
        """Messages that this version does not know."""
        ...

    async def run(self) -> None:
        """Follows until cancelled."""

    async def command(self, message: wire.CommandMsg, timeout_s: float = 10.0) -> wire.ResultMsg:
        """Sends a command and waits for its answer."""
        ...

    async def tell_audience(self, audience: Callable[[], wire.AudienceMsg]) -> None:
        """Tells of the pages here until cancelled."""

    def audience_changed(self) -> None:
        """There are other pages than before."""


class Follower:
    """One station's feed.

    Attributes:
        hello: the station's last greeting: its id, build, epoch, mode; None before the first.
        trouble: why there is no station just now, one sentence; `""` while there is one.
        ignored: messages of types or shapes that this version does not know.
    """

    def __init__(
        self,
        path: Path,
        hub: Hub,
        *,
        silent_s: float = SILENT_S,
        retry_s: tuple[float, float] = RETRY_S,
    ) -> None:
        self.hello: wire.Hello | None = None
        self.trouble = ""
        self.ignored = 0
        self._path = path
        self._hub = hub
        self._silent_s = silent_s
        self._retry_s = retry_s
        self._wait_s = retry_s[0]
        self._ws: ClientConnection | None = None
        self._audience_changed = asyncio.Event()
        self._pending: dict[str, tuple[bytes, set[asyncio.Future[wire.ResultMsg]]]] = {}

    async def run(self) -> None:
        """Follows until cancelled."""
        while True:
            try:
                async with await _open(self._path) as ws:
                    await self._follow(ws)
            except FeedError as error:
                self._gone(error)
            pause_s = self._wait_s * random.uniform(0.75, 1.0)  # noqa: S311 no secret
            self._wait_s = min(self._wait_s * 2, self._retry_s[1])
            await asyncio.sleep(pause_s)

    async def command(self, message: wire.CommandMsg, timeout_s: float = 10.0) -> wire.ResultMsg:
        """Sends a command and waits for its answer.

        A command that is still unanswered when the connection breaks is sent again on the next
        one, with the same id: the station does it once and answers both times alike.

        Raises:
            FeedError: no answer in time; the command may have been done all the same.
        """
        answer: asyncio.Future[wire.ResultMsg] = asyncio.get_running_loop().create_future()
        encoded, waiting = self._pending.setdefault(message.id, (wire.encode(message), set()))
        waiting.add(answer)
        try:
            async with asyncio.timeout(timeout_s):
                if self._ws is not None:
                    await _try_send(self._ws, encoded)
                return await answer
        except TimeoutError:
            raise FeedError(_no_answer(message.kind, timeout_s)) from None
        finally:
            waiting.discard(answer)
            if not waiting:
                self._pending.pop(message.id, None)

    async def tell_audience(self, audience: Callable[[], wire.AudienceMsg]) -> None:
        """Tells the station of the pages here until cancelled.

        Every second, on each new connection, and at once after `audience_changed`.
        """
        while True:
            self._audience_changed.clear()
            if self._ws is not None:
                await _try_send(self._ws, wire.encode(audience()))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._audience_changed.wait(), AUDIENCE_S)

    def audience_changed(self) -> None:
        """What `tell_audience` would say is no longer what it has said."""
        self._audience_changed.set()

    async def _follow(self, ws: ClientConnection) -> None:
        """Hands on what comes; raises FeedError when it ends."""
        try:
            while True:
                async with asyncio.timeout(self._silent_s):
                    for raw in wire.split(await ws.recv(decode=False)):
                        await self._take(ws, bytes(raw))
        except TimeoutError:
            error = FeedError(
                f"the station has been silent for {self._silent_s:g} s; if it does not come back "
                "by itself, look at its log"
            )
            self._gone(error)  # at once: the close that follows may have to wait
            raise error from None
        except ConnectionClosed as closed:
            raise FeedError(_why_closed(closed)) from closed
        except msgspec.DecodeError as broken:
            raise FeedError(_BROKEN_FRAME) from broken
        finally:
            self._ws = None

    async def _take(self, ws: ClientConnection, raw: bytes) -> None:
        message = _decode(raw)
        match message:
            case None:
                if not self.ignored:
                    log.warning("the station sends messages that this version does not know")
                self.ignored += 1
            case wire.Hello():
                _check_version(message)
                self.hello = message
            case wire.ResultMsg():
                for answer in self._pending.get(message.id, (b"", set()))[1]:
                    if not answer.done():
                        answer.set_result(message)
            case wire.Snapshot():
                self.trouble, self._wait_s = "", self._retry_s[0]
                self._hub.reset(message, raw)
                self._ws = ws
                self.audience_changed()
                for encoded, _ in list(self._pending.values()):
                    await _try_send(ws, encoded)
            case _:
                self._hub.publish(message, raw)

    def _gone(self, error: FeedError) -> None:
        if str(error) != self.trouble:  # said once, not at every attempt
            self.trouble = str(error)
            # A station that is still starting is nothing to warn of.
            log.log(logging.WARNING if self.hello else logging.INFO, "no station: %s", error)
        self._hub.set_link("stale")


async def ask(
    path: Path, messages: Sequence[wire.CommandMsg], timeout_s: float = 10.0
) -> list[wire.ResultMsg]:
    """Sends commands over a connection of its own; their answers, in the same order.

    With no messages it only finds out whether a station is there.

    Raises:
        FeedError: no station, another version, or no answer in time.
    """
    greeted = False
    unanswered = {message.id for message in messages}
    answers: dict[str, wire.ResultMsg] = {}
    try:
        async with asyncio.timeout(timeout_s), await _open(path) as ws:
            for message in messages:
                await _try_send(ws, wire.encode(message))
            while unanswered or not greeted:
                for raw in wire.split(await ws.recv(decode=False)):
                    received = _decode(bytes(raw))
                    if isinstance(received, wire.Hello):
                        _check_version(received)
                        greeted = True
                    elif isinstance(received, wire.ResultMsg):
                        answers[received.id] = received
                        unanswered.discard(received.id)
    except TimeoutError:
        kinds = ", ".join(message.kind for message in messages) or "hello"
        raise FeedError(_no_answer(kinds, timeout_s)) from None
    except ConnectionClosed as closed:
        raise FeedError(_why_closed(closed)) from closed
    except msgspec.DecodeError as broken:
        raise FeedError(_BROKEN_FRAME) from broken
    return [answers[message.id] for message in messages]


async def _open(path: Path) -> ClientConnection:
    where = feed_file.read(path)
    try:
        ws = await connect(
            f"ws://127.0.0.1:{where.port}/",
            compression=None,
            proxy=None,
            open_timeout=2,
            close_timeout=CLOSE_S,
            ping_interval=None,  # the beat is watched instead
            max_size=MAX_DOWN,
        )
    except (OSError, WebSocketException) as error:
        raise FeedError(
            f"the station (process {where.pid}) does not answer on its feed, "
            f"port {where.port}; if it does not come back by itself, start it with `vitals run`"
        ) from error
    await _try_send(ws, wire.encode(wire.Auth(v=wire.VERSION, token=where.token)))
    return ws


async def _try_send(ws: ClientConnection, data: bytes) -> None:
    """Sends; a connection that has just closed says so to the one who receives from it."""
    with contextlib.suppress(ConnectionClosed):
        await ws.send(data, text=True)


def _decode(raw: bytes) -> wire.Down | None:
    """The message, None when it is of no type, shape or text that this version knows."""
    try:
        message: wire.Down = wire.decode_down(raw)
    except (msgspec.ValidationError, UnicodeDecodeError):
        return None
    return message


def _check_version(hello: wire.Hello) -> None:
    if hello.v != wire.VERSION:
        raise FeedError(feed_file.version_sentence(hello.v, wire.VERSION))


def _why_closed(closed: ConnectionClosed) -> str:
    frame = closed.rcvd
    if frame is None or not frame.reason:
        return "the station has closed its feed; it is restarting, or start it with `vitals run`"
    if frame.code == BAD_VERSION:
        return frame.reason
    return f"the station refused this connection: {frame.reason}"


def _no_answer(what: str, timeout_s: float) -> str:
    return (
        f"the station has not answered ({what}) within {timeout_s:g} s; it may have been done all "
        "the same, so look before repeating it"
    )
