"""A file that is changed under the writer is noticed, and only then."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.store.build import FAST, T0, Done, audit, fill, session, spo2, until
from vitals.errors import StoreError
from vitals.store.probe import Probe
from vitals.store.reader import Reader
from vitals.store.verify import verify
from vitals.store.writer import Writer

OFTEN = replace(FAST, check_s=0.05)
REPLACE = "import os, sys; os.replace(sys.argv[2], sys.argv[1])"
DELETE = "import os, sys; [os.unlink(sys.argv[1] + end) for end in ('', '-wal', '-shm')]"


def elsewhere(code: str, *args: Path) -> None:
    """Another process does it: closing a file here would take away SQLite's locks."""
    subprocess.run([sys.executable, "-c", code, *map(str, args)], check=True)


def written(writer: Writer, seq: int) -> int:
    """Writes notes until another file is open; the last one's number."""
    before = writer._file._connection
    while writer._file._connection in (before, None):
        seq += 1
        done = Done()
        writer.put_audit(audit(seq), done.of(seq))
        until(lambda done=done: done.answers)  # type: ignore[misc]
    return seq


@pytest.mark.parametrize("change", ["deleted", "replaced"])
def test_a_file_that_is_taken_away_is_followed_by_one_with_the_open_session(
    path: Path, opened: Callable[..., Writer], change: str
) -> None:
    other = path.with_name("other.db")
    fill(other)
    theirs = other.read_bytes()
    writer = opened(settings=OFTEN)
    writer.put_numeric("session-a", 2, spo2(0))
    until(lambda: writer.health().queued == 0)
    if change == "deleted":
        elsewhere(DELETE, path)
    else:
        elsewhere(REPLACE, path, other)
    seq = written(writer, 2)
    done = Done()
    writer.put_audit(audit(seq + 1), done.of(seq + 1))
    until(lambda: done.answers == [(seq + 1, True)])
    assert writer.close()
    reader = Reader(path)
    assert [record.session for record in reader.open_sessions()] == [session()]
    assert reader.audit(None)[0].kind == "quarantine"
    assert seq + 1 in [row.seq for row in reader.audit_by_kind("session-a", {"note"})]
    assert verify(path).ok
    if change == "replaced":
        assert writer.quarantined is not None
        assert writer.quarantined.read_bytes() == theirs


def test_a_sound_record_is_looked_at_and_left_alone(
    path: Path, opened: Callable[..., Writer]
) -> None:
    writer = opened(settings=OFTEN)
    probe, looked = writer._file._probe, 0
    for seq in range(2, 200):
        writer.put_audit(audit(seq))
        until(lambda: writer.health().queued == 0)
        looked += probe._looking is not None
    assert looked > 1
    assert writer.close()
    assert writer.quarantined is None
    assert verify(path).ok


def test_a_look_comes_when_it_is_time_and_a_long_one_less_often(path: Path) -> None:
    fill(path)
    now = [0.0]
    probe = Probe(path, None, 60.0, lambda: now[0])
    probe.opened()

    def looks() -> bool:
        probe.look()
        began = probe._looking is not None
        probe.close()
        return began

    now[0] = 59.0
    assert not looks()
    now[0] = 61.0
    assert looks()
    assert not looks()
    now[0] = 122.0
    assert looks()
    probe.check()


def test_a_key_that_fits_tells_damage_from_a_wrong_key(path: Path) -> None:
    key = bytes(range(32))
    fill(path, key=key)
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreError, match="this key does not open the record"):
        Writer(path, key=bytes(32))
    mark = Path(f"{path}.key-mark")
    kept = mark.read_bytes()
    assert key.hex().encode() not in kept
    mark.unlink()
    with pytest.raises(StoreError, match="if it is the right one, the file is damaged"):
        Writer(path, key=key)
    mark.write_bytes(kept)
    writer = Writer(path, key=key, now_us=lambda: T0)
    assert writer.quarantined is not None
    assert writer.quarantined.read_bytes() == content
    assert writer.close()
