"""What waits for one reader of a hub: keyed, bounded, newest wins.

A message replaces the one with the same key that is still waiting, so a slow reader misses old
numbers and old waveform packets, never the latest state of anything; what it missed is counted.
Loop thread only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

from vitals import wire
from vitals.channels import NIBP

LINGER_S = 0.016
"""Waveform packets may wait this long for company; anything else flushes at once."""

CAPS: dict[str, int | None] = {
    "snapshot": 1,
    "beat": 1,
    "feed": 1,
    "session": 1000,
    "care": 1000,
    "held": 1000,
    "link": 1000,
    "device": 1000,
    "identify": 100,
    "notice": 1000,
    "numeric": 1000,
    "due": 1000,
    "alarm": None,
    "wave": 1000,
    "mark": 500,
    "result": 500,
    "who": 1,
    "ward": 1,
    "room": 1000,
}
"""Most messages of a kind that wait; beyond it the oldest of that kind goes.

Alarms have no cap: there is one per (room, rule), and the latest state of each must arrive.
"""

Key = tuple[Hashable, ...]
"""(kind, room or "", …); the kind is one of `CAPS`."""


class Mailbox:
    """One reader's messages.

    Attributes:
        rooms_with_waves: rooms whose waveforms the reader wants, None for all; may be changed.
        rooms: rooms that the reader may see at all, None for all; see `Hub.show`.
        dropped: messages that were replaced or fell out unread.
    """

    __slots__ = ("_counts", "_items", "_ready", "_timer", "dropped", "rooms", "rooms_with_waves")

    def __init__(
        self,
        rooms_with_waves: frozenset[str] | None = None,
        rooms: frozenset[str] | None = None,
    ) -> None:
        self.rooms_with_waves = rooms_with_waves
        self.rooms = rooms
        self.dropped = 0
        self._items: dict[Key, bytes] = {}
        self._counts = dict.fromkeys(CAPS, 0)
        self._ready = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._items)

    def put(self, key: Key, data: bytes) -> None:
        """Leaves an encoded message under its key."""
        kind = str(key[0])
        if key in self._items:
            self.dropped += 1
            # A session stays where it is: what follows it (its due list, its marks) must not
            # overtake it. All others move to the end, behind what they were published after.
            if kind != "session":
                del self._items[key]
        else:
            cap = CAPS[kind]
            if cap is not None and self._counts[kind] >= cap:
                self._drop(next(waiting for waiting in self._items if waiting[0] == kind))
            self._counts[kind] += 1
        self._items[key] = data
        if kind != "wave":
            self._flush()
        elif self._timer is None and not self._ready.is_set():
            self._timer = asyncio.get_running_loop().call_later(LINGER_S, self._flush)

    def post(self, result: wire.ResultMsg) -> None:
        """Leaves the answer to a command, which concerns this reader alone."""
        self.put(("result", "", result.id), wire.encode(result))

    def restart(self, snapshot: bytes) -> None:
        """Replaces all that waits by a snapshot of the present.

        What concerns this reader alone stays: answers to commands, who is at the page, and which
        rooms it shows at the centre.
        """
        for key in [key for key in self._items if key[0] not in ("result", "who", "ward")]:
            self._drop(key)
        self._items = {("snapshot", ""): snapshot, **self._items}
        self._counts["snapshot"] = 1
        self._flush()

    def forget(self, room: str, *kinds: str) -> None:
        """Drops what waits of these kinds for a room, since something newer made it untrue."""
        for key in [key for key in self._items if key[0] in kinds and key[1] == room]:
            self._drop(key)

    def forget_readings(self, room: str) -> None:
        """Drops the blood pressures that wait for a room: the next patient has not had them."""
        for key in [key for key in self._items if key[:2] == ("numeric", room) and key[2] in NIBP]:
            self._drop(key)

    async def take(self) -> bytes:
        """Waits for messages and returns all that wait as one frame."""
        await self._ready.wait()
        while not self._items:
            self._ready.clear()
            await self._ready.wait()
        self._ready.clear()
        frame = wire.frame(*self._items.values())
        self._items.clear()
        self._counts = dict.fromkeys(CAPS, 0)
        return frame

    def close(self) -> None:
        """Ends the timer that lets waveform packets linger."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _drop(self, key: Key) -> None:
        del self._items[key]
        self._counts[str(key[0])] -= 1
        self.dropped += 1

    def _flush(self) -> None:
        self.close()
        self._ready.set()
