"""The station's feed: a websocket on loopback that shows everything and takes commands.

A reader sends `auth` within two seconds, gets `hello`, a snapshot and then frames of whatever is
new, as fast as it reads: its mailbox replaces what it was too slow for. Commands come up the same
connection; the answer goes to the one who asked. So does the word of how many pages it serves with
armed sound.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hmac
import logging
import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from vitals import feed_file, wire
from vitals.clock import Now
from vitals.errors import FeedError, VitalsError
from vitals.hub import Hub, Mailbox

AUTH_S = 2.0
CLOSE_S = 0.5
"""Patience with an end that does not answer a close: longer only delays the next connect."""
ANNOUNCE_S = 1.0
"""A feed file that did not fit on the disk is tried again this often."""
MAX_UP = 1 << 20
"""Bytes of a message from a reader."""

BAD_MESSAGE, BAD_TOKEN, BAD_VERSION = 4400, 4401, 4409

NO_MESSAGE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises at bytes that are none: JSON, UTF-8, ten thousand brackets."""

OnCommand = Callable[[wire.CommandMsg, Callable[[wire.ResultMsg], None]], None]
"""Takes a command and a function that answers the one who sent it, now or later."""
OnAudience = Callable[[object, int, int], None]
"""Takes a connection, how many of its pages have armed sound, and how many it serves."""
OnGone = Callable[[object], None]
"""Takes a connection that has ended."""

log = logging.getLogger(__name__)


class FeedServer:
    """Serves a hub to the readers that know the token in the feed file.

    Attributes:
        epoch: names this start of the station; sequence numbers count within it.
        port: where it listens, 0 before `start`.
    """

    def __init__(
        self,
        hub: Hub,
        path: Path,
        station_id: str,
        build: str,
        clock: Now,
        mode: str,
        on_command: OnCommand,
        on_audience: OnAudience | None = None,
        on_gone: OnGone | None = None,
        care: str = "null",
        escalation: Sequence[tuple[float, str]] = (),
    ) -> None:
        """`care`: `vitals.session.care.Care.text`; `escalation`: see `wire.Hello`."""
        self.epoch = secrets.token_hex(4)
        self.port = 0
        self._hub = hub
        self._path = path
        self._station_id = station_id
        self._build = build
        self._clock = clock
        self._mode = mode
        self._on_command = on_command
        self._on_audience = on_audience
        self._on_gone = on_gone
        self._care = msgspec.Raw(care.encode())
        self._escalation = list(escalation)
        self._token = secrets.token_urlsafe(32)
        self._server: Server | None = None
        self._readers: set[ServerConnection] = set()
        self._announcing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listens, and says where in the feed file; on a full disk as soon as there is room.

        Raises:
            FeedError: the feed file cannot be written.
        """
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            0,
            origins=[None],  # programs send no Origin; any web page would
            compression=None,
            close_timeout=CLOSE_S,
            ping_interval=10,
            ping_timeout=10,
            max_size=MAX_UP,
        )
        self.port = self._server.sockets[0].getsockname()[1]
        try:
            self._announce()
        except FeedError as error:
            if not _is_full(error.__cause__):
                await self.close()
                raise
            log.error("%s", error)
            self._announcing = asyncio.create_task(self._announce_later(), name="announce")

    def _announce(self) -> None:
        contents = feed_file.FeedFile(port=self.port, token=self._token, pid=os.getpid())
        feed_file.write(self._path, contents)

    async def _announce_later(self) -> None:
        """The alarms go on meanwhile, though no page can show them."""
        while True:
            await asyncio.sleep(ANNOUNCE_S)
            with contextlib.suppress(FeedError):
                self._announce()
                return

    async def close(self) -> None:
        """Clears the feed file and ends all connections; harmless when called twice."""
        if self._announcing is not None:
            self._announcing.cancel()
        feed_file.clear(self._path, self._token)
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        closed = asyncio.ensure_future(server.wait_closed())
        await asyncio.wait([closed], timeout=2 * CLOSE_S)
        for ws in self._readers:  # who does not read does not hear of the close either
            ws.transport.abort()
        await closed

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _serve(self, ws: ServerConnection) -> None:
        self._readers.add(ws)
        try:
            if await self._admit(ws):
                await self._converse(ws)
        except ConnectionClosed:
            log.debug("a reader has gone")
        finally:
            self._readers.discard(ws)

    async def _admit(self, ws: ServerConnection) -> bool:
        """Hears the first message; whether its sender may read."""
        try:
            async with asyncio.timeout(AUTH_S):
                first = wire.decode_up(await ws.recv(decode=False))
        except TimeoutError:
            return await _refuse(ws, BAD_MESSAGE, f"no auth message within {AUTH_S:g} s")
        except NO_MESSAGE:
            first = None
        if not isinstance(first, wire.Auth):
            return await _refuse(ws, BAD_MESSAGE, "the first message must be auth")
        if not hmac.compare_digest(first.token.encode(), self._token.encode()):
            return await _refuse(
                ws, BAD_TOKEN, "the token is wrong; read the feed file again at each connect"
            )
        if first.v != wire.VERSION:
            sentence = feed_file.version_sentence(wire.VERSION, first.v)
            return await _refuse(ws, BAD_VERSION, sentence)
        return True

    async def _converse(self, ws: ServerConnection) -> None:
        await ws.send(wire.frame(wire.encode(self._hello())), text=True)
        box = self._hub.subscribe(None)
        try:
            async with asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(_send(ws, box), name="feed-reader")
                await self._receive(ws, box)
                sending.cancel()
        finally:
            self._hub.unsubscribe(box)
            if self._on_gone is not None:
                self._on_gone(ws)

    def _hello(self) -> wire.Hello:
        speed: float = getattr(self._clock, "speed", 1.0)
        return wire.Hello(
            v=wire.VERSION,
            build=self._build,
            station=self._station_id,
            epoch=self.epoch,
            clock=wire.ClockMsg(now_us=self._clock.now_us(), speed=speed),
            mode=self._mode,
            care=self._care,
            escalation=self._escalation,
        )

    async def _receive(self, ws: ServerConnection, box: Mailbox) -> None:
        try:
            while True:
                try:
                    message = wire.decode_up(await ws.recv(decode=False))
                except NO_MESSAGE:
                    message = None
                match message:
                    case wire.CommandMsg():
                        self._command(message, box)
                    case wire.AudienceMsg():
                        if self._on_audience is not None:
                            self._on_audience(ws, message.armed, message.pages)
                    case _:
                        await _refuse(ws, BAD_MESSAGE, "that was no valid command")
                        return
        except ConnectionClosed:
            return

    def _command(self, message: wire.CommandMsg, box: Mailbox) -> None:
        try:
            self._on_command(message, box.post)
        except VitalsError as error:
            box.post(wire.ResultMsg(id=message.id, ok=False, error=str(error)))
        except Exception:
            # A fault in one command must not cost the reader its view of all rooms.
            log.exception("command %r failed", message.kind)
            sentence = "the station failed at this command; see its log"
            box.post(wire.ResultMsg(id=message.id, ok=False, error=sentence))


async def _send(ws: ServerConnection, box: Mailbox) -> None:
    """Sends what waits; while the reader is slow, this waits and the mailbox replaces."""
    try:
        while True:
            await ws.send(await box.take(), text=True)
    except ConnectionClosed:
        return


def _is_full(error: BaseException | None) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


async def _refuse(ws: ServerConnection, code: int, reason: str) -> bool:
    log.warning("a reader was refused: %s", reason)
    await ws.close(code, reason)
    return False
