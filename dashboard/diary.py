"""Hands what happens around the accounts to the station, which alone writes the record.

Each event waits in the accounts' database until the station has committed it, so none is lost
while the station, the web or the network between them is away; its id keeps it from being
recorded twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from dashboard.auth import Auth
from vitals import wire
from vitals.errors import FeedError
from vitals.follower import Follower
from vitals.people_file import PeopleError
from vitals.session.permissions import WEB_EVENT

LOOK_S = 2.0
"""How often it looks for events that `vitals user` has left."""
ANSWER_S = 5.0

log = logging.getLogger(__name__)


class Diary:
    """Sends the events of one web process.

    Attributes:
        told: events that were recorded.
    """

    def __init__(self, auth: Auth, follower: Follower) -> None:
        self.told = 0
        self._auth = auth
        self._follower = follower

    async def run(self) -> None:
        """Sends for ever, in order."""
        while True:
            self._auth.left.clear()
            try:
                while await self._send():
                    pass
            except FeedError:
                pass  # the pages say that there is no station; tried again
            except PeopleError as error:
                log.warning("events wait to be recorded: %s", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._auth.left.wait(), LOOK_S)

    async def _send(self) -> bool:
        """Whether there may be more to send at once."""
        events = await self._auth.store.events()
        for event_id, facts in events:
            result = await self._follower.command(_message(event_id, facts), ANSWER_S)
            if result.ok and not result.recorded:
                return False  # a full disk: sent again until it is in the record
            if not result.ok:
                log.error("the station does not record event %s: %s", event_id, result.error)
            await self._auth.store.recorded(event_id)
            self.told += 1
        return bool(events)


def _message(event_id: str, facts: dict[str, Any]) -> wire.CommandMsg:
    name = str(facts.get("name", ""))
    return wire.CommandMsg(
        id=event_id, kind=WEB_EVENT, room="", name=name, role="system", args=facts
    )
