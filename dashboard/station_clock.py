"""The station's time as the web process knows it: the newest beat, carried on by its own clock.

The clock that carries it on also runs while the computer is suspended, so a web process that has
just been woken does not take an old beat for the present.
"""

from __future__ import annotations

from vitals import wire
from vitals.clock import boottime_ns
from vitals.hub import Hub

_BEAT, _SNAPSHOT = b'{"t":"beat"', b'{"t":"snapshot"'


class StationClock:
    """What the station's beats say.

    Attributes:
        beat: the newest beat, None before the first.
    """

    def __init__(self) -> None:
        self.beat: wire.BeatMsg | None = None
        self._heard_ns = 0

    def hear(self, beat: wire.BeatMsg, now_ns: int) -> None:
        """Takes a beat that arrived at `now_ns` (`boottime_ns`)."""
        self.beat = beat
        self._heard_ns = now_ns

    def reading(self, now_ns: int) -> wire.ClockMsg:
        """Station time at `now_ns`; `now_us` 0 while no beat has been heard."""
        if self.beat is None:
            return wire.ClockMsg(now_us=0)
        passed_us = (now_ns - self._heard_ns) / 1000 * self.beat.speed
        return wire.ClockMsg(now_us=self.beat.now_us + int(passed_us), speed=self.beat.speed)

    def age_s(self, now_ns: int) -> float | None:
        """Real seconds since the newest beat, None before the first."""
        return None if self.beat is None else (now_ns - self._heard_ns) / 1e9

    async def follow(self, hub: Hub) -> None:
        """Listens to a hub's beats until cancelled."""
        box = hub.subscribe(frozenset(), frozenset())
        try:
            while True:
                self._take(await box.take(), boottime_ns())
        finally:
            hub.unsubscribe(box)

    def _take(self, frame: bytes, now_ns: int) -> None:
        if _BEAT not in frame and _SNAPSHOT not in frame:
            return
        for raw in map(bytes, wire.split(frame)):
            if raw.startswith(_SNAPSHOT):
                self.beat = None  # perhaps of another start of the station, with another clock
            elif raw.startswith(_BEAT):
                beat = wire.decode_down(raw)
                assert isinstance(beat, wire.BeatMsg)  # noqa: S101 its tag says so
                self.hear(beat, now_ns)
