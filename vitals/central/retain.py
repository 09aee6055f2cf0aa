"""What the centre deletes when its time is over: values by whole days, waveforms, the forgotten.

The audit trail and the sessions' facts stay. A day's values are one table of their own, which is
dropped at once: no row is searched for. What a station has deleted of a session with `vitals
sessions forget`, or by its own retention, says a row of its audit trail; it is deleted here, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vitals.central.samples_copy import FARTHEST_US
from vitals.store.retention import DAY_US
from vitals.store.rows import FORGOTTEN

if TYPE_CHECKING:
    from psycopg import Connection

_AROUND = 100_000
PATIENCE = "5s"
"""For a day's table: senders wait behind whoever waits for it."""

_DAYS = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'kap.block'::regclass AND c.relname ~ '^block_[0-9]{8}$' ORDER BY 1
"""
_NOTE = "INSERT INTO kap.retired(what, before_us) VALUES (%s, %s)"
_OLD_FILES = """
DELETE FROM kap.file f USING kap.session s
WHERE s.station = f.station AND s.record = f.record AND s.uuid = f.session
    AND s.state = 'closed' AND s.ended_us < %s
"""
_FORGOTTEN = """
SELECT a.station, a.record, a.session, bool_or(a.body::json ->> 'what' = 'all'),
    s.started_us, coalesce(s.ended_us, s.started_us),
    min((a.body::json ->> 'from_seq')::bigint), max((a.body::json ->> 'to_seq')::bigint),
    (SELECT coalesce(array_agg(channel_id), '{}') FROM kap.channel c
        WHERE c.station = a.station AND c.record = a.record AND c.session = a.session)
FROM kap.audit a JOIN kap.session s
    ON s.station = a.station AND s.record = a.record AND s.uuid = a.session
WHERE a.kind = %s AND a.seq IS NULL
GROUP BY a.station, a.record, a.session, s.started_us, s.ended_us
ORDER BY 1, 2, 3
"""
_FORGET_FILES = "DELETE FROM kap.file WHERE station = %s AND record = %s AND session = %s"
_WITH_SOME = """station = %(station)s AND record = %(record)s
        AND last_seq BETWEEN %(first)s AND %(last)s AND first_us BETWEEN %(from)s AND %(to)s
        AND channel_id && %(channels)s::int[]"""
_ANY_LEFT = f"SELECT EXISTS (SELECT FROM kap.block WHERE {_WITH_SOME})"  # noqa: S608 - our own
_THIN = f"""
WITH old AS (
    DELETE FROM kap.block WHERE {_WITH_SOME}
    RETURNING *
), kept AS (
    SELECT old.last_seq, old.first_us,
        array_agg(u.seq ORDER BY u.at) AS seq, array_agg(u.channel_id ORDER BY u.at) AS channel_id,
        array_agg(u.at_us ORDER BY u.at) AS at_us, array_agg(u.value ORDER BY u.at) AS value,
        array_agg(u.quality ORDER BY u.at) AS quality,
        CASE WHEN old.flags IS NULL THEN NULL ELSE array_agg(u.flags ORDER BY u.at) END AS flags,
        CASE WHEN old.device_at_us IS NULL THEN NULL
            ELSE array_agg(u.device_at_us ORDER BY u.at) END AS device_at_us,
        old.last_us
    FROM old CROSS JOIN LATERAL unnest(old.seq, old.channel_id, old.at_us, old.value, old.quality,
        old.flags, old.device_at_us) WITH ORDINALITY
        AS u(seq, channel_id, at_us, value, quality, flags, device_at_us, at)
    WHERE u.channel_id <> ALL (%(channels)s::int[])
    GROUP BY old.last_seq, old.first_us, old.last_us, old.flags, old.device_at_us
), put AS (
    INSERT INTO kap.block(station, record, last_seq, first_us, last_us, seq, channel_id, at_us,
        value, quality, flags, device_at_us)
    SELECT %(station)s, %(record)s, last_seq, first_us, last_us, seq, channel_id, at_us, value,
        quality, flags, device_at_us FROM kept
    RETURNING cardinality(seq) AS n
)
SELECT coalesce((SELECT sum(cardinality(seq)) FROM old), 0)
    - coalesce((SELECT sum(n) FROM put), 0)
"""  # noqa: S608 - our own


@dataclass(frozen=True, slots=True)
class Retired:
    """What was deleted because of its age."""

    days: tuple[str, ...]
    files: int


@dataclass(frozen=True, slots=True)
class Followed:
    """What was deleted because its station had forgotten it."""

    station: str
    session: str
    values: int
    files: int


def retire(
    connection: Connection[Any], *, now_us: int, days: int | None, waves_days: int | None
) -> Retired:
    """Deletes values of days (UTC) and waveforms of sessions that ended on days longer ago.

    Args:
        connection: of the tables' owner, each statement a transaction of its own.
        now_us: the present time.
        days: for values, and waveforms with them; None: nothing is deleted.
        waves_days: for waveforms, which may go earlier.
    """
    dropped = _drop_days(connection, now_us - days * DAY_US) if days is not None else []
    ages = [age for age in (days, waves_days) if age is not None]
    files = 0
    if ages:
        before_us = (now_us // DAY_US - min(ages)) * DAY_US
        with connection.transaction():
            files = connection.execute(_OLD_FILES, (before_us,)).rowcount
            if files:
                connection.execute(_NOTE, ("waves", before_us))
    return Retired(tuple(dropped), files)


def _drop_days(connection: Connection[Any], before_us: int) -> list[str]:
    """Drops the tables of days that ended before a time, each by itself; returns the days."""
    from psycopg import sql

    dropped = []
    for (table,) in connection.execute(_DAYS).fetchall():
        day = table.removeprefix("block_")
        if _end_of(day) > before_us:
            break
        with connection.transaction():
            connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(PATIENCE)))
            connection.execute(sql.SQL("DROP TABLE kap.{}").format(sql.Identifier(table)))
            connection.execute(_NOTE, ("values", _end_of(day)))
        dropped.append(f"{day[:4]}-{day[4:6]}-{day[6:]}")
    return dropped


def _end_of(day: str) -> int:
    start = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC)
    return int(start.timestamp()) * 1_000_000 + DAY_US


def follow(connection: Connection[Any]) -> Iterator[Followed]:
    """Deletes what stations have forgotten of their sessions, one session after the other."""
    found = connection.execute(_FORGOTTEN, (FORGOTTEN,)).fetchall()
    for station, record, session, whole, started_us, ended_us, first, last, channels in found:
        about = {
            "station": station,
            "record": record,
            "channels": channels,
            "first": first,
            "last": last + _AROUND,  # of the block that the last value is in
            "from": started_us - FARTHEST_US,
            "to": ended_us + FARTHEST_US,
        }
        with connection.transaction():
            files = connection.execute(_FORGET_FILES, (station, record, session)).rowcount
            values = 0
            if whole and channels:
                (left,) = connection.execute(_ANY_LEFT, about).fetchone() or (0,)
                if left:
                    (values,) = connection.execute(_THIN, about).fetchone() or (0,)
        if values or files:
            yield Followed(station, session, int(values), files)
