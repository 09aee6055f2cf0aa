"""Marks on the time line: a note, or one tap; their time can be corrected, with a reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vitals.model import US, Command, Event, Output, Session
from vitals.session.act import Refused, moment, new_id, open_session, text
from vitals.session.care import Care, QuickMark

if TYPE_CHECKING:
    from vitals.room import Room

_MINUTE_US = 60 * US


def _mark(room: Room, now_us: int, command: Command) -> list[Output]:
    session = open_session(room)
    said, kind = text(command, "text"), text(command, "kind")
    if not said and not kind:
        raise Refused("write what happened")
    quick = _quick(session, room.care, kind) if kind else None
    at_us = moment(session, command, now_us)
    actor = command.actor.name
    words = ": ".join(part for part in (quick.label if quick else "", said) if part)
    body: dict[str, Any] = {"id": new_id(command), "text": words, "by": actor}
    recheck: list[Output] = []
    if quick is not None:
        body["mark"] = quick.id
        if quick.recheck_minutes:
            what, due = room.desk.recheck(now_us, _recheck_us(quick, at_us), quick.label)
            body["recheck"], recheck = what, list(due)
    event = Event(at_us, "mark", body, actor)
    room.desk.course.marks[body["id"]] = event
    return [event, *recheck]


def _quick(session: Session, care: Care, kind: str) -> QuickMark:
    quick = next((mark for mark in care.marks if mark.id == kind), None)
    if quick is None:
        known = ", ".join(mark.id for mark in care.marks)
        raise Refused(f"there is no mark {kind!r}; known are {known}")
    if quick.routes and session.route not in quick.routes:
        raise Refused(f"{quick.label}: a mark of {', '.join(quick.routes)} sessions only")
    return quick


def _recheck_us(quick: QuickMark, at_us: int) -> int:
    return at_us + quick.recheck_minutes * _MINUTE_US


def _correct_mark(room: Room, now_us: int, command: Command) -> list[Output]:
    """Another time for a mark; the first entry stays in the record."""
    session = open_session(room)
    known = room.desk.course.marks.get(text(command, "mark"))
    if known is None:
        raise Refused("there is no such mark in this session")
    reason = text(command, "reason", needed="say why the time was wrong")
    if "at_us" not in command.args:
        raise Refused("say when it happened")
    at_us = moment(session, command, now_us)
    if at_us == known.at_us:
        raise Refused("that is the time it has already")
    corrected = {"first_us": known.at_us, **known.body, "from_us": known.at_us, "reason": reason}
    event = Event(at_us, "mark", corrected, command.actor.name)
    room.desk.course.marks[known.body["id"]] = event
    quick = next((m for m in room.care.marks if m.id == known.body.get("mark")), None)
    if quick is None or "recheck" not in known.body:
        return [event]
    moved = room.desk.move_recheck(now_us, known.body["recheck"], _recheck_us(quick, at_us))
    return [event, *moved]


ACTS: dict[str, Callable[[Any, int, Command], list[Output]]] = {
    "mark": _mark,
    "correct_mark": _correct_mark,
}
