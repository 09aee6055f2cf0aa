"""Keeps the station and the web alive; knows both only by their command lines.

A child that exits is started again at once; one that dies over and over waits a little longer
each time. The station is followed by its feed (a beat every second), the web is asked for its
`/healthz`. Station silent 3 s: the alarm command runs; 5 s: killed and started again. Web
silent 15 s: killed and started again. Starting up, both have 60 s of grace.
"""

from __future__ import annotations

import asyncio
import http.client
import logging
import os
import ssl
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vitals import lifeline, nightly, web_address, wire
from vitals.attempt import attempt
from vitals.command_hook import CommandHook
from vitals.config import Config
from vitals.follower import Follower
from vitals.hub import Hub

log = logging.getLogger(__name__)

GRACE_S = 60.0
STATION_ALARM_S = 2.7
"""Two beats are missing: so the alarm command has been started when 3 s are over."""
STATION_KILL_S = 5.0
WEB_KILL_S = 15.0
STOP_S = 5.0
"""Patience with a child that was asked to stop."""
WATCH_S = 0.1
LATE_S = 1.0
"""A watcher that is later than this has no right to judge others."""
SHORT_LIFE_S = 5.0
RETRY_S = (0.2, 5.0)
"""Wait before a child that died young is started again: at first, at most."""


_now = time.monotonic


@dataclass(slots=True)
class Child:
    """One supervised process."""

    name: str
    argv: Sequence[str]
    kill_s: float
    process: asyncio.subprocess.Process | None = None
    heard: float = 0.0
    healthy: bool = False
    started: float = 0.0
    first_started: float = 0.0
    starts: int = 0
    wait_s: float = field(default=RETRY_S[0])

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self.process.pid if self.process and self.process.returncode is None else None

    def alive(self) -> None:
        """It was heard from."""
        self.heard, self.healthy = _now(), True

    def hung_s(self, now: float) -> float:
        """Silence for which it may be killed: none while it still has grace to start."""
        if self.pid is None:
            return 0.0
        return now - self.heard if self.healthy else max(0.0, now - self.started - GRACE_S)

    def silent_s(self, now: float) -> float:
        """Silence that others suffer from, however often it was started meanwhile."""
        if self.heard:
            return now - self.heard
        return max(0.0, now - self.first_started - GRACE_S) if self.first_started else 0.0


def vitals_argv(*args: str) -> list[str]:
    """Command line of this program, by this interpreter."""
    return [sys.executable, "-m", "vitals.cli", *args]


class Supervisor:
    """Runs `vitals station` and `vitals web` for one config file."""

    def __init__(
        self,
        config: Config,
        config_path: Path,
        *,
        on_ready: Callable[[str], None] = lambda url: None,
    ) -> None:
        path = str(config_path)
        self._config, self._config_path = config, config_path
        self._on_ready = on_ready
        self.station = Child("station", vitals_argv("station", "--config", path), STATION_KILL_S)
        self.web = Child("web", vitals_argv("web", "--config", path), WEB_KILL_S)
        self.url = web_address.address(config.web)
        self._ready = False
        self._alarmed = False
        self._sounding: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Runs until cancelled, then stops both children."""
        pulse = _Pulse(self.station.alive)
        follower = Follower(self._config.feed_file, pulse)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(follower.run(), name="follower")
                for child in (self.station, self.web):
                    group.create_task(self._keep(child), name=child.name)
                group.create_task(self._watch(), name="watch")
                group.create_task(self._ask_web(), name="healthz")
                group.create_task(self._back_up(), name="backup")
        finally:
            # The web first: it then never shows a station that was stopped on purpose as lost.
            for child in (self.web, self.station):
                await _stop(child)
            if self._sounding is not None:
                await asyncio.wait([self._sounding], timeout=STOP_S)

    async def _back_up(self) -> None:
        path = str(self._config_path)
        argv = vitals_argv("backup", "--nightly", "--config", path)
        await nightly.keep_up(self._config.backup, self._config.station.store, argv)

    async def _keep(self, child: Child) -> None:
        """Starts a child again and again."""
        while True:
            try:
                await self._start(child)
            except OSError as error:  # out of memory or of processes: try again
                log.error("%s cannot be started: %s", child.name, error)
                await asyncio.sleep(RETRY_S[1])
                continue
            child.started, child.healthy = _now(), False
            child.first_started = child.first_started or child.started
            child.starts += 1
            assert child.process is not None  # noqa: S101 (just started)
            log.info("%s started, process %d", child.name, child.process.pid)
            code = await child.process.wait()
            lived_s = _now() - child.started
            log.error("%s ended with code %d after %.1f s", child.name, code, lived_s)
            if lived_s >= SHORT_LIFE_S:
                child.wait_s = RETRY_S[0]
            await asyncio.sleep(child.wait_s if lived_s < SHORT_LIFE_S else 0)
            child.wait_s = min(child.wait_s * 2, RETRY_S[1])

    async def _start(self, child: Child) -> None:
        starting = asyncio.ensure_future(
            asyncio.create_subprocess_exec(
                *child.argv,
                stdin=asyncio.subprocess.PIPE,
                env={**os.environ, lifeline.VARIABLE: "1"},
                # Ctrl-C is for the supervisor, which then stops the children in order.
                start_new_session=True,
            )
        )
        try:
            child.process = await asyncio.shield(starting)
        except asyncio.CancelledError:
            child.process = await starting  # never leave one behind that nobody knows
            raise

    async def _watch(self) -> None:
        """Kills what is silent for too long; sounds for a silent station before that."""
        last = _now()
        while True:
            await asyncio.sleep(WATCH_S)
            now = _now()
            late_s, last = now - last - WATCH_S, now
            if late_s > LATE_S:
                # We were not running ourselves (suspended, starved): nobody is to blame for that.
                log.warning("the supervisor was %.1f s late", late_s)
                for child in (self.station, self.web):
                    child.heard = now if child.heard else 0.0
                    child.started += late_s
                continue
            await self._judge(now)

    async def _judge(self, now: float) -> None:
        silent_s = self.station.silent_s(now)
        if silent_s > STATION_ALARM_S and not self._alarmed:
            self._alarmed = True
            await self._alarm(f"the station has been silent for {silent_s:.0f} s")
        elif silent_s < STATION_ALARM_S and self.station.healthy:
            self._alarmed = False
        for child in (self.station, self.web):
            if child.process is not None and child.hung_s(now) > child.kill_s:
                log.error("%s is silent: killed, to be started again", child.name)
                child.healthy, child.started = False, now
                child.process.kill()

    async def _alarm(self, sentence: str) -> None:
        log.critical("%s", sentence)
        station = self._config.station
        if station.alarm_command:
            facts = {"KV_STATION": station.id, "KV_MODE": station.mode, "KV_TEST": "0"}
            hook = CommandHook(station.alarm_command, sentence, facts)
            self._sounding = asyncio.create_task(_sound(hook), name="alarm")

    async def _ask_web(self) -> None:
        url = web_address.local(self._config.web) + "healthz"
        trusted = web_address.trust(self._config.web)
        while True:
            answer = await asyncio.to_thread(_health, url, trusted)
            if self.web.pid is not None and answer.get("station") in ("", self._config.station.id):
                self.web.alive()
                if self.station.healthy and not self._ready:
                    self._ready = True
                    self._on_ready(self.url)
            await asyncio.sleep(0.25 if not self._ready else 1.0)


class _Pulse(Hub):
    """Stands where a hub would, and only hears that something came."""

    def __init__(self, alive: Callable[[], None]) -> None:
        super().__init__()
        self._alive = alive

    def publish(self, message: wire.Down, raw: bytes | None = None) -> None:
        if not isinstance(message, wire.LinkState):
            self._alive()

    def reset(self, snapshot: wire.Snapshot, raw: bytes | None = None) -> None:
        self._alive()


def _health(url: str, trusted: ssl.SSLContext | None = None) -> dict[str, Any]:
    """What our web says of itself; empty when nobody answers, or somebody else."""
    try:
        found = web_address.ask(url, trusted, 2.0)
    except (OSError, ValueError, http.client.HTTPException):
        return {}
    return found if isinstance(found, dict) else {}


async def _sound(hook: CommandHook) -> None:
    """Runs the alarm command to its end, or to its time limit."""
    reason = await attempt(hook)
    if reason:
        log.critical("no sound, station.alarm_command: %s", reason)


async def _stop(child: Child) -> None:
    process = child.process
    if process is None or process.returncode is not None:
        return
    if process.stdin is not None:
        process.stdin.close()  # the lifeline: the orderly way, also on Windows
    if sys.platform != "win32":
        process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        log.error("%s did not stop in %.0f s: killed", child.name, STOP_S)
        process.kill()
        await process.wait()
