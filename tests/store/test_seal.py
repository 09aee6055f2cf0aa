from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tests.store.build import FAST, T0, audit, fill, opened, pleth, raw, session, spo2, until
from vitals.clock import US
from vitals.store import seal
from vitals.store.connection import select
from vitals.store.reader import Reader
from vitals.store.rows import StoredAudit
from vitals.store.verify import verify
from vitals.store.writer import Writer


def _seals(path: Path, uuid: str = "session-a") -> list[StoredAudit]:
    return Reader(path).audit_by_kind(uuid, {"seal"})


def test_a_seal_hashes_the_lines_that_the_documentation_shows(path: Path) -> None:
    writer = opened(path)
    writer.put_numeric("session-a", 2, spo2(0, 97.0))
    writer.put_numeric("session-a", 3, spo2(1, None))
    writer.put_wave("session-a", 4, pleth(0, (1, 2, 3)))
    assert writer.close()
    data = hashlib.sha256(b"\x01\x00\x02\x00\x03\x00").hexdigest()
    lines = (
        '["channel",1,"oximeter","spo2","%","numeric",1.0,150456,"59408-5"]\n'
        '["channel",2,"oximeter","pleth","1","wave",75.0,150452,null]\n'
        f'["numeric",2,1,{T0},97.0,0,"",null]\n'
        f'["numeric",3,1,{T0 + US},null,0,"",null]\n'
        f'["wave",4,2,{T0},75.0,3,1.0,0.0,0,"{data}"]\n'
    )
    (row,) = _seals(path)
    assert row.body == {
        "from_seq": 2,
        "to_seq": 4,
        "rows": 3,
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
    }
    documented = (Path(__file__).parents[2] / "docs" / "record.md").read_text(encoding="utf-8")
    assert lines in documented


def test_samples_are_sealed_after_a_while_and_the_newest_are_counted_as_unsealed(
    path: Path,
) -> None:
    writer = opened(path, replace(FAST, seal_s=0.05))
    writer.put_numeric("session-a", 2, spo2(0))
    until(lambda: _seals(path))
    assert (verify(path).sealed, verify(path).unsealed) == (1, 0)
    assert writer.close()

    writer = opened(path.with_name("other.db"), replace(FAST, seal_s=3600.0))
    writer.put_numeric("session-a", 2, spo2(0))
    until(lambda: writer.health().queued == 0)
    found = verify(path.with_name("other.db"))
    assert found.ok
    assert (found.sealed, found.unsealed) == (0, 1)
    assert writer.close()


def test_closing_a_session_seals_it_in_the_same_commit(
    path: Path, opened: Callable[..., Writer]
) -> None:
    writer = opened()
    writer.put_audit(audit(2, session="session-b"), session=session("session-b"))
    for seq in range(3, 23, 2):
        writer.put_numeric("session-a", seq, spo2(seq))
        writer.put_numeric("session-b", seq + 1, spo2(seq))
    closing: list[list[StoredAudit]] = []
    writer.put_audit(
        audit(23),
        lambda committed: closing.append(_seals(path)),
        session=session(ended_us=T0 + 60 * US),
    )
    until(lambda: closing)
    assert closing[0][0].body["rows"] == 10
    assert _seals(path, "session-b") == []


def test_ranges_of_seals_grow_and_do_not_overlap(path: Path) -> None:
    writer = opened(path, replace(FAST, seal_s=0.0))
    for seq in range(2, 12):
        writer.put_numeric("session-a", seq, spo2(seq))
        until(lambda seq=seq: Reader(path).last_seq() == seq)  # type: ignore[misc]
    assert writer.close()
    bodies = [row.body for row in _seals(path)]
    assert len(bodies) > 1
    assert sum(body["rows"] for body in bodies) == 10
    for before, after in pairwise(bodies):
        assert before["to_seq"] < after["from_seq"] <= after["to_seq"]
    assert verify(path).ok


def test_what_was_not_sealed_before_a_restart_is_sealed_after_it(path: Path) -> None:
    writer = opened(path)
    writer.put_numeric("session-a", 2, spo2(0))
    writer.put_wave("session-a", 3, pleth(0))
    until(lambda: writer.health().queued == 0)
    copy = path.with_name("killed.db")
    connection = raw(path)
    connection.execute("VACUUM INTO ?", (str(copy),))  # as it stood when the power went
    connection.close()
    assert writer.close()
    assert verify(copy).unsealed == 2

    again = Writer(copy, settings=replace(FAST, seal_s=0.0))
    again.start()
    until(lambda: verify(copy).unsealed == 0)
    assert again.close()
    assert (verify(copy).sealed, verify(copy).ok) == (2, True)
    assert _seals(copy)[0].body["from_seq"] == 2


def test_a_new_sample_among_sealed_ones_is_set_aside(
    path: Path,
) -> None:
    last = fill(path)
    writer = Writer(path, settings=FAST)
    writer.start()
    writer.put_numeric("session-a", 1, spo2(-1))
    writer.put_numeric("session-a", last + 1, spo2(99))
    assert writer.close()
    assert verify(path).ok
    (told,) = Reader(path).audit_by_kind(None, {"refused"})
    assert "sealed already" in told.body["samples"][0]["reason"]
    assert Reader(path).numerics("session-a", "spo2").at_us.size == 41


def test_a_sample_that_comes_after_its_seal_is_set_aside_without_a_restart(
    path: Path, opened: Callable[..., Writer]
) -> None:
    writer = opened()
    writer.put_numeric("session-a", 5, spo2(0))
    until(lambda: writer.health().queued == 0)
    writer.put_audit(audit(6), session=session(ended_us=T0 + 60 * US))
    until(lambda: _seals(path))
    writer.put_numeric("session-a", 4, spo2(-1))
    writer.put_numeric("session-a", 5, spo2(0))
    until(lambda: writer.health().queued == 0)
    assert (writer.health().refused, writer.health().repeated) == (1, 1)
    assert writer.close()
    assert verify(path).ok


def test_sessions_are_sealed_apart(path: Path) -> None:
    fill(path)
    for uuid, rows in (("session-a", 40 + 40 + 3), ("session-b", 40 + 40)):
        assert [row.body["rows"] for row in _seals(path, uuid)] == [rows]


@pytest.mark.parametrize("change", ["unit", "device", "key", "loinc", "rate_hz"])
def test_a_seal_covers_what_its_channels_mean(path: Path, change: str) -> None:
    fill(path)
    connection = raw(path)
    (row,) = Reader(path).audit_by_kind("session-a", {"seal"})
    args = (1, row.body["from_seq"], row.body["to_seq"])
    assert seal.digest(connection, *args).sha256 == row.body["sha256"]
    connection.execute("DROP TRIGGER channel_no_update")
    connection.execute(f"UPDATE channel SET {change} = 7 WHERE channel_id = 1")  # noqa: S608
    assert seal.digest(connection, *args).sha256 != row.body["sha256"]
    connection.close()


def test_the_body_of_a_seal_is_json_that_anybody_can_read(path: Path) -> None:
    fill(path)
    connection = raw(path)
    ((text,), _) = select(connection, "SELECT body FROM audit WHERE kind = 'seal'")
    connection.close()
    assert list(json.loads(text)) == ["from_seq", "rows", "sha256", "to_seq"]
