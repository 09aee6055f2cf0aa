"""Follows PostgreSQL into a hub, for ever: what `vitals.follower` is of a station's feed.

Above the hub it is the same dashboard. All times in the hub are the centre's, that is the
database server's: `ClockOffset` moves each station's into it. Information only: a command is
refused, since it could not be known in time whether it was carried out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vitals import __version__, wire
from vitals.central import past, poll
from vitals.central.connecting import explain, load_psycopg, place
from vitals.central.station_rooms import StationRooms
from vitals.central.ward import Ward
from vitals.clock import boottime_ns
from vitals.errors import CentralError
from vitals.hub import Hub
from vitals.model import US

if TYPE_CHECKING:
    import psycopg

POLL_S = 0.25
SILENT_S = 3.0
"""Without an answer for so long the pages hear that the centre is not heard."""
WHOLE_S = 60.0
"""For the first answer of a connection, which may have ten thousand rooms in it."""
RETRY_S = (0.25, 2.0)
"""First and longest wait before the next connect; each is shortened at random by up to 25 %."""
STATIONS_S = 5.0
"""How often the names of the stations are read."""
BEAT_S = 1.0
AT_ONCE = 20
"""Stations whose rows are taken before anything else gets its turn."""
REFUSED = (
    "this is the central view, for information only: acknowledge and act at the room's own station"
)

log = logging.getLogger(__name__)


class PgFollower:
    """All stations of one PostgreSQL.

    Attributes:
        hello: what pages are greeted with; None before PostgreSQL has answered for the first time.
        trouble: why it does not answer just now, one sentence; `""` while it does.
        ward: all rooms, for questions.
        polls: questions that were answered.
        poll_s: how long the last one took, until its rows were in the hub.
        numbers: new values that were taken.
    """

    def __init__(
        self,
        conninfo: Callable[[], str],
        hub: Hub,
        *,
        poll_s: float = POLL_S,
        silent_s: float = SILENT_S,
        retry_s: tuple[float, float] = RETRY_S,
        on_whole: Callable[[], None] = lambda: None,
    ) -> None:
        """Does nothing yet.

        Args:
            conninfo: libpq's keywords; asked for at each connect, as a password may be renewed.
            hub: one with `trends=False`.
            poll_s: from one question to the next.
            silent_s: see `SILENT_S`.
            retry_s: see `RETRY_S`.
            on_whole: told after the first answer of each connection: all rooms are there.
        """
        self.hello: wire.Hello | None = None
        self.trouble = ""
        self.ward = Ward()
        self.polls = 0
        self.poll_s = 0.0
        self.numbers = 0
        self._conninfo = conninfo
        self._hub = hub
        self._pause_s = poll_s
        self._silent_s = silent_s
        self._retry_s = retry_s
        self._on_whole = on_whole
        self._wait_s = retry_s[0]
        self._stations: dict[str, StationRooms] = {}
        self._heard: tuple[int, int] = (0, 0)  # the server's clock, and when it was read
        self._beat_us = 0
        self._where: tuple[Any, ...] = ()
        self._watched: frozenset[str] = frozenset()
        self._unfilled: set[str] = set()
        self._wanted = asyncio.Event()

    @property
    def ignored(self) -> int:
        """States of rooms that this version cannot read."""
        return sum(station.ignored for station in self._stations.values())

    def now_us(self) -> int:
        """Centre's time, carried on while PostgreSQL does not answer; 0 before it ever has."""
        now_us, heard_ns = self._heard
        return now_us + (boottime_ns() - heard_ns) // 1000 if now_us else 0

    async def run(self) -> None:
        """Follows until cancelled.

        Raises:
            InstallError: psycopg is not installed.
        """
        load_psycopg()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._again(self._follow, self._gone), name="central-poll")
            tasks.create_task(self._again(self._fill, self._unread), name="central-past")

    async def command(self, message: wire.CommandMsg, timeout_s: float = 10.0) -> wire.ResultMsg:
        """Refuses."""
        return wire.ResultMsg(id=message.id, ok=False, error=REFUSED)

    async def tell_audience(self, audience: Callable[[], wire.AudienceMsg]) -> None:
        """No station counts on these pages: no alarm of record sounds here."""
        await asyncio.get_running_loop().create_future()

    def audience_changed(self) -> None:
        """See `tell_audience`."""

    def watch(self, rooms: frozenset[str]) -> None:
        """Rooms that somebody has opened: their trends are read, and kept as long as that lasts."""
        for room in self._watched - rooms:
            self._hub.keep_trend(room, False)
            self._unfilled.discard(room)
        self._unfilled |= rooms - self._watched
        self._watched = rooms
        if self._unfilled:
            self._wanted.set()

    async def _again(self, work: Callable[[], Any], gone: Callable[[str], None]) -> None:
        """Does it for ever, with pauses between what goes wrong."""
        import psycopg

        while True:
            try:
                await work()
            except psycopg.Error as error:
                gone(explain(error, self._place()))
            except (CentralError, OSError) as error:
                gone(str(error))
            pause_s = self._wait_s * random.uniform(0.75, 1.0)  # noqa: S311 no secret
            self._wait_s = min(self._wait_s * 2, self._retry_s[1])
            await asyncio.sleep(pause_s)

    def _place(self) -> str:
        try:
            return place(self._conninfo())
        except CentralError as error:  # its password has gone meanwhile
            return str(error)

    async def _follow(self) -> None:
        """Polls over one connection; raises when it ends."""
        async with _closing(await self._in_time(poll.connect(self._conninfo()))) as connection:
            self._begin(connection)
            xmin, named_ns = 0, 0
            while True:
                begun_ns = boottime_ns()
                if begun_ns - named_ns >= STATIONS_S * 1e9:
                    self._name(await self._in_time(poll.stations(connection)))
                    named_ns = begun_ns
                limit_s = None if xmin else max(WHOLE_S, self._silent_s)
                polled = await self._in_time(poll.poll(connection, xmin), limit_s)
                self._heard = (polled.now_us, boottime_ns())
                if any(row.station not in self._stations for row in polled.rows()):
                    self._name(await self._in_time(poll.stations(connection)))  # a new one
                await self._take(polled)
                if not xmin:
                    self._whole()
                if polled.states and self._unfilled:
                    self._wanted.set()
                xmin = polled.xmin
                self.polls += 1
                self.poll_s = (boottime_ns() - begun_ns) / 1e9
                self._beat(polled.now_us)
                await asyncio.sleep(rest_s(self._pause_s, self.poll_s))

    def _begin(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """A new connection, perhaps to another server with another clock and less in it."""
        where = (connection.info.host, connection.info.hostaddr, connection.info.port)
        for station in self._stations.values():
            station.begin(other_clock=where != self._where)
        self._where = where

    def _whole(self) -> None:
        """Everything that PostgreSQL knows has come: what has not is not there."""
        for station in self._stations.values():
            station.unseen()
        self._on_whole()
        self._there()

    async def _in_time(self, asked: Any, limit_s: float | None = None) -> Any:
        """The answer; after a while the pages are told at once, however long giving up takes."""
        limit_s = limit_s or self._silent_s
        task = asyncio.ensure_future(asked)
        try:
            done, _ = await asyncio.wait({task}, timeout=limit_s)
            if done:
                return task.result()
            error = CentralError(
                f"{self._place()}: it has not answered for {limit_s:g} s; if it "
                "does not come back by itself, check the network and the server"
            )
            self._gone(str(error))
            raise error
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})  # and not the task: who ends this one must be heard
                if not task.cancelled():
                    log.debug("given up: %s", task.exception())

    def _name(self, rows: list[poll.StationRow]) -> None:
        """Which stations there are."""
        for row in rows:
            known = self._stations.get(row.id)
            if known is None:
                self._stations[row.id] = StationRooms(row, self._hub, self.ward)
            else:
                known.named(row)
        for gone in self._stations.keys() - {row.id for row in rows}:
            self._stations.pop(gone).end()

    async def _take(self, polled: poll.Polled) -> None:
        """States first: a room must be there before its numbers; and what these are of."""
        for keys in polled.keys:
            if keys.station in self._stations:
                self._stations[keys.station].keys(keys)
        for i, state in enumerate(polled.states):
            if state.station in self._stations:
                self._stations[state.station].tell(state)
            if i % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
        for i, row in enumerate(polled.latest):
            if row.station in self._stations:
                self.numbers += self._stations[row.station].hear(row)
            if i % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)

    def _there(self) -> None:
        """PostgreSQL answers, and all that it knows is in the hub."""
        if self.trouble:
            log.info("PostgreSQL answers again")
        self.trouble, self._wait_s = "", self._retry_s[0]
        if self.hello is None:
            self.hello = wire.Hello(
                v=wire.VERSION,
                build=__version__,
                station="central",
                epoch=uuid.uuid4().hex,
                clock=wire.ClockMsg(now_us=self.now_us()),
                central=True,
            )
        self._hub.set_link("live")
        self._wanted.set()

    def _beat(self, now_us: int) -> None:
        if now_us - self._beat_us >= BEAT_S * US or now_us < self._beat_us:
            self._beat_us = now_us
            self._hub.publish(wire.BeatMsg(now_us=now_us))

    def _gone(self, sentence: str) -> None:
        if sentence != self.trouble:  # said once, not at every attempt
            self.trouble = sentence
            log.log(logging.WARNING if self.hello else logging.INFO, "no central: %s", sentence)
        self._hub.set_link("stale")

    # --- the past of rooms that somebody has opened -----------------------------------------------

    async def _fill(self) -> None:
        """Reads trends over a connection of its own, so that no poll waits for them."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            known = [room for room in sorted(self._unfilled) if room in self.ward]
            if not known or self.hello is None:
                continue
            async with _closing(await poll.connect(self._conninfo())) as connection:
                for room in known:
                    await self._fill_one(connection, room)

    def _unread(self, sentence: str) -> None:
        """The polls say whether PostgreSQL is there; this is tried again."""
        log.info("the past of rooms cannot be read yet: %s", sentence)
        self._wanted.set()

    async def _fill_one(self, connection: psycopg.AsyncConnection[Any], room: str) -> None:
        if room not in self._watched:
            return
        self._hub.keep_trend(room, True)  # first, so that nothing falls between
        station, _, _ = room.partition(":")
        [shown] = self._hub.snapshot(frozenset({room})).rooms
        session = shown.session.id if shown.session else ""
        if session and station in self._stations:
            offset_us = self._stations[station].offset.now_us or 0
            found = await past.trends(connection, station, session, offset_us, self.now_us())
            self._hub.fill_trend(room, session, found)
        self._unfilled.discard(room)


def rest_s(every_s: float, took_s: float) -> float:
    """The pause after a question that took so long; whoever else has work gets a turn each time."""
    return max(every_s - took_s, every_s / 5)


@contextlib.asynccontextmanager
async def _closing(connection: Any) -> Any:
    try:
        yield connection
    finally:
        await connection.close()
