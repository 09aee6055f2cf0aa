"""A sender in this process, quick to try again, on a record and a database of the test's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import apsw
import psycopg

from tests.central.cluster import PASSWORD, Database
from vitals.central.sender import Pace, Sender
from vitals.config import CentralConfig, Config
from vitals.store.connection import open_for_reading, select

QUICK = Pace(retry_s=(0.02, 0.1), refused_s=0.1, look_s=0.05, file_s=0.05)
STATION = "st-1"


def secret(folder: Path, password: str = PASSWORD) -> str:
    """A source of a password, as a config names it."""
    path = folder / "central.password"
    path.write_text(f"{password}\n")
    path.chmod(0o600)
    return f"file:{path}"


def config(store: Path, dsn: str, *, password: str = PASSWORD, station: str = STATION) -> Config:
    """A station's config that sends there."""
    found = Config.model_validate({"station": {"id": station, "store": store, "mode": "test"}})
    central = CentralConfig(dsn=dsn, password=secret(store.parent, password))
    return found.model_copy(update={"central": central})


@contextlib.asynccontextmanager
async def connect(dsn: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A connection of a station's role."""
    async with await psycopg.AsyncConnection.connect(
        dsn, password=PASSWORD, autocommit=True
    ) as connection:
        yield connection


@contextlib.asynccontextmanager
async def sending(config: Config, pace: Pace = QUICK) -> AsyncIterator[Sender]:
    """A sender that runs meanwhile."""
    sender = Sender(config, pace)
    task = asyncio.create_task(sender.run())
    try:
        yield sender
        assert not task.done(), task.exception()
    finally:
        for _ in ("the signal", "the lifeline"):
            task.cancel()
            await asyncio.sleep(0)
        await asyncio.wait([task])


async def eventually(condition: Callable[[], object], limit_s: float = 20.0) -> None:
    """Waits until it holds; what it asks may be a database."""
    async with asyncio.timeout(limit_s):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 nobody calls us
            await asyncio.sleep(0.02)


class Centre:
    """What stands at the centre."""

    def __init__(self, database: Database) -> None:
        self._dsn = database.admin

    def ask(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            cursor = connection.execute(sql.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def one(self, sql: str, *values: object) -> Any:
        found = self.ask(sql, *values)
        return found[0][0] if found else None

    def counts(self) -> tuple[int, int]:
        """Audit rows and values."""
        ((rows, values),) = self.ask(
            "SELECT (SELECT count(*) FROM kap.audit),"
            " (SELECT coalesce(sum(cardinality(seq)), 0) FROM kap.block)"
        )
        return int(rows), int(values)

    def trail(self) -> list[tuple[Any, ...]]:
        return self.ask(
            "SELECT n, seq, at_us, session, room, actor, role, kind, command_id, body, prev, hash"
            " FROM kap.audit ORDER BY record, n"
        )

    def values(self) -> list[tuple[Any, ...]]:
        return self.ask(
            "SELECT seq, session, device, channel, at_us, value, quality, flags, device_at_us"
            " FROM kap.numeric ORDER BY record, seq"
        )


def _read(store: Path, sql: str) -> list[tuple[Any, ...]]:
    connection: apsw.Connection = open_for_reading(store)
    try:
        return select(connection, sql)
    finally:
        connection.close()


def counts(store: Path) -> tuple[int, int]:
    """Audit rows and values of a record."""
    ((rows, values),) = _read(
        store, "SELECT (SELECT count(*) FROM audit), (SELECT count(*) FROM numeric)"
    )
    return rows, values


def trail(store: Path) -> list[tuple[Any, ...]]:
    return _read(
        store,
        "SELECT n, seq, at_us, uuid, audit.room, actor, role, kind, command_id, body, prev, hash"
        " FROM audit LEFT JOIN session USING (session_id) ORDER BY n",
    )


def values(store: Path) -> list[tuple[Any, ...]]:
    return _read(
        store,
        "SELECT seq, uuid, device, key, at_us, value, quality, flags, device_at_us FROM numeric"
        " JOIN channel USING (channel_id) JOIN session USING (session_id) ORDER BY seq",
    )
