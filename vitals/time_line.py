"""The time line of a session: which rows of its audit trail are points of it, and their words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vitals import messages, wire
from vitals.model import Session
from vitals.store.rows import StoredAudit

MARKS = (
    "mark", "symptom", "score", "reading", "not_obtained", "skipped", "call", "adverse_event",
)  # fmt: skip
"""Kinds of events that are points of the time line."""
CHANGES = (
    "dose", "part", "booster", "dose corrected", "infusion end", "infusion corrected", "phase",
    "resumed", "moved", "off monitor", "on monitor", "finished", "limit", "cuff off", "cuff on",
    "gate", "signed",
)  # fmt: skip
"""Session changes that are."""


def marks(rows: Iterable[StoredAudit], session: Session) -> list[wire.MarkMsg]:
    """The time line; of what was corrected the last word."""
    found: dict[str, wire.MarkMsg] = {}
    for row in rows:
        mark = _mark(row, session)
        if mark is not None:
            found[mark.id or f"#{row.n}"] = mark
    return list(found.values())


def _mark(row: StoredAudit, session: Session) -> wire.MarkMsg | None:
    """A point of the time line."""
    if row.kind in MARKS:
        text = str(row.body.get("text", ""))
        return messages.mark(session.room, row.at_us, row.kind, text, row.actor, row.body)
    if row.kind == "session_change" and row.body["cause"] in CHANGES:
        kind = row.body["cause"]
        text = change_words(kind, row.body["phase"], row.body)
    else:
        return None
    return messages.mark(session.room, row.at_us, kind, text, row.actor)


def change_words(cause: str, phase: str, body: Mapping[str, Any]) -> str:
    """What the time line says of a session change beside its kind."""
    if cause == "phase":
        return phase
    if cause == "gate":
        order = f"order of {body['order_by']}" if body.get("order_by") else ""
        return ", ".join(filter(None, (body.get("decision", ""), body.get("reason", ""), order)))
    if cause == "limit":
        limit = "as in the profile" if body.get("limit") is None else f"{body['limit']:g}"
        return f"{body.get('rule', '')}: {limit}"
    return str(body.get("reason") or body.get("text", ""))
