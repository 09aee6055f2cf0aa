"""The accounts' database as the web uses it: in one thread of its own, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import apsw

from dashboard import screens
from dashboard.accounts import Accounts, Person
from dashboard.screens import Screen
from dashboard.tokens import Token, tokens
from vitals.clock import Now
from vitals.model import US
from vitals.people_file import PeopleError

DEVICE_DAYS = 180
"""A browser that a person has not used for so long is not known as that person's any more."""

Change = Callable[[apsw.Connection], Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What is in the database.

    Attributes:
        people: by id.
        screens: by key.
        devices: keys of browsers and ids of the people who are known to use them.
        tokens: by key.
    """

    people: dict[int, Person]
    screens: dict[str, Screen]
    devices: set[tuple[str, int]]
    tokens: dict[str, Token]


class PeopleThread:
    """One connection, from the moment that there are accounts."""

    def __init__(self, path: Path, lock_s: float, clock: Now) -> None:
        self._path = path
        self._lock_s = lock_s
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="people")
        self._accounts: Accounts | None = None
        self._version = 0

    @property
    def exists(self) -> bool:
        """Whether there are accounts at all."""
        return self._accounts is not None or self._path.exists()

    def load(self) -> Loaded | None:
        """Reads everything at once, blocking; None where there are no accounts yet.

        Raises:
            PeopleError: it cannot be read.
        """
        return self._thread.submit(self._changed).result()

    async def changed(self) -> Loaded | None:
        """Reads everything again if somebody else has changed something, else None.

        Raises:
            PeopleError: it cannot be read.
        """
        return await self._run(self._changed)

    async def hashes(self, person_id: int) -> tuple[str, str | None]:
        """The hashes of password and PIN."""
        return await self._run(lambda: self._open().hashes(person_id))

    async def write(self, told: dict[str, Any] | None, *changes: Change) -> None:
        """Makes changes and leaves an event to be recorded, in one transaction.

        Raises:
            PeopleError: it cannot be written.
        """

        def write() -> None:
            accounts = self._open()
            with accounts.changing():
                for change in changes:
                    change(accounts.connection)
                if told is not None:
                    accounts.event(**told)

        await self._run(write)

    async def events(self) -> list[tuple[str, dict[str, Any]]]:
        """Ids and facts of the oldest events that are not recorded yet.

        Raises:
            PeopleError: they cannot be read.
        """
        return await self._run(lambda: self._accounts.events() if self._accounts else [])

    async def recorded(self, event_id: str) -> None:
        """An event is in the record.

        Raises:
            PeopleError: it cannot be written.
        """
        await self.write(
            None,
            lambda connection: connection.execute("DELETE FROM event WHERE id = ?", (event_id,)),
        )

    def close(self) -> None:
        """Finishes what is being written and closes the database."""
        if self._accounts is not None:
            self._thread.submit(self._accounts.close)
        self._thread.shutdown(wait=True)

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except apsw.Error as error:
            raise PeopleError(f"{self._path}: the accounts cannot be used ({error})") from error

    # --- in the thread ------------------------------------------------------------------------

    def _open(self) -> Accounts:
        if self._accounts is None:
            self._accounts = Accounts(self._path)
        return self._accounts

    def _changed(self) -> Loaded | None:
        if self._accounts is None and not self._path.exists():
            return None
        accounts = self._open()
        version = accounts.version
        if version == self._version:
            return None
        now_us = self._clock.now_us()
        with accounts.changing():
            accounts.connection.execute(
                "DELETE FROM device WHERE seen_us < ?", (now_us - DEVICE_DAYS * 86_400 * US,)
            )
            found = screens.load(accounts.connection, now_us, self._lock_s)
            rows = accounts.connection.execute("SELECT key, person_id FROM device")
            known: set[Any] = set(rows)
        people = {person.id: person for person in accounts.people()}
        shown = {token.key: token for token in tokens(accounts)}
        loaded = Loaded(people, found, known, shown)
        self._version = version
        return loaded
