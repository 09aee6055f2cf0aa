"""Where a simulated monitor is plugged in: a pseudo-terminal, or a TCP port for `socket://`.

An endpoint only carries bytes, without ever blocking; `simulators.bedside` moves time. When
nobody reads, what is oldest is lost, as on a serial line. A pseudo-terminal has neither speed
nor parity, so wrong line settings cannot be simulated.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
from pathlib import Path
from typing import Protocol

from simulators.monitor import SimulatedMonitor
from vitals.errors import ConfigError

if sys.platform != "win32":
    import fcntl
    import termios
    import tty

_READ = 4096
_UNREAD = 3500
"""Bytes that may wait for the station; beyond that they are lost. A terminal's own buffer holds
4095, and what overflows it would be kept by the system and come out minutes late."""


class Endpoint(Protocol):
    """One plug. All methods may be called from any thread."""

    monitor: SimulatedMonitor

    @property
    def url(self) -> str:
        """What a config's `url` must say to reach it."""

    def read(self) -> bytes:
        """What the station has sent since last asked; `b""` when nothing."""

    def write(self, data: bytes) -> None:
        """Sends what fits; never blocks, and does nothing while unplugged."""

    def unplug(self) -> None:
        """Takes the plug out: the station's side fails."""

    def replug(self) -> None:
        """Puts it back, under the same url."""

    def stop(self) -> None:
        """Unplugs for good and leaves nothing behind."""


class PtyEndpoint:
    """A pseudo-terminal behind a symbolic link with a stable name.

    The slave end is kept open here, else the master would read EIO whenever no station has it
    open.

    Args:
        monitor: what is plugged in.
        link_path: the stable name; None = the terminal's own, which changes with each replug.

    Raises:
        ConfigError: the link cannot be made, or something else is there.
    """

    def __init__(self, monitor: SimulatedMonitor, link_path: Path | str | None = None) -> None:
        if sys.platform == "win32":
            raise ConfigError("this system has no pseudo-terminals; use --tcp HOST:PORT")
        self.monitor = monitor
        self._link = Path(link_path).absolute() if link_path else None
        self._lock = threading.Lock()
        self._ends: tuple[int, int] | None = None
        self._name = ""
        self.replug()

    @property
    def path(self) -> str:
        """The terminal's stable name."""
        return str(self._link or self._name)

    @property
    def url(self) -> str:
        """`serial://` and the path."""
        return f"serial://{self.path}"

    def read(self) -> bytes:
        """See `Endpoint`."""
        with self._lock:
            if self._ends is None:
                return b""
            try:
                return os.read(self._ends[0], _READ)
            except BlockingIOError:
                return b""

    def write(self, data: bytes) -> None:
        """See `Endpoint`. A full terminal is emptied first: nobody has read for seconds."""
        with self._lock:
            if self._ends is None or not data:
                return
            master, slave = self._ends
            waiting = fcntl.ioctl(slave, termios.FIONREAD, bytes(4))
            if struct.unpack("i", waiting)[0] > _UNREAD:
                termios.tcflush(slave, termios.TCIFLUSH)
            try:
                os.write(master, data)
            except BlockingIOError:
                termios.tcflush(slave, termios.TCIFLUSH)

    def unplug(self) -> None:
        """See `Endpoint`. The name goes away too, as a USB adapter's does."""
        with self._lock:
            if self._ends is None:
                return
            self._unlink()
            master, slave = self._ends
            self._ends = None
            os.close(master)
            os.close(slave)

    def replug(self) -> None:
        """See `Endpoint`. The terminal is another one than before, as after a real replug."""
        with self._lock:
            if self._ends is not None:
                return
            master, slave = _another_pty(self._name)
            self._ends, self._name = (master, slave), os.ttyname(slave)
            tty.setraw(slave)  # before anybody knows the name: echo would corrupt first bytes
            os.set_blocking(master, False)
            try:
                self._publish()
            except BaseException:
                self._ends = None
                os.close(master)
                os.close(slave)
                raise

    def stop(self) -> None:
        """See `Endpoint`."""
        self.unplug()

    def _publish(self) -> None:
        if self._link is None:
            return
        try:
            if os.path.lexists(self._link) and not self._link.is_symlink():
                raise ConfigError(
                    f"{self._link} exists and is not a link of a simulator; name another path"
                )
            fresh = self._link.with_name(f".{self._link.name}.{os.getpid()}")
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(self._name)
            fresh.replace(self._link)
        except OSError as error:
            raise ConfigError(
                f"{self._link} cannot be made ({error.strerror}); name a path in a folder that "
                "exists and may be written to"
            ) from error

    def _unlink(self) -> None:
        """Removes the link, unless another simulator has taken the name meanwhile."""
        if self._link and self._link.is_symlink() and os.readlink(self._link) == self._name:
            self._link.unlink(missing_ok=True)


def _another_pty(name: str) -> tuple[int, int]:
    """Master and slave of a new terminal that is not called `name`."""
    ends = os.openpty()
    if os.ttyname(ends[1]) != name:
        return ends
    try:
        return os.openpty()
    finally:
        for end in ends:
            os.close(end)


class TcpEndpoint:
    """A listening socket that serves one station at a time, for `socket://`.

    Args:
        monitor: what is plugged in.
        host: where to listen.
        port: 0 = any free one, kept over replugs.

    Raises:
        ConfigError: the port cannot be opened.
    """

    def __init__(self, monitor: SimulatedMonitor, host: str = "127.0.0.1", port: int = 0) -> None:
        self.monitor = monitor
        self._host, self._port = host, port
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._client: socket.socket | None = None
        self._pending = bytearray()
        self.replug()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    @property
    def url(self) -> str:
        """`socket://host:port`."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"socket://{host}:{self._port}"

    def read(self) -> bytes:
        """See `Endpoint`. Also lets a station in."""
        with self._lock:
            data = self._receive()
            self._accept()
            return data

    def write(self, data: bytes) -> None:
        """See `Endpoint`."""
        with self._lock:
            if self._client is None:
                return
            self._pending += data
            try:
                del self._pending[: self._client.send(self._pending)]
            except BlockingIOError:
                del self._pending[:-_UNREAD]
            except OSError:
                self._hang_up()

    def unplug(self) -> None:
        """See `Endpoint`. The connection ends and further ones are refused."""
        with self._lock:
            self._hang_up()
            if self._listener is not None:
                self._listener.close()
                self._listener = None

    def replug(self) -> None:
        """See `Endpoint`."""
        with self._lock:
            if self._listener is not None:
                return
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            try:
                self._listener = socket.create_server((self._host, self._port), family=family)
            except (OSError, OverflowError) as error:
                reason = getattr(error, "strerror", None) or error
                raise ConfigError(
                    f"{self._host}:{self._port} cannot be opened ({reason}); choose another port"
                ) from error
            self._listener.setblocking(False)
            self._port = self._listener.getsockname()[1]

    def stop(self) -> None:
        """See `Endpoint`."""
        self.unplug()

    def _receive(self) -> bytes:
        if self._client is None:
            return b""
        try:
            data = self._client.recv(_READ)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._hang_up()
        return data

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            caller, _ = self._listener.accept()
        except BlockingIOError:
            return
        if self._client is not None:
            caller.close()
            return
        caller.setblocking(False)
        caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNREAD)
        self._client = caller

    def _hang_up(self) -> None:
        self._pending.clear()
        if self._client is not None:
            self._client.close()
            self._client = None
