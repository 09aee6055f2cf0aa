"""The time line of a session: what people did and noted, of what was corrected the last word."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vitals.export.session_data import Entry
from vitals.time_line import CHANGES, MARKS, change_words


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


def timeline(entries: Iterable[Entry]) -> list[Point]:
    """All points in order of time."""
    found: dict[str, Point] = {}
    for entry in entries:
        point = _point(entry)
        if point is not None:
            found[str(entry.body.get("id") or f"#{entry.n}")] = point
    return sorted(found.values(), key=lambda one: one.at_us)


def _point(entry: Entry) -> Point | None:
    if entry.kind in MARKS:
        return Point(entry.at_us, entry.kind.replace("_", " "), entry.text, entry.actor)
    cause = str(entry.body.get("cause"))
    if entry.kind != "session_change" or cause not in CHANGES:
        return None
    words = change_words(cause, str(entry.body.get("phase", "")), entry.body)
    return Point(entry.at_us, cause, " ".join(words.split()), entry.actor)
