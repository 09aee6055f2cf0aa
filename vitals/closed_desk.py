"""Takes what is said of closed sessions afterwards: addenda and signatures.

No room hears of them. The record is asked first whether there is such a session, in a thread and
for a limited time: however slow the disk is, monitoring goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from vitals import wire
from vitals.afterwards import ACTS, KINDS, Known, row_body
from vitals.answer import Answer, answered
from vitals.background import Background
from vitals.clock import Now
from vitals.errors import CommandError, StoreError
from vitals.model import Actor, Command
from vitals.record import Record
from vitals.store.reader import Reader

LOOK_S = 3.0
"""How long the record may take to say which session is meant; the web waits 6 s in all."""
MOST_AT_ONCE = 16
_MOST_ROWS = 2**53

Reply = Callable[[wire.ResultMsg], None]


@dataclass(frozen=True, slots=True)
class _Found:
    known: Known
    answer: wire.ResultMsg | None


class ClosedDesk:
    """One of these in a station; loop thread only.

    Args:
        record: what is added to.
        clock: the station's.
        answers: commands whose commit is awaited, by id.
    """

    def __init__(self, record: Record, clock: Now, answers: dict[str, Answer]) -> None:
        self._record, self._clock, self._answers = record, clock, answers
        self._looking: dict[str, list[Reply]] = {}
        self._tasks = Background("addenda", MOST_AT_ONCE)

    def take(self, message: wire.CommandMsg, reply: Reply) -> None:
        """Adds what it asks for; the answer follows the commit, or says why not."""
        if message.id in self._looking:
            self._looking[message.id].append(reply)
            return
        self._looking[message.id] = [reply]
        if not self._tasks.begin(self._add(message)):
            self._refuse(message, "too many additions wait for the record; wait a moment")

    async def close(self) -> None:
        """Ends what is under way; nothing of it was recorded."""
        await self._tasks.close()

    async def _add(self, message: wire.CommandMsg) -> None:
        try:
            async with asyncio.timeout(LOOK_S):
                found = await asyncio.to_thread(_look, self._record.reader(), message)
            if found.answer is not None:
                self._give(message, found.answer)
            else:
                self._put(message, found.known)
        except TimeoutError:
            self._refuse(message, "the record does not answer; nothing was added, try again later")
        except (StoreError, CommandError) as error:
            self._refuse(message, str(error))
        finally:
            self._looking.pop(message.id, None)

    def _put(self, message: wire.CommandMsg, known: Known) -> None:
        now_us = self._clock.now_us()
        actor = Actor(message.name or "unknown", message.role)
        command = Command(message.id, actor, message.kind, message.room, message.args)
        body = row_body(command, message.identity, known, now_us)
        first, *others = self._looking.pop(message.id)
        result = wire.ResultMsg(id=message.id, ok=True)
        answer = Answer(result, first, asyncio.get_running_loop(), self._answers)
        with self._record.together(answer.committed):
            seq, kind = next(self._record.seq), ACTS[message.kind]
            self._record.afterwards(seq, now_us, str(body["session"]), command, kind, body)
        answer.wait()
        for reply in others:
            answer.also(reply)

    def _give(self, message: wire.CommandMsg, result: wire.ResultMsg) -> None:
        for reply in self._looking.pop(message.id, []):
            reply(result)

    def _refuse(self, message: wire.CommandMsg, error: str) -> None:
        self._give(message, wire.ResultMsg(id=message.id, ok=False, error=error))


def _look(reader: Reader, message: wire.CommandMsg) -> _Found:
    """What the record says of the session that is meant, in a thread."""
    uuid, row_n = str(message.args.get("session", "")), message.args.get("corrects")
    try:
        with reader.at_one_moment() as held:
            row = held.result_of(message.id)
            if row is not None:
                return _Found(Known(None), answered(row, message))
            record = held.session(uuid)
            if record is None:
                return _Found(Known(None), None)
            added = held.audit_by_kind(uuid, KINDS)
            numbered = isinstance(row_n, int) and 0 < row_n < _MOST_ROWS
            corrected = held.audit(uuid, row_n, row_n + 1) if numbered and row_n else []
    except (LookupError, TypeError, ValueError) as error:
        raise StoreError(
            f"the record is damaged at this session ({error}); nothing was added"
        ) from error
    last_n = max((each.n for each in added), default=0)
    kind = corrected[0].kind if corrected else ""
    return _Found(Known(record.session, last_n, kind), None)
