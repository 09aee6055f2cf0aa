"""The second niced process, for long work that must not hold up figures: one call at a time.

It tells how far it is while it works, and is simply ended when nobody wants the rest. It is
started by the first call and ends itself when the web process is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from dashboard.worker import settle
from vitals.errors import VitalsError

NICE = 15
"""Behind the figure process, too."""
OFTEN_S = 0.1
"""Progress is told no oftener."""
_END_S = 10.0
_FAULT = "this could not be done because of a fault in the program; the web's log says which"
_ENDED = (
    "the process that did this has ended before it was done, perhaps for want of memory; try it "
    "again, or with fewer sessions"
)

log = logging.getLogger(__name__)

Tell = Callable[[float, str], None]
"""Is told how far it is, 0 to 1, and in words."""


class JobError(VitalsError):
    """Long work that could not be done."""


@dataclass(frozen=True, slots=True)
class Made:
    """What long work has made.

    Attributes:
        facts: anything JSON can say, for the page.
        file: name of the file in the job's folder, `""` for none.
        name: what the file is called where it is saved.
        media_type: of the file.
    """

    facts: Any = None
    file: str = ""
    name: str = ""
    media_type: str = "application/octet-stream"


Work = Callable[..., Made]
"""A function of a module, `work(tell, folder, *args)`; the folder is its own, for its file."""


@dataclass(eq=False, slots=True)
class _Running:
    """A process and our end of its pipe; whoever reads from that closes it."""

    process: BaseProcess
    link: Connection
    read: bool = False


class JobProcess:
    """One process; `call` it in turn, `end` it at any time."""

    def __init__(self, nice: int = NICE) -> None:
        self._nice = nice
        self._running: _Running | None = None
        self._ended = 0
        self._lock = threading.Lock()

    @property
    def pid(self) -> int | None:
        """Its process id, None while there is none."""
        running = self._running
        return running.process.pid if running else None

    async def call(self, tell: Tell, work: Work, folder: Path, *args: Any) -> Made:
        """Runs `work(tell, folder, *args)` in the process; arguments must be picklable.

        Raises:
            VitalsError: what the work raises.
            JobError: the process has died or was ended, or the work failed by a fault of ours.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Made] = loop.create_future()
        ended = self._ended

        def settled(made: Made | None, error: Exception | None) -> None:
            if done.done():
                return
            if error is not None:
                done.set_exception(error)
            elif made is not None:
                done.set_result(made)

        def on_loop(function: Callable[..., None], *told: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(function, *told)

        def run() -> None:
            try:
                made = self._exchange(ended, (work, folder, args), lambda *t: on_loop(tell, *t))
            except Exception as error:
                on_loop(settled, None, error)
            else:
                on_loop(settled, made, None)

        # A thread of its own: those of the loop are waited for when the program ends.
        threading.Thread(target=run, daemon=True, name="job").start()
        return await done

    def _exchange(self, ended: int, asked: tuple[Any, ...], tell: Tell) -> Made:
        """Sends the work and hears of it until it is done; blocks."""
        running = self._started(ended)
        try:
            running.link.send(asked)
            while True:
                kind, told = running.link.recv()
                if kind == "progress":
                    tell(*told)
                elif kind == "made":
                    made: Made = told
                    return made
                elif kind == "refused":
                    raise told
                else:
                    log.error("long work failed: %s", told)
                    raise JobError(_FAULT)
        except (EOFError, OSError) as error:
            self._let_go(running)
            running.link.close()
            raise JobError(_ENDED) from error
        finally:
            running.read = False

    def _started(self, ended: int) -> _Running:
        """The process, of which the caller now reads."""
        with self._lock:
            if ended != self._ended:
                raise JobError(_ENDED)
            running = self._running
            if running is None or not running.process.is_alive():
                running = self._running = self._start()
            running.read = True
            return running

    def _start(self) -> _Running:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_serve, args=(theirs, self._nice), name="jobs", daemon=True
        )
        try:
            process.start()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return _Running(process, ours)

    def end(self) -> None:
        """Ends the process at once, and waits until it is gone; harmless when there is none.

        A call that has not yet reached it ends as well.
        """
        with self._lock:
            self._ended += 1
            running = self._running
        if running is not None:
            self._let_go(running)

    def _let_go(self, running: _Running) -> None:
        """Whoever reads hears of it by the end of the pipe."""
        with self._lock:
            if self._running is not running:
                return
            self._running = None
            running.process.kill()
            running.process.join(_END_S)
            if running.process.exitcode is None:
                log.error("the job process %s does not end", running.process.pid)
            else:
                running.process.close()
            if not running.read:
                running.link.close()


def _serve(link: Connection, nice: int) -> None:
    settle(nice)
    while True:
        try:
            work, folder, args = link.recv()
        except (EOFError, OSError):
            return
        answer: tuple[str, Any]
        try:
            answer = ("made", work(_teller(link), folder, *args))
        except VitalsError as error:
            answer = ("refused", error)
        except Exception as error:
            answer = ("broken", _where(error))
        link.send(answer)


def _teller(link: Connection) -> Tell:
    last_s = 0.0

    def tell(share: float, words: str) -> None:
        nonlocal last_s
        now_s = time.monotonic()
        if now_s - last_s >= OFTEN_S:
            last_s = now_s
            link.send(("progress", (share, words)))

    return tell


def _where(error: BaseException) -> str:
    """Kind and place of an error; its text could tell of a patient."""
    place, trace = "", error.__traceback__
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__} at {place}"
