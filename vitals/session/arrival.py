"""Arrival: the check-in, and the gate before the dose.

Neither blocks the record: what is not answered is owed until closing, and a dose can be marked
whatever the gate says. A hold is a prescriber's to lift, or a nurse's on a verbal order read back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from vitals.model import Command, Output, Session
from vitals.session.act import TEXT_MAX, Refused, flag, open_session, text
from vitals.session.care import Care, Item
from vitals.session.evidence import Reading
from vitals.session.phases import BEFORE_DOSE

if TYPE_CHECKING:
    from vitals.room import Room

GateState = Literal["no_readings", "clear", "hold", "override"]
DECISIONS = ("go", "hold", "override")
LIFTS = ("prescriber", "admin", "operator")
"""Roles that may go on over a hold without an order of somebody else."""
_NO_ITEM = ("seen",)
_UPPER = ("arm", "hand", "finger", "wrist", "forearm")
_LOWER = ("leg", "foot", "toe", "ankle", "thigh")


# --- check-in -----------------------------------------------------------------------------------


def _check_in(room: Room, now_us: int, command: Command) -> list[Output]:
    session = open_session(room)
    items = {item.id: item for item in room.care.checkin}
    given = {key: value for key, value in command.args.items() if key not in _NO_ITEM}
    if not given:
        raise Refused("answer at least one item of the check-in")
    unknown = next((key for key in given if key not in items), None)
    if unknown is not None:
        raise Refused(f"the check-in has no item {unknown!r}; it has {', '.join(items)}")
    answers = {key: _answer(items[key], value) for key, value in given.items()}
    merged = {**session.checkin, **answers}
    merged = {key: value for key, value in merged.items() if value is not None}
    same_arm = _same_arm(merged) if {"cuff_side", "probe_side"} & answers.keys() else None
    if same_arm is None:
        same_arm = session.same_arm
    if merged == session.checkin and same_arm == session.same_arm:
        return []
    changed = replace(session, checkin=merged, same_arm=same_arm)
    outputs = room.desk.change(
        now_us, changed, "check-in", command.actor.name, {"answers": answers}
    )
    return [*outputs, *room.desk.arrived(now_us)]


def _answer(item: Item, value: object) -> object:
    """A valid answer, None for "unanswered again"."""
    if value is None or value == "":
        return None
    if item.kind == "flag":
        if not isinstance(value, bool):
            raise Refused(f"{item.label}: answer yes or no")
        return value
    if item.kind == "number":
        number = None if isinstance(value, (bool, str)) else value
        if not isinstance(number, (int, float)) or not item.least <= number <= item.most:
            raise Refused(f"{item.label}: a number from {item.least:g} to {item.most:g}")
        return number
    if not isinstance(value, str):
        raise Refused(f"{item.label}: answer in words")
    if item.kind == "choice":
        if value not in item.options:
            raise Refused(f"{item.label}: one of {', '.join(item.options)}")
        return value
    if len(value) > TEXT_MAX:
        raise Refused(f"{item.label}: longer than {TEXT_MAX} characters; shorten it")
    return value.strip() or None


def _same_arm(checkin: dict[str, Any]) -> bool | None:
    """Whether cuff and probe are on the same limb; None as long as nobody has said where."""
    cuff, probe = checkin.get("cuff_side"), checkin.get("probe_side")
    if not isinstance(cuff, str) or not isinstance(probe, str):
        return None
    return _limb(cuff) is not None and _limb(cuff) == _limb(probe)


def _limb(place: str) -> tuple[str, str] | None:
    """(side, upper or lower) of a place such as `left arm`, None if it names no side."""
    words = re.findall(r"\w+", place.lower())
    side = next((word for word in words if word in ("left", "right")), None)
    if side is None:
        return None
    return side, "lower" if any(word in _LOWER for word in words) else "upper"


def concerns(session: Session, care: Care) -> list[str]:
    """Labels of the answers that are to be looked at before the dose."""
    return [
        item.label
        for item in care.checkin
        if item.concern is not None and session.checkin.get(item.id) is item.concern
    ]


# --- the gate -----------------------------------------------------------------------------------


def gate_state(
    session: Session, readings: Sequence[Reading], spo2: float | None, care: Care
) -> tuple[GateState, list[str]]:
    """What the values before the dose say, and why, one sentence each.

    Args:
        session: for the age band of its check-in.
        readings: blood pressures before the dose; the last two count.
        spo2: the newest one before the dose, None if there is none that is recent.
        care: the limits.
    """
    limits = care.gate
    sbp = limits.sbp_over_65 if _over_65(session.checkin.get("age_band")) else limits.sbp
    last = readings[-2:]
    worst: GateState = "clear"
    words = []
    for reading in last:
        if _over(reading, limits.override_sbp, limits.override_dbp, at_limit=True):
            worst = "override"
            at = f"{limits.override_sbp:g}/{limits.override_dbp:g}"
            words.append(f"BP {reading.words} is at or above {at}.")
        elif _over(reading, sbp, limits.dbp, at_limit=False):
            worst = "override" if worst == "override" else "hold"
            words.append(f"BP {reading.words} is above {sbp:g}/{limits.dbp:g}.")
    if spo2 is not None and spo2 < limits.spo2:
        worst = "override" if worst == "override" else "hold"
        words.append(f"SpO2 {spo2:.0f} % is below {limits.spo2:g} %.")
    missing = [] if last else ["No blood pressure yet."]
    missing += [] if spo2 is not None else ["No SpO2 in the last 5 min."]
    if worst != "clear":
        return worst, words + missing
    if missing:
        return "no_readings", missing
    both = " and ".join(reading.words for reading in last)
    words = [f"BP {both}, SpO2 {spo2:.0f} %: within the limits."]
    return "clear", words + (["Only one blood pressure so far."] if len(last) == 1 else [])


def _over(reading: Reading, sbp: float, dbp: float, *, at_limit: bool) -> bool:
    pairs = ((reading.sys, sbp), (reading.dia, dbp))
    return any(
        value is not None and (value > limit or (at_limit and value == limit))
        for value, limit in pairs
    )


def _over_65(answer: object) -> bool:
    """Whether an age, or an age band such as `65 and over`, begins at 65 or later."""
    if isinstance(answer, (int, float)) and not isinstance(answer, bool):
        return answer >= 65
    if not isinstance(answer, str) or re.search(r"under|below|less|<|≤", answer.lower()):
        return False
    found = re.search(r"\d+", answer)
    return found is not None and int(found.group()) >= 65


def gate_now(room: Room, now_us: int) -> tuple[GateState, list[str]]:
    """The same for a room's session: before the dose as it is now, later as it was at the dose."""
    session, evidence = open_session(room), room.desk.course.evidence
    to_us = now_us if session.dose_us is None else session.dose_us
    readings = evidence.readings(to_us)
    return gate_state(session, readings, evidence.recent_spo2(to_us), room.care)


def _gate(room: Room, now_us: int, command: Command) -> list[Output]:
    session, actor = open_session(room), command.actor
    decision, reason = text(command, "decision"), text(command, "reason")
    order_by, read_back = text(command, "order_by"), flag(command, "read_back")
    if decision not in DECISIONS:
        raise Refused(f"the decision must be one of {', '.join(DECISIONS)}")
    state, words = gate_now(room, now_us)
    if decision == "go" and state != "clear":
        raise Refused(f"the gate is not clear ({' '.join(words)}): hold, or override with a reason")
    if decision == "override":
        if not reason:
            raise Refused("say why the dose is given all the same")
        if actor.role not in LIFTS and not (order_by and read_back):
            raise Refused(
                "a prescriber overrides; or say who gave the verbal order, and read it back"
            )
    gate: dict[str, Any] = {
        "decision": decision,
        "reason": reason,
        "by": actor.name,
        "role": actor.role,
        "at_us": now_us,
        "order_by": order_by,
        "read_back": read_back,
        "state": state,
        "words": words,
    }
    body = {key: gate[key] for key in ("decision", "reason", "order_by", "read_back", "words")}
    changed = replace(session, gate=gate)
    outputs = room.desk.change(now_us, changed, "gate", actor.name, body)
    if session.dose_us is not None or session.phase not in BEFORE_DOSE:
        return outputs
    return [*outputs, *room.desk.goes_on(now_us, "GATE" if decision == "hold" else "DOSING")]


ACTS: dict[str, Callable[[Any, int, Command], list[Output]]] = {
    "check_in": _check_in,
    "gate": _gate,
}
