"""What a station's rooms show now, on its way to the centre: pure SQL, newest state only.

Nothing here waits for the disk of the centre: whoever loses the connection, or whose server died,
sends everything again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vitals import wire
from vitals.central import arrays
from vitals.store.rows import QUALITIES

if TYPE_CHECKING:
    from psycopg import AsyncConnection

_CODES = {str(quality): code for code, quality in enumerate(QUALITIES)}
# Of this transaction alone, in the same round trip.
_QUICK = "WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))"


@dataclass(frozen=True, slots=True)
class Latest:
    """The station as a whole, and its newest numbers.

    Attributes:
        now_us: the station's clock as this is sent.
        station_live: False when the sender runs and its station does not.
        recording: whether the station's record is being written.
        detail: what is wrong there, in words.
        mode: real, demo or test.
        build: of the station's program.
        lag_rows: recorded, and not at the centre yet.
        lag_s: age of the oldest of them.
        record: name of its record, see `vitals.central.schema`.
        head_n: place of the last row of the record's chain.
        head: hash of that row.
        numbers: of all rooms.
    """

    now_us: int
    station_live: bool = True
    recording: bool = True
    detail: str = ""
    mode: str = "real"
    build: str = ""
    lag_rows: int = 0
    lag_s: float = 0.0
    record: str = ""
    head_n: int = 0
    head: bytes | None = None
    numbers: Sequence[wire.NumericMsg] = ()


_ONE = (
    "now_us", "station_live", "recording", "detail", "mode", "build", "lag_rows", "lag_s",
    "record", "head_n", "head",
)  # fmt: skip
_EACH = {
    "room": "text",
    "channel": "text",
    "device": "text",
    "at_us": "bigint",
    "value": "double precision",
    "quality": "smallint",
    "flags": "text",
    "fresh_s": "real",
    "gone_s": "real",
}
_LATEST = (
    f"{_QUICK} INSERT INTO kap.latest(station, {', '.join((*_ONE, *_EACH))})"  # noqa: S608 - ours
    f" SELECT %s{', %s' * len(_ONE)}{''.join(f', %s::{kind}[]' for kind in _EACH.values())}"
    " FROM quick ON CONFLICT (station) DO UPDATE SET changed = pg_current_xact_id(),"
    " arrived = clock_timestamp(), "
    + ", ".join(f"{name} = excluded.{name}" for name in (*_ONE, *_EACH))
    + " RETURNING (extract(epoch FROM arrived) * 1000000)::bigint"
)
_ROOMS = (
    f"{_QUICK} INSERT INTO kap.room_state(station, room, label, state)"  # noqa: S608 - ours
    " SELECT %s, r.room, r.label, r.state FROM quick,"
    " unnest(%s::text[], %s::text[], %s::bytea[]) AS r(room, label, state)"
    " ON CONFLICT (station, room) DO UPDATE SET changed = pg_current_xact_id(),"
    " label = excluded.label, state = excluded.state, gone = false"
)
_GONE = (
    f"{_QUICK} UPDATE kap.room_state SET changed = pg_current_xact_id(), gone = true"  # noqa: S608
    " FROM quick WHERE station = %s AND NOT gone AND room <> ALL(%s::text[])"
)
_WORDS = (
    f"{_QUICK} UPDATE kap.latest SET changed = pg_current_xact_id(),"  # noqa: S608 - ours
    " arrived = clock_timestamp(), detail = %s FROM quick WHERE station = %s"
)


async def send_latest(connection: AsyncConnection[Any], station: str, latest: Latest) -> int:
    """Replaces a station's row; returns the centre's time at its arrival, microseconds UTC."""
    of = latest.numbers
    each = [
        arrays.texts([one.room for one in of]),
        arrays.texts([one.channel for one in of]),
        arrays.texts([one.device for one in of]),
        arrays.numbers([one.at_us for one in of]),
        arrays.numbers([one.value for one in of]),
        arrays.numbers([_CODES.get(one.quality, len(_CODES) - 1) for one in of]),
        arrays.texts([",".join(one.flags) for one in of]),
        arrays.numbers([one.fresh_s for one in of]),
        arrays.numbers([one.gone_s for one in of]),
    ]
    one = [getattr(latest, name) for name in _ONE]
    cursor = await connection.execute(_LATEST, (station, *one, *each))
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def send_rooms(
    connection: AsyncConnection[Any], station: str, rooms: Mapping[str, tuple[str, bytes]]
) -> None:
    """Replaces the states of rooms: room -> (label, state), the state as `state_of` makes it."""
    await connection.execute(
        _ROOMS,
        (
            *(station, list(rooms)),
            [label for label, _ in rooms.values()],
            [state for _, state in rooms.values()],
        ),
    )


async def send_gone(connection: AsyncConnection[Any], station: str, rooms: Collection[str]) -> None:
    """Says that the station has these rooms and no others."""
    await connection.execute(_GONE, (station, list(rooms)))


async def send_words(connection: AsyncConnection[Any], station: str, detail: str) -> None:
    """Says at the centre why nothing else comes; without effect for who has never sent."""
    await connection.execute(_WORDS, (detail, station))


def state_of(room: wire.RoomMsg) -> bytes:
    """The slow part of a room: everything but its numbers and trends."""
    room.numerics, room.trends = [], []
    return wire.encode(room)
