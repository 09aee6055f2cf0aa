"""The heart: one room as a pure fold over its inputs.

`Room.step(input) -> outputs` takes readings, device notices, link states, commands, the state of
the record and ticks, and returns alarm changes, due readings, session changes, results and
requests to devices. It does no IO and asks no clock: time comes with the inputs, and how often a
tick comes changes nothing but how soon an output is seen. The same fold replays a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from vitals.alarms.engine import Engine
from vitals.alarms.limits import Context
from vitals.alarms.profile import Profile
from vitals.alarms.technical import PER_DEVICE, Fact, RoomFacts, facts
from vitals.bedside.bed import Bed
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
from vitals.session import acts, schedule
from vitals.session.act import Refused
from vitals.session.baseline import Baseline
from vitals.session.due import OVERDUE_S, REPEAT, DueList
from vitals.session.off_monitor import BackOnMonitor
from vitals.session.permissions import may
from vitals.session.repeats import Repeats

RESUMED_S = 60.0
"""After a restart nothing is measured for so long: the cuff may still be at it."""
ESCALATION_S = (30.0, 60.0, 120.0)


@dataclass(frozen=True, slots=True)
class RoomDevice:
    """What a room needs to know of a device: its channels and what it can be asked to do."""

    id: str
    channels: tuple[str, ...]
    can: frozenset[str] = frozenset()
    spot: bool = False
    """Speaks only when somebody measures."""


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
    ) -> None:
        self.id = room_id
        self.devices = {device.id: device for device in devices}
        self.profile = profile
        self.mode: Mode = mode
        self.session: Session | None = None
        self.due = DueList()
        self.now_us = 0
        self.judged: Numeric | None = None
        """The last numeric as it was judged, None if it was not the one that counts."""
        self._auto_nibp = auto_nibp
        self._slack_us = slack_us
        self._escalation_s = escalation_s
        self._rules = tuple(_for_devices(profile.rules, self.devices))
        self.rules: Mapping[str, Rule] = {rule.id: rule for rule in self._rules}
        self._engine = self._new_engine(Context())
        self._bed = Bed(
            {d.id: d.channels for d in self.devices.values()},
            slack_us,
            frozenset(d.id for d in self.devices.values() if d.spot),
        )
        self._asked: set[str] = set()
        self._owes = False
        self._marked_us = 0
        self._store: StoreState | None = None
        self._unheard_us: int | None = None
        self._symptom: Fact | None = None
        self._baseline = Baseline()
        self._repeats = Repeats()
        self._back = BackOnMonitor()
        self._back_us = 0
        self._looked = 0
        self._phase_end_us: int | None = None
        self._results: dict[str, Result] = {}
        self._dirty = self._lost = False

    def described(self) -> dict[str, Any]:
        """What a replay needs to make this room again, as JSON can say it."""
        return {
            "devices": [
                {"id": d.id, "channels": list(d.channels), "can": sorted(d.can), "spot": d.spot}
                for d in self.devices.values()
            ],
            "auto_nibp": self._auto_nibp,
            "slack_us": self._slack_us,
            "escalation_s": list(self._escalation_s),
        }

    @classmethod
    def of(cls, room_id: str, described: Mapping[str, Any], profile: Profile, mode: Mode) -> Room:
        """The room that was `described`."""
        devices = [
            RoomDevice(d["id"], tuple(d["channels"]), frozenset(d["can"]), d["spot"])
            for d in described["devices"]
        ]
        return cls(
            room_id,
            devices,
            profile,
            mode=mode,
            auto_nibp=described["auto_nibp"],
            slack_us=described["slack_us"],
            escalation_s=tuple(described["escalation_s"]),
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
        if self._dirty:
            outputs += self._technical(now_us)
        return outputs

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
        session = self.session
        if session is None:
            return list(self._engine.advance(now_us))
        outputs: list[Output] = []
        late = self.due.advance(now_us)
        if late:
            outputs += self._late(late)
        if self._owes:
            outputs += self._scheduled_reading(now_us)
        while self._phase_end_us is not None and self._phase_end_us <= now_us:
            outputs += self._next_phase(self._phase_end_us)
        # What is missing matters more while an alarm was on its way, so the vitals go first.
        outputs += self._engine.advance_vitals(now_us)
        if self._dirty or self._bed.lost(now_us):
            outputs += self._technical(now_us)
        outputs += self._engine.advance(now_us)
        return outputs

    def _late(self, late: list[Due]) -> list[Output]:
        outputs: list[Output] = list(late)
        self._dirty = self._owes = True
        for due in late:
            if due.state == "overdue" and due.what.startswith(REPEAT):
                outputs += self._engine.missed_repeat(due.at_us + round(OVERDUE_S * US))
        return outputs

    def _technical(self, now_us: int) -> list[Output]:
        self._dirty = False
        session = self.session
        if session is None:
            unattended = self._bed.unattended()
            return list(self._engine.technical(now_us, [unattended] if unattended else []))
        off = session.off_until_us is not None
        mattered = (
            self._engine.waiting(("spo2", "pr", "hr"))
            or self._engine.alarm("signal-lost").level > 0
        )
        loss = self._bed.loss(now_us, mattered)
        self._lost = loss is not None
        room = RoomFacts(
            loss=loss,
            links=self._bed.links,
            link_since_us=self._bed.link_since_us,
            notices=self._bed.notices,
            nibp_failures=self._bed.cuff.failures,
            nibp_failed=self._bed.cuff.failed,
            measuring_us=self._bed.cuff.measuring_us,
            measured_us=self._bed.cuff.measured_us,
            marked_us=self._marked_us,
            back_us=self._back_us,
            due=tuple(self.due),
            store=self._store,
            unheard_us=self._unheard_us,
            off_until_us=session.off_until_us,
            quiet=off or session.finished_us is not None,
            more=(*self._bed.sources.facts(), *([self._symptom] if self._symptom else [])),
            slack_us=self._slack_us,
        )
        present = [
            replace(fact, since_us=max(fact.since_us, session.started_us))
            if fact.since_us < session.started_us
            else fact
            for fact in facts(room)
        ]
        return list(self._engine.technical(now_us, present))

    def _next_phase(self, at_us: int) -> list[Output]:
        session = self.session
        self._phase_end_us = None
        if session is None or session.dose_us is None:
            return []
        name, self._phase_end_us = schedule.phase(session.route, session.dose_us, at_us)
        body = {"from": session.phase, "to": name}
        return self.change(at_us, replace(session, phase=name), "phase", body=body)

    # --- devices --------------------------------------------------------------------------

    def _numeric(self, now_us: int, numeric: Numeric) -> list[Output]:
        session, bed = self.session, self._bed
        if numeric.value is None or numeric.quality is Quality.INVALID:
            if bed.invalid(now_us, numeric):
                self._dirty = True
                self._failed()
            elif session is None:
                self._dirty = True
            self._back.lost(numeric.channel)
            return []
        judged = bed.take(now_us, numeric)
        if judged is None:
            return []
        self.judged = judged
        outputs: list[Output] = []
        if session is None:
            self._dirty = True
            return outputs
        if numeric.channel == "nibp_sys":
            self._dirty = True
            outputs += self.due.reading(numeric.at_us)
        if session.dose_us is None:
            self._baseline.add(judged)
        if bed.held(now_us, numeric.channel):
            pierced = bed.pierces(now_us, judged, self._engine)
            outputs += [c for held in pierced for c in self._engine.sample(now_us, held)]
        else:
            outputs += self._engine.sample(now_us, judged)
        if numeric.channel == "nibp_dia":
            outputs += self._repeat(session, numeric)
        if session.off_since_us is not None and self._back.good(now_us, numeric.channel):
            outputs += self.on_monitor(now_us, "")
        if self._lost or bed.sources.version != self._looked:
            self._looked, self._dirty = bed.sources.version, True
        return outputs

    def _repeat(self, session: Session, dia: Numeric) -> list[Output]:
        """A reading that is out is taken again soon; one that is clear ends that."""
        sys = self._bed.sources.last("nibp_sys")
        if session.dose_us is None or sys is None or dia.value is None:
            return []
        found = [self._engine.severity("nibp_sys", sys.value)]
        found.append(self._engine.severity("nibp_dia", dia.value))
        worst = max(found, key=lambda priority: -1 if priority is None else priority.rank)
        planned = self._repeats.reading(dia.at_us, worst)
        if planned is None:
            return []
        what, at_us = planned
        return list(self.due.add([Due(self.id, what, at_us, label="Repeat BP")]))

    def _notice(self, now_us: int, notice: Notice) -> None:
        session = self.session
        failed = self._bed.notice(now_us, notice)
        if failed:
            self._failed()
        same_arm = session is not None and session.same_arm and session.phase != "EMERGENCY"
        if notice.code == "cuff_inflating" and notice.active and same_arm:
            self._bed.gate_opens(now_us, self._engine)

    def _failed(self) -> None:
        """The first failure in a row is asked for again once the cuff has rested."""
        if self._bed.cuff.failures == 1:
            self._asked.clear()
            self._owes = True

    def _scheduled_reading(self, now_us: int) -> list[Output]:
        """Asks a device that can for what is owed: once, and once more after a failure."""
        if not self._auto_nibp or now_us < self._bed.cuff.rest_until_us:
            return []
        session = self.session
        if session is None or session.off_since_us is not None or session.finished_us is not None:
            return []
        owed = [due.what for due in self.due if due.state in ("due", "overdue")]
        if self._asked.issuperset(owed):
            self._owes = False
            return []
        device = self.device_that_can("start_nibp")
        if device is None or self._bed.cuff.measuring_us is not None:
            return []
        self._asked.update(owed)
        self._owes = False
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
        self.session = session
        changes = self._engine.retune(heard_us or at_us, self._context(session))
        return [SessionChange(at_us, session, cause, actor, dict(body or {})), *changes]

    def begin(self, now_us: int, session: Session) -> list[Output]:
        """A session starts: new alarms, new due list, waiting for data from now."""
        ended = self._engine.close(now_us, "session opened", "")
        self.session = session
        self._engine = self._new_engine(self._context(session))
        self._bed.begin(now_us)
        self._asked.clear()
        self._phase_end_us = self._symptom = None
        self._marked_us = self._back_us = 0
        self._baseline, self._repeats = Baseline(), Repeats()
        self._back, self._owes = BackOnMonitor(), True
        self.due = DueList(schedule.baseline(self.id, now_us))
        return [*ended, *self.due]

    def dosed(self, dose_us: int, marked_us: int, actor: str) -> list[Output]:
        """The dose starts the clocks, at `marked_us` perhaps later than it was given."""
        session = self.session
        assert session is not None  # noqa: S101 - the act has looked
        self._marked_us = marked_us
        name, self._phase_end_us = schedule.phase(session.route, dose_us, dose_us)
        frozen = self._baseline.frozen(dose_us)
        session = replace(session, dose_us=dose_us, phase=name, baseline=frozen)
        outputs = self.change(
            dose_us, session, "dose", actor, {"baseline": frozen}, heard_us=marked_us
        )
        outputs += self.due.drop_open("nibp-baseline")
        outputs += self.due.add(schedule.after_dose(self.id, session.route, dose_us))
        for at_us in self._bed.cuff.readings_us:  # taken between the dose and its mark
            outputs += self.due.reading(at_us) if at_us >= dose_us else []
        return outputs

    def phase(self, now_us: int, name: str, actor: str, reason: str) -> list[Output]:
        """A person says which phase it is; later ones still come by themselves."""
        session = self.session
        assert session is not None  # noqa: S101 - the act has looked
        if session.dose_us is not None:
            self._phase_end_us = schedule.next_phase(session.route, session.dose_us, name, now_us)
        body = {"from": session.phase, "to": name, "reason": reason}
        return self.change(now_us, replace(session, phase=name), "phase", actor, body)

    def symptom(self, fact: Fact | None) -> None:
        """The symptom that was reported last; None = seen to."""
        self._symptom = fact

    def off_monitor(self) -> None:
        """The patient is being taken off."""
        self._back = BackOnMonitor()

    def on_monitor(self, now_us: int, actor: str) -> list[Output]:
        """The patient is on the monitor again."""
        session = self.session
        assert session is not None  # noqa: S101 - whoever calls has looked
        self._back_us, self._owes = now_us, True
        self._bed.await_from(now_us)
        body = {"off_since_us": session.off_since_us, "reason": session.off_reason}
        session = replace(
            session, off_since_us=None, off_until_us=None, off_reason="", off_extended=False
        )
        return self.change(now_us, session, "on monitor", actor, body)

    def ended(self) -> None:
        """The session is closed: live values only."""
        self.session, self.due = None, DueList()
        self._engine = self._new_engine(Context())
        self._phase_end_us = self._symptom = None
        self._bed.ended()

    def _resume(self, now_us: int, resume: Resume) -> list[Output]:
        """Goes on after a restart with what was recorded; pending delays start anew."""
        session = replace(resume.session, resumed=resume.session.resumed + 1)
        self.begin(now_us, session)
        self.due = DueList(schedule.baseline(self.id, session.started_us))
        if session.dose_us is not None:
            self._marked_us = session.dose_us
            self.due.add(schedule.after_dose(self.id, session.route, session.dose_us))
            self.due.drop_open("nibp-baseline")
            name = schedule.later(
                session.phase, schedule.phase(session.route, session.dose_us, now_us)[0]
            )
            self._phase_end_us = schedule.next_phase(session.route, session.dose_us, name, now_us)
            self.session = session = replace(session, phase=name)
        self.due.restore(resume.due)
        self._repeats.resume(sum(due.what.startswith(REPEAT) for due in self.due))
        self._engine = self._new_engine(self._context(session))
        self._engine.restore(resume.alarms, now_us)
        self._bed.resume(now_us, resume.alarms, self.rules, round(RESUMED_S * US))
        for alarm in resume.alarms:
            if alarm.rule == "symptom" and alarm.condition == "active":
                since_us = alarm.onset_us or now_us
                self._symptom = Fact("symptom", since_us, alarm.text, by=alarm.entered_by)
        return [SessionChange(now_us, session, "resumed"), *self.due.advance(now_us)]

    def _context(self, session: Session) -> Context:
        return Context(
            session.dose_us, session.phase, session.baseline, session.limits, self._escalation_s
        )

    def _new_engine(self, context: Context) -> Engine:
        return Engine(self.id, self._rules, context, slack_us=self._slack_us)


def _for_devices(rules: Iterable[Rule], devices: Iterable[str]) -> Iterable[Rule]:
    devices = tuple(devices)
    for rule in rules:
        if rule.id in PER_DEVICE:
            yield from (replace(rule, id=f"{rule.id}:{device}") for device in devices)
        else:
            yield rule
