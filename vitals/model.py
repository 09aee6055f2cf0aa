"""The types everything else is written in: frozen, slotted, without behaviour.

Time is `int` microseconds UTC by the station's clock, suffix `_us`. Durations in rules and
config are float seconds, suffix `_s`. Values are in the unit of their channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

US = 1_000_000
"""Microseconds in a second."""


class Quality(StrEnum):
    """How far a value may be trusted. An invalid number is never shown or charted."""

    GOOD = "good"
    QUESTIONABLE = "questionable"
    INVALID = "invalid"


class Flag(StrEnum):
    """Conditions that a device reports together with a value."""

    SENSOR_OFF = "sensor_off"
    NO_SENSOR = "no_sensor"
    SENSOR_FAULT = "sensor_fault"
    SEARCHING = "searching"
    LOW_PERFUSION = "low_perfusion"
    MARGINAL_PERFUSION = "marginal_perfusion"
    ARTIFACT = "artifact"
    WEAK_SIGNAL = "weak_signal"
    OUT_OF_TRACK = "out_of_track"
    INTERFERENCE = "interference"
    IRREGULAR_PULSE = "irregular_pulse"
    LOW_BATTERY = "low_battery"
    DEVICE_ALARM = "device_alarm"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Channel:
    """One measured quantity (see `vitals.channels`)."""

    key: str
    label: str
    unit: str
    precision: int
    plausible_low: float
    plausible_high: float
    rate_hz: float | None
    mdc: int | None
    loinc: str | None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes as they arrived. `source` is the GATT characteristic's UUID, `""` on serial."""

    data: bytes
    at_us: int
    source: str = ""


@dataclass(frozen=True, slots=True)
class Numeric:
    """One value. `value None` means that the device says it has none."""

    device: str
    channel: str
    at_us: int
    value: float | None
    quality: Quality = Quality.GOOD
    flags: frozenset[Flag] = frozenset()
    device_at_us: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Waveform:
    """Evenly spaced samples; `values` is float32, the first sample was taken at `start_us`."""

    device: str
    channel: str
    start_us: int
    rate_hz: float
    values: NDArray[np.float32]
    quality: Quality = Quality.GOOD

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Waveform):
            return NotImplemented
        mine = (self.device, self.channel, self.start_us, self.rate_hz, self.quality)
        theirs = (other.device, other.channel, other.start_us, other.rate_hz, other.quality)
        return mine == theirs and np.array_equal(self.values, other.values)

    def __hash__(self) -> int:
        return hash((self.device, self.channel, self.start_us))


@dataclass(frozen=True, slots=True)
class Notice:
    """A condition that the device reports: sensor_off, searching, low_battery, nibp_failed.

    `active False` ends the condition; one-off notices (nibp_failed) are only ever active.
    """

    device: str
    at_us: int
    code: str
    active: bool = True
    detail: str = ""


LinkState = Literal["connecting", "streaming", "silent", "lost"]


@dataclass(frozen=True, slots=True)
class Link:
    """State of the link to a device; `rejected` counts frames refused on this connection."""

    device: str
    at_us: int
    state: LinkState
    rejected: int = 0
    detail: str = ""


# --- requests to a device ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartNibp:
    """Take one blood pressure reading now."""


@dataclass(frozen=True, slots=True)
class StopNibp:
    """Cancel the reading in progress and deflate."""


Request = StartNibp | StopNibp


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """Output of a room: the station hands `request` to the keeper of `device`."""

    device: str
    request: Request
    command_id: str = ""


# --- alarms -----------------------------------------------------------------------------------


class Priority(StrEnum):
    """Alarm priorities in the sense of IEC 60601-1-8; `INFO` annotates and never signals."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """Order of urgency, 0 for INFO to 3 for HIGH."""
        return _RANKS[self]


_RANKS = {Priority.INFO: 0, Priority.LOW: 1, Priority.MEDIUM: 2, Priority.HIGH: 3}


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a rule, mildest first in `Rule.levels`.

    Attributes:
        priority: of the alarm at this level.
        limit: the value that is just out (`side high`: value >= limit or, with `strict`,
            value > limit); None on technical rules.
        hold_s: how long the condition must last before it is met.
        clear: the value at which the condition starts to end (hysteresis); None = the limit.
        release_s: how long the value must stay inside `clear`.
        latching: stays, visible and sounding, until acknowledged even when the value is back.
        samples: met as soon as this many consecutive good samples are out, whatever `hold_s`.
        strict: whether the limit itself is still inside.
        after_dose: counts only after the dose.
    """

    priority: Priority
    limit: float | None
    hold_s: float = 0.0
    clear: float | None = None
    release_s: float = 0.0
    latching: bool = False
    samples: int = 0
    strict: bool = False
    after_dose: bool = False


Side = Literal["high", "low", "technical"]


@dataclass(frozen=True, slots=True)
class Rule:
    """A row and side of the limits table, or a technical condition; at most one alarm a room.

    `channel` names the vital, for technical rules of a device the device's id (or `""`).
    `by_reading` rules judge each reading as it comes (NIBP); others judge a running value.
    """

    id: str
    channel: str
    side: Side
    levels: tuple[Level, ...]
    label: str = ""
    by_reading: bool = False


Condition = Literal["idle", "pending", "active", "latched"]
SignalState = Literal["on", "paused", "off"]
RuleState = Literal["enabled", "suspended", "off"]


@dataclass(frozen=True, slots=True)
class Alarm:
    """State of one (room, rule) on four independent axes.

    Attributes:
        room: room id.
        rule: rule id.
        level: index into the rule's levels that is in force, -1 while idle.
        priority: of that level.
        condition: idle, pending, active or latched.
        acked_by: who acknowledged this level; `""` for nobody.
        acked_us: when.
        signal: on, paused (until `signal_until_us`) or off.
        signal_until_us: end of the audio pause.
        rule_state: enabled, suspended or off (until `rule_until_us`).
        rule_until_us: end of the suspension.
        onset_us: when the condition of this episode was first met.
        value: value that met the present level.
        limit: limit in force at the present level.
        text: message with value and limit, e.g. "SpO2 86 < 88".
    """

    room: str
    rule: str
    level: int = -1
    priority: Priority = Priority.LOW
    condition: Condition = "idle"
    acked_by: str = ""
    acked_us: int | None = None
    signal: SignalState = "on"
    signal_until_us: int | None = None
    rule_state: RuleState = "enabled"
    rule_until_us: int | None = None
    onset_us: int | None = None
    value: float | None = None
    limit: float | None = None
    text: str = ""

    @property
    def sounding(self) -> bool:
        """Whether this alarm makes itself heard now; a latched MEDIUM is a silent message."""
        audible = {"active": Priority.MEDIUM, "latched": Priority.HIGH}.get(self.condition)
        return (
            audible is not None
            and self.priority.rank >= audible.rank
            and not self.acked_by
            and self.signal == "on"
            and self.rule_state == "enabled"
        )


@dataclass(frozen=True, slots=True)
class AlarmChange:
    """One transition. `at_us` is when the condition was met, not when a tick saw it."""

    at_us: int
    before: Alarm
    after: Alarm
    value: float | None
    limit: float | None
    cause: str
    actor: str = ""


# --- session ----------------------------------------------------------------------------------

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


@dataclass(frozen=True, slots=True)
class Session:
    """One patient's stay in one room. `subject_ref` is a pseudonym, never a name."""

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
class Tick:
    """Time passes."""

    at_us: int


@dataclass(frozen=True, slots=True)
class Resume:
    """The station was restarted in mid-session: the session goes on with what was recorded.

    `alarms` are the last recorded states, `due` the readings that are no longer owed.
    """

    at_us: int
    session: Session
    alarms: tuple[Alarm, ...] = ()
    due: tuple[Due, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """Output of a room for the audit trail and the time line: a mark, a note."""

    at_us: int
    kind: str
    body: Mapping[str, Any]
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Input:
    """What a room is folded over. `seq` is the station's own, stored with what is recorded."""

    seq: int
    at_us: int
    body: Numeric | Notice | Link | Command | StoreState | Tick | Resume


@dataclass(frozen=True, slots=True)
class SessionChange:
    """A session was opened, closed, resumed, or its phase or dose clock changed."""

    at_us: int
    session: Session
    cause: str
    actor: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)


Output = AlarmChange | Due | SessionChange | Result | Event | DeviceRequest
