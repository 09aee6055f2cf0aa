"""What the record of a whole session says, read back as an export would."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitals.export.read import read_session
from vitals.export.session_data import Pressure
from vitals.model import US, Due
from vitals.replay import recorded
from vitals.store.reader import Reader
from vitals.store.rows import StoredAudit
from vitals.store.verify import verify

MINUTE_US = 60 * US


class Told:
    """The only session of a record that is closed."""

    def __init__(self, store: Path) -> None:
        self._store, reader = store, Reader(store)
        (self.record,) = reader.sessions()
        self.data = read_session(reader, self.record, names=True, exported_us=0)
        self.session = self.data.session
        self.rows = reader.audit(self.session.id)

    def of(self, kind: str) -> list[StoredAudit]:
        """The audit rows of a kind, in order."""
        return [row for row in self.rows if row.kind == kind]

    def change(self, cause: str) -> StoredAudit:
        """The only change of the session with that cause."""
        (row,) = [row for row in self.of("session_change") if row.body["cause"] == cause]
        return row

    @property
    def phases(self) -> list[tuple[str, str]]:
        """(phase, who) in order; "" for what began by itself."""
        phases: list[tuple[str, str]] = []
        for row in self.of("session_change"):
            phase = str(row.body["phase"])
            if not phases or phases[-1][0] != phase:
                phases.append((phase, row.actor))
        return phases

    def phase_at(self, phase: str) -> float:
        """Minutes from the dose to the beginning of a phase."""
        found = [row.at_us for row in self.of("session_change") if row.body["phase"] == phase]
        return self.minutes(found[0])

    def minutes(self, at_us: int) -> float:
        """Minutes since the dose."""
        assert self.session.dose_us is not None
        return (at_us - self.session.dose_us) / MINUTE_US

    @property
    def due(self) -> dict[str, Due]:
        """What became of each reading that was owed."""
        return {row.body["what"]: Due(**row.body) for row in self.of("due")}

    @property
    def outcomes(self) -> dict[str, str]:
        return {what: due.state for what, due in self.due.items()}

    def paid_by(self, what: str) -> Pressure:
        """The reading that was taken for one that was owed."""
        (found,) = [one for one in self.data.pressures if one.at_us == self.due[what].done_us]
        return found

    @property
    def owed(self) -> dict[str, str]:
        """What the record says at its closing that it still owes."""
        return dict(self.change("closed").body.get("owed", []))

    @property
    def criteria(self) -> Mapping[str, Mapping[str, Any]]:
        """The lines of the checklist as they were signed."""
        return {line["id"]: line for line in self.change("signed").body["criteria"]}

    def acted(self, kind: str) -> list[StoredAudit]:
        """The acts of a kind that somebody has asked for, one row for each command."""
        return [row for row in self.of("command") if row.body["command"] == kind]

    def check_whole(self) -> None:
        """The chain holds, each command is there once, and the fold gives the same again."""
        checked = verify(self._store, head=self.data.head)
        assert checked.ok, checked.broken
        assert checked.unsealed == 0
        assert self.data.unreadable == ()
        answered = [row.command_id for row in self.rows if row.command_id]
        assert len(answered) == len(set(answered))
        session = recorded(Reader(self._store), self.session.id)
        before = [_told(row.at_us, row.body) for row in self.of("alarm")]
        again = [
            (each.at_us, each.after.rule, each.cause, each.after.condition, each.after.level)
            for each in session.transitions()
        ]
        assert _by_rule(again) == _by_rule(before)


def _told(at_us: int, body: Mapping[str, Any]) -> tuple[Any, ...]:
    after = body["after"]
    return at_us, after["rule"], body["cause"], after["condition"], after["level"]


def _by_rule(changes: list[tuple[Any, ...]]) -> dict[str, list[tuple[Any, ...]]]:
    rules: dict[str, list[tuple[Any, ...]]] = {}
    for change in changes:
        if change[1] != "open-session":  # it rang before there was a session
            rules.setdefault(change[1], []).append(change)
    return rules
