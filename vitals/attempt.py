"""One attempt to reach somebody outside: blocking work in a thread of its own, with a time limit.

Nothing here can hold up the loop that asks: starting a program, looking a name up and TLS all
happen in the thread, and a thread that does not come back is left to itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from typing import Protocol

log = logging.getLogger(__name__)

LIMIT_S = 10.0
"""Longest that one attempt may take."""
STOP_S = 1.0
"""Patience with an attempt that was stopped."""


class Job(Protocol):
    """What one attempt does."""

    def __call__(self) -> str:
        """Does it, blocking; `""`, or why it failed in a few words."""

    def stop(self) -> None:
        """Ends it early, from another thread; what has not begun then never does."""


async def attempt(job: Job, limit_s: float = LIMIT_S) -> str:
    """Does a job in a thread; `""`, or why it failed. Cancelled or out of time, it is stopped."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[str] = loop.create_future()

    def settle(reason: str) -> None:
        if not done.done():
            done.set_result(reason)

    def work() -> None:
        try:
            reason = job()
        except Exception as error:  # a fault of ours is an answer too: who waits must hear it
            log.exception("an attempt failed in an unforeseen way")
            reason = f"failed inside: {type(error).__name__}"
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, reason)

    try:
        threading.Thread(target=work, name="attempt", daemon=True).start()
    except RuntimeError:
        return "this computer cannot start another thread"
    try:
        async with asyncio.timeout(limit_s):
            return await asyncio.shield(done)
    except TimeoutError:
        return f"timed out after {limit_s:g} s"
    finally:
        if not done.done():
            job.stop()
            await asyncio.wait({done}, timeout=STOP_S)
