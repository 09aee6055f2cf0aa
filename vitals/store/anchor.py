"""The head of the audit chain in a second place, so that a chain written anew is found.

A file on another disk or computer gets lines `time n head`: UTC, place in the chain, hash of that
row in hex. One line a minute when the chain has grown, one after each session, one at the end;
lines are only ever added. A thread of its own writes it: a place that is slow or away holds nothing
up, and is told in a sentence.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from vitals.errors import StoreError

EVERY_S = 60.0
AFTER_S = 1.5
"""After a session the line waits for its last row to be committed."""
SLOW_S = 15.0
"""A place that has not answered for so long is told."""
CLOSE_S = 3.0
"""Patience with it at the end."""
AWAY = (
    "the anchor of the record is not there any more; mount its disk, or restart the station to "
    "begin a new one"
)

_log = logging.getLogger(__name__)
_LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) ([1-9]\d{0,17}) ([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Anchored:
    """One line: row `n` had the hash `head` at `time`."""

    time: str
    n: int
    head: str


def line(at_us: int, n: int, head: str) -> str:
    """One line of the file."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)
    return f"{at:%Y-%m-%dT%H:%M:%SZ} {n} {head}\n"


def read(path: Path) -> tuple[list[Anchored], int]:
    """The lines in order, and how many could not be read (a loss of power tears one).

    Raises:
        StoreError: the file cannot be read, or no line of it.
    """
    try:
        lines = path.read_bytes().decode("ascii", "replace").splitlines()
    except OSError as error:
        raise StoreError(f"{path}: the anchor cannot be read ({error.strerror})") from error
    found = list(_parsed(lines))
    if not found:
        raise StoreError(f"{path}: there is no line of an anchor in it; check the path")
    return found, len(lines) - len(found)


def _parsed(lines: list[str]) -> Iterator[Anchored]:
    for text in lines:
        match = _LINE.fullmatch(text)
        if match is not None:
            yield Anchored(match[1], int(match[2]), match[3])


class Anchor:
    """Keeps the file up to date. `soon` and `trouble` may be called from any thread."""

    def __init__(
        self,
        path: Path,
        end: Callable[[], tuple[int, str]],
        now_us: Callable[[], int],
        *,
        every_s: float = EVERY_S,
        after_s: float = AFTER_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begins with nothing; `start` starts the thread.

        Args:
            path: the file in the second place; its folder must exist.
            end: (n, head) of the chain as it is committed, (0, "") of an empty one.
            now_us: the station's clock.
            every_s: between two lines.
            after_s: from `soon` to its line.
            monotonic: real seconds.
        """
        self._path, self._end, self._now_us = path, end, now_us
        self._every_s, self._after_s, self._monotonic = every_s, after_s, monotonic
        self._wake = threading.Event()
        self._stopping = False
        self._last = (0, "")
        self._why = ""
        self._since: float | None = None
        self._thread = threading.Thread(target=self._run, name="anchor", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def soon(self) -> None:
        """A session has ended: a line is wanted."""
        self._wake.set()

    def trouble(self) -> str:
        """Why the chain is not anchored, in one sentence; `""` when it is."""
        since = self._since
        if since is not None and self._monotonic() - since > SLOW_S:
            return f"{self._path}: the anchor of the record does not answer; check its disk"
        return self._why

    def close(self) -> None:
        """Writes the last line, if its place answers."""
        self._stopping = True
        self._wake.set()
        if self._thread.ident is None:
            return
        self._thread.join(CLOSE_S)
        if self._thread.is_alive():
            _log.error("%s: the last line of the anchor could not be written", self._path)

    def _run(self) -> None:
        self._wake.wait(self._after_s)  # for the first rows of this start
        while not self._stopping:
            self._look()
            if self._wake.wait(self._every_s) and not self._stopping:
                self._wake.clear()
                self._wake.wait(self._after_s)
        self._look()

    def _look(self) -> None:
        self._since = self._monotonic()
        try:
            end = self._end()
            why = ""
            if self._last[0] and not self._path.exists():
                # Not made anew: without its disk the path is one on the record's own.
                why = f"{self._path}: {AWAY}"
            elif end[0] and end != self._last:
                _append(self._path, line(self._now_us(), *end))
                self._last = end
        except StoreError as error:
            # The record's own trouble is told where it belongs; here it only has no new head.
            _log.debug("no head for the anchor now: %s", error)
            why = self._why
        except OSError as error:
            reason = error.strerror or type(error).__name__
            why = f"{self._path}: the anchor of the record cannot be written ({reason}); check it"
        except Exception as error:  # of ours: the thread goes on, and people are told
            _log.exception("%s: the anchor of the record has a fault", self._path)
            why = f"{self._path}: the anchor of the record has a fault ({type(error).__name__})"
        if why != self._why and why:
            _log.warning("%s", why)
        self._why, self._since = why, None


def _append(path: Path, text: str) -> None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.lseek(handle, 0, os.SEEK_END)
        if size:
            os.lseek(handle, size - 1, os.SEEK_SET)
            if os.read(handle, 1) != b"\n":  # a line that a loss of power has torn
                text = f"\n{text}"
        data = text.encode("ascii")
        if os.write(handle, data) != len(data):
            raise OSError(28, "No space left on device")
        os.fsync(handle)
    finally:
        os.close(handle)
