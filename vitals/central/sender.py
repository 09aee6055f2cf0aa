"""`vitals sender`: brings a station's record and what its rooms show to the centre.

Three parts with a connection each, so that none waits for another: what is shown now, the record
(audit rows before values), and the waveforms of closed sessions. The record is opened read-only for
milliseconds, the station is followed by its feed as a page's server follows it: it notices nothing
of this process. Whatever cannot be sent stays in the record and is sent later.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vitals.central import dsn, sender_state
from vitals.central.connecting import load_psycopg
from vitals.central.filing import Filing
from vitals.central.login import WAITS, Refused, log_in, sentence
from vitals.central.record_sender import RecordSender
from vitals.central.room_sender import RoomSender
from vitals.central.sender_state import Standing
from vitals.central.watch import Watch
from vitals.errors import CentralError, InstallError, VitalsError
from vitals.follower import Follower

if TYPE_CHECKING:
    import psycopg
    from psycopg import AsyncConnection

    from vitals.config import Config

LAST_S = 3.0
"""At the end of a day the last rows still go up, if that takes no longer than this."""
SAID_S = 0.5
"""And so long may it take to say that it was all."""
_FAULT = (
    "the sender has failed ({error}), which is a fault of the program: send the report beside the "
    f"station's record to its makers; it tries again, {WAITS}"
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds of real time.

    Attributes:
        retry_s: first and longest wait before the next attempt, each shortened by up to half.
        refused_s: wait after a refusal that somebody has to end.
        look_s: how often the record is looked at when nothing calls for it.
        file_s: how often closed sessions are looked for.
        connect_s: an attempt to connect to all hosts that takes longer is given up.
    """

    retry_s: tuple[float, float] = (0.2, 5.0)
    refused_s: float = 10.0
    look_s: float = 0.5
    file_s: float = 5.0
    connect_s: float = 30.0


class Sender:
    """One station's sender.

    Attributes:
        standing: how it gets on.
    """

    def __init__(self, config: Config, pace: Pace | None = None) -> None:
        if config.central is None:
            raise CentralError(
                "the config has no [central], so there is nobody to send to; see docs/central.md"
            )
        self._config, self._central = config, config.central
        self._pace = pace or Pace()
        self._where = dsn.told(config.central)
        self.standing = Standing(config.station.id)
        self._watch = Watch()
        self._follower = Follower(config.feed_file, self._watch)
        self._ending = False

    async def run(self) -> None:
        """Sends until cancelled; then what is left, for at most `LAST_S`."""
        station, store = self._config.station, self._config.station.store
        rooms = RoomSender(station, self._watch, self._follower, self.standing)
        record = RecordSender(station.id, store, self.standing, self._pace.look_s)
        self._watch.on_event = record.called.set
        filing = Filing(station.id, store, self.standing)
        try:
            async with asyncio.TaskGroup() as group:
                for name, part in (
                    ("follower", self._follower.run()),
                    ("state", self._tell()),
                    ("files", self._file(filing)),
                    ("rooms", self._keep("rooms", rooms.run)),
                ):
                    group.create_task(part, name=name)
                last = group.create_task(self._keep("record", record.run), name="record")
                try:
                    await asyncio.wait([last])
                except asyncio.CancelledError:
                    self._ending = record.ending = True
                    record.called.set()
                    finishing = group.create_task(self._finish(last, rooms), name="last")
                    while not finishing.done():  # the signal and the lifeline both cancel us
                        with suppress(asyncio.CancelledError):
                            await asyncio.wait([finishing])
                    raise
        finally:
            sender_state.write(self._config.sender_file, self.standing.told())

    async def _finish(self, last: asyncio.Task[None], rooms: RoomSender) -> None:
        """What is left goes up, and then the word that it was all."""
        await asyncio.wait([last], timeout=LAST_S)
        if last.done():
            rooms.told.clear()
            self._watch.news = True
            self._watch.wake.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(rooms.told.wait(), SAID_S)

    async def _keep(
        self, part: str, serve: Callable[[AsyncConnection[Any]], Awaitable[None]]
    ) -> None:
        """One part, over and over: a connection, and whatever it does with it."""
        wait_s = self._pace.retry_s[0]
        while not self._ending:
            began = time.monotonic()
            refused = await self._once(part, serve)
            if self._ending:
                return
            if time.monotonic() - began > self._pace.retry_s[1]:
                wait_s = self._pace.retry_s[0]
            pause_s = self._pace.refused_s if refused else wait_s
            wait_s = min(wait_s * 2, self._pace.retry_s[1])
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 no secret

    async def _once(
        self, part: str, serve: Callable[[AsyncConnection[Any]], Awaitable[None]]
    ) -> bool:
        """One connection to its end; whether that was a refusal."""
        try:
            driver = load_psycopg()
        except InstallError as error:
            return self._trouble(part, error)
        try:
            async with asyncio.timeout(self._pace.connect_s):
                connection = await log_in(self._central, self.standing.station, part)
            async with connection:
                await serve(connection)
        except (driver.Error, VitalsError, OSError) as error:  # of OSError: TimeoutError
            return self._trouble(part, error)
        except Exception as error:
            # A fault of ours in one part is no reason for the others to stop.
            log.exception("%s: the sender has failed", part)
            return self._trouble(part, Refused(_FAULT.format(error=type(error).__name__)))
        self.standing.fine(part)
        return False

    def _trouble(self, part: str, error: psycopg.Error | VitalsError | OSError) -> bool:
        text, refused = sentence(error, self.standing.station, self._where)
        self.standing.trouble(part, text, refused=refused)
        return refused

    async def _file(self, filing: Filing) -> None:
        """Looks for closed sessions; connects only when there is one."""
        while True:
            await asyncio.sleep(self._pace.file_s * random.uniform(0.5, 1.0))  # noqa: S311
            try:
                owed = await filing.is_owed()
            except VitalsError as error:
                self._trouble("closed sessions", error)
                continue
            self.standing.fine("closed sessions")
            if not owed:
                self.standing.fine("files")
            if owed and await self._once("files", filing.run):
                await asyncio.sleep(self._pace.refused_s)

    async def _tell(self) -> None:
        """Writes the state's file."""
        last, at = None, 0.0
        while True:
            told = self.standing.told()
            now = time.monotonic()
            seen = (told.state, told.sentence, told.clock, told.lag_rows)
            if seen != last or now - at > sender_state.BEAT_S:
                last, at = seen, now
                await asyncio.to_thread(sender_state.write, self._config.sender_file, told)
            await asyncio.sleep(1.0)
