from __future__ import annotations

import logging
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from tests.store.build import FAST, audit, opened, pleth, spo2, until
from vitals.store import reserve as reserving
from vitals.store.reader import Reader
from vitals.store.reserve import Reserve, is_full
from vitals.store.verify import verify

SIZE = 1 << 20
PLENTY = 10**12


@pytest.fixture
def file(path: Path) -> Path:
    return Path(f"{path}.reserve")


def test_space_is_really_taken_and_private(path: Path, file: Path) -> None:
    Reserve(path, SIZE).hold(PLENTY)
    found = file.stat()
    assert found.st_size == SIZE
    assert found.st_blocks * 512 >= SIZE  # no sparse file: that would keep nothing free
    assert stat.S_IMODE(found.st_mode) == 0o600


@pytest.mark.parametrize(("size", "free"), [(0, PLENTY), (SIZE, 4 * SIZE - 1)])
def test_no_space_is_taken_where_there_is_little_or_none_is_wanted(
    path: Path, file: Path, size: int, free: int
) -> None:
    reserve = Reserve(path, size)
    reserve.hold(free)
    assert not file.exists()
    assert not reserve.give()
    assert not reserve.is_spent


def test_it_is_given_once_and_made_again(path: Path, file: Path) -> None:
    reserve = Reserve(path, SIZE)
    reserve.hold(PLENTY)
    assert reserve.give()
    assert not file.exists()
    assert reserve.is_spent
    assert not reserve.give()
    reserve.hold(PLENTY)
    assert not reserve.is_spent
    reserve.close()
    assert not file.exists()


def test_a_file_that_cannot_be_made_leaves_nothing(
    path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    Reserve(path, SIZE).hold(PLENTY)
    assert not file.exists()


def test_only_a_full_disk_counts() -> None:
    assert is_full(apsw.FullError())
    assert not is_full(apsw.BusyError())
    assert not is_full(apsw.IOError())


def test_on_a_full_disk_waveforms_go_and_everything_else_is_recorded(
    path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[bool, str]] = []
    free = [PLENTY]
    writer = opened(
        path,
        replace(FAST, reserve_bytes=SIZE),
        free_bytes=lambda folder: free[0],
        on_state=lambda *state: told.append(state),
    )
    assert file.exists()
    free[0] = 0
    committer = writer._file.open()
    commit = type(committer).commit

    def fails_while_held(self: object, *args: object) -> object:
        if file.exists():
            raise apsw.FullError("database or disk is full")
        return commit(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(type(committer), "commit", fails_while_held)
    writer.put_audit(audit(2))
    until(lambda: writer.health().queued == 0)
    for n in range(5):
        writer.put_wave("session-a", 10 + 2 * n, pleth(n))
        writer.put_numeric("session-a", 11 + 2 * n, spo2(n))
    writer.put_audit(audit(30))
    until(lambda: writer.health().queued == 0)
    assert writer.health().shed == 5
    assert Reader(path).counts("session-a") == (5, 0)
    assert told[-1][0]
    assert "waveforms are no longer recorded" in told[-1][1]
    assert all(recording for recording, _ in told)

    monkeypatch.setattr(type(committer), "commit", commit)
    free[0] = PLENTY
    writer.put_audit(audit(31))
    until(lambda: told[-1] == (True, ""))
    writer.put_wave("session-a", 40, pleth(40))
    until(lambda: writer.health().queued == 0)
    assert Reader(path).counts("session-a") == (5, 1)
    assert file.exists()
    assert writer.close()
    assert not file.exists()
    assert verify(path).ok
    (row,) = [row for row in Reader(path).audit(None) if row.kind == "shed"]
    assert row.body["waves"] == 5


_FULL_DISK = """
import sys, time
from dataclasses import replace
from pathlib import Path
from tests.store.build import FAST, audit, opened, until
disk = Path(sys.argv[1])
writer = opened(disk / "vitals.db", replace(FAST, reserve_bytes=1 << 20))
assert (disk / "vitals.db.reserve").exists()
try:
    (disk / "filler").write_bytes(bytes(1 << 24))
except OSError:
    pass
done = []
for seq in range(2, 42):
    row = audit(seq, body={"text": "x" * 500})
    writer.put_audit(row, done.append)
    until(lambda: len(done) == seq - 1)
assert all(done), done.count(False)
assert not (disk / "vitals.db.reserve").exists()
(disk / "filler").unlink()
writer.put_audit(audit(1000))
until((disk / "vitals.db.reserve").exists)
assert writer.close()
print("recorded", len(done))
"""


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="a small disk needs a mount of its own"
)
def test_on_a_disk_that_is_really_full_alarms_are_recorded(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    script = (
        f"mount -t tmpfs -o size=8m tmpfs {disk} && exec {sys.executable} -c '{_FULL_DISK}' {disk}"
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stderr
    assert "recorded 40" in done.stdout


def test_that_no_space_can_be_kept_is_said_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuses(handle: int, size: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(reserving, "_allocate", refuses)
    reserve = Reserve(path, SIZE)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            reserve.hold(PLENTY)
    said = f"{path}.reserve: no space could be kept for the record: Operation not supported"
    assert caplog.messages == [said]
