"""How long a value may be shown as current, by the station's clock on the sample."""

from __future__ import annotations

from collections.abc import Iterable

from vitals.channels import NIBP
from vitals.model import US, Due, Numeric
from vitals.session.due import OVERDUE_S

FRESH_S, GONE_S = 3.0, 5.0
"""A streaming value is current up to the first and "--" from the second."""
NIBP_FRESH_S = 900.0
"""A blood pressure turns grey after this when nothing further is scheduled."""
SPOT_FRESH_S = 300.0
"""A value that somebody has measured by hand turns grey after this."""
SLACK_S = 0.25
"""Real seconds of patience with transport and scheduling, in a demo that runs faster."""


def freshness(
    numeric: Numeric,
    period_s: float,
    due: Iterable[Due],
    slack_s: float = 0.0,
    *,
    spot: bool = False,
) -> tuple[float, float | None]:
    """Ages in station seconds: (current up to, "--" from); None = shown for good, with its age.

    Args:
        numeric: the value.
        period_s: longest time between two values of its device.
        due: what the session owes; a blood pressure turns grey after its interval.
        slack_s: see `slack_s`.
        spot: whether its device speaks only when somebody measures.
    """
    if spot and numeric.channel not in NIBP:
        return SPOT_FRESH_S, None
    if numeric.channel in NIBP:
        later = [item.at_us for item in due if item.at_us > numeric.at_us and not item.done_us]
        if not later:
            return NIBP_FRESH_S, None
        return (min(later) - numeric.at_us) / US + OVERDUE_S, None
    fresh_s = max(FRESH_S, 2 * period_s)
    return fresh_s + slack_s, max(GONE_S, fresh_s + GONE_S - FRESH_S) + slack_s


def slack_s(speed: float) -> float:
    """Station seconds that transport and scheduling may take on top, at a clock's speed."""
    return SLACK_S * max(0.0, speed - 1.0)
