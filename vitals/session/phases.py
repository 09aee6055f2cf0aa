"""The phases of a session."""

from __future__ import annotations

BY_TIME = ("ONSET_PEAK", "DESCENT", "RECOVERY")
"""Phases that advance by minutes since the dose; the others are entered by an act."""
PHASE_NAMES = (
    "CHECK_IN", "BASELINE", "GATE", "DOSING", *BY_TIME, "DISCHARGE_CHECK", "ABORTED", "EMERGENCY",
)  # fmt: skip


def later(one: str, other: str) -> str:
    """The later of two phases that advance by time; any other phase stays as it is."""
    if one not in BY_TIME:
        return one
    return max(one, other, key=BY_TIME.index)
