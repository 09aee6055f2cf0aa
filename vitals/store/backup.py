"""Copies of the whole record, made while it is written, and a record made of one of them.

A copy tells the record as it stood at one moment, is encrypted if the record is, and has its name
only when it has been read again and agrees with the record: structure, chain, seals, counts. It is
made in small steps, each flushed before the next, so that no commit of the station waits long for
the disk.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import apsw

from vitals.errors import StoreError
from vitals.store import key_mark, keys
from vitals.store.audit import append, canonical
from vitals.store.claim import Claim
from vitals.store.connection import (
    SUFFIXES,
    connect,
    explain,
    make_private,
    open_for_reading,
    open_for_writing,
    quarantine,
    select,
    sync_folder,
)
from vitals.store.verify import verify

STEP_PAGES = 64
"""Copied and flushed at a time: 256 KiB."""
PAUSE_S = 0.005
"""Between two steps."""
_COUNTS = "SELECT (SELECT count(*) FROM numeric) + (SELECT count(*) FROM wave)"
_HEAD = "SELECT n, hash FROM audit ORDER BY n DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that was read again and agrees with its original.

    Attributes:
        path: the file.
        audit_rows: rows of the chain in it.
        samples: numerics and waveform blocks in it.
        head: hash of the last audit row, in hex.
        size: bytes.
    """

    path: Path
    audit_rows: int
    samples: int
    head: str
    size: int


def name_at(record: Path, at: datetime) -> str:
    """Name of a backup that is made into a folder."""
    return f"{record.stem}-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}.db"


def back_up(record: Path, to: Path, *, pause: Callable[[float], None] = time.sleep) -> Copy:
    """Copies a record, which may be in use; its key is found as every reader finds it.

    Args:
        record: the file.
        to: the file to make, which must not be there.
        pause: waits for so many seconds between two steps.

    Raises:
        StoreError: the record cannot be read or is damaged, or there is no room for the copy:
            no file is left.
    """
    if not to.parent.is_dir():
        raise StoreError(f"{to}: there is no folder {to.parent}; create it, or mount its disk")
    if to.exists():
        raise StoreError(f"{to}: there is a file already; name another")
    key = keys.key_of(record)
    part = to.with_name(f".{to.name}.part")
    with _only_whole(part):
        made = _copied(record, part, key, pause)
        try:
            keys.follow(record, to)
            part.rename(to)
            sync_folder(to.parent)
        except OSError as error:
            raise _no_room(to, error) from error
    return Copy(to, *made)


def kept(folder: Path, record: Path) -> list[Path]:
    """The backups of a record in a folder, oldest first; no other file is ever named here."""
    form = re.compile(rf"{re.escape(record.stem)}-\d{{8}}T\d{{6}}Z\.db")
    return sorted(path for path in folder.iterdir() if form.fullmatch(path.name))


def prune(folder: Path, record: Path, keep: int) -> list[Path]:
    """Deletes the oldest backups of a record beyond so many; which they were.

    Raises:
        StoreError: one cannot be deleted.
    """
    old = kept(folder, record)[:-keep]
    try:
        for path in old:
            path.unlink()
            keys.beside(path).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: an old backup cannot be deleted ({error.strerror})") from error
    return old


@dataclass(frozen=True, slots=True)
class Restored:
    """A record that was made of a backup; `aside` is where the one before it is, if any."""

    copy: Copy
    aside: Path | None


def restore(
    backup: Path, record: Path, *, source: str = "", by: str = "", now_us: int | None = None
) -> Restored:
    """Puts a backup in the place of a record, and says so in its audit trail.

    Args:
        backup: the file; it is read and left as it is.
        record: where the record is to be. One that is there is set aside, never overwritten.
        source: where the backup's key is, `""` for a plain one or one that names it beside it.
        by: who asked for it.
        now_us: for the audit row; the computer's time by default.

    Raises:
        RecordInUse: a station writes the record.
        StoreError: the backup is damaged, its key away, or the disk full: nothing was changed.
    """
    if not record.parent.is_dir():
        raise StoreError(f"{record}: there is no folder {record.parent}; create it")
    if not backup.is_file():
        raise StoreError(f"{backup}: there is no such backup; check the path")
    if record.exists() and record.samefile(backup):
        raise StoreError(f"{backup}: this is the record itself; name a backup of it")
    source = source or keys.source_of(backup)
    key = keys.read(source) if source else None
    claim = Claim(record)
    part = record.with_name(f".{record.name}.part")
    try:
        with _only_whole(part):
            there = record.exists()
            counted = _counted(backup, part, key, _at_once, any_version=True)
            _upgrade(backup, part, key)
            made = _checked(backup, part, key, *counted)
            _tell(part, key, backup, made[2], by, there, now_us)
            try:
                if source:
                    keys.remember(part, source)
                aside = quarantine(record, "before-restore")
                # From here on nothing but names are changed: that needs no room on the disk.
                if source:
                    keys.beside(part).replace(keys.beside(record))
                else:
                    keys.beside(record).unlink(missing_ok=True)
                key_mark.forget(record)
                part.rename(record)
                sync_folder(record.parent)
            except OSError as error:
                raise _no_room(record, error) from error
    finally:
        claim.release()
    return Restored(Copy(record, *made), aside)


def _upgrade(backup: Path, part: Path, key: bytes | None) -> None:
    """A backup of an older version becomes a record of this one."""
    try:
        opened = open_for_writing(part, key=key)
    except StoreError as error:
        raise StoreError(str(error).replace(str(part), str(backup))) from error
    opened.connection.close()
    if opened.quarantined is not None:
        opened.quarantined.unlink()
        raise StoreError(f"{backup}: the backup is damaged; nothing was restored, use another one")
    if opened.copied is not None:
        opened.copied.unlink()


def _tell(
    part: Path,
    key: bytes | None,
    backup: Path,
    head: str,
    by: str,
    there: bool,
    now_us: int | None,
) -> None:
    """The first row behind a restored end. Its number is beyond all that were used meanwhile."""
    at_us = time.time_ns() // 1000 if now_us is None else now_us
    told = {"event": "restored", "backup": backup.name, "head": head, "took_the_place": there}
    connection = open_for_writing(part, key=key).connection
    try:
        connection.execute("BEGIN IMMEDIATE")
        append(
            connection,
            kind="station_event",
            at_us=at_us,
            seq=at_us,
            actor=by,
            body=canonical(told),
        )
        connection.execute("COMMIT")
    except apsw.Error as error:
        raise _no_room(part, error) from error
    finally:
        connection.close()


def _at_once(seconds: float) -> None:
    return


def _copied(
    original: Path, part: Path, key: bytes | None, pause: Callable[[float], None]
) -> tuple[int, int, str, int]:
    """Makes the copy and reads it again: rows of the chain, samples, head, bytes."""
    return _checked(original, part, key, *_counted(original, part, key, pause))


def _counted(
    original: Path,
    part: Path,
    key: bytes | None,
    pause: Callable[[float], None],
    *,
    any_version: bool = False,
) -> tuple[int, int, str]:
    """Makes the copy; what the original had at that moment: rows of the chain, samples, head."""
    try:
        with closing(_opened(original, key, any_version)) as connection:
            connection.execute("BEGIN")  # one moment: later commits do not make it begin again
            samples, found = select(connection, _COUNTS)[0][0], select(connection, _HEAD)
            try:
                _copy(connection, part, key, pause)
            except (apsw.CorruptError, apsw.NotADBError):
                raise
            except (apsw.Error, OSError) as error:
                raise _no_room(part, error) from error
    except apsw.Error as error:
        raise StoreError(explain(error, original)) from error
    rows, head = (found[0][0], bytes(found[0][1]).hex()) if found else (0, "")
    return rows, samples, head


def _opened(original: Path, key: bytes | None, any_version: bool) -> apsw.Connection:
    if any_version:
        return connect(original, key, apsw.SQLITE_OPEN_READONLY)
    return open_for_reading(original, key=key)


def _checked(
    original: Path, part: Path, key: bytes | None, rows: int, samples: int, head: str
) -> tuple[int, int, str, int]:
    again = verify(part, key=key)
    if not again.ok:
        reason = again.broken.removeprefix(f"{part}: ")
        raise StoreError(f"{original}: no copy was made of it, because in the copy {reason}")
    if (again.audit_rows, again.sealed + again.unsealed, again.head) != (rows, samples, head):
        raise StoreError(f"{original}: the copy of it is not the same; check the disk of the copy")
    return rows, samples, head, part.stat().st_size


def _copy(
    original: apsw.Connection, part: Path, key: bytes | None, pause: Callable[[float], None]
) -> None:
    make_private(part)
    # Held to the end: closing it would take away SQLite's own locks to the file.
    handle = os.open(part, os.O_RDWR)
    try:
        with closing(connect(part, key, apsw.SQLITE_OPEN_READWRITE)) as target:
            for pragma, value in (
                ("journal_mode", "off"),
                ("synchronous", 0),
                ("cache_size", -1024),
            ):
                target.pragma(pragma, value)
            with target.backup("main", original, "main") as steps:
                while not steps.done:
                    steps.step(STEP_PAGES)
                    os.fsync(handle)
                    pause(PAUSE_S)
            target.pragma("journal_mode", "delete")  # one file, whole without a log
        os.fsync(handle)
    finally:
        os.close(handle)


_QUICK = (("journal_mode", "off"), ("synchronous", "off"), ("cache_size", -1024))
"""A copy that is cut short is thrown away; it is flushed here, step by step."""


@contextmanager
def _only_whole(part: Path) -> Iterator[None]:
    """Nothing of a copy is left that was cut short, now or in an earlier attempt."""
    _clear(part)
    try:
        yield
    finally:
        _clear(part)


def _clear(part: Path) -> None:
    for suffix in (*SUFFIXES, ".key-mark", ".key.toml"):
        Path(f"{part}{suffix}").unlink(missing_ok=True)


def _no_room(to: Path, error: Exception) -> StoreError:
    name = to.with_name(to.name.removeprefix(".").removesuffix(".part"))
    no_space = isinstance(error, apsw.FullError) or getattr(error, "errno", 0) in _FULL
    if no_space:
        return StoreError(f"{name}: there is no room for the copy; free space in {to.parent}")
    reason = getattr(error, "strerror", None) or error
    return StoreError(f"{name}: the copy cannot be written ({reason}); check its disk")


_FULL = (28, 122)
"""ENOSPC, EDQUOT."""
