"""Who has read or exported what at the centre, and what happened to its accounts.

A station records this in its audit trail; the centre has none, and may not write a station's. So it
goes to a file of its own, one JSON object a line, only ever appended to: each line has the SHA-256
of the line before it (`prev`), and is on the disk before the next is taken.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import threading
from pathlib import Path
from typing import Any

from dashboard.auth import Auth
from dashboard.diary import Diary

FIRST = "0" * 64
"""`prev` of the first line."""
_MOST = 1 << 16
"""Of one line; events are smaller than 3 kB."""

log = logging.getLogger(__name__)


class CentralDiary(Diary):
    """Notes as `Diary` does, in a file instead of a station's record."""

    def __init__(self, auth: Auth, path: Path) -> None:
        super().__init__(auth, None)
        self._file = Lines(path)
        self._full = False

    async def close(self) -> None:
        """Writes what is in memory."""
        while self._noted:
            if not await self._tell(*self._noted[0]):
                log.error("%d notes are lost", self.waiting)
                return
            self._noted.popleft()
            self.told += 1

    async def _tell(self, event_id: str, facts: dict[str, Any]) -> bool:
        try:
            await asyncio.to_thread(self._file.append, {"id": event_id, **facts})
        except OSError as error:
            if not self._full:
                log.error("%s cannot be written (%s): notes wait", self._file.path, error)
            self._full = True
            return False
        self._full = False
        return True


class Lines:
    """The file; made when the first line comes.

    Attributes:
        path: where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def append(self, facts: dict[str, Any]) -> None:
        """Adds a line, and returns when it is on the disk.

        Raises:
            OSError: it cannot be written.
        """
        with self._lock:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                size = os.fstat(handle).st_size
                tail = os.pread(handle, _MOST, max(0, size - _MOST))
                torn = bool(tail) and not tail.endswith(b"\n")
                before = tail.rstrip(b"\n").rpartition(b"\n")[2]
                line = json.dumps({**facts, "prev": _hash(before)}, sort_keys=True).encode()
                # What power has cut off stays as it is, a line of its own.
                whole = (b"\n" if torn else b"") + line + b"\n"
                if os.write(handle, whole) < len(whole):
                    raise OSError(f"{self.path} could not be written whole")
                os.fsync(handle)
            finally:
                os.close(handle)


def broken(path: Path) -> int:
    """Number of the first line that is not what was written, 0 when all are.

    A line that was cut off by a loss of power counts as broken, too.

    Raises:
        OSError: the file cannot be read.
    """
    before = b""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            line = line.removesuffix(b"\n")
            try:
                told = json.loads(line)
            except ValueError:
                return number
            if not isinstance(told, dict) or told.get("prev") != _hash(before):
                return number
            before = line
    return 0


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest() if line else FIRST
