"""One-line alarm tests: a rule, samples once a second, and what must happen when.

    run(rule, "95 89 89 _ 95")  ->  "1:pending 3:active"

Samples are one a second from second 0; `_` is a second without a valid value, `89x10` ten of
89, `89?` one that is questionable. Words between samples are acts: `ack`, `pause`, `unpause`,
`off`, `on`. The answer lists each transition as `second:word`, the second counted from the first
sample.
"""

from __future__ import annotations

from vitals.alarms.alarm import RoomAlarm
from vitals.alarms.limits import Context
from vitals.alarms.profile import load
from vitals.model import US, AlarmChange, Rule

T0_US = 1_800_000_000 * US
DOSED = Context(dose_us=1)
"""After the dose, where a medium level sounds."""
RULES: dict[str, Rule] = {rule.id: rule for rule in load().rules}
"""The shipped profile."""
ACTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ack": ("acknowledge", ()),
    "pause": ("pause", ()),
    "unpause": ("unpause", ()),
    "off": ("switch_off", ("known to the prescriber",)),
    "on": ("switch_on", ()),
}


def words(change: AlarmChange) -> str:
    """What changed, in a word: the condition, else ack, signal or the cause."""
    before, after = change.before, change.after
    if change.cause == "near miss":
        return "near-miss"
    if (before.condition, before.level) != (after.condition, after.level):
        level = f"/{after.priority}" if after.condition == "active" else ""
        return f"{after.condition}{level}"
    return change.cause.replace(" ", "-")


def fold(
    rule: Rule, series: str, ticks_per_s: int = 0, alarm: RoomAlarm | None = None, start_s: int = 0
) -> list[AlarmChange]:
    """Folds the series from second `start_s`; `ticks_per_s` adds that many between samples."""
    alarm = alarm or RoomAlarm("room-1", rule, DOSED)
    changes: list[AlarmChange] = []
    second = start_s
    for token in series.split():
        if token in ACTS:
            # between the sample before and the next one
            act_us = T0_US + second * US - US // 2
            name, more = ACTS[token]
            changes += alarm.advance(act_us)
            changes += getattr(alarm, name)(act_us, "nurse A", *more)
            continue
        value, _, times = token.partition("x")
        for _ in range(int(times or 1)):
            at_us = T0_US + second * US
            if value == "_":
                changes += alarm.advance(at_us)
            else:
                good = not value.endswith("?")
                changes += alarm.sample(at_us, float(value.rstrip("?")), good=good)
            for tick in range(1, ticks_per_s + 1):
                changes += alarm.advance(at_us + tick * US // (ticks_per_s + 1))
            second += 1
    return changes + alarm.advance(T0_US + (second - 1) * US)


def run(rule: Rule, series: str, ticks_per_s: int = 0, alarm: RoomAlarm | None = None) -> str:
    """What the series does, in words."""
    changes = fold(rule, series, ticks_per_s, alarm)
    return " ".join(f"{(c.at_us - T0_US) / US:g}:{words(c)}" for c in changes)
