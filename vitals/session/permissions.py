"""Who may do what: one literal table. The web says who asks; the station decides."""

from __future__ import annotations

from vitals.model import Actor

_PRESCRIBER = frozenset({"prescriber", "admin", "operator"})
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
    "rule_off": _STAFF,
    "rule_on": _STAFF,
    "set_limit": _PRESCRIBER,
    "reset_limit": _PRESCRIBER,
    "symptom": _STAFF,
    "score": _STAFF,
    "off_monitor": _STAFF,
    "extend_off_monitor": _STAFF,
    "on_monitor": _STAFF,
    "arms": _STAFF,
    "phase": _STAFF,
    "finished": _STAFF,
    "confirm_own_alarm": _STAFF,
    "test_escalation": _STAFF,
}
"""Command -> roles. `operator` is the person at the station's own command line."""


def may(actor: Actor, kind: str) -> bool:
    """Whether the actor's role may give this command."""
    return actor.role in MAY.get(kind, frozenset())
