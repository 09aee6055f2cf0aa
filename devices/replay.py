"""`vitals replay`: a recording in place of the monitors of one room, through the real station.

This process writes a config and a record into a temporary folder and supervises station and web as
`vitals run` would; it opens the session, and marks dose and remarks at their times with commands
like any page's.
"""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Callable
from pathlib import Path

from devices.transports.replay import OVER, Where
from vitals import config, wire
from vitals.errors import FeedError
from vitals.follower import ask
from vitals.model import US
from vitals.recordings import Recording
from vitals.recordings.playing import devices
from vitals.supervisor import Supervisor

ROOM = "replay"
ACTOR = "replay"
ROLE = "demo"
LATE_S = 0.5
"""Marks come so many real seconds after their moment: none may be in the station's future."""
_RETRY_S = 0.25
_LOOK_S = 0.1

log = logging.getLogger(__name__)


class Replay:
    """One recording, its config, and what is done by its side."""

    def __init__(
        self,
        found: Recording,
        told: Where,
        folder: Path,
        *,
        speed: float,
        port: int,
        subject: str,
        route: str,
        dose_us: int | None,
        label: str,
    ) -> None:
        self._found, self._speed = found, speed
        self._subject, self._route = subject, route
        self._start = folder / "begun"
        self._acts = sorted(
            [
                *((remark.at_us, "mark", {"text": remark.text[:200]}) for remark in found.remarks),
                *([] if dose_us is None else [(dose_us, "dose", {})]),
            ],
            key=lambda act: act[0],
        )
        lines = [
            f'[station]\nid = "replay"\nstore = "vitals.db"\nmode = "test"\nspeed = {speed:g}\n',
            f"[web]\nport = {port}\n",
            f"[[room]]\nid = {json.dumps(ROOM)}\nlabel = {json.dumps(label)}\nauto_nibp = false",
        ]
        for one in devices(found):
            url = Where(told.path, one.id, told.map, self._start, told.from_us, told.to_us).url
            lines.append(
                f"  [[room.device]]\n  id = {json.dumps(one.id)}\n"
                f'  driver = "replay"\n  url = {json.dumps(url)}'
            )
        self.config_path = folder / "clinic.toml"
        self.config_path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.config = config.load(self.config_path)

    async def run(
        self, on_ready: Callable[[str], None], on_end: Callable[[], None], *, stop: bool
    ) -> None:
        """Plays; returns at the end if it is to `stop` then, else runs until cancelled."""
        ready = asyncio.Event()

        def told(url: str) -> None:
            on_ready(url)
            ready.set()

        supervisor = Supervisor(self.config, self.config_path, on_ready=told)
        watched = asyncio.create_task(supervisor.run(), name="supervisor")
        acting = asyncio.create_task(self._act(ready), name="acts")
        try:
            await asyncio.wait({watched, acting}, return_when=asyncio.FIRST_COMPLETED)
            if watched.done():
                watched.result()
            acting.result()
            on_end()
            if not stop:
                await watched
        finally:
            for task in (acting, watched):
                task.cancel()
            await asyncio.gather(acting, watched, return_exceptions=True)

    async def _act(self, ready: asyncio.Event) -> None:
        """Opens the session, lets the recording begin, marks, and closes when it is over."""
        await ready.wait()  # nothing of it is played to nobody
        await self._ask("open_session", {"subject_ref": self._subject, "route": self._route})
        self._start.touch(mode=0o600)
        began_us = await self._begun()
        loop = asyncio.get_running_loop()
        began = loop.time()
        first_us = self._found.from_us

        async def until(at_us: int) -> None:
            due = began + (at_us - first_us) / US / self._speed + LATE_S
            await asyncio.sleep(max(0.0, due - loop.time()))

        for at_us, kind, args in self._acts:
            await until(at_us)
            when_us = max(0, at_us - first_us) + began_us
            await self._ask(kind, {**args, "at_us": when_us})
        await until(self._found.to_us)
        if not await self._ask("close_session", {}, may_fail=True):
            await self._ask("close_session", {"reason": OVER})  # nobody has seen to an alarm

    async def _begun(self) -> int:
        # the station, another process, writes it
        while not (text := self._start.read_text(encoding="ascii")):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)
        return int(text)

    async def _ask(self, kind: str, args: dict[str, object], *, may_fail: bool = False) -> bool:
        """Sends a command until there is an answer; whether it was done."""
        message = wire.CommandMsg(
            id=str(uuid.uuid4()), kind=kind, room=ROOM, name=ACTOR, role=ROLE, args=args
        )
        while True:
            try:
                (result,) = await ask(self.config.feed_file, [message])
            except FeedError:
                await asyncio.sleep(_RETRY_S)  # the station is starting, or starting again
                continue
            if not result.ok and not may_fail:
                log.warning("%s: %s", kind, result.error)
            return result.ok
