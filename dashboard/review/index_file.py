"""Keeps the table of sessions in a file beside the record: a new process starts from it.

Nothing is in it that the record does not say. It may be deleted at any time; one that is damaged,
of another version or of another record is, and made anew. Where it cannot be written the list
works without it.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import apsw

from dashboard.review.index_record import BEGINNING, Mark
from dashboard.review.index_table import COLUMNS, GET, PUT, SCHEMA, Table
from vitals.export.list_facts import VERSION
from vitals.store.connection import BUSY_MS, check_version, select

SUFFIX = ".index"
AGAIN_S = 60.0
"""After a failure it is tried again so much later."""
_FORM = 1
"""Of the file; with the version of the facts and the columns it says what is in it."""
_NAME = f"{_FORM}.{VERSION} {','.join(COLUMNS)}"
_ABOUT = "CREATE TABLE IF NOT EXISTS about(name TEXT, n INTEGER, digest BLOB)"
_TROUBLE = (apsw.Error, OSError, UnicodeDecodeError)

log = logging.getLogger(__name__)


class IndexFile:
    """The file of one record's index.

    Args:
        store: the record.
        key: under which both are encrypted, None for plain files.
    """

    def __init__(self, store: Path, key: bytes | None) -> None:
        self.path = store.with_name(store.name + SUFFIX)
        self._key = key
        self._identity: tuple[int, int] | None = None
        self._retry_at = float("-inf")

    def load(self, table: Table) -> Mark:
        """Fills a table from the file; where it stood, or the beginning when there is no use."""
        if not self.path.exists():
            return BEGINNING
        try:
            connection = self._connect()
            try:
                ((name, n, digest),) = select(connection, "SELECT name, n, digest FROM about")
                if name != _NAME:
                    return BEGINNING
                table.restore(select(connection, GET))
            finally:
                connection.close()
        except (*_TROUBLE, ValueError) as error:
            log.warning("%s cannot be used (%s): it is made anew", self.path, error)
            table.clear()
            return BEGINNING
        self._identity = self._identify()
        return Mark(n, digest)

    def save(self, table: Table, changed: Collection[str], mark: Mark) -> bool:
        """Writes what has changed; False when it could not, so that it must come again."""
        now = time.monotonic()
        if now < self._retry_at:
            return False
        try:
            whole = self._identity is None or self._identify() != self._identity
            self._write(table.rows(None if whole else changed), mark, whole=whole)
        except _TROUBLE as error:
            log.warning("%s cannot be written (%s): the list goes on without it", self.path, error)
            self._retry_at, self._identity = now + AGAIN_S, None
            return False
        self._identity = self._identify()
        return True

    def _write(self, rows: Collection[tuple[Any, ...]], mark: Mark, *, whole: bool) -> None:
        if whole:
            for suffix in ("", "-journal"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        connection = self._connect()
        try:
            with connection:
                if whole:
                    connection.execute(f"{SCHEMA}; {_ABOUT}")
                connection.executemany(PUT, rows)
                connection.execute("DELETE FROM about")
                connection.execute("INSERT INTO about VALUES (?, ?, ?)", (_NAME, *mark))
        finally:
            connection.close()

    def _connect(self) -> apsw.Connection:
        check_version()
        connection = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.set_busy_timeout(BUSY_MS)
            if self._key is not None:
                connection.pragma("cipher", "chacha20")
                connection.pragma("key", f"raw:{self._key.hex()}")
            connection.pragma("trusted_schema", False)
        except BaseException:
            connection.close()
            raise
        return connection

    def _identify(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino
