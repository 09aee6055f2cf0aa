"""What a person's command does to a room: one small function an act, one literal table.

An act returns the outputs it causes, or raises `Refused` with one sentence for the person.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vitals.model import (
    Command,
    DeviceRequest,
    Output,
    Session,
    SessionChange,
    StartNibp,
    StopNibp,
)
from vitals.session import (
    adverse,
    arrival,
    dosing,
    emergency,
    entered,
    leaving,
    marks,
    monitoring,
    moving,
    scores,
)
from vitals.session.act import Refused, new_id, open_session, text
from vitals.session.act import rule as rule_of

if TYPE_CHECKING:
    from vitals.room import Room

_PSEUDONYM = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/-]{0,39}")


def _open_session(room: Room, now_us: int, command: Command) -> list[Output]:
    if room.session is not None:
        raise Refused(
            f"{room.id} already has a session ({room.session.subject_ref}); close it first"
        )
    subject = text(command, "subject_ref")
    if not _PSEUDONYM.fullmatch(subject):
        raise Refused("give a pseudonym of 1 to 40 letters, digits, spaces or . _ / -")
    route = text(command, "route")
    if route not in room.care.routes:
        raise Refused(f"route must be one of {', '.join(room.care.routes)}")
    session = Session(
        id=new_id(command),
        room=room.id,
        subject_ref=subject,
        route=route,
        started_us=now_us,
        mode=room.mode,
    )
    due = room.desk.begin(now_us, session)
    opened = SessionChange(now_us, session, "opened", command.actor.name)
    return [opened, *due]


def _acknowledge(room: Room, now_us: int, command: Command) -> list[Output]:
    """`level` and `onset_us`, where given, say which alarm the person saw."""
    open_session(room)
    rule = rule_of(room, command)
    alarm = next((alarm for alarm in room.alarms if alarm.rule == rule), None)
    if alarm is not None:
        level, onset_us = command.args.get("level"), command.args.get("onset_us")
        risen = isinstance(level, int) and alarm.level > level
        other = isinstance(onset_us, int) and alarm.onset_us != onset_us
        if risen or other:
            raise Refused(
                f"the alarm has changed since ({alarm.text}): look again, then acknowledge"
            )
    room.desk.seen_to(rule)  # what is reported is cleared by hand, and this is the hand
    return list(room.desk.engine.acknowledge(now_us, rule, command.actor.name))


def _pause_audio(room: Room, now_us: int, command: Command) -> list[Output]:
    open_session(room)
    return list(room.desk.engine.pause_audio(now_us, command.actor.name, text(command, "rule")))


def _resume_audio(room: Room, now_us: int, command: Command) -> list[Output]:
    open_session(room)
    rule = text(command, "rule")
    return list(room.desk.engine.resume_audio(now_us, command.actor.name, rule))


def _start_nibp(room: Room, now_us: int, command: Command) -> list[Output]:
    return [DeviceRequest(_cuff(room, command, "start_nibp"), StartNibp(), command.id)]


def _stop_nibp(room: Room, now_us: int, command: Command) -> list[Output]:
    return [DeviceRequest(_cuff(room, command, "stop_nibp"), StopNibp(), command.id)]


def _cuff(room: Room, command: Command, ability: str) -> str:
    device = room.device_that_can(ability, text(command, "device"))
    if device is None:
        raise Refused(f"no connected monitor in {room.id} can do that; measure by hand")
    return device


CONFIRMED = frozenset(
    {
        "gate", "dose", "part", "booster", "correct_dose", "infusion_end", "correct_infusion_end",
        "sign_discharge", "close_session", "move_session",
    }
)  # fmt: skip
"""Acts that are refused once when somebody else has changed the session since it was drawn."""

ACTS: dict[str, Callable[[Any, int, Command], list[Output]]] = {
    "open_session": _open_session,
    "acknowledge": _acknowledge,
    "pause_audio": _pause_audio,
    "resume_audio": _resume_audio,
    "start_nibp": _start_nibp,
    "stop_nibp": _stop_nibp,
    **adverse.ACTS,
    **arrival.ACTS,
    **dosing.ACTS,
    **emergency.ACTS,
    **entered.ACTS,
    **leaving.ACTS,
    **marks.ACTS,
    **monitoring.ACTS,
    **moving.ACTS,
    **scores.ACTS,
}
