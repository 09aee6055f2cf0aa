"""What is asked of PostgreSQL four times a second: what was not yet visible at the last question.

Each row carries the transaction that wrote it. A question sees a snapshot, and `xmin` of that
snapshot is the oldest transaction that had not ended: everything below it was visible. So the next
question asks for `changed >= xmin`, and nothing is missed in whatever order transactions commit;
what comes a second time bears the same number. What a station's numbers are of is asked for in the
same way, by the transaction that said so: seldom.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from vitals.central.schema import VERSION
from vitals.errors import CentralError

if TYPE_CHECKING:
    import psycopg


class LatestRow(NamedTuple):
    """A row of `kap.latest`; times in microseconds UTC, those of the values by the station."""

    station: str
    changed: int
    keyed: int
    arrived_us: int
    now_us: int
    station_live: bool
    recording: bool
    detail: str
    mode: str
    lag_rows: int
    lag_s: float
    at_us: list[int]
    value: list[float | None]
    quality: list[int]


class KeysRow(NamedTuple):
    """What the numbers of a row of `kap.latest` are of; the two belong together by `keyed`."""

    station: str
    keyed: int
    room: list[str]
    channel: list[str]
    device: list[str]
    flags: list[str]
    fresh_s: list[float]
    gone_s: list[float | None]


class StateRow(NamedTuple):
    """A row of `kap.room_state`; `state` is an encoded `wire.RoomMsg`."""

    station: str
    room: str
    changed: int
    state: bytes
    gone: bool


class StationRow(NamedTuple):
    """A row of `kap.station`."""

    id: str
    name: str
    site: str
    clinic: str


class Polled(NamedTuple):
    """One answer; `now_us` is the server's clock, `xmin` is for the next question."""

    now_us: int
    xmin: int
    keys: list[KeysRow]
    latest: list[LatestRow]
    states: list[StateRow]

    def rows(self) -> Iterator[LatestRow | StateRow]:
        """All that has come; no keys come alone."""
        yield from self.latest
        yield from self.states


_US = "(extract(epoch FROM {}) * 1000000)::bigint"
_NOW = f"SELECT {_US.format('clock_timestamp()')}, pg_snapshot_xmin(pg_current_snapshot())::text"
_LATEST = f"""SELECT station, changed::text, keyed::text, {_US.format("arrived")}, now_us,
    station_live, recording, detail, mode, lag_rows, lag_s, at_us, value, quality FROM kap.latest
    WHERE changed >= %s::text::xid8"""  # noqa: S608 no input
_KEYS = """SELECT station, keyed::text, room, channel, device, flags, fresh_s, gone_s
    FROM kap.latest WHERE keyed >= %s::text::xid8"""
_STATES = """SELECT station, room, changed::text, state, gone FROM kap.room_state
    WHERE changed >= %s::text::xid8"""
_STATIONS = """SELECT id, name, site, clinic FROM kap.station s
    WHERE EXISTS (SELECT FROM kap.latest WHERE station = s.id)
        OR EXISTS (SELECT FROM kap.room_state WHERE station = s.id)"""
_VERSION = "SELECT coalesce(max(version), 0) FROM kap.version"


async def connect(conninfo: str) -> psycopg.AsyncConnection[Any]:
    """A connection for reading alone.

    Raises:
        psycopg.Error: there is none.
        CentralError: the tables are of another version.
    """
    import psycopg

    connection = await psycopg.AsyncConnection.connect(conninfo)
    try:
        await connection.set_read_only(True)
        await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        await _check_version(connection)
    except BaseException:
        await connection.close()
        raise
    return connection


async def _check_version(connection: psycopg.AsyncConnection[Any]) -> None:
    async with connection.transaction():
        row = await (await connection.execute(_VERSION)).fetchone()
    found = int(row[0]) if row else 0
    if found > VERSION:
        raise CentralError(
            f"the central tables are version {found} and this program knows {VERSION}: upgrade "
            "kap-vitals on this computer"
        )
    if found < VERSION:
        raise CentralError(
            f"the central tables are version {found}, and this program needs {VERSION}: run "
            "`vitals central migrate`"
        )


async def poll(connection: psycopg.AsyncConnection[Any], xmin: int) -> Polled:
    """One question, in one snapshot and one round trip.

    Args:
        connection: see `connect`.
        xmin: of the last answer; 0 asks for everything.

    Raises:
        psycopg.Error: there is no answer.
    """
    cursors = [connection.cursor(binary=True) for _ in range(4)]
    async with connection.pipeline(), connection.transaction():
        await cursors[0].execute(_NOW)
        await cursors[1].execute(_LATEST, (str(xmin),))
        await cursors[2].execute(_STATES, (str(xmin),))
        await cursors[3].execute(_KEYS, (str(xmin),))
        asked, latest, states, keys = [await cursor.fetchall() for cursor in cursors]
    return Polled(
        int(asked[0][0]),
        int(asked[0][1]),
        [KeysRow(row[0], int(row[1]), *row[2:]) for row in keys],
        [LatestRow(row[0], int(row[1]), int(row[2]), *row[3:]) for row in latest],
        [StateRow(row[0], row[1], int(row[2]), *row[3:]) for row in states],
    )


async def stations(connection: psycopg.AsyncConnection[Any]) -> list[StationRow]:
    """All stations that have sent anything and were not removed.

    Raises:
        psycopg.Error: there is no answer.
    """
    async with connection.transaction():
        rows = await (await connection.execute(_STATIONS)).fetchall()
    return [StationRow(*row) for row in rows]
