"""Wrong passwords are slowed down: for each account at each place, each account, each address.

The wait after a wrong password grows from nothing to 30 s and never further, so that nobody can
shut the right person out for longer by guessing for that person. A browser from which the person
has signed in before counts by itself: whoever guesses elsewhere does not slow it down at all.
Passwords that come during a wait are not looked at, and not counted either.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from vitals.model import US

LONGEST_S = 30.0
FORGOTTEN_S = 900.0
MOST = 10_000
"""Keys that are remembered; beyond it the oldest go."""
FREE: dict[str, int] = {"place": 5, "account": 30, "address": 60}
"""Kind of key -> wrong passwords before there is any wait."""

Key = tuple[str, Hashable]
"""(a kind of `FREE`, what it is about)."""


@dataclass(slots=True)
class _Count:
    wrong: int = 0
    last_us: int = 0


class Throttle:
    """Counts wrong passwords by key. Time is an argument, microseconds."""

    def __init__(self) -> None:
        self._counts: dict[Key, _Count] = {}

    def wait_s(self, keys: Sequence[Key], now_us: int) -> float:
        """How long until a password is looked at again; 0 for now."""
        return max((self._wait_s(key, now_us) for key in keys), default=0.0)

    def _wait_s(self, key: Key, now_us: int) -> float:
        count = self._counts.get(key)
        if count is None or count.wrong < FREE[key[0]]:
            return 0.0
        wait_s = min(2.0 ** min(count.wrong - FREE[key[0]], 10), LONGEST_S)
        return max(0.0, wait_s - (now_us - count.last_us) / US)

    def wrong(self, keys: Sequence[Key], now_us: int) -> None:
        """A wrong password was looked at."""
        for key in keys:
            count = self._counts.pop(key, None)
            if count is None or now_us - count.last_us > FORGOTTEN_S * US:
                count = _Count()
            count.wrong += 1
            count.last_us = now_us
            self._counts[key] = count  # the newest stand last
        while len(self._counts) > MOST:
            del self._counts[next(iter(self._counts))]

    def right(self, key: Key) -> None:
        """The right password was given there."""
        self._counts.pop(key, None)
