"""Looks now and then whether the file still is what the writer believes it to be.

The writer keeps the pages that it needs in memory: a file that is overwritten, cut short, deleted
or replaced under it would go unnoticed until the next start, and what is confirmed meanwhile would
be lost with it. So a connection of its own, in a thread of its own, reads the whole file again.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

import apsw

from vitals.errors import StoreError
from vitals.store.connection import (
    RecordDamaged,
    RecordUnavailable,
    is_damage,
    open_for_reading,
)

_log = logging.getLogger(__name__)
SHARE = 50.0
"""A look that takes long is repeated after so many times its own duration, not sooner."""


class Probe:
    """One look at a time; the writer's thread asks for it and takes what was found."""

    def __init__(
        self, path: Path, key: bytes | None, every_s: float, monotonic: Callable[[], float]
    ) -> None:
        self._path = path
        self._key = key
        self._every_s = every_s
        self._monotonic = monotonic
        self._next_s = monotonic() + every_s
        self._inode = 0
        self._looking: threading.Thread | None = None
        self._found: apsw.Error | None = None

    def opened(self) -> None:
        """The writer has opened the file; whatever was found before is about another one."""
        self.close()
        self._found = None
        self._inode = os.stat(self._path).st_ino
        self._next_s = self._monotonic() + self._every_s

    def look(self) -> None:
        """Begins to look if it is time for it; returns at once."""
        if self._monotonic() < self._next_s or self._looking is not None:
            return
        self._looking = threading.Thread(target=self._look, name="store-probe", daemon=True)
        self._looking.start()

    def check(self) -> None:
        """Says what was found since the last time.

        Raises:
            apsw.CorruptError: the file is not what the writer believes.
        """
        if self._looking is not None and not self._looking.is_alive():
            self.close()
        found, self._found = self._found, None
        if found is not None:
            raise found

    def close(self) -> None:
        """Waits for a look that is going on."""
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.join()

    def _look(self) -> None:
        began = self._monotonic()
        try:
            problem = self._problem()
        except Exception:  # it only looks: whatever goes wrong here, the writer goes on
            _log.exception("the record could not be looked at")
            problem = ""
        if problem:
            self._found = apsw.CorruptError(problem)
        now = self._monotonic()
        self._next_s = now + max(self._every_s, SHARE * (now - began))

    def _problem(self) -> str:
        try:
            if os.stat(self._path).st_ino != self._inode:
                return "another file has taken its place"
            connection = open_for_reading(self._path, key=self._key)
            try:
                found: str = connection.execute("PRAGMA quick_check(1)").get
            finally:
                connection.close()
        except FileNotFoundError:
            return "the file was deleted"
        except (RecordUnavailable, apsw.BusyError, apsw.LockedError):
            return ""  # another time
        except RecordDamaged as error:
            return str(error.__cause__ or error)
        except StoreError as error:
            return str(error)
        except apsw.Error as error:
            return str(error) if is_damage(error) else ""
        return "" if found == "ok" else found
