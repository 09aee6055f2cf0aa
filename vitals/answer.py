"""Commands as they come from the feed: whether one can be taken, and its one answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from vitals import wire
from vitals.store.rows import AuditRow, StoredAudit

RECORDED_S = 2.0
"""A command that is not committed by then is answered "done, not recorded"."""


MOST_BYTES = 2048
"""Of a command's arguments; everything in them goes to the record."""


def unfit(message: wire.CommandMsg, most: int = MOST_BYTES) -> str:
    """Why a command cannot be taken at all, one sentence; `""` when it can.

    Its arguments are flat and small (`most` bytes), so that whatever is done can also be recorded.
    """
    if not message.id:
        return "a command needs an id"
    plain = (str, int, float, bool, type(None))
    if not all(isinstance(value, plain) for value in message.args.values()):
        return "the arguments of a command are texts and numbers"
    if len(wire.encode(message)) > most:
        return f"the command is longer than {most} bytes; shorten it"
    return ""


def answered(row: AuditRow | StoredAudit, message: wire.CommandMsg) -> wire.ResultMsg:
    """What a command was answered, by the row of its id: to the one who gave it, and nobody else.

    `recorded` is false of the refusal of any other command with that id.
    """
    first = (row.body["command"], row.room, row.actor)
    if first != (message.kind, message.room, message.name or "unknown"):
        error = f"the id {message.id!r} belongs to another command"
        return wire.ResultMsg(id=message.id, ok=False, error=error)
    return wire.ResultMsg(id=message.id, ok=row.body["ok"], error=row.body["error"], recorded=True)


class Answer:
    """The one answer to a command: after its commit, or after 2 s without.

    It stays in `waiting` until the commit, so that a repeated command never hears "recorded"
    before that.
    """

    def __init__(
        self,
        result: wire.ResultMsg,
        reply: Callable[[wire.ResultMsg], None],
        loop: asyncio.AbstractEventLoop,
        waiting: dict[str, Answer],
    ) -> None:
        self._result, self._replies, self._loop = result, [reply], loop
        self._waiting = waiting
        self._timer: asyncio.TimerHandle | None = None
        waiting[result.id] = self

    def also(self, reply: Callable[[wire.ResultMsg], None]) -> None:
        """The same command came again."""
        self._replies.append(reply)
        if self._timer is None:
            self._give(False)

    def wait(self) -> None:
        """Begins to count."""
        self._timer = self._loop.call_later(RECORDED_S, self._late)

    def committed(self, recorded: bool) -> None:
        """Called from the writer's thread."""
        self._loop.call_soon_threadsafe(self._done, recorded)

    def _done(self, recorded: bool) -> None:
        self._waiting.pop(self._result.id, None)
        if self._timer is not None:
            self._timer.cancel()
        self._give(recorded)

    def _late(self) -> None:
        self._timer = None
        self._give(False)

    def _give(self, recorded: bool) -> None:
        self._result.recorded = recorded
        replies, self._replies = self._replies, []
        for reply in replies:
            reply(self._result)
