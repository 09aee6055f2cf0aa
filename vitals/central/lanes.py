"""What stands in a station's record, on its way to the centre: pure SQL, nothing of SQLite.

Two lanes of one record: its audit trail by `n`, its values by `seq`. Each call is one transaction
of at most `MOST` rows, which moves the lane's watermark or does nothing at all; its answer says
which. Rows go up exactly as they stand in the record: the chain's hashes can be computed again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vitals.central import arrays, watermark

if TYPE_CHECKING:
    from psycopg import AsyncConnection

MOST = 500
"""Rows of one transaction."""
DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class AuditLine:
    """A row of the audit trail; `body` is the very text that `hash` covers."""

    n: int
    seq: int | None
    at_us: int
    session: str | None
    room: str
    actor: str
    role: str
    kind: str
    command_id: str | None
    body: str
    prev: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class SessionLine:
    """A session's summary as the newest of the audit rows that are sent tells it."""

    uuid: str
    room: str
    subject_ref: str
    route: str
    mode: str
    phase: str
    started_us: int
    ended_us: int | None
    dose_us: int | None
    tz: str
    state: str
    resumed: int
    profile_text: str
    config_text: str


@dataclass(frozen=True, slots=True)
class ChannelLine:
    """A channel of a session; `channel_id` counts within its record."""

    channel_id: int
    session: str
    device: str
    key: str
    unit: str
    kind: str
    rate_hz: float | None
    mdc: int | None
    loinc: str | None


@dataclass(frozen=True, slots=True)
class Block:
    """Values of one UTC day, by `seq`: columns of one length, at least 1, at most `MOST`.

    Attributes:
        seq: ascending.
        channel_id: of each value.
        at_us: of each value, microseconds UTC.
        value: None where the device had no value.
        quality: index into `vitals.store.rows.QUALITIES`.
        flags: joined by commas.
        device_at_us: None where the device gave none.
    """

    seq: Sequence[int]
    channel_id: Sequence[int]
    at_us: Sequence[int]
    value: Sequence[float | None]
    quality: Sequence[int]
    flags: Sequence[str]
    device_at_us: Sequence[int | None]

    @property
    def day(self) -> int:
        """Days since 1970 of all of its values."""
        return self.at_us[0] // DAY_US


_AUDIT = (
    "INSERT INTO kap.audit(station, record, n, seq, at_us, session, room, actor, role, kind,"
    " command_id, body, prev, hash)"
    " SELECT %s, %s, n, seq, at_us, session, room, actor, role, kind, command_id, body, prev, hash"
    " FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[],"
    " %s::text[], %s::text[], %s::text[], %s::text[], %s::bytea[], %s::bytea[])"
    " AS r(n, seq, at_us, session, room, actor, role, kind, command_id, body, prev, hash)"
    " ORDER BY n"
)
_FACTS = (
    "room", "subject_ref", "route", "mode", "phase", "started_us", "ended_us", "dose_us", "tz",
    "state", "resumed", "profile_text", "config_text",
)  # fmt: skip
_SESSION = (
    f"INSERT INTO kap.session(station, record, uuid, {', '.join(_FACTS)})"  # noqa: S608 - ours
    f" VALUES (%s, %s, %s{', %s' * len(_FACTS)}) ON CONFLICT (station, record, uuid) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _FACTS)
)
_CHANNEL = (
    "INSERT INTO kap.channel(station, record, channel_id, session, device, key, unit, kind,"
    " rate_hz, mdc, loinc) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
    " ON CONFLICT DO NOTHING"
)
_BLOCK = (
    f"WITH moved AS ({watermark.MOVE} RETURNING 1)"  # noqa: S608 - our own text
    " INSERT INTO kap.block(station, record, last_seq, first_us, last_us, seq, channel_id, at_us,"
    " value, quality, flags, device_at_us)"
    " SELECT %(station)s, %(record)s, %(new)s, %(first_us)s, %(last_us)s, %(seq)s::bigint[],"
    " %(channel_id)s::int[], %(at_us)s::bigint[], %(value)s::double precision[],"
    " %(quality)s::smallint[], %(flags)s::text[], %(device_at_us)s::bigint[] FROM moved"
)


async def send_audit(
    connection: AsyncConnection[Any],
    station: str,
    record: str,
    known: int,
    rows: Sequence[AuditLine],
    sessions: Collection[SessionLine] = (),
) -> bool:
    """Appends audit rows `known` + 1, + 2, … and the sessions that they tell of.

    Returns:
        False when the lane is not at `known`: nothing was stored, read the watermark again.

    Raises:
        psycopg.Error: nothing was stored, or the answer was lost.
    """
    async with connection.transaction() as transaction:
        if not await watermark.move(connection, station, record, "audit", known, rows[-1].n):
            transaction.force_rollback = True
            return False
        columns = zip(
            *(
                (
                    *(row.n, row.seq, row.at_us, row.session, row.room, row.actor, row.role),
                    *(row.kind, row.command_id, row.body, row.prev, row.hash),
                )
                for row in rows
            ),
            strict=True,
        )
        await connection.execute(_AUDIT, (station, record, *map(list, columns)))
        for session in sessions:
            values = [getattr(session, name) for name in _FACTS]
            await connection.execute(_SESSION, (station, record, session.uuid, *values))
    return True


async def send_channels(
    connection: AsyncConnection[Any], station: str, record: str, channels: Collection[ChannelLine]
) -> None:
    """Makes channels known; harmless for those that are."""
    async with connection.cursor() as cursor:
        await cursor.executemany(
            _CHANNEL,
            [
                (
                    *(station, record, one.channel_id, one.session, one.device, one.key),
                    *(one.unit, one.kind, one.rate_hz, one.mdc, one.loinc),
                )
                for one in channels
            ],
        )


async def make_day(connection: AsyncConnection[Any], block: Block) -> None:
    """Makes room for the day of a block; harmless where there is."""
    await connection.execute("SELECT kap.make_day(%s)", (block.at_us[0],))


async def send_block(
    connection: AsyncConnection[Any], station: str, record: str, known: int, block: Block
) -> bool:
    """Stores values behind `seq` `known`, in one statement; its day must have been made.

    Returns:
        False when the lane is not at `known`: nothing was stored, read the watermark again.

    Raises:
        psycopg.errors.CheckViolation: the day has not been made, or is gone again.
        psycopg.Error: nothing was stored, or the answer was lost.
    """
    timed = any(at is not None for at in block.device_at_us)
    values: Mapping[str, object] = {
        "station": station,
        "record": record,
        "lane": "numeric",
        "old": known,
        "new": block.seq[-1],
        "first_us": min(block.at_us),
        "last_us": max(block.at_us),
        "seq": arrays.numbers(block.seq),
        "channel_id": arrays.numbers(block.channel_id),
        "at_us": arrays.numbers(block.at_us),
        "value": arrays.numbers(block.value),
        "quality": arrays.numbers(block.quality),
        "flags": arrays.texts(block.flags) if any(block.flags) else None,
        "device_at_us": arrays.numbers(block.device_at_us) if timed else None,
    }
    cursor = await connection.execute(_BLOCK, values)
    return cursor.rowcount == 1
