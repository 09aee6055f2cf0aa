"""Sends what a closed session leaves: its waveforms as files, and the answers of review's list.

After everything else of it, so that it holds up nothing; again when something was added or signed.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitals.central import lanes, session_files, tail, watermark
from vitals.central.lanes import ChannelLine
from vitals.central.login import patience
from vitals.central.sender_state import Standing
from vitals.central.tail import Closed
from vitals.export.list_facts import facts_in
from vitals.store.reader import Reader

if TYPE_CHECKING:
    from psycopg import AsyncConnection

PATIENCE_S = 300.0
"""A session's files take a while on a slow line."""


class Filing:
    """The lane `file` of a record."""

    def __init__(self, station: str, store: Path, standing: Standing) -> None:
        self._station, self._store, self._standing = station, store, standing
        self._record = ""
        self._known = 0
        self._seen = 0
        self._next: Closed | None = None

    async def is_owed(self) -> bool:
        """Whether a session waits for its files and all else of it is at the centre.

        Raises:
            StoreError: the record cannot be read now.
        """
        marks, record = self._standing.marks, self._standing.tail.record
        if marks is None or not record:
            return False
        if record != self._record:
            self._record, self._known, self._seen = record, marks.file, marks.file
        while True:
            found = await asyncio.to_thread(
                tail.closed, self._store, record, self._seen, marks.audit
            )
            self._next = found
            if found is None:
                return False
            if found.uuid:
                return found.last_seq <= marks.numeric
            self._seen = found.n

    async def run(self, connection: AsyncConnection[Any]) -> None:
        """Sends all that is owed.

        Raises:
            StoreError: the record cannot be read now.
            Refused: pyarrow is not installed.
            psycopg.Error: the connection failed.
        """
        while await self.is_owed():
            assert self._next is not None  # noqa: S101 - is_owed says so
            with patience(connection, PATIENCE_S):
                await self._send(connection, self._next)
            self._standing.fine("files")

    async def _send(self, connection: AsyncConnection[Any], closed: Closed) -> None:
        there = await self._there(connection, closed.uuid)
        await lanes.send_channels(connection, self._station, self._record, closed.waves)
        for channel in closed.waves:
            if channel.channel_id not in there:
                await self._send_file(connection, channel, closed.tz)
        facts = await asyncio.to_thread(facts_in, Reader(self._store), closed.uuid)
        told = {closed.uuid: session_files.facts_json(facts)}
        if await session_files.send_done(
            connection, self._station, self._record, self._known, closed.n, told
        ):
            self._known = self._seen = closed.n
            return
        marks = await watermark.read(connection, self._station, self._record)
        self._known = self._seen = marks.file

    async def _there(self, connection: AsyncConnection[Any], uuid: str) -> set[int]:
        """Channels whose files are at the centre."""
        cursor = await connection.execute(
            "SELECT channel_id FROM kap.file WHERE station = %s AND record = %s AND session = %s",
            (self._station, self._record, uuid),
        )
        return {row[0] for row in await cursor.fetchall()}

    async def _send_file(
        self, connection: AsyncConnection[Any], channel: ChannelLine, tz: str
    ) -> None:
        blocks = await asyncio.to_thread(tail.waves, self._store, self._record, channel)
        if blocks:  # none: forgotten before they were sent
            file = await asyncio.to_thread(
                session_files.encode, self._station, self._record, channel, blocks, tz
            )
            await session_files.send_file(
                connection, self._station, self._record, channel, len(blocks), file
            )
