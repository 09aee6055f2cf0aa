"""Failed sign-ins, told for the record once and then once a minute with their number.

Ten thousand wrong passwords are ten thousand tries, not ten thousand rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from vitals.model import US

EVERY_S = 60.0
MOST = 50
"""Pairs of user and address that are told apart within a minute; the rest are "several"."""
SEVERAL = ("several", "several")


class Failure(TypedDict):
    """What is told.

    `user` is "unknown" where there is no such account: what was typed may have been a password.
    """

    user: str
    address: str
    count: int


@dataclass(slots=True)
class _Count:
    since_us: int
    untold: int = 0


class Failures:
    """Counts by user and address."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], _Count] = {}

    def add(self, user: str, address: str, now_us: int) -> Failure | None:
        """One more; what is to be told at once, if it is the first for a while."""
        key = (user, address)
        if key not in self._counts and len(self._counts) >= MOST:
            key = SEVERAL
        count = self._counts.get(key)
        if count is not None:
            count.untold += 1
            return None
        self._counts[key] = _Count(now_us)
        return Failure(user=key[0], address=key[1], count=1)

    def due(self, now_us: int) -> list[Failure]:
        """What is to be told by now."""
        told = []
        for key, count in list(self._counts.items()):
            if now_us - count.since_us < EVERY_S * US:
                continue
            if not count.untold:
                del self._counts[key]
                continue
            told.append(Failure(user=key[0], address=key[1], count=count.untold))
            count.untold, count.since_us = 0, now_us
        return told
