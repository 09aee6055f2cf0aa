"""kill -9 of a real writer at random instants."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.store.build import dice_of, raw
from vitals.store.connection import select
from vitals.store.verify import verify

KILLS = 20


def _acknowledged_until_killed(path: Path, after: int) -> list[int]:
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.store.kill_child", str(path)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    with child.stdout as pipe:
        told = [int(pipe.readline()) for _ in range(after)]
        child.kill()
        told += [int(line) for line in pipe.read().split(b"\n")[:-1]]
    assert child.wait() == -9
    return told


def test_no_acknowledged_row_is_lost_by_a_kill_at_any_instant(path: Path) -> None:
    dice, acknowledged = dice_of(9), set[int]()
    for _ in range(KILLS):
        acknowledged.update(_acknowledged_until_killed(path, after=dice.randrange(1, 60)))
        found = verify(path)
        assert found.ok, found.broken
        connection = raw(path)
        stored = {seq for (seq,) in select(connection, "SELECT seq FROM audit WHERE kind = 'note'")}
        samples = {seq for (seq,) in select(connection, "SELECT seq FROM numeric")}
        waves = {seq for (seq,) in select(connection, "SELECT seq FROM wave")}
        connection.close()
        assert acknowledged <= stored
        for seq in stored - {1}:  # whatever was put before a row came with it
            assert {seq - 1, seq - 3, seq - 5, seq - 7, seq - 9} <= samples
            assert {seq - 2, seq - 4, seq - 6, seq - 8} <= waves
    assert len(acknowledged) > 10 * KILLS
