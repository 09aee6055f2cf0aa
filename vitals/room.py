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
from vitals.alarms.technical import PER_DEVICE, facts
from vitals.alarms.track import Pace, pace
from vitals.bedside.bed import Bed
from vitals.bedside.facts import room_facts
from vitals.bedside.restored import Restored
from vitals.desk import Desk
from vitals.model import (
    US,
    Alarm,
    Audience,
    Bind,
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
    Resume,
    Rule,
    Session,
    StartNibp,
    StoreState,
    Tick,
    Unbind,
)
from vitals.room_setup import ESCALATION_S, RoomDevice, RoomSetup
from vitals.session.answers import Answers
from vitals.session.asking import Asking
from vitals.session.care import Care
from vitals.session.care import load as load_care
from vitals.session.course import Course
from vitals.session.due import EMERGENCY, OVERDUE_S, REPEAT, DueList

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
        care: Care | None = None,
    ) -> None:
        self.id = room_id
        self.devices = {device.id: device for device in sorted(devices, key=_rank)}
        self.profile = profile
        self.mode: Mode = mode
        self.care = care or load_care()
        self.now_us = 0
        self.judged: Numeric | None = None
        """The last numeric as it was judged, None if it was not the one that counts."""
        self._auto_nibp = auto_nibp
        self._slack_us = slack_us
        self.escalation_s = escalation_s
        self._prefer = dict(prefer or {})
        self._rules = tuple(_for_devices(profile.rules, self.devices))
        self.rules: Mapping[str, Rule] = {rule.id: rule for rule in self._rules}
        paces = {d.id: pace(d.period_s, slack_us, spot=d.spot) for d in self.devices.values()}
        self._paces: dict[str, Pace] = paces
        self.engine = self.new_engine(Context())
        self.bed = Bed(
            {d.id: d.channels for d in self.devices.values()}, slack_us, paces, self._prefer
        )
        self.course: Course | None = None
        self.asking = Asking()
        self._store: StoreState | None = None
        self._unheard_us: int | None = None
        self._looked = 0
        self._looked_us = 0
        self.restored = Restored()
        self._answers = Answers()
        self.dirty = False
        self._lost_us: int | None = None
        self.desk = Desk(self)

    @property
    def setup(self) -> RoomSetup:
        """What a replay needs to make this room again."""
        return RoomSetup(
            tuple(self.devices.values()),
            self._auto_nibp,
            self._slack_us,
            self.escalation_s,
            self._prefer,
            self.care.text,
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
            self.dirty = True
            match body:
                case Notice():
                    self._notice(now_us, body)
                case Link():
                    if self.bed.link(now_us, body):
                        self._failed()
                case StoreState():
                    self._store = body
                case Audience():
                    self._heard(now_us, body)
                case Command():
                    outputs += self._answers.do(self, now_us, body)
                case Bind():
                    self.desk.bind(now_us, body.device)
                case Unbind():
                    if self.desk.unbind(now_us, body.device):
                        self._failed()
                case Resume():
                    outputs += self.desk.resume(now_us, body)
        if self.restored and not isinstance(body, Resume):
            self.restored.heard(item, now_us, self.bed.sources)
            self.dirty = True
        if self.dirty:
            outputs += self._technical(now_us)
        return outputs

    @property
    def session(self) -> Session | None:
        """The open session."""
        return self.course.session if self.course else None

    @property
    def due(self) -> DueList:
        """What the open session owes."""
        return self.course.due if self.course else _NOTHING_DUE

    @property
    def alarms(self) -> list[Alarm]:
        """Alarms that are not idle, and rules that are off; worst first."""
        return self.engine.alarms

    def alarm(self, rule: str) -> Alarm:
        """The alarm of one rule, idle or not."""
        return self.engine.alarm(rule)

    def primary(self, numeric: Numeric) -> bool:
        """Whether a value is the one that is judged and shown, where two devices give it."""
        known = self.bed.sources
        return known.of(numeric.channel) == numeric.device and not known.outdated(numeric)

    # --- time -----------------------------------------------------------------------------

    def _advance(self, now_us: int) -> list[Output]:
        course = self.course
        if course is None:
            return list(self.engine.advance(now_us))
        half = course.half(now_us)  # first, as what it asks for may be late by now
        outputs: list[Output] = list(self.repeat(course, *half)) if half is not None else []
        late = course.due.advance(now_us)
        if late:
            outputs += self._late(course, late)
        if self.asking.wanted and self._auto_nibp:
            outputs += self._scheduled_reading(now_us, course)
        while course.phase_end_us is not None and course.phase_end_us <= now_us:
            outputs += self._next_phase(course, course.phase_end_us)
        outputs += self._by_time(now_us, course)
        # What is missing matters more while an alarm was on its way, so the vitals go first.
        outputs += self.engine.advance_vitals(now_us)
        if self.dirty or self.bed.lost(now_us):
            outputs += self._technical(now_us)
        outputs += self.engine.advance(now_us)
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
            self.bed.await_from(off_us)
            outputs += self._technical(off_us)
        lost_us = self.bed.lost_us
        if self._looked_us < lost_us <= now_us:
            # At that very time, as another loss may be on its way to an alarm of its own.
            self._looked_us = lost_us
            outputs += self.engine.advance_vitals(lost_us)
            outputs += self._technical(lost_us)
        while self.restored:
            known_us = self.restored.next_us(self.bed.sources)
            if known_us is None or known_us > now_us:
                break
            self.restored.advance(known_us, self.bed.sources)
            outputs += self._technical(known_us)
        return outputs

    def _late(self, course: Course, late: list[Due]) -> list[Output]:
        outputs: list[Output] = list(late)
        self.dirty = self.asking.wanted = True
        for due in late:
            if due.what.startswith(EMERGENCY):
                self.asking.again()
            missed = due.state == "overdue" and due.what.startswith(REPEAT)
            if missed and not course.quiet:
                outputs += self.engine.missed_repeat(due.at_us + round(OVERDUE_S * US))
        return outputs

    def _technical(self, now_us: int) -> list[Output]:
        self.dirty = False
        course, bed = self.course, self.bed
        if course is None:
            unattended = bed.unattended()
            return list(self.engine.technical(now_us, [unattended] if unattended else []))
        loss = bed.loss(now_us, self.engine.waiting(("spo2", "pr", "hr")))
        if loss is not None:
            # Once it is SIGNAL LOST, this very loss stays that, whatever explains it later.
            known = self.engine.alarm("signal-lost").level > 0
            if known and loss.since_us == self._lost_us:
                loss = replace(loss, mattered=True)
        self._lost_us = loss.since_us if loss else None
        room = room_facts(course, bed, loss, self._store, self._unheard_us, self._slack_us)
        started_us = course.session.started_us
        present = [
            replace(fact, since_us=started_us) if fact.since_us < started_us else fact
            for fact in facts(room)
        ]
        if self.restored:
            present = self.restored.among(present)
        return list(self.engine.technical(now_us, present))

    def _next_phase(self, course: Course, at_us: int) -> list[Output]:
        before = course.session.phase
        session = course.next_phase(at_us)
        if session is None:
            return []
        return self.desk.change(at_us, session, "phase", body={"from": before, "to": session.phase})

    # --- devices --------------------------------------------------------------------------

    def _numeric(self, now_us: int, numeric: Numeric) -> list[Output]:
        course, bed = self.course, self.bed
        if numeric.value is None or numeric.quality is Quality.INVALID:
            if not bed.speaks(numeric):
                return []  # another device's word counts, or it is not bound to the channel
            if bed.invalid(now_us, numeric):
                self._failed()
            if course is None:
                self.dirty = True
            else:
                course.back.lost(numeric.channel)
            return []
        judged = bed.take(now_us, numeric)
        if judged is None:
            return []
        held = bed.held(now_us, numeric.channel)
        self.judged = replace(judged, quality=Quality.QUESTIONABLE) if held else judged
        if course is None:
            self.dirty = True
            return []
        outputs: list[Output] = []
        course.evidence.add(self.judged)
        if numeric.channel == "nibp_sys":
            self.dirty = True
            outputs += self.pressure_taken(now_us, numeric, course)
        if course.session.dose_us is None:
            course.baseline.add(judged)
        heard = bed.pierces(now_us, judged, self.engine) if held else [judged]
        for sample in heard:
            outputs += self.engine.sample(now_us, sample)
        pressure = course.pressure(numeric)
        if pressure is not None:
            outputs += self.repeat(course, *pressure)
        if course.session.off_since_us is not None:
            if judged.quality is not Quality.GOOD:
                course.back.lost(numeric.channel)
            elif course.back.good(now_us, numeric.channel):
                outputs += self.desk.on_monitor(now_us, "")
        if self._lost_us is not None or bed.sources.version != self._looked:
            self._looked, self.dirty = bed.sources.version, True
        return outputs

    def pressure_taken(
        self, now_us: int, numeric: Numeric, course: Course, *, newest: bool = True
    ) -> list[Output]:
        """A valid blood pressure pays what is owed; in an emergency the next one is planned."""
        paid = [*self.desk.arrived(now_us), *course.due.reading(numeric.at_us, newest=newest)]
        if not newest or course.session.phase != "EMERGENCY" or course.session.cuff_off:
            return paid
        every_us = round(self.care.emergency.nibp_every_s * US)
        return [*paid, *course.emergency(max(now_us, numeric.at_us + every_us))]

    def repeat(self, course: Course, at_us: int, pressure: Mapping[str, float]) -> list[Due]:
        """A pressure that is out is taken again soon."""
        found = [self.engine.severity(channel, value) for channel, value in pressure.items()]
        worst = max(found, key=lambda priority: -1 if priority is None else priority.rank)
        return course.repeat(at_us, worst)

    def _notice(self, now_us: int, notice: Notice) -> None:
        session = self.session
        if self.bed.notice(now_us, notice):
            self._failed()
        same_arm = session is not None and session.same_arm and session.phase != "EMERGENCY"
        if notice.code == "cuff_inflating" and notice.active and same_arm:
            self.bed.gate_opens(now_us, self.engine)

    def _failed(self) -> None:
        """The first failure in a row is asked for again once the cuff has rested."""
        self.dirty = True
        if self.bed.cuff.failures == 1:
            self.asking.again()

    def _scheduled_reading(self, now_us: int, course: Course) -> list[Output]:
        cuff = self.bed.cuff
        if (
            course.session.cuff_off
            or course.quiet
            or now_us < cuff.rest_until_us
            or cuff.measuring_us is not None
        ):
            return []
        owed = self.asking.new(course.due)
        device = self.device_that_can("start_nibp") if owed else None
        if device is None:
            return []
        self.asking.asked(owed)
        return [DeviceRequest(device, StartNibp())]

    def device_that_can(self, ability: str, device: str = "") -> str | None:
        """The first streaming device with an ability, or the named one; None if there is none."""
        for known in self.devices.values():
            if ability in known.can and device in ("", known.id):
                link = self.bed.links.get(known.id)
                if link is not None and link.state == "streaming":
                    return known.id
        return None

    def _heard(self, now_us: int, audience: Audience) -> None:
        if audience.armed:
            self._unheard_us = None
        elif self._unheard_us is None:
            self._unheard_us = now_us

    def arrange(self, now_us: int, devices: Iterable[RoomDevice]) -> None:
        """Other devices are here now. An alarm of one that has gone stays known, and ends."""
        self.devices = {device.id: device for device in sorted(devices, key=_rank)}
        self._rules = tuple(_for_devices(self.profile.rules, self.devices))
        self.rules = {**self.rules, **{rule.id: rule for rule in self._rules}}
        self._paces.clear()
        for d in self.devices.values():
            self._paces[d.id] = pace(d.period_s, self._slack_us, spot=d.spot)
        session = self.session
        self.engine.add(self._rules, self.desk.context(session) if session else Context())
        self.bed.arrange(now_us, {d.id: d.channels for d in self.devices.values()})

    def new_engine(self, context: Context) -> Engine:
        """The alarms of a session that begins, or of none."""
        return Engine(self.id, self._rules, context, slack_us=self._slack_us, paces=self._paces)


def _rank(device: RoomDevice) -> int:
    return device.rank


def _for_devices(rules: Iterable[Rule], devices: Iterable[str]) -> Iterable[Rule]:
    devices = tuple(devices)
    for rule in rules:
        if rule.id in PER_DEVICE:
            yield from (replace(rule, id=f"{rule.id}:{device}") for device in devices)
        else:
            yield rule
