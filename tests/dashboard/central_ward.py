"""The centre's pages without PostgreSQL: rooms of many stations in one hub, asked for as there.

What stands for the stations is one simulated station whose rooms have the centre's names,
`station:room`; pages, their questions and the index of all rooms are the centre's own.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dashboard import server
from dashboard.central_live import CentralLive
from tests.dashboard import ward as local
from vitals import wire
from vitals.central.ward import StationFacts, Ward, facts_of
from vitals.follower import Follower
from vitals.hub import Hub
from vitals.model import US
from vitals.wire.ward import WardQuestion

HEARD_S = 0.5


class Centre:
    """Where the stations are, and how each is heard; what a test sets, pages are told.

    Attributes:
        sent: everything that pages have sent up, but for commands.
    """

    def __init__(self, stations: list[StationFacts]) -> None:
        self.sent: list[Any] = []
        self._lock = threading.Lock()
        self._stations = {station.id: station for station in stations}
        self._silent_s: dict[str, float] = {}

    @property
    def asked(self) -> list[WardQuestion]:
        """The questions of all pages."""
        return [each for each in self.sent if isinstance(each, WardQuestion)]

    def silent(self, station: str, seconds: float) -> None:
        """A station has not been heard for so long."""
        with self._lock:
            self._silent_s[station] = seconds

    def say(self, station: str, *words: str) -> None:
        """What is wrong at a station."""
        with self._lock:
            self._stations[station] = replace(self._stations[station], words=words)

    def index(self, hub: Hub) -> Ward:
        """All rooms as they are now."""
        now_us = local.now_us()
        index = Ward()
        with self._lock:
            for id_, station in self._stations.items():
                silent_us = int(self._silent_s.get(id_, HEARD_S) * US)
                index.station(replace(station, heard_us=now_us - silent_us))
        for room in hub.snapshot().rooms:
            index.room(room.id, room.id.partition(":")[0], facts_of(room))
        return index


class FeedFollower(Follower):
    """A station's feed, with what the central pages ask of theirs."""

    def __init__(self, feed: Path, hub: Hub, centre: Centre) -> None:
        super().__init__(feed, hub)
        self._central_hub = hub
        self._centre = centre

    @property
    def ward(self) -> Ward:
        return self._centre.index(self._central_hub)

    def now_us(self) -> int:
        return local.now_us()

    def watch(self, rooms: frozenset[str]) -> None:
        """The trends are there without being asked for."""


def _build(centre: Centre) -> Callable[..., server.Web]:
    def decode_up(text: str | bytes) -> Any:
        message = CentralLive.decode_up(text)
        centre.sent.append(message)
        return message

    def create(
        feed: Path, store: Path, on_death: Callable[[str], None], access: server.Access | None
    ) -> server.Web:
        hub = Hub(link="stale")
        kind = type("NotedLive", (CentralLive,), {"decode_up": staticmethod(decode_up)})
        follower = FeedFollower(feed, hub, centre)
        kinds = server.Kinds(live=kind)
        return server.assemble(hub, follower, store, on_death, access or server.Access(), kinds)

    return create


class CentralWeb(local.Web):
    """The server of the central pages in a thread."""

    def __init__(self, centre: Centre, feed: Path, store: Path) -> None:
        super().__init__(feed, store)
        self._centre = centre

    def start(self) -> local.Web:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(server, "create", _build(self._centre))
            return super().start()


@contextlib.contextmanager
def central(
    folder: Path, stations: list[StationFacts], rooms: list[wire.RoomMsg]
) -> Iterator[tuple[Any, Centre, Any]]:
    """(what stands for the stations, centre, web); rooms are named `station:room`."""
    centre = Centre(stations)
    feed = folder / "central.feed"
    station = local.Station(feed, rooms, "real").start()
    try:
        web = CentralWeb(centre, feed, folder / "central").start()
        try:
            local.wait_until(lambda: web.server and web.server.hub.link == "live", "feed")
            yield station, centre, web
        finally:
            web.stop()
    finally:
        station.stop()


def facts(id_: str, site: str, clinic: str, name: str = "") -> StationFacts:
    """A station that is heard."""
    return StationFacts(id=id_, name=name or id_, site=site, clinic=clinic)


def room(station: str, number: int, **more: Any) -> wire.RoomMsg:
    """A room of a station with an oximeter and a cuff."""
    id_ = f"{station}:room-{number}"
    devices = local.room(number).devices
    return wire.RoomMsg(id=id_, label=f"Room {number}", devices=devices, **more)
