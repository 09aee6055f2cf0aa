from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.store.build import KEY, T0, audit, dice_of, fill, raw, session, spo2, until
from vitals.clock import US
from vitals.errors import StoreError
from vitals.store.audit import append
from vitals.store.connection import RecordUnavailable, select
from vitals.store.verify import verify
from vitals.store.writer import Writer


def test_an_untouched_record_verifies(path: Path) -> None:
    fill(path)
    found = verify(path)
    assert found.ok, found.broken
    assert (found.audit_rows, found.sealed, found.unsealed) == (19, 163, 0)
    assert len(found.head) == 64
    connection = raw(path)
    ((head,),) = select(connection, "SELECT hash FROM audit ORDER BY n DESC LIMIT 1")
    connection.close()
    assert found.head == head.hex()


def _tamper(path: Path, statement: str) -> None:
    """Changes a record as somebody would who knows SQL: lifts the guards, puts them back."""
    connection = raw(path)
    guards = select(connection, "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
    for name, _ in guards:
        connection.execute(f"DROP TRIGGER {name}")
    connection.pragma("foreign_keys", False)
    before = connection.total_changes()
    connection.execute(statement)
    assert connection.total_changes() > before
    for _, sql in guards:
        connection.execute(sql)
    connection.close()


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        (
            "UPDATE audit SET body = '{}' WHERE n = 7",
            "audit row 7 (alarm, ",
        ),
        ("UPDATE audit SET body = body || ' ' WHERE n = 7", "audit row 7"),
        ("UPDATE audit SET at_us = at_us + 1 WHERE n = 7", "audit row 7"),
        ("UPDATE audit SET actor = 'Bob' WHERE n = 7", "audit row 7"),
        ("UPDATE audit SET role = 'prescriber' WHERE n = 7", "audit row 7"),
        ("UPDATE audit SET seq = 999999 WHERE n = 7", "audit row 7"),
        ("UPDATE audit SET command_id = 'c77' WHERE n = 7", "audit row 7"),
        ("UPDATE audit SET session_id = 2 WHERE n = 7", "audit row 7"),
        ("UPDATE audit SET hash = randomblob(32) WHERE n = 7", "audit row 7"),
        ("UPDATE audit SET prev = randomblob(32) WHERE n = 7", "does not follow"),
        ("DELETE FROM audit WHERE n = 7", "audit row 7 is missing"),
        ("UPDATE audit SET n = n + 1000 WHERE n = 7", "audit row 7 is missing"),
        ("UPDATE numeric SET value = value + 1 WHERE seq = 11", "session session-a: samples"),
        ("UPDATE numeric SET value = 95.5 WHERE value IS NULL", "samples"),
        ("UPDATE numeric SET at_us = at_us + 1 WHERE seq = 11", "samples"),
        ("UPDATE numeric SET quality = 0 WHERE quality = 1", "samples"),
        ("UPDATE numeric SET flags = '' WHERE flags <> ''", "samples"),
        ("UPDATE numeric SET device_at_us = NULL WHERE device_at_us IS NOT NULL", "samples"),
        ("UPDATE numeric SET channel_id = 3 WHERE seq = 11", "samples"),
        ("DELETE FROM numeric WHERE seq = 11", "samples"),
        ("DELETE FROM wave WHERE seq = (SELECT max(seq) FROM wave)", "samples"),
        ("UPDATE wave SET data = zeroblob(2 * n) WHERE seq = 14", "samples"),
        ("UPDATE wave SET scale = 2.0 WHERE seq = 14", "samples"),
        ("INSERT INTO numeric VALUES (13, 1, 1, 97.0, 0, '', NULL)", "samples"),
        ("INSERT INTO numeric VALUES (1, 1, 1, 97.0, 0, '', NULL)", "between those"),
        ("UPDATE channel SET unit = 'kPa' WHERE key = 'nibp_sys'", "samples"),
        ("UPDATE session SET subject_ref = 'P-018'", "the row of session 1"),
        ("UPDATE session SET dose_us = dose_us + 1 WHERE dose_us > 0", "the row of session 2"),
        ("UPDATE session SET profile_text = 'none' WHERE session_id = 1", "the row of session 1"),
        ("UPDATE session SET ended_us = 7, state = 'closed' WHERE session_id = 1", "session 1"),
        ("UPDATE session SET uuid = 'session-c' WHERE session_id = 1", "audit row 1"),
        ("DELETE FROM session WHERE session_id = 2", "that is not there"),
        (
            "INSERT INTO session SELECT 3, 'c', room, subject_ref, route, mode, phase, started_us,"
            " ended_us, dose_us, tz, state, resumed, '', '' FROM session LIMIT 1",
            "session 3",
        ),
        ("UPDATE station SET anchor_us = anchor_us + 1", "the row of station clinic-a"),
        ("DELETE FROM station", "the row of station clinic-a"),
    ],
)
def test_every_change_is_found_and_its_place_named(path: Path, statement: str, place: str) -> None:
    fill(path)
    _tamper(path, statement)
    found = verify(path)
    assert not found.ok
    assert found.broken.startswith(f"{path}: ")
    assert place in found.broken


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TRIGGER audit_no_update",
        "DROP INDEX numeric_by_time",
        "CREATE TABLE extra(x)",
        "CREATE TRIGGER late AFTER INSERT ON numeric BEGIN SELECT 1; END",
    ],
)
def test_a_changed_schema_is_found(path: Path, statement: str) -> None:
    fill(path)
    connection = raw(path)
    connection.execute(statement)
    connection.close()
    assert "is not as this program made it" in verify(path).broken


def test_a_tail_that_was_cut_off_is_found_by_a_head_seen_earlier(path: Path) -> None:
    fill(path)
    head = verify(path).head
    assert verify(path, head=head.upper()).ok
    connection = raw(path)
    append(connection, kind="note", at_us=1, body="{}")
    connection.close()
    assert verify(path, head=head).ok

    _tamper(path, "DELETE FROM audit WHERE n >= (SELECT max(n) - 1 FROM audit)")
    assert verify(path, head=head).broken == (
        f"{path}: the head {head} is not in the record: its end was cut off or replaced"
    )


def test_a_change_of_samples_without_a_seal_is_counted_as_possible(path: Path) -> None:
    fill(path)
    connection = raw(path)
    connection.execute("INSERT INTO numeric VALUES (99999, 1, 1, 97.0, 0, '', NULL)")
    connection.close()
    assert (verify(path).ok, verify(path).unsealed) == (True, 1)


# --- flipped bytes ----------------------------------------------------------------------------


def _dump(path: Path, key: bytes | None = None) -> Any:
    """Everything that can be read out of a file, or what kept it from being read."""
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        if key is not None:
            connection.pragma("key", f"raw:{key.hex()}")
        try:
            names = ("sqlite_schema", "station", "session", "channel", "numeric", "wave", "audit")
            tables = [select(connection, f"SELECT * FROM {name}") for name in names]  # noqa: S608
            numbers = [connection.pragma(name) for name in ("application_id", "user_version")]
            return repr((tables, numbers))
        finally:
            connection.close()
    except (apsw.Error, UnicodeDecodeError) as error:
        return error


def _flip(path: Path, offset: int, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ (1 << bit)]))


def test_every_flipped_bit_that_can_be_read_is_found(path: Path) -> None:
    fill(path)
    before, dice = _dump(path), dice_of(20)
    size, seen = path.stat().st_size, 0
    for _ in range(400):
        offset, bit = dice.randrange(size), dice.randrange(8)
        _flip(path, offset, bit)
        if _dump(path) != before:
            seen += 1
            assert not verify(path).ok, f"bit {bit} of byte {offset}"
        _flip(path, offset, bit)
    assert seen > 100
    assert verify(path).ok


def _places(path: Path) -> dict[str, list[int]]:
    """Offsets of recorded content: bytes of values, audit bodies and waveforms in the file."""
    content = path.read_bytes()
    connection = raw(path)
    found: dict[str, list[bytes]] = {
        "audit body": [body.encode() for (body,) in select(connection, "SELECT body FROM audit")],
        "audit hash": [digest for (digest,) in select(connection, "SELECT hash FROM audit")],
        "waveform": [data for (data,) in select(connection, "SELECT data FROM wave")],
    }
    connection.close()
    places = {}
    for name, pieces in found.items():
        places[name] = [
            start + step
            for piece in pieces
            if (start := content.find(piece)) >= 0
            for step in range(len(piece))
        ]
    return places


@pytest.mark.parametrize("what", ["audit body", "audit hash", "waveform"])
def test_every_flipped_bit_of_recorded_content_is_found(path: Path, what: str) -> None:
    fill(path)
    places, dice = _places(path)[what], dice_of(21)
    assert len(places) > 500
    for offset in dice.sample(places, 60):
        bit = dice.randrange(8)
        _flip(path, offset, bit)
        assert not verify(path).ok, f"bit {bit} of byte {offset}"
        _flip(path, offset, bit)
    assert verify(path).ok


def test_a_flipped_bit_in_any_numeric_value_is_found(path: Path) -> None:
    fill(path)
    connection = raw(path)
    values = select(connection, "SELECT seq, value FROM numeric WHERE value <> round(value)")
    connection.close()
    content, dice, tried = path.read_bytes(), dice_of(22), 0
    for _, value in values:
        start = content.find(struct.pack(">d", value))
        if start < 0:
            continue
        offset, bit = start + dice.randrange(8), dice.randrange(8)
        _flip(path, offset, bit)
        assert not verify(path).ok, f"bit {bit} of byte {offset} of {value}"
        _flip(path, offset, bit)
        tried += 1
    assert tried > 50


def test_in_an_encrypted_record_every_flipped_bit_is_found(path: Path) -> None:
    fill(path, key=KEY)
    before, dice, size = _dump(path, KEY), dice_of(23), path.stat().st_size
    for offset in [*range(100), *(dice.randrange(size) for _ in range(200))]:
        bit = dice.randrange(8)
        _flip(path, offset, bit)
        if verify(path, key=KEY).ok:  # the cipher leaves these as they are and may not need them
            assert 16 <= offset < 24, f"bit {bit} of byte {offset}"
            assert _dump(path, KEY) == before
        _flip(path, offset, bit)
    assert verify(path, key=KEY).ok


def test_an_index_that_leads_astray_is_found(path: Path) -> None:
    fill(path)
    connection = raw(path)
    ((page,), *_) = select(
        connection, "SELECT pageno FROM dbstat WHERE name = 'numeric_by_time' AND pagetype = 'leaf'"
    )
    connection.close()
    content, at_us = path.read_bytes(), (T0 + 20 * US).to_bytes(8, "big")
    offset = content.find(at_us, (page - 1) * 4096, page * 4096)
    assert offset > 0
    before = _dump(path)
    _flip(path, offset + 7, 0)
    assert _dump(path) == before
    assert "structure is damaged" in verify(path).broken


def test_a_file_cut_short_anywhere_is_found(path: Path) -> None:
    fill(path)
    whole = path.read_bytes()
    dice = dice_of(24)
    for _ in range(30):
        path.write_bytes(whole[: dice.randrange(1, len(whole))])
        assert not verify(path).ok
    path.write_bytes(b"")
    assert not verify(path).ok


# --- around it --------------------------------------------------------------------------------


def test_a_record_can_be_checked_while_it_is_written(
    path: Path, opened: Callable[..., Writer]
) -> None:
    writer = opened()
    for seq in range(2, 400, 2):
        writer.put_numeric("session-a", seq, spo2(seq))
        writer.put_audit(audit(seq + 1))
        if seq % 50 == 2:
            assert verify(path).ok
    until(lambda: writer.health().queued == 0)
    assert verify(path).unsealed == 199


def test_a_missing_or_locked_record_cannot_be_checked(path: Path) -> None:
    with pytest.raises(StoreError, match="there is no such record"):
        verify(path)
    fill(path)
    other = raw(path)
    other.pragma("locking_mode", "exclusive")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(RecordUnavailable):
        verify(path)
    other.close()


def test_what_is_no_record_does_not_verify(path: Path) -> None:
    path.write_text("hello " * 100)
    assert not verify(path).ok
    path.unlink()
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE customers(name)")
    connection.close()
    assert "belongs to another program" in verify(path).broken


def test_checking_changes_nothing(path: Path) -> None:
    fill(path)
    before = path.read_bytes()
    copy = shutil.copy(path, path.with_name("copy.db"))
    assert verify(path) == verify(copy)
    assert path.read_bytes() == before


def test_a_session_reopened_by_a_late_row_still_verifies(
    path: Path, opened: Callable[..., Writer]
) -> None:
    writer = opened()
    writer.put_numeric("session-a", 2, spo2(0))
    writer.put_audit(audit(3), session=session(ended_us=T0 + 60 * US))
    until(lambda: writer.health().queued == 0)
    writer.put_numeric("session-a", 4, spo2(1))
    assert writer.close()
    assert (verify(path).ok, verify(path).sealed) == (True, 2)
