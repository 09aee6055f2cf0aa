"""Why did it ring, as rows of a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vitals.channels import CHANNELS
from vitals.export.coverage import lasting
from vitals.export.ring import Later, Ring
from vitals.model import US

_UNITS = {"mm[Hg]": "mmHg", "{score}": ""}
"""UCUM -> as people write it, where that differs."""


def ring_rows(found: Iterable[Ring]) -> list[dict[str, Any]]:
    """One row an alarm; words are ready to be shown, times are for the page to write."""
    return [_row(ring) for ring in found]


def _row(ring: Ring) -> dict[str, Any]:
    return {
        "rule": ring.rule,
        "channel": ring.channel,
        "label": ring.label,
        "priority": ring.priority,
        "text": ring.text,
        "crossed_us": ring.crossed_us,
        "crossed": _value(ring, ring.crossed),
        "value": _value(ring, ring.value),
        "limit": _value(ring, ring.limit),
        "why": ring.why,
        "hold_s": ring.hold_s,
        "waited": "" if not ring.waited_us else lasting(ring.waited_us),
        "shown_us": ring.shown_us,
        "sounded_us": ring.sounded_us,
        "rises": [
            {"at_us": at_us, "priority": priority, "text": text}
            for at_us, priority, text in ring.rises
        ],
        "again": ring.again,
        "acked_us": ring.acked_us,
        "acked_by": ring.acked_by,
        "answered": "" if ring.answered_us is None else lasting(ring.answered_us),
        "over_us": ring.over_us,
        "lasted": "" if ring.over_us is None else lasting(ring.over_us - ring.shown_us),
        "next": _next(ring),
        "later": [_later(ring, each) for each in ring.later] if ring.channel else [],
    }


def _value(ring: Ring, value: float | None) -> str:
    channel = CHANNELS.get(ring.channel)
    if value is None or channel is None:
        return ""
    unit = _UNITS.get(channel.unit, channel.unit)
    return f"{value:.{channel.precision}f} {unit}".rstrip()


def _next(ring: Ring) -> dict[str, Any] | None:
    point = ring.next
    if point is None:
        return None
    after = lasting(point.at_us - ring.shown_us)
    return {"at_us": point.at_us, "text": point.words, "by": point.actor, "after": after}


def _later(ring: Ring, later: Later) -> dict[str, Any]:
    """A value whose own time is not the asked minute says when it was measured."""
    if later.value is None or later.at_us is None:
        return {"minutes": later.minutes, "text": "no value", "at_us": None}
    after_us = later.at_us - ring.shown_us
    exact = abs(after_us - later.minutes * 60 * US) < 20 * US
    words = _value(ring, later.value)
    text = words if exact else f"{words} (after {lasting(after_us)})"
    return {"minutes": later.minutes, "text": text, "at_us": later.at_us}
