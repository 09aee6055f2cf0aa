"""Calls into the system's Bluetooth, each with a time limit of ours and in words of ours.

A call may hang for minutes (a disconnect over D-Bus), ignore that it is cancelled, or end as
cancelled although nobody did (bumble does that to what is pending when a link ends). So each runs
as a task of its own that is waited for only so long.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from devices.transports.ble_faults import GONE, Doing, explain
from vitals.errors import TransportError

GRACE_S = 1.0
"""How long a call that is given up may take to tidy up."""

_T = TypeVar("_T")
_left: set[asyncio.Task[Any]] = set()
"""Calls that do not end; kept, since the loop alone would forget them."""

log = logging.getLogger(__name__)


async def bounded(
    call: Coroutine[Any, Any, _T],
    limit_s: float,
    doing: Doing,
    undo: Callable[[_T], Coroutine[Any, Any, None]] | None = None,
) -> _T:
    """The result of a call of bleak.

    Args:
        call: what is called.
        limit_s: it is given up after this.
        doing: what it does, for the words.
        undo: undoes a call that was given up and succeeds all the same.

    Raises:
        TransportError: it failed or took too long, and what to do; the cause is what it raised.
    """
    task = asyncio.ensure_future(call)
    try:
        await asyncio.wait({task}, timeout=limit_s)
    except asyncio.CancelledError:
        await _give_up(task, doing, undo)
        raise
    if not task.done():
        await _give_up(task, doing, undo)
        late = TimeoutError(f"no answer in {limit_s:g} s")
        raise TransportError(explain(late, doing)) from late
    if task.cancelled():
        raise TransportError(GONE)
    error = task.exception()
    if error is None:
        return task.result()
    if not isinstance(error, Exception):
        raise error
    raise TransportError(explain(error, doing)) from error


async def _give_up(
    task: asyncio.Task[_T],
    doing: Doing,
    undo: Callable[[_T], Coroutine[Any, Any, None]] | None,
) -> None:
    task.cancel()
    await asyncio.wait({task}, timeout=GRACE_S)

    async def tidy() -> None:
        done, error = await asyncio.gather(task, return_exceptions=True), None
        if isinstance(done[0], BaseException):
            log.debug("a Bluetooth call that was given up (%s) failed: %r", doing, done[0])
        elif undo is not None:
            try:
                await undo(done[0])
            except Exception as failed:
                error = failed
        if error is not None:
            log.warning("what was given up (%s) cannot be undone: %r", doing, error)

    if not task.done():
        log.warning("the system's Bluetooth hangs (%s); left behind", doing)
    tidying = asyncio.ensure_future(tidy())
    _left.add(tidying)
    tidying.add_done_callback(_left.discard)
    if task.done():
        await asyncio.wait({tidying}, timeout=GRACE_S)
