"""One-line alarm tests: a rule, samples once a second, and what must happen when.

    run(rule, "95 89 89 _ 95")  ->  "1:pending 3:active"

Samples are one a second from second 0; `_` is a second without a valid value, `89x10` ten of
89. Words between samples are acts: `ack`, `pause`, `unpause`. The answer lists each transition
as `second:word`, the second counted from the first sample.
"""

from __future__ import annotations

from vitals.alarms.alarm import RoomAlarm
from vitals.alarms.limits import Context
from vitals.model import US, AlarmChange, Rule

T0_US = 1_800_000_000 * US
DOSED = Context(dose_us=1)
"""After the dose, where a medium level sounds."""
ACTS = {"ack": "acknowledge", "pause": "pause", "unpause": "unpause"}


def words(change: AlarmChange) -> str:
    """What changed, in a word: the condition, else ack, signal or the cause."""
    before, after = change.before, change.after
    if change.cause == "near miss":
        return "near-miss"
    if (before.condition, before.level) != (after.condition, after.level):
        level = f"/{after.priority}" if after.condition == "active" else ""
        return f"{after.condition}{level}"
    return change.cause.replace(" ", "-")


def run(rule: Rule, series: str, ticks_per_s: int = 0, alarm: RoomAlarm | None = None) -> str:
    """Folds the series; `ticks_per_s` adds that many ticks between samples."""
    alarm = alarm or RoomAlarm("room-1", rule, DOSED)
    changes: list[AlarmChange] = []
    second = 0
    for token in series.split():
        at_us = T0_US + second * US
        if token in ACTS:
            # between the sample before and the next one
            act_us = at_us - US // 2
            changes += alarm.advance(act_us)
            changes += getattr(alarm, ACTS[token])(act_us, "nurse A")
            continue
        value, _, times = token.partition("x")
        for _ in range(int(times or 1)):
            at_us = T0_US + second * US
            if value == "_":
                changes += alarm.advance(at_us)
            else:
                changes += alarm.sample(at_us, float(value))
            for tick in range(1, ticks_per_s + 1):
                changes += alarm.advance(at_us + tick * US // (ticks_per_s + 1))
            second += 1
    changes += alarm.advance(T0_US + (second - 1) * US)
    return " ".join(f"{(c.at_us - T0_US) / US:g}:{words(c)}" for c in changes)
