"""Asks a device that can measure for the readings that are owed."""

from __future__ import annotations

from collections.abc import Iterable

from vitals.model import Due


class Asking:
    """Each owed reading is asked for once, and once more after a failure."""

    def __init__(self) -> None:
        self._asked: set[str] = set()
        self.wanted = True
        """Whether something may be owed that nobody was asked for."""

    def again(self) -> None:
        """A reading failed: what is owed is asked for once more."""
        self._asked.clear()
        self.wanted = True

    def new(self, due: Iterable[Due]) -> list[str]:
        """What is owed now, if any of it was never asked for; else nothing."""
        owed = [item.what for item in due if item.state in ("due", "overdue")]
        if self._asked.issuperset(owed):
            self.wanted = False
            return []
        return owed

    def asked(self, owed: Iterable[str]) -> None:
        """A device was asked for all of these: one reading pays for them."""
        self._asked.update(owed)
        self.wanted = False
