"""Stretches of time that the trend shows beside the values: alarms, phases, limits. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from vitals.export.coverage import without
from vitals.export.limits import limits_in_force, profile_of, rules_off
from vitals.export.session_data import SessionData
from vitals.export.technical import technical_alarms

Limit = tuple[int, int, str, float]
"""From, to, priority, limit."""


def alarm_spans(data: SessionData, priority: str) -> Iterator[tuple[int, int]]:
    """When alarms of a priority about the patient were on."""
    technical = set(technical_alarms(data))
    for one in data.alarms:
        if one.priority == priority and one not in technical:
            yield one.from_us, one.to_us if one.to_us is not None else data.to_us


def technical_spans(data: SessionData) -> Iterator[tuple[int, int, str]]:
    """When alarms about devices and the program were on, and their priority."""
    for one in technical_alarms(data):
        yield one.from_us, one.to_us if one.to_us is not None else data.to_us, one.priority


def phase_spans(data: SessionData) -> list[tuple[int, int, str]]:
    """(from, to, phase) as the session went through them."""
    found: list[tuple[int, str]] = []
    for entry in data.entries:
        phase = entry.body.get("phase") if entry.kind == "session_change" else None
        if isinstance(phase, str) and phase != "CLOSED" and (not found or found[-1][1] != phase):
            found.append((entry.at_us, phase))
    ends = [*found[1:], (data.to_us, "")]
    return [(at_us, end, phase) for (at_us, phase), (end, _) in zip(found, ends, strict=False)]


def limit_spans(data: SessionData, rules: Collection[str]) -> dict[str, list[Limit]]:
    """Rule -> its limits as they held for this patient; a stretch with the rule off has none."""
    found: dict[str, list[Limit]] = {rule: [] for rule in rules}
    off = [one for one in rules_off(data.entries, data.to_us) if one.state == "off"]
    for span in limits_in_force(data, profile_of(data)):
        if span.rule in found:
            holes = [(one.from_us, one.to_us) for one in off if one.rule == span.rule]
            found[span.rule] += [
                (from_us, to_us, span.priority.value, span.limit)
                for from_us, to_us in without([(span.from_us, span.to_us)], holes)
            ]
    return found
