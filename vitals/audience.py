"""How many pages with armed sound the station's alarms reach: what every web last said of its own.

A web says it every second. One that has fallen silent counts as none: its pages may hang as well.
"""

from __future__ import annotations

from dataclasses import dataclass

SILENT_S = 3.0
"""A connection that has said nothing for so long counts 0."""


@dataclass(frozen=True, slots=True)
class _Said:
    armed: int
    pages: int
    at_s: float


class AudienceCount:
    """Counts over all connections; a connection is any hashable object that stays the same."""

    def __init__(self) -> None:
        self._said: dict[object, _Said] = {}

    def heard(self, connection: object, armed: int, pages: int, mono_s: float) -> None:
        """A web has said how many of its pages are armed, and how many it has."""
        self._said[connection] = _Said(max(0, armed), max(0, pages), mono_s)

    def gone(self, connection: object) -> None:
        """A connection has ended; harmless for one that never said anything."""
        self._said.pop(connection, None)

    def armed(self, mono_s: float) -> int:
        """Pages with armed sound at a time of the same monotonic clock."""
        return sum(said.armed for said in self._current(mono_s))

    def pages(self, mono_s: float) -> int:
        """Open pages, armed or not."""
        return sum(said.pages for said in self._current(mono_s))

    def _current(self, mono_s: float) -> list[_Said]:
        return [said for said in self._said.values() if mono_s - said.at_s <= SILENT_S]
