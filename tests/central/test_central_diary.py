"""The centre's own file of reads and accounts: only appended to, and a change of it is found."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from dashboard import central_review
from dashboard.auth import Auth
from dashboard.central_diary import CentralDiary, broken
from tests.dashboard import people
from vitals import people_file


def noted_lines(path: Path, count: int) -> None:
    async def note() -> None:
        auth = Auth(path.with_suffix(".people"), lock_s=600, required=False)
        diary = CentralDiary(auth, path)
        for n in range(count):
            diary.note("export", name=f"N{n}", session="s", role="nurse")
        await diary.close()
        await auth.close()

    asyncio.run(note())


def test_a_changed_or_deleted_line_is_found(tmp_path: Path) -> None:
    path = tmp_path / "reads.jsonl"
    noted_lines(path, 3)
    noted_lines(path, 2)
    assert broken(path) == 0
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 5
    path.write_bytes(b"".join(lines).replace(b"N1", b"N9"))
    assert broken(path) == 3
    path.write_bytes(b"".join(lines[:1] + lines[2:]))
    assert broken(path) == 2
    path.write_bytes(b"".join(lines[1:]))
    assert broken(path) == 1


def test_a_line_that_was_cut_off_takes_no_other_with_it(tmp_path: Path) -> None:
    path = tmp_path / "reads.jsonl"
    noted_lines(path, 2)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    noted_lines(path, 1)
    first, torn, last = path.read_bytes().splitlines()
    assert whole.startswith(first + b"\n" + torn)
    assert json.loads(last)["name"] == "N0"
    assert broken(path) == 2


def test_notes_wait_while_the_file_cannot_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.touch()

    async def note() -> None:
        auth = Auth(tmp_path / "central.people", lock_s=600, required=False)
        diary = CentralDiary(auth, folder / "reads.jsonl")
        diary.note("export", name="Ann", session="s")
        assert await diary._send() is False
        assert diary.waiting == 1
        folder.unlink()
        assert await diary._send() is True
        assert (diary.waiting, diary.told) == (0, 1)
        await auth.close()

    asyncio.run(note())


def test_what_happens_to_accounts_is_noted_in_the_same_file_and_once(tmp_path: Path) -> None:
    base = tmp_path / "central"
    people.add(base, "ann", name="Ann K.")

    async def note() -> None:
        auth = Auth(people_file.path_of(base), lock_s=600, required=False)
        event = {"what": "user_added", "name": "root", "user": "ann", "at_us": 1}
        await auth.store.write(event)
        diary = central_review.diary(auth, tmp_path)
        while await diary._send():
            pass
        assert not await auth.store.events()
        await auth.close()

    asyncio.run(note())
    asyncio.run(note())
    file = tmp_path / central_review.READS
    told = [json.loads(line) for line in file.read_text().splitlines()]
    assert [one["what"] for one in told].count("user_added") == 2
    assert len({one["id"] for one in told}) == len(told)
    assert broken(file) == 0
