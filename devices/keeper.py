"""Keeps the link to one device: connect, stream, notice that it broke, back off, for ever.

Also the contract with transports, which do the IO (`devices/transports`): `Connect` opens a link
and delivers chunks, `Connection` writes, says when the link breaks, and closes.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar, runtime_checkable

from devices import line, registry
from devices.conversation import NOT_UNDERSTOOD, Conversation
from devices.driver import BleSettings, Driver, Event, SerialSettings
from devices.misfit import Misfit
from devices.repeats import Repeats
from vitals.clock import Now
from vitals.errors import CommandError, TransportError
from vitals.model import Chunk, Link, LinkState, Request
from vitals.station_device import LinkStatus

TICK_S = 0.1
"""How often a decoder is asked what is due, and the watchdog looks."""
BACK_OFF_S = (0.5, 4.0)
"""First and longest pause between two attempts; each is shortened at random by up to 25 %."""
LINK_EVERY_S = 1.0
"""A growing count of refused frames is reported no more often than this."""

DRIVER_FAILED = "the driver failed on what the device sent, and starts anew; see the log"
LINK_FAILED = "the link failed for a reason that only the log explains"

log = logging.getLogger(__name__)


class Awaited(TransportError):
    """The device is not there, and its transport sees by itself when it comes: no pause is needed.

    Attributes:
        fault: whether it should be there; a cuff by radio only comes by to tell a reading.
    """

    def __init__(self, message: str, *, fault: bool) -> None:
        super().__init__(message)
        self.fault = fault


class Connection(Protocol):
    """An open link. Loop thread only."""

    async def write(self, data: bytes) -> None:
        """Sends all of it, without ever blocking the loop.

        Raises:
            TransportError: the link is broken.
        """

    async def lost(self) -> TransportError:
        """Waits until the link breaks; returns why, in one sentence."""

    async def close(self) -> None:
        """Releases port or radio, always; harmless when called again. No chunk comes after it."""


@runtime_checkable
class Radio(Protocol):
    """What a connection may have beside: the strength of its signal."""

    def signal(self) -> int | None:
        """As it was last heard, dBm; None when it is not known."""


class Connect(Protocol):
    """Opens a link; a transport registers one for its URL scheme."""

    async def __call__(
        self,
        url: str,
        settings: SerialSettings | BleSettings | None,
        on_chunk: Callable[[Chunk], None],
        now: Now,
    ) -> Connection:
        """Opens the link that `url` names, found anew each time.

        Args:
            url: as in the config.
            settings: the driver's.
            on_chunk: called in the loop with each chunk, stamped by `now` when it was read;
                possibly before this returns.
            now: the station's clock.

        Raises:
            TransportError: why not, and what to do, in one sentence without the device's name.
        """


_T = TypeVar("_T")


class Keeper:
    """Keeps the link to one device for life."""

    def __init__(
        self,
        device_id: str,
        driver: Driver,
        url: str,
        clock: Now,
        on_events: Callable[[list[Event]], None],
        on_link: Callable[[Link], None],
        connect: Connect | None = None,
        *,
        back_off_s: tuple[float, float] = BACK_OFF_S,
        real_s: Callable[[], float] = time.monotonic,
        admit: Callable[[], Awaitable[str]] | None = None,
    ) -> None:
        """`connect` is the transport of the URL's scheme unless a test brings its own.

        `admit` is asked before each attempt: why what is on the link may not speak for this
        device, one sentence; `""` if it may.

        Raises:
            ConfigError: no transport has that scheme, or the url's line is not written as it should
                be.
        """
        self._device = device_id
        self._driver = driver
        self._url, self._settings = line.of(url, driver.settings)
        self._misfit = Misfit(driver, self._settings)
        on_sight = isinstance(self._settings, BleSettings) and self._settings.on_sight
        self._repeats = Repeats() if on_sight else None
        self._clock = clock
        self._on_events = on_events
        self._on_link = on_link
        self._connect: Connect = registry.transport(url) if connect is None else connect
        self._back_off_s = back_off_s
        self._real_s = real_s
        self._link = Link(device_id, clock.now_us(), "connecting")
        self._linked_s = 0.0
        self._conversation: Conversation | None = None
        self._outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        self._broken = ""
        self._admit = admit
        self._connection: Connection | None = None
        self._heard_us: int | None = None
        self._refused = 0
        self._streams = 0

    async def run(self) -> None:
        """Keeps the link until cancelled; nothing else ends it."""
        self._tell(self._on_link, self._link)
        pause_s = self._back_off_s[0]
        while True:
            if await self._visit():
                pause_s = self._back_off_s[0]
            await asyncio.sleep(pause_s * random.uniform(0.75, 1.0))  # noqa: S311 no secret
            pause_s = min(2 * pause_s, self._back_off_s[1])

    def status(self) -> LinkStatus:
        """How well the device is heard."""
        radio, talk = self._connection, self._conversation
        return LinkStatus(
            self._heard_us,
            self._refused + (talk.rejected if talk else 0),
            max(0, self._streams - 1),
            radio.signal() if isinstance(radio, Radio) else None,
        )

    def reopen(self, why: str) -> None:
        """Ends the connection, so that another one begins; nothing more is heard of this one."""
        if self._conversation is not None:
            self._broken = why

    def request(self, request: Request) -> None:
        """Asks the device for something.

        Raises:
            CommandError: it is not connected, or cannot do that.
        """
        conversation = self._conversation
        if conversation is None or self._link.state != "streaming":
            raise CommandError(
                f"there is no link to it just now ({self._link.state}); use its own buttons, "
                "or check its cable",
                device=self._device,
            )
        try:
            conversation.request(request, self._clock.now_us())
        except CommandError as error:
            if error.device:
                raise
            raise CommandError(str(error), device=self._device) from error
        except Exception as error:
            self._driver_failed(error)
            raise CommandError("its driver failed; see the log", device=self._device) from error
        self._ask(conversation)

    # --- one connection -----------------------------------------------------------------------

    async def _visit(self) -> bool:
        """One attempt, from opening to the end; whether the next may follow soon."""
        self._broken = ""
        self._outgoing = asyncio.Queue()
        heard = False
        try:
            doubted = self._link.detail.startswith(NOT_UNDERSTOOD)
            conversation = Conversation(self._driver, self._device, self._real_s(), doubted=doubted)
            self._conversation = conversation
            on_chunk = partial(self._on_chunk, conversation)
            if self._admit is not None and (refusal := await self._admit()):
                raise TransportError(refusal)
            connection = await self._connect(self._url, self._settings, on_chunk, self._clock)
            self._connection = connection
            try:
                state, detail = await self._converse(connection, conversation)
                heard = conversation.heard
                # before the close, which may take a moment
                self._end(state, self._explained(detail))
            finally:
                self._connection = None
                await connection.close()
            if detail == NOT_UNDERSTOOD and await self._misfit.look(self._real_s()):
                self._report(state, self._explained(detail))
        except TransportError as error:
            self._end(*_ended(error))
            heard = isinstance(error, Awaited)
        except Exception:
            log.exception("the link failed", extra={"device": self._device})
            self._end("lost", LINK_FAILED)
        return heard

    def _explained(self, detail: str) -> str:
        """With what the bytes look like instead, once that is known."""
        words = self._misfit.words if detail == NOT_UNDERSTOOD else ""
        return f"{detail}; {words}" if words else detail

    async def _converse(
        self, connection: Connection, conversation: Conversation
    ) -> tuple[LinkState, str]:
        """Talks until the link breaks or the device falls silent; how it ended."""
        conversation.opened(self._real_s())
        lost = asyncio.create_task(connection.lost(), name=f"lost {self._device}")
        writing = asyncio.create_task(self._write(connection), name=f"write {self._device}")
        try:
            while True:
                self._ask(conversation)
                self._report_alive(conversation)
                done, _ = await asyncio.wait(
                    (lost, writing), timeout=TICK_S, return_when=asyncio.FIRST_COMPLETED
                )
                for ended in done:
                    return _ended(ended.result())
                if self._broken:
                    return "lost", self._broken
                if trouble := conversation.trouble(self._real_s()):
                    return "silent", trouble
        finally:
            lost.cancel()
            writing.cancel()
            await asyncio.gather(lost, writing, return_exceptions=True)

    async def _write(self, connection: Connection) -> TransportError:
        """Sends what is queued; returns the error that ends it."""
        while True:
            try:
                await connection.write(await self._outgoing.get())
            except TransportError as error:
                return error

    def _on_chunk(self, conversation: Conversation, chunk: Chunk) -> None:
        if conversation is not self._conversation or self._broken:
            return  # late, from a connection that has ended
        self._heard_us = chunk.at_us
        before = conversation.rejected
        try:
            events = conversation.feed(chunk, self._real_s())
        except Exception as error:
            self._driver_failed(error)
            return
        refused = conversation.rejected > before
        self._misfit.heard(chunk, self._real_s(), understood=bool(events), refused=refused)
        if self._repeats is not None:
            events = self._repeats.fresh(chunk, events)
        if events:
            self._report_alive(conversation)
            self._tell(self._on_events, events)
        self._ask(conversation)

    def _ask(self, conversation: Conversation) -> None:
        """Queues what the decoder wants to be sent."""
        try:
            data = conversation.due(self._clock.now_us(), self._real_s())
        except Exception as error:
            self._driver_failed(error)
            return
        if data:
            self._outgoing.put_nowait(data)

    def _driver_failed(self, error: Exception) -> None:
        log.error("the driver failed", exc_info=error, extra={"device": self._device})
        self._broken = DRIVER_FAILED

    def _end(self, state: LinkState, detail: str) -> None:
        conversation, self._conversation = self._conversation, None
        self._refused += conversation.rejected if conversation else 0
        self._report(state, detail)
        if conversation is not None and (notices := conversation.farewell(self._clock.now_us())):
            self._tell(self._on_events, notices)

    # --- what others hear ---------------------------------------------------------------------

    def _report_alive(self, conversation: Conversation) -> None:
        """Streaming, as soon as it is; then how much was refused, when that grows."""
        if not conversation.alive:
            return
        rejected = conversation.rejected
        grown = self._link.state == "streaming" and rejected > self._link.rejected
        if not grown or self._real_s() - self._linked_s >= LINK_EVERY_S:
            self._report("streaming", rejected=rejected)

    def _report(self, state: LinkState, detail: str = "", rejected: int = 0) -> None:
        last = self._link
        changed = (state, detail) != (last.state, last.detail)
        if not changed and rejected <= last.rejected:
            return
        self._link = Link(self._device, self._clock.now_us(), state, rejected, detail)
        self._linked_s = self._real_s()
        if changed:
            self._streams += state == "streaming" and last.state != "streaming"
            level = logging.INFO if state == "streaming" else logging.WARNING
            log.log(level, "link %s %s", state, detail, extra={"device": self._device})
        self._tell(self._on_link, self._link)

    def _tell(self, listener: Callable[[_T], None], what: _T) -> None:
        """A listener that fails must not cost the link."""
        try:
            listener(what)
        except Exception:
            log.exception("what the device said was not taken", extra={"device": self._device})


def _ended(error: TransportError) -> tuple[LinkState, str]:
    """What the end of a connection, or of an attempt, means for the link."""
    expected = isinstance(error, Awaited) and not error.fault
    return "connecting" if expected else "lost", str(error)
