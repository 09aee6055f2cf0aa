"""A running program as its user starts it, for tests from outside: processes, page, record."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil

from vitals.store.reader import Reader

VITALS = [sys.executable, "-m", "vitals.cli"]
T = TypeVar("T")


def wait_for(condition: Callable[[], T], what: str, within_s: float = 20.0) -> T:
    """Waits until a condition holds and returns what it gave; fails after the deadline."""
    end = time.monotonic() + within_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"never came true within {within_s} s: {what}"
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Program:
    """`vitals …` as a process of its own, ended by its own process id."""

    def __init__(self, folder: Path, *args: str, config: str = "clinic.toml") -> None:
        self.folder = folder
        self.config = folder / config
        self.log_path = folder / "log.txt"
        self.log = self.log_path.open("wb")
        self.process = subprocess.Popen(
            [*VITALS, *args], stdout=self.log, stderr=subprocess.STDOUT, cwd=folder
        )
        self.store = folder / "vitals.db"

    def said(self) -> str:
        return self.log_path.read_text(errors="replace")

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                for child in psutil.Process(self.process.pid).children(recursive=True):
                    child.kill()
                self.process.kill()
                self.process.wait(5)
        self.log.close()

    def child(self, name: str) -> int:
        """Process id of the running `station` or `web`."""
        for child in psutil.Process(self.process.pid).children():
            try:
                if name in child.cmdline()[3:4]:
                    return child.pid
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        return 0

    def kill(self, name: str) -> int:
        """kill -9 of a child; returns its process id."""
        pid = wait_for(lambda: self.child(name), f"{name} runs")
        os.kill(pid, signal.SIGKILL)
        return pid

    @property
    def reader(self) -> Reader:
        return Reader(self.store)

    def station_pid(self) -> int:
        return int(json.loads((self.folder / "vitals.db.feed").read_text())["pid"])


class Demo(Program):
    """`vitals demo` in a folder of the test's own."""

    def __init__(self, folder: Path, *args: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        super().__init__(
            folder, "demo", "--no-open", "--folder", str(folder), "--port", str(self.port), *args
        )
        try:
            wait_for(
                lambda: self.url in self.said() or self.process.poll() is not None,
                "address",
                within_s=60.0,  # a busy computer; how long it may take is a test of its own
            )
            assert self.process.poll() is None, self.said()
        except BaseException:
            self.stop()
            raise
