"""A stretch of network that loses answers: what the server says is swallowed now and then.

It sits between a station and PostgreSQL and passes bytes on as they are, TLS or not. A lost answer
to a COMMIT is the case that makes rows come twice, where a sender believes in its own memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import threading
from typing import Self

_CHUNK = 1 << 16
_HANDSHAKE = 10
"""Pieces from the server that belong to TLS and logging in: these always arrive."""


class Lossy:
    """Connects to `target` for everyone who comes to the socket `at`.

    Attributes:
        port: where it listens.
        loss: share of the server's answers that are swallowed.
        hang: share of those after which the connection stays open and silent; the others are cut.
        delay_s: every answer is late by so much.
        lost: local port towards the server of each connection whose answer was swallowed.
    """

    def __init__(self, at: socket.socket, target: tuple[str, int], *, seed: int = 1) -> None:
        self.loss = 0.0
        self.hang = 0.0
        self.delay_s = 0.0
        self.lost: list[int] = []
        self.port = int(at.getsockname()[1])
        self._at, self._target = at, target
        self._rng = random.Random(seed)  # noqa: S311 - no secret
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._over: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="lossy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._over is not None
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(20)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        passing: set[asyncio.Task[None]] = set()

        def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._pass(reader, writer))
            passing.add(task)
            task.add_done_callback(passing.discard)

        server = await asyncio.start_server(came, sock=self._at)
        self._ready.set()
        await self._over.wait()
        server.close()
        for task in list(passing):
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up: asyncio.StreamWriter | None = None
        with contextlib.suppress(OSError):
            try:
                down, up = await asyncio.open_connection(*self._target)
                port = up.get_extra_info("sockname")[1]
                ways = (self._up(reader, up), self._down(down, writer, port))
                tasks = [asyncio.create_task(way) for way in ways]
                try:
                    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
            finally:
                for end in (writer, up):
                    if end is not None:
                        end.transport.abort()

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(_CHUNK):
            writer.write(piece)
            await writer.drain()

    async def _down(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int
    ) -> None:
        pieces = 0
        while piece := await reader.read(_CHUNK):
            pieces += 1
            if pieces > _HANDSHAKE and self._rng.random() < self.loss:
                self.lost.append(port)
                if self._rng.random() >= self.hang:
                    return
                while await reader.read(_CHUNK):
                    pass  # until the station gives this connection up
                return
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            writer.write(piece)
            await writer.drain()
