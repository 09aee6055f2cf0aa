"""What systemd hears of the program, over the real kind of socket."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from vitals.sd_notify import Manager, from_environment


class Systemd:
    """The other end of the socket."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        lines = []
        while True:
            try:
                lines.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return lines


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    manager = Systemd(str(tmp_path / "notify"))
    yield manager
    manager.socket.close()


def test_it_hears_of_start_state_and_end_once_each(systemd: Systemd, tmp_path: Path) -> None:
    manager = Manager(str(tmp_path / "notify"))
    manager.status("starting")
    manager.status("starting")
    manager.ready()
    manager.ready()
    manager.status("pages at\nhttp://x/")
    manager.stopping()
    assert systemd.heard() == [
        "STATUS=starting",
        "READY=1",
        "STATUS=pages at http://x/",
        "STOPPING=1",
    ]


def test_signs_of_life_come_three_times_in_the_limit(systemd: Systemd, tmp_path: Path) -> None:
    manager = Manager(str(tmp_path / "notify"), watchdog_s=9.0)
    for tenth in range(91):
        manager.alive(1000.0 + tenth / 10)
    assert systemd.heard() == ["WATCHDOG=1"] * 4


def test_without_a_watchdog_there_are_no_signs_of_life(systemd: Systemd, tmp_path: Path) -> None:
    Manager(str(tmp_path / "notify")).alive(1000.0)
    assert systemd.heard() == []


def test_the_environment_says_where_and_is_not_handed_on(systemd: Systemd, tmp_path: Path) -> None:
    environ = {
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": "9000000",
        "WATCHDOG_PID": str(os.getpid()),
        "PATH": "/bin",
    }
    manager = from_environment(environ)
    manager.alive(5.0)
    assert systemd.heard() == ["WATCHDOG=1"]
    assert environ == {"PATH": "/bin"}


@pytest.mark.parametrize("usec", ["", "soon", "-1"])
def test_a_watchdog_of_another_process_or_of_nonsense_is_none(
    systemd: Systemd, tmp_path: Path, usec: str
) -> None:
    address = str(tmp_path / "notify")
    from_environment({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": usec}).alive(5.0)
    other = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "9000000", "WATCHDOG_PID": "1"}
    from_environment(other).alive(5.0)
    assert systemd.heard() == []


def test_an_abstract_socket_is_reached() -> None:
    systemd = Systemd(f"\0kap-vitals-test-{os.getpid()}")
    Manager(f"@kap-vitals-test-{os.getpid()}").ready()
    assert systemd.heard() == ["READY=1"]
    systemd.socket.close()


def test_without_a_manager_nothing_is_sent() -> None:
    manager = from_environment({})
    manager.ready()
    manager.alive(1.0)
    manager.stopping()


def test_a_manager_that_is_gone_is_said_once_and_holds_nothing_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager = Manager(str(tmp_path / "nobody"), watchdog_s=3.0)
    with caplog.at_level(logging.WARNING):
        for second in range(10):
            manager.alive(float(second))
    assert caplog.messages == ["systemd cannot be told WATCHDOG (No such file or directory)"]
