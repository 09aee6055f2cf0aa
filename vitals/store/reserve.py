"""Space on the disk that is kept free for the record, and given to it when the disk is full.

On a full disk even the row of an alarm has no room. So a file of this size stands beside the record
while a station runs; it is deleted at the first sign of a full disk, and made again when there is
room for it. Meanwhile waveforms are given up: without them the reserve lasts for hours.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import apsw

RESERVE_BYTES = 64 * 1024 * 1024
"""16 rooms' vital signs, alarms and acts for about five hours."""
_ROOM = 4
"""It is made only where there is so many times its size."""

_log = logging.getLogger(__name__)


def is_full(error: Exception) -> bool:
    """Whether an error means that there is no room on the disk."""
    no_room_for_shm = getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_SHMSIZE
    return isinstance(error, apsw.FullError) or no_room_for_shm


class Reserve:
    """The file beside one record; 0 bytes: there is none. Used by the writer's thread only."""

    def __init__(self, record: Path, size: int) -> None:
        self._path = Path(f"{record}.reserve")
        self._size = size
        self._why_not = ""
        self.is_spent = False
        """Whether it was given to the record and could not be made again."""

    def hold(self, free_bytes: int) -> None:
        """Makes the file, if it is not there and there is room."""
        try:
            if not self._size or free_bytes < _ROOM * self._size or self._is_held():
                return
            handle = os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600)
            try:
                _allocate(handle, self._size)
            finally:
                os.close(handle)
            self.is_spent, self._why_not = False, ""
        except OSError as error:
            reason = error.strerror or str(error)
            if reason != self._why_not:
                _log.warning("%s: no space could be kept for the record: %s", self._path, reason)
            self._why_not = reason
            self._delete()

    def give(self) -> bool:
        """Deletes the file; whether that has made room."""
        try:
            held = bool(self._size) and self._is_held()
        except OSError:
            held = False
        if held:
            self.is_spent = self._delete()
        return held and self.is_spent

    def close(self) -> None:
        """The station stops: nobody needs it."""
        if self._size:
            self._delete()

    def _is_held(self) -> bool:
        try:
            return self._path.stat().st_size >= self._size
        except FileNotFoundError:
            return False

    def _delete(self) -> bool:
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("%s could not be deleted: %s", self._path, error)
            return False
        return True


def _allocate(handle: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
        return
    block = bytes(1024 * 1024)
    for _ in range(-(-size // len(block))):
        os.write(handle, block)
