"""Whether the record is being written, told to the station once for every change."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_log = logging.getLogger(__name__)
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Health:
    """How the record is doing.

    Attributes:
        recording: False when something could not be committed for a while.
        detail: what to do, `""` when all is well.
        queued: rows that wait in RAM.
        waiting_s: how long the oldest of them has waited, real seconds.
        shed: samples given up for want of room since the start.
        refused: rows that the tables refused since the start; the audit trail tells them.
        repeated: rows that came twice since the start.
        commits: transactions since the start.
        commit_s: how long the last one took.
        committed_s: how long ago that was, real seconds; None before the first.
        free_bytes: free space on the disk.
        log_bytes: size of the write-ahead log.
    """

    recording: bool
    detail: str
    queued: int
    waiting_s: float
    shed: int
    refused: int
    repeated: int
    commits: int
    commit_s: float
    free_bytes: int
    log_bytes: int
    committed_s: float | None = None


class RecordingState:
    """The last thing that was told. Any thread may report; changes are told in order."""

    def __init__(self, on_state: Callable[[bool, str], None]) -> None:
        self._on_state = on_state
        self._lock = threading.Lock()
        self._told: tuple[bool, str] | None = None

    def report(self, recording: bool, detail: str) -> None:
        """Tells the station, if it has not heard just that."""
        with self._lock:
            if self._told == (recording, detail):
                return
            self._told = (recording, detail)
            try:
                self._on_state(recording, detail)
            except Exception:
                _log.exception("the station could not be told about the record")

    @property
    def now(self) -> tuple[bool, str]:
        """(recording, detail) as last told."""
        return self._told or (True, "")


class Disk:
    """Free space and the size of the log, and the sentence that warns of either.

    `also` says what else people must be warned of, `""` when nothing.
    """

    def __init__(
        self,
        path: Path,
        *,
        least_free: int,
        most_log: int,
        free_bytes: Callable[[Path], int] | None = None,
        also: Callable[[], str] = lambda: "",
    ) -> None:
        self._path = path
        self._least_free = least_free
        self._most_log = most_log
        self._free_bytes = free_bytes or (lambda folder: shutil.disk_usage(folder).free)
        self._also = also
        self.free_bytes = 0
        self.log_bytes = 0
        self.warning = ""

    def look(self) -> None:
        """Measures both."""
        log = Path(f"{self._path}-wal")
        try:
            self.free_bytes = self._free_bytes(self._path.parent)
            self.log_bytes = log.stat().st_size if log.exists() else 0
        except OSError as error:
            self.warning = f"{self._path}: the disk cannot be measured ({error.strerror}); check it"
            return
        self.warning = ""
        if self.free_bytes < self._least_free:
            self.warning = (
                f"{self._path}: only {self.free_bytes // _MIB} MiB are left on the disk; "
                "free some space"
            )
        elif self.log_bytes > self._most_log:
            self.warning = (
                f"{self._path}: its log has grown to {self.log_bytes // _MIB} MiB because "
                "another program reads it all the time; close that program"
            )
        else:
            self.warning = self._also()
