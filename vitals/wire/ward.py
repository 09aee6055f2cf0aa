"""At the centre alone: which rooms a page shows, among thousands.

The page asks with `WardQuestion`, as often as its question changes, and is answered by `WardMsg`
at once, then whenever the answer is another one, at most once a second. The rooms of the newest
answer are the ones whose state flows to the page: a snapshot of these comes before an answer that
names others. While the question is the same, a page that takes it (`adds`) gets a `WardRoomState`
of each room that is new instead, and may forget those that are not named any more.

A page of one room names it as the room whose waveforms it wants (`waves`), as everywhere; there
are none, but it gets that room, and an answer with it alone.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from vitals.wire.ends import RoomMsg

Only = Literal["all", "alarm", "due", "open", "lost"]
Heard = Literal["live", "stale", "lost"]
MOST = 200
"""Rooms on one page."""


class WardQuestion(
    msgspec.Struct, tag_field="t", tag="ward", kw_only=True, frozen=True, omit_defaults=True
):
    """Up. `q`: words that all must be in a room's id, label, station, clinic, site or pseudonym.

    `only`: `alarm` (present, acknowledged or not), `due` (something is due or overdue), `open` (a
    session), `lost` (not heard).
    """

    site: str = ""
    clinic: str = ""
    q: str = ""
    only: Only = "all"
    offset: int = 0
    limit: int = MOST
    adds: bool = False


class WardCounts(msgspec.Struct, kw_only=True):
    """Rooms under each `only`, of those that site, clinic and words leave."""

    all: int = 0
    alarm: int = 0
    due: int = 0
    open: int = 0
    lost: int = 0


class WardClinic(msgspec.Struct, kw_only=True):
    """A clinic of a site, counted over all its rooms that may be seen."""

    clinic: str
    rooms: int
    alarm: int
    lost: int
    open: int = 0
    due: int = 0


class WardSite(msgspec.Struct, kw_only=True):
    """A site, and its clinics in the order of their names."""

    site: str
    rooms: int
    alarm: int
    lost: int
    open: int = 0
    due: int = 0
    clinics: list[WardClinic] = []


class WardRoom(msgspec.Struct, kw_only=True):
    """A room that is shown; its state comes with the snapshot.

    `link`: `stale` after 3 s, `lost` after 10 s without its station. `age_s`: seconds since its
    station was heard, whole minutes from the first minute on; 0 while it is `live`.
    """

    id: str
    label: str
    site: str
    clinic: str
    station: str
    link: Heard
    age_s: int


class WardStation(msgspec.Struct, kw_only=True):
    """A station of a room that is shown; `words`: what is wrong there, one sentence each."""

    name: str
    link: Heard
    age_s: int
    words: list[str] = []


class WardMsg(msgspec.Struct, tag_field="t", tag="ward", kw_only=True):
    """Down: the answer, the worst room first.

    `asked`: the question that this answers. `total`: rooms that it leaves, of which `rooms` are
    those from `offset` on, at most `limit`. `sites`: everything that may be seen, whatever was
    asked. `stations`: id -> of each room in `rooms`. `trouble`: why the database does not answer
    just now, one sentence; `""` while it does.
    """

    asked: WardQuestion
    total: int
    counts: WardCounts
    sites: list[WardSite]
    rooms: list[WardRoom]
    stations: dict[str, WardStation]
    trouble: str = ""


class WardRoomState(msgspec.Struct, tag_field="t", tag="room", kw_only=True):
    """Down: all of a room that is shown from now on, beside those that are shown already."""

    room: RoomMsg
