"""Upgrades of every released version, plain and encrypted; docs: `vitals/store/schema.py`."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from tests.store.build import KEY, T0, audit, session
from vitals.errors import StoreError
from vitals.store.connection import open_for_reading, open_for_writing, select
from vitals.store.reader import Reader
from vitals.store.retention import forget
from vitals.store.schema import MIGRATIONS
from vitals.store.verify import verify
from vitals.store.writer import Writer

RELEASED = sorted((Path(__file__).parent / "released").glob("*.sql"))
OLDER = RELEASED[:-1]


def _release(path: Path, sql: Path, key: bytes | None = None) -> None:
    connection = apsw.Connection(str(path))
    if key is not None:
        connection.pragma("cipher", "chacha20")
        connection.pragma("key", f"raw:{key.hex()}")
    connection.execute(sql.read_text(encoding="utf-8"))
    connection.close()


def _rows(path: Path, key: bytes | None = None) -> list[tuple[object, ...]]:
    connection = open_for_reading(path, key=key)
    tables = ("station", "session", "channel", "numeric", "wave", "audit")
    found = [row for table in tables for row in select(connection, f"SELECT * FROM {table}")]  # noqa: S608
    connection.close()
    return found


@pytest.mark.parametrize("sql", OLDER, ids=lambda sql: sql.stem)
@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
def test_an_older_record_is_copied_upgraded_and_goes_on(
    path: Path, sql: Path, key: bytes | None
) -> None:
    _release(path, sql, key)
    with pytest.raises(StoreError, match="start the station once to upgrade it"):
        open_for_reading(path, key=key)
    writer = Writer(path, key=key, now_us=lambda: T0)
    (copied,) = path.parent.glob("vitals.db.version-*Z")
    opened = session("session-z", room="room-2")
    seq = writer.last_seq()
    writer.put_audit(audit(seq + 1, "session_change", session="session-z"), session=opened)
    assert writer.close()
    found = verify(path, key=key)
    assert found.ok, found.broken
    assert copied.read_bytes().startswith(b"SQLite format 3") is (key is None)
    upgraded = open_for_writing(copied, key=key)  # nothing was lost on the way to the copy
    upgraded.connection.close()
    assert set(_rows(copied, key)) <= set(_rows(path, key))


@pytest.mark.parametrize("sql", RELEASED, ids=lambda sql: sql.stem)
def test_every_released_version_ends_as_the_same_schema(path: Path, sql: Path) -> None:
    _release(path, sql)
    connection = open_for_writing(path).connection
    fresh = open_for_writing(path.with_name("fresh.db")).connection
    schema = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY 1, 2"
    assert select(connection, schema) == select(fresh, schema)
    assert connection.pragma("user_version") == fresh.pragma("user_version") == len(MIGRATIONS)
    connection.close()
    fresh.close()


@pytest.mark.parametrize("sql", OLDER, ids=lambda sql: sql.stem)
def test_an_upgrade_that_is_cut_short_leaves_the_old_version_whole(path: Path, sql: Path) -> None:
    _release(path, sql)
    version = int(sql.stem.removeprefix("v"))
    broken = (*MIGRATIONS[:version], MIGRATIONS[version] + "; DROP TABLE nowhere")
    with pytest.raises(StoreError, match="no such table"):
        open_for_writing(path, migrations=broken)
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    assert connection.pragma("user_version") == version
    connection.close()
    open_for_writing(path).connection.close()
    assert verify(path).ok


def test_sessions_of_the_first_version_can_be_forgotten(path: Path) -> None:
    _release(path, RELEASED[0])
    connection = open_for_writing(path).connection
    with pytest.raises(apsw.ConstraintError, match="cannot be deleted"):
        connection.execute("DELETE FROM numeric")
    connection.close()
    (done,) = forget(path, ["session-a"], reason="over", by="Ann")
    assert (done.numerics, done.waves) == (7, 1)
    assert verify(path).ok
    assert Reader(path).nibp("session-a") == []
