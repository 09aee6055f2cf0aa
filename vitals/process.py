"""Life of a process: logging to stderr, and an orderly stop however it is asked for."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from vitals import lifeline
from vitals.crash_frames import faults_of, told

log = logging.getLogger(__name__)


class _Line(logging.Formatter):
    """An error's message may hold what somebody typed, so it is shown at DEBUG only."""

    def formatException(self, ei: object) -> str:
        error = ei[1] if isinstance(ei, tuple) else None
        if error is None or logging.getLogger().isEnabledFor(logging.DEBUG):
            return super().formatException(ei)  # type: ignore[arg-type]
        return f"Traceback without values: {told(faults_of(error), whole=True)}"

    def format(self, record: logging.LogRecord) -> str:
        device = getattr(record, "device", "")
        return super().format(record) + (f" [{device}]" if device else "")


LEVEL = "VITALS_LOG_LEVEL"
"""Environment variable with the least level that is logged: DEBUG, INFO, WARNING, …"""


def log_to_stderr(name: str) -> None:
    """One line an event: local time, process, level, sentence; device ids, never health data."""
    level = logging.getLevelNamesMapping().get(os.environ.get(LEVEL, "INFO").upper(), logging.INFO)
    handler = logging.StreamHandler()
    handler.setFormatter(_Line(f"%(asctime)s {name} %(levelname)s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("websockets", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


YOUNG = 50_000
"""Objects that come before Python's collector of cycles looks through them; its default is 700."""


def settle() -> None:
    """Keeps Python's collector of cycles from stopping a process that must not be late.

    For one that has just built what it will have as long as it lives. The collector stops
    everything while it reads objects: all of them were 0.4 s with ten thousand rooms, time and
    again, and the young ones up to 0.2 s many times a minute. What is let go of is freed as before,
    unless it holds itself.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)


def run_until_signal(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a coroutine until it ends or SIGINT/SIGTERM asks it to stop in order."""

    async def wrapped() -> None:
        task = asyncio.ensure_future(main())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, task.cancel)
            except NotImplementedError:  # Windows: Ctrl-C cancels through asyncio.run
                break

        def stop() -> None:
            loop.call_soon_threadsafe(task.cancel)

        lifeline.watch(stop)
        try:
            await task
        except asyncio.CancelledError:
            log.info("stopped")

    asyncio.run(wrapped())
