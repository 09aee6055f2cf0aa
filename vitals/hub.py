"""The hub: the latest state of all rooms, and everyone who wants to know. Loop thread only.

The same class serves the station (its readers are the feed's connections) and the web (its
readers are the pages). A message is encoded once; the web passes the station's bytes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, Literal

from vitals import wire
from vitals.latest import LatestRoom
from vitals.mailbox import CAPS, Key, Mailbox
from vitals.trend import Trend
from vitals.wire.ward import WardRoomState

__all__ = ["Hub", "Mailbox"]

WAVE_SLOTS = 25
"""Newest waveform packets of one room and channel that may wait for a reader."""
PER_ROOM = tuple(CAPS.keys() - {"snapshot", "beat", "feed", "held", "result", "who", "ward"})
"""Kinds of messages that are about one room."""


class Hub:
    """Latest state and subscribers.

    Attributes:
        link: `live`, or `stale` while the web's station is not there.
    """

    def __init__(self, link: Literal["live", "stale"] = "live", *, trends: bool = True) -> None:
        """Knows nothing yet.

        Args:
            link: see `Hub`.
            trends: whether trends of all rooms are kept; else only of those of `keep_trend`.
        """
        self.link = link
        self._trends = trends
        self._rooms: dict[str, LatestRoom] = {}
        self._held: dict[str, wire.HeldMsg] = {}
        self._boxes: set[Mailbox] = set()
        self._of_all: set[Mailbox] = set()
        self._of_room: dict[str, set[Mailbox]] = {}
        self._beat: wire.BeatMsg | None = None
        self._seq = 0
        self._marks = 0
        self._offered: dict[str, Callable[[], Iterable[wire.NumericMsg]]] = {}
        self._waves: dict[tuple[str, str], int] = {}

    def publish(self, message: wire.Down, raw: bytes | None = None) -> None:
        """Takes a message into the state and leaves it for every reader.

        Args:
            message: any of `wire.Down` except Hello, which is between two ends.
            raw: the message as it was received; without it, it is encoded here.
        """
        if isinstance(message, wire.Snapshot):
            self.reset(message, raw)
            return
        room: str = getattr(message, "room", "")
        other = isinstance(message, wire.SessionMsg) and self._room(room).session_id != message.id
        started = bool(room) and self._room(room).apply(message)
        if isinstance(message, wire.BeatMsg):
            self._beat = message
        elif isinstance(message, wire.LinkState):
            self.link = message.state
        elif isinstance(message, wire.HeldMsg):
            self._hold(message)
        elif not isinstance(message, wire.Hello):
            self._seq = max(self._seq, message.seq)
        self._tell(message, raw, started=started, other=other)

    def offer(self, room: str, numbers: Callable[[], Iterable[wire.NumericMsg]]) -> None:
        """New numbers of a room that is there, made when somebody reads it: now, or later.

        Args:
            room: of all of them.
            numbers: makes what is new since it was called last.
        """
        if self._of_all or room in self._of_room or self._rooms[room].keeps_trends:
            self._offered.pop(room, None)
            for message in numbers():
                self.publish(message)
        else:
            self._offered[room] = numbers

    def _shown(self, room: str) -> LatestRoom:
        """A room with all that was offered for it."""
        found = self._rooms[room]
        if room in self._offered:
            for message in self._offered.pop(room)():
                found.apply(message)  # nobody else has read it, or it would have been published
        return found

    def _tell(self, message: wire.Down, raw: bytes | None, *, started: bool, other: bool) -> None:
        """Leaves a message for its readers; without any, it is not even encoded."""
        key = _KEYS[type(message)](self, message)
        room = str(key[1])
        is_wave = key[0] == "wave"
        data = raw
        for box in self._readers(room):
            if is_wave and box.rooms_with_waves is not None and room not in box.rooms_with_waves:
                continue
            if started:
                box.forget(room, "due", "mark", "care")
            if other:
                box.forget_readings(room)
            if data is None:
                data = wire.encode(message)
            box.put(key, data)

    def _readers(self, room: str) -> Iterator[Mailbox]:
        """Mailboxes for what is about a room, or about all (`""`)."""
        if not room:
            return iter(self._boxes)
        return chain(self._of_all, self._of_room.get(room, ()))

    def _enter(self, box: Mailbox) -> None:
        self._boxes.add(box)
        if box.rooms is None:
            self._of_all.add(box)
            return
        for room in box.rooms:
            self._of_room.setdefault(room, set()).add(box)

    def _leave(self, box: Mailbox) -> None:
        self._boxes.discard(box)
        self._of_all.discard(box)
        for room in box.rooms or ():
            readers = self._of_room.get(room, set())
            readers.discard(box)
            if not readers:
                self._of_room.pop(room, None)

    def subscribe(
        self,
        rooms_with_waves: frozenset[str] | None = None,
        rooms: frozenset[str] | None = None,
    ) -> Mailbox:
        """A mailbox that begins with a snapshot and then misses nothing.

        Args:
            rooms_with_waves: rooms whose waveforms are wanted, None for all.
            rooms: rooms that the reader may see at all, None for all.
        """
        # No await between the snapshot and the registration: nothing is lost or sent twice.
        box = Mailbox(rooms_with_waves, rooms)
        box.restart(wire.encode(self.snapshot(rooms)))
        self._enter(box)
        return box

    def show(self, box: Mailbox, rooms: frozenset[str] | None) -> None:
        """Lets a reader see other rooms from now on, beginning with a new snapshot."""
        subscribed = box in self._boxes
        self._leave(box)
        box.rooms = rooms
        box.restart(wire.encode(self.snapshot(rooms)))
        if subscribed:
            self._enter(box)

    def show_more(self, box: Mailbox, rooms: frozenset[str]) -> None:
        """The same for a reader that keeps what it knows: only what is new to it is sent whole."""
        known = box.rooms or frozenset()
        if rooms == known or box not in self._boxes:
            return
        self._leave(box)
        box.rooms = rooms
        self._enter(box)
        for room in sorted(known - rooms):
            box.forget(room, *PER_ROOM)
        for room in sorted(rooms - known):
            if room in self._rooms:
                state = WardRoomState(room=self._shown(room).message())
                box.put(("room", room), wire.encode(state))

    def unsubscribe(self, box: Mailbox) -> None:
        """Ends a subscription; harmless when it has ended already."""
        self._leave(box)
        box.close()

    @property
    def size(self) -> int:
        """How many rooms there are."""
        return len(self._rooms)

    @property
    def subscribers(self) -> int:
        """How many mailboxes are filled."""
        return len(self._boxes)

    def snapshot(self, rooms: frozenset[str] | None = None) -> wire.Snapshot:
        """The present state of everything, or of these rooms alone."""
        if rooms is None:
            shown: Iterable[str] = self._rooms
        elif len(rooms) < len(self._rooms) // 16:  # a few of thousands
            shown = (name for name in sorted(rooms) if name in self._rooms)
        else:
            shown = (name for name in self._rooms if name in rooms)
        return wire.Snapshot(
            seq=self._seq,
            link=self.link,
            beat=self._beat,
            rooms=[self._shown(name).message() for name in shown],
            held=list(self._held.values()),
        )

    def _hold(self, message: wire.HeldMsg) -> None:
        if message.gone:
            self._held.pop(message.id, None)
        else:
            self._held[message.id] = message

    def reset(self, snapshot: wire.Snapshot, raw: bytes | None = None) -> None:
        """Replaces the whole state by a snapshot and sends that to all present readers."""
        self.link = snapshot.link
        self._seq = snapshot.seq
        self._beat = snapshot.beat
        self._offered.clear()
        kept = frozenset(name for name, room in self._rooms.items() if room.keeps_trends)
        self._rooms = {
            room.id: LatestRoom(room, trends=self._trends or room.id in kept)
            for room in snapshot.rooms
        }
        self._held = {held.id: held for held in snapshot.held}
        state = wire.encode(wire.LinkState(state=snapshot.link))
        for box in self._boxes:
            if box.rooms is None:
                raw = wire.encode(snapshot) if raw is None else raw
                box.restart(raw)
            else:
                box.restart(wire.encode(self.snapshot(box.rooms)))
            box.put(("feed", ""), state)

    def configure(self, rooms: list[wire.RoomMsg]) -> None:
        """Sets the rooms and their devices, when the station starts."""
        self.reset(wire.Snapshot(seq=self._seq, link=self.link, beat=self._beat, rooms=rooms))

    def set_link(self, state: Literal["live", "stale"]) -> None:
        """Says whether the station is there; every reader hears of a change."""
        if state != self.link:
            self.publish(wire.LinkState(state=state))

    def trend(self, room: str, channel: str) -> Trend:
        """The trend of a room's channel, for the station to refill after a restart.

        Refill it after the resumed session has been published: a new session clears all trends.
        """
        return self._room(room).trend(channel)

    def follow(self, room: str, to: str) -> None:
        """A session has moved: its trends and its time line go along; pages begin anew with it."""
        self._room(to).follow(self._room(room))
        self.reset(self.snapshot())

    def place(self, room: wire.RoomMsg, changes: Iterable[wire.Down] | None = None) -> None:
        """A room is there, or is another one than before; the trends of its session go on.

        Args:
            room: all of it, but for the trends.
            changes: what leads its readers there; None: they begin anew with a snapshot.
        """
        known = self._rooms.get(room.id)
        new = LatestRoom(room, trends=self._trends)
        if known is not None:
            new.go_on(known)
        self._rooms[room.id] = new
        if changes is None:
            self._restart(room.id)
            return
        before = known.session_id if known else ""
        for message in changes:
            other = isinstance(message, wire.SessionMsg) and message.id != before
            started = other and bool(new.session_id)
            self._tell(message, None, started=started, other=other)

    def remove(self, room: str) -> None:
        """A room is no longer there; harmless when it was not."""
        self._offered.pop(room, None)
        if self._rooms.pop(room, None) is not None:
            self._restart(room)

    def keep_trend(self, room: str, wanted: bool) -> None:
        """Begins, or ends, to keep a room's trends in a hub that does not keep those of all."""
        if room in self._rooms:
            self._shown(room).keep_trends(wanted or self._trends)

    def fill_trend(self, room: str, session: str, trends: Iterable[wire.TrendMsg]) -> None:
        """Adds what is known of a session's past, if the room is still in it."""
        if room in self._rooms and self._rooms[room].session_id == session:
            for trend in trends:
                self._rooms[room].trend(trend.channel).absorb(trend)
            self._restart(room)

    def _restart(self, room: str) -> None:
        """Readers of a room begin anew."""
        for box in list(self._readers(room)):
            box.restart(wire.encode(self.snapshot(box.rooms)))

    def _room(self, room: str) -> LatestRoom:
        if room not in self._rooms:
            self._rooms[room] = LatestRoom(wire.RoomMsg(id=room, label=room), trends=self._trends)
        return self._rooms[room]

    def _wave_key(self, m: wire.WaveMsg) -> Key:
        slot = (self._waves.get((m.room, m.channel), -1) + 1) % WAVE_SLOTS
        self._waves[m.room, m.channel] = slot
        return ("wave", m.room, m.channel, slot)

    def _mark_key(self, m: wire.MarkMsg) -> Key:
        self._marks += 1
        return ("mark", m.room, self._marks)


_KEYS: dict[type, Callable[[Hub, Any], Key]] = {
    wire.NumericMsg: lambda _, m: ("numeric", m.room, m.channel, m.device),
    wire.WaveMsg: Hub._wave_key,
    wire.NoticeMsg: lambda _, m: ("notice", m.room, m.device, m.code),
    wire.LinkMsg: lambda _, m: ("link", m.room, m.device),
    wire.DeviceStatusMsg: lambda _, m: ("device", m.room, m.device),
    wire.IdentifyMsg: lambda _, m: ("identify", m.room, m.device),
    wire.AlarmMsg: lambda _, m: ("alarm", m.room, m.rule),
    wire.DueMsg: lambda _, m: ("due", m.room, m.what),
    wire.SessionMsg: lambda _, m: ("session", m.room),
    wire.MarkMsg: Hub._mark_key,
    wire.CareMsg: lambda _, m: ("care", m.room),
    wire.HeldMsg: lambda _, m: ("held", "", m.id),
    wire.ResultMsg: lambda _, m: ("result", "", m.id),
    wire.BeatMsg: lambda _, m: ("beat", ""),
    wire.LinkState: lambda _, m: ("feed", ""),
}
"""What a message replaces while it waits: (kind, room or "", …)."""
