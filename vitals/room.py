"""The heart: one room as a pure fold over its inputs.

`Room.step(input) -> outputs` takes readings, device notices, link states, commands, the state of
the record and ticks, and returns alarm changes, due readings, session changes, results and
requests to devices. It does no IO and asks no clock: time comes with the inputs, and how often a
tick comes changes nothing but how soon an output is seen. The same fold replays a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from vitals.alarms.engine import Engine
from vitals.alarms.profile import Profile
from vitals.alarms.technical import PER_DEVICE, RoomFacts, facts
from vitals.alarms.track import FRESH_US
from vitals.model import (
    US,
    Alarm,
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
from vitals.session.due import DueList
from vitals.session.permissions import may

DEFLATED_S = 30.0
"""A cuff rests this long before a failed reading is repeated."""
RESUMED_S = 60.0
"""After a restart nothing is measured for so long: the cuff may still be at it."""
NO_VALUE = "the monitor gave no valid pressure"
LINK_LOST = "the link was lost while measuring"


@dataclass(frozen=True, slots=True)
class RoomDevice:
    """What a room needs to know of a device: its channels and what it can be asked to do."""

    id: str
    channels: tuple[str, ...]
    can: frozenset[str] = frozenset()


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
    ) -> None:
        self.id = room_id
        self.devices = {device.id: device for device in devices}
        self.profile = profile
        self.mode: Mode = mode
        self.session: Session | None = None
        self.due = DueList()
        self.now_us = 0
        self._auto_nibp = auto_nibp
        self._slack_us = slack_us
        self._rules = tuple(_for_devices(profile.rules, self.devices))
        self.rules: Mapping[str, Rule] = {rule.id: rule for rule in self._rules}
        self._engine = self._new_engine()
        self._links: dict[str, Link] = {}
        self._link_since_us: dict[str, int] = {}
        self._notices: dict[tuple[str, str], Notice] = {}
        self._source: dict[str, tuple[str, int]] = {}
        self._nibp_failures = 0
        self._nibp_failed: Notice | None = None
        self._measuring: dict[str, int] = {}
        self._measured_us = 0
        self._marked_us = 0
        self._readings_us: list[int] = []
        self._asked: set[str] = set()
        self._ask_after_us = 0
        self._store: StoreState | None = None
        self._spo2_us: int | None = None
        self._phase_end_us: int | None = None
        self._results: dict[str, Result] = {}

    # --- the fold -------------------------------------------------------------------------

    def step(self, item: Input) -> list[Output]:
        """Folds one input into the room."""
        # Time never runs backwards here, even when two devices' samples overtake each other.
        now_us = self.now_us = max(self.now_us, item.at_us)
        outputs = self._advance(now_us)
        body = item.body
        match body:
            case Numeric():
                outputs += self._numeric(now_us, body)
            case Notice():
                self._notice(now_us, body)
            case Link():
                self._link(now_us, body)
            case StoreState():
                self._store = body
            case Command():
                outputs += self._command(now_us, body)
            case Resume():
                outputs += self._resume(now_us, body)
            case Tick():
                pass
        if not isinstance(body, Tick):
            outputs += self._technical(now_us)
        return outputs

    @property
    def alarms(self) -> list[Alarm]:
        """Alarms that are not idle, worst first."""
        return self._engine.alarms

    def primary(self, numeric: Numeric) -> bool:
        """Whether a value is the one that is judged and shown, where two devices give it."""
        return self._source_of(numeric.channel) == numeric.device

    def _source_of(self, channel: str) -> str:
        """The device whose values count: the present source, else the first that could be it."""
        source = self._source.get(channel)
        if source is not None:
            return source[0]
        return next((d.id for d in self.devices.values() if channel in d.channels), "")

    # --- time -----------------------------------------------------------------------------

    def _advance(self, now_us: int) -> list[Output]:
        if self.session is None:
            return []
        outputs: list[Output] = []
        late = self.due.advance(now_us)
        outputs += late
        outputs += self._scheduled_reading(now_us)
        dose_us = self.session.dose_us
        while dose_us and self._phase_end_us is not None and self._phase_end_us <= now_us:
            outputs.append(self._next_phase(self.session, dose_us, self._phase_end_us))
        outputs += self._engine.advance(now_us)
        if late or self._measuring:
            # The only conditions that begin with time alone; others begin with an input.
            outputs += self._technical(now_us)
        return outputs

    def _technical(self, now_us: int) -> list[Output]:
        session = self.session
        if session is None:
            return []
        measuring_us = max(self._measuring.values(), default=None)
        room = RoomFacts(
            spo2_us=self._spo2_us,
            spo2_device=self._source_of("spo2"),
            links=self._links,
            link_since_us=self._link_since_us,
            notices=self._notices,
            nibp_failures=self._nibp_failures,
            nibp_failed=self._nibp_failed,
            measuring_us=measuring_us,
            measured_us=self._measured_us,
            marked_us=self._marked_us,
            due=tuple(self.due),
            store=self._store,
            slack_us=self._slack_us,
        )
        present = [
            replace(fact, since_us=max(fact.since_us, session.started_us))
            for fact in facts(room, now_us)
        ]
        return list(self._engine.technical(now_us, present, dose_us=session.dose_us))

    def _next_phase(self, session: Session, dose_us: int, at_us: int) -> SessionChange:
        name, self._phase_end_us = schedule.phase(session.route, dose_us, at_us)
        self.session = replace(session, phase=name)
        return SessionChange(at_us, self.session, "phase", body={"from": session.phase, "to": name})

    # --- devices --------------------------------------------------------------------------

    def _numeric(self, now_us: int, numeric: Numeric) -> list[Output]:
        if numeric.value is None or numeric.quality is Quality.INVALID:
            if numeric.channel == "nibp_sys":
                self._failed(now_us, Notice(numeric.device, now_us, "nibp_failed", True, NO_VALUE))
            return []
        if not self._take_source(now_us, numeric):
            return []
        if numeric.channel == "spo2":
            self._spo2_us = now_us
        outputs: list[Output] = []
        if numeric.channel == "nibp_sys":
            self._nibp_failures, self._nibp_failed = 0, None
            self._end_measuring(now_us, numeric.device)
            self._readings_us.append(numeric.at_us)
            outputs += self.due.reading(numeric.at_us)
        if self.session is not None:
            outputs += self._engine.sample(now_us, numeric)
        return outputs

    def _take_source(self, now_us: int, numeric: Numeric) -> bool:
        """One source a channel: the device named first in the config, while it is fresh."""
        channel, device = numeric.channel, numeric.device
        current = self._source.get(channel)
        if current is not None and current[0] != device:
            order = list(self.devices)
            stale = now_us - current[1] > FRESH_US + self._slack_us
            better = device in order and (
                current[0] not in order or order.index(device) < order.index(current[0])
            )
            if not stale and not better:
                return False
        self._source[channel] = (device, now_us)
        return True

    def _notice(self, now_us: int, notice: Notice) -> None:
        key = (notice.device, notice.code)
        if notice.code == "cuff_inflating":
            if notice.active:
                self._measuring.setdefault(notice.device, now_us)
            else:
                self._end_measuring(now_us, notice.device)
        elif notice.code == "nibp_failed":
            self._failed(now_us, notice)
            return
        if notice.active:
            self._notices.setdefault(key, replace(notice, at_us=now_us))
        else:
            self._notices.pop(key, None)

    def _failed(self, now_us: int, notice: Notice) -> None:
        """A reading failed; the first time it is asked for again once the cuff has rested."""
        self._nibp_failures += 1
        self._nibp_failed = replace(notice, at_us=now_us)
        self._end_measuring(now_us, notice.device)
        if self._nibp_failures == 1:
            self._asked.clear()
            self._ask_after_us = now_us + round(DEFLATED_S * US)

    def _end_measuring(self, now_us: int, device: str) -> None:
        if self._measuring.pop(device, None) is not None:
            self._measured_us = now_us

    def _link(self, now_us: int, link: Link) -> None:
        self._links[link.device] = link
        if link.state == "streaming":
            self._link_since_us.pop(link.device, None)
            return
        self._link_since_us.setdefault(link.device, now_us)
        if link.device in self._measuring:
            self._failed(now_us, Notice(link.device, now_us, "nibp_failed", True, LINK_LOST))
        # A device that cannot be heard reports nothing: what it said last is no longer known.
        for key in [key for key in self._notices if key[0] == link.device]:
            del self._notices[key]

    def _scheduled_reading(self, now_us: int) -> list[Output]:
        """Asks a device that can for what is owed: once, and once more after a failure."""
        if not self._auto_nibp or now_us < self._ask_after_us:
            return []
        owed = [due.what for due in self.due if due.state in ("due", "overdue")]
        if self._asked.issuperset(owed):
            return []
        device = self.device_that_can("start_nibp")
        if device is None or self._measuring:
            return []
        self._asked.update(owed)
        return [DeviceRequest(device, StartNibp())]

    def device_that_can(self, ability: str, device: str = "") -> str | None:
        """The first streaming device with an ability, or the named one; None if there is none."""
        for known in self.devices.values():
            if ability in known.can and device in ("", known.id):
                link = self._links.get(known.id)
                if link is not None and link.state == "streaming":
                    return known.id
        return None

    # --- people ---------------------------------------------------------------------------

    def _command(self, now_us: int, command: Command) -> list[Output]:
        if command.id in self._results:
            return [self._results[command.id]]
        if not may(command.actor, command.kind):
            return [self._refuse(command, f"a {command.actor.role} may not {command.kind}")]
        try:
            outputs = acts.ACTS[command.kind](self, now_us, command)
        except acts.Refused as refused:
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

    def begin(self, now_us: int, session: Session) -> list[Due]:
        """A session starts: new alarms, new due list, waiting for data from now."""
        self.session = session
        self._engine = self._new_engine()
        self._phase_end_us = None
        self._nibp_failures, self._nibp_failed = 0, None
        if any("spo2" in device.channels for device in self.devices.values()):
            self._spo2_us = now_us
        self._asked.clear()
        self._ask_after_us = self._marked_us = self._measured_us = 0
        self._readings_us.clear()
        self.due = DueList(schedule.baseline(self.id, now_us))
        return list(self.due)

    def dosed(self, session: Session, dose_us: int, marked_us: int) -> tuple[Session, list[Due]]:
        """The dose starts the clocks, at `marked_us` perhaps later than it was given."""
        self._marked_us = marked_us
        name, self._phase_end_us = schedule.phase(session.route, dose_us, dose_us)
        self.session = session = replace(session, dose_us=dose_us, phase=name)
        changed = self.due.drop_open("nibp-baseline")
        changed += self.due.add(schedule.after_dose(self.id, session.route, dose_us))
        for at_us in self._readings_us:  # taken between the dose and its mark
            changed += self.due.reading(at_us) if at_us >= dose_us else []
        return session, changed

    def ended(self) -> None:
        """The session is closed: live values only."""
        self.session, self.due, self._engine = None, DueList(), self._new_engine()
        self._phase_end_us = None

    def _resume(self, now_us: int, resume: Resume) -> list[Output]:
        """Goes on after a restart with what was recorded; pending delays start anew."""
        session = replace(resume.session, resumed=resume.session.resumed + 1)
        self.begin(now_us, session)
        self.due = DueList(schedule.baseline(self.id, session.started_us))
        if session.dose_us is not None:
            self.due.add(schedule.after_dose(self.id, session.route, session.dose_us))
            self.due.drop_open("nibp-baseline")
            name, self._phase_end_us = schedule.phase(session.route, session.dose_us, now_us)
            self.session = session = replace(session, phase=name)
        self.due.restore(resume.due)
        self._ask_after_us = now_us + round(RESUMED_S * US)
        self._engine.restore(resume.alarms)
        self._restore_conditions(resume.alarms)
        return [SessionChange(now_us, session, "resumed"), *self.due.advance(now_us)]

    def _restore_conditions(self, alarms: Iterable[Alarm]) -> None:
        """Technical conditions that were active go on from their own beginning."""
        for alarm in alarms:
            if alarm.condition != "active" or alarm.onset_us is None:
                continue
            name, _, device = alarm.rule.partition(":")
            rule = self.rules.get(alarm.rule)
            hold_us = round(rule.levels[0].hold_s * US) if rule else 0
            since_us = alarm.onset_us - hold_us - self._slack_us
            if name == "spo2-no-data":
                self._spo2_us = since_us
            elif name == "link-lost" and device in self.devices:
                self._link_since_us[device] = since_us
                self._links.setdefault(device, Link(device, since_us, "lost"))
            elif name == "nibp-failed":
                self._nibp_failures = alarm.level + 1
                reason = alarm.text.removeprefix("BP failed: ").removesuffix("; repeat")
                self._nibp_failed = Notice("", alarm.onset_us, "nibp_failed", detail=reason)

    def _new_engine(self) -> Engine:
        return Engine(self.id, self._rules, slack_us=self._slack_us)


def _for_devices(rules: Iterable[Rule], devices: Iterable[str]) -> Iterable[Rule]:
    devices = tuple(devices)
    for rule in rules:
        if rule.id in PER_DEVICE:
            yield from (replace(rule, id=f"{rule.id}:{device}") for device in devices)
        else:
            yield rule
