"""Hands what happens around accounts and the record to the station, which alone writes the record.

An event of the accounts waits in their database until the station has committed it, so none is
lost while the station, the web or the network between them is away; its id keeps it from being
recorded twice. Who has read or exported a session is noted from anywhere without waiting, and
goes the same way; without accounts there is no such database, and it waits in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import uuid
from collections import deque
from functools import partial
from typing import Any

import apsw

from dashboard.auth import Auth
from vitals import wire
from vitals.errors import FeedError
from vitals.follower import Source
from vitals.model import US
from vitals.people_file import PeopleError
from vitals.session.permissions import WEB_EVENT

LOOK_S = 2.0
"""How often it looks for events that `vitals user` has left."""
ANSWER_S = 5.0
AT_ONCE = 20
"""Events that are taken out of memory at a time."""
MOST_NOTED = 10_000
"""Notes that wait in memory; beyond it they are counted as lost."""
AGAIN_S = 600.0
"""Reading a session is noted once in so long for a person; each export always."""
READ = "read"

log = logging.getLogger(__name__)

_Event = tuple[str, dict[str, Any]]
"""Id and facts."""


class Diary:
    """Sends the events of one web process.

    Attributes:
        told: events that were recorded.
        lost: notes for which there was no room in memory.
    """

    def __init__(self, auth: Auth, follower: Source | None) -> None:
        self.told = 0
        self.lost = 0
        self._auth = auth
        self._follower = follower
        self._noted: deque[_Event] = deque()
        self._read_us: dict[tuple[str, str], int] = {}

    def note(self, what: str, *, name: str, session: str, **facts: str | int) -> None:
        """Leaves a row for the record; never waits, never fails.

        Args:
            what: `read` or `export`.
            name: whose name the row bears.
            session: uuid of the session that was read.
            **facts: texts and numbers; in all, less than 2 kB.
        """
        now_us = self._auth.now_us()
        if what == READ and not self._first(name, session, now_us):
            return
        if len(self._noted) >= MOST_NOTED:
            self.lost += 1
            log.error("a note for the record is lost: %d wait already", MOST_NOTED)
            return
        told = {"what": what, "at_us": now_us, "name": name, "session": session, **facts}
        self._noted.append((uuid.uuid4().hex, told))
        self._auth.left.set()

    @property
    def waiting(self) -> int:
        """Notes that are in memory alone."""
        return len(self._noted)

    async def run(self) -> None:
        """Sends for ever, in order."""
        while True:
            self._auth.left.clear()
            try:
                await self._store()
                while await self._send():
                    pass
            except FeedError:
                pass  # the pages say that there is no station; tried again
            except PeopleError as error:
                log.warning("events wait to be recorded: %s", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._auth.left.wait(), LOOK_S)

    async def close(self) -> None:
        """Keeps what is in memory alone for the next start, where there are accounts."""
        try:
            await self._store()
        except PeopleError as error:
            log.error("%d notes for the record are lost: %s", self.waiting, error)

    def _first(self, name: str, session: str, now_us: int) -> bool:
        """Whether this is the first time for a while that the person reads the session."""
        last_us = self._read_us.pop((name, session), None)
        new = last_us is None or now_us - last_us > AGAIN_S * US
        self._read_us[name, session] = now_us if last_us is None or new else last_us
        while len(self._read_us) > MOST_NOTED:
            del self._read_us[next(iter(self._read_us))]
        return new

    async def _store(self) -> None:
        """Moves notes from memory to the accounts' database, if there is one."""
        while self._noted and self._auth.store.exists:
            some = list(self._noted)[:AT_ONCE]
            await self._auth.store.write(None, partial(_insert, events=some))
            for _ in some:
                self._noted.popleft()

    async def _send(self) -> bool:
        """Whether there may be more to send at once."""
        stored = await self._auth.store.events()
        events = stored or list(self._noted)[:AT_ONCE]
        for event_id, facts in events:
            if not await self._tell(event_id, facts):
                return False
            if stored:
                await self._auth.store.recorded(event_id)
            else:
                self._noted.popleft()
            self.told += 1
        return bool(events)

    async def _tell(self, event_id: str, facts: dict[str, Any]) -> bool:
        """Has an event recorded; False when it must be tried again.

        Raises:
            FeedError: there is no station now.
        """
        if self._follower is None:
            return False
        result = await self._follower.command(_message(event_id, facts), ANSWER_S)
        if result.ok and not result.recorded:
            return False  # a full disk: sent again until it is in the record
        if not result.ok:
            log.error("the station does not record event %s: %s", event_id, result.error)
        return True


def _insert(connection: apsw.Connection, events: list[_Event]) -> None:
    for event_id, facts in events:
        connection.execute(
            "INSERT OR IGNORE INTO event(id, body) VALUES (?, ?)",
            (event_id, json.dumps(facts, sort_keys=True)),
        )


def _message(event_id: str, facts: dict[str, Any]) -> wire.CommandMsg:
    name = str(facts.get("name", ""))
    return wire.CommandMsg(
        id=event_id, kind=WEB_EVENT, room="", name=name, role="system", args=facts
    )
