"""Acts about readings that people take, or do not take: by hand, not obtained, hold cuff."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vitals.channels import CHANNELS, NIBP, plausible
from vitals.model import Command, DeviceRequest, Due, Event, Flag, Numeric, Output, StopNibp
from vitals.session.act import Refused, moment, open_session, text
from vitals.session.due import BEFORE_DISCHARGE, FORTY

if TYPE_CHECKING:
    from vitals.room import Room

BY_HAND = (*NIBP, "spo2", "pr", "rr")
"""Channels that a person may enter."""
NEVER_SKIPPED = (FORTY, BEFORE_DISCHARGE)
"""Readings that are recorded as not obtained instead."""
_OPEN = ("coming", "due", "overdue")


def _reading(room: Room, now_us: int, command: Command) -> list[Output]:
    session = open_session(room)
    at_us = moment(session, command, now_us)
    method = text(command, "method")
    given = {channel: command.args[channel] for channel in BY_HAND if channel in command.args}
    values = {c: _value(c, value) for c, value in given.items() if value is not None}
    if not values:
        raise Refused(f"enter at least one of {', '.join(CHANNELS[c].label for c in BY_HAND)}")
    _consistent(values)
    by_hand = frozenset({Flag.MANUAL})
    entered = [Numeric("", c, at_us, value, flags=by_hand) for c, value in values.items()]
    body: dict[str, Any] = {**values, "at_us": at_us, "method": method, "text": _words(values)}
    event = Event(at_us, "reading", body, command.actor.name)
    return [event, *room.desk.entered(now_us, entered, command.actor.name)]


def _claim_reading(room: Room, now_us: int, command: Command) -> list[Output]:
    """The station adds the reading's own facts to the command, so that it can be replayed."""
    session = open_session(room)
    device = text(command, "device", needed="that reading is no longer waiting")
    at_us = command.args.get("at_us")
    if type(at_us) is not int or at_us < session.started_us:
        raise Refused("it was taken before this session began")
    values = {c: _value(c, command.args[c]) for c in BY_HAND if command.args.get(c) is not None}
    claimed = frozenset({Flag.CLAIMED})
    taken = [Numeric(device, c, at_us, value, flags=claimed) for c, value in values.items()]
    words = f"{_pressure(values)}, by {device}"
    body: dict[str, Any] = {**values, "at_us": at_us, "device": device, "text": words}
    event = Event(at_us, "reading", body, command.actor.name)
    return [event, *room.desk.entered(now_us, taken, "")]


def _value(channel: str, value: object) -> float:
    label = CHANNELS[channel].label
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        raise Refused(f"{label} must be a number")
    if not plausible(channel, value):
        known = CHANNELS[channel]
        least, most = known.plausible_low, known.plausible_high
        raise Refused(f"{label} {str(value)[:12]} cannot be; it goes from {least:g} to {most:g}")
    return float(value)


def _consistent(values: dict[str, float]) -> None:
    sys, dia, mean = (values.get(channel) for channel in NIBP)
    if sys is None and (dia is not None or mean is not None):
        raise Refused("enter the systolic pressure too")
    if sys is not None and dia is not None and dia >= sys:
        raise Refused(f"diastolic {dia:g} must be below systolic {sys:g}")
    low = dia if dia is not None else 0
    if sys is not None and mean is not None and not low < mean < sys:
        raise Refused(f"MAP {mean:g} must be between diastolic and systolic")


def _words(values: dict[str, float]) -> str:
    pressure = _pressure(values)
    parts = [pressure] if pressure else []
    parts += [f"{CHANNELS[c].label} {values[c]:g}" for c in ("spo2", "pr", "rr") if c in values]
    return ", ".join(parts) + ", entered by hand"


def _pressure(values: dict[str, float]) -> str:
    sys, dia = values.get("nibp_sys"), values.get("nibp_dia")
    if sys is None:
        return ""
    return f"BP {sys:g}/{dia:g}" if dia is not None else f"BP {sys:g} systolic"


def _not_obtained(room: Room, now_us: int, command: Command) -> list[Output]:
    open_session(room)
    reason = text(command, "reason", needed="say why the reading was not obtained")
    what = text(command, "what")
    due = room.due.items.get(what)
    if due is None or due.state not in (*_OPEN, "missed", "skipped"):
        raise Refused(f"no reading {what!r} is owed")
    return _not_taken(room, now_us, command, [replace(due, state="not_obtained")], reason)


def _hold_cuff(room: Room, now_us: int, command: Command) -> list[Output]:
    """Skips what is owed now, else the next reading: the patient is not to be disturbed."""
    open_session(room)
    reason = text(command, "reason", needed="say why the cuff is held")
    owed = [due for due in room.due if due.state in ("due", "overdue")]
    coming = sorted((d for d in room.due if d.state == "coming"), key=lambda due: due.at_us)
    held = owed or coming[:1]
    if not held:
        raise Refused("no reading is owed or planned")
    changed: list[Due] = [
        replace(due, state="not_obtained" if due.what in NEVER_SKIPPED else "skipped")
        for due in held
    ]
    outputs = _not_taken(room, now_us, command, changed, reason)
    device = room.device_that_can("stop_nibp")
    if device is not None and room.bed.cuff.measures(device):
        # Without the command's id: the reading is held, even where the monitor does not stop.
        outputs.append(DeviceRequest(device, StopNibp()))
    return outputs


def _not_taken(
    room: Room, now_us: int, command: Command, changed: list[Due], reason: str
) -> list[Output]:
    actor = command.actor.name
    outputs: list[Output] = []
    for due in changed:
        words = "not obtained" if due.state == "not_obtained" else "skipped"
        body = {"what": due.what, "reason": reason, "text": f"{due.label} {words}: {reason}"}
        outputs.append(Event(now_us, due.state, body, actor))
    return [*outputs, *room.desk.not_taken(changed)]


def _call_nurse(room: Room, now_us: int, command: Command) -> list[Output]:
    open_session(room)
    room.desk.report("nurse-call", now_us, "NURSE CALLED", command.actor.name)
    return [Event(now_us, "call", {"text": "Nurse called"}, command.actor.name)]


ACTS: dict[str, Callable[[Any, int, Command], list[Output]]] = {
    "reading": _reading,
    "claim_reading": _claim_reading,
    "not_obtained": _not_obtained,
    "hold_cuff": _hold_cuff,
    "call_nurse": _call_nurse,
}
