"""Runs one coroutine with a deadline, and fails when it leaves a task behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


def run(main: Coroutine[Any, Any, None], limit_s: float = 20.0) -> None:
    async def whole() -> None:
        await asyncio.wait_for(main, limit_s)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        # a task that ended in this very turn of the loop is not a leak
        await asyncio.sleep(0)
        left = {task for task in left if not task.done()}
        assert not left, f"tasks left behind: {left}"

    asyncio.run(whole())


async def until(condition: Callable[[], object], limit_s: float = 10.0) -> None:
    """Waits until the condition holds."""
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 what it waits for is in no loop's hand
            await asyncio.sleep(0.005)
