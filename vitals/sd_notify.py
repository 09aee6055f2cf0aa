"""What systemd is told of this process: ready, alive, stopping, and one line on how it goes.

The protocol is datagrams of `NAME=value` lines to the socket that `$NOTIFY_SOCKET` names
(sd_notify(3)); `$WATCHDOG_USEC` says how long the manager waits for a sign of life before it
replaces us (sd_watchdog_enabled(3)). Without that environment nothing is sent.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import MutableMapping

log = logging.getLogger(__name__)

SOCKET, WATCHDOG, FOR = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
_PER_LIMIT = 3
"""Signs of life in the time after which we would be taken for dead."""


class Manager:
    """The service manager; one that is not there is told nothing.

    Args:
        address: path of its socket, `@…` for an abstract one, `""` for none.
        watchdog_s: silence after which it replaces this process, None when it does not watch.
    """

    def __init__(self, address: str = "", watchdog_s: float | None = None) -> None:
        self._address = address
        self._every_s = None if watchdog_s is None else watchdog_s / _PER_LIMIT
        self._next_s = 0.0
        self._ready = False
        self._status = ""
        self._trouble = ""

    def ready(self) -> None:
        """The service has started; its watchdog counts from now on."""
        if not self._ready:
            self._ready = True
            self._send("READY=1")

    def status(self, sentence: str) -> None:
        """How it goes, for `systemctl status`; sent when it is news."""
        if sentence != self._status:
            self._status = sentence
            self._send(f"STATUS={' '.join(sentence.split())}")

    def alive(self, now_s: float) -> None:
        """To be called often; a sign of life goes out when one is due.

        Args:
            now_s: monotonic seconds.
        """
        if self._every_s is not None and now_s >= self._next_s:
            self._next_s = now_s + self._every_s
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The end has begun."""
        self._send("STOPPING=1")

    def _send(self, line: str) -> None:
        if not self._address:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                out.setblocking(False)  # a manager that does not read must not hold us up
                out.sendto(line.encode(), address)
        except OSError as error:
            trouble = error.strerror or type(error).__name__
            if trouble != self._trouble:
                log.warning("systemd cannot be told %s (%s)", line.partition("=")[0], trouble)
            self._trouble = trouble
        else:
            self._trouble = ""


def from_environment(environ: MutableMapping[str, str] | None = None) -> Manager:
    """The manager that has started this process; its variables are taken out of the environment.

    They are meant for this process alone: a child that inherited them could speak for us.
    """
    environ = os.environ if environ is None else environ
    address, limit, whom = (environ.pop(name, "") for name in (SOCKET, WATCHDOG, FOR))
    if not address or not hasattr(socket, "AF_UNIX"):
        return Manager()
    mine = whom in ("", str(os.getpid()))
    return Manager(address, int(limit) / 1e6 if limit.isdecimal() and mine else None)
