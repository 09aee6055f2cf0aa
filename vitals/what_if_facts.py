"""A comparison of rules as facts and notes, for the command line, the page and other programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from vitals.what_if import MarkedEvent, RuleWhatIf, Tally, WhatIf


def facts(found: WhatIf) -> dict[str, Any]:
    """Everything of a comparison as JSON can say it."""
    count = len(found.sessions)
    events = found.events
    return {
        "profile": found.profile,
        "changed": sorted(found.changed),
        "sessions": [
            {"id": one.id, "mode": one.mode, "profile": one.profile, "refused_acts": one.refused}
            for one in found.sessions
        ],
        "skipped": [asdict(one) for one in found.skipped],
        "rules": [{"rule": one.rule, **_rule(one, count)} for one in found.rules],
        "all": _rule(found.all, count),
        "events": {
            "marked": len(events),
            "warned": sum(event.warned for event in events),
            "would_be_warned": sum(event.would_be_warned for event in events),
            "missed": [
                {
                    "session": event.session,
                    "at_us": event.at_us,
                    "time": since(event),
                    "kind": event.kind,
                    "text": event.text,
                }
                for event in events
                if event.missed
            ],
        },
        "notes": [note.replace("\n", " ") for note in notes(found)],
    }


def _rule(rule: RuleWhatIf, sessions: int) -> dict[str, Any]:
    return {"were": _tally(rule.were, sessions), "would_be": _tally(rule.would_be, sessions)}


def _tally(tally: Tally, sessions: int) -> dict[str, Any]:
    seconds = {
        key: value if value is None else round(value, 3)
        for key, value in asdict(tally).items()
        if key.endswith("_s")
    }
    a_session = round(tally.sounding / sessions, 4) if sessions else None
    return {**asdict(tally), **seconds, "sounding_a_session": a_session}


def notes(found: WhatIf) -> Iterator[str]:
    """What must be known to read the numbers, one sentence or two at a time."""
    yield (
        "People's acts are replayed as they were (acknowledgements, pauses, rules off, limits of "
        "one patient);\nwhat they would have done instead is not predicted, and how long an alarm "
        "sounds depends on that.\nBlood pressures are those that were taken, repeats those that "
        "were asked for."
    )
    if found.skipped:
        yield (
            "A session with alarms is skipped more easily than a quiet one: the rest may be "
            "quieter than all."
        )
    alone = found.all.would_be.unanswered - found.all.were.unanswered
    if alone > 0:
        yield (
            f"{alone} more {'alarms' if alone > 1 else 'alarm'} would sound until the session "
            "ends, as no recorded act answers them:\ntheir sounding time tells nothing."
        )
    refused = sum(one.refused for one in found.sessions)
    if refused:
        yield (
            f"{refused} recorded {'acts do' if refused > 1 else 'act does'} not fit the other "
            "rules (a patient's own limit, a rule that is not there) and had no effect."
        )


def since(event: MarkedEvent) -> str:
    """When something was marked: "T + 0:42", or "0:42, no dose"."""
    minutes = int(abs(event.since_s)) // 60
    clock = f"{minutes // 60}:{minutes % 60:02}"
    if not event.dosed:
        return f"{clock}, no dose"
    return f"T {'-' if event.since_s < 0 else '+'} {clock}"
