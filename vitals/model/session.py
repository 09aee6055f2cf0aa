"""The session, what people ask for, and what a room is folded over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from vitals.model.alarms import Alarm, AlarmChange
from vitals.model.measured import DeviceRequest, Link, Notice, Numeric

DueState = Literal["coming", "due", "overdue", "done", "missed", "skipped", "not_obtained"]


@dataclass(frozen=True, slots=True)
class Due:
    """A reading or act that is owed. `what` is unique within the session, e.g. `nibp+40`."""

    room: str
    what: str
    at_us: int
    done_us: int | None = None
    state: DueState = "coming"
    label: str = ""


Mode = Literal["real", "demo", "test"]
DoseKind = Literal["dose", "part", "booster"]


@dataclass(frozen=True, slots=True)
class Dose:
    """What was given when. The first one starts the clocks, a part never does.

    Attributes:
        n: 1, 2, … in the order of marking.
        kind: the dose, a further part of it, or a booster.
        at_us: when it was given, as corrected last; every correction is in the audit trail.
        marked_us: when it was marked.
        by: who marked it.
        drug: what.
        mg: how much.
        lot: of which lot.
        witness: who else saw it.
    """

    n: int
    kind: DoseKind
    at_us: int
    marked_us: int
    by: str
    drug: str = ""
    mg: float | None = None
    lot: str = ""
    witness: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """One patient's stay in one room. `subject_ref` is a pseudonym, never a name.

    Attributes:
        baseline: channel -> value before the dose, frozen at the dose; a channel without one
            has no relative limits.
        same_arm: whether the cuff is recorded to be on the oximeter's arm.
        off_since_us: since when the patient is off the monitor; None = is on it.
        off_until_us: when that ends.
        off_reason: why.
        off_extended: whether it was extended already.
        finished_us: when monitoring was finished, before the session is closed.
        limits: rule -> limits of its levels that hold for this patient only; None = the profile's.
        own_alarm_by: device -> who confirmed that the device's own alarm is on.
        checkin: item of the check-in -> answer.
        gate: the decision before the dose: `decision` (go, hold, override), `reason`, `by`,
            `role`, `at_us`, and `order_by` of a verbal order that was read back; {} = none yet.
        doses: all that was given.
        infusion_end_us: when the infusion was marked as ended.
        scores: scale -> the last one: `value`, `at_us`, `by`, `text`.
        adverse: id -> adverse event as it was entered last.
        discharge: criterion -> `met`, `by`, `at_us`, `reason` of an override.
        signed: who signed the discharge: `by`, `role`, `at_us`; {} = nobody.
        emergency_us: since when it is an emergency; None = it is none.
        cuff_off: in an emergency, whether nobody wants the cuff to measure by itself.
        moved_from: the room it came from.
        rev: counts what people have changed; the page says which it has seen.
        last: the newest of these changes: `by`, `what`, `at_us`.
    """

    id: str
    room: str
    subject_ref: str
    route: str
    started_us: int
    ended_us: int | None = None
    mode: Mode = "real"
    phase: str = "CHECK_IN"
    dose_us: int | None = None
    resumed: int = 0
    baseline: Mapping[str, float] = field(default_factory=dict)
    same_arm: bool = False
    off_since_us: int | None = None
    off_until_us: int | None = None
    off_reason: str = ""
    off_extended: bool = False
    finished_us: int | None = None
    limits: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    own_alarm_by: Mapping[str, str] = field(default_factory=dict)
    checkin: Mapping[str, Any] = field(default_factory=dict)
    gate: Mapping[str, Any] = field(default_factory=dict)
    doses: tuple[Dose, ...] = ()
    infusion_end_us: int | None = None
    scores: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    adverse: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    discharge: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    signed: Mapping[str, Any] = field(default_factory=dict)
    emergency_us: int | None = None
    cuff_off: bool = False
    moved_from: str = ""
    rev: int = 0
    last: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a name for the record and a role for the permission table."""

    name: str
    role: str


@dataclass(frozen=True, slots=True)
class Command:
    """What a person (or the demo) asks for. `id` makes a repeat harmless."""

    id: str
    actor: Actor
    kind: str
    room: str
    args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """Answer to a command; `recorded` None while the commit is still awaited."""

    id: str
    ok: bool
    error: str = ""
    recorded: bool | None = None


@dataclass(frozen=True, slots=True)
class StoreState:
    """Whether what is shown is also recorded; `detail` says what to do when it is not."""

    at_us: int
    recording: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Audience:
    """How many pages with armed sound the station's alarms reach now."""

    at_us: int
    armed: int


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passes."""

    at_us: int


@dataclass(frozen=True, slots=True)
class Resume:
    """The station was restarted in mid-session: the session goes on with what was recorded.

    `alarms` are the last recorded states, `due` the readings that are no longer owed, `measured`
    the values before the dose, which the baseline is made of, `latest` the newest blood pressure
    and what a person has entered; after the dose `measured` is what the discharge is judged on.
    `moved_by`: it was no restart, but somebody has moved the session here from another room.
    `marks`: the last state of each mark whose time can be corrected.
    """

    at_us: int
    session: Session
    alarms: tuple[Alarm, ...] = ()
    due: tuple[Due, ...] = ()
    measured: tuple[Numeric, ...] = ()
    latest: tuple[Numeric, ...] = ()
    moved_by: str = ""
    marks: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """Output of a room for the audit trail and the time line: a mark, a note."""

    at_us: int
    kind: str
    body: Mapping[str, Any]
    actor: str = ""


@dataclass(frozen=True, slots=True)
class RoomDevice:
    """What a room needs to know of a device: its channels and what it can be asked to do."""

    id: str
    channels: tuple[str, ...]
    can: frozenset[str] = frozenset()
    spot: bool = False
    """Speaks only when somebody measures."""
    period_s: float = 1.0
    """Longest time between two values of a stream."""
    rank: int = 0
    """Its place among the devices of the room, the most trusted first."""
    own_alarm: str = "unknown"
    """Whether the device alarms by itself: yes, no, unknown."""


@dataclass(frozen=True, slots=True)
class Bind:
    """A device is in this room from now on: somebody has moved it here."""

    at_us: int
    device: RoomDevice


@dataclass(frozen=True, slots=True)
class Unbind:
    """A device is in this room no longer: somebody has moved it away."""

    at_us: int
    device: str


@dataclass(frozen=True, slots=True)
class Input:
    """What a room is folded over. `seq` is the station's own, stored with what is recorded."""

    seq: int
    at_us: int
    body: Numeric | Notice | Link | Command | StoreState | Audience | Tick | Resume | Bind | Unbind


@dataclass(frozen=True, slots=True)
class SessionChange:
    """A session was opened, closed, resumed, or its phase or dose clock changed."""

    at_us: int
    session: Session
    cause: str
    actor: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)


Output = AlarmChange | Due | SessionChange | Result | Event | DeviceRequest | Numeric
"""A `Numeric` is a value that a person has entered: to be recorded and shown."""
