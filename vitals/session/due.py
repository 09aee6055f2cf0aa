"""The due list: which readings are owed, which reading pays for which.

A reading pays for the latest one that is owed by then (a little early counts); older ones that
were still open are missed, never silently dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from vitals.model import US, Due, DueState

EARLY_S = 150.0
"""A reading this much before its time counts for it."""
FORTY_EARLY_S = 300.0
"""The first valid reading in 35-50 min counts as the 40-minute reading."""
OVERDUE_S = 120.0
_OPEN = ("coming", "due", "overdue")


class DueList:
    """What one session owes."""

    def __init__(self, items: Iterable[Due] = ()) -> None:
        self.items: dict[str, Due] = {item.what: item for item in items}

    def __iter__(self) -> Iterator[Due]:
        return iter(self.items.values())

    def add(self, items: Iterable[Due]) -> list[Due]:
        """Adds what is newly owed; what is already there stays as it is."""
        new = [item for item in items if item.what not in self.items]
        self.items.update({item.what: item for item in new})
        return new

    def restore(self, items: Iterable[Due]) -> None:
        """Takes over recorded states after a restart."""
        self.items.update({i.what: i for i in items if i.what in self.items})

    def advance(self, now_us: int) -> list[Due]:
        """Lets time pass; returns what has become due or overdue."""
        changed = []
        for item in self._open():
            late_us = now_us - item.at_us
            state: DueState = "coming" if late_us < 0 else "due"
            if late_us >= OVERDUE_S * US:
                state = "overdue"
            if state != item.state:
                changed.append(self._set(replace(item, state=state)))
        return changed

    def reading(self, at_us: int) -> list[Due]:
        """A valid blood pressure was taken; returns what is now done or missed."""
        owed = sorted(
            (item for item in self._open() if item.at_us - _early_us(item) <= at_us),
            key=lambda item: item.at_us,
        )
        if not owed:
            return []
        changed = [self._set(replace(item, state="missed")) for item in owed[:-1]]
        changed.append(self._set(replace(owed[-1], state="done", done_us=at_us)))
        return changed

    def drop_open(self, prefix: str) -> list[Due]:
        """Ends what is still owed of one kind (the baseline at the dose)."""
        gone = [item for item in self._open() if item.what.startswith(prefix)]
        return [self._set(replace(item, state="missed")) for item in gone]

    def _open(self) -> list[Due]:
        return [item for item in self.items.values() if item.state in _OPEN]

    def _set(self, item: Due) -> Due:
        self.items[item.what] = item
        return item


def _early_us(item: Due) -> float:
    return (FORTY_EARLY_S if item.what == "nibp+40" else EARLY_S) * US
