"""Sign-in by password, PIN, lock and emergency access: what changes who is at a screen."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import apsw

from dashboard import screens
from dashboard.accounts import Person
from dashboard.attendance import Attendance, Refused
from dashboard.failures import Failures
from dashboard.passwords import BusyError, Checker
from dashboard.screens import EMERGENCY_S, PIN_TRIES, Screen, key_of
from dashboard.throttle import Key, Throttle
from dashboard.who import Viewer
from vitals.clock import Now
from vitals.people_file import PeopleError

REASON_MIN, REASON_MAX = 3, 200

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Ids for the cookies of a browser in which somebody has just signed in."""

    screen: str
    device: str


NO_PIN = "this person has no PIN; sign in with a password"


class Auth(Attendance):
    """The people at the screens of one web process, and what they do about it.

    Attributes:
        checker: looks at passwords and PINs.
    """

    def __init__(
        self, people: Path, *, lock_s: float, required: bool, clock: Now | None = None
    ) -> None:
        """Reads the accounts, if there are any; see `Attendance`."""
        super().__init__(people, lock_s=lock_s, required=required, clock=clock)
        self.checker = Checker()
        self._throttle = Throttle()
        self._failures = Failures()
        self._writing: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Finishes what is being written; lets threads and database go."""
        await asyncio.gather(*self._writing)
        self.checker.close()
        await super().close()

    async def look(self) -> None:
        """Also tells the record of failed sign-ins, as `Failures` has them."""
        await super().look()
        now_us = self._clock.now_us()
        for failure in self._failures.due(now_us):
            await self._try_write({"what": "login_failed", "at_us": now_us, **failure})

    # --- acts ---------------------------------------------------------------------------------

    async def sign_in(
        self, user: str, password: str, *, address: str, device: str, old: Viewer | None
    ) -> SignedIn:
        """Signs somebody in by password; the browser gets new ids.

        Args:
            user: as typed.
            password: as typed.
            address: where the browser is.
            device: the id in its device cookie, `""` for none.
            old: who was at the screen before, and is no more.

        Raises:
            Refused: wrong, too often, disabled.
        """
        typed = user.strip().casefold()
        person = self._of(typed)
        known = person is not None and (key_of(device), person.id) in self._devices
        keys: list[Key] = [("place", (typed[:80], key_of(device) if known else address))]
        if not known:
            keys += [("account", typed[:80]), ("address", address)]

        def still() -> None:
            wait_s = self._throttle.wait_s(keys, self._clock.now_us())
            if wait_s:
                self._failed(person, address)
                raise Refused(429, f"too many wrong passwords; try again in {wait_s:.0f} s", wait_s)

        still()
        known_hash = (await self._hashes(person))[0] if person else None
        right = await self._check(known_hash, password, known=known, still=still)
        if person is None or not right:
            self._throttle.wrong(keys, self._clock.now_us())
            self._failed(person, address)
            raise Refused(401, "the user name or the password is wrong")
        if person.disabled:
            raise Refused(403, "this account is disabled; ask the one who runs the accounts")
        self._throttle.right(keys[0])
        now_us = self._clock.now_us()
        raw = SignedIn(secrets.token_urlsafe(32), device if known else secrets.token_urlsafe(32))
        screen = Screen(key_of(raw.screen), person.id, now_us, False, 0, now_us)
        mine = {"device": key_of(raw.device), "person": person.id, "now": now_us}

        def store(connection: apsw.Connection) -> None:
            if old is not None:
                screens.forget(connection, old.key)
            screens.add(connection, screen)
            connection.execute(
                "INSERT INTO device(key, person_id, seen_us) VALUES ($device, $person, $now)"
                " ON CONFLICT DO UPDATE SET seen_us = $now",
                mine,
            )
            connection.execute(
                "UPDATE person SET login_us = $now, pin_wrong = 0 WHERE person_id = $person", mine
            )

        await self._write(self._told("login", screen, person, address=address), store)
        self._devices.add((key_of(raw.device), person.id))
        if person.id in self._people:
            known_now = self._people[person.id]
            self._people[person.id] = replace(known_now, pin_wrong=0, login_us=now_us)
        self._screens[screen.key] = screen
        if old is not None:
            self._screens.pop(old.key, None)
        self._refresh()
        return raw

    def let_in(self, shown: str, address: str) -> Viewer:
        """The program that shows a token; the record is told of tokens that are refused.

        Raises:
            Refused: see `Attendance.program`.
        """
        try:
            return self.program(shown)
        except Refused:
            self._tell_failed("a token", address, "by a token")
            raise

    async def unlock(self, viewer: Viewer, user: str, pin: str) -> None:
        """Unlocks a screen by PIN, for the same person or another one.

        Raises:
            Refused: wrong, or a PIN is not enough.
        """
        person = self._of(user.strip().casefold())

        def still() -> None:
            why_not = self._screen(viewer).no_pin(self._clock.now_us())
            now = self._people.get(person.id) if person else None
            if not why_not and (now is None or now.disabled or not now.has_pin):
                why_not = NO_PIN
            if not why_not and now is not None and now.pin_wrong >= PIN_TRIES:
                why_not = f"{PIN_TRIES} wrong PINs; sign in with a password"
            if why_not:
                raise Refused(403, why_not)

        still()
        if person is None:
            raise Refused(403, NO_PIN)
        known_hash = (await self._hashes(person))[1]
        right = await self._check(known_hash, pin, known=True, still=still)
        screen = self._screen(viewer)
        wrong = 0 if right else self._people[person.id].pin_wrong + 1
        before = screen.person
        was_locked = screen.state != "open"
        if right:
            screen = screen.unlock(person.id, self._clock.now_us())
        else:
            screen = replace(screen, pin_wrong=screen.pin_wrong + 1)
        self._screens[screen.key] = screen
        self._people[person.id] = replace(self._people[person.id], pin_wrong=wrong)
        what = "unlock" if person.id == before and was_locked else "switch"
        self._refresh()

        def store(connection: apsw.Connection) -> None:
            screens.save(connection, screen)
            connection.execute(
                "UPDATE person SET pin_wrong = ? WHERE person_id = ?", (wrong, person.id)
            )

        await self._try_write(self._told(what if right else "pin_wrong", screen, person), store)
        if not right:
            left = PIN_TRIES - max(wrong, screen.pin_wrong)
            then = f"{left} left before a password is needed" if left > 0 else "use a password"
            raise Refused(401, f"the PIN is wrong; {then}")

    async def lock(self, viewer: Viewer) -> None:
        """Locks a screen's controls."""
        await self._try_write(*self._lock(self._screen(viewer), "lock"))

    async def sign_out(self, viewer: Viewer) -> None:
        """Signs a screen out; its pages are cut."""
        screen = self._screen(viewer)
        person = self._people[screen.person]
        del self._screens[screen.key]
        self._refresh()
        told = self._told("logout", screen, person)
        await self._try_write(told, lambda connection: screens.forget(connection, screen.key))

    async def emergency(self, viewer: Viewer, reason: str) -> None:
        """Lets anybody at a locked screen act as a nurse for 15 min.

        Never waits for the database: the event is stored as soon as that is possible.

        Raises:
            Refused: the screen is not locked, or no reason was given.
        """
        screen = self._screen(viewer)
        reason = "".join(c if c.isprintable() else " " for c in reason).strip()[:REASON_MAX]
        if screen.state != "locked":
            raise Refused(409, "this screen is not locked; emergency access is for a locked one")
        if len(reason) < REASON_MIN:
            raise Refused(400, "say in a few words why emergency access is needed")
        screen = screen.in_emergency(reason, self._clock.now_us())
        assert screen.emergency is not None  # noqa: S101 (just given)
        person = self._people[screen.person]
        self._screens[screen.key] = screen
        self._refresh()
        log.warning("emergency access at screen %s", screen.id)
        await self._try_write(
            self._told(
                "emergency_access",
                screen,
                person,
                reason=reason,
                given=screen.emergency.name,
                minutes=round(EMERGENCY_S / 60),
            )
        )

    # --- inside -------------------------------------------------------------------------------

    def _of(self, typed: str) -> Person | None:
        return next((person for person in self._people.values() if person.user == typed), None)

    async def _hashes(self, person: Person) -> tuple[str, str | None]:
        try:
            return await self.store.hashes(person.id)
        except PeopleError as error:
            raise Refused(503, str(error), 5.0) from error

    async def _check(
        self, known_hash: str | None, secret: str, *, known: bool, still: Callable[[], None]
    ) -> bool:
        try:
            return await self.checker.matches(known_hash, secret, known=known, still=still)
        except BusyError as error:
            raise Refused(503, str(error), 5.0) from error

    def _failed(self, person: Person | None, address: str) -> None:
        user, account = (person.user, str(person.id)) if person else ("unknown", "unknown")
        self._tell_failed(user, address, f"account {account}")

    def _tell_failed(self, user: str, address: str, whose: str) -> None:
        now_us = self._clock.now_us()
        first = self._failures.add(user, address, now_us)
        if first is not None:
            log.warning("a sign-in failed, %s", whose)
            told = {"what": "login_failed", "at_us": now_us, **first}
            task = asyncio.get_running_loop().create_task(self._try_write(told))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)
