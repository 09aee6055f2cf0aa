"""What is still missing in the record of a session: shown until closing, and written into it.

It never refuses anything. While the session runs only what could be done by now is owed; at its
closing everything that the record should have.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vitals.model import Due, RoomDevice, Session
from vitals.session.care import Care
from vitals.session.criteria import MINUTE_US, Line
from vitals.session.due import BEFORE_DISCHARGE, FORTY
from vitals.session.phases import CHECK

Owed = tuple[str, str]
"""(key, words)."""
_NEEDS_REASON = (FORTY, BEFORE_DISCHARGE)
_DETAILS = ("drug", "mg", "lot")
"""Of each dose; a witness is not everywhere required."""


def owed(
    session: Session,
    due: Iterable[Due],
    devices: Iterable[RoomDevice],
    lines: Sequence[Line],
    care: Care,
    now_us: int,
    *,
    closing: bool = False,
) -> list[Owed]:
    """What is missing, in the order of a session.

    Args:
        session: as it is.
        due: its readings.
        devices: of its room.
        lines: its discharge criteria as they stand.
        care: what the clinic asks.
        now_us: station time.
        closing: the session ends now: what was not to be had yet is missing, too.
    """
    found = _checkin(session, care)
    found += _own_alarms(session, devices)
    if session.dose_us is not None:
        found += _doses(session)
        found += _infusion(session, care, now_us, closing=closing)
    found += _readings(due, closing=closing)
    found += _adverse(session)
    if session.dose_us is not None and (closing or session.phase == CHECK):
        found += _discharge(session, lines)
    return found


def _checkin(session: Session, care: Care) -> list[Owed]:
    """One entry a group of the form."""
    groups: dict[str, list[str]] = {}
    for item in care.checkin:
        if item.required and session.checkin.get(item.id) is None:
            groups.setdefault(item.group, []).append(item.label)
    return [
        (f"checkin:{group}", f"Check-in not answered: {', '.join(labels)}")
        for group, labels in groups.items()
    ]


def _own_alarms(session: Session, devices: Iterable[RoomDevice]) -> list[Owed]:
    return [
        (f"own-alarm:{device.id}", f"{device.id}: its own alarm is not confirmed to be on")
        for device in devices
        if device.own_alarm != "no" and device.id not in session.own_alarm_by
    ]


def _doses(session: Session) -> list[Owed]:
    found: list[Owed] = [] if session.gate else [("gate", "No decision at the gate")]
    for dose in session.doses:
        missing = [name for name in _DETAILS if getattr(dose, name) in ("", None)]
        if missing:
            found.append((f"dose:{dose.n}", f"Dose {dose.n}: {', '.join(missing)} not entered"))
    return found


def _infusion(session: Session, care: Care, now_us: int, *, closing: bool) -> list[Owed]:
    planned_us = care.route(session.route).infusion_minutes * MINUTE_US
    if not planned_us or session.infusion_end_us is not None or session.dose_us is None:
        return []
    late = now_us >= session.dose_us + planned_us
    return [("infusion-end", "End of the infusion not marked")] if late or closing else []


def _readings(due: Iterable[Due], *, closing: bool) -> list[Owed]:
    """Readings that may not be missing without a reason."""
    lacking = ("due", "overdue", "missed", *(("coming", "skipped") if closing else ()))
    return [
        (item.what, f"{item.label}: not taken, and no reason given")
        for item in due
        if item.what in _NEEDS_REASON and item.state in lacking
    ]


def _adverse(session: Session) -> list[Owed]:
    return [
        (f"adverse:{key}", f"Adverse event goes on: {event['what']}")
        for key, event in session.adverse.items()
        if event["outcome"] == "ongoing"
    ]


def _discharge(session: Session, lines: Sequence[Line]) -> list[Owed]:
    found = [
        (f"discharge:{line.id}", f"Not met: {line.label} ({line.words})")
        for line in lines
        if not line.met and not line.override
    ]
    return found if session.signed else [*found, ("signature", "Discharge not signed")]
