"""A bounded set of tasks that nobody waits for, ended together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

log = logging.getLogger(__name__)


class Background:
    """At most `most` tasks at a time; a fault in one is logged and ends only that one.

    Attributes:
        closed: nothing begins any more.
    """

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._tasks: set[asyncio.Task[None]] = set()
        self.closed = False

    def begin(self, work: Coroutine[None, None, None]) -> bool:
        """Starts a task; False when there are too many already, or the end has come."""
        if self.closed or len(self._tasks) >= self._most:
            work.close()
            return False
        task = asyncio.get_running_loop().create_task(work, name=self._name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return True

    async def close(self) -> None:
        """Cancels all, and returns when they have ended."""
        self.closed = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("%s: a fault of this program", self._name, exc_info=task.exception())
