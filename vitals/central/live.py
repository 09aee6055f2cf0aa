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
_VALUES = {"at_us": "bigint", "value": "double precision", "quality": "smallint"}
_KEYS = {
    "room": "text",
    "channel": "text",
    "device": "text",
    "flags": "text",
    "fresh_s": "real",
    "gone_s": "real",
}
"""What the numbers are of: seldom another than a second ago."""
_NOW = "changed = pg_current_xact_id(), arrived = clock_timestamp()"
_CAME = "RETURNING (extract(epoch FROM arrived) * 1000000)::bigint"
_WHOLE = (
    f"{_QUICK} INSERT INTO kap.latest(station, {', '.join((*_ONE, *_VALUES, *_KEYS))})"  # noqa: S608
    f" SELECT %s{', %s' * len(_ONE)}"
    + "".join(f", %s::{kind}[]" for kind in (*_VALUES.values(), *_KEYS.values()))
    + f" FROM quick ON CONFLICT (station) DO UPDATE SET {_NOW}, keyed = pg_current_xact_id(), "
    + ", ".join(f"{name} = excluded.{name}" for name in (*_ONE, *_VALUES, *_KEYS))
    + f" {_CAME}, keyed::text"
)
_NUMBERS = (
    f"{_QUICK} UPDATE kap.latest SET {_NOW}, {', '.join(f'{name} = %s' for name in _ONE)}, "  # noqa: S608
    + ", ".join(f"{name} = %s::{kind}[]" for name, kind in _VALUES.items())
    + f" FROM quick WHERE station = %s AND keyed = %s::text::xid8 {_CAME}"
)
_ROOMS = (
    f"{_QUICK} INSERT INTO kap.room_state(station, room, label, state)"  # noqa: S608 - ours
    " SELECT %s, r.room, r.label, r.state FROM quick,"
    " unnest(%s::text[], %s::text[], %b::bytea[]) AS r(room, label, state)"
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


class Row:
    """A station's row, as one connection sends it: what the numbers are of only when it changes."""

    def __init__(self, connection: AsyncConnection[Any], station: str) -> None:
        self._connection, self._station = connection, station
        self._keys: list[tuple[object, ...]] = []
        self._keyed = ""

    async def send(self, latest: Latest) -> int:
        """Replaces the row; returns the centre's time at its arrival, microseconds UTC."""
        of = latest.numbers
        one = [getattr(latest, name) for name in _ONE]
        values = [
            arrays.numbers([number.at_us for number in of]),
            arrays.numbers([number.value for number in of]),
            arrays.numbers([_CODES.get(number.quality, len(_CODES) - 1) for number in of]),
        ]
        keys: list[tuple[object, ...]] = [
            (one.room, one.channel, one.device, ",".join(one.flags), one.fresh_s, one.gone_s)
            for one in of
        ]
        if self._keyed and keys == self._keys:
            where = (self._station, self._keyed)
            cursor = await self._connection.execute(_NUMBERS, (*one, *values, *where))
            row = await cursor.fetchone()
            if row is not None:
                return int(row[0])
            # Another sender of this station has said since what its own numbers are of.
        rooms, channels, devices, flags, fresh, gone = zip(*keys, strict=True) if keys else [()] * 6
        told = [*map(arrays.texts, (rooms, channels, devices, flags))]
        told += [*map(arrays.numbers, (fresh, gone))]
        cursor = await self._connection.execute(_WHOLE, (self._station, *one, *values, *told))
        row = await cursor.fetchone()
        if row is None:
            return 0
        self._keys, self._keyed = keys, row[1]
        return int(row[0])


async def send_latest(connection: AsyncConnection[Any], station: str, latest: Latest) -> int:
    """Replaces a station's row, all of it; see `Row.send`."""
    return await Row(connection, station).send(latest)


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
