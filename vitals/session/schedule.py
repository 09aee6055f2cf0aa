"""When a blood pressure is owed, and which phase it is, by route and minutes since the dose.

Literal tables; their evidence is in docs/alarms.md, section "Schedule". A proposal for the
clinic's medical director to confirm.
"""

from __future__ import annotations

from vitals.model import US, Due

MINUTE_US = 60 * US

ROUTES = ("iv", "im", "intranasal", "sublingual")

NIBP_MINUTES: dict[str, tuple[int, ...]] = {
    # infusion of 40 min: every 10 to its end + 20, then every 15 to 120
    "iv": (0, 10, 20, 30, 40, 50, 60, 75, 90, 105, 120),
    "im": (5, 10, 15, 20, 30, 40, 55, 70, 85, 100, 115),
    "intranasal": (20, 40, 60, 90),
    "sublingual": (15, 30, 40, 60, 75, 90, 120),
}

PHASES: dict[str, tuple[tuple[int, str], ...]] = {
    "iv": ((0, "ONSET_PEAK"), (60, "DESCENT"), (90, "RECOVERY")),
    "im": ((0, "ONSET_PEAK"), (40, "DESCENT"), (75, "RECOVERY")),
    "intranasal": ((0, "ONSET_PEAK"), (60, "DESCENT"), (90, "RECOVERY")),
    "sublingual": ((0, "ONSET_PEAK"), (75, "DESCENT"), (105, "RECOVERY")),
}

BY_TIME = ("ONSET_PEAK", "DESCENT", "RECOVERY")
"""Phases that advance by minutes since the dose; the others are entered by an act."""
PHASE_NAMES = (
    "CHECK_IN", "BASELINE", "GATE", "DOSING", *BY_TIME, "DISCHARGE_CHECK", "ABORTED", "EMERGENCY",
)  # fmt: skip

BASELINE_S = (0, 300)
"""Before the dose: one reading on arrival, a second 5 min later."""


def baseline(room: str, started_us: int) -> tuple[Due, ...]:
    """Readings owed before the dose."""
    return tuple(
        Due(room, f"nibp-baseline-{n}", started_us + s * US, label=f"Baseline BP {n}")
        for n, s in enumerate(BASELINE_S, 1)
    )


def after_dose(room: str, route: str, dose_us: int) -> tuple[Due, ...]:
    """Readings owed after the dose."""
    return tuple(
        Due(room, f"nibp+{minute}", dose_us + minute * MINUTE_US, label=f"BP at {minute} min")
        for minute in NIBP_MINUTES[route]
    )


def phase(route: str, dose_us: int, now_us: int) -> tuple[str, int | None]:
    """The phase now, and when the next one begins (None after the last)."""
    name, next_us = PHASES[route][0][1], None
    for minute, this in PHASES[route]:
        at_us = dose_us + minute * MINUTE_US
        if at_us <= now_us:
            name = this
        elif next_us is None:
            next_us = at_us
    return name, next_us


def next_phase(route: str, dose_us: int, name: str, now_us: int) -> int | None:
    """When the phase after `name` begins by itself; None if none does."""
    if name not in BY_TIME:
        return None
    names = [this for _, this in PHASES[route]]
    coming = PHASES[route][names.index(name) + 1 :]
    starts = (dose_us + minute * MINUTE_US for minute, _ in coming)
    return next((at_us for at_us in starts if at_us > now_us), None)


def later(one: str, other: str) -> str:
    """The later of two phases that advance by time; any other phase stays as it is."""
    if one not in BY_TIME:
        return one
    return max(one, other, key=BY_TIME.index)
