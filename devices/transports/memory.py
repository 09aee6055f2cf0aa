"""A link in a test's own hand: what comes is fed by the test, what was written is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from devices.driver import BleSettings, SerialSettings
from vitals.clock import Now
from vitals.errors import TransportError
from vitals.model import Chunk


class MemoryLink:
    """One device and its cable; `connect` is the transport to give to a keeper.

    Attributes:
        written: everything that was sent to the device, in pieces as they were written.
        opened: how often a connection was opened.
        refuse: while not empty, every attempt to connect fails with this sentence.
        write_fails: while not empty, every write fails with this sentence.
    """

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.opened = 0
        self.refuse = ""
        self.write_fails = ""
        self._connection: MemoryConnection | None = None

    async def connect(
        self,
        url: str,
        settings: SerialSettings | BleSettings | None,
        on_chunk: Callable[[Chunk], None],
        now: Now,
    ) -> MemoryConnection:
        """Opens the link; see `devices.keeper.Connect`."""
        if self.refuse:
            raise TransportError(self.refuse)
        self.opened += 1
        self._connection = MemoryConnection(self, on_chunk, now)
        return self._connection

    @property
    def connected(self) -> bool:
        """Whether somebody has the link open."""
        return self._connection is not None

    def feed(self, data: bytes, source: str = "", at_us: int | None = None) -> None:
        """The device sends; nobody hears it while the link is not open."""
        if self._connection is not None:
            self._connection.deliver(data, source, at_us)

    def cut(self, sentence: str = "unplugged") -> None:
        """The link breaks."""
        if self._connection is not None:
            self._connection.end(sentence)

    def forget(self, connection: MemoryConnection) -> None:
        """A connection has been closed."""
        if self._connection is connection:
            self._connection = None


class MemoryConnection:
    """See `devices.keeper.Connection`."""

    def __init__(self, link: MemoryLink, on_chunk: Callable[[Chunk], None], now: Now) -> None:
        self._link = link
        self._on_chunk = on_chunk
        self._now = now
        self._ended: asyncio.Future[TransportError] = asyncio.get_running_loop().create_future()

    def deliver(self, data: bytes, source: str, at_us: int | None) -> None:
        """Bytes from the device."""
        self._on_chunk(Chunk(data, self._now.now_us() if at_us is None else at_us, source))

    def end(self, sentence: str) -> None:
        """The link has broken."""
        if not self._ended.done():
            self._ended.set_result(TransportError(sentence))

    async def write(self, data: bytes) -> None:
        """Records what is sent."""
        if self._link.write_fails:
            raise TransportError(self._link.write_fails)
        self._link.written.append(data)

    async def lost(self) -> TransportError:
        """Waits for `cut`."""
        return await asyncio.shield(self._ended)

    async def close(self) -> None:
        """Hangs up."""
        self.end("closed")
        self._link.forget(self)
