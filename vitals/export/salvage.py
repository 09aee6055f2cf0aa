"""Reads around the damaged places of a record."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import apsw

from vitals.errors import StoreError
from vitals.store.connection import is_damage

_T = TypeVar("_T")
MOST_READS = 3000
"""So many attempts at one thing; what is unread then counts as lost."""


def is_broken(error: Exception) -> bool:
    """Whether an error says that bytes are damaged, and not that the record is busy or away."""
    if not isinstance(error, StoreError):
        return isinstance(error, (ValueError, LookupError, TypeError))
    cause = error.__cause__
    return isinstance(cause, Exception) and (is_damage(cause) or isinstance(cause, apsw.IOError))


def salvage(
    read: Callable[[int, int], _T], low: int, high: int, least: int
) -> tuple[list[_T], list[tuple[int, int]]]:
    """All that can be read of a range, and the parts of it that cannot, in order.

    Args:
        read: reads `low <= x < high`.
        low: beginning of the range.
        high: its end.
        least: a part that is not longer than this is given up.

    Raises:
        StoreError: not for damage, but because the record cannot be used at all now.
    """
    found: list[_T] = []
    lost: list[tuple[int, int]] = []
    waiting = [(low, high)]
    reads = 0
    while waiting:
        start, end = waiting.pop()
        reads += 1
        try:
            if reads <= MOST_READS:
                found.append(read(start, end))
                continue
        except (StoreError, ValueError, LookupError, TypeError) as error:
            if not is_broken(error):
                raise
            if end - start > least:
                middle = (start + end) // 2
                waiting += [(middle, end), (start, middle)]
                continue
        if lost and lost[-1][1] == start:
            lost[-1] = (lost[-1][0], end)
        else:
            lost.append((start, end))
    return found, lost
