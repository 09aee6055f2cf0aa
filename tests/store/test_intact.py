"""The check of one session finds what was changed in it, and in the chain up to a row."""

from __future__ import annotations

from pathlib import Path

import apsw
import numpy as np
import pytest

from vitals.model import US, Numeric, Session, Waveform
from vitals.store.intact import Checked, Place, check
from vitals.store.rows import AuditRow, SessionRecord
from vitals.store.writer import Writer

START_US = 1_800_000_000 * US
UUIDS = ("first", "second")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two sessions side by side, closed, then an addendum to the first."""
    path = tmp_path / "vitals.db"
    writer = Writer(path, now_us=lambda: START_US)
    writer.start()
    seq = iter(range(1, 100_000))

    def put(kind: str, uuid: str, second: int, session: object = None, **body: object) -> None:
        row = AuditRow(
            next(seq), START_US + second * US, uuid, f"room-{uuid}", "A", "nurse", kind, body
        )
        writer.put_audit(row, session=session)  # type: ignore[arg-type]

    def session(uuid: str, ended_us: int | None = None) -> SessionRecord:
        return SessionRecord(Session(uuid, f"room-{uuid}", "KV-1", "im", START_US, ended_us))

    for uuid in UUIDS:
        put("session_change", uuid, 0, session(uuid), cause="opened")
    for second in range(90):
        for uuid in UUIDS:
            at_us = START_US + second * US
            writer.put_numeric(uuid, next(seq), Numeric("ox", "spo2", at_us, 97.0 - second % 3))
            wave = Waveform("ox", "pleth", at_us, 25.0, np.arange(25, dtype=np.float32))
            writer.put_wave(uuid, next(seq), wave)
            put("note", uuid, second, text=f"note {second}")
    for uuid in UUIDS:
        put("session_change", uuid, 90, session(uuid, START_US + 90 * US), cause="closed")
    put("addendum", "first", 4000, text="late")
    assert writer.close(30)
    return path


def last_n(path: Path, kind: str = "addendum") -> int:
    connection = apsw.Connection(str(path))
    try:
        (found,) = connection.execute("SELECT max(n) FROM audit WHERE kind = ?", (kind,)).fetchall()
        return int(found[0])
    finally:
        connection.close()


def whole(path: Path, uuid: str = "first", to_n: int | None = None) -> Checked:
    """The check to its end, in as many pieces as it takes."""
    ticks = iter(range(10**6))
    place = Place()
    before = -1.0
    for _ in range(10_000):
        found = check(path, uuid, to_n or last_n(path), place, monotonic=lambda: float(next(ticks)))
        assert found is not None
        if found.next is None:
            return found
        assert before < found.share < 1
        assert found.next != place
        place, before = found.next, found.share
    raise AssertionError("it never ends")


def change(path: Path, *statements: str) -> None:
    """What somebody does who owns the file."""
    connection = apsw.Connection(str(path))
    try:
        triggers = connection.execute("SELECT name FROM sqlite_schema WHERE type='trigger'")
        for (name,) in triggers.fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
            assert connection.changes() > 0
    finally:
        connection.close()


def test_what_was_recorded_is_whole_in_one_piece_or_in_many(path: Path) -> None:
    assert check(path, "first", last_n(path), Place()) == Checked()
    assert whole(path) == Checked()
    assert whole(path, "second") == Checked()
    assert check(path, "nobody", 1, Place()) is None


CHANGES = [
    ("UPDATE audit SET body = '{\"text\":\"else\"}' WHERE kind = 'addendum'", "was changed after"),
    ("UPDATE audit SET actor = 'B' WHERE n = 20", "row 20 of the audit trail was changed"),
    ("DELETE FROM audit WHERE n = 30", "row 30 of the audit trail is missing"),
    ("UPDATE audit SET prev = zeroblob(32) WHERE n = 40", "row 40 of the audit trail does not"),
    ("UPDATE numeric SET value = 99 WHERE seq = (SELECT min(seq) FROM numeric)", "samples were"),
    ("DELETE FROM wave WHERE seq = (SELECT min(seq) FROM wave)", "samples"),
    ("UPDATE session SET subject_ref = 'KV-2' WHERE uuid = 'first'", "summary"),
    ("UPDATE session SET uuid = 'other' WHERE uuid = 'second'", "was changed after"),
    ("INSERT INTO numeric SELECT max(seq) + 1, 1, 5, 90, 0, '', NULL FROM numeric", "are under"),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "words"), CHANGES, ids=[words for _, words in CHANGES])
def test_a_change_is_found_and_said_in_one_sentence(path: Path, statement: str, words: str) -> None:
    change(path, statement)
    assert words in whole(path).broken


def test_what_was_changed_in_another_session_alone_does_not_matter(path: Path) -> None:
    change(path, "UPDATE numeric SET value = 5 WHERE channel_id ="
           " (SELECT max(channel_id) FROM channel WHERE key = 'spo2')")  # fmt: skip
    assert whole(path) == Checked()
    assert "samples were changed" in whole(path, "second").broken


def test_rows_behind_the_one_that_is_asked_for_are_not_looked_at(path: Path) -> None:
    last = last_n(path)
    change(path, "UPDATE audit SET actor = 'B' WHERE kind = 'addendum'")
    assert whole(path, to_n=last - 1) == Checked()
    assert "was changed" in whole(path, to_n=last).broken


def test_a_damaged_file_is_called_damaged(path: Path) -> None:
    to_n = last_n(path)
    connection = apsw.Connection(str(path))
    root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'numeric'").get
    size = connection.pragma("page_size")
    connection.close()
    data = bytearray(path.read_bytes())
    data[(root - 1) * size : (root - 1) * size + 200] = bytes(200)
    path.write_bytes(bytes(data))
    found = check(path, "first", to_n, Place())
    assert found is not None
    assert "damaged" in found.broken
