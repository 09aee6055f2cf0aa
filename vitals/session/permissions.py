"""Who may do what: one literal table. The web says who asks; the station decides."""

from __future__ import annotations

from vitals.model import Actor

ROLES: dict[str, str] = {
    "nurse": "runs sessions: everything but the limits",
    "therapist": "looks, marks, enters symptoms and scores, calls for help",
    "clinician": "reviews and signs, does not run a session",
    "prescriber": "everything a nurse may, and the limits",
    "admin": "the same as a prescriber",
}
"""Roles that an account may have."""

_PRESCRIBER = frozenset({"prescriber", "admin", "operator"})
_STAFF = frozenset({"nurse", "demo"}) | _PRESCRIBER
_OBSERVER = _STAFF | {"therapist"}
_SIGNER = frozenset({"clinician", "prescriber", "admin"})
_ANYONE = _OBSERVER | {"clinician"}

WEB_EVENT = "web_event"
"""What the web tells of itself (who signed in, who could not): recorded, and changes nothing."""

EXPORT_NAMES = "export_names"
"""An export with people's names, from a page: of the web alone, no command."""

MAY: dict[str, frozenset[str]] = {
    "open_session": _STAFF,
    "close_session": _STAFF,
    "dose": _STAFF,
    "part": _STAFF,
    "booster": _STAFF,
    "dose_details": _STAFF,
    "correct_dose": _STAFF,
    "infusion_end": _STAFF,
    "correct_infusion_end": _STAFF,
    "end_emergency": _STAFF,
    "cuff_off": _STAFF,
    "cuff_on": _STAFF,
    "reading": _STAFF,
    "not_obtained": _STAFF,
    "hold_cuff": _STAFF,
    "call_nurse": _ANYONE,
    "discard_reading": _STAFF,
    "claim_reading": _STAFF,
    "move_session": _STAFF,
    "check_in": _STAFF,
    "gate": _STAFF,
    "discharge": _STAFF,
    "sign_discharge": _STAFF | _SIGNER,
    "adverse_event": _OBSERVER,
    "correct_mark": _OBSERVER,
    "mark": _OBSERVER,
    "acknowledge": _ANYONE,
    "emergency": _ANYONE,
    "pause_audio": _STAFF,
    "resume_audio": _STAFF,
    "start_nibp": _STAFF,
    "stop_nibp": _STAFF,
    "rule_off": _STAFF,
    "rule_on": _STAFF,
    "set_limit": _PRESCRIBER,
    "reset_limit": _PRESCRIBER,
    "symptom": _OBSERVER,
    "score": _OBSERVER,
    "off_monitor": _STAFF,
    "extend_off_monitor": _STAFF,
    "on_monitor": _STAFF,
    "arms": _STAFF,
    "phase": _STAFF,
    "finished": _STAFF,
    "confirm_own_alarm": _STAFF,
    "test_escalation": _STAFF,
    "identify": _OBSERVER,
    "claim_device": _STAFF,
    "rebind_device": _STAFF,
    "addendum": _STAFF | _SIGNER,
    "sign_record": _SIGNER,
    EXPORT_NAMES: _SIGNER,
    WEB_EVENT: frozenset({"system"}),
}
"""Command -> roles. `operator` is the person at the station's own command line, `system` the web.

That an act stands here does not mean that the station has it.
"""


def may(actor: Actor, kind: str) -> bool:
    """Whether the actor's role may give this command."""
    return actor.role in MAY.get(kind, frozenset())


def acts_of(role: str) -> list[str]:
    """The commands that a role may give."""
    return sorted(kind for kind, roles in MAY.items() if role in roles)
