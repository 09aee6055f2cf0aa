"""Acts about what is given: dose, parts, boosters, the end of an infusion, corrections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vitals.model import Command, Dose, DoseKind, Output, Session
from vitals.session.act import Refused, flag, moment, open_session, text

if TYPE_CHECKING:
    from vitals.room import Room

MOST_MG = 2000.0
"""A larger dose is a slip of the hand."""
_DETAILS = ("drug", "lot", "witness")


def _dose(room: Room, now_us: int, command: Command) -> list[Output]:
    session = open_session(room)
    if session.dose_us is not None:
        raise Refused("the dose is marked already; mark a further part or a booster")
    dose = _given(session, now_us, command, "dose")
    return room.desk.dosed(dose, command.actor.name)


def _part(room: Room, now_us: int, command: Command) -> list[Output]:
    session = _dosed(room)
    dose = _given(session, now_us, command, "part")
    return _add(room, now_us, session, dose)


def _booster(room: Room, now_us: int, command: Command) -> list[Output]:
    session = _dosed(room)
    dose = _given(session, now_us, command, "booster")
    again = room.desk.given_again(now_us, session)
    return [*_add(room, now_us, again, dose), *room.desk.boosted(now_us, dose)]


def _dose_details(room: Room, now_us: int, command: Command) -> list[Output]:
    session = _dosed(room)
    known = _number(session, command)
    changed = replace(known, **_details(command, known))
    doses = tuple(changed if dose is known else dose for dose in session.doses)
    body = {"n": known.n, "text": _words(changed)}
    after = replace(session, doses=doses)
    return room.desk.change(now_us, after, "dose details", command.actor.name, body)


def _correct_dose(room: Room, now_us: int, command: Command) -> list[Output]:
    session = _dosed(room)
    reason = text(command, "reason", needed="say why the time was wrong")
    known = _number(session, command)
    if "at_us" not in command.args:
        raise Refused("say when it was given")
    at_us = moment(session, command, now_us)
    others = [dose.at_us for dose in session.doses if dose is not known]
    if known.n == 1 and any(at_us > other for other in others):
        raise Refused("the first dose cannot be later than a further one; correct that first")
    if known.n != 1 and session.dose_us is not None and at_us < session.dose_us:
        raise Refused("it cannot be before the first dose")
    ends = session.infusion_end_us
    if known.n == 1 and ends is not None and at_us > ends:
        raise Refused("the dose cannot be later than the end of its infusion")
    corrected = replace(known, at_us=at_us)
    doses = tuple(corrected if dose is known else dose for dose in session.doses)
    body = {"n": known.n, "from_us": known.at_us, "to_us": at_us, "reason": reason}
    after = replace(session, doses=doses, signed={})
    actor = command.actor.name
    if known.n == 1:
        return room.desk.redosed(now_us, after, at_us, actor, body)
    changed = room.desk.change(now_us, after, "dose corrected", actor, body)
    booster = known.kind == "booster"
    return [*changed, *(room.desk.boosted(now_us, corrected) if booster else ())]


def _infusion_end(room: Room, now_us: int, command: Command) -> list[Output]:
    session = _dosed(room)
    if not room.desk.course.route.infusion_minutes:
        raise Refused("there is no infusion on this route")
    if session.infusion_end_us is not None:
        raise Refused("the end of the infusion is marked already")
    end_us = _end(session, now_us, command)
    return _ended(room, now_us, session, end_us, "infusion end", command.actor.name, {})


def _correct_infusion_end(room: Room, now_us: int, command: Command) -> list[Output]:
    session = _dosed(room)
    was_us = session.infusion_end_us
    if was_us is None:
        raise Refused("the end of the infusion is not marked yet")
    reason = text(command, "reason", needed="say why it was wrong")
    goes_on = flag(command, "goes_on")
    if goes_on == ("at_us" in command.args):
        raise Refused("say when it ended, or that it goes on")
    end_us = None if goes_on else _end(session, now_us, command)
    body = {"from_us": was_us, "reason": reason}
    actor = command.actor.name
    return _ended(
        room, now_us, replace(session, signed={}), end_us, "infusion corrected", actor, body
    )


def _end(session: Session, now_us: int, command: Command) -> int:
    end_us = moment(session, command, now_us)
    if session.dose_us is not None and end_us < session.dose_us:
        raise Refused("the infusion cannot end before the dose")
    return end_us


def _ended(
    room: Room, now_us: int, session: Session, end_us: int | None, cause: str, actor: str,
    body: dict[str, Any],
) -> list[Output]:  # fmt: skip
    """Takes another end of the infusion, and plans its readings anew."""
    after = replace(session, infusion_end_us=end_us)
    changed = room.desk.change(now_us, after, cause, actor, {"infusion_end_us": end_us, **body})
    planned = room.desk.course.infusion_ended(end_us, now_us, session.infusion_end_us)
    return [*changed, *planned]


def _dosed(room: Room) -> Session:
    session = open_session(room)
    if session.dose_us is None:
        raise Refused("there is no dose yet; mark the dose first")
    return session


def _add(room: Room, now_us: int, session: Session, dose: Dose) -> list[Output]:
    body = {"n": dose.n, "at_us": dose.at_us, "text": _words(dose)}
    after = replace(session, doses=(*session.doses, dose), signed={})
    return room.desk.change(now_us, after, dose.kind, dose.by, body)


def _given(session: Session, now_us: int, command: Command, kind: DoseKind) -> Dose:
    at_us = moment(session, command, now_us)
    if session.dose_us is not None and at_us < session.dose_us:
        raise Refused("it cannot be before the first dose")
    dose = Dose(len(session.doses) + 1, kind, at_us, now_us, command.actor.name)
    planned = session.checkin.get("drug")
    if isinstance(planned, str):
        dose = replace(dose, drug=planned)
    return replace(dose, **_details(command, dose))


def _details(command: Command, before: Dose) -> dict[str, Any]:
    found: dict[str, Any] = {key: text(command, key) for key in _DETAILS if key in command.args}
    if command.args.get("mg") is not None:
        found["mg"] = _mg(command.args["mg"])
    return {key: value for key, value in found.items() if value or getattr(before, key)}


def _mg(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Refused("the dose must be a number of milligrams")
    if not 0 < value <= MOST_MG:  # nan is not
        raise Refused(f"the dose must be more than 0 and at most {MOST_MG:g} mg")
    return float(value)


def _number(session: Session, command: Command) -> Dose:
    n = command.args.get("n")
    known = next((dose for dose in session.doses if type(n) is int and dose.n == n), None)
    if known is None:
        raise Refused(f"there is no dose number {n!r}")
    return known


def _words(dose: Dose) -> str:
    parts = [dose.drug, f"{dose.mg:g} mg" if dose.mg is not None else ""]
    parts += [f"lot {dose.lot}" if dose.lot else "", dose.witness and f"seen by {dose.witness}"]
    return ", ".join(part for part in parts if part)


ACTS: dict[str, Callable[[Any, int, Command], list[Output]]] = {
    "dose": _dose,
    "part": _part,
    "booster": _booster,
    "dose_details": _dose_details,
    "correct_dose": _correct_dose,
    "infusion_end": _infusion_end,
    "correct_infusion_end": _correct_infusion_end,
}
