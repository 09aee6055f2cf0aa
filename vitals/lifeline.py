"""A child process ends when its supervisor dies, however it dies.

The supervisor holds the other end of the child's stdin; when that end is gone, the child stops
in order. Works the same on Linux, macOS and Windows, and for kill -9.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

VARIABLE = "VITALS_SUPERVISED"
"""Set in the environment of children whose stdin is a lifeline."""


def watch(stop: Callable[[], None]) -> None:
    """Calls `stop` from a daemon thread when the supervisor is gone; no-op without one."""
    if os.environ.get(VARIABLE):
        threading.Thread(target=_wait, args=(stop,), name="lifeline", daemon=True).start()


def _wait(stop: Callable[[], None]) -> None:
    # The raw descriptor: a thread blocked in sys.stdin would hold its lock at exit.
    while os.read(sys.__stdin__.fileno() if sys.__stdin__ else 0, 1024):
        pass
    stop()
