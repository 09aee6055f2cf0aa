"""The heart: one room as a pure fold over its inputs.

`Room.step(input) -> outputs` takes readings, device notices, link states, commands, the state of
the record and ticks, and returns alarm changes, due readings, session changes, results and
requests to devices. It does no IO and asks no clock: time comes with the inputs, and how often a
tick comes changes nothing but how soon an output is seen. The same fold replays a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from vitals.alarms.engine import Engine
from vitals.alarms.limits import Context
from vitals.alarms.profile import Profile
from vitals.alarms.technical import PER_DEVICE, Fact, facts
from vitals.alarms.track import Pace, pace
from vitals.bedside.bed import Bed
from vitals.bedside.facts import room_facts
from vitals.bedside.restored import Restored
from vitals.model import (
    US,
    Alarm,
    Audience,
    Command,
    DeviceRequest,
    Due,
    Input,
    Link,
    Mode,
    Notice,
    Numeric,
    Output,
    Quality,
    Result,
    Resume,
    Rule,
    Session,
    SessionChange,
    StartNibp,
    StoreState,
    Tick,
)
from vitals.room_setup import ESCALATION_S, RoomDevice, RoomSetup
from vitals.session import acts
from vitals.session.act import Refused
from vitals.session.asking import Asking
from vitals.session.course import Course
from vitals.session.due import OVERDUE_S, REPEAT, DueList
from vitals.session.off_monitor import BackOnMonitor
from vitals.session.permissions import may

RESUMED_S = 60.0
"""After a restart nothing is measured for so long: the cuff may still be at it."""
_NOTHING_DUE = DueList()


class Room:
    """State of one room; see the module."""

    def __init__(
        self,
        room_id: str,
        devices: Iterable[RoomDevice],
        profile: Profile,
        *,
        mode: Mode = "real",
        auto_nibp: bool = True,
        slack_us: int = 0,
        escalation_s: tuple[float, ...] = ESCALATION_S,
        prefer: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.id = room_id
        self.devices = {device.id: device for device in devices}
        self.profile = profile
        self.mode: Mode = mode
        self.now_us = 0
        self.judged: Numeric | None = None
        """The last numeric as it was judged, None if it was not the one that counts."""
        self._auto_nibp = auto_nibp
        self._slack_us = slack_us
        self._escalation_s = escalation_s
        self._prefer = dict(prefer or {})
        self._rules = tuple(_for_devices(profile.rules, self.devices))
        self.rules: Mapping[str, Rule] = {rule.id: rule for rule in self._rules}
        paces = {d.id: pace(d.period_s, slack_us, spot=d.spot) for d in self.devices.values()}
        self._paces: Mapping[str, Pace] = paces
        self._engine = self._new_engine(Context())
        self._bed = Bed(
            {d.id: d.channels for d in self.devices.values()}, slack_us, paces, self._prefer
        )
        self._course: Course | None = None
        self._asking = Asking()
        self._store: StoreState | None = None
        self._unheard_us: int | None = None
        self._looked = 0
        self._looked_us = 0
        self._restored = Restored()
        self._results: dict[str, Result] = {}
        self._dirty = False
        self._lost_us: int | None = None

    @property
    def setup(self) -> RoomSetup:
        """What a replay needs to make this room again."""
        return RoomSetup(
            tuple(self.devices.values()),
            self._auto_nibp,
            self._slack_us,
            self._escalation_s,
            self._prefer,
        )

    # --- the fold -------------------------------------------------------------------------

    def step(self, item: Input) -> list[Output]:
        """Folds one input into the room."""
        # Time never runs backwards here, even when two devices' samples overtake each other.
        now_us = self.now_us = max(self.now_us, item.at_us)
        outputs = self._advance(now_us)
        body = item.body
        self.judged = None
        if isinstance(body, Numeric):
            outputs += self._numeric(now_us, body)
        elif not isinstance(body, Tick):
            self._dirty = True
            match body:
                case Notice():
                    self._notice(now_us, body)
                case Link():
                    if self._bed.link(now_us, body):
                        self._failed()
                case StoreState():
                    self._store = body
                case Audience():
                    self._heard(now_us, body)
                case Command():
                    outputs += self._command(now_us, body)
                case Resume():
                    outputs += self._resume(now_us, body)
        if self._restored and not isinstance(body, Resume):
            self._restored.heard(item, now_us, self._bed.sources)
            self._dirty = True
        if self._dirty:
            outputs += self._technical(now_us)
        return outputs

    @property
    def session(self) -> Session | None:
        """The open session."""
        return self._course.session if self._course else None

    @property
    def due(self) -> DueList:
        """What the open session owes."""
        return self._course.due if self._course else _NOTHING_DUE

    @property
    def alarms(self) -> list[Alarm]:
        """Alarms that are not idle, and rules that are off; worst first."""
        return self._engine.alarms

    def alarm(self, rule: str) -> Alarm:
        """The alarm of one rule, idle or not."""
        return self._engine.alarm(rule)

    def primary(self, numeric: Numeric) -> bool:
        """Whether a value is the one that is judged and shown, where two devices give it."""
        return self._bed.sources.of(numeric.channel) == numeric.device

    # --- time -----------------------------------------------------------------------------

    def _advance(self, now_us: int) -> list[Output]:
        course = self._course
        if course is None:
            return list(self._engine.advance(now_us))
        outputs: list[Output] = []
        late = course.due.advance(now_us)
        if late:
            outputs += self._late(late)
        if self._asking.wanted and self._auto_nibp:
            outputs += self._scheduled_reading(now_us, course)
        while course.phase_end_us is not None and course.phase_end_us <= now_us:
            outputs += self._next_phase(course, course.phase_end_us)
        outputs += self._by_time(now_us, course)
        # What is missing matters more while an alarm was on its way, so the vitals go first.
        outputs += self._engine.advance_vitals(now_us)
        if self._dirty or self._bed.lost(now_us):
            outputs += self._technical(now_us)
        outputs += self._engine.advance(now_us)
        return outputs

    def _by_time(self, now_us: int, course: Course) -> list[Output]:
        """What becomes known by time alone, each at its own time."""
        outputs: list[Output] = []
        off_us = course.expires_us
        if off_us is not None and off_us <= now_us:
            # Nobody could be told while the program was down.
            off_us = max(off_us, course.resumed_us)
            outputs += self._technical(off_us)
            course.expire(off_us)
            self._bed.await_from(off_us)
            outputs += self._technical(off_us)
        lost_us = self._bed.lost_us
        if self._looked_us < lost_us <= now_us:
            # At that very time, as another loss may be on its way to an alarm of its own.
            self._looked_us = lost_us
            outputs += self._engine.advance_vitals(lost_us)
            outputs += self._technical(lost_us)
        half = course.half(now_us)
        if half is not None:
            outputs += self._repeat(course, *half)
        while self._restored:
            known_us = self._restored.next_us(self._bed.sources)
            if known_us is None or known_us > now_us:
                break
            self._restored.advance(known_us, self._bed.sources)
            outputs += self._technical(known_us)
        return outputs

    def _late(self, late: list[Due]) -> list[Output]:
        outputs: list[Output] = list(late)
        self._dirty = self._asking.wanted = True
        for due in late:
            missed = due.state == "overdue" and due.what.startswith(REPEAT)
            if missed and not self._open.quiet:
                outputs += self._engine.missed_repeat(due.at_us + round(OVERDUE_S * US))
        return outputs

    def _technical(self, now_us: int) -> list[Output]:
        self._dirty = False
        course, bed = self._course, self._bed
        if course is None:
            unattended = bed.unattended()
            return list(self._engine.technical(now_us, [unattended] if unattended else []))
        loss = bed.loss(now_us, self._engine.waiting(("spo2", "pr", "hr")))
        if loss is not None:
            # Once it is SIGNAL LOST, this very loss stays that, whatever explains it later.
            known = self._engine.alarm("signal-lost").level > 0
            if known and loss.since_us == self._lost_us:
                loss = replace(loss, mattered=True)
        self._lost_us = loss.since_us if loss else None
        room = room_facts(course, bed, loss, self._store, self._unheard_us, self._slack_us)
        started_us = course.session.started_us
        present = [
            replace(fact, since_us=started_us) if fact.since_us < started_us else fact
            for fact in facts(room)
        ]
        if self._restored:
            present = self._restored.among(present)
        return list(self._engine.technical(now_us, present))

    def _next_phase(self, course: Course, at_us: int) -> list[Output]:
        before = course.session.phase
        session = course.next_phase(at_us)
        if session is None:
            return []
        return self.change(at_us, session, "phase", body={"from": before, "to": session.phase})

    # --- devices --------------------------------------------------------------------------

    def _numeric(self, now_us: int, numeric: Numeric) -> list[Output]:
        course, bed = self._course, self._bed
        if numeric.value is None or numeric.quality is Quality.INVALID:
            if not bed.speaks(numeric):
                return []  # another device's word counts, or it is not bound to the channel
            if bed.invalid(now_us, numeric):
                self._failed()
            if course is None:
                self._dirty = True
            else:
                course.back.lost(numeric.channel)
            return []
        judged = bed.take(now_us, numeric)
        if judged is None:
            return []
        held = bed.held(now_us, numeric.channel)
        self.judged = replace(judged, quality=Quality.QUESTIONABLE) if held else judged
        if course is None:
            self._dirty = True
            return []
        outputs: list[Output] = []
        if numeric.channel == "nibp_sys":
            self._dirty = True
            outputs += course.due.reading(numeric.at_us)
        if course.session.dose_us is None:
            course.baseline.add(judged)
        heard = bed.pierces(now_us, judged, self._engine) if held else [judged]
        for sample in heard:
            outputs += self._engine.sample(now_us, sample)
        pressure = course.pressure(numeric)
        if pressure is not None:
            outputs += self._repeat(course, *pressure)
        if course.session.off_since_us is not None:
            if judged.quality is not Quality.GOOD:
                course.back.lost(numeric.channel)
            elif course.back.good(now_us, numeric.channel):
                outputs += self.on_monitor(now_us, "")
        if self._lost_us is not None or bed.sources.version != self._looked:
            self._looked, self._dirty = bed.sources.version, True
        return outputs

    def _repeat(self, course: Course, at_us: int, pressure: Mapping[str, float]) -> list[Due]:
        found = [self._engine.severity(channel, value) for channel, value in pressure.items()]
        worst = max(found, key=lambda priority: -1 if priority is None else priority.rank)
        return course.repeat(at_us, worst)

    def _notice(self, now_us: int, notice: Notice) -> None:
        session = self.session
        if self._bed.notice(now_us, notice):
            self._failed()
        same_arm = session is not None and session.same_arm and session.phase != "EMERGENCY"
        if notice.code == "cuff_inflating" and notice.active and same_arm:
            self._bed.gate_opens(now_us, self._engine)

    def _failed(self) -> None:
        """The first failure in a row is asked for again once the cuff has rested."""
        self._dirty = True
        if self._bed.cuff.failures == 1:
            self._asking.again()

    def _scheduled_reading(self, now_us: int, course: Course) -> list[Output]:
        cuff = self._bed.cuff
        if course.quiet or now_us < cuff.rest_until_us or cuff.measuring_us is not None:
            return []
        owed = self._asking.new(course.due)
        device = self.device_that_can("start_nibp") if owed else None
        if device is None:
            return []
        self._asking.asked(owed)
        return [DeviceRequest(device, StartNibp())]

    def device_that_can(self, ability: str, device: str = "") -> str | None:
        """The first streaming device with an ability, or the named one; None if there is none."""
        for known in self.devices.values():
            if ability in known.can and device in ("", known.id):
                link = self._bed.links.get(known.id)
                if link is not None and link.state == "streaming":
                    return known.id
        return None

    def _heard(self, now_us: int, audience: Audience) -> None:
        if audience.armed:
            self._unheard_us = None
        elif self._unheard_us is None:
            self._unheard_us = now_us

    # --- people ---------------------------------------------------------------------------

    def _command(self, now_us: int, command: Command) -> list[Output]:
        if command.id in self._results:
            return [self._results[command.id]]
        if not may(command.actor, command.kind):
            return [self._refuse(command, f"a {command.actor.role} may not {command.kind}")]
        try:
            outputs = acts.ACTS[command.kind](self, now_us, command)
        except Refused as refused:
            return [self._refuse(command, str(refused))]
        return [*outputs, self._remember(Result(command.id, ok=True))]

    def _refuse(self, command: Command, sentence: str) -> Result:
        return self._remember(Result(command.id, ok=False, error=sentence))

    def _remember(self, result: Result) -> Result:
        self._results[result.id] = result
        if len(self._results) > 1000:
            self._results.pop(next(iter(self._results)))
        return result

    # --- what the acts change ---------------------------------------------------------------

    @property
    def engine(self) -> Engine:
        """The alarms, for the acts of people."""
        return self._engine

    def fresh_channels(self) -> frozenset[str]:
        """Channels whose value still speaks for the patient."""
        sources = self._bed.sources
        return frozenset(
            c for c in ("spo2", "pr", "hr", "rr") if sources.fresh(c, self.now_us) is not None
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
        self._open.session = session
        if not session.same_arm or session.phase == "EMERGENCY":
            self._bed.gate_closes(heard_us or at_us)
        changes = self._engine.retune(heard_us or at_us, self._context(session))
        return [SessionChange(at_us, session, cause, actor, dict(body or {})), *changes]

    @property
    def _open(self) -> Course:
        if self._course is None:
            raise RuntimeError(f"{self.id} has no session")
        return self._course

    def begin(self, now_us: int, session: Session) -> list[Output]:
        """A session starts: new alarms, new due list, waiting for data from now."""
        ended = self._engine.close(now_us, "session opened", "")
        self._course = Course(session)
        self._engine = self._new_engine(self._context(session))
        self._bed.begin(now_us)
        self._asking, self._restored = Asking(), Restored()
        return [*ended, *self.due]

    def dosed(self, dose_us: int, marked_us: int, actor: str) -> list[Output]:
        """The dose starts the clocks, at `marked_us` perhaps later than it was given."""
        session = self._open.dosed(dose_us, marked_us)
        body = {"baseline": dict(session.baseline)}
        outputs = self.change(dose_us, session, "dose", actor, body, heard_us=marked_us)
        return [*outputs, *self._open.owe_after_dose(dose_us, self._bed.cuff.readings_us)]

    def phase(self, now_us: int, name: str, actor: str, reason: str) -> list[Output]:
        """A person says which phase it is."""
        was = self._open.session
        body = {"from": was.phase, "to": name, "reason": reason}
        session = self._open.to_phase(now_us, name)
        if was.finished_us is not None:  # monitoring goes on
            session = replace(session, finished_us=None)
            self._bed.await_from(now_us)
        outputs = self.change(now_us, session, "phase", actor, body)
        if name == "EMERGENCY":
            outputs += self._engine.acknowledge_all(now_us, actor)
        return outputs

    def symptom(self, fact: Fact | None) -> None:
        """A symptom that was reported, beside those that nobody has seen to; None = seen to."""
        was = self._open.symptom
        if fact is not None and was is not None:
            fact = replace(fact, since_us=was.since_us, text=f"{was.text}; {fact.text}")
        self._open.symptom = fact

    def off_monitor(self) -> None:
        """The patient is being taken off, or stays off for longer."""
        self._open.back, self._open.expired = BackOnMonitor(), False

    def on_monitor(self, now_us: int, actor: str) -> list[Output]:
        """The patient is on the monitor again."""
        was = self._open.session
        self._asking.wanted = self._dirty = True
        self._bed.await_from(now_us)
        body = {"off_since_us": was.off_since_us, "reason": was.off_reason}
        return self.change(now_us, self._open.on_monitor(now_us), "on monitor", actor, body)

    def ended(self) -> None:
        """The session is closed: live values only."""
        self._course = None
        self._engine = self._new_engine(Context())
        self._bed.ended()

    def _resume(self, now_us: int, resume: Resume) -> list[Output]:
        """Goes on after a restart with what was recorded; pending delays start anew."""
        was = replace(resume.session, resumed=resume.session.resumed + 1)
        self.begin(now_us, was)
        changes = self._engine.restore(resume.alarms, now_us)
        course = self._open
        course.resume(now_us, resume)
        sources = self._bed.unheard()
        for numeric in sorted(resume.measured, key=lambda each: each.at_us):
            judged = sources.take(numeric.at_us, numeric)
            if judged is not None:
                course.baseline.add(judged)
        changes += self._engine.retune(now_us, self._context(course.session))
        self._bed.resume(now_us, resume.alarms, round(RESUMED_S * US))
        self._restored = Restored(resume.alarms, self.rules)
        resumed = SessionChange(now_us, course.session, "resumed")
        return [resumed, *changes, *course.due.advance(now_us)]

    def _context(self, session: Session) -> Context:
        marked_us = self._course.marked_us if self._course and session.dose_us else None
        return Context(
            session.dose_us,
            session.phase,
            session.baseline,
            session.limits,
            self._escalation_s,
            marked_us or None,
        )

    def _new_engine(self, context: Context) -> Engine:
        return Engine(self.id, self._rules, context, slack_us=self._slack_us, paces=self._paces)


def _for_devices(rules: Iterable[Rule], devices: Iterable[str]) -> Iterable[Rule]:
    devices = tuple(devices)
    for rule in rules:
        if rule.id in PER_DEVICE:
            yield from (replace(rule, id=f"{rule.id}:{device}") for device in devices)
        else:
            yield rule
