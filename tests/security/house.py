"""A real clinic to break into: the station, `vitals web` as a process of its own, people.

The station is the real one with a real record, devices that say what a test says, in a thread;
the web is the program as it is started by its users, so what is tried here meets its real server,
its real limits and its real log. Both run with the umask 000: whatever they write has to be
private by itself.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.dashboard import people
from tests.dashboard.live_clinic import LiveClinic
from tests.dashboard.ward import wait_until
from vitals.process import LEVEL

STAFF: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    ("ann", "nurse", (), "Ann K."),
    ("nora", "nurse", ("room-1",), "Nora B."),
    ("theo", "therapist", ("room-1",), "Theo L."),
    ("cleo", "clinician", ("room-1",), "Cleo P."),
    ("bea", "prescriber", (), "Bea M."),
    ("otto", "nurse", (), "Otto W."),
)
"""User, role, rooms (none = all), name; all with `people.PASSWORD` and `people.PIN`."""
START_S = 90.0
WEB_LOG, STATION_LOG = "web.log", "station.log"
NOISY = ("websockets", "asyncio", "hypothesis", "concurrent")
"""Loggers of others, as quiet as `vitals.process.log_to_stderr` makes them."""
FAULTS = ("Traceback", "ERROR", "Exception in ASGI", "never awaited", "ResourceWarning")
"""What no request may leave in the log of the web."""


@dataclass
class RunningWeb:
    """`vitals web`, as a browser of the tests knows it."""

    address: str
    process: subprocess.Popen[str]
    log_file: Path
    _read: int = field(default=0)

    @property
    def where(self) -> tuple[str, int]:
        place = urlsplit(self.address)
        return str(place.hostname), int(place.port or 0)

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def faults(self) -> list[str]:
        """Lines of the log, since it was last asked, that tell of a fault of ours."""
        text = self.log
        new, self._read = text[self._read :], len(text)
        return [line for line in new.splitlines() if any(word in line for word in FAULTS)]


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    """For this whole process, while it lasts."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextlib.contextmanager
def station_log(path: Path) -> Iterator[None]:
    """All that this process logs, from DEBUG on, as the station's own log would have it."""
    root, handler = logging.getLogger(), logging.FileHandler(path)
    before = root.level
    levels = {name: logging.getLogger(name).level for name in NOISY}
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        handler.close()


@contextlib.contextmanager
def running_web(clinic: LiveClinic, log_file: Path) -> Iterator[RunningWeb]:
    """The pages of a station, as a process that ends whatever happens."""
    store, feed = clinic.config.station.store, clinic.config.feed_file
    said = log_file.with_suffix(".address")
    with log_file.open("w") as log, said.open("w") as address:
        process = subprocess.Popen(
            [
                *(sys.executable, "-X", "dev", "-m", "vitals.cli", "web"),
                *("--feed", str(feed), "--store", str(store), "--port", "0"),
            ],
            stdout=address,
            stderr=log,
            text=True,
            cwd=clinic.folder,
            umask=0,
            env={**os.environ, LEVEL: "DEBUG"},
        )
    try:
        wait_until_up(process, said)
        yield RunningWeb(said.read_text().strip().rstrip("/"), process, log_file)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def wait_until_up(process: subprocess.Popen[str], said: Path) -> None:
    """Waits for the address, a minute and a half on a busy computer."""
    for _ in range(int(START_S)):
        if said.read_text().strip():
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)
            break
    raise AssertionError(f"the web has not started (exit code {process.poll()})")


@contextlib.contextmanager
def house(folder: Path) -> Iterator[tuple[LiveClinic, RunningWeb]]:
    """(station, web): two rooms with a session each, dosed; everybody of `STAFF`."""
    with umask(0), station_log(folder / STATION_LOG):
        yield from _house(folder)


def _house(folder: Path) -> Iterator[tuple[LiveClinic, RunningWeb]]:
    clinic = LiveClinic(folder).start()
    try:
        for user, role, rooms, name in STAFF:
            people.add(clinic.config.station.store, user, role, rooms, name)
        for room in ("room-1", "room-2"):
            clinic.arrive(room=room)
            clinic.done("dose", room, drug="Ketamine", mg=35.0)
        with running_web(clinic, folder / WEB_LOG) as web:
            browser = people.Browser(web)
            wait_until(lambda: browser.get("/healthz").json["link"] == "live", "the feed")
            browser.close()
            yield clinic, web
    finally:
        clinic.stop()


def raw(where: tuple[str, int], data: bytes, *, wait_s: float = 20.0, end: bool = False) -> bytes:
    """All that a server answers to these bytes, whatever they are, until it hangs up.

    Args:
        where: host and port.
        data: what is sent.
        wait_s: how long an answer may take.
        end: whether the server is told at once that nothing more comes; it gives up then.
    """
    got = b""
    with socket.create_connection(where, timeout=wait_s) as line:
        with contextlib.suppress(ConnectionError):  # refused before all of it was read
            line.sendall(data)
            if end:
                line.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while piece := line.recv(65536):
                got += piece
    return got


def statuses(answer: bytes) -> list[int]:
    """Statuses of all answers in what a server has sent."""
    lines = [line for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.")]
    return [int(line.split(b" ", 2)[1]) for line in lines]


def post_json(browser: people.Browser, path: str, body: Any) -> people.Answer:
    """What a page's own script would send."""
    headers = {
        "Origin": browser.origin,
        "X-CSRFToken": browser.csrf,
        "Content-Type": "application/json",
        "Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items()),
    }
    browser._line.close()
    browser._line.request("POST", path, json.dumps(body), headers)
    return people.Answer(browser._line.getresponse())
