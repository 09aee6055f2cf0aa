"""Who may do what: one literal table. The web says who asks; the station decides."""

from __future__ import annotations

from vitals.model import Actor

_STAFF = frozenset({"nurse", "prescriber", "admin", "operator", "demo"})

MAY: dict[str, frozenset[str]] = {
    "open_session": _STAFF,
    "close_session": _STAFF,
    "dose": _STAFF,
    "mark": _STAFF,
    "acknowledge": _STAFF,
    "pause_audio": _STAFF,
    "resume_audio": _STAFF,
    "start_nibp": _STAFF,
    "stop_nibp": _STAFF,
}
"""Command -> roles. `operator` is the person at the station's own command line."""


def may(actor: Actor, kind: str) -> bool:
    """Whether the actor's role may give this command."""
    return actor.role in MAY.get(kind, frozenset())
