"""Serial ports: local ones, and ports behind a TCP converter (`socket://`, `rfc2217://`).

One daemon thread per port opens, reads and closes it, so that nothing else ever touches a handle
that has been closed. A chunk is stamped right after the read that gave it. Writing has a thread
of its own, made at the first write: a device that holds CTS must not delay the stamps.

    serial:///dev/serial/by-id/usb-FTDI_...   serial://COM3   socket://HOST:PORT
    rfc2217://HOST:PORT (with ?ign_set_control for servers that do not answer)

Facts about pyserial are from its 3.5 source.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import serial

from devices.driver import BleSettings, SerialSettings
from devices.transports.serial_faults import cannot_open, has_ended
from vitals.clock import Now
from vitals.errors import TransportError
from vitals.model import Chunk

READ_S = 0.1
"""A read waits this long for the first byte; also the longest time until a close is seen."""
WRITE_S = 1.0
CLOSE_S = 3.0
"""Patience with a port that does not let go."""
MAX_READ = 4096

FAULTS = (OSError, TypeError, ValueError)
"""What pyserial raises when a port breaks: SerialException is an OSError, TypeError and ValueError
come from a handle that has gone in mid-call. Its opening can raise more, termios.error for one."""

_T = TypeVar("_T")

log = logging.getLogger(__name__)


async def connect(
    url: str,
    settings: SerialSettings | BleSettings | None,
    on_chunk: Callable[[Chunk], None],
    now: Now,
) -> SerialPort:
    """Opens a port; see `devices.keeper.Connect`.

    Raises:
        TransportError: it cannot be opened, and what to do.
    """
    line = settings if isinstance(settings, SerialSettings) else SerialSettings()
    port = SerialPort(url, line, on_chunk, now)
    await port.open()
    return port


class SerialPort:
    """One open port; see `devices.keeper.Connection`."""

    def __init__(
        self, url: str, line: SerialSettings, on_chunk: Callable[[Chunk], None], now: Now
    ) -> None:
        loop = asyncio.get_running_loop()
        self._url = url
        self._line = line
        self._on_chunk = on_chunk
        self._now = now
        self._loop = loop
        self._opened: asyncio.Future[TransportError | None] = loop.create_future()
        self._ended: asyncio.Future[TransportError] = loop.create_future()
        self._stop = threading.Event()
        self._closed = False
        self._port: serial.Serial | None = None
        # Its thread starts with the first write: most monitors are never written to.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix=f"write {url}")

    async def open(self) -> None:
        """Starts the thread and waits until the port is open.

        Raises:
            TransportError: it cannot be opened, and what to do.
        """
        threading.Thread(target=self._run, name=f"port {self._url}", daemon=True).start()
        try:
            error = await self._opened
        except asyncio.CancelledError:
            self._stop.set()
            raise
        if error is not None:
            raise error

    async def write(self, data: bytes) -> None:
        """Sends all of it within a second.

        Raises:
            TransportError: the port is closed, broken, or does not take the data.
        """
        port = self._port
        if port is None or self._stop.is_set():
            raise TransportError(has_ended(self._url, None))
        try:
            await asyncio.wrap_future(self._writer.submit(_write, port, data))
        except RuntimeError as error:  # the writer has been shut down
            raise TransportError(has_ended(self._url, None)) from error
        except FAULTS as error:
            raise TransportError(has_ended(self._url, error)) from error

    async def lost(self) -> TransportError:
        """Waits until the port breaks or is closed; returns why."""
        return await asyncio.shield(self._ended)

    async def close(self) -> None:
        """Ends the thread, which closes the port."""
        self._closed = True
        self._stop.set()
        if not self._opened.done():
            return
        _, waiting = await asyncio.wait([self._ended], timeout=CLOSE_S)
        if waiting:
            log.error("%s does not close; its driver hangs", self._url)

    # --- the thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            port = _open(self._url, self._line)
        except Exception as error:
            why = TransportError(cannot_open(self._url, error))
            why.__cause__ = error
            self._tell(self._settle, why)
            return
        self._port = port
        self._tell(_set, self._opened, None)
        end: Exception | None = None
        try:
            self._read(port)
        except Exception as error:
            end = error  # whatever it is, it ends the link and not silently the thread
        finally:
            self._stop.set()
            # Nobody may write to a number that the system has given to another port meanwhile.
            self._writer.shutdown(wait=True, cancel_futures=True)
            _close(port)
        why = TransportError(has_ended(self._url, end))
        why.__cause__ = end
        self._tell(_set, self._ended, why)

    def _read(self, port: serial.Serial) -> None:
        read = _read_socket if self._url.startswith("socket:") else _read_port
        while not self._stop.is_set():
            data = read(port)
            if data:
                self._tell(self._deliver, Chunk(data, self._now.now_us()))

    def _tell(self, call: Callable[..., None], *args: object) -> None:
        """Hands over to the loop; a loop that is gone needs nothing more."""
        try:
            self._loop.call_soon_threadsafe(call, *args)
        except RuntimeError:
            self._stop.set()

    # --- in the loop --------------------------------------------------------------------------

    def _settle(self, why: TransportError) -> None:
        self._writer.shutdown(wait=False)
        _set(self._opened, why)
        _set(self._ended, why)

    def _deliver(self, chunk: Chunk) -> None:
        if not self._closed:
            self._on_chunk(chunk)


def _set(future: asyncio.Future[_T], value: _T) -> None:
    if not future.done():
        future.set_result(value)


def _open(url: str, line: SerialSettings) -> serial.Serial:
    local = url.startswith("serial:")
    port = serial.serial_for_url(
        url.removeprefix("serial://") if local else url,
        baudrate=line.baudrate,
        bytesize=line.bytesize,
        parity=line.parity,
        stopbits=line.stopbits,
        rtscts=line.rtscts,
        xonxoff=False,
        # A socket is waited for by us: pyserial tells at most one waiting byte there.
        timeout=0 if url.startswith("socket:") else READ_S,
        # rfc2217 knows no such thing; its socket gives up after 5 s.
        write_timeout=None if url.startswith("rfc2217:") else WRITE_S,
        # Two programs that read one port each get half of the bytes.
        exclusive=True if local and os.name == "posix" else None,
    )
    if url.startswith("socket:"):
        _keep_alive(port.fileno())
    return port


def _keep_alive(handle: int) -> None:
    """Lets the system find out that a converter was switched off, also for a device that rests."""
    with (
        contextlib.suppress(OSError),
        socket.fromfd(handle, socket.AF_INET, socket.SOCK_STREAM) as twin,
    ):
        twin.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
            if hasattr(socket, name):
                twin.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _read_port(port: serial.Serial) -> bytes:
    data = port.read(1)
    waiting = port.in_waiting if data else 0
    return data + port.read(min(waiting, MAX_READ)) if waiting else data


def _read_socket(port: serial.Serial) -> bytes:
    ready, _, _ = select.select([port], [], [], READ_S)
    return port.read(MAX_READ) if ready else b""


def _write(port: serial.Serial, data: bytes) -> None:
    port.write(data)


def _close(port: serial.Serial) -> None:
    # pyserial forgets a socket unclosed when the other end was faster.
    handle = getattr(port, "_socket", None)
    with contextlib.suppress(*FAULTS):
        port.close()
    if handle is not None:
        handle.close()
