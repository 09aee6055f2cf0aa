"""Why did it ring: each alarm of a session from the first value out to what came of it. Pure.

Nothing is invented: a value some minutes later is one that was measured about then, with its own
time, or there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitals.alarms.profile import Profile
from vitals.channels import CHANNELS
from vitals.export.limits import LimitSpan
from vitals.export.session_data import AlarmEpisode, Entry, SessionData
from vitals.export.timeline import Point, timeline
from vitals.model import US, Level, Priority, Rule
from vitals.session.course import REPORTED

LATER_MIN = (5, 10)
"""Minutes after an alarm at which its vital is looked up again."""
NEXT_S = 600.0
"""What people marked within this long after an alarm may have to do with it."""
NEAR_S = {"stream": 15.0, "spot": 150.0}
"""How far a value may lie from its minute: of a running vital, and of one measured at times."""
BY_ITSELF = frozenset({"phase", "resumed"})
"""Points of the time line that are nobody's answer to an alarm."""
_SHOWN = ("active", "latched")


@dataclass(frozen=True, slots=True)
class Later:
    """The vital of an alarm some minutes after it.

    Attributes:
        minutes: how many were asked for.
        value: None where nothing was measured about then.
        at_us: when it was measured.
    """

    minutes: int
    value: float | None = None
    at_us: int | None = None


@dataclass(frozen=True, slots=True)
class Ring:
    """One alarm.

    Attributes:
        rule: its id.
        channel: the vital that it judges; `""` for technical conditions.
        technical: whether it is about devices or the program, not about the patient.
        label: what the rule is called.
        priority: the highest that it had.
        text: its message when it was first shown.
        crossed_us: when the first value was out; None for technical conditions, or where that was
            not recorded.
        crossed: that value.
        value: the value when it was shown.
        limit: in force then; None for technical conditions.
        why: where the limit comes from when not from the profile, in words.
        hold_s: the delay that was set; None where the profile says nothing of it.
        shown_us: when it was shown.
        sounded_us: when it was first heard; None if it never was.
        rises: (at_us, priority, message) of each rise in level.
        again: how often its condition was met again before it was gone.
        acked_us: when it was first acknowledged; None if never.
        acked_by: by whom.
        over_us: when its condition ended; None if it did not.
        next: what people marked next, None for nothing within ten minutes.
        later: the vital some minutes after it was shown.
    """

    rule: str
    channel: str
    technical: bool
    label: str
    priority: str
    text: str
    crossed_us: int | None
    crossed: float | None
    value: float | None
    limit: float | None
    why: str
    hold_s: float | None
    shown_us: int
    sounded_us: int | None
    rises: tuple[tuple[int, str, str], ...]
    again: int
    acked_us: int | None
    acked_by: str
    over_us: int | None
    next: Point | None
    later: tuple[Later, ...]

    @property
    def waited_us(self) -> int | None:
        """From the first value out to the alarm."""
        return None if self.crossed_us is None else self.shown_us - self.crossed_us

    @property
    def answered_us(self) -> int | None:
        """From when it was first heard (shown, if it never was) to its acknowledgement."""
        if self.acked_us is None:
            return None
        since_us = self.shown_us if self.sounded_us is None else self.sounded_us
        return max(0, self.acked_us - since_us)


@dataclass(slots=True)
class _Course:
    """What the rows of one alarm say of it, from its being shown."""

    rows: list[Entry] = field(default_factory=list)
    before: Entry | None = None
    """The row with which its delay began."""


def rings(
    data: SessionData, profile: Profile | None, limits: Iterable[LimitSpan] = ()
) -> tuple[Ring, ...]:
    """Every alarm that signals, in order of time; annotations are none.

    Args:
        data: the session.
        profile: the one in the record, if it can be read.
        limits: what was in force when (`vitals.export.limits`).
    """
    rules = {rule.id: rule for rule in profile.rules} if profile else {}
    points = [p for p in timeline(data.entries) if p.actor and p.kind not in BY_ITSELF]
    values = _Values(data)
    spans = list(limits)
    courses = _courses(data)
    found = []
    for episode in data.alarms:
        course = courses.get((episode.rule, episode.from_us))
        if episode.priority == Priority.INFO or course is None:
            continue
        rule = rules.get(episode.rule) or rules.get(episode.rule.partition(":")[0])
        found.append(_ring(episode, course, rule, spans, points, values))
    return tuple(sorted(found, key=lambda one: (one.shown_us, one.rule)))


def _courses(data: SessionData) -> dict[tuple[str, int], _Course]:
    """By rule and beginning, as the episodes of the session."""
    open_now: dict[str, _Course] = {}
    waits: dict[str, Entry] = {}
    found: dict[tuple[str, int], _Course] = {}
    for entry in data.entries:
        after = _after(entry)
        if entry.kind != "alarm" or not after:
            continue
        rule = str(entry.body.get("rule"))
        condition = after.get("condition")
        if condition == "pending":
            waits.setdefault(rule, entry)
        elif condition not in _SHOWN:
            waits.pop(rule, None)
        if condition not in _SHOWN:
            course = open_now.pop(rule, None)
            if course is not None:
                course.rows.append(entry)
            continue
        course = open_now.get(rule)
        if course is None:
            course = open_now[rule] = _Course(before=waits.pop(rule, None))
            found.setdefault((rule, entry.at_us), course)
        course.rows.append(entry)
    return found


def _after(entry: Entry) -> Mapping[str, Any]:
    after = entry.body.get("after")
    return after if isinstance(after, Mapping) else {}


def _ring(
    episode: AlarmEpisode,
    course: _Course,
    rule: Rule | None,
    spans: Sequence[LimitSpan],
    points: Sequence[Point],
    values: _Values,
) -> Ring:
    signals = [row for row in course.rows if _signals(row)]
    first = signals[0]
    after = _after(first)
    shown_us, level = first.at_us, int(after.get("level", -1))
    told = rule.levels[level] if rule and 0 <= level < len(rule.levels) else None
    physiological = rule is not None and rule.side != "technical"
    channel = rule.channel if rule is not None and physiological else ""
    crossed_us, crossed = _crossing(course.before, first) if physiological else (None, None)
    limit = first.body.get("limit", after.get("limit"))
    acked_us = episode.acked_us
    return Ring(
        rule=episode.rule,
        channel=channel,
        technical=rule is not None and rule.side == "technical" and rule.id not in REPORTED,
        label=rule.label if rule else episode.rule,
        priority=episode.priority,
        text=str(after.get("text") or episode.text),
        crossed_us=crossed_us,
        crossed=crossed,
        value=_value(first),
        limit=None if limit is None or not physiological else float(limit),
        why=_why(spans, episode.rule, level, shown_us),
        hold_s=_hold(rule, told),
        shown_us=shown_us,
        sounded_us=next((row.at_us for row in signals if _sounds(_after(row))), None),
        rises=_rises(signals),
        again=sum(row.body.get("cause") == "condition met again" for row in signals),
        acked_us=acked_us,
        acked_by=episode.acked_by,
        over_us=_over(course.rows[course.rows.index(first) :]),
        next=_next(points, shown_us),
        later=tuple(values.later(channel, shown_us, minutes) for minutes in LATER_MIN),
    )


def _crossing(before: Entry | None, first: Entry) -> tuple[int | None, float | None]:
    """When the first value was out and what it was: before the delay, or met at once."""
    if before is not None:
        return int(_after(before).get("onset_us") or before.at_us), _value(before)
    value_us = _after(first).get("value_us")
    return (None if value_us is None else min(int(value_us), first.at_us)), _value(first)


def _value(row: Entry) -> float | None:
    value = row.body.get("value", _after(row).get("value"))
    return None if value is None else float(value)


def _signals(row: Entry) -> bool:
    after = _after(row)
    return after.get("condition") in _SHOWN and after.get("priority") != Priority.INFO


def _sounds(after: Mapping[str, Any]) -> bool:
    loud = {"active": ("medium", "high"), "latched": ("high",)}
    return (
        after.get("priority") in loud.get(str(after.get("condition")), ())
        and not after.get("acked_by")
        and not after.get("silent", False)
        and after.get("signal", "on") == "on"
        and after.get("rule_state", "enabled") == "enabled"
    )


def _rises(rows: Sequence[Entry]) -> tuple[tuple[int, str, str], ...]:
    found = []
    highest = _rank(_after(rows[0]).get("priority"))
    for row in rows[1:]:
        priority = str(_after(row).get("priority"))
        if _rank(priority) > highest:
            highest = _rank(priority)
            found.append((row.at_us, priority, str(_after(row).get("text") or "")))
    return tuple(found)


def _rank(priority: object) -> int:
    return Priority(str(priority)).rank if str(priority) in list(Priority) else -1


def _over(rows: Sequence[Entry]) -> int | None:
    """When the condition last ended; a latched alarm is shown on without it."""
    over_us: int | None = None
    for row in rows:
        active = _signals(row) and _after(row).get("condition") == "active"
        if active:
            over_us = None
        elif over_us is None:
            over_us = row.at_us
    return over_us


def _why(spans: Sequence[LimitSpan], rule: str, level: int, at_us: int) -> str:
    for span in spans:
        if (span.rule, span.level) == (rule, level) and span.from_us <= at_us < span.to_us:
            return span.why
    return ""


def _hold(rule: Rule | None, level: Level | None) -> float | None:
    if rule is None or level is None or rule.by_reading:
        return None
    return level.hold_s


def _next(points: Sequence[Point], shown_us: int) -> Point | None:
    until_us = shown_us + round(NEXT_S * US)
    return next((point for point in points if shown_us <= point.at_us <= until_us), None)


class _Values:
    """Values of a session by channel, of whatever device, in order of time."""

    def __init__(self, data: SessionData) -> None:
        self._data = data
        self._known: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}

    def later(self, channel: str, from_us: int, minutes: int) -> Later:
        """The value nearest to so many minutes after a time."""
        if not channel:
            return Later(minutes)
        at_us, value = self._of(channel)
        wanted_us = from_us + minutes * 60 * US
        known = CHANNELS.get(channel)
        near_s = NEAR_S["stream" if known is not None and known.rate_hz is not None else "spot"]
        index = int(np.searchsorted(at_us, wanted_us))
        close = [i for i in (index - 1, index) if 0 <= i < at_us.size]
        close = [i for i in close if abs(int(at_us[i]) - wanted_us) <= near_s * US]
        if not close:
            return Later(minutes)
        best = min(close, key=lambda i: abs(int(at_us[i]) - wanted_us))
        return Later(minutes, float(value[best]), int(at_us[best]))

    def _of(self, channel: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        if channel not in self._known:
            tracks = [t for t in self._data.numerics if t.channel.key == channel]
            at_us = [t.at_us[t.shown] for t in tracks] or [np.empty(0, dtype=np.int64)]
            value = [t.value[t.shown] for t in tracks] or [np.empty(0)]
            joined, values = np.concatenate(at_us), np.concatenate(value)
            order = np.argsort(joined, kind="stable")
            self._known[channel] = joined[order], values[order]
        return self._known[channel]
