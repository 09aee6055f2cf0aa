"""The disk is pulled, the file or its lock deleted, another record there: nothing is lost."""

from __future__ import annotations

import logging
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.store.build import FAST, Done, audit, fill, opened, session, until
from tests.store.test_trouble import States
from vitals.store import commit
from vitals.store.claim import Claim, RecordInUse
from vitals.store.reader import Reader
from vitals.store.verify import verify


@dataclass
class Disk:
    """A disk of its own that appears in a folder, as one on a cable does."""

    itself: Path
    folder: Path

    def plug(self) -> None:
        subprocess.run(["mount", "--bind", self.itself, self.folder], check=True)

    def pull(self) -> None:
        subprocess.run(["umount", "--lazy", self.folder], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    found = Disk(tmp_path / "disk", tmp_path / "folder")
    found.itself.mkdir()
    found.folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", found.itself], check=True)
    found.plug()
    yield found
    subprocess.run(["umount", "--lazy", found.folder], check=False, stderr=subprocess.DEVNULL)
    subprocess.run(["umount", "--lazy", found.itself], check=True)


def notes(path: Path) -> list[int | None]:
    return [row.seq for row in Reader(path).audit_by_kind("session-a", {"note"})]


def test_a_pulled_disk_is_said_and_has_everything_when_it_is_back(disk: Disk) -> None:
    path, states, done = disk.folder / "vitals.db", States(), Done()
    writer = opened(path, replace(FAST, stall_s=0.2), on_state=states)
    disk.pull()
    for seq in range(2, 12):
        writer.put_audit(audit(seq), done.of(seq))
    until(lambda: not states.recording)
    assert states.detail == f"{path}: the record's disk is away; connect it again"
    assert not list(disk.folder.iterdir()), "no second record begins where the disk was"
    assert not done.answers
    disk.plug()
    until(lambda: len(done.answers) == 10)
    until(lambda: states.recording)
    assert all(ok for _, ok in done.answers)
    assert writer.close()
    assert writer.quarantined is None
    assert notes(path)[-10:] == list(range(2, 12))
    assert verify(path).ok


def test_another_disk_with_an_older_record_is_not_written_as_if_it_were_this_one(
    disk: Disk, tmp_path: Path
) -> None:
    path, states, done = disk.folder / "vitals.db", States(), Done()
    writer = opened(path, replace(FAST, stall_s=0.2), on_state=states)
    writer.put_audit(audit(2), done.of(2), session=session("session-new", room="room-3"))
    until(lambda: done.answers)
    disk.pull()
    writer.put_audit(audit(200, session="session-new"), done.of(200))
    until(lambda: not states.recording)
    fill(tmp_path / "older.db")
    shutil.copy(tmp_path / "older.db", path)
    until(lambda: len(done.answers) == 2)
    assert done.answers[1] == (200, True)
    assert writer.close()
    assert writer.quarantined is not None
    assert verify(writer.quarantined).ok, "what stood there is set aside as it was"
    still_open = {s.session.id for s in Reader(path).open_sessions()}
    assert still_open == {"session-a", "session-new"}
    assert verify(path).ok


def test_a_record_that_is_deleted_while_its_disk_fails_goes_on_with_its_session(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, done = opened(path), Done()
    until(lambda: writer.health().queued == 0)
    whole, failures = commit.Committer.commit, [apsw.IOError("disk I/O error")]

    def fails(self: commit.Committer, *args: Any) -> commit.Outcome:
        if failures:
            for name in path.parent.glob(f"{path.name}*"):
                name.unlink()
            raise failures.pop()
        return whole(self, *args)

    monkeypatch.setattr(commit.Committer, "commit", fails)
    writer.put_audit(audit(2), done.of(2))
    until(lambda: done.answers == [(2, True)])
    assert writer.close()
    assert [s.session.id for s in Reader(path).open_sessions()] == ["session-a"]
    assert notes(path) == [2]
    assert Reader(path).audit(None)[0].body["file"] == "", "nothing could be set aside"
    assert not list(path.parent.glob("*.corrupt.*"))
    assert verify(path).ok


def test_a_lock_that_was_deleted_is_taken_again(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer, done = opened(path), Done()
    Path(f"{path}.lock").unlink()
    with caplog.at_level(logging.WARNING):
        writer.put_audit(audit(2), done.of(2))
        until(lambda: done.answers == [(2, True)])
    assert f"{path}.lock was deleted or replaced; it is made again" in caplog.messages
    with pytest.raises(RecordInUse):
        Claim(path)
    assert writer.close()


def test_two_stations_never_write_one_record_even_when_its_lock_was_deleted(path: Path) -> None:
    states, done = States(), Done()
    writer = opened(path, replace(FAST, stall_s=0.2), on_state=states)
    until(lambda: writer.health().queued == 0)
    before = notes(path)
    Path(f"{path}.lock").unlink()
    second = Claim(path)
    writer.put_audit(audit(2), done.of(2))
    until(lambda: not states.recording)
    assert "another station (process" in states.detail
    assert notes(path) == before
    second.release()
    until(lambda: done.answers == [(2, True)])
    assert writer.close()
    assert verify(path).ok


def test_a_fault_around_a_commit_does_not_end_the_recording(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[Path] = []

    def free(folder: Path) -> int:
        asked.append(folder)
        if len(asked) in (2, 3):
            raise ArithmeticError("a fault of ours")
        return 10**12

    done = Done()
    with caplog.at_level(logging.ERROR):
        writer = opened(path, replace(FAST, look_s=0.0), free_bytes=free)
        for seq in range(2, 8):
            writer.put_audit(audit(seq), done.of(seq))
            until(lambda seq=seq: len(done.answers) == seq - 1)  # type: ignore[misc]
    assert all(ok for _, ok in done.answers)
    assert writer.health().recording
    assert writer.close()
    assert caplog.messages.count("the writer of the record has a fault, and goes on") == 2
    assert notes(path)[-6:] == list(range(2, 8))
    assert verify(path).ok
