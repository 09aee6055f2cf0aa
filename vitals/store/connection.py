"""Opens the record's file: one driver, one set of pragmas, every refusal in one sentence.

A file of another program, of a newer version or under another key is refused and left alone. A
damaged one is set aside under a new name, never deleted, and a new file takes its place.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import apsw

from vitals.errors import InstallError, StoreError
from vitals.store import key_mark, keys
from vitals.store.schema import APPLICATION_ID, MIGRATIONS

OLDEST_SQLITE = (3, 51, 3)
"""Versions before it can lose commits in WAL mode (the WAL-reset race, sqlite.org/changes)."""
BUSY_MS = 200
CHECKED_BYTES = 256 * 1024 * 1024
"""Up to this size the whole structure is checked at every start."""

_log = logging.getLogger(__name__)
SUFFIXES = ("", "-wal", "-shm", "-journal")
"""A record is these files together."""
_MAGIC = b"SQLite format 3\0"
_T = TypeVar("_T")


class RecordUnavailable(StoreError):
    """The file cannot be used now, but may be later: locked, disk full, IO error."""


class RecordDamaged(StoreError):
    """The file is ours or claims to be, and cannot be read."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A record that can be written.

    Attributes:
        connection: the one connection that writes.
        quarantined: where a damaged file was set aside, None when there was none.
        copied: the copy that was made before an upgrade, None without one.
    """

    connection: apsw.Connection
    quarantined: Path | None = None
    copied: Path | None = None


def explain(error: Exception, path: Path) -> str:
    """One sentence for a person: what happened to the record, and what to do."""
    full = getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_SHMSIZE
    for kind, text in _SENTENCES:
        if isinstance(error, kind) or (full and kind is apsw.FullError):
            return text.format(path=path, folder=path.parent, error=error)
    return f"{path}: the record failed ({error}); check the disk"


_SENTENCES: tuple[tuple[type[Exception], str], ...] = (
    (StoreError, "{error}"),
    (apsw.FullError, "{path}: the disk is full; free some space in {folder}"),
    (apsw.BusyError, "{path}: another program has locked the record; close it"),
    (apsw.LockedError, "{path}: another program has locked the record; close it"),
    (apsw.ReadOnlyError, "{path}: the record cannot be written; check who owns it and its disk"),
    (apsw.PermissionsError, "{path}: the record may not be used; check who owns it"),
    (apsw.CantOpenError, "{path}: the record cannot be opened; check the folder and its disk"),
    (apsw.IOError, "{path}: the disk reports errors ({error}); check it, or use another one"),
    (apsw.CorruptError, "{path}: the record is damaged ({error})"),
    (PermissionError, "{path}: the record may not be used; check who owns it"),
    (apsw.NotADBError, "{path}: the record is damaged, or encrypted with another key"),
)
_PASSING = (apsw.FullError, apsw.BusyError, apsw.LockedError, apsw.IOError, apsw.CantOpenError)
_DAMAGE = (apsw.CorruptError, apsw.NotADBError, UnicodeDecodeError)


def select(
    connection: apsw.Connection, sql: str, values: Sequence[object] = ()
) -> list[tuple[Any, ...]]:
    """All rows of a query, read to the end so that nothing stays open."""
    found: list[tuple[Any, ...]] = connection.execute(sql, tuple(values)).fetchall()
    return found


def is_damage(error: Exception) -> bool:
    """Whether an error means that the file's content is broken."""
    return isinstance(error, _DAMAGE)


def is_explained(error: Exception) -> bool:
    """Whether `explain` says all that there is to say."""
    return isinstance(error, (StoreError, *_PASSING, apsw.CorruptError, apsw.NotADBError))


def check_version(version: str | None = None) -> None:
    """Refuses a SQLite that can lose commits.

    Raises:
        InstallError: it is older than `OLDEST_SQLITE`.
    """
    version = version or apsw.sqlite_lib_version()
    if tuple(int(part) for part in version.split(".")[:3]) < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise InstallError(
            f"SQLite {version} is installed, which can lose commits; {oldest} or later is "
            "needed: install the package apsw-sqlite3mc again, and no other package of apsw"
        )


def open_for_writing(
    path: Path | str,
    *,
    key: bytes | None = None,
    migrations: Sequence[str] = MIGRATIONS,
    damaged: bool = False,
) -> Opened:
    """Opens, makes or upgrades the record.

    Args:
        path: the file; its folder must exist.
        key: 32 bytes for an encrypted record (ChaCha20-Poly1305), None for a plain one, or one
            whose key is named beside it (see `vitals.store.keys`).
        migrations: the scripts in force (others in tests only).
        damaged: the caller has seen damage: set the file aside without a check.

    Raises:
        RecordUnavailable: it is locked, or the disk is full or fails: try again.
        StoreError: it is another program's, a newer version's or under another key.
        InstallError: this SQLite must not be used.
    """
    check_version()
    path = Path(path)
    if not path.parent.is_dir():
        raise StoreError(f"{path}: there is no folder {path.parent}; create it")
    key = keys.key_of(path) if key is None else key
    quarantined = _translated(path, lambda: quarantine(path)) if damaged else None
    try:
        connection, copied = _translated(path, lambda: _open(path, key, migrations))
    except RecordDamaged:
        quarantined = _translated(path, lambda: quarantine(path))
        connection, copied = _translated(path, lambda: _open(path, key, migrations))
    return Opened(connection, quarantined, copied)


def open_for_reading(path: Path | str, *, key: bytes | None = None) -> apsw.Connection:
    """A read-only connection for a short while; close it soon, it holds up the writer's log.

    Raises:
        RecordUnavailable: it is locked or the disk fails.
        StoreError: there is no such file, or it is not a record that this version reads.
    """
    check_version()
    path = Path(path)
    if not path.is_file():
        raise StoreError(f"{path}: there is no such record; check the path")
    key = keys.key_of(path) if key is None else key

    def identified() -> apsw.Connection:
        connection = _connect_reader(path, key)
        try:
            version = _identify(connection, path, len(MIGRATIONS))
            if version < len(MIGRATIONS):
                raise StoreError(
                    f"{path}: the record is of version {version}, this program reads "
                    f"{len(MIGRATIONS)}; start the station once to upgrade it"
                )
        except BaseException:
            connection.close()
            raise
        return connection

    return _translated(path, identified)


def quarantine(path: Path, why: str = "corrupt") -> Path | None:
    """Sets a file and its logs aside as `<name>.<why>.<UTC>`; None when there was none."""
    target = _free_name(path, why)
    present = [suffix for suffix in SUFFIXES if Path(f"{path}{suffix}").exists()]
    for suffix in present:
        Path(f"{path}{suffix}").rename(f"{target}{suffix}")
    if present:
        _name_key(path, target)
    return target if present else None


def _free_name(path: Path, why: str) -> Path:
    """`<name>.<why>.<UTC>`, with a number behind it where that is taken."""
    base = f"{path.name}.{why}.{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    target, again = path.with_name(base), 1
    while any(Path(f"{target}{suffix}").exists() for suffix in SUFFIXES):
        again += 1
        target = path.with_name(f"{base}-{again}")
    return target


def _name_key(path: Path, copy: Path) -> None:
    """Lets a copy, or what was set aside, be opened with the record's key."""
    try:
        keys.follow(path, copy)
    except (OSError, StoreError) as error:  # it can be named later; the record goes on
        _log.warning("%s: where its key is could not be noted (%s)", copy, error)


def _translated(path: Path, attempt: Callable[[], _T]) -> _T:
    try:
        return attempt()
    except _DAMAGE as error:
        raise RecordDamaged(explain(error, path)) from error
    except _PASSING as error:
        raise RecordUnavailable(explain(error, path)) from error
    except (apsw.Error, PermissionError) as error:
        raise StoreError(explain(error, path)) from error
    except OSError as error:
        raise RecordUnavailable(explain(error, path)) from error


def _open(
    path: Path, key: bytes | None, migrations: Sequence[str]
) -> tuple[apsw.Connection, Path | None]:
    fresh = not path.exists() or path.stat().st_size == 0
    if fresh and Path(f"{path}-wal").exists():
        raise RecordDamaged(f"{path}: the record is gone, its log is still there")
    if fresh:
        make_private(path)  # its logs inherit the mode
    connection = connect(path, key, apsw.SQLITE_OPEN_READWRITE)
    copied = None
    try:
        version = _identify(connection, path, len(migrations))
        small = path.stat().st_size <= CHECKED_BYTES
        if version and small and connection.execute("PRAGMA quick_check(1)").get != "ok":
            raise RecordDamaged(f"{path}: the record's structure is damaged")
        if 0 < version < len(migrations):
            copied = _free_name(path, f"version-{version}")
            make_private(copied)
            connection.execute("VACUUM INTO ?", (str(copied),))
            _name_key(path, copied)
        connection.pragma("journal_mode", "wal")
        _migrate(connection, version, migrations)
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
    except BaseException:
        connection.close()
        raise
    if key is not None:
        key_mark.leave(path, key)
    if fresh:
        sync_folder(path.parent)
    return connection, copied


def _connect_reader(path: Path, key: bytes | None) -> apsw.Connection:
    """Reads a record as it lies there where nothing can be put beside it, as WAL wants it.

    Only one that needs no log: in a folder or on a disk that takes no file.
    """
    log = Path(f"{path}-wal")
    whole = not log.exists() or log.stat().st_size == 0
    as_it_lies = f"{path.resolve().as_uri()}?immutable=1"
    flags = apsw.SQLITE_OPEN_READONLY
    if whole and not os.access(path.parent, os.W_OK):
        return connect(path, key, flags | apsw.SQLITE_OPEN_URI, as_it_lies)
    try:
        return connect(path, key, flags)
    except (apsw.IOError, apsw.CantOpenError, apsw.FullError):
        if not whole:
            raise
        return connect(path, key, flags | apsw.SQLITE_OPEN_URI, as_it_lies)


def connect(path: Path, key: bytes | None, flags: int, uri: str = "") -> apsw.Connection:
    """A bare connection to a record, under its key, with the pragmas of every connection.

    Raises:
        StoreError: the key does not fit.
        apsw.Error: it cannot be opened.
    """
    if key is not None and len(key) != 32:
        raise StoreError(f"{path}: the key has {len(key)} bytes, it must have 32")
    name = uri or str(path)
    connection = apsw.Connection(name, flags=flags)
    try:
        # Closing folds the log into the file and deletes it: not before the file is known good.
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.set_busy_timeout(BUSY_MS)
        if key is not None:
            connection.pragma("cipher", "chacha20")
            connection.pragma("key", f"raw:{key.hex()}")
            connection.pragma("temp_store", "memory")  # a temporary file would not be encrypted
        _check_readable(connection, path, key)
        for pragma, value in (
            ("synchronous", "FULL"),
            ("fullfsync", "ON"),  # macOS: a flush that reaches the medium
            ("checkpoint_fullfsync", "ON"),
            ("foreign_keys", "ON"),
            ("trusted_schema", "OFF"),
            ("recursive_triggers", "ON"),
            ("journal_size_limit", 8 * 1024 * 1024),
        ):
            connection.pragma(pragma, value)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_readable(connection: apsw.Connection, path: Path, key: bytes | None) -> None:
    """Tells a key that does not fit from damage, as far as the header shows it."""
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    except apsw.NotADBError as error:
        head = _header(path)
        if key is not None and head.startswith(_MAGIC):
            raise StoreError(
                f"{path}: the record is not encrypted; open it without a key (no station.key in "
                f"the config, no {keys.beside(path).name}), or encrypt it with `vitals key encrypt`"
            ) from error
        # The cipher leaves bytes 16-23 as they are: page size, versions, 32 reserved bytes, and
        # three constants of the file format.
        if head.startswith(_MAGIC) or head[20:24] != b"\x20\x40\x20\x20":
            raise
        if key is None:
            raise StoreError(
                f"{path}: the record is encrypted; give its key (station.key in the config says "
                "where it is)"
            ) from error
        if key_mark.fits(path, key):
            raise  # the key is right, so the file is damaged
        raise StoreError(
            f"{path}: this key does not open the record; give the right one (if it is the "
            "right one, the file is damaged: move it away)"
        ) from error


def _header(path: Path) -> bytes:
    # Through SQLite: on POSIX, closing a file that was opened in any other way takes away the
    # locks of every connection that this process has to it.
    file = apsw.VFSFile("", str(path), [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READONLY, 0])
    try:
        return file.xRead(24, 0)
    finally:
        file.xClose()


def _identify(connection: apsw.Connection, path: Path, newest: int) -> int:
    """The file's version, 0 for an empty one; refuses what is not ours."""
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
    application = connection.pragma("application_id")
    version: int = connection.pragma("user_version")
    if application != APPLICATION_ID and (application or tables):
        raise StoreError(
            f"{path}: this file belongs to another program; give the record another name"
        )
    if version > newest:
        raise StoreError(
            f"{path}: the record is of version {version}, this program knows {newest}; install "
            "the newer version of the program again"
        )
    return version


def _migrate(connection: apsw.Connection, version: int, migrations: Sequence[str]) -> None:
    if version == len(migrations):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for script in migrations[version:]:
            connection.execute(script)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def make_private(path: Path) -> None:
    """Makes a file, if there is none, that only its owner can read."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def sync_folder(folder: Path) -> None:
    """Makes sure that the names in a folder outlive a loss of power."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
