"""One process that the supervisor keeps: how it is started, judged, stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from vitals import lifeline
from vitals.crash_report import SHOW_FRAMES

log = logging.getLogger(__name__)

GRACE_S = 60.0
"""For starting up."""
AGAIN_S, AGAIN_TIMES = 10.0, 4.0
"""For starting again what has started once: at least so long, and so many times what that took."""
STOP_S = 5.0
"""Patience with a child that was asked to stop."""
SHORT_LIFE_S = 5.0
RETRY_S = (0.2, 5.0)
"""Wait before a child that died young is started again: at first, at most."""
FRAMES_S = 0.1
"""Time for a hanging child to write down where it hangs, before it is killed."""


def vitals_argv(*args: str) -> list[str]:
    """Command line of this program, by this interpreter."""
    return [sys.executable, "-m", "vitals.cli", *args]


@dataclass(slots=True)
class Child:
    """One supervised process.

    Attributes:
        name: its command.
        argv: its command line.
        kill_s: silence for which it is killed.
        heard: `time.monotonic()` of its last sign of life.
        healthy: whether this start of it was ever heard.
        hung: whether this start of it was killed for its silence.
        wait_s: wait before it is started again when it dies young once more.
        first_started: when it was to be started for the first time, 0 before that.
        took_s: from its first start to its first sign of life; None before that.
    """

    name: str
    argv: Sequence[str]
    kill_s: float
    process: asyncio.subprocess.Process | None = None
    heard: float = 0.0
    healthy: bool = False
    hung: bool = False
    started: float = 0.0
    first_started: float = 0.0
    starts: int = 0
    wait_s: float = field(default=RETRY_S[0])
    took_s: float | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self.process.pid if self.process and self.process.returncode is None else None

    def alive(self) -> None:
        """It was heard from."""
        self.heard, self.healthy = time.monotonic(), True
        if self.took_s is None:
            self.took_s = self.heard - self.started

    @property
    def grace_s(self) -> float:
        """How long it may take to start: a child that hangs while it starts again is no other."""
        if self.took_s is None:
            return GRACE_S
        return min(max(AGAIN_S, AGAIN_TIMES * self.took_s), GRACE_S)

    def hung_s(self, now: float) -> float:
        """Silence for which it may be killed: none while it still has grace to start."""
        if self.pid is None:
            return 0.0
        return now - self.heard if self.healthy else max(0.0, now - self.started - self.grace_s)

    def silent_s(self, now: float) -> float:
        """Silence that others suffer from, however often it was started meanwhile."""
        if self.heard:
            return now - self.heard
        return max(0.0, now - self.first_started - GRACE_S) if self.first_started else 0.0

    def back_off(self, lived_s: float) -> float:
        """Wait before it is started again: none after a long life, twice as long each time else."""
        if lived_s >= SHORT_LIFE_S:
            self.wait_s = RETRY_S[0]
            return 0.0
        wait_s = self.wait_s
        self.wait_s = min(wait_s * 2, RETRY_S[1])
        return wait_s

    async def start(self) -> asyncio.subprocess.Process:
        """Starts it.

        Raises:
            OSError: out of memory, out of processes.
        """
        # from the attempt on: what can never be started is as silent as what died
        self.first_started = self.first_started or time.monotonic()
        starting = asyncio.ensure_future(
            asyncio.create_subprocess_exec(
                *self.argv,
                stdin=asyncio.subprocess.PIPE,
                env={**os.environ, lifeline.VARIABLE: "1"},
                # Ctrl-C is for the supervisor, which then stops the children in order.
                start_new_session=True,
            )
        )
        try:
            process = await asyncio.shield(starting)
        except asyncio.CancelledError:
            self.process = await starting  # never leave one behind that nobody knows
            raise
        self.process, self.hung, self.healthy = process, False, False
        self.started = time.monotonic()
        self.starts += 1
        return process

    async def kill(self, now: float) -> None:
        """Ends one that hangs, after it has had a moment to write down where."""
        process = self.process
        if process is None or process.returncode is not None:
            return
        log.error("%s is silent: killed, to be started again", self.name)
        self.hung, self.healthy, self.started = True, False, now
        if SHOW_FRAMES is not None:
            process.send_signal(SHOW_FRAMES)
            await asyncio.sleep(FRAMES_S)
        if process.returncode is None:
            process.kill()

    async def stop(self) -> None:
        """Ends it in order, or without, when it does not."""
        process = self.process
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()  # the lifeline: the orderly way, also on Windows
        if sys.platform != "win32":
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            log.error("%s did not stop in %.0f s: killed", self.name, STOP_S)
            process.kill()
            await process.wait()
