"""When a blood pressure is owed, and which phase it is, by route and minutes since the dose."""

from __future__ import annotations

from vitals.model import US, Due
from vitals.session.care import Route

MINUTE_US = 60 * US
BASELINE_S = (0, 300)
"""Before the dose: one reading on arrival, a second 5 min later."""
INFUSION_EVERY, INFUSION_AFTER = 10, 20
"""While an infusion runs, and so many minutes after its end, a reading every so many minutes."""
LATER_EVERY, LATER_TO = 15, 120
PEAK = 40
"""The reading that every route shares stays, however soon an infusion ends."""


def baseline(room: str, started_us: int) -> tuple[Due, ...]:
    """Readings owed before the dose."""
    return tuple(
        Due(room, f"nibp-baseline-{n}", started_us + s * US, label=f"Baseline BP {n}")
        for n, s in enumerate(BASELINE_S, 1)
    )


def minutes(route: Route, infusion_end: float | None = None) -> tuple[int, ...]:
    """Minutes of the owed readings; `infusion_end`: when the infusion was marked as ended."""
    if not route.infusion_minutes or infusion_end is None:
        return route.nibp_minutes
    last = max(route.nibp_minutes, default=LATER_TO)
    dense_to = max(int(infusion_end) + INFUSION_AFTER, PEAK)
    dense = list(range(0, min(dense_to, last) + 1, INFUSION_EVERY))
    return (*dense, *range(dense[-1] + LATER_EVERY, last + 1, LATER_EVERY))


def after_dose(
    room: str, route: Route, dose_us: int, infusion_end_us: int | None = None
) -> tuple[Due, ...]:
    """Readings owed after the dose."""
    end = None if infusion_end_us is None else (infusion_end_us - dose_us) / MINUTE_US
    return tuple(
        Due(room, f"nibp+{minute}", dose_us + minute * MINUTE_US, label=f"BP at {minute} min")
        for minute in minutes(route, end)
    )


def after_booster(room: str, route: Route, n: int, booster_us: int) -> tuple[Due, ...]:
    """Readings owed after a booster: those of the route, counted from it."""
    return tuple(
        Due(
            room,
            f"nibp-booster{n}+{minute}",
            booster_us + minute * MINUTE_US,
            label=f"BP {minute} min after booster",
        )
        for minute in route.nibp_minutes
    )


def phase(route: Route, dose_us: int, now_us: int) -> tuple[str, int | None]:
    """The phase now, and when the next one begins (None after the last)."""
    name, next_us = route.phases[0][1], None
    for minute, this in route.phases:
        at_us = dose_us + minute * MINUTE_US
        if at_us <= now_us:
            name = this
        elif next_us is None:
            next_us = at_us
    return name, next_us


def next_phase(route: Route, dose_us: int, name: str, now_us: int) -> int | None:
    """When the phase after `name` begins by itself; None if none does."""
    names = [this for _, this in route.phases]
    if name not in names:
        return None
    coming = route.phases[names.index(name) + 1 :]
    starts = (dose_us + minute * MINUTE_US for minute, _ in coming)
    return next((at_us for at_us in starts if at_us > now_us), None)
