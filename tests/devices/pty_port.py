"""A serial adapter made of a pty, behind a stable name like those in /dev/serial/by-id."""

from __future__ import annotations

import contextlib
import os
import tty
from pathlib import Path


class PtyPort:
    """Plug in, unplug, plug in again: the number changes, the name stays."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.url = f"serial://{link}"
        self._fds: list[int] = []
        self.plug_in()

    def plug_in(self) -> None:
        self._fds = list(os.openpty())
        tty.setraw(self._fds[1])  # before the name is known, else the first bytes are echoed
        os.set_blocking(self._fds[0], False)
        fresh = self.link.with_suffix(".new")
        fresh.symlink_to(os.ttyname(self._fds[1]))
        fresh.replace(self.link)

    def unplug(self) -> None:
        for fd in self._fds:
            os.close(fd)
        self._fds = []

    def send(self, data: bytes) -> None:
        """As the device."""
        assert os.write(self._fds[0], data) == len(data)

    def received(self) -> bytes:
        """What the device got since the last call."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self._fds[0], 65536)
        return b""
