"""How far a station has been received, moved in the transaction of what was received.

A sender says from where to where. Who finds it elsewhere has been overtaken, or an answer was lost
and the rows are there: either way nothing is stored, and it reads again and goes on from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from psycopg import AsyncConnection

Lane = Literal["audit", "numeric", "file"]
LANES: tuple[Lane, ...] = ("audit", "numeric", "file")

MOVE = (
    "UPDATE kap.watermark SET n = %(new)s, moved = clock_timestamp()"
    " WHERE station = %(station)s AND record = %(record)s AND lane = %(lane)s AND n = %(old)s"
)
"""Changes one row, or none when the lane is no longer where the sender believes it to be."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Where the lanes of one record are.

    Attributes:
        audit: place in the chain of the last row that is there.
        numeric: `seq` of the last value.
        file: place in the chain up to which closed sessions have their files.
        hash: of the audit row `audit` as it is there, None before the first.
    """

    audit: int = 0
    numeric: int = 0
    file: int = 0
    hash: bytes | None = None


async def read(connection: AsyncConnection[Any], station: str, record: str) -> Marks:
    """Where a record's lanes are; those of a new record begin."""
    await connection.execute(
        "INSERT INTO kap.watermark(station, record, lane) SELECT %s, %s, unnest(%s::text[])"
        " ON CONFLICT DO NOTHING",
        (station, record, list(LANES)),
    )
    cursor = await connection.execute(
        "SELECT max(n) FILTER (WHERE lane = 'audit'), max(n) FILTER (WHERE lane = 'numeric'),"
        " max(n) FILTER (WHERE lane = 'file') FROM kap.watermark"
        " WHERE station = %s AND record = %s",
        (station, record),
    )
    audit, numeric, file = await cursor.fetchone() or (0, 0, 0)
    cursor = await connection.execute(
        "SELECT hash FROM kap.audit WHERE station = %s AND record = %s AND n = %s",
        (station, record, audit),
    )
    found = await cursor.fetchone()
    return Marks(audit, numeric, file, bytes(found[0]) if found else None)


async def move(
    connection: AsyncConnection[Any], station: str, record: str, lane: Lane, old: int, new: int
) -> bool:
    """Moves a lane; False when it was not at `old`: then nothing may be stored."""
    cursor = await connection.execute(
        MOVE, {"station": station, "record": record, "lane": lane, "old": old, "new": new}
    )
    return cursor.rowcount == 1
