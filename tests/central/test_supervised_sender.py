"""`vitals run` with a [central]: a third process, whose death nobody hears."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import pytest

from simulators.demo import Demo
from tests.central.cluster import Database, free_port
from tests.central.sending import Centre, counts, eventually, secret
from tests.loop import run
from vitals import config
from vitals.supervisor import Supervisor


@pytest.fixture
def demo(tmp_path: Path, database: Database) -> Demo:
    dsn = database.station("demo", host="127.0.0.1", inline=False)
    made = Demo(tmp_path, rooms=1, seed=1, speed=1.0, story=None, port=free_port())
    sounded = tmp_path / "sounded"
    text = made.config_path.read_text(encoding="utf-8")
    text = text.replace('mode = "demo"', f'mode = "demo"\nalarm_command = ["touch", "{sounded}"]')
    text += f'\n[central]\ndsn = "{dsn}"\npassword = "{secret(tmp_path)}"\n'
    made.config_path.write_text(text, encoding="utf-8")
    made.config = config.load(made.config_path)
    return made


def test_a_killed_sender_is_started_again_and_the_station_hears_nothing_of_it(
    demo: Demo, database: Database, tmp_path: Path
) -> None:
    centre = Centre(database)
    store = demo.config.station.store

    async def main() -> None:
        supervisor = Supervisor(demo.config, demo.config_path)
        for room in demo.rooms:
            room.bedside.start()
        task = asyncio.create_task(supervisor.run())
        try:
            await eventually(lambda: centre.one("SELECT station_live FROM kap.latest"), 60)
            await eventually(lambda: centre.ask("SELECT 1 FROM kap.latest_numeric"))
            await eventually(lambda: supervisor.sender.healthy)
            pid = supervisor.sender.pid
            assert pid is not None
            assert os.getpriority(os.PRIO_PROCESS, pid) > 0
            os.kill(pid, signal.SIGKILL)
            await eventually(lambda: supervisor.sender.pid not in (None, pid), 30)
            written = counts(store)
            await eventually(lambda: centre.counts() > written, 60)
            assert (supervisor.station.starts, supervisor.web.starts) == (1, 1)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            demo.stop()

    run(main(), 180)
    assert centre.counts() == counts(store), "what was recorded last went up, too"
    assert centre.one("SELECT station_live FROM kap.latest") is False
    assert not (tmp_path / "sounded").exists()


def test_a_station_without_a_centre_has_no_sender(demo: Demo) -> None:
    alone = demo.config.model_copy(update={"central": None})
    assert [child.name for child in Supervisor(alone, demo.config_path).children] == [
        "station",
        "web",
    ]
