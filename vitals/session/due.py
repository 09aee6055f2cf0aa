"""The due list: which readings are owed, which reading pays for which.

A reading pays for the latest one that is owed by then (a little early counts); older ones that
were still open are missed, never silently dropped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from vitals.model import US, Due, DueState

EARLY_S = 150.0
"""A reading this much before its time counts for it."""
FORTY = "nibp+40"
FORTY_EARLY_S, FORTY_LATE_S = 300.0, 600.0
"""The first valid reading in 35-50 min counts as the 40-minute reading, none after that."""
BASELINE = ("nibp-baseline-1", "nibp-baseline-2")
BASELINE_APART_S = 300.0
OVERDUE_S = 120.0
REPEAT = "nibp-repeat-"
"""Readings that are taken again because one was out."""
EMERGENCY = "nibp-emergency-"
"""Readings of an emergency."""
BEFORE_DISCHARGE = "nibp-discharge"
"""The last reading, in the discharge check."""
RECHECK = "recheck-"
"""Readings some minutes after a mark."""
PAID_BY_ANY = (REPEAT, EMERGENCY)
"""Any reading pays for these, however early."""
PAID_AFTER = (RECHECK, BEFORE_DISCHARGE)
"""Any reading at or after their time pays for these."""
_NEVER = 2**62
_OPEN = ("coming", "due", "overdue")


class DueList:
    """What one session owes."""

    def __init__(self, items: Iterable[Due] = ()) -> None:
        self.items: dict[str, Due] = {item.what: item for item in items}
        self._next_us = 0

    def __iter__(self) -> Iterator[Due]:
        return iter(self.items.values())

    def add(self, items: Iterable[Due]) -> list[Due]:
        """Adds what is newly owed; what is already there stays as it is."""
        new = [item for item in items if item.what not in self.items]
        self.items.update({item.what: item for item in new})
        self._next_us = 0
        return new

    def restore(self, items: Iterable[Due]) -> None:
        """Takes over recorded states after a restart."""
        self.items.update({item.what: item for item in items})
        self._next_us = 0

    def advance(self, now_us: int) -> list[Due]:
        """Lets time pass; returns what has become due or overdue."""
        if now_us < self._next_us:
            return []
        changed = self._advance(now_us)
        self._next_us = min(
            (i.at_us if i.state == "coming" else i.at_us + round(OVERDUE_S * US)
             for i in self._open() if i.state != "overdue"),
            default=_NEVER,
        )  # fmt: skip
        return changed

    def _advance(self, now_us: int) -> list[Due]:
        changed = []
        for item in self._open():
            late_us = now_us - item.at_us
            state: DueState = "coming" if late_us < 0 else "due"
            if late_us >= OVERDUE_S * US:
                state = "overdue"
            if state != item.state:
                changed.append(self._set(replace(item, state=state)))
        return changed

    def reading(self, at_us: int, *, newest: bool = True) -> list[Due]:
        """A valid blood pressure was taken; returns what is now done or missed.

        One that is not the newest was taken before a repeat was asked for, and pays none.
        """
        any_pays = [
            item
            for item in self._open()
            if (newest and item.what.startswith(PAID_BY_ANY))
            or (item.what.startswith(PAID_AFTER) and item.at_us <= at_us)
        ]
        done = [self._set(replace(item, state="done", done_us=at_us)) for item in any_pays]
        return done + self._scheduled(at_us)

    def _scheduled(self, at_us: int) -> list[Due]:
        baseline = [item for item in self._open() if item.what in BASELINE]
        if baseline:
            return self._baseline(baseline, at_us)
        other = (*PAID_BY_ANY, *PAID_AFTER)
        planned = (item for item in self._open() if not item.what.startswith(other))
        owed = sorted(
            (item for item in planned if item.at_us - _early_us(item) <= at_us),
            key=lambda item: item.at_us,
        )
        pays = self._forty(at_us)
        if owed and owed[-1] not in pays and at_us <= _latest_us(owed[-1]):
            pays.append(owed[-1])
        changed = [self._set(replace(i, state="missed")) for i in owed if i not in pays]
        done = [self._set(replace(item, state="done", done_us=at_us)) for item in pays]
        return changed + done

    def _forty(self, at_us: int) -> list[Due]:
        """The 40-minute reading, if this is it: beside a later one, and late or given up, too."""
        item = self.items.get(FORTY)
        if item is None or item.state not in (*_OPEN, "missed", "not_obtained"):
            return []
        early_us, late_us = item.at_us - _early_us(item), _latest_us(item)
        return [item] if early_us <= at_us <= late_us else []

    def _baseline(self, open_items: list[Due], at_us: int) -> list[Due]:
        """Baseline readings pay in order, the second 5 min after the first was taken."""
        first = min(open_items, key=lambda item: item.what)
        if at_us < first.at_us:
            return []
        changed = [self._set(replace(first, state="done", done_us=at_us))]
        later_us = at_us + round(BASELINE_APART_S * US)
        for item in open_items:
            if item is not first and item.at_us < later_us:
                changed.append(self._set(replace(item, at_us=later_us, state="coming")))  # noqa: PERF401
        return changed

    def drop_open(self, prefix: str) -> list[Due]:
        """Ends what is still owed of one kind (the baseline at the dose)."""
        gone = [item for item in self._open() if item.what.startswith(prefix)]
        return [self._set(replace(item, state="missed")) for item in gone]

    def skip_open(self, prefix: str, but: Collection[str] = ()) -> list[Due]:
        """Ends what is owed no longer of one kind, because the plan is another one."""
        gone = [i for i in self._open() if i.what.startswith(prefix) and i.what not in but]
        return [self._set(replace(item, state="skipped")) for item in gone]

    def is_skipped(self, what: str) -> bool:
        """Whether it is in the list and not wanted."""
        return what in self.items and self.items[what].state == "skipped"

    def put(self, items: Iterable[Due]) -> list[Due]:
        """Sets states that a person has decided on."""
        return [self._set(item) for item in items]

    def move_open(self, items: Iterable[Due]) -> list[Due]:
        """Gives what is still owed another time: the clock it counts from was corrected."""
        changed = []
        for new in items:
            known = self.items.get(new.what)
            if known is not None and known.state in _OPEN and known.at_us != new.at_us:
                changed.append(self._set(replace(known, at_us=new.at_us, state="coming")))
        return changed

    def _open(self) -> list[Due]:
        return [item for item in self.items.values() if item.state in _OPEN]

    def _set(self, item: Due) -> Due:
        self.items[item.what] = item
        self._next_us = 0
        return item


def _early_us(item: Due) -> float:
    return (FORTY_EARLY_S if item.what == FORTY else EARLY_S) * US


def _latest_us(item: Due) -> float:
    return item.at_us + FORTY_LATE_S * US if item.what == FORTY else float("inf")
