"""One station as the centre has it: its rows made into the rooms of a hub and of the ward.

No IO: rows come in, the hub and the ward are told. All times that go out are the centre's.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

import msgspec
from msgspec.structs import replace

from vitals import wire
from vitals.central.clock_offset import ClockOffset
from vitals.central.poll import KeysRow, LatestRow, StateRow, StationRow
from vitals.central.room_changes import changes, of_station, room_id
from vitals.central.status import CLOCK_FAR_S, CLOCK_S, how_long
from vitals.central.ward import LOST_S, StationFacts, Ward, facts_of
from vitals.channels import NIBP
from vitals.config import SPARE
from vitals.hub import Hub
from vitals.model import US

LAG_S = 60.0
"""Recorded rows that are longer under way are spoken of."""
_QUALITY = ("good", "questionable", "invalid")

_Key = tuple[str, str]
"""Channel and device, of a room."""
_Value = tuple[int, float | None, int]
"""at_us, value, quality: as the station said it."""
_How = tuple[str, float, float | None]
"""flags, fresh_s, gone_s."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Room:
    """What was said of a room last.

    Attributes:
        id: what it is called at the centre.
        state: its state as it came; None while only numbers have come.
        shown: that state as the pages have it, without numbers; None when there is none.
        at: where its numbers are in the station's row.
        raw: its numbers as they were when somebody looked last.
        numerics: these as the pages have them.
    """

    id: str
    changed: int = -1
    state: bytes | None = None
    shown: wire.RoomMsg | None = None
    at: list[int] = field(default_factory=list)
    raw: dict[_Key, tuple[_Value, _How]] = field(default_factory=dict)
    numerics: dict[_Key, wire.NumericMsg] = field(default_factory=dict)


class StationRooms:
    """Folds one station's rows.

    Attributes:
        offset: its clock.
        ignored: states that this version cannot read.
    """

    def __init__(self, row: StationRow, hub: Hub, ward: Ward) -> None:
        self.offset = ClockOffset()
        self.ignored = 0
        self._row = row
        self._hub = hub
        self._ward = ward
        self._latest: LatestRow | None = None
        self._heard_us = 0
        self._rooms: dict[str, _Room] = {}
        self._keys: KeysRow | None = None
        self._applied: KeysRow | None = None
        self._of: list[tuple[_Room, _Key, _How]] = []
        self._values: list[_Value] = []
        self._tell_ward()

    @property
    def id(self) -> str:
        """The station."""
        return self._row.id

    def begin(self, *, other_clock: bool = False) -> None:
        """Everything comes again: what came before need not be there.

        Args:
            other_clock: from a server that may have another time.
        """
        if other_clock:
            self.offset = ClockOffset()
        self._latest = self._latest and self._latest._replace(changed=-1)
        for room in self._rooms.values():
            room.changed = -1

    def unseen(self) -> None:
        """Drops the rooms that nothing was said of since `begin`."""
        for name in [name for name, room in self._rooms.items() if room.changed < 0]:
            self._drop(name)

    def named(self, row: StationRow) -> None:
        """Its name, site and clinic, which may be changed."""
        self._row = row
        self._tell_ward()

    def end(self) -> None:
        """The station was removed."""
        for name in list(self._rooms):
            self._drop(name)
        self._ward.forget_station(self.id)

    def hear(self, row: LatestRow) -> int:
        """Takes its newest numbers; how many of them are new."""
        if self._latest is not None and row.changed == self._latest.changed:
            return 0
        self._latest = row
        moved = self.offset.hear(row.arrived_us, row.now_us)
        offset_us = self.offset.now_us or 0
        if row.station_live:
            self._heard_us = row.now_us + offset_us
        elif not self._heard_us:
            newest_us = max(row.at_us, default=0)
            self._heard_us = newest_us + offset_us if newest_us else row.arrived_us - 2 * _LOST_US
        self._tell_ward()
        count = self._numbers(row)
        if moved:
            for room in self._rooms.values():
                self._show(room, anew=True)
        return count

    def keys(self, row: KeysRow) -> None:
        """Takes what the numbers are of from the next row on, which comes with it."""
        self._keys = row

    def tell(self, row: StateRow) -> None:
        """Takes the state of one of its rooms."""
        if row.room == SPARE:
            return
        room = self._rooms.setdefault(row.room, _Room(room_id(self.id, row.room)))
        if row.changed == room.changed:
            return
        room.changed = row.changed
        if row.gone:
            self._drop(row.room)
        elif row.state != room.state:
            room.state = row.state
            self._show(room)

    def _show(self, room: _Room, *, anew: bool = False) -> None:
        if room.state is None:
            return
        try:
            shown = of_station(room.state, self.id, self.offset.kept_us)
            if shown.id != room.id:
                raise ValueError(shown.id)
        except (msgspec.MsgspecError, UnicodeDecodeError, TypeError, ValueError):
            if not self.ignored:
                log.warning("station %s sends rooms that this version cannot read", self.id)
            self.ignored += 1
            return
        for _ in self._made(room):
            pass
        before = room.shown
        if before is not None and _session(before) != _session(shown):
            # The next patient must not begin with the last one's blood pressure.
            for key in [key for key in room.numerics if key[0] in NIBP]:
                del room.numerics[key]
        told = None
        if before is not None and not anew:
            told = changes(before, shown, (self._latest.arrived_us if self._latest else 0))
        room.shown = shown
        self._hub.place(replace(shown, numerics=list(room.numerics.values())), told)
        self._ward.room(shown.id, self.id, facts_of(shown))

    def _numbers(self, row: LatestRow) -> int:
        """Takes the values; messages are made of them only where somebody reads them."""
        keys = self._keys
        if keys is None or keys.keyed != row.keyed:
            return 0
        if len({len(each) for each in (row.at_us, row.value, row.quality, *keys[2:])}) > 1:
            return 0  # not written by a sender of ours
        values = list(zip(row.at_us, row.value, row.quality, strict=True))
        if keys is not self._applied:
            return self._apply(keys, values)
        new = [i for i, value in enumerate(values) if value != self._values[i]]
        self._values = values
        self._offer({self._of[i][0].id: self._of[i][0] for i in new}.values())
        return len(new)

    def _apply(self, keys: KeysRow, values: list[_Value]) -> int:
        """The numbers are of something else from now on; how many are new."""
        before = {
            (room.id, key): value
            for (room, key, _), value in zip(self._of, self._values, strict=True)
        }
        self._applied, self._values, self._of = keys, values, []
        for room in self._rooms.values():
            room.at = []
        how = zip(keys.flags, keys.fresh_s, keys.gone_s, strict=True)
        each = zip(keys.room, keys.channel, keys.device, how, strict=True)
        for i, (name, channel, device, kept) in enumerate(each):
            room = self._rooms.setdefault(name, _Room(room_id(self.id, name)))
            room.at.append(i)
            self._of.append((room, (channel, device), kept))
        self._offer(self._rooms.values())
        for room in self._rooms.values():
            left = room.raw.keys() - {self._of[i][1] for i in room.at}
            for key in left:
                del room.raw[key]
                room.numerics.pop(key, None)
            if left:
                self._show(room, anew=True)
        return sum(
            before.get((room.id, key)) != value
            for (room, key, _), value in zip(self._of, values, strict=True)
        )

    def _offer(self, rooms: Iterable[_Room]) -> None:
        for room in rooms:
            if room.shown is not None:
                self._hub.offer(room.id, partial(self._made, room))

    def _made(self, room: _Room) -> Iterator[wire.NumericMsg]:
        """Messages of what is new in a room since it was asked for last."""
        offset_us = self.offset.now_us or 0
        for i in room.at:
            _, key, how = self._of[i]
            value = self._values[i]
            if room.raw.get(key) == (value, how):
                continue
            room.raw[key] = value, how
            at_us, number, quality = value
            flags, fresh_s, gone_s = how
            room.numerics[key] = message = wire.NumericMsg(
                room=room.id,
                channel=key[0],
                device=key[1],
                at_us=at_us + offset_us,
                value=number,
                quality=_QUALITY[quality] if 0 <= quality < len(_QUALITY) else "invalid",
                flags=flags.split(",") if flags else [],
                fresh_s=fresh_s,
                gone_s=gone_s,
            )
            yield message

    def _drop(self, name: str) -> None:
        room = self._rooms.pop(name)
        room.shown = None
        self._applied = None  # it may come back as another one
        self._hub.remove(room.id)
        self._ward.forget(room.id)

    def _tell_ward(self) -> None:
        station = self._row
        self._ward.station(
            StationFacts(
                id=station.id,
                name=station.name,
                site=station.site,
                clinic=station.clinic,
                heard_us=self._heard_us,
                words=tuple(self.words()),
            )
        )

    def words(self) -> list[str]:
        """What is wrong there, one sentence each."""
        row = self._latest
        if row is None:
            return ["nothing has come from this station yet"]
        told = []
        if not row.station_live:
            told.append("the station's program does not run there; look at the station")
        if not row.recording:
            told.append("NOT RECORDING at the station")
        if row.detail:
            told.append(row.detail)
        if self.offset.now_us is not None and (why := clock_words(self.offset.now_us)):
            told.append(why)
        if row.lag_rows and row.lag_s > LAG_S:
            told.append(f"its record is {round(row.lag_s / 60)} min behind here")
        if row.mode != "real":
            told.append(f"{row.mode} mode: no patients")
        return told


_LOST_US = round(LOST_S * US)


def clock_words(offset_us: int) -> str:
    """What a person is told of a station's clock, `""` when it is right.

    Args:
        offset_us: centre's time − station's.
    """
    off_s = abs(offset_us) / US
    way = "behind" if offset_us > 0 else "ahead"
    if off_s <= CLOCK_S:
        return ""
    if off_s <= CLOCK_FAR_S:
        return f"its clock is {how_long(off_s)} {way}; set it"
    return f"ITS CLOCK IS {how_long(off_s)} {way.upper()}: its record bears wrong times; set it"


def _session(room: wire.RoomMsg) -> str:
    return room.session.id if room.session else ""
