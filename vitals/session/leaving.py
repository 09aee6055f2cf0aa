"""Leaving: the discharge checklist, its signature, and the end of the session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from vitals.model import Command, Output, Priority, Session, SessionChange
from vitals.session.act import Refused, open_session, text
from vitals.session.criteria import Line, criteria, met_us
from vitals.session.owed import owed
from vitals.session.phases import CHECK

if TYPE_CHECKING:
    from vitals.room import Room


def _lines(room: Room, now_us: int) -> list[Line]:
    return criteria(open_session(room), room.desk.course.evidence, room.care, now_us)


def _discharge(room: Room, now_us: int, command: Command) -> list[Output]:
    """A tick, or an override of what the program judges and is not met."""
    session = open_session(room)
    key, met, reason = text(command, "criterion"), command.args.get("met"), text(command, "reason")
    line = next((line for line in _lines(room, now_us) if line.id == key), None)
    if line is None:
        known = ", ".join(c.id for c in room.care.discharge)
        raise Refused(f"there is no criterion {key!r}; known are {known}")
    if not isinstance(met, bool):
        raise Refused("met must be true or false")
    _unsigned(session)
    if line.auto and met and line.met:
        raise Refused(f"{line.label}: is met already ({line.words})")
    if line.auto and met and not reason:
        raise Refused(f"say why it is set aside: {line.label} ({line.words})")
    actor = command.actor.name
    said = {"met": met, "by": actor, "at_us": now_us, "reason": reason}
    body = {"criterion": key, "met": met, "reason": reason, "words": line.words}
    changed = replace(session, discharge={**session.discharge, key: said})
    return room.desk.change(now_us, changed, "discharge", actor, body)


def _sign_discharge(room: Room, now_us: int, command: Command) -> list[Output]:
    session, actor = open_session(room), command.actor
    if session.phase != CHECK:
        raise Refused("a discharge is signed in the discharge check only; go to it first")
    _unsigned(session)
    lines = _lines(room, now_us)
    open_ = [line for line in lines if not line.met and not line.override]
    if open_:
        raise Refused(f"not met: {open_[0].label} ({open_[0].words}); set it aside with a reason")
    set_aside = sum(not line.met for line in lines)
    since_us = met_us(lines)
    words = f"{set_aside} criteria set aside" if set_aside else "recorded criteria all met"
    signed = {"by": actor.name, "role": actor.role, "at_us": now_us, "met_us": since_us}
    body = {"criteria": [asdict(line) for line in lines], "met_us": since_us, "text": words}
    return room.desk.change(now_us, replace(session, signed=signed), "signed", actor.name, body)


def _unsigned(session: Session) -> None:
    if session.signed:
        raise Refused(f"{session.signed['by']} has signed the discharge; another phase undoes it")


def _finished(room: Room, now_us: int, command: Command) -> list[Output]:
    session = open_session(room)
    if session.phase != CHECK:
        raise Refused("monitoring is finished in the discharge check only; go to it first")
    if session.finished_us is not None:
        raise Refused("monitoring is finished already")
    actor = command.actor.name
    done = replace(
        session,
        finished_us=now_us,
        off_since_us=None,
        off_until_us=None,
        off_reason="",
        off_extended=False,
    )
    ended = room.desk.engine.finish(
        now_us, "monitoring finished", actor, room.desk.fresh_channels()
    )
    return [*ended, *room.desk.change(now_us, done, "finished", actor)]


def _close_session(room: Room, now_us: int, command: Command) -> list[Output]:
    """What is owed is told in the record and never a reason to refuse."""
    session = open_session(room)
    reason = text(command, "reason")
    unseen = [
        alarm
        for alarm in room.alarms
        if alarm.priority is Priority.HIGH
        and alarm.condition in ("active", "latched")
        and not alarm.acked_by
    ]
    if unseen and not reason:
        raise Refused(
            f"{unseen[0].text} is not acknowledged: acknowledge it, or close with a reason"
        )
    body: dict[str, Any] = {"reason": reason} if reason else {}
    lines, devices = _lines(room, now_us), room.devices.values()
    owes = owed(session, room.due, devices, lines, room.care, now_us, closing=True)
    if owes:
        body["owed"] = [list(entry) for entry in owes]
    changes = room.desk.engine.close(now_us, "session closed", command.actor.name)
    ended = replace(session, ended_us=now_us, phase="CLOSED")
    room.desk.ended()
    return [*changes, SessionChange(now_us, ended, "closed", command.actor.name, body)]


ACTS: dict[str, Callable[[Any, int, Command], list[Output]]] = {
    "discharge": _discharge,
    "sign_discharge": _sign_discharge,
    "finished": _finished,
    "close_session": _close_session,
}
