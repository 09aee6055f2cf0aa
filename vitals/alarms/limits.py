"""Which limit is in force now: the profile's, the patient's own, or one from the baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from vitals.model import US, Level, Rule

_MINUTE_US = 60 * US


@dataclass(frozen=True, slots=True)
class Context:
    """What limits may depend on.

    Attributes:
        dose_us: time of the dose, None before it.
        phase: of the session.
        baseline: channel -> frozen value before the dose.
        limits: rule -> limits of its levels for this patient, None where the profile's holds.
        dosed_us: when the dose was marked, where that is later than it was given.
        escalation_s: seconds after which an unacknowledged high alarm takes its next step.
    """

    dose_us: int | None = None
    phase: str = ""
    baseline: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    escalation_s: tuple[float, ...] = (30.0, 60.0, 120.0)
    dosed_us: int | None = None

    @property
    def marked_us(self) -> int | None:
        """When the dose was marked: nobody could be told of anything after it before."""
        return self.dose_us if self.dosed_us is None else self.dosed_us


@dataclass(frozen=True, slots=True)
class InForce:
    """A limit, where it begins to clear, and where it comes from in words."""

    limit: float
    clear: float
    why: str = ""


def in_force(rule: Rule, index: int, context: Context, now_us: int) -> InForce | None:
    """The limit of one level of a physiological rule now, None while the level does not count.

    Of an absolute limit and one relative to the baseline the stricter one holds. Relative
    limits are whole numbers, away from the baseline: channels with limits have no decimals.
    """
    level = rule.levels[index]
    if not _counts(level, context, now_us):
        return None
    own = context.limits.get(rule.id, ())
    mine = own[index] if index < len(own) else None
    absolute = level.limit if mine is None else mine
    relative = _relative(rule, level, context)
    high = rule.side == "high"
    why = "" if mine is None else "this patient's limit"
    if relative is None or (absolute is not None and _stricter(absolute, relative, high)):
        limit = absolute
    else:
        limit, why = relative, _words(level, high)
    if limit is None:
        return None
    margin = 0.0
    if level.clear is not None and level.limit is not None:
        margin = abs(level.limit - level.clear)
    return InForce(limit, limit - margin if high else limit + margin, why)


def _stricter(one: float, other: float, high: bool) -> bool:
    return one <= other if high else one >= other


def _counts(level: Level, context: Context, now_us: int) -> bool:
    if level.phases and context.phase not in level.phases:
        return False
    if context.dose_us is None:
        return not level.after_dose and level.minutes is None
    if level.minutes is not None:
        minute = (now_us - context.dose_us) / _MINUTE_US
        return level.minutes[0] <= minute < level.minutes[1]
    return True


def _relative(rule: Rule, level: Level, context: Context) -> float | None:
    base = context.baseline.get(rule.channel)
    if base is None:
        return None
    over = level.over_baseline
    if over is None and level.over_baseline_pct is not None:
        over = base * level.over_baseline_pct / 100
    if over is None:
        return None
    # Rounded first: 120 * 20 % is 24.000000000000004 in binary.
    if rule.side == "high":
        return float(math.ceil(round(base + over, 6)))
    return float(math.floor(round(base - over, 6)))


def _words(level: Level, high: bool) -> str:
    sign = "+" if high else "−"
    if level.over_baseline is not None:
        return f"baseline {sign}{level.over_baseline:g}"
    return f"baseline {sign}{level.over_baseline_pct:g} %"
