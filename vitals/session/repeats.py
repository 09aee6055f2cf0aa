"""Blood pressures that are measured again because one was out (docs/alarms.md, "Repeats").

Medium: every 5 min until two readings are clear, at most four extra. High: every 2 min, at most
three, then every 5 min.
"""

from __future__ import annotations

from vitals.model import US, Priority
from vitals.session.due import REPEAT

MEDIUM_S, MEDIUM_MOST = 300.0, 4
HIGH_S, HIGH_MOST = 120.0, 3
CLEAR = 2
"""Readings in a row that end it."""


class Repeats:
    """Plans the next repeat after each reading."""

    def __init__(self) -> None:
        self._high = self._medium = self._clear = 0
        self._on = False
        self._count = 0

    def reading(self, at_us: int, severity: Priority | None) -> tuple[str, int] | None:
        """A reading was taken; (what, at_us) of the repeat that is owed now, None for none."""
        bad = severity in (Priority.MEDIUM, Priority.HIGH)
        self._clear = 0 if bad else self._clear + 1
        if not bad and (not self._on or self._clear >= CLEAR):
            self._on, self._high, self._medium = False, 0, 0
            return None
        self._on = True
        if severity is Priority.HIGH:
            self._high += 1
            self._medium = 0
            wait_s = HIGH_S if self._high <= HIGH_MOST else MEDIUM_S
        else:
            self._medium += 1
            wait_s = MEDIUM_S
            if self._medium > MEDIUM_MOST:
                return None
        self._count += 1
        return f"{REPEAT}{self._count}", at_us + round(wait_s * US)

    def resume(self, count: int, *, going_on: bool) -> None:
        """After a restart: so many repeats were planned before; whether one is still owed."""
        self._count = count
        self._on = going_on
