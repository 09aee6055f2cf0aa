"""What a station's rooms show now: alarms at once, the rest within half a second, a sign of life.

Everything is sent anew on each connection: the server may have lost the last moments.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from vitals import wire
from vitals.central import live
from vitals.central.clock_offset import ClockOffset
from vitals.central.live import Latest
from vitals.central.login import patience
from vitals.central.sender_state import Standing
from vitals.central.status import CLOCK_FAR_S, CLOCK_S, how_long
from vitals.central.watch import Watch
from vitals.follower import Follower
from vitals.model import US

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    from vitals.config import StationConfig

NUMBERS_S = 0.5
"""Numbers go up at most so often."""
BEAT_S = 1.0
"""A sign of life goes up at least so often."""
PATIENCE_S = 10.0
"""Statements that take longer have lost their server."""

log = logging.getLogger(__name__)


class RoomSender:
    """Sends what has changed of the rooms, and the station's row.

    Attributes:
        told: set whenever the station's row has gone up.
    """

    def __init__(
        self, station: StationConfig, watch: Watch, follower: Follower, standing: Standing
    ) -> None:
        self._station, self._watch = station, watch
        self._follower, self._standing = follower, standing
        self._sent: dict[str, tuple[str, bytes]] = {}
        self._offset = ClockOffset()
        self.told = asyncio.Event()

    async def run(self, connection: AsyncConnection[Any]) -> None:
        """Sends until the connection fails.

        Raises:
            psycopg.Error: it has.
            TimeoutError: it has, without a word.
        """
        watch = self._watch
        self._sent.clear()
        watch.all_anew()
        row = live.Row(connection, self._station.id)
        named, at = -1, 0.0
        while True:
            rooms = watch.rooms()
            with patience(connection, PATIENCE_S):
                await self._send_changed(connection, rooms, watch.take_due(time.monotonic()))
                if named != watch.mark and watch.now_us is not None:
                    named = watch.mark
                    await live.send_gone(connection, self._station.id, rooms)
                if self._latest_at(at) <= time.monotonic():
                    watch.news = watch.numbers = False
                    at = time.monotonic()
                    latest = self._latest(rooms)
                    arrived_us = await row.send(latest)
                    self._compare(arrived_us, latest.now_us)
                    self.told.set()
            self._standing.fine("rooms")
            await self._wait(at)

    async def _wait(self, at: float) -> None:
        """Until something is due; what comes meanwhile may be due earlier than what was known."""
        while True:
            self._watch.wake.clear()
            wait_s = min(self._latest_at(at), self._watch.next_due()) - time.monotonic()
            if wait_s <= 0:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._watch.wake.wait(), wait_s)

    def _latest_at(self, at: float) -> float:
        """When the station's row is due, `at` being when it was sent last."""
        if self._watch.news:
            return 0.0
        return at + (NUMBERS_S if self._watch.numbers else BEAT_S)

    async def _send_changed(
        self, connection: AsyncConnection[Any], rooms: Mapping[str, wire.RoomMsg], due: list[str]
    ) -> None:
        states = {
            room: (rooms[room].label, live.state_of(rooms[room])) for room in due if room in rooms
        }
        new = {room: state for room, state in states.items() if self._sent.get(room) != state}
        if new:
            await live.send_rooms(connection, self._station.id, new)
            self._sent.update(new)

    def _latest(self, rooms: Mapping[str, wire.RoomMsg]) -> Latest:
        hello, beat, standing = self._follower.hello, self._watch.beat, self._standing
        now_us = self._watch.now_us
        if now_us is None:  # no station was heard yet
            now_us = time.time_ns() // 1000
        words = [beat.detail if beat else "", standing.sentence]
        return Latest(
            now_us=now_us,
            station_live=self._watch.link == "live",
            recording=beat.recording if beat else True,
            detail=" ".join(_sentences(words)),
            mode=hello.mode if hello else self._station.mode,
            build=hello.build if hello else "",
            lag_rows=standing.lag_rows,
            lag_s=standing.lag_s(now_us),
            record=standing.tail.record,
            head_n=standing.tail.end_n,
            head=standing.tail.end_hash,
            numbers=[number for room in rooms.values() for number in room.numerics],
        )

    def _compare(self, arrived_us: int, now_us: int) -> None:
        """Says so when the two clocks differ; a clock of a demo may run faster."""
        self._offset.hear(arrived_us, now_us)
        off_s = (self._offset.now_us or 0) / US
        words = clock_words(self._station.id, off_s) if self._watch.real_time else ""
        if bool(words) != bool(self._standing.clock):
            log.warning("%s", words or "the clocks of this station and of the centre agree again")
        self._standing.clock = words


def clock_words(station: str, off_s: float) -> str:
    """What is to be said of a station's clock at the station; `off_s`: centre − station."""
    if abs(off_s) <= CLOCK_S:
        return ""
    how, way = how_long(abs(off_s)), "behind" if off_s > 0 else "ahead of"
    if abs(off_s) > CLOCK_FAR_S:
        return (
            f"station {station}: its clock is {how} {way} the centre's, so its rows stand under "
            "the wrong time; set date and time of this computer; everything is sent all the same"
        )
    return (
        f"station {station}: its clock is {how} {way} the centre's; look at the time of both "
        "computers, and let both be set by the network"
    )


def _sentences(words: Iterable[str]) -> list[str]:
    """Texts as sentences, one behind the other."""
    return [text if text.endswith(".") else f"{text}." for text in words if text]
