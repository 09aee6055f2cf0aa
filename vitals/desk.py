"""What acts and time change in a room: its session, and everything that must hear of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from vitals.alarms.engine import Engine
from vitals.alarms.limits import Context
from vitals.alarms.technical import Fact
from vitals.bedside.restored import Restored
from vitals.model import US, Dose, Due, Numeric, Output, Resume, RoomDevice, Session, SessionChange
from vitals.session.asking import Asking
from vitals.session.baseline import READINGS
from vitals.session.course import Course
from vitals.session.due import EMERGENCY
from vitals.session.off_monitor import BackOnMonitor
from vitals.session.phases import CHECK

if TYPE_CHECKING:
    from vitals.room import Room

RESUMED_S = 60.0
"""After a restart nothing is measured for so long: the cuff may still be at it."""


class Desk:
    """The acts' way into one room; see the module."""

    def __init__(self, room: Room) -> None:
        self._room = room

    @property
    def engine(self) -> Engine:
        """The alarms."""
        return self._room.engine

    def fresh_channels(self) -> frozenset[str]:
        """Channels whose value still speaks for the patient."""
        sources = self._room.bed.sources
        return frozenset(
            c for c in ("spo2", "pr", "hr", "rr") if sources.fresh(c, self._room.now_us) is not None
        )

    def change(
        self,
        at_us: int,
        session: Session,
        cause: str,
        actor: str = "",
        body: Mapping[str, object] | None = None,
        *,
        heard_us: int | None = None,
    ) -> list[Output]:
        """The session is another one now; its alarms hear of it, at `heard_us` if later."""
        if actor:
            last = {"by": actor, "what": cause, "at_us": self._room.now_us}
            session = replace(session, rev=session.rev + 1, last=last)
        self.course.session = session
        if not session.same_arm or session.phase == "EMERGENCY":
            self._room.bed.gate_closes(heard_us or at_us)
        changes = self._room.engine.retune(heard_us or at_us, self.context(session))
        return [SessionChange(at_us, session, cause, actor, dict(body or {})), *changes]

    @property
    def course(self) -> Course:
        """The open session in its course."""
        if self._room.course is None:
            raise RuntimeError(f"{self._room.id} has no session")
        return self._room.course

    def begin(self, now_us: int, session: Session) -> list[Output]:
        """A session starts: new alarms, new due list, waiting for data from now."""
        ended = self._room.engine.close(now_us, "session opened", "")
        self._room.course = Course(session, self._room.care)
        self._room.engine = self._room.new_engine(self.context(session))
        self._room.bed.begin(now_us)
        self._room.asking, self._room.restored = Asking(), Restored()
        return [*ended, *self._room.due]

    def dosed(self, dose: Dose, actor: str) -> list[Output]:
        """The first dose starts the clocks, at its mark perhaps later than it was given."""
        dose_us, marked_us = dose.at_us, dose.marked_us
        anew = self.given_again(marked_us, self.course.dosed(dose_us, marked_us))
        session = replace(anew, doses=(dose,), signed={})
        body = {"baseline": dict(session.baseline), "dose_us": dose_us}
        outputs = self.change(dose_us, session, "dose", actor, body, heard_us=marked_us)
        return [*outputs, *self.course.owe_after_dose(dose_us, self._readings_us())]

    def given_again(self, now_us: int, session: Session) -> Session:
        """What was said of the discharge was said of what had been given by then."""
        if session.finished_us is not None:  # monitoring goes on
            self._room.bed.await_from(now_us)
        return replace(session, discharge={}, finished_us=None)

    def boosted(self, now_us: int, dose: Dose) -> list[Output]:
        """A booster owes its own readings, from when it was given or is now said to have been."""
        self._room.asking.wanted = self._room.dirty = True
        return list(self.course.boosted(dose.n, dose.at_us, now_us, self._readings_us()))

    def _readings_us(self) -> list[int]:
        """When blood pressures were taken; after a restart only good ones are known."""
        good = (reading.at_us for reading in self.course.evidence.readings())
        return sorted({*self._room.bed.cuff.readings_us, *good})

    def redosed(
        self, now_us: int, session: Session, dose_us: int, actor: str, body: Mapping[str, object]
    ) -> list[Output]:
        """The first dose was given at another time than marked."""
        self.course.session = session
        moved, due = self.course.redosed(dose_us, now_us, self._readings_us())
        more = {**body, "dose_us": dose_us}
        self._room.asking.wanted = self._room.dirty = True
        return [*self.change(now_us, moved, "dose corrected", actor, more), *due]

    def goes_on(self, now_us: int, name: str) -> list[Output]:
        """The phase that an act before the dose brings."""
        was = self.course.session
        if was.phase == name:
            return []
        body = {"from": was.phase, "to": name}
        return self.change(now_us, replace(was, phase=name), "phase", body=body)

    def arrived(self, now_us: int) -> list[Output]:
        """Somebody asks or measures: what comes before the dose has begun."""
        session = self.course.session
        waits = session.dose_us is None and session.phase == "CHECK_IN"
        return self.goes_on(now_us, "BASELINE") if waits else []

    def phase(self, now_us: int, name: str, actor: str, reason: str) -> list[Output]:
        """A person says which phase it is."""
        was = self.course.session
        body = {"from": was.phase, "to": name, "reason": reason}
        session = self.course.to_phase(now_us, name)
        if was.finished_us is not None:  # monitoring goes on
            session = replace(session, finished_us=None)
            self._room.bed.await_from(now_us)
        due: list[Due] = []
        if name == "EMERGENCY":
            session = replace(session, emergency_us=now_us)
            due = self.course.emergency(now_us)
            self._room.asking.wanted = self._room.dirty = True
        elif was.phase == "EMERGENCY":
            session = replace(session, emergency_us=None, cuff_off=False)
            due = self.course.due.skip_open(EMERGENCY)
        if name == CHECK:
            due += self.course.leaving(now_us)
            self._room.asking.again()
            self._room.dirty = True
        elif was.phase == CHECK:
            session = replace(session, signed={})
        # Before the phase changes, as everything that is new in an emergency sounds once.
        seen = self._room.engine.acknowledge_all(now_us, actor) if name == "EMERGENCY" else []
        return [*seen, *self.change(now_us, session, "phase", actor, body), *due]

    def report(self, rule: str, now_us: int, words: str, actor: str) -> None:
        """Somebody reports something, beside what nobody has seen to yet."""
        was = self.course.reported.get(rule)
        since_us = now_us if was is None else was.since_us
        if was is not None:
            words = words if words in was.text else f"{was.text}; {words}"
        self.course.reported[rule] = Fact(rule, since_us, words, by=actor)

    def seen_to(self, rule: str) -> None:
        """Somebody has seen to what was reported."""
        self.course.reported.pop(rule, None)

    def entered(self, now_us: int, entered: list[Numeric], actor: str) -> list[Output]:
        """Values that a person has taken: they pay what is owed, and the newest are judged."""
        room, course = self._room, self.course
        outputs: list[Output] = list(entered)
        for numeric in entered:
            counts = room.bed.enter(now_us, numeric)
            if numeric.channel == "nibp_sys":
                outputs += room.pressure_taken(now_us, numeric, course, newest=counts)
            course.evidence.add(numeric)
            if course.session.dose_us is None:
                course.baseline.add(numeric)
            if counts:
                outputs += room.engine.sample(now_us, numeric, by=actor)
            pressure = course.pressure(numeric) if counts else None
            if pressure is not None:
                outputs += room.repeat(course, *pressure)
        room.dirty = True
        return outputs

    def recheck(self, now_us: int, at_us: int, label: str) -> tuple[str, list[Due]]:
        """A reading is owed some time after a mark; its name, and what changes."""
        self._room.asking.wanted = self._room.dirty = True
        item = self.course.recheck(at_us, now_us, label)
        return item.what, [item]

    def move_recheck(self, now_us: int, what: str, at_us: int) -> list[Due]:
        """The same when the mark was at another time."""
        self._room.asking.wanted = self._room.dirty = True
        return self.course.move_recheck(what, at_us, now_us)

    def not_taken(self, changed: list[Due]) -> list[Output]:
        """Readings that nobody will take, for a reason."""
        self._room.dirty = True
        return list(self.course.due.put(changed))

    def off_monitor(self) -> None:
        """The patient is being taken off, or stays off for longer."""
        self.course.back, self.course.expired = BackOnMonitor(), False

    def on_monitor(self, now_us: int, actor: str) -> list[Output]:
        """The patient is on the monitor again."""
        was = self.course.session
        self._room.asking.wanted = self._room.dirty = True
        self._room.bed.await_from(now_us)
        body = {"off_since_us": was.off_since_us, "reason": was.off_reason}
        return self.change(now_us, self.course.on_monitor(now_us), "on monitor", actor, body)

    def ended(self) -> None:
        """The session is closed: live values only."""
        self._room.course = None
        self._room.engine = self._room.new_engine(Context())
        self._room.bed.ended()

    def bind(self, now_us: int, device: RoomDevice) -> None:
        """A device is in this room from now on."""
        others = [known for known in self._room.devices.values() if known.id != device.id]
        self._room.arrange(now_us, [*others, device])

    def unbind(self, now_us: int, device: str) -> bool:
        """It is here no longer; True if a blood pressure failed by that.

        Whoever was watched by it still is: what it gave is missing now.
        """
        devices = [known for known in self._room.devices.values() if known.id != device]
        self._room.restored.forget(device)
        failed = self._room.bed.forget(now_us, device)
        self._room.arrange(now_us, devices)
        return failed

    def resume(self, now_us: int, resume: Resume) -> list[Output]:
        """Goes on after a restart with what was recorded; pending delays start anew."""
        moved = bool(resume.moved_by)
        was = resume.session
        if not moved:
            was = replace(was, resumed=was.resumed + 1)
        self.begin(now_us, was)
        changes = self._room.engine.restore(resume.alarms, now_us)
        course = self.course
        course.resume(now_us, resume)
        sources = self._room.bed.unheard()
        for numeric in sorted(resume.measured, key=lambda each: each.at_us):
            # what a person has entered or claimed counts beside whatever device speaks
            pressure = numeric.channel in READINGS
            claimed = pressure and numeric.device not in self._room.devices
            said = claimed or not numeric.device
            judged = numeric if said else sources.take(numeric.at_us, numeric)
            if judged is not None:
                course.evidence.add(judged)
                if was.dose_us is None:
                    course.baseline.add(judged)
        for numeric in sorted(resume.latest, key=lambda each: each.at_us):
            self._room.bed.sources.enter(numeric.at_us, numeric)
        changes += self._room.engine.retune(now_us, self.context(course.session))
        if moved:
            body = {"from": was.moved_from, "to": was.room}
            change = SessionChange(now_us, course.session, "moved", resume.moved_by, body)
        else:
            self._room.bed.resume(now_us, resume.alarms, round(RESUMED_S * US))
            self._room.restored = Restored(resume.alarms, self._room.rules)
            change = SessionChange(now_us, course.session, "resumed")
        return [change, *changes, *course.due.advance(now_us)]

    def context(self, session: Session) -> Context:
        """What the limits in force depend on."""
        marked_us = self._room.course.marked_us if self._room.course and session.dose_us else None
        return Context(
            session.dose_us,
            session.phase,
            session.baseline,
            session.limits,
            self._room.escalation_s,
            marked_us or None,
        )
