"""`vitals run` keeps both processes, and sounds by itself when the station is silent."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

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
    wait_for(lambda: list((tmp_path / "vitals.db.crashes").glob("*-station-*.json")), "report")
    assert "crash: station (silent: killed)" in running.said()


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


def test_systemd_hears_when_it_is_ready_that_it_lives_and_that_it_stops(
    program: Callable[..., Program], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, heard = free_port(), list[str]()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)

        def told(line: str) -> bool:
            while True:
                try:
                    heard.append(systemd.recv(4096).decode())
                except BlockingIOError:
                    return line in heard

        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "600000")
        running = program(tmp_path, "run", "--config", config(tmp_path, port))
        wait_for(lambda: told("READY=1"), "ready", 60)
        assert f"127.0.0.1:{port}" in running.said()
        wait_for(lambda: told(f"STATUS=pages at http://127.0.0.1:{port}/"), "state")
        environment = Path(f"/proc/{running.child('station')}/environ").read_bytes()
        assert b"NOTIFY_SOCKET" not in environment
        before = len(heard)
        wait_for(lambda: told("") or heard[before:].count("WATCHDOG=1") > 3, "signs of life")
        os.kill(running.process.pid, signal.SIGSTOP)
        told("")
        before = len(heard)
        os.kill(running.process.pid, signal.SIGCONT)
        wait_for(lambda: told("") or heard[before:].count("WATCHDOG=1") > 1, "it goes on")
        running.stop()
        assert told("STOPPING=1")
    assert running.process.returncode == 0
