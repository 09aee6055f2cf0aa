"""The alarms that a nurse would count: shown, heard, how long; from the changes of a session."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from vitals.model import AlarmChange, Priority

NO_SESSION = "open-session"
"""A rule of rooms without a session."""


@dataclass(frozen=True, slots=True)
class Told:
    """One alarm: from when its condition was met until it was gone, or met anew.

    Attributes:
        rule: id of its rule, for conditions of devices without the device.
        met_us: when the condition was met.
        over_us: when the condition was over; a latched alarm stays.
        active_us: how long it lasted, without the time in which the program was down.
        sounding_us: how long it was heard, without that time.
        sounded: whether it was heard at all; else it was only shown.
        unanswered: it was heard until the session ended.
    """

    rule: str
    met_us: int
    over_us: int
    active_us: int
    sounding_us: int
    sounded: bool
    unanswered: bool


def told(
    changes: Iterable[AlarmChange], end_us: int, down: Sequence[tuple[int, ...]] = ()
) -> tuple[Told, ...]:
    """The alarms that a session's changes come to; an annotation (INFO) is none.

    Args:
        changes: in the order of each rule's alarm.
        end_us: end of the session; what is still on ends there.
        down: spans (from, to) in which the program did not run.
    """
    courses: dict[str, _Course] = {}
    for change in changes:
        rule = change.after.rule
        if rule != NO_SESSION:
            courses.setdefault(rule, _Course(rule.partition(":")[0], end_us, down)).take(change)
    for course in courses.values():
        course.gone(end_us)
    found = [alarm for course in courses.values() for alarm in course.found]
    return tuple(sorted(found, key=lambda alarm: alarm.met_us))


@dataclass(slots=True)
class _Course:
    """Folds the changes of one rule's alarm into the alarms a nurse would count."""

    rule: str
    end_us: int
    down: Sequence[tuple[int, ...]]
    found: list[Told] = field(default_factory=list)
    _met_us: int | None = None
    _over_us: int | None = None
    _heard_us: int | None = None
    _sounding_us: int = 0
    _sounded: bool = False

    def take(self, change: AlarmChange) -> None:
        """The next change."""
        after, at_us = change.after, change.at_us
        active = after.condition == "active" and after.priority is not Priority.INFO
        if active and self._met_us is None:
            self._met_us = at_us
        elif active and self._over_us is not None:  # latched, and met again: another alarm
            self.gone(at_us)
            self._met_us = at_us
        elif not active and self._over_us is None:
            self._over_us = at_us
        if not active and after.condition != "latched":
            self.gone(at_us)
        elif not after.sounding:
            self._silent(at_us)
        elif self._heard_us is None:
            self._heard_us, self._sounded = at_us, True

    def gone(self, at_us: int) -> None:
        """Nothing is shown any more; counts the alarm, if there was one."""
        unanswered = self._heard_us is not None and at_us >= self.end_us
        self._silent(at_us)
        if self._met_us is not None:
            over_us = at_us if self._over_us is None else self._over_us
            active_us = self._lasted(self._met_us, over_us)
            self.found.append(
                Told(
                    self.rule,
                    self._met_us,
                    over_us,
                    active_us,
                    self._sounding_us,
                    self._sounded,
                    unanswered,
                )
            )
        self._met_us = self._over_us = None
        self._sounding_us, self._sounded = 0, False

    def _silent(self, at_us: int) -> None:
        if self._heard_us is not None:
            self._sounding_us += self._lasted(self._heard_us, at_us)
        self._heard_us = None

    def _lasted(self, from_us: int, to_us: int) -> int:
        lost = sum(max(0, min(to_us, end) - max(from_us, start)) for start, end in self.down)
        return max(0, to_us - from_us - lost)
