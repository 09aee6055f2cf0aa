"""One station as the centre has it: its rows made into the rooms of a hub and of the ward.

No IO: rows come in, the hub and the ward are told. All times that go out are the centre's.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import replace

from vitals import wire
from vitals.central.clock_offset import ClockOffset
from vitals.central.poll import LatestRow, StateRow, StationRow
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

_Value = tuple[int, float | None, int, str, float, float | None]
"""at_us, value, quality, flags, fresh_s, gone_s: as the station said it."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Room:
    """What was said of a room last.

    Attributes:
        id: what it is called at the centre.
        state: its state as it came; None while only numbers have come.
        shown: that state as the pages have it, without numbers; None when there is none.
    """

    id: str
    changed: int = -1
    state: bytes | None = None
    shown: wire.RoomMsg | None = None
    raw: dict[tuple[str, str], _Value] = field(default_factory=dict)
    numerics: dict[tuple[str, str], wire.NumericMsg] = field(default_factory=dict)


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
        count = self._numbers(row, offset_us)
        if moved:
            for room in self._rooms.values():
                self._show(room, anew=True)
        return count

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
        before = room.shown
        if before is not None and _session(before) != _session(shown):
            # The next patient must not begin with the last one's blood pressure.
            for key in [key for key in room.raw if key[0] in NIBP]:
                del room.raw[key], room.numerics[key]
        told = None
        if before is not None and not anew:
            told = changes(before, shown, (self._latest.arrived_us if self._latest else 0))
        room.shown = shown
        self._hub.place(replace(shown, numerics=list(room.numerics.values())), told)
        self._ward.room(shown.id, self.id, facts_of(shown))

    def _numbers(self, row: LatestRow, offset_us: int) -> int:
        count = 0
        seen: dict[str, set[tuple[str, str]]] = {}
        for name, channel, device, *value in zip(
            row.room,
            row.channel,
            row.device,
            row.at_us,
            row.value,
            row.quality,
            row.flags,
            row.fresh_s,
            row.gone_s,
            strict=False,
        ):
            room = self._rooms.get(name)
            if room is None:
                room = self._rooms.setdefault(name, _Room(room_id(self.id, name)))
            key, raw = (channel, device), tuple(value)
            seen.setdefault(name, set()).add(key)
            if room.raw.get(key) == raw:
                continue
            room.raw[key] = raw
            at_us, number, quality, flags, fresh_s, gone_s = raw
            message = wire.NumericMsg(
                room=room.id,
                channel=channel,
                device=device,
                at_us=at_us + offset_us,
                value=number,
                quality=_QUALITY[quality] if 0 <= quality < len(_QUALITY) else "invalid",
                flags=flags.split(",") if flags else [],
                fresh_s=fresh_s,
                gone_s=gone_s,
            )
            room.numerics[key] = message
            if room.shown is not None:
                self._hub.publish(message)
                count += 1
        for name, room in self._rooms.items():
            left = room.raw.keys() - seen.get(name, set())
            for key in left:
                del room.raw[key], room.numerics[key]
            if left:
                self._show(room, anew=True)
        return count

    def _drop(self, name: str) -> None:
        room = self._rooms.pop(name)
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
