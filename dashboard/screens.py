"""A screen: one browser in which somebody has signed in, shared by all of its tabs.

It shows the live view as long as it is signed in. Its controls lock after a time without a
touch; then it needs a PIN, a password, or emergency access. Pure: time is an argument.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, replace
from typing import Any, Literal

import apsw

from vitals.model import US

PIN_H = 12.0
"""A PIN is enough for so long after a password."""
PIN_TRIES = 5
EMERGENCY_S = 15 * 60.0
PROVED_S = 120.0
"""Who has given a PIN or a password is known to be there for so long."""
KEPT_DAYS = 7
"""A screen that no browser has shown for so long is signed out."""

State = Literal["open", "locked", "emergency"]


@dataclass(frozen=True, slots=True)
class Emergency:
    """Emergency access: anybody at a locked screen acts as a nurse for a while.

    Attributes:
        name: as it stands in the record.
    """

    name: str
    reason: str
    until_us: int


@dataclass(frozen=True, slots=True)
class Screen:
    """One browser.

    Attributes:
        key: SHA-256 of the id in its cookie, hexadecimal.
        person: whose it is.
        password_us: when a password was last given there.
        pin_wrong: wrong PINs there in a row.
        active_us: when somebody last touched it.
        pin_us: when a PIN was last given there; not stored.
    """

    key: str
    person: int
    password_us: int
    locked: bool
    pin_wrong: int
    active_us: int
    emergency: Emergency | None = None
    pin_us: int = 0

    @property
    def id(self) -> str:
        """Says in logs and in the record which screen it is, and opens nothing."""
        return self.key[:8]

    @property
    def state(self) -> State:
        """What it may be used for now."""
        if self.emergency is not None:
            return "emergency"
        return "locked" if self.locked else "open"

    def no_pin(self, now_us: int) -> str:
        """Why a PIN is not enough here, one sentence; `""` when it is."""
        if now_us - self.password_us > PIN_H * 3600 * US:
            return f"nobody has given a password here for {PIN_H:g} h; sign in with one"
        if self.pin_wrong >= PIN_TRIES:
            return f"{PIN_TRIES} wrong PINs; sign in with a password"
        return ""

    def proved(self, now_us: int) -> bool:
        """Whether the person there has given a PIN or a password just now."""
        return now_us - max(self.password_us, self.pin_us) <= PROVED_S * US

    def idle(self, now_us: int, lock_s: float) -> bool:
        """Whether it is time to lock it."""
        return self.state == "open" and now_us - self.active_us > lock_s * US

    def overdue(self, now_us: int) -> bool:
        """Whether its emergency access is over."""
        return self.emergency is not None and now_us >= self.emergency.until_us

    def touched(self, now_us: int) -> Screen:
        """Somebody is there."""
        return replace(self, active_us=max(now_us, self.active_us))

    def lock(self) -> Screen:
        """Its controls no longer work."""
        return replace(self, locked=True, emergency=None)

    def unlock(self, person: int, now_us: int) -> Screen:
        """Somebody has given a PIN."""
        return replace(
            self,
            person=person,
            locked=False,
            pin_wrong=0,
            active_us=now_us,
            emergency=None,
            pin_us=now_us,
        )

    def in_emergency(self, reason: str, now_us: int) -> Screen:
        """Anybody may act here for a while."""
        name = f"EMERGENCY {secrets.token_hex(2)}"
        given = Emergency(name, reason, now_us + round(EMERGENCY_S * US))
        return replace(self, emergency=given)


def key_of(cookie: str) -> str:
    """What is stored of the id in a cookie."""
    return hashlib.sha256(cookie.encode()).hexdigest()


def load(connection: apsw.Connection, now_us: int, lock_s: float) -> dict[str, Screen]:
    """The screens that are signed in; who left one open for too long finds it locked."""
    oldest_us = now_us - KEPT_DAYS * 86_400 * US
    connection.execute("DELETE FROM screen WHERE seen_us < ?", (oldest_us,))
    found = {}
    rows = connection.execute(
        "SELECT key, person_id, password_us, locked, pin_wrong, active_us FROM screen"
    )
    for key, person, password_us, locked, pin_wrong, active_us in rows:
        screen = Screen(key, person, password_us, bool(locked), pin_wrong, active_us)
        found[key] = screen.lock() if screen.idle(now_us, lock_s) else screen
    return found


def add(connection: apsw.Connection, screen: Screen) -> None:
    """Stores a screen where somebody has just signed in."""
    connection.execute(
        "INSERT INTO screen(key, person_id, password_us, locked, pin_wrong, active_us, seen_us)"
        " VALUES (:key, :person, :password_us, :locked, :pin_wrong, :active_us, :active_us)",
        _row(screen),
    )


def save(connection: apsw.Connection, screen: Screen) -> None:
    """Stores what has changed of a screen, unless it was signed out meanwhile.

    Emergency access is not stored: after a restart the screen is locked.
    """
    connection.execute(
        "UPDATE screen SET person_id = :person, locked = :locked, pin_wrong = :pin_wrong,"
        " active_us = :active_us WHERE key = :key AND :password_us = password_us",
        _row(screen),
    )


def seen(connection: apsw.Connection, screen: Screen, now_us: int) -> None:
    """Stores that a screen is in use, and when it was last touched."""
    connection.execute(
        "UPDATE screen SET active_us = ?, seen_us = ? WHERE key = ?",
        (screen.active_us, now_us, screen.key),
    )


def forget(connection: apsw.Connection, key: str) -> None:
    """Signs a screen out."""
    connection.execute("DELETE FROM screen WHERE key = ?", (key,))


def _row(screen: Screen) -> dict[str, Any]:
    return {
        "key": screen.key,
        "person": screen.person,
        "password_us": screen.password_us,
        "locked": int(screen.locked),
        "pin_wrong": screen.pin_wrong,
        "active_us": screen.active_us,
    }
