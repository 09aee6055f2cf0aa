"""Row 10: a browser that is slow, or dead, and does not read.

Made: `vitals web` follows a station that sends a waveform packet of 24 kB and a number fifty times
a second; twenty readers of the live socket never read (three in a test), two read and say how old
what they get is. The same without the dead readers comes first.

Bar: the web's memory grows by 20 MB at most, the others get what they got before as soon as before,
and what waits for each reader is bounded.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.dashboard.ward import Station, room, session
from tests.faults.reached import Fault, Number, Result, line_with
from tests.loop import run, until
from vitals import wire
from vitals.process import LEVEL

DEAD, DEAD_SHORT, SECONDS, SECONDS_SHORT = 20, 3, 40.0, 7.0
GOOD = 2
EVERY_S = 0.02
PACKET = [12345] * 4000
"""As JSON 24 kB: what the system keeps for a reader (4 MB) is full after 4 s."""
FILLS = 350
"""Packets: twice what the system keeps for a reader."""
GROWTH_MB, SLOWER_MS = 20.0, 10.0
NOBODY = "– (its own page says that no data comes; the others' pages are as before)"


@dataclass(slots=True)
class Pages:
    """What the readers got: milliseconds from the station's hub to the reader."""

    before_ms: list[float] = field(default_factory=list)
    beside_ms: list[float] = field(default_factory=list)
    growth_mb: float = 0.0
    sent: int = 0


class Web:
    """`vitals web` as a process of its own."""

    def __init__(self, folder: Path, feed: Path) -> None:
        self.log = folder / "web.txt"
        command = [sys.executable, "-m", "vitals.cli", "web", "--feed", str(feed), "--port", "0"]
        told = {**os.environ, LEVEL: "INFO"}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=told)

    @property
    def port(self) -> int:
        """Where it listens, 0 before it does."""
        found = re.search(r"http://127\.0\.0\.1:(\d+)", self.log.read_text(errors="replace"))
        return int(found[1]) if found else 0

    @property
    def megabytes(self) -> float:
        """Its memory, without the process that builds its figures."""
        process = psutil.Process(self.process.pid)
        return float(process.memory_info().rss) / 1e6

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


async def reader(port: int, *, small: bool = False) -> ClientConnection:
    """A page's socket; `small` leaves the system little to keep for it."""
    sock = socket.socket()
    if small:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    sock.setblocking(False)
    return await connect(
        f"ws://127.0.0.1:{port}/live?waves=room-1",
        origin=f"http://127.0.0.1:{port}",  # type: ignore[arg-type]
        sock=sock, max_size=None, ping_interval=None, compression=None, close_timeout=0.2,
    )  # fmt: skip


async def read(ws: ClientConnection, into: list[float]) -> None:
    """Notes how old each number is when it arrives."""
    while True:
        for raw in wire.split(await ws.recv(decode=False)):
            if not bytes(raw).startswith(b'{"t":"numeric"'):
                continue
            message = wire.decode_down(bytes(raw))
            if isinstance(message, wire.NumericMsg) and message.flags:
                into.append(time.monotonic() * 1e3 - float(message.flags[0]))


async def measured(
    station: Station, web: Web, dead: int, seconds: float, into: list[float]
) -> tuple[float, int]:
    """Readers for a while; how much the web's memory has grown (MB), and what was sent."""
    async with AsyncExitStack() as sockets:
        good = [await sockets.enter_async_context(await reader(web.port)) for _ in range(GOOD)]
        for _ in range(dead):
            stuck = await reader(web.port, small=True)
            stuck.transport.pause_reading()
            sockets.callback(stuck.transport.abort)
        reading = [asyncio.create_task(read(ws, into)) for ws in good]
        before = web.megabytes
        end = time.monotonic() + seconds
        number = 0
        # a slow computer sends less in that time: what fills a reader is counted, not timed
        while time.monotonic() < end or (dead and number < FILLS):
            number += 1
            station.publish(
                wire.WaveMsg(room="room-1", channel="pleth", device="oximeter", start_us=number,
                             rate_hz=75.0, y=PACKET),
                wire.NumericMsg(room="room-1", channel="spo2", device="oximeter",
                                at_us=station.now_us, value=90.0 + number % 9,
                                flags=[f"{time.monotonic() * 1e3:.3f}"]),
            )  # fmt: skip
            await asyncio.sleep(EVERY_S)
        grown = web.megabytes - before
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    return grown, number


def p99(values: list[float]) -> float:
    return float(np.percentile(values, 99))


def measure(folder: Path, full: bool) -> Result:
    dead, seconds = (DEAD, SECONDS) if full else (DEAD_SHORT, SECONDS_SHORT)
    feed, found = folder / "vitals.db.feed", Pages()
    station = Station(feed, [room(1, session=session("room-1", time.time_ns() // 1000))])
    station.start()
    web = Web(folder, feed)
    try:
        run(both(station, web, dead, seconds, found), 120 + 3 * seconds)
    finally:
        web.stop()
        station.stop()
    before, beside = p99(found.before_ms), p99(found.beside_ms)
    numbers = (
        Number("web's memory grew by", found.growth_mb, GROWTH_MB, "MB"),
        Number("others' p99 later by", max(0.0, beside - before), SLOWER_MS, "ms", busy=20),
        Number("numbers that others missed", 1 - len(found.beside_ms) / (GOOD * found.sent), 0.02,
               busy=10),
    )  # fmt: skip
    also = f"{dead} dead readers for {seconds:g} s; p99 {before:.1f} ms without, {beside:.1f} with"
    line = line_with(web.log.read_text(errors="replace").splitlines(), "too slow")
    return Result(numbers, NOBODY, line, also)


async def both(station: Station, web: Web, dead: int, seconds: float, found: Pages) -> None:
    """Without the dead readers, and with them."""
    await until(lambda: web.port or web.process.poll() is not None, 60)
    assert web.port, web.log.read_text()
    await measured(station, web, 0, 1.0, [])  # the first page costs more than any later
    await measured(station, web, 0, seconds / 2, found.before_ms)
    found.growth_mb, found.sent = await measured(station, web, dead, seconds, found.beside_ms)
    await until(lambda: "too slow" in web.log.read_text(errors="replace"), 150)


FAULT = Fault(10, "slow or dead browser", "readers of the live socket that never read", measure)


@pytest.mark.long
def test_a_reader_that_never_reads_costs_nothing_and_delays_nobody(tmp_path: Path) -> None:
    measure(tmp_path, full=False).check()
