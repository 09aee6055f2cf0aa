"""Rules and alarms: limits as data, the state of an alarm, its transitions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


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
        over_baseline: out, too, when this far beyond the frozen baseline (above it with `side
            high`, below it with `side low`), in the channel's unit. Without a baseline it is off.
        over_baseline_pct: the same, in percent of the baseline.
        sat_seconds: met when the depth below the limit, summed over time, reaches this (%·s),
            instead of after `hold_s`.
        readings: `by_reading` rules: how many readings in a row must be out before it sounds;
            the first is shown at once.
        phases: counts only in these phases; none = in all.
        minutes: counts only from the first up to the second minute since the dose.
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
    over_baseline: float | None = None
    over_baseline_pct: float | None = None
    sat_seconds: float = 0.0
    readings: int = 1
    phases: tuple[str, ...] = ()
    minutes: tuple[float, float] | None = None


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
        rule_until_us: end of that.
        rule_by: who switched the rule off.
        rule_reason: why.
        onset_us: when the condition of this episode was first met.
        value: value that met the present level.
        limit: limit in force at the present level.
        text: message with value and limit, e.g. "SpO2 86 < 88".
        value_us: when that value was measured; a page shows its age when it gets old.
        raised_us: since when this level has waited for somebody, for the escalation.
        escalated: how many steps of the escalation have been taken since then.
        silent: it is shown and does not sound: a hold before the dose, or a reading that
            waits for a second one.
        entered_by: who entered it by hand; that person's own page stays silent.
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
    rule_by: str = ""
    rule_reason: str = ""
    value_us: int | None = None
    raised_us: int | None = None
    escalated: int = 0
    silent: bool = False
    entered_by: str = ""

    @property
    def sounding(self) -> bool:
        """Whether this alarm makes itself heard now; a latched MEDIUM is a silent message."""
        audible = {"active": Priority.MEDIUM, "latched": Priority.HIGH}.get(self.condition)
        return (
            audible is not None
            and self.priority.rank >= audible.rank
            and not self.acked_by
            and not self.silent
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
