"""A network of its own for a station: two namespaces, and one cable between them.

    with Cable() as cable:
        program = subprocess.Popen([*cable.inside, "vitals", "sender", …])   # at the station's end
        server = cable.listen()             # a socket at the other end, used by this process
        cable.pull(); cable.plug()          # link down: both sides are told
        cable.swallow(); cable.deliver()    # a blackhole: packets vanish, nobody is told

The station's namespace has a loopback of its own, where the station and its feed are: whatever
becomes of the cable, these go on. Neither end is among this computer's own interfaces: one that
comes and goes there makes every browser on it drop what it is loading. Needs root.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

T = TypeVar("T")
_CLONE_NEWNET = 0x40000000
_NOBODY = "02:00:00:00:00:01"
"""An Ethernet address that no card has: what is sent there is lost without a word."""


def is_root() -> bool:
    """Whether namespaces can be made here."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False, timeout=20)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")


class Cable:
    """A cable with a namespace at each end. Use it as a context manager.

    Attributes:
        server: the centre's address on the cable, and `station` the station's.
        inside: put before a command, it runs at the station's end.
    """

    def __init__(self) -> None:
        tag = secrets.token_hex(3)
        self.name, self._centre = f"kap-{tag}", f"kap-{tag}c"
        self._here, self._there = f"kv{tag}h", f"kv{tag}s"
        # 198.18.0.0/15 is for benchmarks of networks (RFC 2544): no real network is hidden
        third, fourth = secrets.randbelow(256), 4 * secrets.randbelow(64)
        self.server = f"198.18.{third}.{fourth + 1}"
        self.station = f"198.18.{third}.{fourth + 2}"
        self.inside = ("ip", "netns", "exec", self.name)

    def __enter__(self) -> Self:
        if not is_root():
            raise PermissionError("network namespaces need root: run these tests as root")
        try:
            _ip("netns", "add", self.name)
            _ip("netns", "add", self._centre)
            pair = ("type", "veth", "peer", "name", self._there, "netns", self.name)
            self._at_centre("link", "add", self._here, *pair)
            self._at_centre("address", "add", f"{self.server}/30", "dev", self._here)
            self._at_centre("link", "set", "lo", "up")
            self._at_centre("link", "set", self._here, "up")
            self._in("address", "add", f"{self.station}/30", "dev", self._there)
            self._in("link", "set", "lo", "up")
            self._in("link", "set", self._there, "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in (self._centre, self.name):  # the cable goes with its ends
            with contextlib.suppress(RuntimeError):
                _ip("netns", "delete", name)

    def _in(self, *words: str) -> None:
        _ip("-netns", self.name, *words)

    def _at_centre(self, *words: str) -> None:
        _ip("-netns", self._centre, *words)

    def listen(self) -> socket.socket:
        """A socket that listens at the centre's end, on a free port."""
        return self.run(lambda: socket.create_server((self.server, 0)), centre=True)

    def pull(self) -> None:
        """Pulls the plug: both ends know that the link is down."""
        self._at_centre("link", "set", self._here, "down")

    def plug(self) -> None:
        """Plugs it in again."""
        self._at_centre("link", "set", self._here, "up")

    def swallow(self) -> None:
        """From now on every packet vanishes, both ways; both ends believe in the link."""
        self._in("neigh", "replace", self.server, "lladdr", _NOBODY, "dev", self._there)
        self._at_centre("neigh", "replace", self.station, "lladdr", _NOBODY, "dev", self._here)

    def deliver(self) -> None:
        """Packets arrive again."""
        self._in("neigh", "delete", self.server, "dev", self._there)
        self._at_centre("neigh", "delete", self.station, "dev", self._here)

    def run(self, work: Callable[[], T], *, centre: bool = False) -> T:
        """Does something at the station's end: sockets that are made by it are there."""
        name = self._centre if centre else self.name
        found: list[T] = []
        failed: list[BaseException] = []

        def enter() -> None:
            try:
                # a thread may change its own namespace without the others; it ends in it
                libc = ctypes.CDLL(None, use_errno=True)
                with (Path("/run/netns") / name).open("rb") as handle:
                    if libc.setns(handle.fileno(), _CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                found.append(work())
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=enter, name=self.name)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        return found[0]
