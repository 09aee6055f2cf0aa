"""Which alarm limit was in force when, read from the audit trail of a session. Pure.

A limit changes with the dose, the phase, the frozen baseline, a patient's own limits and the
minutes since the dose; while a rule was switched off its limits were judged and nobody was called.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from vitals.alarms.limits import Context, InForce, in_force
from vitals.alarms.profile import Profile, parse
from vitals.errors import ConfigError
from vitals.export.session_data import Entry, SessionData
from vitals.model import US, Priority, Rule

_MINUTE_US = 60 * US


@dataclass(frozen=True, slots=True)
class LimitSpan:
    """One limit of one rule for as long as it did not change.

    Attributes:
        rule: its id.
        channel: what it judges.
        side: high or low.
        level: index into the rule's levels.
        priority: of that level.
        limit: the value, in the unit of the channel.
        why: where it comes from when not from the profile, in words.
        from_us: since when.
        to_us: until when.
    """

    rule: str
    channel: str
    side: str
    level: int
    priority: Priority
    limit: float
    why: str
    from_us: int
    to_us: int


@dataclass(frozen=True, slots=True)
class RuleOff:
    """A rule that somebody had switched off, or that was suspended.

    Attributes:
        rule: its id.
        state: off or suspended.
        by: who did it.
        reason: why.
        from_us: since when.
        to_us: until when.
    """

    rule: str
    state: str
    by: str
    reason: str
    from_us: int
    to_us: int


def profile_of(data: SessionData) -> Profile | None:
    """The alarm profile in the record, None where there is none that this version reads."""
    return _profile(data.record.profile_text)


@lru_cache(maxsize=8)
def _profile(text: str) -> Profile | None:
    """Nearly every session of a record has the same one, and its page asks for it several times."""
    try:
        return parse(text, Path("the profile in the record")) if text else None
    except ConfigError:
        return None


def other_profiles(data: SessionData, profile: Profile | None) -> tuple[str, ...]:
    """Versions of profiles, beside the recorded one, under which alarms were judged."""
    said = (str(e.body["profile"]) for e in data.entries if e.kind == "alarm" and _has_profile(e))
    known = profile.version if profile else ""
    return tuple(dict.fromkeys(version for version in said if version != known))


def _has_profile(entry: Entry) -> bool:
    return isinstance(entry.body.get("profile"), str)


def limits_in_force(data: SessionData, profile: Profile | None) -> tuple[LimitSpan, ...]:
    """Every limit of every physiological rule of a session; annotations (INFO) have none."""
    if profile is None:
        return ()
    contexts = list(_contexts(data))
    found: list[LimitSpan] = []
    for rule in profile.rules:
        if rule.side == "technical":
            continue
        for index, level in enumerate(rule.levels):
            if level.priority is not Priority.INFO:
                found += _spans(rule, index, contexts, data.to_us)
    return tuple(found)


def _spans(
    rule: Rule, index: int, contexts: list[tuple[int, Context]], to_us: int
) -> Iterator[LimitSpan]:
    here: LimitSpan | None = None
    for (from_us, context), (until_us, _) in pairwise([*contexts, (to_us, Context())]):
        turns = [from_us, *_turns(rule, index, context, from_us, until_us), until_us]
        for start_us, end_us in pairwise(turns):
            limit = in_force(rule, index, context, start_us)
            if here is not None and limit is not None and _same(here, limit):
                here = replace(here, to_us=end_us)
                continue
            if here is not None:
                yield here
            here = None
            if limit is not None and end_us > start_us:
                priority = rule.levels[index].priority
                said = (rule.id, rule.channel, rule.side, index, priority, limit.limit, limit.why)
                here = LimitSpan(*said, start_us, end_us)
    if here is not None:
        yield here


def _same(span: LimitSpan, limit: InForce) -> bool:
    return (span.limit, span.why) == (limit.limit, limit.why)


def _turns(rule: Rule, index: int, context: Context, from_us: int, to_us: int) -> list[int]:
    """When, between two changes, a level begins or ceases to count by itself."""
    minutes = rule.levels[index].minutes
    if minutes is None or context.dose_us is None:
        return []
    at_us = (context.dose_us + round(minute * _MINUTE_US) for minute in minutes)
    return [turn for turn in at_us if from_us < turn < to_us]


def _contexts(data: SessionData) -> Iterator[tuple[int, Context]]:
    """What limits depend on, each from its time on, in order of time."""
    context = Context()
    last_us = data.session.started_us
    yield last_us, context
    for entry in data.entries:
        if entry.kind != "session_change":
            continue
        new = _after(context, entry)
        if new != context and entry.at_us < data.to_us:
            # The trail is in the order of recording: what came late counts from when it came.
            last_us, context = max(last_us, entry.at_us), new
            yield last_us, context


def _after(context: Context, entry: Entry) -> Context:
    body = entry.body
    if "phase" in body:
        context = replace(context, phase=str(body["phase"]))
    if body.get("cause") == "dose" or "dose_us" in body:
        dose_us = body.get("dose_us", entry.at_us)
        context = replace(context, dose_us=None if dose_us is None else int(dose_us))
    state = body.get("state")
    if not isinstance(state, Mapping):
        return context
    if isinstance(state.get("baseline"), Mapping):
        context = replace(context, baseline=dict(state["baseline"]))
    if isinstance(state.get("limits"), Mapping):
        own = {rule: tuple(limits) for rule, limits in state["limits"].items()}
        context = replace(context, limits=own)
    return context


def rules_off(entries: Iterable[Entry], to_us: int) -> tuple[RuleOff, ...]:
    """When rules were switched off or suspended, in order of time."""
    running: dict[str, RuleOff] = {}
    ended: list[RuleOff] = []
    for entry in entries:
        after: Any = entry.body.get("after")
        if entry.kind != "alarm" or not isinstance(after, Mapping):
            continue
        rule, state = str(entry.body.get("rule")), str(after.get("rule_state", "enabled"))
        here = running.get(rule)
        if here is not None and here.state != state:
            ended.append(replace(running.pop(rule), to_us=entry.at_us))
            here = None
        if here is None and state != "enabled":
            by, reason = str(after.get("rule_by") or ""), str(after.get("rule_reason") or "")
            running[rule] = RuleOff(rule, state, by, reason, entry.at_us, to_us)
    return tuple(sorted([*ended, *running.values()], key=lambda one: (one.from_us, one.rule)))
