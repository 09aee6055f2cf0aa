"""The disk is full, locked, silent or damaged: monitoring goes on, and nothing is lost."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.store.build import (
    FAST,
    T0,
    Done,
    audit,
    fill,
    opened,
    pleth,
    raw,
    session,
    spo2,
    station,
    until,
)
from vitals.model import Numeric
from vitals.store import commit
from vitals.store.connection import select
from vitals.store.pace import WriterSettings
from vitals.store.reader import Reader
from vitals.store.rows import SessionRecord
from vitals.store.verify import verify
from vitals.store.writer import Writer


class States:
    """What the station was told."""

    def __init__(self) -> None:
        self.told: list[tuple[bool, str]] = []

    def __call__(self, recording: bool, detail: str) -> None:
        self.told.append((recording, detail))

    @property
    def recording(self) -> bool:
        return self.told[-1][0]

    @property
    def detail(self) -> str:
        return self.told[-1][1]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def _use_up(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return filler


def test_a_full_disk_loses_nothing_and_is_told_within_the_limit(small_disk: Path) -> None:
    path, states, done = small_disk / "vitals.db", States(), Done()
    settings = replace(FAST, least_free=0)
    writer = opened(path, settings, on_state=states)
    until(lambda: states.told)
    filler = _use_up(small_disk)
    began, seq = time.monotonic(), 1
    while not states.told or states.recording:
        for _ in range(50):
            seq += 1
            writer.put_numeric("session-a", seq, spo2(seq))
        seq += 1
        writer.put_audit(audit(seq), done.of(seq))
        assert time.monotonic() - began < 20
        time.sleep(0.005)
    assert "the disk is full; free some space" in states.detail
    acknowledged = len(done.answers)
    found = Reader(path).audit_by_kind("session-a", {"note"})
    assert acknowledged <= len(found)

    for _ in range(500):
        seq += 1
        writer.put_wave("session-a", seq, pleth(seq))
    seq += 1
    writer.put_audit(audit(seq), done.of(seq))
    assert writer.health().queued > 500
    filler.unlink()
    until(lambda: states.recording and writer.health().queued == 0)
    assert writer.close()
    assert {ok for _, ok in done.answers} == {True}
    assert [number for number, _ in done.answers] == sorted(number for number, _ in done.answers)
    notes = [row.seq for row in Reader(path).audit_by_kind("session-a", {"note"})]
    assert notes == [number for number, _ in done.answers]
    samples = Reader(path).numerics("session-a", "spo2").at_us.size
    assert samples + len(notes) + 500 == seq - 1
    assert len(Reader(path).waves("session-a", "pleth")) == 500
    assert writer.health().shed == 0
    assert verify(path).ok


def test_what_had_to_be_given_up_is_told_in_the_trail(small_disk: Path) -> None:
    path, states = small_disk / "vitals.db", States()
    settings = replace(FAST, least_free=0, most_rows=60, batch_rows=20)
    writer = opened(path, settings, on_state=states)
    filler = _use_up(small_disk)
    for seq in range(2, 402):  # some of it may still fit
        writer.put_numeric("session-a", seq, Numeric("cuff", "nibp_sys", T0 + seq, 120.0))
    until(lambda: not states.recording)
    for seq in range(402, 600):
        writer.put_wave("session-a", seq, pleth(seq))
        writer.put_numeric("session-a", 1000 + seq, spo2(seq))
    writer.put_audit(audit(2000))
    shed = writer.health().shed
    assert shed > 300
    filler.unlink()
    until(lambda: states.recording and writer.health().queued == 0)
    assert writer.close()
    reader = Reader(path)
    assert len(reader.nibp("session-a")) == 400
    assert len(reader.audit_by_kind("session-a", {"note"})) == 1
    told = [row.body for row in reader.audit_by_kind(None, {"shed"})]
    assert {body["session"] for body in told} == {"session-a"}
    waves, numerics = (sum(body[what] for body in told) for what in ("waves", "numerics"))
    assert waves + numerics == shed
    assert waves == 198 - len(reader.waves("session-a", "pleth"))
    assert numerics == 198 - reader.numerics("session-a", "spo2").at_us.size
    assert verify(path).ok


def test_a_record_that_is_locked_for_a_while_loses_nothing(path: Path) -> None:
    states, done = States(), Done()
    writer = opened(path, on_state=states)
    other = raw(path)
    other.execute("BEGIN IMMEDIATE")
    for seq in range(2, 200):
        writer.put_numeric("session-a", seq, spo2(seq))
    writer.put_audit(audit(200), done.of(200))
    until(lambda: not states.recording)
    assert "another program has locked the record; close it" in states.detail
    assert done.answers == []
    assert Reader(path).numerics("session-a", "spo2").at_us.size == 0
    other.execute("ROLLBACK")
    other.close()
    until(lambda: states.recording)
    until(lambda: done.answers == [(200, True)])
    assert [recording for recording, _ in states.told] == [True, False, True]
    assert writer.close()
    assert Reader(path).numerics("session-a", "spo2").at_us.size == 198
    assert verify(path).ok


def test_a_short_lock_is_nobodys_business(path: Path) -> None:
    states = States()
    writer = opened(path, replace(FAST, stall_s=60.0), on_state=states)
    other = raw(path)
    other.execute("BEGIN IMMEDIATE")
    writer.put_audit(audit(2))
    until(lambda: "locked" in writer._trouble)
    other.execute("ROLLBACK")
    other.close()
    until(lambda: writer.health().queued == 0)
    assert [recording for recording, _ in states.told] == [True]
    writer.close()


def test_closing_while_locked_answers_false_and_says_so(path: Path) -> None:
    done = Done()
    writer = opened(path)
    other = raw(path)
    other.execute("BEGIN IMMEDIATE")
    writer.put_audit(audit(2), done.of(2))
    assert writer.close(timeout_s=0.3) is False
    assert done.answers == [(2, False)]
    other.execute("ROLLBACK")
    other.close()


def test_a_commit_that_hangs_is_noticed_without_the_thread(path: Path) -> None:
    states, gate = States(), threading.Event()
    gate.set()

    def free(folder: Path) -> int:
        gate.wait(20)
        return 10**12

    now = [1000.0]
    settings = WriterSettings(group_s=0.0, stall_s=2.0, look_s=0.0)
    writer = Writer(
        path, settings=settings, on_state=states, free_bytes=free, monotonic=lambda: now[0]
    )
    writer.start()
    writer.put_audit(audit(1), session=session())
    until(lambda: writer.health().queued == 0)
    assert not writer.stalled(1000.0)

    gate.clear()
    writer.put_audit(audit(2))  # its commit ends in `free`
    until(lambda: writer.health().commits == 2)
    writer.put_numeric("session-a", 3, spo2(0))
    assert not writer.stalled(1001.9)
    assert states.recording
    assert writer.stalled(1002.1)
    assert states.told[-1] == (False, f"{path}: the disk has not answered for 2 s; check it")

    gate.set()
    until(lambda: writer.health().queued == 0)
    assert not writer.stalled(1003.0)
    assert states.recording
    assert writer.close()


def test_not_recording_never_outlasts_its_cause(path: Path) -> None:
    states = States()
    writer = opened(path, on_state=states)
    writer._state.report(False, "said while the commit was just coming through")
    assert not writer.stalled(time.monotonic())
    assert states.told[-1] == (True, "")
    writer.close()


def test_a_thread_that_died_is_noticed(path: Path) -> None:
    states = States()
    writer = Writer(path, on_state=states, settings=FAST)  # never started
    writer.put_audit(audit(1), session=session())
    assert writer.stalled(time.monotonic() + 10)
    assert not states.recording
    writer.close()


def test_little_space_is_a_warning_and_recording_goes_on(path: Path) -> None:
    states, free = States(), [500 * 1024 * 1024]
    writer = opened(path, on_state=states, free_bytes=lambda folder: free[0])
    assert states.told[-1] == (
        True,
        f"{path}: only 500 MiB are left on the disk; free some space",
    )
    assert writer.health().free_bytes == free[0]
    free[0] = 2 * 10**9
    writer.put_audit(audit(2))
    until(lambda: states.told[-1] == (True, ""))
    writer.close()


def test_a_reader_that_never_leaves_is_warned_of_when_the_log_grows(path: Path) -> None:
    states = States()
    writer = opened(path, replace(FAST, most_log=100_000), on_state=states)
    other = raw(path)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM audit").fetchall()
    for seq in range(2, 12):
        writer.put_audit(audit(seq, body={"text": "x" * 20_000}))
    until(lambda: "its log has grown" in states.detail)
    assert states.recording
    assert writer.health().log_bytes > 100_000
    other.close()
    writer.close()


def test_a_damaged_file_at_the_start_is_set_aside_and_the_trail_says_so(path: Path) -> None:
    fill(path)
    path.write_bytes(path.read_bytes()[:5000] + bytes(5000))
    states = States()
    writer = opened(path, on_state=states)
    assert writer.quarantined is not None
    assert writer.quarantined.exists()
    assert states.recording
    assert f"set aside as {writer.quarantined.name}" in states.detail
    assert writer.close()
    first, *_ = Reader(path).audit(None)
    assert (first.n, first.kind, first.body["file"]) == (1, "quarantine", writer.quarantined.name)
    assert verify(path).ok


def _spoil(path: Path, table: str) -> None:
    """Overwrites the leaves of one table."""
    connection = raw(path)
    leaves = select(
        connection,
        "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf'",
        (table,),
    )
    connection.close()
    content = bytearray(path.read_bytes())
    for (page,) in leaves:
        content[(page - 1) * 4096 : page * 4096] = b"\x5a" * 4096
    path.write_bytes(content)


def test_an_open_session_goes_on_when_the_damage_is_elsewhere(path: Path) -> None:
    last = fill(path)
    _spoil(path, "numeric")
    writer = Writer(path, now_us=lambda: T0, settings=FAST)
    assert writer.quarantined is not None
    assert writer.last_seq() > 10**15 > last
    assert writer.station == station()
    writer.start()
    writer.put_numeric("session-a", writer.last_seq() + 1, spo2(0))
    assert writer.close()
    reader = Reader(path)
    assert reader.sessions() == [SessionRecord(session(), "Europe/Berlin", "limits", "rooms")]
    assert reader.audit(None)[0].body["sessions"] == ["session-a"]
    assert reader.numerics("session-a", "spo2").at_us.size == 1
    assert verify(path).ok
    assert len(Reader(writer.quarantined).audit("session-a")) > 10


def test_a_session_that_the_trail_does_not_confirm_does_not_go_on(path: Path) -> None:
    fill(path)
    connection = raw(path)
    connection.execute("UPDATE session SET subject_ref = 'P-018' WHERE uuid = 'session-a'")
    connection.execute("UPDATE station SET anchor_us = 5")
    connection.close()
    _spoil(path, "numeric")
    writer = Writer(path, settings=FAST)
    assert writer.station is None
    assert writer.close()
    assert Reader(path).sessions() == []
    assert verify(path).ok


def test_a_new_file_that_cannot_be_begun_at_once_is_begun_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(path)
    _spoil(path, "numeric")
    whole, full = commit.Committer.start_anew, [apsw.FullError("database or disk is full")]

    def fails_once(self: commit.Committer, *args: Any) -> None:
        if full:
            raise full.pop()
        whole(self, *args)

    monkeypatch.setattr(commit.Committer, "start_anew", fails_once)
    writer = Writer(path, now_us=lambda: T0, settings=FAST)
    writer.start()
    seq, done = writer.last_seq(), Done()
    writer.put_audit(audit(seq), done.of(seq))
    until(lambda: done.answers == [(seq, True)])
    assert writer.close()
    assert Reader(path).audit(None)[0].kind == "quarantine"
    assert verify(path).ok


def test_damage_found_while_writing_moves_the_session_to_a_new_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states, done, whole = States(), Done(), commit.Committer.commit
    writer = opened(path, on_state=states)
    broken: list[bool] = []

    def breaks_once(self: commit.Committer, *args: Any) -> commit.Outcome:
        if not broken:
            broken.append(True)
            raise apsw.CorruptError("database disk image is malformed")
        return whole(self, *args)

    monkeypatch.setattr(commit.Committer, "commit", breaks_once)
    writer.put_numeric("session-a", 2, spo2(0))
    writer.put_audit(audit(3, "dose"), done.of(3), session=session(dose_us=T0 + 5))
    until(lambda: done.answers == [(3, True)])
    assert writer.close()
    assert writer.quarantined is not None
    assert Path(f"{writer.quarantined}-wal").stat().st_size > 0  # its log is kept as it was
    old, new = Reader(writer.quarantined), Reader(path)
    assert old.sessions() == [SessionRecord(session(), "Europe/Berlin", "limits", "rooms")]
    texts = ("Europe/Berlin", "limits", "rooms")
    assert new.sessions() == [SessionRecord(session(dose_us=T0 + 5), *texts)]
    assert new.station() == station()
    assert new.numerics("session-a", "spo2").at_us.size == 1
    assert new.audit(None)[0].body["sessions"] == ["session-a"]
    assert verify(path).ok
    assert verify(writer.quarantined).ok


def test_an_error_that_nobody_foresaw_is_tried_again_too(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, whole = Done(), commit.Committer.commit
    errors: list[Exception] = [RuntimeError("?"), MemoryError(), apsw.IOError("disk I/O error")]
    writer = opened(path)

    def breaks(self: commit.Committer, *args: Any) -> commit.Outcome:
        if errors:
            raise errors.pop()
        return whole(self, *args)

    monkeypatch.setattr(commit.Committer, "commit", breaks)
    writer.put_numeric("session-a", 2, spo2(0))
    writer.put_audit(audit(3), done.of(3))
    until(lambda: done.answers == [(3, True)])
    assert writer.close()
    assert errors == []
    assert Reader(path).numerics("session-a", "spo2").at_us.size == 1
    assert verify(path).ok


@pytest.mark.parametrize("hindrance", ["locked", "other station"])
def test_a_record_that_cannot_be_opened_yet_is_opened_when_it_can(
    path: Path, hindrance: str
) -> None:
    last = fill(path)
    release: Callable[[], object]
    if hindrance == "locked":
        other = raw(path)
        other.pragma("locking_mode", "exclusive")
        other.execute("BEGIN EXCLUSIVE")
        release, word = other.close, "locked the record"
    else:
        first = Writer(path)
        release, word = first.close, f"another station (process {os.getpid()})"
    states, done = States(), Done()
    writer = Writer(path, settings=FAST, on_state=states)
    assert writer.last_seq() > 10**15
    seq = writer.last_seq() + 1
    writer.start()
    writer.put_audit(audit(seq), done.of(seq))
    until(lambda: states.told and not states.recording)
    assert word in states.detail
    release()
    until(lambda: done.answers == [(seq, True)])
    until(lambda: states.recording)
    assert writer.close()
    assert [row.seq for row in Reader(path).audit("session-a")][-1] == seq > last
    assert verify(path).ok
