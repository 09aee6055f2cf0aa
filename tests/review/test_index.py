"""The list of sessions: what it says of each, how it follows the record, and its file."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest

from dashboard.review import index, index_file
from dashboard.review.index import Index
from dashboard.review.index_query import Question
from tests.bench.many_sessions import multiply
from tests.export import records
from vitals.errors import StoreError
from vitals.model import US
from vitals.store.connection import open_for_writing
from vitals.store.reader import Reader
from vitals.store.rows import AuditRow, SessionRecord
from vitals.store.writer import Writer

KEY = bytes(range(32))
ALL = Question(limit=1000)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record of nine sessions of ten minutes in four rooms."""
    path: Path = tmp_path_factory.mktemp("template") / "ward.db"
    records.write(path, 600, pleth=False)
    multiply(path, 8, lanes=4)
    return path


@pytest.fixture
def store(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(template, tmp_path / "ward.db"))


@pytest.fixture
def opened() -> Iterator[Callable[..., Index]]:
    made: list[Index] = []

    def make(store: Path, key: bytes | None = None, slice_s: float = 60.0) -> Index:
        made.append(Index(store, key, slice_s))
        return made[-1]

    yield make
    for one in made:
        one.close()
    index.forget()


def ask(found: Index, question: Question = ALL, rooms: Any = None) -> dict[str, Any]:
    """The answer as it leaves the process."""
    answer: dict[str, Any] = json.loads(json.dumps(found.answer(question, rooms)))
    return answer


def add(store: Path, *rows: AuditRow, key: bytes | None = None, **changes: Any) -> None:
    """Puts rows of the template's session behind the chain, as a station does."""
    writer = Writer(store, key=key, now_us=lambda: records.NOW_US)
    seq = writer.last_seq() + 1
    session = records.session(600, **changes)
    for row in rows:
        row = replace(row, seq=seq)
        seq += 1
        writer.put_audit(row, session=SessionRecord(session) if changes else None)
    assert writer.close(60)


def row(kind: str, body: dict[str, Any], uuid: str | None = records.UUID) -> AuditRow:
    return AuditRow(0, records.at(700), uuid, "room-1", "Anna", "nurse", kind, body)


def test_a_session_has_its_answers(store: Path, opened: Callable[..., Index]) -> None:
    answer = ask(opened(store))
    assert (answer["total"], answer["pending"], answer["unreadable"]) == (9, 0, [])
    (one,) = [each for each in answer["sessions"] if each["id"] == records.UUID]
    assert one["subject_ref"] == "KV-0417"
    assert (one["room"], one["route"], one["mode"]) == ("room-1", "im", "real")
    assert one["state"] == "recovered"
    assert one["utc_offset_s"] == 3600
    assert one["peak"] == {"sys": 131.0, "dia": 82.5, "minute": pytest.approx(5.99, abs=0.01)}
    assert one["lowest_spo2"]["value"] == 93.0
    assert one["alarms"] == {"high": 1, "medium": 0, "low": 0}
    assert one["nibp"] == {"planned": 2, "taken": 1}
    assert 80 < one["coverage"]["spo2"] < 100
    assert (one["owed"], one["addenda"], one["signatures"]) == ([], 0, 0)
    assert one["worked_out"]


def test_work_is_done_in_slices_and_the_newest_come_first(
    store: Path, opened: Callable[..., Index]
) -> None:
    slow = opened(store, slice_s=0.0)
    for known in range(1, 10):
        answer = ask(slow)
        assert answer["pending"] == 9 - known
        assert [each["worked_out"] for each in answer["sessions"]] == [True] * known + [False] * (
            9 - known
        )
    unknown = ask(opened(store, slice_s=-1.0))["sessions"]
    assert all(each["worked_out"] for each in unknown)  # from the file


def test_facts_that_are_not_known_yet_are_null_and_sorted_last(
    store: Path, opened: Callable[..., Index]
) -> None:
    slow = opened(store, slice_s=0.0)
    for sort in ("peak", "-peak", "alarms", "-alarms"):
        answer = ask(slow, replace(ALL, sort=sort))["sessions"]
        known = [each["worked_out"] for each in answer]
        assert known == sorted(known, reverse=True)
        assert all(each["alarms"] is None and each["nibp"] is None for each in answer if not each["worked_out"])  # fmt: skip  # noqa: E501


def test_an_addendum_changes_the_answer_of_its_session_alone(
    store: Path, opened: Callable[..., Index], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = opened(store)
    ask(found)
    worked: list[str] = []
    before = index._facts
    monkeypatch.setattr(
        index, "_facts", lambda reader, uuid: worked.append(uuid) or before(reader, uuid)
    )
    ask(found)
    assert worked == []
    add(store, row("addendum", {"text": "late"}))
    (one,) = [each for each in ask(found)["sessions"] if each["addenda"]]
    assert (one["id"], worked) == (records.UUID, [records.UUID])
    assert not one["signed_last"]
    add(store, row("signature", {"statement": "reviewed"}))
    (one,) = [each for each in ask(found)["sessions"] if each["signatures"]]
    assert one["signed_last"]
    add(store, row("addendum", {"text": "later"}))
    (one,) = [each for each in ask(found)["sessions"] if each["signatures"]]
    assert (one["addenda"], one["signed_last"]) == (2, False)


def test_who_has_looked_at_a_session_is_no_growth(
    store: Path, opened: Callable[..., Index], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = opened(store)
    ask(found)
    monkeypatch.setattr(index, "_facts", None)
    add(store, row("station_event", {"event": "web"}))
    assert ask(found)["pending"] == 0


def test_a_session_that_goes_on_is_listed_at_once_and_never_waited_for(
    store: Path, opened: Callable[..., Index], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = opened(store)
    ask(found)
    uuid = "11111111-6e1b-5d9b-8a55-0123456789ab"
    new = {"id": uuid, "ended_us": None, "subject_ref": "KV-9", "started_us": records.at(90_000)}
    add(store, row("session_change", {"cause": "opened"}, uuid), **new)
    first = ask(found)["sessions"][0]
    assert (first["subject_ref"], first["state"], first["worked_out"]) == ("KV-9", "open", True)
    add(store, row("mark", {"text": "calm"}, uuid))
    monkeypatch.setattr(index, "REFRESH_S", 0.0)
    monkeypatch.setattr(index, "_facts", _unavailable)
    answer = ask(found)  # its facts are those of before, and nobody waits for newer ones
    assert (answer["pending"], answer["sessions"][0]["worked_out"]) == (0, True)
    ended = {**new, "ended_us": records.at(90_600)}
    add(store, row("session_change", {"cause": "closed", "owed": [["x", "MOAA/S"]]}, uuid), **ended)
    assert ask(found)["pending"] == 1
    monkeypatch.undo()
    assert ask(found)["sessions"][0]["owed"] == ["MOAA/S"]


def _unavailable(*_: Any) -> Any:
    raise StoreError("ward.db: another program has locked the record; close it")


def test_a_new_process_starts_from_the_file(
    store: Path, opened: Callable[..., Index], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ask(opened(store))
    file = store.with_name("ward.db.index")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    monkeypatch.setattr(index, "_facts", None)
    assert ask(opened(store)) == before


def test_the_file_may_be_deleted_or_damaged_at_any_time(
    store: Path, opened: Callable[..., Index], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = opened(store)
    before = ask(found)
    file = store.with_name("ward.db.index")
    file.unlink()
    assert ask(found) == before
    add(store, row("addendum", {"text": "late"}))
    after = ask(found)
    whole = file.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(index, "_facts", None)
        assert ask(opened(store)) == after  # all sessions are in it again
    for content in (b"", b"nonsense" * 100, whole[:5000], whole[:4096] + bytes(len(whole) - 4096)):
        file.write_bytes(content)
        assert ask(opened(store)) == after
    assert ask(opened(store)) == after


def test_a_file_of_another_version_is_made_anew(
    store: Path, opened: Callable[..., Index], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ask(opened(store))
    monkeypatch.setattr(index_file, "_NAME", "another")
    assert ask(opened(store, slice_s=0.0))["pending"] == 8
    assert ask(opened(store)) == before


def test_another_record_in_its_place_is_noticed(
    store: Path, opened: Callable[..., Index], tmp_path: Path
) -> None:
    found = opened(store)
    backup = shutil.copy(store, tmp_path / "backup.db")
    add(store, row("addendum", {"text": "late"}))
    assert sum(each["addenda"] for each in ask(found)["sessions"]) == 1
    for suffix in ("-wal", "-shm"):
        Path(f"{store}{suffix}").unlink(missing_ok=True)
    shutil.copy(backup, store)  # an older copy, put back
    assert sum(each["addenda"] for each in ask(found)["sessions"]) == 0
    store.unlink()
    records.write(store, 60, pleth=False, subject_ref="KV-NEW")
    for each in (found, opened(store)):
        assert [one["subject_ref"] for one in ask(each)["sessions"]] == ["KV-NEW"]


def test_the_index_of_an_encrypted_record_is_encrypted(
    tmp_path: Path, opened: Callable[..., Index]
) -> None:
    store = tmp_path / "ward.db"
    writer = Writer(store, key=KEY, now_us=lambda: records.START_US)
    opening = SessionRecord(records.session(60, subject_ref="SECRET-PSEUDONYM"), "+0100")
    writer.put_audit(row("session_change", {"cause": "opened"}), session=opening)
    assert writer.close(60)
    before = ask(opened(store, KEY))
    assert before["sessions"][0]["subject_ref"] == "SECRET-PSEUDONYM"
    content = store.with_name("ward.db.index").read_bytes()
    assert b"SECRET" not in content
    assert b"SQLite format 3" not in content
    assert ask(opened(store, KEY)) == before
    with pytest.raises(StoreError, match="encrypted"):
        ask(opened(store))


def test_where_the_file_cannot_be_written_the_list_works(
    store: Path, opened: Callable[..., Index], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = store.with_name("ward.db.index")
    file.mkdir()  # nothing can be written there, not even by root
    found = opened(store, slice_s=0.0)
    for left in range(8, -1, -1):
        assert ask(found)["pending"] == left
    file.rmdir()
    assert not file.exists()
    monkeypatch.setattr(index_file, "AGAIN_S", 0.0)
    found._file._retry_at = 0.0
    add(store, row("addendum", {"text": "late"}))
    after = ask(found)
    monkeypatch.setattr(index, "_facts", None)
    assert ask(opened(store)) == after  # all of it was written


def test_a_disk_that_is_full_while_it_is_written_is_no_error(
    store: Path, opened: Callable[..., Index], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise apsw.FullError("database or disk is full")

    monkeypatch.setattr(index_file.IndexFile, "_write", full)
    assert ask(opened(store))["pending"] == 0


def test_two_processes_can_keep_the_same_file(store: Path, opened: Callable[..., Index]) -> None:
    one, other = opened(store, slice_s=0.0), opened(store, slice_s=0.0)
    while ask(one)["pending"] or ask(other)["pending"]:
        pass
    assert ask(one) == ask(other) == ask(opened(store))


def test_a_damaged_record_shows_what_can_be_read_and_says_so(
    store: Path, opened: Callable[..., Index]
) -> None:
    whole = ask(opened(store))
    store.with_name("ward.db.index").unlink()
    pages = _pages(store, "numeric")
    _destroy(store, pages[len(pages) // 3 : len(pages) // 3 + 8])
    answer = ask(opened(store))
    assert answer["total"] == whole["total"]
    damaged = [each for each in answer["sessions"] if each["unreadable"]]
    assert len(damaged) > 0
    assert all("The record is damaged: " in text for each in damaged for text in each["unreadable"])
    sound = [each for each in answer["sessions"] if not each["unreadable"]]
    known = {each["id"]: each for each in whole["sessions"]}
    assert all(each == known[each["id"]] for each in sound)


def test_sessions_that_cannot_be_read_at_all_are_told_in_one_sentence(
    store: Path, opened: Callable[..., Index]
) -> None:
    pages = _pages(store, "session")
    assert len(pages) > 1
    _destroy(store, pages[1:2])
    found = opened(store)
    answer = ask(found)
    assert 0 < answer["total"] < 9
    assert answer["unreadable"] == [
        "The record is damaged: some of its sessions cannot be read and are not in this list."
    ]
    assert ask(found)["total"] == answer["total"]
    assert ask(found)["unreadable"] == answer["unreadable"]


def test_a_record_whose_trail_is_damaged_still_has_a_list(
    store: Path, opened: Callable[..., Index]
) -> None:
    _destroy(store, _pages(store, "audit"))
    found = opened(store)
    answer = ask(found)
    assert (answer["total"], answer["pending"]) == (9, 0)
    assert answer["unreadable"]
    assert all(each["unreadable"] for each in answer["sessions"])
    assert ask(found) == answer


def test_times_that_are_no_times_are_told_and_the_session_listed(
    store: Path, opened: Callable[..., Index]
) -> None:
    connection = open_for_writing(store).connection
    connection.execute("UPDATE session SET started_us = 1 << 60, dose_us = -5 WHERE session_id = 1")
    connection.close()
    (one,) = [each for each in ask(opened(store))["sessions"] if each["unreadable"]]
    assert "times of this session are no real times" in one["unreadable"][0]
    assert one["started_us"] == 0


def test_no_record_is_an_empty_list_and_no_record_at_all_an_error(tmp_path: Path) -> None:
    empty = json.loads(index.listed(tmp_path / "none.db", Question()))
    assert empty == {
        "sessions": [],
        "total": 0,
        "pending": 0,
        "facets": {"rooms": [], "routes": [], "modes": []},
        "unreadable": [],
    }
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"this is not a record" * 100)
    with pytest.raises(StoreError):
        index.listed(broken, Question())


def test_a_person_sees_the_sessions_of_his_rooms_only(
    store: Path, opened: Callable[..., Index]
) -> None:
    found = opened(store, slice_s=0.0)
    answer = ask(found, rooms=frozenset({"room-2", "room-3"}))
    assert {each["room"] for each in answer["sessions"]} == {"room-2", "room-3"}
    assert answer["total"] == 4
    assert answer["facets"]["rooms"] == ["room-2", "room-3"]
    assert answer["pending"] <= 4
    other = replace(ALL, room="room-1")
    assert ask(found, other, rooms=frozenset({"room-2"}))["sessions"] == []
    assert ask(found, rooms=frozenset())["total"] == 0


def _pages(store: Path, table: str) -> list[int]:
    connection = apsw.Connection(str(store))
    try:
        found = connection.execute(
            "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY pageno",
            (table,),
        ).fetchall()
    finally:
        connection.close()
    return [page for (page,) in found]


def _destroy(store: Path, pages: list[int]) -> None:
    Reader(store).head()
    with store.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * 4096)
            file.write(os.urandom(4096))


def test_the_clinics_day_is_the_one_that_is_shown(
    store: Path, opened: Callable[..., Index]
) -> None:
    # 1,800,000,000 s is 2027-01-15 08:00 UTC
    late = records.START_US + 15 * 3600 * US + 30 * 60 * US  # 23:30 UTC is 00:30 at +0100
    uuid = "22222222-6e1b-5d9b-8a55-0123456789ab"
    new = {"id": uuid, "started_us": late, "ended_us": late + US, "subject_ref": "KV-LATE"}
    writer = Writer(store, now_us=lambda: records.NOW_US)
    opening = SessionRecord(records.session(600, **new), "+0100")
    opened_row = replace(
        row("session_change", {"cause": "opened"}, uuid), seq=writer.last_seq() + 1
    )
    writer.put_audit(opened_row, session=opening)
    assert writer.close(60)
    found = opened(store)
    on = ask(found, replace(ALL, from_day="2027-01-16", to_day="2027-01-16", words="late"))
    assert [each["subject_ref"] for each in on["sessions"]] == ["KV-LATE"]
    assert ask(found, replace(ALL, to_day="2027-01-15", words="late"))["total"] == 0


def test_a_damaged_index_of_the_trail_costs_no_row_of_it(
    store: Path, opened: Callable[..., Index]
) -> None:
    whole = ask(opened(store))
    store.with_name("ward.db.index").unlink()
    _destroy(store, _pages(store, "audit_by_session"))
    assert ask(opened(store)) == whole
