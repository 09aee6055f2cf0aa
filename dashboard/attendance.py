"""Who is at which screen, from memory. Loop thread only.

The accounts' database is written in one thread of its own, and read again within a quarter of a
second of a change by `vitals user`.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any, Protocol

import apsw

from dashboard import screens
from dashboard.accounts import Person
from dashboard.people_thread import Change, Loaded, PeopleThread
from dashboard.screens import PIN_TRIES, Screen, key_of
from dashboard.tokens import Token
from dashboard.who import ANYBODY, Colleague, EmergencyAccess, Viewer, Who
from vitals.clock import Clock, Now
from vitals.errors import VitalsError
from vitals.model import US
from vitals.people_file import PeopleError
from vitals.session.permissions import acts_of

POLL_S = 0.25
SEEN_S = 60.0
"""How often it is stored that a screen is in use."""

log = logging.getLogger(__name__)


class Refused(VitalsError):
    """It may not be, or not now.

    Attributes:
        status: of the HTTP answer.
        wait_s: when it may be tried again, 0 if that does not help.
    """

    def __init__(self, status: int, sentence: str, wait_s: float = 0.0) -> None:
        super().__init__(sentence)
        self.status = status
        self.wait_s = wait_s


class Page(Protocol):
    """An open page.

    Attributes:
        viewer: who was at it when it was last told.
    """

    viewer: Viewer

    def cut(self) -> None:
        """Its socket must be closed."""

    def tell(self) -> None:
        """Something about who is there has changed."""


class Attendance:
    """The people at the screens of one web process.

    Attributes:
        in_force: whether anybody has to sign in.
        left: set when there is an event to be recorded.
        store: the accounts' database.
    """

    def __init__(
        self, people: Path, *, lock_s: float, required: bool, clock: Now | None = None
    ) -> None:
        """Reads the accounts, if there are any.

        Args:
            people: their database.
            lock_s: a screen that nobody has touched for so long is locked.
            required: nobody gets in without one, even while there are none.
            clock: tells the time; runs on, whatever is done to the computer's.

        Raises:
            PeopleError: they cannot be read.
        """
        self.in_force = required
        self.left = asyncio.Event()
        self._lock_s = lock_s
        self._required = required
        self._clock = clock or Clock.anchored_now()
        self.store = PeopleThread(people, lock_s, self._clock)
        self._people: dict[int, Person] = {}
        self._screens: dict[str, Screen] = {}
        self._devices: set[tuple[str, int]] = set()
        self._tokens: dict[str, Token] = {}
        self._tokens_used: set[int] = set()
        self._pages: set[Page] = set()
        self._seen_us = self._clock.now_us()
        self._take(self.store.load())

    async def close(self) -> None:
        """Finishes what is being written; lets threads and database go."""
        self.store.close()

    def now_us(self) -> int:
        """The time of everything that happens here, microseconds UTC."""
        return self._clock.now_us()

    # --- who it is ----------------------------------------------------------------------------

    def viewer(self, cookie: str) -> Viewer | None:
        """Who sends this cookie; None for somebody who has to sign in first."""
        if not self.in_force:
            return ANYBODY
        return self.viewer_at(key_of(cookie)) if cookie else None

    def viewer_at(self, key: str) -> Viewer | None:
        """Who is at a screen now; None when it was signed out."""
        if not self.in_force:
            return ANYBODY
        screen = self._screens.get(key)
        person = self._people.get(screen.person) if screen else None
        if screen is None or person is None or person.disabled:
            return None
        if screen.emergency is not None:
            return Viewer(screen, person.user, screen.emergency.name, "nurse", person.rooms)
        locked = screen.state == "locked"
        return Viewer(screen, person.user, person.name, person.role, person.rooms, locked)

    def program(self, shown: str) -> Viewer:
        """The program that shows this token.

        Raises:
            Refused: it is not known, was revoked, or has expired.
        """
        token = self._tokens.get(key_of(shown))
        why_not = "this token is not known here" if token is None else token.why_not(self.now_us())
        if token is None or why_not:
            raise Refused(401, why_not)
        self._tokens_used.add(token.id)
        return Viewer(None, "", token.called, token.role, token.rooms, token=token.name)

    def who(self, viewer: Viewer) -> Who:
        """What a page is told."""
        if viewer.screen is None:
            return Who(state="free", may=acts_of(viewer.role))
        now_us = self._clock.now_us()
        colleagues = [
            Colleague(user=person.user, name=person.name, role=person.role)
            for person in self._people.values()
            if person.has_pin and not person.disabled and person.pin_wrong < PIN_TRIES
        ]
        no_pin = viewer.screen.no_pin(now_us)
        if not colleagues:
            no_pin = no_pin or "nobody has a PIN; sign in with a password"
        return Who(
            state=viewer.screen.state,
            user=viewer.user,
            name=viewer.name,
            role=viewer.role,
            may=acts_of(viewer.role),
            no_pin=no_pin,
            people=[] if no_pin else colleagues,
            emergencies=[
                EmergencyAccess(
                    name=screen.emergency.name,
                    reason=screen.emergency.reason,
                    left_s=max(0.0, (screen.emergency.until_us - now_us) / US),
                    here=screen.key == viewer.key,
                )
                for screen in self._screens.values()
                if screen.emergency is not None
            ],
        )

    def join(self, page: Page) -> None:
        """From now on a page is told, or cut."""
        self._pages.add(page)

    def leave(self, page: Page) -> None:
        """The page has gone."""
        self._pages.discard(page)

    def touch(self, viewer: Viewer) -> None:
        """Somebody has touched the screen."""
        screen = self._screens.get(viewer.key)
        if screen is not None and not screen.locked:
            self._screens[screen.key] = screen.touched(self._clock.now_us())

    # --- time ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Looks after time and the accounts until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(POLL_S)

    async def look(self) -> None:
        """Locks, ends and reads again what it is time for."""
        try:
            self._take(await self.store.changed())
        except PeopleError as error:
            log.warning("the accounts cannot be read, tried again: %s", error)
        now_us = self._clock.now_us()
        # All that is due first, then what has to wait for the disk.
        due = [
            screen
            for screen in self._screens.values()
            if screen.overdue(now_us) or screen.idle(now_us, self._lock_s)
        ]
        for told, change in [self._lock(screen, "auto_lock") for screen in due]:
            await self._try_write(told, change)
        if now_us - self._seen_us > SEEN_S * US:
            self._seen_us = now_us
            await self._store_seen(now_us)

    async def _store_seen(self, now_us: int) -> None:
        keys = {page.viewer.key for page in self._pages}
        used = [screen for screen in self._screens.values() if screen.key in keys]

        shown, self._tokens_used = self._tokens_used, set()

        def store(connection: apsw.Connection) -> None:
            for screen in used:
                screens.seen(connection, screen, now_us)
            for token in shown:
                connection.execute(
                    "UPDATE token SET used_us = ? WHERE token_id = ?", (now_us, token)
                )

        if used or shown:
            await self._try_write(None, store)

    def _lock(self, screen: Screen, what: str) -> tuple[dict[str, Any], Change]:
        """Locks a screen; what is to be stored of it."""
        locked = screen.lock()
        self._screens[screen.key] = locked
        self._refresh()
        given = {"given": screen.emergency.name} if screen.emergency else {}
        what = "emergency_access_ended" if given else what
        told = self._told(what, locked, self._people[screen.person], **given)
        return told, lambda connection: screens.save(connection, locked)

    # --- inside -------------------------------------------------------------------------------

    def _screen(self, viewer: Viewer) -> Screen:
        """The screen as it is now."""
        found = self._screens.get(viewer.key)
        if found is None or found.person not in self._people:
            raise Refused(401, "this screen was signed out; sign in again")
        return found

    def _told(
        self, what: str, screen: Screen, person: Person, **facts: str | int
    ) -> dict[str, Any]:
        return {
            "what": what,
            "at_us": self._clock.now_us(),
            "screen": screen.id,
            "user": person.user,
            "name": person.name,
            "role": person.role,
            **facts,
        }

    async def _write(self, told: dict[str, Any], *changes: Change) -> None:
        """What must be stored before it is true."""
        try:
            await self.store.write(told, *changes)
        except PeopleError as error:
            raise Refused(503, str(error), 5.0) from error
        self.left.set()

    async def _try_write(self, told: dict[str, Any] | None, *changes: Change) -> None:
        """What is true whether it can be stored or not."""
        try:
            await self.store.write(told, *changes)
        except PeopleError as error:
            log.error("not stored: %s: %s", told["what"] if told else "use", error)
        self.left.set()

    def _take(self, loaded: Loaded | None) -> None:
        """Takes in what is in the database; who has lost something is cut."""
        if loaded is None:
            return
        changed = {
            person.id
            for person in self._people.values()
            if _rights(person) != _rights(loaded.people.get(person.id))
        }
        cut = {screen.key for screen in self._screens.values() if screen.person in changed}
        if self._people:  # memory is newer, but for what others have signed out
            kept = {key: s for key, s in self._screens.items() if key in loaded.screens}
        else:
            kept = loaded.screens
        self._screens = kept
        self._people, self._devices = loaded.people, loaded.devices
        self._tokens = loaded.tokens
        anybody = any(not person.disabled for person in self._people.values())
        self.in_force = self._required or anybody
        for page in list(self._pages):
            if page.viewer.key in cut:
                page.cut()
        self._refresh()

    def _refresh(self) -> None:
        """Tells all pages who is there now; cuts those that may no longer be here."""
        for page in list(self._pages):
            now = self.viewer_at(page.viewer.key)
            if now is None or (now.screen is None) != (page.viewer.screen is None):
                page.cut()
            else:
                page.tell()


def _rights(person: Person | None) -> tuple[object, ...]:
    """What a page must be opened anew for."""
    return (person.name, person.role, person.rooms, person.disabled) if person else ()
