"""Acts about what is monitored: rules off, this patient's limits, off the monitor, scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vitals.alarms.profile import unfit_limits
from vitals.model import (
    US,
    Command,
    Event,
    Output,
    Priority,
    Session,
)
from vitals.session.act import Refused, flag, open_session, rule, text
from vitals.session.off_monitor import BATTERY_S, OFF_S
from vitals.session.phases import PHASE_NAMES

if TYPE_CHECKING:
    from vitals.room import Room

NEVER_OFF = ("not-recording", "no-sound", "symptom", "nurse-call")
"""About the program itself, or about what somebody has just reported."""


def _rule_off(room: Room, now_us: int, command: Command) -> list[Output]:
    open_session(room)
    rule_id = rule(room, command)
    reason = text(command, "reason", needed="say why the alarm is to be off")
    if room.rules[rule_id].side == "technical" and rule_id in NEVER_OFF:
        raise Refused("this alarm cannot be switched off; acknowledge it")
    return list(room.desk.engine.switch_off(now_us, rule_id, command.actor.name, reason))


def _rule_on(room: Room, now_us: int, command: Command) -> list[Output]:
    open_session(room)
    return list(room.desk.engine.switch_on(now_us, rule(room, command), command.actor.name))


def _set_limit(room: Room, now_us: int, command: Command) -> list[Output]:
    session, rule_id = open_session(room), rule(room, command)
    reason = text(command, "reason", needed="say why this patient has another limit")
    levels = room.rules[rule_id].levels
    index, limit = command.args.get("level"), command.args.get("limit")
    if type(index) is not int or not 0 <= index < len(levels):
        raise Refused(f"{rule_id} has levels 0 to {len(levels) - 1}")
    if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not 0 <= limit <= 1000:
        raise Refused("the limit must be a number from 0 to 1000")
    own = list(session.limits.get(rule_id, (None,) * len(levels)))
    own[index] = float(limit)
    why_not = unfit_limits(room.rules[rule_id], own)
    if why_not:
        raise Refused(why_not)
    body = {"rule": rule_id, "level": index, "limit": float(limit), "reason": reason}
    limits = {**session.limits, rule_id: tuple(own)}
    return _limits(room, now_us, command, replace(session, limits=limits), body)


def _reset_limit(room: Room, now_us: int, command: Command) -> list[Output]:
    session, rule_id = open_session(room), rule(room, command)
    reason = text(command, "reason", needed="say why the profile's limit holds again")
    limits = {key: value for key, value in session.limits.items() if key != rule_id}
    body = {"rule": rule_id, "limit": None, "reason": reason}
    return _limits(room, now_us, command, replace(session, limits=limits), body)


def _limits(
    room: Room, now_us: int, command: Command, session: Session, body: dict[str, Any]
) -> list[Output]:
    return room.desk.change(now_us, session, "limit", command.actor.name, body)


def _symptom(room: Room, now_us: int, command: Command) -> list[Output]:
    open_session(room)
    said = text(command, "text") or "symptom reported"
    actor = command.actor.name
    room.desk.report("symptom", now_us, f"SYMPTOM: {said}", actor)
    return [Event(now_us, "symptom", {"text": said}, actor)]


def _off_monitor(room: Room, now_us: int, command: Command) -> list[Output]:
    session = open_session(room)
    reason = text(command, "reason")
    if session.off_since_us is not None:
        raise Refused("the patient is off the monitor already; extend it once, or end it")
    crit = [a for a in room.alarms if a.priority is Priority.HIGH and a.condition == "active"]
    if crit and not reason:
        raise Refused(f"{crit[0].text} is active: say why the patient comes off the monitor")
    wait_s = BATTERY_S if flag(command, "battery") else OFF_S
    room.desk.off_monitor()
    off = replace(
        session,
        off_since_us=now_us,
        off_until_us=now_us + round(wait_s * US),
        off_reason=reason,
        off_extended=False,
    )
    return room.desk.change(now_us, off, "off monitor", command.actor.name, {"reason": reason})


def _extend_off_monitor(room: Room, now_us: int, command: Command) -> list[Output]:
    session = open_session(room)
    if session.off_since_us is None:
        raise Refused("the patient is on the monitor")
    if session.off_extended:
        raise Refused("it was extended once already; connect the patient")
    room.desk.off_monitor()
    off = replace(session, off_until_us=now_us + round(OFF_S * US), off_extended=True)
    return room.desk.change(now_us, off, "off monitor extended", command.actor.name)


def _on_monitor(room: Room, now_us: int, command: Command) -> list[Output]:
    if open_session(room).off_since_us is None:
        raise Refused("the patient is on the monitor already")
    return room.desk.on_monitor(now_us, command.actor.name)


def _arms(room: Room, now_us: int, command: Command) -> list[Output]:
    session, same = open_session(room), flag(command, "same")
    changed = replace(session, same_arm=same)
    return room.desk.change(now_us, changed, "arms", command.actor.name, {"same_arm": same})


def _phase(room: Room, now_us: int, command: Command) -> list[Output]:
    session, name = open_session(room), text(command, "to")
    if name not in PHASE_NAMES:
        raise Refused(f"there is no phase {name!r}; known are {', '.join(PHASE_NAMES)}")
    if name == session.phase:
        raise Refused(f"the phase is {name} already")
    return room.desk.phase(now_us, name, command.actor.name, text(command, "reason"))


def _confirm_own_alarm(room: Room, now_us: int, command: Command) -> list[Output]:
    session, device = open_session(room), text(command, "device")
    if device not in room.devices:
        raise Refused(f"there is no device {device!r} in {room.id}")
    actor = command.actor.name
    confirmed = replace(session, own_alarm_by={**session.own_alarm_by, device: actor})
    return room.desk.change(now_us, confirmed, "own alarm confirmed", actor, {"device": device})


def _test_escalation(room: Room, now_us: int, command: Command) -> list[Output]:
    step = command.args.get("step")
    if type(step) is not int or step < 1:
        raise Refused("say which step of the escalation is to be tested: 1, 2, …")
    return [Event(now_us, "escalation_test", {"step": step}, command.actor.name)]


ACTS: dict[str, Callable[[Any, int, Command], list[Output]]] = {
    "rule_off": _rule_off,
    "rule_on": _rule_on,
    "set_limit": _set_limit,
    "reset_limit": _reset_limit,
    "symptom": _symptom,
    "off_monitor": _off_monitor,
    "extend_off_monitor": _extend_off_monitor,
    "on_monitor": _on_monitor,
    "arms": _arms,
    "phase": _phase,
    "confirm_own_alarm": _confirm_own_alarm,
    "test_escalation": _test_escalation,
}
