"""The record's lanes: audit rows first, then values, one transaction after the other."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitals.central import lanes, tail, watermark
from vitals.central.connecting import load_psycopg
from vitals.central.lanes import Block
from vitals.central.login import WAITS, Refused, patience
from vitals.central.sender_state import Standing
from vitals.central.tail import Tail
from vitals.central.watermark import Marks

if TYPE_CHECKING:
    from psycopg import AsyncConnection

AFTER_S = 0.05
"""What the feed tells is in the record a moment later."""
PATIENCE_S = 30.0
"""A transaction that takes longer has lost its server."""


class RecordSender:
    """Sends what stands in a record and not at the centre, in order, each row once.

    Attributes:
        called: to be set when something new may be in the record.
        ending: nothing new is waited for: `run` ends when everything is sent.
    """

    def __init__(self, station: str, store: Path, standing: Standing, look_s: float) -> None:
        """`store` is the record, looked at every `look_s` uncalled; `standing` hears of it."""
        self.called = asyncio.Event()
        self.ending = False
        self._station, self._store = station, store
        self._standing, self._look_s = standing, look_s
        self._channels: set[int] = set()
        self._days: set[int] = set()

    async def run(self, connection: AsyncConnection[Any]) -> None:
        """Sends until the connection fails, or to the end.

        Raises:
            Refused: the record does not follow what is at the centre.
            psycopg.Error: the connection failed; begin anew with another one.
            TimeoutError: it failed without a word.
            StoreError: the record cannot be read now.
        """
        record, marks = "", Marks()
        while True:
            last_look = self.ending
            found = await asyncio.to_thread(tail.read, self._store, marks.audit, marks.numeric)
            with patience(connection, PATIENCE_S):
                if found.record != record:  # the first look, or another file
                    record, marks = found.record, await self._begin(connection, found.record)
                    continue
                self._check(found, marks)
                self._standing.tail, self._standing.marks = found, marks
                if found.audit or found.block:
                    marks = await self._send(connection, found, marks)
                    continue
            self._standing.fine("record")
            if last_look:
                return
            await self._wait()

    async def _begin(self, connection: AsyncConnection[Any], record: str) -> Marks:
        self._channels.clear()
        self._days.clear()
        return await watermark.read(connection, self._station, record) if record else Marks()

    def _check(self, found: Tail, marks: Marks) -> None:
        if marks.audit > found.end_n:
            raise Refused(
                f"station {self._station}: its record ends at row {found.end_n} and the centre has "
                f"{marks.audit} rows of it, so it has gone backwards, as by a restored backup; "
                f"{_ANEW}; {WAITS}"
            )
        if marks.audit and found.hash_at != marks.hash:
            raise Refused(
                f"station {self._station}: row {marks.audit} of its record is another one at the "
                "centre, so one of the two was changed, or a backup was restored; compare both "
                f"with `vitals sessions verify` and `vitals central verify`, and {_ANEW}; {WAITS}"
            )

    async def _send(self, connection: AsyncConnection[Any], found: Tail, marks: Marks) -> Marks:
        """One transaction; the watermarks behind it."""
        record, rows, block = found.record, found.audit, found.block
        if rows:
            sent = await lanes.send_audit(
                connection, self._station, record, marks.audit, rows, found.sessions
            )
            after = replace(marks, audit=rows[-1].n, hash=rows[-1].hash)
        elif block is not None:
            await self._prepare(connection, found, block)
            sent = await self._send_block(connection, record, marks.numeric, block)
            after = replace(marks, numeric=block.seq[-1])
        else:
            return marks
        if sent:
            self._standing.fine("record")
            return after
        # Somebody else has sent them, or it was us and the answer was lost.
        return await watermark.read(connection, self._station, record)

    async def _prepare(self, connection: AsyncConnection[Any], found: Tail, block: Block) -> None:
        new = [one for one in found.channels if one.channel_id not in self._channels]
        if new:
            await lanes.send_channels(connection, self._station, found.record, new)
            self._channels.update(one.channel_id for one in new)
        if block.day not in self._days:
            await lanes.make_day(connection, block)
            self._days.add(block.day)

    async def _send_block(
        self, connection: AsyncConnection[Any], record: str, known: int, block: Block
    ) -> bool:
        try:
            return await lanes.send_block(connection, self._station, record, known, block)
        except load_psycopg().errors.CheckViolation:  # its day is gone: too old to be kept
            await lanes.make_day(connection, block)
            return await lanes.send_block(connection, self._station, record, known, block)

    async def _wait(self) -> None:
        """Until something new may be in the record."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.called.wait(), self._look_s)
            self.called.clear()
            if not self.ending:
                await asyncio.sleep(AFTER_S)


_ANEW = (
    "begin a new record while no session is open (stop the station, move the file away, start it): "
    "the centre then has both"
)
