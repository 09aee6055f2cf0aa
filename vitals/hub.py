"""The hub: the latest state of all rooms, and everyone who wants to know. Loop thread only.

The same class serves the station (its readers are the feed's connections) and the web (its
readers are the pages). A message is encoded once; the web passes the station's bytes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from vitals import wire
from vitals.latest import LatestRoom
from vitals.mailbox import Key, Mailbox
from vitals.trend import Trend

__all__ = ["Hub", "Mailbox"]

WAVE_SLOTS = 25
"""Newest waveform packets of one room and channel that may wait for a reader."""


class Hub:
    """Latest state and subscribers.

    Attributes:
        link: `live`, or `stale` while the web's station is not there.
    """

    def __init__(self, link: Literal["live", "stale"] = "live") -> None:
        self.link = link
        self._rooms: dict[str, LatestRoom] = {}
        self._held: dict[str, wire.HeldMsg] = {}
        self._boxes: set[Mailbox] = set()
        self._beat: wire.BeatMsg | None = None
        self._seq = 0
        self._marks = 0
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
        key = _KEYS[type(message)](self, message)
        room = str(key[1])
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
        data = wire.encode(message) if raw is None else raw
        is_wave = key[0] == "wave"
        for box in self._boxes:
            if is_wave and box.rooms_with_waves is not None and room not in box.rooms_with_waves:
                continue
            if room and box.rooms is not None and room not in box.rooms:
                continue
            if started:
                box.forget(room, "due", "mark", "care")
            if other:
                box.forget_readings(room)
            box.put(key, data)

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
        self._boxes.add(box)
        return box

    def show(self, box: Mailbox, rooms: frozenset[str] | None) -> None:
        """Lets a reader see other rooms from now on, beginning with a new snapshot."""
        box.rooms = rooms
        box.restart(wire.encode(self.snapshot(rooms)))

    def unsubscribe(self, box: Mailbox) -> None:
        """Ends a subscription; harmless when it has ended already."""
        self._boxes.discard(box)
        box.close()

    @property
    def subscribers(self) -> int:
        """How many mailboxes are filled."""
        return len(self._boxes)

    def snapshot(self, rooms: frozenset[str] | None = None) -> wire.Snapshot:
        """The present state of everything, or of these rooms alone."""
        return wire.Snapshot(
            seq=self._seq,
            link=self.link,
            beat=self._beat,
            rooms=[
                room.message()
                for name, room in self._rooms.items()
                if rooms is None or name in rooms
            ],
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
        self._rooms = {room.id: LatestRoom(room) for room in snapshot.rooms}
        self._held = {held.id: held for held in snapshot.held}
        data = wire.encode(snapshot) if raw is None else raw
        state = wire.encode(wire.LinkState(state=snapshot.link))
        for box in self._boxes:
            box.restart(data if box.rooms is None else wire.encode(self.snapshot(box.rooms)))
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

    def _room(self, room: str) -> LatestRoom:
        if room not in self._rooms:
            self._rooms[room] = LatestRoom(wire.RoomMsg(id=room, label=room))
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
