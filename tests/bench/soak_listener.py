"""What a page would hear of the program in a soak, reduced to numbers as it comes."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

from vitals import wire
from vitals.follower import Follower
from vitals.hub import Hub

RULE = "pr-high"


class Ear(Hub):
    """Beats and alarms of one station, over all its starts.

    Attributes:
        late_ms: of each beat: the latest evaluation in its second.
        commit_ms: of each beat: the last commit.
        queued: of each beat: rows that wait for a commit.
        log_bytes: of each beat: size of the record's log.
        shed: most rows that were given up.
        alarm_ms: from the deciding sample at its port to this reader.
        beat_at: `time.monotonic()` of the last beat.
        recording: what that said.
    """

    def __init__(self) -> None:
        super().__init__("stale")
        self.late_ms: list[float] = []
        self.commit_ms: list[float] = []
        self.queued: list[int] = []
        self.log_bytes: list[int] = []
        self.shed = 0
        self.alarm_ms: list[float] = []
        self.beat_at, self.recording = 0.0, False
        self._behind_s: float | None = None
        self._seen: dict[str, int] = {}

    def publish(self, message: wire.Down, raw: bytes | None = None) -> None:
        """Takes one message."""
        now = time.monotonic()
        if isinstance(message, wire.BeatMsg):
            self._on_beat(message, now)
        elif isinstance(message, wire.AlarmMsg):
            self._on_alarm(message, now)

    def reset(self, snapshot: wire.Snapshot, raw: bytes | None = None) -> None:
        """The present of everything is no news."""

    def _on_beat(self, beat: wire.BeatMsg, now: float) -> None:
        behind_s = now - beat.now_us / 1e6
        self._behind_s = behind_s if self._behind_s is None else min(self._behind_s, behind_s)
        self.beat_at, self.recording = now, beat.recording
        self.late_ms.append(beat.late_ms)
        if beat.store is not None:
            self.commit_ms.append(beat.store.commit_s * 1000)
            self.queued.append(beat.store.queued)
            self.log_bytes.append(beat.store.log_bytes)
            self.shed = max(self.shed, beat.store.shed)

    def _on_alarm(self, alarm: wire.AlarmMsg, now: float) -> None:
        fresh = alarm.raised_us is not None and alarm.raised_us == alarm.value_us
        if alarm.rule != RULE or alarm.condition != "active" or not fresh or self._behind_s is None:
            return
        assert alarm.raised_us is not None
        if self._seen.get(alarm.room) != alarm.raised_us:
            self._seen[alarm.room] = alarm.raised_us
            self.alarm_ms.append((now - self._behind_s - alarm.raised_us / 1e6) * 1000)


class Listener:
    """Follows a feed in a thread of its own, whatever becomes of its station."""

    def __init__(self, feed: Path) -> None:
        self.ear = Ear()
        self._loop = asyncio.new_event_loop()
        self._follower = Follower(feed, self.ear, retry_s=(0.1, 0.2))
        self._thread = threading.Thread(target=self._run, name="listener")
        self._task: asyncio.Task[None] | None = None

    def __enter__(self) -> Ear:
        self._thread.start()
        return self.ear

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end)
        self._thread.join()

    def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _run(self) -> None:
        async def follow() -> None:
            self._task = asyncio.ensure_future(self._follower.run())
            await asyncio.gather(self._task, return_exceptions=True)

        try:
            self._loop.run_until_complete(follow())
        finally:
            self._loop.close()
