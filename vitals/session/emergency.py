"""The emergency: one tap from any view, and its end.

It acknowledges what is on, and what is new then sounds once: everybody is there. The cuff measures
every two minutes unless somebody says "cuff off".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vitals.model import Command, Output
from vitals.session.act import Refused, open_session, text
from vitals.session.due import EMERGENCY
from vitals.session.phases import PHASE_NAMES

if TYPE_CHECKING:
    from vitals.room import Room

PHASE = "EMERGENCY"


def _emergency(room: Room, now_us: int, command: Command) -> list[Output]:
    session = open_session(room)
    if session.phase == PHASE:
        raise Refused("it is an emergency already")
    actor, reason = command.actor.name, text(command, "reason")
    # Whoever was off the monitor is watched again: the cuff is wanted, and what is missing counts.
    back = room.desk.on_monitor(now_us, actor) if session.off_since_us is not None else []
    return [*back, *room.desk.phase(now_us, PHASE, actor, reason)]


def _end_emergency(room: Room, now_us: int, command: Command) -> list[Output]:
    _in_emergency(room)
    reason = text(command, "reason", needed="say how the emergency has ended")
    to = text(command, "to")
    if to not in PHASE_NAMES or to == PHASE:
        raise Refused(f"say in which phase the session goes on: one of {', '.join(PHASE_NAMES)}")
    return room.desk.phase(now_us, to, command.actor.name, reason)


def _cuff(off: bool) -> Callable[[Any, int, Command], list[Output]]:
    def act(room: Room, now_us: int, command: Command) -> list[Output]:
        session = _in_emergency(room)
        if session.cuff_off == off:
            raise Refused(f"the cuff is {'off' if off else 'on'} already")
        cause = "cuff off" if off else "cuff on"
        after = replace(session, cuff_off=off)
        changed = room.desk.change(now_us, after, cause, command.actor.name)
        course = room.desk.course
        if off:
            return [*changed, *course.due.skip_open(EMERGENCY)]
        room.asking.again()
        return [*changed, *course.emergency(now_us)]

    return act


def _in_emergency(room: Room) -> Any:
    session = open_session(room)
    if session.phase != PHASE:
        raise Refused("there is no emergency")
    return session


ACTS: dict[str, Callable[[Any, int, Command], list[Output]]] = {
    "emergency": _emergency,
    "end_emergency": _end_emergency,
    "cuff_off": _cuff(True),
    "cuff_on": _cuff(False),
}
