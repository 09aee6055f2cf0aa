"""What alarms recorded sessions would have given under other limits.

Each session is folded twice: under the rules it was recorded with, which must give the very
alarms in the record, and under the other ones. People's acts are replayed as they were; what
they would have done instead is not predicted. Nothing here is clinical evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from vitals.alarms.profile import Profile
from vitals.alarms.told import NO_SESSION, Told, told
from vitals.errors import ConfigError, StoreError
from vitals.folded import Folded, alarm_of
from vitals.model import US, Alarm, AlarmChange, Result
from vitals.replay import Recorded, recorded
from vitals.store.reader import Reader

EVENTS = ("mark", "symptom", "intervention")
"""Kinds of audit rows that are marked events."""
WARNED_S = 300.0
"""An alarm that began this long before an event, or is still active, had warned of it."""
_OF_THE_PATIENT = frozenset({"signal-lost"})
"""Technical conditions that warn of the patient; a flat battery warns of no event."""


@dataclass(frozen=True, slots=True)
class MarkedEvent:
    """Something a person marked on the time line.

    Attributes:
        session: id of the session.
        at_us: when it was marked.
        since_s: time since the dose; negative before it.
        dosed: False: there was no dose, and `since_s` counts from the start of the session.
        kind: mark, symptom or intervention.
        text: what was written.
        warned: whether the patient had an alarm under the recorded rules.
        would_be_warned: whether there would have been one under the other rules.
    """

    session: str
    at_us: int
    since_s: float
    dosed: bool
    kind: str
    text: str
    warned: bool
    would_be_warned: bool

    @property
    def missed(self) -> bool:
        """There was an alarm, and there would be none."""
        return self.warned and not self.would_be_warned


@dataclass(frozen=True, slots=True)
class SessionWhatIf:
    """One session under both sets of rules.

    Attributes:
        id: of the session.
        mode: real, demo or test.
        profile: version of the rules it was recorded under.
        changed: rules that are not the same, or only in one set.
        were: its alarms as recorded.
        would_be: its alarms under the other rules.
        events: what was marked.
        refused: acts that were done and could not be under the other rules.
    """

    id: str
    mode: str
    profile: str
    changed: frozenset[str]
    were: tuple[Told, ...]
    would_be: tuple[Told, ...]
    events: tuple[MarkedEvent, ...]
    refused: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """A session that cannot be compared, and why, in one sentence."""

    id: str
    why: str


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over alarms; a median over those that were shown, or that sounded, None over none."""

    shown: int
    sounding: int
    unanswered: int
    active_s: float
    active_median_s: float | None
    sounding_s: float
    sounding_median_s: float | None

    @classmethod
    def of(cls, alarms: Iterable[Told]) -> Tally:
        """Sums up alarms."""
        alarms = list(alarms)
        active = [alarm.active_us / US for alarm in alarms]
        sounding = [alarm.sounding_us / US for alarm in alarms if alarm.sounded]
        return cls(
            shown=len(active),
            sounding=len(sounding),
            unanswered=sum(alarm.unanswered for alarm in alarms),
            active_s=sum(active),
            active_median_s=median(active) if active else None,
            sounding_s=sum(sounding),
            sounding_median_s=median(sounding) if sounding else None,
        )


@dataclass(frozen=True, slots=True)
class RuleWhatIf:
    """The alarms of one rule, `""` = of all, as they were and as they would be."""

    rule: str
    were: Tally
    would_be: Tally


@dataclass(frozen=True, slots=True)
class WhatIf:
    """All sessions under both sets of rules.

    Attributes:
        profile: version of the other rules.
        sessions: that could be compared.
        skipped: that could not.
    """

    profile: str
    sessions: tuple[SessionWhatIf, ...]
    skipped: tuple[Skipped, ...]

    @classmethod
    def of(cls, rules: Profile, found: Iterable[SessionWhatIf | Skipped]) -> WhatIf:
        """Puts together what `compare` gave."""
        found = list(found)
        return cls(
            rules.version,
            tuple(one for one in found if isinstance(one, SessionWhatIf)),
            tuple(one for one in found if isinstance(one, Skipped)),
        )

    @property
    def changed(self) -> frozenset[str]:
        """Rules that were not the same in every session."""
        return frozenset().union(*(one.changed for one in self.sessions))

    @property
    def rules(self) -> list[RuleWhatIf]:
        """Every rule that has an alarm or is changed; the loudest first."""
        ids = {a.rule for one in self.sessions for a in (*one.were, *one.would_be)}
        found = [self._rule(rule) for rule in ids | self.changed]
        return sorted(
            found,
            key=lambda r: (
                -max(r.were.sounding, r.would_be.sounding),
                -max(r.were.shown, r.would_be.shown),
                r.rule,
            ),
        )

    @property
    def all(self) -> RuleWhatIf:
        """The alarms of all rules."""
        return self._rule("")

    @property
    def events(self) -> list[MarkedEvent]:
        """What was marked in all sessions."""
        return [event for one in self.sessions for event in one.events]

    def _rule(self, rule: str) -> RuleWhatIf:
        were, would_be = (
            Tally.of(alarm for alarms in each for alarm in alarms if rule in ("", alarm.rule))
            for each in (
                [one.were for one in self.sessions],
                [one.would_be for one in self.sessions],
            )
        )
        return RuleWhatIf(rule, were, would_be)


def compare(
    reader: Reader, sessions: Iterable[str], rules: Profile
) -> Iterator[SessionWhatIf | Skipped]:
    """Re-runs sessions one by one, about a second for two hours; a lazy one, for progress."""
    for session_id in sessions:
        try:
            yield of_session(recorded(reader, session_id), rules)
        except (StoreError, ConfigError) as error:
            yield Skipped(session_id, str(error))


def of_session(session: Recorded, rules: Profile) -> SessionWhatIf:
    """Re-runs one session under other rules.

    Raises:
        StoreError: it is still open, or its own rules do not give the alarms in the record.
    """
    return as_recorded(session).under(rules)


@dataclass(frozen=True, slots=True)
class AsRecorded:
    """A session whose replay gave the very alarms in the record; other rules can be tried on it.

    Attributes:
        session: as it was recorded.
        were: its alarms.
    """

    session: Recorded
    were: tuple[Told, ...]

    def under(self, rules: Profile) -> SessionWhatIf:
        """The session under other rules."""
        session, were = self.session, self.were
        would_be = were
        refused = 0
        changed = _changed(session.profile, rules)
        if changed:
            outputs = list(session.outputs(rules))
            others = [output for output in outputs if isinstance(output, AlarmChange)]
            would_be = told(others, session.end_us, _down(session))
            refused = sum(isinstance(output, Result) and not output.ok for output in outputs)
        of_patient = _of_patient(were, session.profile), _of_patient(would_be, rules)
        return SessionWhatIf(
            session.record.session.id,
            session.record.session.mode,
            session.profile.version,
            changed,
            were,
            would_be,
            tuple(_events(session, *of_patient)),
            refused,
        )


def as_recorded(session: Recorded) -> AsRecorded:
    """Replays a session as it was.

    Raises:
        StoreError: it is still open, or its own rules do not give the alarms in the record.
    """
    record = session.record
    if record.state == "open":
        raise StoreError(f"session {record.session.id} is still open; compare it once it is closed")
    then = _in_the_record(session)
    changes = session.transitions()
    again = _by_rule((c.at_us, c.before, c.after, *_said(c)) for c in changes)
    unlike = sorted(rule for rule in again | then if again.get(rule) != then.get(rule))
    if unlike:
        raise StoreError(
            f"session {record.session.id} cannot be replayed as it was recorded "
            f"({', '.join(unlike)} would differ): it was recorded by another version, or values "
            "are missing from the record"
        )
    return AsRecorded(session, told(changes, session.end_us, _down(session)))


def _down(session: Recorded) -> list[tuple[int, ...]]:
    """Spans in which the program did not run."""
    return [tuple(row.body["gap"]) for row in session.rows if "gap" in row.body]


_Change = tuple[int, Alarm, Alarm, float | None, float | None, str, str]


def _in_the_record(session: Recorded) -> dict[str, list[_Change]]:
    """The changes of each rule's alarm that were recorded.

    Raises:
        StoreError: its rows are of another version.
    """
    folded = Folded(session.record.session)
    found: list[_Change] = []
    try:
        for row in session.rows:
            folded.take(row)
            if row.kind == "alarm":
                body = row.body
                said = (body["value"], body["limit"], body["cause"], row.actor)
                found.append((row.at_us, alarm_of(body["before"]), alarm_of(body["after"]), *said))
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"session {session.record.session.id} was recorded by another version and cannot be "
            "replayed"
        ) from error
    return _by_rule(found)


def _said(change: AlarmChange) -> tuple[float | None, float | None, str, str]:
    return change.value, change.limit, change.cause, change.actor


def _by_rule(changes: Iterable[_Change]) -> dict[str, list[_Change]]:
    """Alarms of rules are independent of each other, so their order among them says nothing."""
    found: dict[str, list[_Change]] = {}
    for change in changes:
        if change[2].rule != NO_SESSION:
            found.setdefault(change[2].rule, []).append(change)
    return found


def _changed(recorded_under: Profile, other: Profile) -> frozenset[str]:
    ours, theirs = ({rule.id: rule for rule in p.rules} for p in (recorded_under, other))
    return frozenset(rule for rule in ours | theirs if ours.get(rule) != theirs.get(rule))


def _of_patient(alarms: Iterable[Told], profile: Profile) -> list[Told]:
    technical = {rule.id for rule in profile.rules if rule.side == "technical"}
    return [alarm for alarm in alarms if alarm.rule not in technical - _OF_THE_PATIENT]


def _events(
    session: Recorded, were: Sequence[Told], would_be: Sequence[Told]
) -> Iterator[MarkedEvent]:
    facts = session.record.session
    since_us = facts.started_us if facts.dose_us is None else facts.dose_us
    for row in session.rows:
        if row.kind in EVENTS:
            yield MarkedEvent(
                facts.id,
                row.at_us,
                (row.at_us - since_us) / US,
                facts.dose_us is not None,
                row.kind,
                str(row.body.get("text", "")),
                any(_warned(alarm, row.at_us) for alarm in were),
                any(_warned(alarm, row.at_us) for alarm in would_be),
            )


def _warned(alarm: Told, at_us: int) -> bool:
    lately = at_us - alarm.met_us <= WARNED_S * US
    return alarm.met_us <= at_us and (at_us < alarm.over_us or lately)
