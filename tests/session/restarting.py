"""A second station that goes on with what the first one has recorded of a session."""

from __future__ import annotations

from tests.room.world import World
from vitals.model import Alarm, AlarmChange, Due, Event, Numeric, Resume
from vitals.session.evidence import kept


def restarted(world: World, after_s: float = 5) -> World:
    """A new room with what the record gives back, some seconds later."""
    alarms: dict[str, Alarm] = {}
    due: dict[str, Due] = {}
    marks: dict[str, Event] = {}
    session = world.room.session
    assert session is not None
    given = [item.body for item in world.inputs if isinstance(item.body, Numeric)]
    for output in world.outputs:
        if isinstance(output, AlarmChange):
            alarms[output.after.rule] = output.after
        elif isinstance(output, Due):
            due[output.what] = output
        elif isinstance(output, Event) and output.kind == "mark":
            marks[output.body["id"]] = output
        elif isinstance(output, Numeric):
            given.append(output)
    valid = [numeric for numeric in given if numeric.value is not None]
    again = World(world.room.devices.values(), auto_nibp=False, care=world.room.care)
    again.now_us = world.now_us + round(after_s * 1e6)
    resume = Resume(
        again.now_us,
        session,
        tuple(alarms.values()),
        tuple(due.values()),
        tuple(numeric for numeric in valid if kept(numeric, session.dose_us)),
        marks=tuple(marks.values()),
    )
    again.put(resume)
    return again
