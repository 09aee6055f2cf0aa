"""One station writes a record: a lock file beside it says which.

The lock is the operating system's, so it goes when the process goes, however it went.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from vitals.store.connection import RecordUnavailable

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        os.lseek(handle, 1 << 30, os.SEEK_SET)  # far behind the text, which stays readable
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


class RecordInUse(RecordUnavailable):
    """Another process writes this record."""


class Claim:
    """Held as long as this process writes the record."""

    def __init__(self, record: Path) -> None:
        """Takes the claim.

        Raises:
            RecordInUse: another process has it.
            RecordUnavailable: the folder cannot be written.
        """
        self._path = path = Path(f"{record}.lock")
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise RecordUnavailable(
                f"{record}: the folder cannot be written ({error.strerror}); check its disk"
            ) from error
        try:
            _lock(self._handle)
        except OSError as error:
            owner = os.read(self._handle, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(self._handle)
            raise RecordInUse(
                f"{record}: another station (process {owner}) writes this record; stop it"
            ) from error
        self._sign()

    def _sign(self) -> None:
        try:
            os.ftruncate(self._handle, 0)
            os.write(self._handle, f"{os.getpid()}\n".encode())
        except OSError:
            # A full disk: the lock holds all the same, only its owner's number is missing.
            return

    @property
    def is_held(self) -> bool:
        """Whether others see it: not when somebody has deleted the lock file, or put another there.

        A lock on a file without a name keeps nobody out.
        """
        try:
            return os.path.samestat(os.fstat(self._handle), os.stat(self._path))
        except OSError:
            return False

    def release(self) -> None:
        """Gives the claim up."""
        os.close(self._handle)
