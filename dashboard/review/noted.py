"""What people entered in a session, as rows of tables: scores, marks, adverse events, discharge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vitals.export.outcome import criteria
from vitals.export.pdf_answers import adverse_words, clock, onset_us
from vitals.export.pdf_rows import points
from vitals.export.session_data import SessionData
from vitals.export.unknown import DAMAGED, trail_torn

_CLOSING = {"signed": "Discharge signed", "finished": "Monitoring finished", "closed": "Closed"}
"""Causes of session changes that end a session, in words."""


def noted(data: SessionData) -> dict[str, Any]:
    """`scores`, `marks`, `adverse`, `discharge` and `closing`: rows of tables, each in order.

    `unknown` is why there may have been more, `""` where the audit trail is whole.
    """
    return {
        "scores": list(_scores(data)),
        "marks": [
            {"at_us": one.at_us, "kind": one.kind, "text": one.text, "by": one.actor}
            for one in points(data)
            if one.kind != "adverse event"
        ],
        "adverse": list(_adverse(data)),
        "discharge": [
            {
                "label": str(line.get("label", "")),
                "state": _state(line),
                "text": str(line.get("override") or line.get("words", "")),
            }
            for line in criteria(data)
        ],
        "closing": list(_closing(data)),
        "unknown": DAMAGED if trail_torn(data) else "",
    }


def _scores(data: SessionData) -> Iterator[dict[str, Any]]:
    for entry in sorted(data.entries, key=lambda one: one.at_us):
        if entry.kind == "score":
            yield {"at_us": entry.at_us, "text": entry.text, "by": entry.actor}


def _adverse(data: SessionData) -> Iterator[dict[str, Any]]:
    for event in sorted(data.session.adverse.values(), key=onset_us):
        ended_us = event.get("ended_us")
        over = f", {clock(data, int(ended_us))}" if ended_us else ""
        yield {
            "at_us": onset_us(event),
            "text": str(event.get("what", "")),
            "how": f"{adverse_words(event)}{over}",
            "action": str(event.get("action") or ""),
            "by": str(event.get("by", "")),
            "serious": bool(event.get("serious")),
        }


def _state(line: Any) -> str:
    return "met" if line.get("met") else "set aside" if line.get("override") else "not met"


def _closing(data: SessionData) -> Iterator[dict[str, Any]]:
    for entry in data.entries:
        cause = str(entry.body.get("cause")) if entry.kind == "session_change" else ""
        if cause in _CLOSING:
            text = _CLOSING[cause]
            yield {"at_us": entry.at_us, "text": text, "by": entry.actor, "role": entry.role}
