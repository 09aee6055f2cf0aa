"""The phases of a session."""

from __future__ import annotations

BY_TIME = ("ONSET_PEAK", "DESCENT", "RECOVERY")
"""Phases that advance by minutes since the dose; the others are entered by an act."""
BEFORE_DOSE = ("CHECK_IN", "BASELINE", "GATE", "DOSING")
"""Phases that acts before the dose bring by themselves, too."""
CHECK = "DISCHARGE_CHECK"
PHASE_NAMES = (*BEFORE_DOSE, *BY_TIME, CHECK, "ABORTED", "EMERGENCY")


def later(one: str, other: str) -> str:
    """The later of two phases that advance by time; any other phase stays as it is."""
    if one not in BY_TIME:
        return one
    return max(one, other, key=BY_TIME.index)
