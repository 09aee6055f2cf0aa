"""What must not silence the supervisor: children that never start, and a fault in the backup."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from tests.loop import run, until
from vitals import nightly, supervisor
from vitals.config import parse
from vitals.supervised import GRACE_S, Child
from vitals.supervisor import STATION_ALARM_S, Supervisor


def test_a_station_that_can_never_be_started_is_silent_from_the_first_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    child = Child("station", ["/there/is/no/such/program"], 5.0)
    now = [100.0]
    monkeypatch.setattr("vitals.supervised.time.monotonic", lambda: now[0])
    assert child.silent_s(now[0]) == 0.0

    async def main() -> None:
        for now[0] in (100.0, 105.0, 110.0):
            with pytest.raises(OSError, match="such/program"):
                await child.start()

    asyncio.run(main())
    assert child.silent_s(100.0 + GRACE_S) == 0.0
    assert child.silent_s(100.0 + GRACE_S + 3.0) == 3.0 > STATION_ALARM_S


def test_a_fault_in_what_is_done_every_night_ends_neither_station_nor_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    config = parse(
        f'[backup]\nto = "{tmp_path}"\n[[room]]\nid = "room-1"\n', path=tmp_path / "clinic.toml"
    )
    assert config.nightly
    begun: list[str] = []

    async def breaks(at: str, record: Path, argv: list[str]) -> None:
        begun.append(at)
        raise OverflowError("a date that is none")

    monkeypatch.setattr(nightly, "keep_up", breaks)
    monkeypatch.setattr(supervisor, "NIGHTLY_AGAIN_S", 0.01)

    async def main() -> None:
        watched = Supervisor(config, tmp_path / "clinic.toml")
        task = asyncio.create_task(watched._back_up())
        await until(lambda: task.done() or len(begun) > 2)
        assert not task.done(), task.exception()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with caplog.at_level(logging.ERROR):
        run(main())
    assert "what is done every night has a fault; it is begun anew later" in caplog.messages
