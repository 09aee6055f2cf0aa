"""Who is at a page: what the server knows of a request, and what it tells the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from dashboard.screens import Screen

SCOPE = "kv.viewer"
"""Where the gate leaves the `Viewer` in a request's scope."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks.

    Attributes:
        screen: the browser; None without accounts.
        name: as it stands in the record, `""` without accounts: the page says it then.
        rooms: rooms that may be seen, None for all.
        locked: it may look at the live view, and do nothing.
        token: name of the token, where it is a program that asks; it can only read.
    """

    screen: Screen | None = None
    user: str = ""
    name: str = ""
    role: str = "nurse"
    rooms: frozenset[str] | None = None
    locked: bool = False
    token: str = ""

    @property
    def key(self) -> str:
        """Names the screen or the token, `""` without accounts."""
        if self.token:
            return f"token {self.token}"
        return self.screen.key if self.screen else ""

    @property
    def identity(self) -> Literal["typed", "account", "emergency"]:
        """How the name is known; see `vitals.wire.CommandMsg`."""
        if self.screen is None:
            return "typed"
        return "emergency" if self.screen.emergency is not None else "account"

    def sees(self, room: str) -> bool:
        """Whether a room is one of this person's."""
        if self.rooms is None or room in self.rooms:
            return True
        station, colon, _ = room.partition(":")  # at the centre: all rooms of a station
        return bool(colon) and f"{station}:*" in self.rooms


ANYBODY = Viewer()
"""Without accounts: whoever is at this computer."""


class Colleague(msgspec.Struct, kw_only=True):
    """Somebody who may take over a screen with a PIN."""

    user: str
    name: str
    role: str


class EmergencyAccess(msgspec.Struct, kw_only=True):
    """Emergency access somewhere: every page shows it."""

    name: str
    reason: str
    left_s: float
    here: bool


class Who(msgspec.Struct, tag_field="t", tag="who", kw_only=True):
    """To a page: who is at its screen.

    `state`: free (no accounts), open, locked, emergency. `no_pin`: why a PIN is not enough here.
    `may`: commands of this role.
    """

    state: Literal["free", "open", "locked", "emergency"]
    user: str = ""
    name: str = ""
    role: str = ""
    may: list[str] = []
    no_pin: str = ""
    people: list[Colleague] = []
    emergencies: list[EmergencyAccess] = []
