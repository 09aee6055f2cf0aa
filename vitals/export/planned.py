"""Blood pressures that were owed: what has become of each. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vitals.export.session_data import Entry, SessionData
from vitals.export.unknown import DAMAGED, not_known, pressures_gone, trail_torn
from vitals.session.due import FORTY

Which = Literal["before", "peak", "forty", "last"]
"""Readings that stand for something; see `vitals.export.summary`."""

Outcome = Literal["taken", "not taken", "skipped", "not obtained", "still owed", "not known"]
_ENDED: dict[str, Outcome] = {
    "done": "taken",
    "missed": "not taken",
    "skipped": "skipped",
    "not_obtained": "not obtained",
}
"""Last states of a reading that was owed."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One reading that was owed.

    Attributes:
        what: its id in the due list.
        label: what it is called.
        at_us: when it was due.
        outcome: what has become of it; `not known` where the rows that would tell are lost.
        done_us: when it was taken.
        reason: why people said that it was not taken.
        gone: why the values of one that was taken are not there any more; `""` if they are.
    """

    what: str
    label: str
    at_us: int
    outcome: Outcome
    done_us: int | None = None
    reason: str = ""
    gone: str = ""

    @property
    def words(self) -> str:
        """What has become of it, with the reason."""
        if self.gone:
            return f"taken, its values are {not_known(self.gone)}"
        why = DAMAGED if self.outcome == "not known" else self.reason
        return f"{self.outcome}: {why}" if why else self.outcome


def planned(data: SessionData) -> tuple[Planned, ...]:
    """All readings that were owed until the end of the session, in order of time."""
    reasons = _reasons(data.entries)
    last: dict[str, Entry] = {}
    for entry in data.entries:
        if entry.kind == "due" and str(entry.body.get("what", "")).startswith("nibp"):
            last[str(entry.body["what"])] = entry
    read = {one.at_us for one in data.pressures if not one.failure}
    end_us = data.session.finished_us or data.to_us
    every = (_planned(data, what, row, read, reasons) for what, row in last.items())
    found = [one for one in every if one.done_us is not None or one.at_us <= end_us]
    return tuple(sorted(found, key=lambda one: (one.at_us, one.what)))


def no_reading(data: SessionData, which: Which) -> str:
    """Why there is no such reading: `no dose`, `not taken`, `not known (…)`, or what was said."""
    dose_us = data.session.dose_us
    if which in ("peak", "forty") and dose_us is None:
        return "no dose"
    if which == "forty":
        owed = next((one for one in planned(data) if one.what == FORTY), None)
        if owed is not None:
            return owed.words
        return not_known(DAMAGED) if trail_torn(data) else "not taken"
    gone = _gone(data, which)
    return not_known(gone) if gone else "not taken"


def more_unknown(data: SessionData, which: Which) -> str:
    """What must be said beside a reading that another one may have been instead of."""
    return "other readings are not known" if which != "forty" and _gone(data, which) else ""


def _gone(data: SessionData, which: Which) -> str:
    dose_us = data.session.dose_us
    if which == "before" and dose_us is not None:
        return pressures_gone(data, 0, dose_us)
    return pressures_gone(data, dose_us if which == "peak" and dose_us is not None else 0)


def _planned(
    data: SessionData, what: str, row: Entry, read: set[int], reasons: dict[str, str]
) -> Planned:
    body = row.body
    done = body.get("done_us")
    done_us = int(done) if isinstance(done, int) else None
    outcome = _ENDED.get(str(body.get("state"))) or _open(data)
    taken = outcome == "taken" and done_us is not None
    lost = taken and done_us not in read
    return Planned(
        what,
        str(body.get("label") or what),
        int(body.get("at_us", row.at_us)),
        outcome,
        done_us if taken else None,
        reasons.get(what, "") if outcome in ("skipped", "not obtained") else "",
        pressures_gone(data, done_us or 0, (done_us or 0) + 1) if lost else "",
    )


def _open(data: SessionData) -> Outcome:
    """Of one that the trail last calls owed: rows that would say more may be lost."""
    if trail_torn(data):
        return "not known"
    return "still owed" if data.session.ended_us is None else "not taken"


def _reasons(entries: tuple[Entry, ...]) -> dict[str, str]:
    """Why people said that a reading was not taken."""
    return {
        str(entry.body["what"]): str(entry.body.get("reason") or entry.body.get("text") or "")
        for entry in entries
        if entry.kind in ("not_obtained", "skipped") and "what" in entry.body
    }
