"""One open session in its course: phase, dose clock, due list, baseline, repeats. Pure.

What a session changes comes back as outputs; who hears of it (the alarms) is the room's concern.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from vitals.alarms.technical import Fact
from vitals.model import US, Due, Event, Numeric, Priority, Resume, Session
from vitals.session import schedule
from vitals.session.baseline import Baseline
from vitals.session.care import Care
from vitals.session.due import BEFORE_DISCHARGE, EMERGENCY, RECHECK, REPEAT, DueList
from vitals.session.evidence import Evidence
from vitals.session.off_monitor import BackOnMonitor
from vitals.session.phases import BY_TIME, later
from vitals.session.repeats import Repeats

REPORTED = ("symptom", "nurse-call")
"""Alarms that a person raises, and another one ends."""
MERGED_S = 300.0
"""A booster owes no reading so near to another one."""
YOUNG_US = 900 * US
"""A reading that is older is taken again before discharge, whatever the route."""
_OPEN = ("coming", "due", "overdue")
HALF_US = 5 * US
"""A systolic or diastolic pressure that stays alone for so long is all there is."""


class Course:
    """State of one open session.

    Attributes:
        session: its present summary.
        route: how its dose is given.
        due: what it owes.
        baseline: the values before the dose.
        evidence: what gate and discharge are judged on.
        marks: id -> mark, as corrected last.
        reported: rule -> what a person has reported and nobody has seen to yet.
        back: notices that a patient is back on the monitor.
        marked_us: when the dose was marked, which may be later than it was given.
        back_us: when the patient came back to the monitor.
        phase_end_us: when the next phase begins by itself.
        resumed_us: when the program was last started again.
        expired: whether the time off the monitor has run out.
    """

    def __init__(self, session: Session, care: Care) -> None:
        self.session = session
        self.route = care.route(session.route)
        self.due = DueList(schedule.baseline(session.room, session.started_us))
        self.baseline = Baseline()
        self.evidence = Evidence(care.discharge)
        self.marks: dict[str, Event] = {}
        self.reported: dict[str, Fact] = {}
        self.back = BackOnMonitor()
        self.marked_us = 0
        self.back_us = 0
        self.phase_end_us: int | None = None
        self.expired = False
        self.resumed_us = 0
        self._repeats = Repeats()
        self._pressure: dict[str, Numeric] = {}

    @property
    def quiet(self) -> bool:
        """Whether nothing is said of devices: off the monitor, until that runs out, or finished."""
        off = self.session.off_since_us is not None and not self.expired
        return off or self.session.finished_us is not None

    def dosed(self, dose_us: int, marked_us: int) -> Session:
        """The dose starts the clocks, at `marked_us` perhaps later than it was given."""
        session = self.session
        self.marked_us = marked_us
        name, self.phase_end_us = schedule.phase(self.route, dose_us, dose_us)
        if session.phase in ("EMERGENCY", "ABORTED"):
            name, self.phase_end_us = session.phase, None
        frozen = self.baseline.frozen(dose_us)
        return replace(session, dose_us=dose_us, phase=name, baseline=frozen)

    def owe_after_dose(self, dose_us: int, readings_us: Iterable[int]) -> list[Due]:
        """What is owed from the dose on; readings since then, before its mark, count already."""
        changed = self.due.drop_open("nibp-baseline")
        changed += self.due.add(schedule.after_dose(self.session.room, self.route, dose_us))
        return [*changed, *self._paid_since(dose_us, readings_us)]

    def _paid_since(self, from_us: int, readings_us: Iterable[int]) -> list[Due]:
        """Readings that were taken before anybody knew that they were owed."""
        since = [at_us for at_us in readings_us if at_us >= from_us]
        return [due for at_us in since for due in self.due.reading(at_us, newest=False)]

    def redosed(
        self, dose_us: int, now_us: int, readings_us: Iterable[int]
    ) -> tuple[Session, list[Due]]:
        """The first dose was given at another time than marked: its clocks move.

        What is done, missed or skipped stays; the baseline stays as it was frozen.
        """
        session = replace(self.session, dose_us=dose_us)
        ends = session.infusion_end_us
        planned = schedule.after_dose(session.room, self.route, dose_us, ends)
        moved = self.due.move_open(planned) + self._paid_since(dose_us, readings_us)
        by_time, next_us = schedule.phase(self.route, dose_us, now_us)
        if session.phase in BY_TIME:
            session, self.phase_end_us = replace(session, phase=by_time), next_us
        return session, [*moved, *self.due.advance(now_us)]

    def infusion_ended(
        self, end_us: int | None, now_us: int, was_us: int | None = None
    ) -> list[Due]:
        """Readings are dense to 20 min after the infusion's real end, then every 15 min.

        What is owed already stays, and nothing is owed at a time that has passed: nobody could
        know of it. `end_us` None: it goes on after all. `was_us`: the end that was marked before;
        what that end alone had taken from the plan comes back.
        """
        session = self.session
        if session.dose_us is None:
            return []
        planned = schedule.after_dose(session.room, self.route, session.dose_us, end_us)
        keep = {item.what for item in planned}
        keep |= {item.what for item in self.due if item.at_us <= now_us}
        coming = [item for item in planned if item.at_us > now_us]
        before = schedule.after_dose(session.room, self.route, session.dose_us, was_us)
        kept = {item.what for item in before}
        back = [item for item in coming if item.what not in kept and self.due.is_skipped(item.what)]
        skipped = self.due.skip_open("nibp+", keep)
        return [*skipped, *self.due.put(back), *self.due.add(coming)]

    def boosted(self, n: int, at_us: int, now_us: int, readings_us: Iterable[int]) -> list[Due]:
        """A booster's own readings, where none is owed within 5 min of them.

        The same when its time is corrected: what is still owed moves along.
        """
        near_us = round(MERGED_S * US)
        new = schedule.after_booster(self.session.room, self.route, n, at_us)
        own = {item.what for item in new}
        others = [i for i in self.due if i.what not in own and i.state in _OPEN]
        owed = [item.at_us for item in others]
        moved = self.due.move_open(new)
        added = self.due.add(
            item for item in new if all(abs(item.at_us - each) > near_us for each in owed)
        )
        paid = self._paid_since(at_us, readings_us)
        return [*moved, *added, *paid, *self.due.advance(now_us)]

    def emergency(self, now_us: int) -> list[Due]:
        """The next reading of an emergency is owed now."""
        count = sum(item.what.startswith(EMERGENCY) for item in self.due)
        what = f"{EMERGENCY}{count + 1}"
        return self.due.add([Due(self.session.room, what, now_us, label="Emergency BP")])

    def recheck(self, at_us: int, now_us: int, label: str) -> Due:
        """A reading that is owed at a time after a mark; one since then has paid for it."""
        count = sum(item.what.startswith(RECHECK) for item in self.due)
        item = Due(self.session.room, f"{RECHECK}{count + 1}", at_us, label=f"BP after: {label}")
        return self.due.put([self._paid(item, now_us)])[0]

    def move_recheck(self, what: str, at_us: int, now_us: int) -> list[Due]:
        """Its mark was at another time: what is still owed moves along."""
        known = self.due.items.get(what)
        if known is None or known.state not in ("coming", "due", "overdue"):
            return []
        moved = replace(known, at_us=at_us, state="coming")
        return self.due.put([self._paid(moved, now_us)])

    def _paid(self, item: Due, now_us: int) -> Due:
        taken = [each.at_us for each in self.evidence.readings() if each.at_us >= item.at_us]
        if taken:
            return replace(item, state="done", done_us=taken[0])
        # nobody could know of it before
        return replace(item, at_us=max(item.at_us, now_us))

    def leaving(self, now_us: int) -> list[Due]:
        """The reading that is owed in the discharge check, if there is no young one."""
        if self.session.dose_us is None:
            return []
        known = self.due.items.get(BEFORE_DISCHARGE)
        if known is not None and known.state in ("coming", "due", "overdue"):
            return []
        last = self.evidence.readings()[-1:]
        young = any(now_us - reading.at_us <= YOUNG_US for reading in last)
        taken = known is not None and known.state == "done"
        if young and (taken or not self.route.before_discharge):
            return []
        room, label = self.session.room, "BP before discharge"
        return self.due.put([Due(room, BEFORE_DISCHARGE, now_us, state="due", label=label)])

    def next_phase(self, at_us: int) -> Session | None:
        """The session in the phase that begins by itself at `at_us`."""
        session, self.phase_end_us = self.session, None
        if session.dose_us is None:
            return None
        name, self.phase_end_us = schedule.phase(self.route, session.dose_us, at_us)
        return replace(session, phase=name)

    def to_phase(self, now_us: int, name: str) -> Session:
        """The session in a phase that a person chose; later ones still come by themselves."""
        session = self.session
        if session.dose_us is not None:
            self.phase_end_us = schedule.next_phase(self.route, session.dose_us, name, now_us)
        return replace(session, phase=name)

    @property
    def expires_us(self) -> int | None:
        """When the time off the monitor runs out, None if it does not, or has."""
        return None if self.expired else self.session.off_until_us

    def expire(self, at_us: int) -> None:
        """It has run out: what speaks of devices counts from now on."""
        self.expired = True
        self.back_us = at_us

    def on_monitor(self, now_us: int) -> Session:
        """The session with its patient on the monitor again."""
        self.back_us = now_us
        return replace(
            self.session, off_since_us=None, off_until_us=None, off_reason="", off_extended=False
        )

    def pressure(self, numeric: Numeric) -> tuple[int, dict[str, float]] | None:
        """(at_us, values) once both of a determination have come, in whatever order."""
        if numeric.channel not in ("nibp_sys", "nibp_dia") or numeric.value is None:
            return None
        self._pressure = {
            channel: known
            for channel, known in self._pressure.items()
            if (known.device, known.at_us) == (numeric.device, numeric.at_us)
        }
        self._pressure[numeric.channel] = numeric
        return self._taken() if len(self._pressure) == 2 else None

    def half(self, now_us: int) -> tuple[int, dict[str, float]] | None:
        """The same for a determination of which only one value has come for a while."""
        waits = [numeric.at_us for numeric in self._pressure.values()]
        return self._taken() if waits and now_us - waits[0] >= HALF_US else None

    def _taken(self) -> tuple[int, dict[str, float]]:
        taken, self._pressure = self._pressure, {}
        values = {c: n.value for c, n in taken.items() if n.value is not None}
        return max(n.at_us for n in taken.values()), values

    def repeat(self, at_us: int, severity: Priority | None) -> list[Due]:
        """A reading that is out is taken again soon; one that is clear ends that."""
        planned = None
        if self.session.dose_us is not None:
            planned = self._repeats.reading(at_us, severity)
        if planned is None:
            return []
        what, due_us = planned
        return self.due.add([Due(self.session.room, what, due_us, label="Repeat BP")])

    def take_over(self, other: Course) -> None:
        """From the room that a session has left: what a restart would have to forget."""
        self.baseline, self.reported = other.baseline, other.reported
        self.evidence, self.marks = other.evidence, other.marks
        self.marked_us, self.expired = other.marked_us, other.expired
        self.phase_end_us = other.phase_end_us
        self._repeats = other._repeats

    def resume(self, now_us: int, resume: Resume) -> None:
        """Goes on after a restart with what was recorded."""
        session = self.session
        self.resumed_us = now_us
        self.marks = {mark.body["id"]: mark for mark in resume.marks}
        if session.dose_us is not None:
            self.marked_us = session.dose_us
            ends = session.infusion_end_us
            if not any(item.what.startswith("nibp+") for item in resume.due):
                self.due.add(schedule.after_dose(session.room, self.route, session.dose_us, ends))
            self.due.drop_open("nibp-baseline")
            by_time = schedule.phase(self.route, session.dose_us, now_us)[0]
            # a phase that somebody has chosen stays where the session has only changed its room
            name = session.phase if resume.moved_by else later(session.phase, by_time)
            self.phase_end_us = schedule.next_phase(self.route, session.dose_us, name, now_us)
            self.session = replace(session, phase=name)
        self.due.restore(resume.due)
        repeats = [item for item in self.due if item.what.startswith(REPEAT)]
        owed = any(item.state in ("coming", "due", "overdue") for item in repeats)
        self._repeats.resume(len(repeats), going_on=owed)
        for alarm in resume.alarms:
            if alarm.rule in REPORTED and alarm.condition == "active":
                since_us = alarm.onset_us or now_us
                self.reported[alarm.rule] = Fact(
                    alarm.rule, since_us, alarm.text, by=alarm.entered_by
                )
