"""The what-if tuner: a session's rules in words, and what one moved rule would have done.

Nothing is ever written. `rules` and `checked` run in the figure process, `compare` in the job
process, which keeps the last session so that the next move of a slider is quick.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from dashboard.job_process import Made, Tell
from dashboard.review import Rooms
from dashboard.review.exporting import seen
from vitals.alarms import profile, tuning
from vitals.errors import ConfigError, StoreError
from vitals.in_force import limit_rows
from vitals.model import US, Rule
from vitals.replay import recorded
from vitals.store.reader import Reader
from vitals.store.rows import SessionRecord, StoredAudit
from vitals.what_if import AsRecorded, RuleWhatIf, SessionWhatIf, Skipped, WhatIf, as_recorded
from vitals.what_if_facts import facts

MOST_SESSIONS = 100
CAVEAT = "Would have been, if everybody had acted the same; not evidence."
OPEN = "The session is still open; other limits can be tried once it is closed."
_BROKEN = "cannot be replayed: it was recorded by another version, or the record is damaged"

Moves = Sequence[Mapping[str, float]]
"""For each level of a rule, mildest first, knob -> new value."""


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody wants to try.

    Attributes:
        rule: id of a rule of the session's own profile.
        moves: see `Moves`.
        last: of how many closed sessions of the same mode; 0 for this session alone.
    """

    rule: str
    moves: Moves
    last: int = 0


def rules(store: Path, uuid: str, *, rooms: Rooms = None) -> bytes | None:
    """The rules that a session had, with what of them can be moved; None without a session.

    Raises:
        StoreError: the record cannot be read.
    """
    record = seen(store, uuid, rooms)
    if record is None:
        return None
    if record.state == "open":
        return orjson.dumps({"why_not": OPEN, "rules": [], "caveat": CAVEAT})
    try:
        found = _profile(record)
    except ConfigError as error:
        return orjson.dumps({"why_not": str(error), "rules": [], "caveat": CAVEAT})
    counted = _alarms(Reader(store).audit_by_kind(uuid, ("alarm",)))
    told = [_rule(rule, counted[rule.id]) for rule in found.rules]
    movable = [rule for rule in told if any(level["knobs"] for level in rule["levels"])]
    movable.sort(key=lambda rule: -rule["alarms"])
    return orjson.dumps({"why_not": "", "rules": movable, "caveat": CAVEAT})


def _profile(record: SessionRecord) -> profile.Profile:
    return profile.parse(record.profile_text, Path("the profile in the record"))


def _alarms(rows: Iterable[StoredAudit]) -> Counter[str]:
    """How often each rule's alarm became active; an annotation is none."""
    found: Counter[str] = Counter()
    for row in rows:
        before, after = row.body.get("before") or {}, row.body.get("after") or {}
        began = after.get("condition") == "active" and before.get("condition") != "active"
        if began and after.get("priority") != "info":
            found[str(row.body.get("rule") or after.get("rule")).partition(":")[0]] += 1
    return found


def _rule(rule: Rule, alarms: int) -> dict[str, Any]:
    levels = [
        {
            "priority": level.priority.value,
            "words": words[2:],
            "knobs": [asdict(knob) for knob in tuning.knobs(rule, level)],
        }
        for level, words in zip(rule.levels, limit_rows([rule])[1:], strict=True)
    ]
    unit = tuning.unit_of(rule)
    return {
        "id": rule.id,
        "title": tuning.title(rule),
        "side": rule.side,
        "unit": unit,
        "alarms": alarms,
        "levels": levels,
    }


def checked(store: Path, uuid: str, change: Change, *, rooms: Rooms = None) -> str | None:
    """The session's room, when the change can be tried on it; None without a session.

    Raises:
        ConfigError: the moved rule could not be in force.
        StoreError: the session is still open, or the record cannot be read.
    """
    record = seen(store, uuid, rooms)
    if record is None:
        return None
    if record.state == "open":
        raise ConfigError(OPEN.rstrip("."))
    _moved(record, change)
    return record.session.room


def _moved(record: SessionRecord, change: Change) -> Rule:
    found = next((r for r in _profile(record).rules if r.id == change.rule), None)
    if found is None:
        raise ConfigError(f"the session had no rule {change.rule[:40]!r}")
    return tuning.changed(found, change.moves)


# --- in the job process ---------------------------------------------------------------------------


def prepare(_tell: Tell, _folder: Path, store: Path, uuid: str, rooms: Rooms) -> Made:
    """Reads a session whose rules somebody looks at, and replays it as it was recorded.

    Raises:
        StoreError: it cannot be replayed.
        ConfigError: its profile cannot be read.
    """
    record = seen(store, uuid, rooms)
    if record is not None and record.state != "open":
        _KEPT.session(store, record)
    return Made()


def compare(
    tell: Tell, _folder: Path, store: Path, uuid: str, change: Change, rooms: Rooms
) -> Made:
    """Re-runs sessions with one moved rule.

    Raises:
        ConfigError: the moved rule could not be in force.
        StoreError: there is no such session, or nothing could be compared.
    """
    asked = seen(store, uuid, rooms)
    if asked is None:
        raise StoreError(f"there is no session {uuid!r}")
    rule = _moved(asked, change)
    chosen = [asked] if not change.last else _last(store, asked, change.last, rooms)
    found: list[SessionWhatIf | Skipped] = []
    for n, record in enumerate(chosen):
        words = f"session {n + 1} of {len(chosen)}" if change.last else "replaying the session"
        tell(n / len(chosen), words)
        found.append(_one(store, record, rule))
    whole = WhatIf.of(tuning.put_in(_profile(asked), rule), found)
    if not whole.sessions:
        raise StoreError(whole.skipped[0].why if not change.last else _none(whole.skipped))
    alone = None if change.last else asked
    return Made(_result(whole, rule, {each.session.id: each for each in chosen}, alone))


def _last(store: Path, asked: SessionRecord, last: int, rooms: Rooms) -> list[SessionRecord]:
    """The newest closed sessions of the same mode that this person may see, newest first."""
    mode = asked.session.mode
    every = (
        record
        for record in reversed(Reader(store).sessions())
        if record.state != "open"
        and record.session.mode == mode
        and (rooms is None or record.session.room in rooms)
    )
    return [record for record, _ in zip(every, range(min(last, MOST_SESSIONS)), strict=False)]


def _one(store: Path, record: SessionRecord, rule: Rule) -> SessionWhatIf | Skipped:
    """One session with the rule instead of its own of that id."""
    uuid = record.session.id
    try:
        found = _KEPT.session(store, record)
        return found.under(tuning.put_in(found.session.profile, rule))
    except (StoreError, ConfigError) as error:
        return Skipped(uuid, str(error))
    except (KeyError, TypeError, ValueError, IndexError):
        return Skipped(uuid, f"session {uuid} {_BROKEN}")


class _Kept:
    """The last session that was replayed as recorded: half of the work, and all of the reading."""

    def __init__(self) -> None:
        self._of: tuple[Path, SessionRecord] | None = None
        self._found: AsRecorded | None = None

    def session(self, store: Path, record: SessionRecord) -> AsRecorded:
        if self._found is None or self._of != (store, record):
            self._found = None
            self._found = as_recorded(recorded(Reader(store), record.session.id))
            self._of = (store, record)
        return self._found


_KEPT = _Kept()


def _none(skipped: Sequence[Skipped]) -> str:
    first = skipped[0].why.rstrip(".")
    return f"none of {len(skipped)} sessions could be compared; the first: {first}"


def _result(
    found: WhatIf, rule: Rule, records: Mapping[str, SessionRecord], alone: SessionRecord | None
) -> dict[str, Any]:
    told = facts(found)
    differ = [each for each in found.rules if each.rule == rule.id or each.were != each.would_be]
    titles = _titles(records.values())
    lanes = _lanes(found.sessions[0], alone, differ, titles) if alone else None
    return {
        "caveat": CAVEAT,
        "rule": rule.id,
        "title": tuning.title(rule),
        "toml": tuning.as_toml(rule),
        "words": [row[1:] for row in limit_rows([rule])[1:]],
        "compared": len(found.sessions),
        "skipped": told["skipped"],
        "rules": [
            {"title": titles.get(each["rule"], each["rule"]), **each}
            for each in told["rules"]
            if any(each["rule"] == shown.rule for shown in differ)
        ],
        "all": told["all"],
        "events": {
            **told["events"],
            "new": sum(e.would_be_warned and not e.warned for e in found.events),
        },
        "sessions": [] if alone else [_line(one, records[one.id], rule) for one in found.sessions],
        "lanes": lanes,
        "notes": told["notes"],
    }


def _titles(records: Iterable[SessionRecord]) -> dict[str, str]:
    """Rules in words, of the newest profile that is among the sessions."""
    found = next(iter(records), None)
    rules = _profile(found).rules if found else ()
    return {rule.id: tuning.title(rule) for rule in rules}


def _lanes(
    one: SessionWhatIf,
    record: SessionRecord,
    differ: Sequence[RuleWhatIf],
    titles: Mapping[str, str],
) -> dict[str, Any]:
    """The two time lines of a session: the alarms of each rule that differs."""
    session = record.session
    ends = [alarm.over_us for alarm in (*one.were, *one.would_be)]
    return {
        "from_us": session.started_us,
        "to_us": max(session.ended_us or 0, session.started_us + 60 * US, *ends, 0),
        "dose_us": session.dose_us,
        "rules": [
            {
                "rule": each.rule,
                "title": titles.get(each.rule, each.rule),
                "were": [asdict(alarm) for alarm in one.were if alarm.rule == each.rule],
                "would_be": [asdict(alarm) for alarm in one.would_be if alarm.rule == each.rule],
            }
            for each in differ
        ],
        "events": [
            {"at_us": event.at_us, "text": event.text or event.kind, "missed": event.missed}
            for event in one.events
        ],
    }


def _line(one: SessionWhatIf, record: SessionRecord, rule: Rule) -> dict[str, Any]:
    """One of many sessions: alarms of the moved rule."""
    were = [alarm for alarm in one.were if alarm.rule == rule.id]
    would_be = [alarm for alarm in one.would_be if alarm.rule == rule.id]
    return {
        "id": one.id,
        "subject_ref": record.session.subject_ref,
        "started_us": record.session.started_us,
        "tz": record.tz,
        "were": len(were),
        "would_be": len(would_be),
        "were_s": round(sum(alarm.sounding_us for alarm in were) / US),
        "would_be_s": round(sum(alarm.sounding_us for alarm in would_be) / US),
        "missed": sum(event.missed for event in one.events),
    }
