"""Adverse events: what happened, how bad it was, what was done, how it ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vitals.model import Command, Event, Output
from vitals.session.act import Refused, flag, moment, new_id, open_session, text

if TYPE_CHECKING:
    from vitals.room import Room

SEVERITIES = ("mild", "moderate", "severe", "life-threatening")
OUTCOMES = ("ongoing", "resolved", "resolved with sequelae", "unknown")


def _adverse_event(room: Room, now_us: int, command: Command) -> list[Output]:
    """A new one, or another word on a known one: what is not said stays as it was."""
    session, actor = open_session(room), command.actor.name
    key = text(command, "id")
    known = session.adverse.get(key)
    if key and known is None:
        raise Refused(f"there is no adverse event {key!r}")
    key = key or new_id(command)
    event: dict[str, Any] = dict(
        known
        or {"onset_us": now_us, "action": "", "outcome": "ongoing", "serious": False, "by": actor}
    )
    if "what" in command.args or known is None:
        event["what"] = text(command, "what", needed="say what happened")
    if "onset_us" in command.args:
        event["onset_us"] = moment(session, command, now_us, "onset_us")
    if "severity" in command.args or known is None:
        event["severity"] = _one_of(command, "severity", SEVERITIES)
    if "action" in command.args:
        event["action"] = text(command, "action")
    if "outcome" in command.args:
        event["outcome"] = _one_of(command, "outcome", OUTCOMES)
    if "serious" in command.args:
        event["serious"] = flag(command, "serious")
    over = event["outcome"] != "ongoing"
    event["ended_us"] = (event.get("ended_us") or now_us) if over else None
    event |= {"changed_us": now_us, "changed_by": actor}
    changed = replace(session, adverse={**session.adverse, key: event})
    told = {**event, "id": key, "text": _words(event)}
    if known is not None and known["onset_us"] != event["onset_us"]:
        told["first_us"] = event["first_us"] = known.get("first_us", known["onset_us"])
    elif "first_us" in event:
        told["first_us"] = event["first_us"]
    outputs: list[Output] = [Event(event["onset_us"], "adverse_event", told, actor)]
    return [*outputs, *room.desk.change(now_us, changed, "adverse event", actor, {"id": key})]


def _one_of(command: Command, key: str, known: tuple[str, ...]) -> str:
    found = text(command, key)
    if found not in known:
        raise Refused(f"the {key} must be one of {', '.join(known)}")
    return found


def _words(event: dict[str, Any]) -> str:
    serious = ", serious" if event["serious"] else ""
    return f"Adverse event: {event['what']} ({event['severity']}{serious}, {event['outcome']})"


ACTS: dict[str, Callable[[Any, int, Command], list[Output]]] = {"adverse_event": _adverse_event}
