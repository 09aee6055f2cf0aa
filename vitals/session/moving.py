"""A session that is moved to another room keeps its dose clock, its due list and its alarms.

The room it leaves lets it go here; the station hands it to the other one (`Resume`), which must be
free. What spoke of the first room's devices ends with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vitals.alarms.technical import OF_DEVICES, PER_DEVICE
from vitals.model import Command, Input, Output, Resume, SessionChange
from vitals.session.act import Refused, open_session, text

if TYPE_CHECKING:
    from vitals.room import Room

MOVED_OUT = "moved out"
_STAYS = frozenset({*OF_DEVICES, *PER_DEVICE, "not-recording", "disk-low", "no-sound"})
"""Rules that speak of a room's devices, or that every room finds out by itself."""


def _move_session(room: Room, now_us: int, command: Command) -> list[Output]:
    session = open_session(room)
    to = text(command, "to", needed="say which room the session goes to")
    if to == room.id:
        raise Refused("the session is in this room already")
    if session.off_since_us is None and room.bed.cuff.measuring_us is not None:
        raise Refused("the cuff is measuring: wait for it, or stop it first")
    changes = room.engine.close(now_us, "session moved", command.actor.name)
    left = replace(session, moved_from=room.id)
    room.desk.ended()
    body = {"from": room.id, "to": to}
    return [SessionChange(now_us, left, MOVED_OUT, command.actor.name, body), *changes]


class HandOver:
    """What one room hands to another; made before the first one lets the session go."""

    def __init__(self, room: Room, to: str, actor: str) -> None:
        course = self._course = room.desk.course
        session = course.session
        last = {"by": actor, "what": f"moved from {room.id}", "at_us": room.now_us}
        moved = replace(session, room=to, moved_from=room.id, rev=session.rev + 1, last=last)
        alarms = tuple(replace(alarm, room=to) for alarm in room.alarms if goes_along(alarm.rule))
        due = tuple(replace(item, room=to) for item in course.due)
        self._resume = Resume(0, moved, alarms, due, moved_by=actor)

    def complete(self, room: Room, seq: int, at_us: int) -> list[Output]:
        """The other room goes on with it; returns what that room says."""
        outputs = room.step(Input(seq, at_us, replace(self._resume, at_us=at_us)))
        room.desk.course.take_over(self._course)
        return outputs


def goes_along(rule: str) -> bool:
    """Whether the alarm of a rule belongs to the patient, not to the room."""
    return rule.partition(":")[0] not in _STAYS


ACTS: dict[str, Callable[[Any, int, Command], list[Output]]] = {"move_session": _move_session}
