"""Hears a station's feed and knows what of it the centre has not been told: a hub without readers.

What a page would see is what goes up: the very same fold (`vitals.hub`), read when it has changed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from msgspec import structs

from vitals import wire
from vitals.channels import NIBP
from vitals.hub import Hub

AT_ONCE_S = 0.02
"""An alarm waits this long for company: several change in one step."""
SOON_S = 0.5
STATUS_S = 10.0
"""How well a device is heard changes all the time, and nobody waits for it."""
DELAY_S: Mapping[type, float] = {
    wire.AlarmMsg: AT_ONCE_S,
    wire.SessionMsg: SOON_S,
    wire.CareMsg: SOON_S,
    wire.DueMsg: SOON_S,
    wire.LinkMsg: SOON_S,
    wire.MarkMsg: SOON_S,
    wire.NoticeMsg: SOON_S,
    wire.DeviceStatusMsg: STATUS_S,
}
"""A message of this type changes its room's state; so long may it wait."""
_NEVER = float("inf")


class Watch(Hub):
    """The station's rooms, and what of them has changed.

    Attributes:
        wake: set when something has changed.
        due: room -> `time.monotonic()` at which its state should go up.
        numbers: whether numbers have come.
        news: whether the station has come, gone, or begun anew.
        mark: counts snapshots: which rooms there are may have changed.
        on_event: called when something was said that the record will have, too.
    """

    def __init__(self) -> None:
        super().__init__("stale", trends=False)
        self.wake = asyncio.Event()
        self.due: dict[str, float] = {}
        self.numbers = False
        self.news = True
        self.mark = 0
        self.on_event: Callable[[], None] = _nobody
        self._ahead_us: float | None = None
        self._speed = 1.0

    def publish(self, message: wire.Down, raw: bytes | None = None) -> None:
        """Takes a message into the state; see `Hub.publish`."""
        if isinstance(message, wire.WaveMsg):
            return
        super().publish(message, raw)
        if isinstance(message, wire.NumericMsg):
            self.numbers = True
            if message.channel in NIBP:  # ends the notice of a failed one
                self._changed(message.room, SOON_S)
        elif isinstance(message, wire.BeatMsg):
            self._beat_came(message)
        elif isinstance(message, wire.LinkState):
            self.news = True
        elif type(message) in DELAY_S:
            self._changed(getattr(message, "room", ""), DELAY_S[type(message)])
            if not isinstance(message, wire.DeviceStatusMsg):
                self.on_event()
        self.wake.set()

    def reset(self, snapshot: wire.Snapshot, raw: bytes | None = None) -> None:
        """Begins anew with a snapshot; see `Hub.reset`."""
        rooms = [structs.replace(room, trends=[]) for room in snapshot.rooms]
        super().reset(structs.replace(snapshot, rooms=rooms), raw)
        self._ahead_us = None
        if snapshot.beat is not None:
            self._beat_came(snapshot.beat)
        self.all_anew()

    def all_anew(self) -> None:
        """The centre may have lost everything: it is all to be told again."""
        self.mark += 1
        self.numbers = self.news = True
        self.due = dict.fromkeys(self._rooms, 0.0)
        self.wake.set()

    def _changed(self, room: str, delay_s: float) -> None:
        at = time.monotonic() + delay_s
        self.due[room] = min(at, self.due.get(room, _NEVER))

    def _beat_came(self, beat: wire.BeatMsg) -> None:
        # Beats come late, never early: the one that is farthest ahead has waited least.
        ahead = beat.now_us - time.monotonic() * 1e6 * beat.speed
        if self._ahead_us is None or beat.speed != self._speed or ahead > self._ahead_us:
            self._ahead_us, self._speed = ahead, beat.speed

    @property
    def beat(self) -> wire.BeatMsg | None:
        """The station's last beat; None before the first."""
        return self._beat

    @property
    def now_us(self) -> int | None:
        """The station's clock; None before it was heard."""
        if self._ahead_us is None:
            return None
        return round(time.monotonic() * 1e6 * self._speed + self._ahead_us)

    @property
    def real_time(self) -> bool:
        """Whether the station's clock runs as others do."""
        return self._speed == 1.0

    def rooms(self) -> dict[str, wire.RoomMsg]:
        """All rooms as they are now."""
        return {room.id: room for room in self.snapshot().rooms}

    def take_due(self, now: float) -> list[str]:
        """Rooms whose state should go up now; they are no longer due."""
        ready = [room for room, at in self.due.items() if at <= now]
        for room in ready:
            del self.due[room]
        return ready

    def next_due(self) -> float:
        """When the next room is due, infinite for none."""
        return min(self.due.values(), default=_NEVER)


def _nobody() -> None:
    return
