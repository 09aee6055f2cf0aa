"""The time line of a session: what people did and noted, of what was corrected the last word."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC

from vitals.afterwards import KINDS
from vitals.export import times
from vitals.export.session_data import Entry
from vitals.time_line import CHANGES, MARKS, change_words

_LATER = KINDS | {"station_event"}
"""Rows that may come long after a session: additions to it, and who has read it."""


@dataclass(frozen=True, slots=True)
class Point:
    """One point of it; `kind` is that of the audit row, or the cause of a session change."""

    at_us: int
    kind: str
    text: str
    actor: str

    @property
    def words(self) -> str:
        """Kind and text on one line."""
        return f"{self.kind}: {self.text}" if self.text else self.kind


def timeline(entries: Iterable[Entry], *, added: bool = False) -> list[Point]:
    """All points in order of time.

    Args:
        entries: the audit trail.
        added: also what was added when the session was closed; it stands at the end.
    """
    entries = list(entries)
    found: dict[str, Point] = {}
    for entry in entries:
        point = _point(entry)
        if point is not None:
            found[str(entry.body.get("id") or f"#{entry.n}")] = point
    points = sorted(found.values(), key=lambda one: one.at_us)
    if added:
        end_us = max((entry.at_us for entry in entries if entry.kind not in _LATER), default=0)
        points += [_added(entry, end_us) for entry in entries if entry.kind in KINDS]
    return points


def _added(entry: Entry, end_us: int) -> Point:
    """Within the session, so that no recording grows by days; its words say when it was written."""
    about_us = entry.body.get("about_us")
    written = f"written {times.iso(entry.at_us, UTC)[:16]}Z"
    about = f", about {times.iso(about_us, UTC)[:16]}Z" if isinstance(about_us, int) else ""
    at_us = min(entry.at_us, end_us)
    return Point(at_us, entry.kind, f"{entry.text} ({written}{about})", entry.actor)


def _point(entry: Entry) -> Point | None:
    if entry.kind in MARKS:
        return Point(entry.at_us, entry.kind.replace("_", " "), entry.text, entry.actor)
    cause = str(entry.body.get("cause"))
    if entry.kind != "session_change" or cause not in CHANGES:
        return None
    words = change_words(cause, str(entry.body.get("phase", "")), entry.body)
    return Point(entry.at_us, cause, " ".join(words.split()), entry.actor)
