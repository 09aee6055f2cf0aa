"""The course of an open session up to now, for a page that opens its room.

PostgreSQL makes the buckets, see `vitals.trend`: however long the session, a few hundred rows a
channel come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vitals import wire
from vitals.model import US
from vitals.trend import MAX_BUCKETS, START_WIDTH_US

if TYPE_CHECKING:
    import psycopg

SLACK_US = 3600 * US
"""A block may begin so long before the value that is looked for: values that came late."""

_RECORDS = "SELECT record, started_us FROM kap.session WHERE station = %s AND uuid = %s"
_BUCKETS = """
SELECT channel, (at_us + %(offset)s) / %(width)s * %(width)s AS start, min(value), max(value),
    (array_agg(value ORDER BY at_us DESC))[1]
FROM kap.numeric
WHERE station = %(station)s AND record = ANY(%(records)s) AND session = %(session)s
    AND first_us >= %(since)s - %(slack)s AND at_us >= %(since)s AND quality < 2
    AND value BETWEEN -1e9 AND 1e9  -- neither NULL nor NaN
GROUP BY channel, start ORDER BY channel, start
"""


async def trends(
    connection: psycopg.AsyncConnection[Any],
    station: str,
    session: str,
    offset_us: int,
    now_us: int,
) -> list[wire.TrendMsg]:
    """Everything that is here of a session's numbers.

    Args:
        connection: see `vitals.central.poll.connect`.
        station: id of the station.
        session: uuid.
        offset_us: centre's time − station's; the trends are in centre's time.
        now_us: centre's time.

    Raises:
        psycopg.Error: there is no answer.
    """
    async with connection.transaction():
        cursor = await connection.execute(_RECORDS, (station, session))
        found = await cursor.fetchall()
        if not found:
            return []
        since_us = min(int(started_us) for _, started_us in found)
        width_us = START_WIDTH_US
        while (now_us - since_us - offset_us) // width_us >= MAX_BUCKETS:
            width_us *= 2
        told = {
            "station": station,
            "records": [record for record, _ in found],
            "session": session,
            "since": since_us,
            "offset": offset_us,
            "width": width_us,
            "slack": SLACK_US,
        }
        rows = await (await connection.execute(_BUCKETS, told)).fetchall()
    made: dict[str, wire.TrendMsg] = {}
    for channel, start_us, low, high, last in rows:
        trend = made.setdefault(channel, wire.TrendMsg(channel=channel, width_us=width_us, b=[]))
        trend.b.append((int(start_us), low, high, last))
    return list(made.values())
