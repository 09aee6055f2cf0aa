"""The folder of the sessions that somebody at the centre has looked at: made once, then read.

One process alone writes it. What nobody has wanted for longest goes first when it grows too
large; all of it may be deleted at any time, nothing is in it that the centre does not have.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw

from vitals.central import session_copy
from vitals.central.session_find import Found
from vitals.errors import CentralError
from vitals.store.connection import make_private

if TYPE_CHECKING:
    from psycopg import Connection

MOST_BYTES = 2 << 30
"""Of the whole folder; a session of two hours with a pleth has 2.5 MB."""
USED_S = 1800.0
"""What was wanted so recently stays, however large the folder is: long work may be reading it."""
FRESH_S = 5.0
"""A session that goes on is copied anew no oftener: all parts of a page ask within seconds."""
_SUFFIX, _HALF = ".db", ".part"

log = logging.getLogger(__name__)


class Copies:
    """The copies of one centre; for one thread.

    Args:
        folder: of its own; made when it is not there.
        most_bytes: how large it may be.
        now_s: seconds that only grow.
        wall_s: seconds as the files' times have them.
    """

    def __init__(
        self,
        folder: Path,
        most_bytes: int = MOST_BYTES,
        *,
        now_s: Callable[[], float] = time.monotonic,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._now_s, self._wall_s = now_s, wall_s
        self._made_s: dict[Path, float] = {}

    def path_of(self, connection: Connection[Any], found: Found) -> Path:
        """A copy of a session as it stands at the centre; of one that goes on, of seconds ago.

        Args:
            connection: in the transaction in which the session was found.
            found: the session.

        Raises:
            psycopg.Error: the database cannot be asked.
            CentralError: the copy cannot be written.
        """
        told = f"{found.station}\n{found.record}\n{found.uuid}"
        path = self._folder / (hashlib.sha256(told.encode()).hexdigest()[:32] + _SUFFIX)
        made_s = self._made_s.get(path)
        fresh = made_s is not None and self._now_s() - made_s < FRESH_S
        renewed = False
        if not (fresh and found.ended_us is None and path.exists()):
            renewed = self._renewed(connection, found, path)
        now_s = self._wall_s()
        with contextlib.suppress(FileNotFoundError):  # somebody has emptied the folder just now
            os.utime(path, (now_s, now_s))
        if renewed:
            self.tidy()
        return path

    def _renewed(self, connection: Connection[Any], found: Found, path: Path) -> bool:
        if session_copy.state_of(path) == found.state:
            return False
        half = path.with_name(f"{path.stem}.{secrets.token_hex(4)}{_HALF}")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write(connection, found, path, half)
            half.replace(path)
        except (OSError, apsw.Error) as error:
            raise CentralError(
                f"{self._folder}: a copy of the session cannot be written there ({error}); check "
                "the folder and its disk"
            ) from error
        finally:
            with contextlib.suppress(OSError):
                half.unlink()
        self._made_s[path] = self._now_s()
        return True

    def _write(self, connection: Connection[Any], found: Found, path: Path, half: Path) -> None:
        make_private(half)
        if path.exists():
            shutil.copyfile(path, half)
            try:
                session_copy.write(connection, found, half)
            except apsw.Error as error:
                log.warning("%s is no copy of a session (%s): it is made anew", path, error)
                os.truncate(half, 0)
            else:
                return
        session_copy.write(connection, found, half)

    def tidy(self) -> None:
        """Deletes what is too much, what was wanted last staying longest, and what is half done."""
        now_s = self._wall_s()
        known: list[tuple[float, int, Path]] = []
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            with contextlib.suppress(FileNotFoundError):
                about = path.stat()
                if path.suffix == _HALF and now_s - about.st_mtime > USED_S:
                    path.unlink()
                elif path.suffix == _SUFFIX:
                    known.append((about.st_mtime, about.st_size, path))
        total = sum(size for _, size, _ in known)
        for used_s, size, path in sorted(known):
            if total <= self._most_bytes or now_s - used_s < USED_S:
                return
            path.unlink(missing_ok=True)
            self._made_s.pop(path, None)
            total -= size
