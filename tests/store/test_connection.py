from __future__ import annotations

import os
import stat
from pathlib import Path

import apsw
import pytest

from tests.store.build import KEY, fill, raw
from vitals.errors import InstallError, StoreError
from vitals.store.connection import (
    OLDEST_SQLITE,
    RecordUnavailable,
    check_version,
    open_for_reading,
    open_for_writing,
    select,
)
from vitals.store.reader import Reader
from vitals.store.schema import APPLICATION_ID, MIGRATIONS
from vitals.store.verify import verify


def _make_foreign(path: Path, *statements: str) -> None:
    connection = apsw.Connection(str(path))
    for statement in statements:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize("version", ["3.40.1", "3.51.2"])
def test_a_sqlite_that_can_lose_commits_is_refused(version: str) -> None:
    with pytest.raises(InstallError, match=r"needed: install the package apsw-sqlite3mc"):
        check_version(version)


def test_the_installed_sqlite_is_new_enough() -> None:
    assert OLDEST_SQLITE == (3, 51, 3)
    check_version()
    check_version("3.51.3")


def test_a_new_record_is_ours_durable_and_strict(path: Path) -> None:
    connection = open_for_writing(path).connection
    for pragma, value in (
        ("application_id", APPLICATION_ID),
        ("user_version", len(MIGRATIONS)),
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("trusted_schema", 0),
        ("recursive_triggers", 1),
        ("busy_timeout", 200),
    ):
        assert connection.pragma(pragma) == value, pragma
    tables = select(connection, "PRAGMA table_list")
    own = {row[1]: row[5] for row in tables if row[2] == "table" and row[1] != "sqlite_schema"}
    assert own.pop("sqlite_temp_schema") == 0
    assert set(own) == {"station", "session", "channel", "numeric", "wave", "audit"}
    assert set(own.values()) == {1}
    connection.close()


def test_only_the_owner_can_read_a_new_record_and_its_log(path: Path) -> None:
    connection = open_for_writing(path).connection
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        assert stat.S_IMODE(name.stat().st_mode) == 0o600
    connection.close()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no folder .*missing; create it"):
        open_for_writing(tmp_path / "missing" / "vitals.db")


@pytest.mark.parametrize(
    "statements",
    [
        ("PRAGMA application_id = 12345",),
        ("CREATE TABLE customers(name)",),
        ("PRAGMA application_id = 12345", "CREATE TABLE customers(name)"),
    ],
)
def test_a_file_of_another_program_is_refused_and_left_alone(
    path: Path, statements: tuple[str, ...]
) -> None:
    _make_foreign(path, *statements)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="belongs to another program"):
        open_for_writing(path)
    assert path.read_bytes() == before
    assert [name.name for name in path.parent.iterdir()] == ["vitals.db"]


def test_an_empty_file_becomes_a_record(path: Path) -> None:
    path.touch()
    open_for_writing(path).connection.close()
    assert verify(path).ok


def test_a_newer_version_is_refused_in_one_sentence(path: Path) -> None:
    fill(path)
    _make_foreign(path, "PRAGMA user_version = 99")
    for attempt in (open_for_writing, open_for_reading):
        with pytest.raises(StoreError, match=r"is of version 99, this program knows \d; install"):
            attempt(path)


NEXT = (*MIGRATIONS, "ALTER TABLE session ADD COLUMN site TEXT NOT NULL DEFAULT 'here'")


def test_an_upgrade_copies_first_and_keeps_everything(path: Path) -> None:
    fill(path)
    before = Reader(path).audit("session-a")
    opened = open_for_writing(path, migrations=NEXT)
    assert opened.connection.pragma("user_version") == len(NEXT)
    assert set(select(opened.connection, "SELECT site FROM session")) == {("here",)}
    opened.connection.close()
    assert opened.copied is not None
    assert Reader(opened.copied).audit("session-a") == before
    assert verify(opened.copied).ok


def test_an_upgrade_that_fails_changes_nothing(path: Path) -> None:
    fill(path)
    with pytest.raises(StoreError, match="no such table"):
        open_for_writing(path, migrations=(*NEXT, "ALTER TABLE nowhere ADD COLUMN x"))
    assert verify(path).ok


def test_a_record_of_the_present_version_is_not_copied(path: Path) -> None:
    fill(path)
    opened = open_for_writing(path)
    opened.connection.close()
    assert opened.copied is None


@pytest.mark.parametrize("released", sorted((Path(__file__).parent / "released").glob("*.sql")))
def test_every_released_version_is_upgraded_and_still_verifies(path: Path, released: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(released.read_text(encoding="utf-8"))
    connection.close()
    open_for_writing(path).connection.close()
    found = verify(path)
    assert found.ok, found.broken
    assert (found.audit_rows, found.sealed, found.unsealed) == (11, 8, 0)
    assert Reader(path).nibp("session-a")[0].sys == 128.0


def test_there_is_a_fixture_of_every_version() -> None:
    released = {file.stem for file in (Path(__file__).parent / "released").glob("*.sql")}
    assert released == {f"v{number}" for number in range(1, len(MIGRATIONS) + 1)}


# --- damage -----------------------------------------------------------------------------------


def _garbage(path: Path) -> None:
    path.write_bytes(os.urandom(20_000))


def _garbage_behind_the_header(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:100] + os.urandom(len(content) - 100))


def _half(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _text(path: Path) -> None:
    path.write_text("[station]\nid = 'clinic'\n" * 50)


@pytest.mark.parametrize("damage", [_garbage, _garbage_behind_the_header, _half, _text])
def test_a_damaged_file_is_set_aside_whole_and_a_new_one_begins(path: Path, damage) -> None:
    fill(path)
    damage(path)
    Path(f"{path}-wal").write_bytes(b"its log")
    content = path.read_bytes()
    opened = open_for_writing(path)
    opened.connection.close()
    assert opened.quarantined is not None
    assert opened.quarantined.name.startswith("vitals.db.corrupt.2")
    assert opened.quarantined.read_bytes() == content
    assert Path(f"{opened.quarantined}-wal").read_bytes() == b"its log"
    assert verify(path).ok


def test_damaged_files_of_one_second_do_not_replace_each_other(path: Path) -> None:
    names = set()
    for _ in range(3):
        path.write_bytes(os.urandom(5000))
        opened = open_for_writing(path)
        opened.connection.close()
        names.add(opened.quarantined)
    assert len(names) == 3
    assert all(name is not None and name.exists() for name in names)


def test_a_log_without_its_file_is_set_aside_too(path: Path) -> None:
    Path(f"{path}-wal").write_bytes(b"all that is left")
    opened = open_for_writing(path)
    opened.connection.close()
    assert opened.quarantined is not None
    assert Path(f"{opened.quarantined}-wal").read_bytes() == b"all that is left"


def test_a_reader_refuses_a_damaged_file_and_leaves_it(path: Path) -> None:
    _garbage(path)
    content = path.read_bytes()
    with pytest.raises(StoreError, match="is damaged, or encrypted"):
        Reader(path).sessions()
    assert path.read_bytes() == content


def test_a_locked_record_is_reported_as_passing(path: Path) -> None:
    fill(path)
    other = raw(path)
    other.pragma("locking_mode", "exclusive")
    other.execute("BEGIN EXCLUSIVE")
    for attempt in (open_for_writing, open_for_reading):
        with pytest.raises(RecordUnavailable, match="another program has locked the record"):
            attempt(path)
    other.close()


# --- encryption -------------------------------------------------------------------------------


def test_an_encrypted_record_keeps_everything_and_shows_nothing(path: Path) -> None:
    plain = path.with_name("plain.db")
    last = fill(plain)
    assert fill(path, key=KEY) == last
    assert verify(path, key=KEY) == verify(plain)
    reader, other = Reader(path, key=KEY), Reader(plain)
    assert reader.sessions() == other.sessions()
    assert reader.audit("session-a") == other.audit("session-a")
    content = path.read_bytes()
    for word in (b"SQLite", b"CREATE TABLE", b"P-017", b"session-a", b"note"):
        assert word in plain.read_bytes()
        assert word not in content


@pytest.mark.parametrize("key", [None, bytes(32), b"short"])
def test_a_record_under_another_key_is_refused_and_never_set_aside(
    path: Path, key: bytes | None
) -> None:
    fill(path, key=KEY)
    for attempt in (open_for_writing, open_for_reading):
        with pytest.raises(StoreError, match="key"):
            attempt(path, key=key)
    assert verify(path, key=KEY).ok


def test_a_key_for_a_plain_record_is_refused(path: Path) -> None:
    fill(path)
    with pytest.raises(StoreError, match="is not encrypted; open it without a key"):
        open_for_writing(path, key=KEY)


def test_damage_inside_an_encrypted_record_is_set_aside(path: Path) -> None:
    fill(path, key=KEY)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    opened = open_for_writing(path, key=KEY)
    opened.connection.close()
    assert opened.quarantined is not None
    assert verify(path, key=KEY).ok


def test_the_copy_before_an_upgrade_of_an_encrypted_record_is_encrypted(path: Path) -> None:
    fill(path, key=KEY)
    opened = open_for_writing(path, key=KEY, migrations=NEXT)
    opened.connection.close()
    assert opened.copied is not None
    assert b"note" not in opened.copied.read_bytes()
    assert verify(opened.copied, key=KEY).ok
