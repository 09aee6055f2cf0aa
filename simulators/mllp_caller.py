"""A simulated gateway: dials a station's `mllp-listen` port, sends, and reads the answers.

A call that fails or ends is made again, after pauses that grow from 0.5 to 5 real seconds. While
nobody answers, messages are lost, as a monitor's running values are.
"""

from __future__ import annotations

import errno
import select
import socket
import threading
import time
from collections.abc import Callable

from devices.hl7 import Frames, parse
from simulators.monitor import SimulatedMonitor
from vitals.errors import ConfigError

BACK_OFF_S = (0.5, 5.0)
"""First and longest pause between two calls."""
DIAL_S = 5.0
"""A call that nobody has taken or refused for so long is given up."""
MAX_UNSENT = 65_536
"""Bytes that a station has not taken, before the gateway hangs up."""
_READ = 65_536
_UNDER_WAY = (errno.EINPROGRESS, errno.EWOULDBLOCK)


class MllpCaller:
    """An endpoint (`simulators.endpoints.Endpoint`) that dials instead of being dialled.

    Args:
        monitor: what is behind the gateway.
        host: of the station.
        port: of the station.
        real_s: seconds of a monotonic clock, for the pauses.

    Attributes:
        accepted: answers that said yes (AA, CA).
        refused: answers that said no.
        last_refusal: the newest one's words, `AE: …`.

    Raises:
        ConfigError: there is no such host.
    """

    def __init__(
        self,
        monitor: SimulatedMonitor,
        host: str,
        port: int,
        *,
        real_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.monitor = monitor
        self.accepted = self.refused = 0
        self.last_refusal = ""
        self._host, self._port = host, port
        self._real_s = real_s
        self._lock = threading.Lock()
        self._plugged = True
        self._call: socket.socket | None = None
        self._talking = False
        self._unsent = bytearray()
        self._answers = Frames()
        self._pause_s = BACK_OFF_S[0]
        self._next_s = real_s()
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise ConfigError(
                f"there is no host {host!r} ({error}); name the computer on which the station runs"
            ) from error
        self._family: socket.AddressFamily = found[0][0]
        self._address: tuple[object, ...] = found[0][4]

    @property
    def url(self) -> str:
        """What the station's config must say: it listens there."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"mllp-listen://{host}:{self._port}"

    @property
    def connected(self) -> bool:
        """Whether the station has taken the call."""
        return self._talking

    def read(self) -> bytes:
        """The station's answers. Also makes the call when it is time."""
        with self._lock:
            if self._call is None:
                self._dial()
            elif not self._talking:
                self._ring(self._call)
            return self._receive(self._call) if self._call and self._talking else b""

    def write(self, data: bytes) -> None:
        """Sends whole messages; does nothing while no call is taken."""
        with self._lock:
            if self._call is None or not self._talking:
                return
            self._unsent += data
            try:
                del self._unsent[: self._call.send(self._unsent)]
            except BlockingIOError:
                if len(self._unsent) > MAX_UNSENT:
                    self._hang_up()
            except OSError:
                self._hang_up()

    def unplug(self) -> None:
        """Hangs up and makes no further calls."""
        with self._lock:
            self._plugged = False
            self._hang_up()

    def replug(self) -> None:
        """Calls again."""
        with self._lock:
            self._plugged = True
            self._pause_s, self._next_s = BACK_OFF_S[0], self._real_s()

    def stop(self) -> None:
        """Hangs up for good."""
        self.unplug()

    def _dial(self) -> None:
        if not self._plugged or self._real_s() < self._next_s:
            return
        self._call = socket.socket(self._family, socket.SOCK_STREAM)
        self._call.setblocking(False)
        self._next_s = self._real_s() + DIAL_S
        if self._call.connect_ex(self._address) in (0, *_UNDER_WAY):
            self._ring(self._call)
        else:
            self._hang_up()

    def _ring(self, call: socket.socket) -> None:
        """Looks whether a call has been taken or refused meanwhile."""
        _, ready, failed = select.select([], [call], [call], 0)
        error = call.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if ready or failed else 0
        if error or (not ready and self._real_s() >= self._next_s):
            self._hang_up()
        elif ready:
            call.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._talking, self._pause_s = True, BACK_OFF_S[0]

    def _receive(self, call: socket.socket) -> bytes:
        try:
            data = call.recv(_READ)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._hang_up()
        for piece in self._answers.feed(data):
            if isinstance(piece, bytes):
                self._count(piece)
        return data

    def _count(self, answer: bytes) -> None:
        said = parse(answer)
        code = said.field("MSA", 1) if said else ""
        if said is not None and code.endswith("A"):
            self.accepted += 1
        else:
            self.refused += 1
            self.last_refusal = f"{code}: {said.field('MSA', 3)}" if said else "no HL7 message"

    def _hang_up(self) -> None:
        self._unsent.clear()
        self._answers = Frames()
        self._talking = False
        if self._call is not None:
            self._call.close()
            self._call = None
            self._next_s = self._real_s() + self._pause_s
            self._pause_s = min(2 * self._pause_s, BACK_OFF_S[1])
