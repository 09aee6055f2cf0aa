"""`/live` of the centre: a page gets only the rooms that it asks for, of thousands.

It asks with `vitals.wire.ward.WardQuestion`, or opens one room as the room whose waveforms it
wants. Nobody gets rooms that the account does not have, whatever is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from dashboard.auth import Auth
from dashboard.live import Active, Live, OpenPage, Sound, Waves
from dashboard.metrics_station import Family
from dashboard.station_clock import StationClock
from dashboard.who import Viewer
from vitals import wire
from vitals.central.ward import ids
from vitals.hub import Hub
from vitals.wire.ward import Heard, WardMsg, WardQuestion

if TYPE_CHECKING:
    from vitals.central.follower import PgFollower

LOOK_S = 1.0
"""How often it is looked whether a page's answer is another one by now."""

HEARD: tuple[Heard, ...] = ("live", "stale", "lost")

_decode_up = msgspec.json.Decoder(wire.CommandMsg | Waves | Sound | Active | WardQuestion).decode


class CentralPage(OpenPage):
    """A page at the centre.

    Attributes:
        opened: id of the room that it has opened, `""` for none.
    """

    def __init__(
        self,
        hub: Hub,
        auth: Auth,
        viewer: Viewer,
        waves: frozenset[str],
        caller: str,
        follower: PgFollower,
    ) -> None:
        self.opened = min(waves, default="")
        self._follower = follower
        self._asked: WardQuestion | None = None
        self._answered = b""
        self._rooms: frozenset[str] = frozenset()
        self._going_on = False  # nothing was asked anew since the last answer
        super().__init__(hub, auth, viewer, frozenset(), caller)

    def rooms(self) -> frozenset[str]:
        """The rooms of the newest answer."""
        return self._rooms

    def take(self, message: Any) -> None:
        """Takes a question, or the room that was opened; the answer comes at once."""
        if isinstance(message, WardQuestion):
            self._asked = message
            self._answered = b""  # a question is answered, however much it is like the last one
        elif isinstance(message, Waves):
            self.opened = min(message.rooms, default="")
            self._answered = b""
        self._going_on = False
        self.look()

    def show(self) -> None:
        """Another person may see other rooms; see `look`."""
        self._going_on = False
        self.look()

    def look(self) -> None:
        """Answers anew if the answer is another one than the page knows."""
        answer = self._answer()
        if answer is None:
            self._tell(frozenset(), b"")
            return
        answer.trouble = self._follower.trouble
        self._tell(ids(answer.rooms), msgspec.json.encode(answer))

    def _tell(self, rooms: frozenset[str], data: bytes) -> None:
        self._rooms = rooms
        # What a room is like comes first: an answer names rooms that the page knows.
        if self._going_on and self._asked is not None and self._asked.adds:
            self._hub.show_more(self.box, rooms)
        else:
            super().show()
        self._going_on = True
        if data and data != self._answered:
            self._answered = data
            self.box.put(("ward", ""), data)

    def _answer(self) -> WardMsg | None:
        ward, now_us = self._follower.ward, self._follower.now_us()
        if self.opened:
            return ward.alone(self.opened if self.viewer.sees(self.opened) else "", now_us)
        return ward.answer(self._asked, now_us, self.viewer.rooms) if self._asked else None


class CentralLive(Live):
    """All open pages of the centre."""

    central: ClassVar[bool] = True
    decode_up: ClassVar[Any] = _decode_up

    def __init__(
        self, hub: Hub, follower: PgFollower, clock: StationClock, build: str, auth: Auth
    ) -> None:
        super().__init__(hub, follower, clock, build, auth)
        self._central = follower

    def tasks(self) -> Iterable[tuple[str, Coroutine[Any, Any, None]]]:
        """Keeps the pages' answers right."""
        return (("ward", self._look()),)

    def families(self) -> Iterable[Family]:
        """How the centre itself is doing; docs/central.md explains each of them."""
        follower = self._central
        links = follower.ward.links(follower.now_us())
        by_link: list[tuple[dict[str, str], float]] = [
            ({"link": link}, links[link]) for link in HEARD
        ]
        yield Family("vitals_central_stations", "gauge", "Stations, as they are heard.", by_link)
        for name, kind, text, value in (
            ("rooms", "gauge", "Rooms of all stations.", self._hub.size),
            ("polls_total", "counter", "Questions that PostgreSQL has answered.", follower.polls),
            ("poll_seconds", "gauge", "What the last took until all was shown.", follower.poll_s),
            ("values_total", "counter", "New values that have come.", follower.numbers),
        ):
            yield Family(f"vitals_central_{name}", kind, text, [({}, value)])

    def _page(self, viewer: Viewer, waves: frozenset[str], caller: str) -> CentralPage:
        return CentralPage(self._hub, self._auth, viewer, waves, caller, self._central)

    def watched(self) -> frozenset[str]:
        """Rooms that somebody has opened and may see."""
        return frozenset(
            page.opened
            for page in self._pages
            if isinstance(page, CentralPage)
            and page.opened in self._central.ward
            and page.viewer.sees(page.opened)
        )

    async def _look(self) -> None:
        while True:
            self._central.watch(self.watched())
            for page in list(self._pages):
                if isinstance(page, CentralPage):
                    page.look()
                    await asyncio.sleep(0)  # the next page's answer is not more urgent than a poll
            await asyncio.sleep(LOOK_S)
