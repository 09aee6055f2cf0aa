"""The one process that builds figures and reads the record for review.

Measured: the same work in threads of the web process slows live numbers from 3 to 750 ms; in one
niced process they do not notice. It is started by the first call, started anew when it dies, and
ends itself when the web process is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from typing import ParamSpec, TypeVar

from vitals.errors import VitalsError

NICE = 10
PATIENCE_S = 30.0
END_S = 1.0
"""Patience with what a killed process leaves; it takes a few milliseconds."""

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)


class WorkerError(VitalsError):
    """The figure process could not do it."""


class Worker:
    """One process for work that would hold up the live pages.

    Attributes:
        calls: calls that were answered.
        under_way: calls that wait for their answer.
        restarts: how often the process had to be started anew.
    """

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self.calls = 0
        self.under_way = 0
        self.restarts = 0
        self._patience_s = patience_s
        self._pool: ProcessPoolExecutor | None = None

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a function of a module, with arguments that can be pickled, in the process.

        Raises:
            WorkerError: it took too long, or the process died twice.
        """
        for _ in range(2):
            pool = self._pool or self._start()
            self.under_way += 1
            try:
                with _unheard():
                    future = pool.submit(function, *args, **kwargs)
                async with asyncio.timeout(self._patience_s):
                    result = await asyncio.wrap_future(future)
            except BrokenProcessPool:
                self._restart(pool, "it has died")
            except TimeoutError:
                self._restart(pool, "it took too long")
                raise WorkerError(
                    f"this took longer than {self._patience_s:g} s and was given up; try a "
                    "shorter session or try again when the computer is less busy"
                ) from None
            else:
                self.calls += 1
                return result
            finally:
                self.under_way -= 1
        raise WorkerError("the figure process dies at this; see the log of the web process")

    def close(self) -> None:
        """Ends the process and waits until nothing of it is left; harmless when there is none.

        The web process ends by the signal that stopped it, without the interpreter's own end: the
        semaphores of a pool that is still there then would be found by multiprocessing's tracker,
        which says on the terminal that they were leaked.
        """
        if self._pool is not None:
            _end(self._pool).join(END_S)
            self._pool = None

    @property
    def pids(self) -> list[int]:
        """Process ids in use: none before the first call, else one."""
        processes = getattr(self._pool, "_processes", None) or {}
        return list(processes)

    def _start(self) -> ProcessPoolExecutor:
        self._pool = ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn"), initializer=settle
        )
        return self._pool

    def _restart(self, pool: ProcessPoolExecutor, why: str) -> None:
        if pool is self._pool:  # not when another call has done so already
            log.warning("the figure process is started anew: %s", why)
            self.restarts += 1
            self._pool = None
            _end(pool)  # the live pages do not wait for it


def _end(pool: ProcessPoolExecutor) -> threading.Thread:
    """Kills the process; the thread has ended when its queues are gone, too."""
    processes = list((getattr(pool, "_processes", None) or {}).values())
    shutdown = functools.partial(pool.shutdown, wait=True, cancel_futures=True)
    ending = threading.Thread(target=shutdown, daemon=True, name="figure process ends")
    ending.start()
    for process in processes:
        process.kill()
    return ending


@contextlib.contextmanager
def _unheard() -> Iterator[None]:
    """A process that is started here hears no Ctrl-C, not even before it has come to `settle`."""
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # else it is started here, and lets Ctrl-C in again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def settle(nice: int = NICE) -> None:
    """In a new process: stay behind everything else, and do not outlive the web process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the web process
    if hasattr(os, "nice"):
        os.nice(nice)
    threading.Thread(target=_leave_with_parent, daemon=True, name="parent-watch").start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)
