"""What follows from a session and its newest values, for the pages: gate, discharge, what is owed.

Nothing of it is recorded by itself, and the fold does not need it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vitals.alarms.limits import in_force
from vitals.model import Priority, Session
from vitals.session.arrival import GateState, concerns, gate_now
from vitals.session.criteria import Line, criteria, earliest_us, met_us
from vitals.session.owed import Owed, owed

if TYPE_CHECKING:
    from vitals.room import Room


@dataclass(frozen=True, slots=True)
class CareView:
    """See `vitals.wire.CareMsg`."""

    gate: GateState
    words: tuple[str, ...]
    concerns: tuple[str, ...]
    criteria: tuple[Line, ...]
    met_us: int | None
    owed: tuple[Owed, ...]
    earliest_us: int | None
    limits: tuple[LimitNow, ...]


@dataclass(frozen=True, slots=True)
class LimitNow:
    """A limit that holds now; see `vitals.wire.LimitMsg`."""

    channel: str
    side: str
    priority: str
    limit: float
    why: str


def care_view(room: Room, now_us: int) -> CareView | None:
    """The view of a room's session at a time, None without one."""
    course = room.course
    if course is None:
        return None
    session, care = course.session, room.care
    gate, words = gate_now(room, now_us)
    lines = criteria(session, course.evidence, care, now_us)
    owes = owed(session, course.due, room.devices.values(), lines, care, now_us)
    return CareView(
        gate,
        tuple(words),
        tuple(concerns(session, care)),
        tuple(lines),
        met_us(lines),
        tuple(owes),
        earliest_us(session, care),
        tuple(_limits(room, session, now_us)),
    )


def _limits(room: Room, session: Session, now_us: int) -> Iterator[LimitNow]:
    context = room.desk.context(session)
    for rule in room.rules.values():
        for index, level in enumerate(rule.levels):
            if rule.side == "technical" or level.priority is Priority.INFO:
                continue
            now = in_force(rule, index, context, now_us)
            if now is not None:
                yield LimitNow(rule.channel, rule.side, level.priority.value, now.limit, now.why)
