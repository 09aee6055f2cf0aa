"""`vitals run` keeps both processes, and sounds by itself when the station is silent."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.e2e.clinic import Program, free_port, wait_for


def config(folder: Path, port: int) -> str:
    alarm = folder / "alarm.txt"
    code = f"import sys; open({str(alarm)!r}, 'a').write(sys.argv[1])"
    (folder / "clinic.toml").write_text(
        f'[station]\nid = "s"\nalarm_command = [{sys.executable!r}, "-c", """{code}"""]\n'
        f'[web]\nport = {port}\n[[room]]\nid = "room-1"\n'
    )
    return str(folder / "clinic.toml")


def test_a_silent_station_sounds_at_three_seconds_and_is_replaced_at_five(
    program: Callable[..., Program], tmp_path: Path
) -> None:
    port = free_port()
    running = program(tmp_path, "run", "--config", config(tmp_path, port))
    wait_for(lambda: f"127.0.0.1:{port}" in running.said(), "address")
    pid = running.child("station")
    os.kill(pid, signal.SIGSTOP)
    stopped = time.monotonic()
    wait_for(lambda: (tmp_path / "alarm.txt").exists(), "alarm")
    sounded_s = time.monotonic() - stopped
    wait_for(lambda: running.child("station") not in (0, pid), "another station")
    replaced_s = time.monotonic() - stopped
    assert 2.0 < sounded_s < 4.5
    assert 4.0 < replaced_s < 8.0
    wait_for(lambda: "silent" in (tmp_path / "alarm.txt").read_text(), "sentence")


def test_a_web_that_is_killed_comes_back_and_the_station_does_not_notice(
    program: Callable[..., Program], tmp_path: Path
) -> None:
    port = free_port()
    running = program(tmp_path, "run", "--config", config(tmp_path, port))
    wait_for(lambda: f"127.0.0.1:{port}" in running.said(), "address")
    station = running.child("station")
    web = running.kill("web")
    wait_for(lambda: running.child("web") not in (0, web), "another web")
    assert running.child("station") == station
    assert not (tmp_path / "alarm.txt").exists()


def test_an_orderly_stop_ends_both_and_clears_the_feed_file(
    program: Callable[..., Program], tmp_path: Path
) -> None:
    port = free_port()
    running = program(tmp_path, "run", "--config", config(tmp_path, port))
    wait_for(lambda: f"127.0.0.1:{port}" in running.said(), "address")
    running.stop()
    assert running.process.returncode == 0
    assert (tmp_path / "vitals.db.feed").read_bytes().strip() == b""  # names no station
    assert "Traceback" not in running.said()
