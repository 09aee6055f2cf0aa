"""The one answer to each command: whether it may be, is possible, and was done already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitals.model import Command, Output, Result
from vitals.session import acts
from vitals.session.act import Refused, unseen
from vitals.session.permissions import may

if TYPE_CHECKING:
    from vitals.room import Room

KEPT = 1000
"""Answers that are remembered; older ones are in the record."""


class Answers:
    """The acts of a room, each done once."""

    def __init__(self) -> None:
        self._results: dict[str, Result] = {}

    def do(self, room: Room, now_us: int, command: Command) -> list[Output]:
        """What an act does to the room, and its answer at the end."""
        if command.id in self._results:
            return [self._results[command.id]]
        if not may(command.actor, command.kind):
            return [self._refuse(command, f"a {command.actor.role} may not {command.kind}")]
        if command.kind not in acts.ACTS:
            return [self._refuse(command, f"this station cannot {command.kind}; upgrade it")]
        session = room.session
        if session is not None and command.kind in acts.CONFIRMED:
            since = unseen(session, command, now_us)
            if since:
                return [self._refuse(command, since)]
        try:
            outputs = acts.ACTS[command.kind](room, now_us, command)
        except Refused as refused:
            return [self._refuse(command, str(refused))]
        return [*outputs, self._remember(Result(command.id, ok=True))]

    def _refuse(self, command: Command, sentence: str) -> Result:
        return self._remember(Result(command.id, ok=False, error=sentence))

    def _remember(self, result: Result) -> Result:
        self._results[result.id] = result
        if len(self._results) > KEPT:
            self._results.pop(next(iter(self._results)))
        return result
