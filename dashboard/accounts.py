"""The people who may sign in, in `<store>.people`. Blocking: the web calls it in a thread.

Every change leaves an event in the same transaction, which the web hands to the station for the
record (`dashboard.diary`). Nobody is ever deleted, only disabled: a name in the record stays
that person's.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from vitals import people_file
from vitals.people_file import PeopleError
from vitals.session.permissions import ROLES

NAME_MAX = 40
_USER = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
_RESERVED = re.compile(
    r"(nurse|demo|system|unknown|operator|api token\b.*|emergency\b.*)", re.IGNORECASE
)
"""Names that stand in the record for something else."""


@dataclass(frozen=True, slots=True)
class Person:
    """One account.

    Attributes:
        user: what is typed to sign in.
        name: as it stands in the record; no two people share one.
        rooms: ids of the rooms that the person may see, None for all.
        pin_wrong: wrong PINs in a row, at any screen.
    """

    id: int
    user: str
    name: str
    role: str
    rooms: frozenset[str] | None
    has_pin: bool
    pin_wrong: int
    disabled: bool
    created_us: int
    login_us: int | None


class Accounts:
    """One connection to the accounts; not for two threads at once."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        """Opens them.

        Raises:
            PeopleError: see `people_file.connect`.
        """
        self.connection = people_file.connect(path, create=create)

    def close(self) -> None:
        """Closes the connection."""
        self.connection.close()

    @property
    def version(self) -> int:
        """Changes when another connection has changed something."""
        found: int = self.connection.pragma("data_version")
        return found

    # --- reading ------------------------------------------------------------------------------

    def people(self) -> list[Person]:
        """Everybody, in the order of their names."""
        rows = self.connection.execute(
            "SELECT person_id, user, name, role, rooms, pin IS NOT NULL, pin_wrong, disabled,"
            " created_us, login_us FROM person ORDER BY name COLLATE NOCASE"
        )
        return [_person(row) for row in rows]

    def person(self, user: str) -> Person:
        """The person with this user name.

        Raises:
            PeopleError: there is none.
        """
        wanted = user.strip().casefold()
        found = next((person for person in self.people() if person.user == wanted), None)
        if found is None:
            raise PeopleError(f"there is no user {user!r}; `vitals user list` shows all")
        return found

    def hashes(self, person_id: int) -> tuple[str, str | None]:
        """The hashes of password and PIN."""
        (found,) = self.connection.execute(
            "SELECT password, pin FROM person WHERE person_id = ?", (person_id,)
        )
        return found[0], found[1]

    def events(self, most: int = 20) -> list[tuple[str, dict[str, Any]]]:
        """The oldest events that are not recorded yet: id and facts."""
        rows = self.connection.execute("SELECT id, body FROM event ORDER BY n LIMIT ?", (most,))
        return [(event_id, json.loads(body)) for event_id, body in rows]

    # --- changing -----------------------------------------------------------------------------

    def add(
        self,
        user: str,
        *,
        name: str,
        role: str,
        rooms: Iterable[str],
        password: str,
        now_us: int,
        by: str,
    ) -> Person:
        """Adds somebody; `password` is a hash.

        Raises:
            PeopleError: the names are taken or cannot be.
        """
        user = user.strip().casefold()
        if not _USER.fullmatch(user):
            raise PeopleError(
                f"{user!r} is no user name: up to 40 letters a-z, digits and . _ -, beginning with "
                "a letter or digit"
            )
        if any(person.user == user for person in self.people()):
            raise PeopleError(f"there is a user {user!r} already; choose another")
        name = self._name(name or user, None)
        with self.changing():
            self.connection.execute(
                "INSERT INTO person(user, name, role, rooms, password, created_us)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (user, name, _role(role), rooms_text(rooms), password, now_us),
            )
            self.event("account_added", now_us, user=user, name=name, role=role, by=by)
        return self.person(user)

    def set_password(self, person: Person, password: str, now_us: int, by: str) -> None:
        """Sets a password (a hash) and signs the person out everywhere."""
        with self.changing():
            self.connection.execute(
                "UPDATE person SET password = ?, pin_wrong = 0 WHERE person_id = ?",
                (password, person.id),
            )
            self._forget(person)
            self.event("password_changed", now_us, user=person.user, name=person.name, by=by)

    def set_pin(self, person: Person, pin: str | None, now_us: int, by: str) -> None:
        """Sets a PIN (a hash), or takes it away."""
        with self.changing():
            self.connection.execute(
                "UPDATE person SET pin = ?, pin_wrong = 0 WHERE person_id = ?", (pin, person.id)
            )
            what = "pin_changed" if pin else "pin_removed"
            self.event(what, now_us, user=person.user, name=person.name, by=by)

    def set_disabled(self, person: Person, disabled: bool, now_us: int, by: str) -> None:
        """Disables somebody, signed out everywhere at once, or enables again.

        Raises:
            PeopleError: it is the last enabled account: without any, nobody would have to sign in.
        """
        others = [other for other in self.people() if not other.disabled and other.id != person.id]
        if disabled and not others:
            raise PeopleError(
                f"{person.user!r} is the last account that is enabled, and without one anybody at "
                "this computer may act; add or enable another first"
            )
        with self.changing():
            self.connection.execute(
                "UPDATE person SET disabled = ?, pin_wrong = 0 WHERE person_id = ?",
                (int(disabled), person.id),
            )
            if disabled:
                self._forget(person)
            what = "account_disabled" if disabled else "account_enabled"
            self.event(what, now_us, user=person.user, name=person.name, by=by)

    def change(
        self,
        person: Person,
        *,
        name: str | None,
        role: str | None,
        rooms: Iterable[str] | None,
        now_us: int,
        by: str,
    ) -> Person:
        """Changes what is not None.

        Raises:
            PeopleError: the name is taken, or there is no such role.
        """
        name = person.name if name is None else self._name(name, person)
        role = person.role if role is None else _role(role)
        kept = sorted(person.rooms or ()) if rooms is None else rooms
        with self.changing():
            self.connection.execute(
                "UPDATE person SET name = ?, role = ?, rooms = ? WHERE person_id = ?",
                (name, role, rooms_text(kept), person.id),
            )
            told = {"rooms": ",".join(json.loads(rooms_text(kept))), "was": person.name}
            self.event(
                "account_changed", now_us, user=person.user, name=name, role=role, **told, by=by
            )
        return self.person(person.user)

    def event(self, what: str, at_us: int, **facts: str | int) -> None:
        """Leaves something to be recorded."""
        body = {"what": what, "at_us": at_us, **facts}
        self.connection.execute(
            "INSERT INTO event(id, body) VALUES (?, ?)",
            (uuid.uuid4().hex, json.dumps(body, sort_keys=True)),
        )

    @contextmanager
    def changing(self) -> Iterator[None]:
        """One transaction.

        Raises:
            PeopleError: it could not be written.
        """
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
        except apsw.Error as error:
            raise PeopleError(f"the accounts cannot be changed ({error}); try again") from error

    def _forget(self, person: Person) -> None:
        self.connection.execute("DELETE FROM screen WHERE person_id = ?", (person.id,))
        self.connection.execute("DELETE FROM device WHERE person_id = ?", (person.id,))

    def _name(self, name: str, of: Person | None) -> str:
        name = " ".join(name.split())
        if not name or len(name) > NAME_MAX or not name.isprintable():
            raise PeopleError(f"a display name has 1 to {NAME_MAX} printable characters")
        if _RESERVED.fullmatch(name):
            raise PeopleError(
                f"{name!r} means something else in the record; give the person's own name with "
                "--name"
            )
        others = [person for person in self.people() if of is None or person.id != of.id]
        if name.casefold() in {person.name.casefold() for person in others}:
            raise PeopleError(
                f"somebody is called {name!r} already, and the record could not tell them apart; "
                "give another name with --name"
            )
        return name


def _person(row: tuple[Any, ...]) -> Person:
    rooms = json.loads(row[4])
    return Person(
        id=row[0],
        user=row[1],
        name=row[2],
        role=row[3],
        rooms=frozenset(rooms) if rooms else None,
        has_pin=bool(row[5]),
        pin_wrong=row[6],
        disabled=bool(row[7]),
        created_us=row[8],
        login_us=row[9],
    )


def _role(role: str) -> str:
    if role not in ROLES:
        raise PeopleError(f"there is no role {role!r}; known are {', '.join(ROLES)}")
    return role


def rooms_text(rooms: Iterable[str]) -> str:
    """Rooms as they are stored; none of them stands for all."""
    return json.dumps(sorted({room.strip() for room in rooms} - {""}))
