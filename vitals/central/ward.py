"""All rooms of all stations, and which of them a page shows: the worst first.

Pure: time is an argument, and so is what is heard. Ten thousand rooms are asked for in
milliseconds, since what is asked of all of them stands in arrays, in the order of site, clinic,
station and label; only the rooms of the answer are looked at one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vitals import wire
from vitals.model import US
from vitals.wire.ward import (
    MOST,
    Heard,
    WardClinic,
    WardCounts,
    WardMsg,
    WardQuestion,
    WardRoom,
    WardSite,
    WardStation,
)

STALE_S, LOST_S = 3.0, 10.0
"""A station that has not been heard for longer is stale, then lost."""

ALARM, DUE, OPEN, LOST = 1, 2, 4, 8
_ONLY = {"all": 0, "alarm": ALARM, "due": DUE, "open": OPEN, "lost": LOST}

RANK = {"high": 3, "medium": 2, "low": 1}
"""Priorities that are alarms; an annotation is none."""
PRESENT = frozenset({"active", "latched"})
OWED = {"overdue": 4, "due": 3}
"""What an owed reading or act adds to a room's urgency."""
A_SESSION = 2
WHOLE = ":*"
"""Behind a station's id in a grant: all its rooms, those that come later, too."""
MOST_GRANTS = 64
"""Different sets of permitted rooms that are remembered."""
LOST_ALONE, LOST_IN_SESSION = 1, 65
"""The urgency of a room that is not heard: with a patient between high and medium alarms."""


@dataclass(frozen=True, slots=True)
class RoomFacts:
    """What a room's place in the order depends on.

    Attributes:
        alarm: 2 × rank of the worst alarm, + 1 if somebody has acknowledged it, else + 2; 0 = none.
        priority: of that alarm, `""` for none.
        phase: of the open session, `""` without one.
        subject: the session's pseudonym.
    """

    label: str
    alarm: int = 0
    priority: str = ""
    acked: bool = False
    phase: str = ""
    subject: str = ""
    due: int = 0
    overdue: int = 0

    @property
    def flags(self) -> int:
        """The bits of `ALARM`, `DUE`, `OPEN`."""
        owed = DUE if self.due or self.overdue else 0
        return (ALARM if self.alarm else 0) | owed | (OPEN if self.phase else 0)

    @property
    def urgency(self) -> int:
        """The larger, the sooner somebody should look."""
        owed = OWED["overdue"] if self.overdue else OWED["due"] if self.due else 0
        return 10 * self.alarm + owed + (A_SESSION if self.phase else 0)


def facts_of(room: wire.RoomMsg) -> RoomFacts:
    """What the ward needs to know of a room; the same judgement as every page's."""
    worst, of = 0, None
    for alarm in room.alarms:
        if alarm.condition in PRESENT and alarm.priority in RANK:
            rank = 0 if alarm.silent else RANK[alarm.priority]
            score = 2 * rank + (1 if alarm.acked_by else 2)
            if score > worst:
                worst, of = score, alarm
    session = room.session
    is_open = session is not None and bool(session.id) and session.ended_us is None
    owed = [due.state for due in room.due] if is_open else []
    return RoomFacts(
        label=room.label or room.id,
        alarm=worst,
        priority=of.priority if of else "",
        acked=bool(of and of.acked_by),
        phase=(session.phase or "open") if session is not None and is_open else "",
        subject=session.subject_ref if session is not None and is_open else "",
        due=owed.count("due"),
        overdue=owed.count("overdue"),
    )


@dataclass(frozen=True, slots=True)
class StationFacts:
    """A station as the centre knows it.

    Attributes:
        heard_us: centre time when it was last heard; 0 = never.
        words: what is wrong there, one sentence each.
    """

    id: str
    name: str
    site: str
    clinic: str
    heard_us: int = 0
    words: tuple[str, ...] = ()

    def link(self, now_us: int) -> tuple[Heard, int]:
        """Whether it is heard, and its age as it is told: 0 while it is live."""
        age_s = (now_us - self.heard_us) / US
        if age_s <= STALE_S:
            return "live", 0
        whole = int(age_s)
        return "stale" if age_s <= LOST_S else "lost", whole if whole < 60 else whole // 60 * 60


@dataclass(slots=True)
class _Columns:
    """Everything about all rooms, in the order in which they stand when nothing is the matter."""

    ids: list[str]
    words: list[str]
    index: dict[str, int]
    stations: list[str]
    station: NDArray[np.intp]
    places: list[tuple[str, str]]
    place: NDArray[np.intp]
    flags: NDArray[np.uint8]
    urgency: NDArray[np.int32]
    may: dict[frozenset[str], NDArray[np.bool_]] = field(default_factory=dict)


class Ward:
    """The index of all rooms.

    Attributes:
        version: another one whenever an answer may be another one for more reasons than time.
    """

    def __init__(self) -> None:
        self.version = 0
        self._stations: dict[str, StationFacts] = {}
        self._rooms: dict[str, tuple[str, RoomFacts]] = {}
        self._columns: _Columns | None = None

    def __contains__(self, room: str) -> bool:
        return room in self._rooms

    def station(self, station: StationFacts) -> None:
        """Takes what is known of a station; what was heard before it was known is kept apart."""
        known = self._stations.get(station.id)
        if known == station:
            return
        self._stations[station.id] = station
        if known is None or _place(known) != _place(station):
            self._columns = None
        if known is None or known.words != station.words or _place(known) != _place(station):
            self.version += 1

    def room(self, id_: str, station: str, facts: RoomFacts) -> None:
        """Takes what is known of a room; its station must be known.

        Raises:
            KeyError: it is not.
        """
        known = self._rooms.get(id_)
        if known == (station, facts):
            return
        self._stations[station]
        self._rooms[id_] = station, facts
        self.version += 1
        columns = self._columns
        if columns is None:
            return
        if known is None or known[0] != station or known[1].label != facts.label:
            self._columns = None
            return
        at = columns.index[id_]
        columns.flags[at], columns.urgency[at] = facts.flags, facts.urgency
        if known[1].subject != facts.subject:
            columns.words[at] = self._words(id_)

    def forget(self, room: str) -> None:
        """A room is no longer there; harmless when it was not."""
        if self._rooms.pop(room, None) is not None:
            self._columns = None
            self.version += 1

    def granted(self, may: frozenset[str] | None) -> frozenset[str] | None:
        """The rooms of a grant, None for all; what stands for a whole station stays in it."""
        stations = {each.removesuffix(WHOLE) for each in may or () if each.endswith(WHOLE)}
        if may is None or not stations:
            return may
        return may | {room for room, (of, _) in self._rooms.items() if of in stations}

    def links(self, now_us: int) -> Counter[Heard]:
        """How many stations are live, stale and lost."""
        return Counter(station.link(now_us)[0] for station in self._stations.values())

    def forget_station(self, station: str) -> None:
        """A station is no longer there, nor are its rooms."""
        for room in [room for room, (of, _) in self._rooms.items() if of == station]:
            self.forget(room)
        if self._stations.pop(station, None) is not None:
            self._columns = None
            self.version += 1

    def answer(
        self, asked: WardQuestion, now_us: int, may: frozenset[str] | None = None
    ) -> WardMsg:
        """What a page is told.

        Args:
            asked: its question; `limit` is cut to `MOST`.
            now_us: centre time.
            may: ids of the rooms that may be seen, None for all.
        """
        table = self._table()
        links = {name: self._stations[name].link(now_us) for name in table.stations}
        lost = np.array([links[name][0] == "lost" for name in table.stations], bool)[table.station]
        flags = table.flags | (lost * np.uint8(LOST))
        seen = self._may(table, may)
        left = self._left(table, asked, seen)
        found = left[(flags[left] & _ONLY[asked.only]) == _ONLY[asked.only]]
        in_session = (flags[found] & OPEN) != 0
        least = np.where(lost[found], np.where(in_session, LOST_IN_SESSION, LOST_ALONE), 0)
        urgency = np.maximum(table.urgency[found], least)
        worst = found[np.argsort(-urgency, kind="stable")]
        first = max(0, asked.offset)
        ids = [table.ids[i] for i in worst[first : first + max(0, min(asked.limit, MOST))]]
        rooms = [self._shown(id_, links) for id_ in ids]
        return WardMsg(
            asked=asked,
            total=len(found),
            counts=_counts(flags[left]),
            sites=_sites(table, flags, seen),
            rooms=rooms,
            stations={room.station: self._told(room) for room in rooms},
        )

    def alone(self, room: str, now_us: int) -> WardMsg:
        """The answer for a page that has opened one room; nothing when it is not there."""
        rooms: list[WardRoom] = []
        if room in self._rooms:
            station = self._rooms[room][0]
            rooms = [self._shown(room, {station: self._stations[station].link(now_us)})]
        return WardMsg(
            asked=WardQuestion(),
            total=len(rooms),
            counts=WardCounts(all=len(rooms)),
            sites=[],
            rooms=rooms,
            stations={room.station: self._told(room) for room in rooms},
        )

    def _shown(self, id_: str, links: dict[str, tuple[Heard, int]]) -> WardRoom:
        name, facts = self._rooms[id_]
        station = self._stations[name]
        link, age_s = links[name]
        return WardRoom(
            id=id_,
            label=facts.label,
            site=station.site,
            clinic=station.clinic,
            station=name,
            link=link,
            age_s=age_s,
        )

    def _told(self, room: WardRoom) -> WardStation:
        station = self._stations[room.station]
        return WardStation(
            name=station.name, link=room.link, age_s=room.age_s, words=list(station.words)
        )

    def _words(self, id_: str) -> str:
        """What is searched for words."""
        name, facts = self._rooms[id_]
        station = self._stations[name]
        place = (station.name, station.clinic, station.site)
        return "\n".join((id_, facts.label, *place, facts.subject)).casefold()

    def _table(self) -> _Columns:
        if self._columns is not None:
            return self._columns
        stations = sorted(self._stations.values(), key=_place)
        order = {station.id: i for i, station in enumerate(stations)}
        places = sorted({(station.site, station.clinic) for station in stations})
        number = {place: i for i, place in enumerate(places)}
        place_of = [number[station.site, station.clinic] for station in stations]
        ids = sorted(
            self._rooms,
            key=lambda id_: (order[self._rooms[id_][0]], _natural(self._rooms[id_][1].label), id_),
        )
        at = [order[self._rooms[id_][0]] for id_ in ids]
        self._columns = _Columns(
            ids=ids,
            words=[self._words(id_) for id_ in ids],
            index={id_: i for i, id_ in enumerate(ids)},
            stations=[station.id for station in stations],
            station=np.array(at, np.intp),
            places=places,
            place=np.array([place_of[i] for i in at], np.intp),
            flags=np.array([self._rooms[id_][1].flags for id_ in ids], np.uint8),
            urgency=np.array([self._rooms[id_][1].urgency for id_ in ids], np.int32),
        )
        return self._columns

    def _may(self, table: _Columns, may: frozenset[str] | None) -> NDArray[np.bool_]:
        if may is None:
            return np.ones(len(table.ids), bool)
        if may not in table.may:
            if len(table.may) >= MOST_GRANTS:
                table.may.clear()
            granted = self.granted(may) or frozenset()
            table.may[may] = np.array([id_ in granted for id_ in table.ids], bool)
        return table.may[may]

    def _left(
        self, table: _Columns, asked: WardQuestion, seen: NDArray[np.bool_]
    ) -> NDArray[np.intp]:
        """Rooms that site, clinic and words leave."""
        wanted = [
            asked.site in ("", site) and asked.clinic in ("", clinic)
            for site, clinic in table.places
        ]
        left = np.flatnonzero(seen & np.array(wanted, bool)[table.place])
        for word in asked.q.casefold().split():
            left = np.array([i for i in left if word in table.words[i]], np.intp)
        return left


def _place(station: StationFacts) -> tuple[str, str, str, str]:
    return station.site, station.clinic, station.name, station.id


def _natural(label: str) -> tuple[tuple[int, str], ...]:
    """`Room 2` before `Room 10`."""
    return tuple(
        (int(word), "") if word.isascii() and word.isdigit() and len(word) < 10 else (-1, word)
        for word in label.casefold().split()
    )


def _counts(flags: NDArray[np.uint8]) -> WardCounts:
    return WardCounts(
        all=len(flags),
        **{only: int(np.count_nonzero(flags & bit)) for only, bit in _ONLY.items() if bit},
    )


def _sites(table: _Columns, flags: NDArray[np.uint8], seen: NDArray[np.bool_]) -> list[WardSite]:
    def count(chosen: NDArray[np.bool_]) -> list[int]:
        counted: list[int] = np.bincount(table.place[chosen], minlength=len(table.places)).tolist()
        return counted

    rooms = count(seen)
    of = {only: count(seen & ((flags & bit) != 0)) for only, bit in _ONLY.items() if bit}
    sites: dict[str, WardSite] = {}
    for i, (site, clinic) in enumerate(table.places):
        if not rooms[i]:
            continue
        here = {only: counts[i] for only, counts in of.items()}
        all_of = sites.setdefault(site, WardSite(site=site, rooms=0, alarm=0, lost=0))
        all_of.clinics.append(WardClinic(clinic=clinic, rooms=rooms[i], **here))
        all_of.rooms += rooms[i]
        for only, n in here.items():
            setattr(all_of, only, getattr(all_of, only) + n)
    return list(sites.values())


def ids(rooms: Iterable[WardRoom]) -> frozenset[str]:
    """The ids of rooms that are shown."""
    return frozenset(room.id for room in rooms)
