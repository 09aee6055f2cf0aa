"""What the audit rows of a session say of its present state: for a restart, and for a replay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from vitals.model import Alarm, Dose, Due, Event, Priority, Session
from vitals.session.moving import MOVED_OUT, goes_along
from vitals.store.rows import StoredAudit


@dataclass(slots=True)
class Folded:
    """What the audit rows of a session say of its present state, row by row."""

    session: Session
    alarms: dict[str, Alarm] = field(default_factory=dict)
    due: dict[str, Due] = field(default_factory=dict)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    _leaving: dict[str, Alarm] = field(default_factory=dict)
    marks: dict[str, Event] = field(default_factory=dict)

    def take(self, row: StoredAudit) -> None:
        """The next row, in order."""
        if row.kind == "alarm":
            alarm = alarm_of(row.body["after"])
            self.alarms[alarm.rule] = alarm
        elif row.kind == "due":
            self.due[row.body["what"]] = Due(**{**row.body, "room": self.session.room})
        elif row.kind == "mark" and "id" in row.body:
            event = Event(row.at_us, row.kind, row.body, row.actor)
            self.marks[row.body["id"]] = event
        elif row.kind == "session_change":
            if row.body["cause"] == MOVED_OUT:  # where it leaves, its alarms end; it keeps them
                self._leaving = dict(self.alarms)
            elif row.body["cause"] == "moved":
                self._move(row.room)
            state = dict(row.body.get("state", {}))
            if "limits" in state:
                state["limits"] = {key: tuple(own) for key, own in state["limits"].items()}
            if "doses" in state:
                state["doses"] = tuple(Dose(**dose) for dose in state["doses"])
            self.session = replace(self.session, phase=row.body["phase"], **state)
            if row.body["cause"] == "dose" or "dose_us" in row.body:
                dose_us = row.body.get("dose_us", row.at_us)
                self.session = replace(self.session, dose_us=dose_us)
            if "gap" in row.body:
                self.gaps.append((row.body["gap"][0], row.body["gap"][1]))

    def _move(self, room: str) -> None:
        """The session goes on in another room."""
        self.session = replace(self.session, room=room)
        gone_along = (alarm for rule, alarm in self._leaving.items() if goes_along(rule))
        self.alarms = {alarm.rule: replace(alarm, room=room) for alarm in gone_along}
        self.due = {what: replace(due, room=room) for what, due in self.due.items()}


def alarm_of(body: Mapping[str, Any]) -> Alarm:
    """An alarm from its audit row."""
    return Alarm(**{**body, "priority": Priority(body["priority"])})
