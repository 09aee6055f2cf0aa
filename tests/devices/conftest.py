from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.devices.pty_port import PtyPort


@pytest.fixture
def port(tmp_path: Path) -> Iterator[PtyPort]:
    made = PtyPort(tmp_path / "oximeter")
    yield made
    made.unplug()


@pytest.fixture
def no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 3
    while left := [t.name for t in threading.enumerate() if t not in before]:
        assert time.monotonic() < deadline, f"threads left behind: {left}"
        time.sleep(0.01)
