"""Which alarms are about the patient, and which about devices and the program. Pure."""

from __future__ import annotations

from vitals.alarms.profile import Profile, load
from vitals.export.limits import profile_of
from vitals.export.session_data import AlarmEpisode, SessionData
from vitals.session.course import REPORTED


def technical_rules(profile: Profile | None) -> frozenset[str]:
    """Rules about devices and the program; what somebody reported of the patient is none.

    Args:
        profile: the one in the record; without one that can be read the shipped one tells.
    """
    rules = (profile or load()).rules
    return frozenset(r.id for r in rules if r.side == "technical" and r.id not in REPORTED)


def is_technical(rule: str, rules: frozenset[str]) -> bool:
    """Whether a rule is one of these; one for each device has that device behind a colon."""
    return rule in rules or rule.partition(":")[0] in rules


def technical_alarms(data: SessionData) -> tuple[AlarmEpisode, ...]:
    """The alarms of a session that are about devices and the program."""
    rules = technical_rules(profile_of(data))
    return tuple(one for one in data.alarms if is_technical(one.rule, rules))
