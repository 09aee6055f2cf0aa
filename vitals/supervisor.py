"""Keeps the station, the web and the sender alive; knows them only by their command lines.

A child that exits is started again at once; one that dies over and over waits a little longer
each time. The station is followed by its feed (a beat every second), the web is asked for its
`/healthz`. Station silent 3 s: the alarm command runs, and again every 10 s until it is heard; 5 s:
killed and started again. Web silent 15 s: killed and started again. Starting up, both have 60 s of
grace. A third child, the sender, runs where the config names a centre; whatever becomes of it is
no alarm. The supervisor itself is watched by systemd, where that has started it; if it dies all the
same, its children stop, and the pages sound by themselves.
"""

from __future__ import annotations

import asyncio
import http.client
import logging
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vitals import crash_report, nightly, web_address, wire
from vitals.config import Config
from vitals.follower import Follower
from vitals.hub import Hub
from vitals.loudspeaker import EVERY_S, Loudspeaker
from vitals.sd_notify import Manager
from vitals.supervised import GRACE_S, RETRY_S, Child, vitals_argv

log = logging.getLogger(__name__)

STATION_ALARM_S = 2.7
"""Two beats are missing: so the alarm command has been started when 3 s are over."""
STATION_KILL_S = 5.0
WEB_KILL_S = 15.0
SENDER_KILL_S = 60.0
NIGHTLY_AGAIN_S = 600.0
WATCH_S = 0.1
LATE_S = 1.0
"""A watcher that is later than this has no right to judge others."""
_now = time.monotonic


class Supervisor:
    """Runs `vitals station`, `vitals web` and, where it is wanted, `vitals sender` for a config.

    Args:
        config: what it says.
        config_path: where it is, for the children.
        on_ready: is given the address of the pages when they can be opened.
        manager: who watches this process.
        sound_s: repetition of the alarm command.
    """

    def __init__(
        self,
        config: Config,
        config_path: Path,
        *,
        on_ready: Callable[[str], None] = lambda url: None,
        manager: Manager | None = None,
        sound_s: float = EVERY_S,
    ) -> None:
        path = str(config_path)
        self._config, self._config_path = config, config_path
        self._on_ready = on_ready
        self.station = Child("station", vitals_argv("station", "--config", path), STATION_KILL_S)
        self.web = Child("web", vitals_argv("web", "--config", path), WEB_KILL_S)
        self.sender = Child("sender", vitals_argv("sender", "--config", path), SENDER_KILL_S)
        self.url = web_address.address(config.web)
        self._ready = False
        self._alarmed = False
        self._manager = manager or Manager()
        self._crashes = crash_report.folder_of(config.station.store)
        self._loudspeaker = self._make_loudspeaker(sound_s)

    async def run(self) -> None:
        """Runs until cancelled, then stops its children."""
        pulse = _Pulse(self.station.alive)
        follower = Follower(self._config.feed_file, pulse)
        self._manager.status("starting")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(follower.run(), name="follower")
                for child in self.children:
                    group.create_task(self._keep(child), name=child.name)
                if self._config.central is not None:
                    group.create_task(self._ask_sender(), name="sender's state")
                group.create_task(self._watch(), name="watch")
                group.create_task(self._ask_web(), name="healthz")
                group.create_task(self._back_up(), name="backup")
        finally:
            self._manager.stopping()
            # The web first: it then never shows a station that was stopped on purpose as lost.
            # The sender last: it then sends what the station has recorded at its end.
            for child in sorted(self.children, key=lambda child: child is not self.web):
                await child.stop()
            await self._loudspeaker.close()

    @property
    def children(self) -> tuple[Child, ...]:
        """What is kept alive."""
        alone = self._config.central is None
        return (self.station, self.web) if alone else (self.station, self.web, self.sender)

    async def _ask_sender(self) -> None:
        """Its state's file is its sign of life; nobody suffers when it is silent, so no alarm."""
        path, last = self._config.sender_file, 0
        while True:
            try:
                changed = path.stat().st_mtime_ns
            except OSError:  # a full disk, say: there is nothing to judge it by
                changed = time.time_ns()
            if last and changed != last and self.sender.pid is not None:
                self.sender.alive()
            last = changed
            await asyncio.sleep(1.0)

    async def _back_up(self) -> None:
        path = str(self._config_path)
        argv = vitals_argv("backup", "--nightly", "--config", path)
        while self._config.nightly:
            try:
                await nightly.keep_up(self._config.backup.at, self._config.station.store, argv)
            except Exception:  # a fault in it is no reason to end the station and the pages
                log.exception("what is done every night has a fault; it is begun anew later")
                await asyncio.sleep(NIGHTLY_AGAIN_S)

    async def _keep(self, child: Child) -> None:
        """Starts a child again and again."""
        while True:
            try:
                process = await child.start()
            except OSError as error:  # out of memory or of processes: try again
                log.error("%s cannot be started: %s", child.name, error)
                await asyncio.sleep(RETRY_S[1])
                continue
            log.info("%s started, process %d", child.name, process.pid)
            began = child.started  # a hang that it is killed for is part of its life
            code = await process.wait()
            lived_s = _now() - began
            log.error("%s ended with code %d after %.1f s", child.name, code, lived_s)
            wait_s, hung = child.back_off(lived_s), child.hung
            self._report(child.name, process.pid, code, lived_s, hung=hung)
            await asyncio.sleep(wait_s)

    def _report(self, name: str, pid: int, code: int, lived_s: float, *, hung: bool) -> None:
        """Beside the restart, which a slow disk must not hold up."""

        def write() -> None:
            crash_report.of_dead(self._crashes, name, pid, code, lived_s, hung=hung)

        try:
            threading.Thread(target=write, name="crash report", daemon=True).start()
        except RuntimeError:  # out of threads
            log.error("no report of how %s ended: this computer cannot start a thread", name)

    async def _watch(self) -> None:
        """Kills what is silent for too long; sounds for a silent station before that."""
        last = _now()
        while True:
            await asyncio.sleep(WATCH_S)
            now = _now()
            self._manager.alive(now)
            late_s, last = now - last - WATCH_S, now
            if late_s > LATE_S:
                # We were not running ourselves (suspended, starved): nobody is to blame for that.
                log.warning("the supervisor was %.1f s late", late_s)
                for child in self.children:
                    child.heard = now if child.heard else 0.0
                    child.started += late_s
                continue
            await self._judge(now)

    async def _judge(self, now: float) -> None:
        silent_s = self.station.silent_s(now)
        if silent_s > STATION_ALARM_S:
            self._alarm(silent_s)
        elif silent_s < STATION_ALARM_S and self.station.healthy:
            self._alarmed = False
        self._tell(now)
        for child in self.children:
            if child.process is not None and child.hung_s(now) > child.kill_s:
                await child.kill(now)

    def _tell(self, now: float) -> None:
        """To systemd; a start that takes for ever is no reason to be replaced ourselves."""
        began = self.station.first_started
        if self._ready or (began and now - began > GRACE_S):
            self._manager.ready()
        if self._alarmed:
            self._manager.status("the station is silent: watch the monitors")
        elif self.web.silent_s(now) > WEB_KILL_S:
            self._manager.status("the pages do not answer; the station goes on")
        elif self._ready:
            self._manager.status(f"pages at {self.url}")

    def _make_loudspeaker(self, every_s: float) -> Loudspeaker:
        station = self._config.station
        facts = {"KV_STATION": station.id, "KV_MODE": station.mode, "KV_TEST": "0"}

        def said(key: str, number: int, reason: str) -> None:
            if reason:
                log.critical("the silent station was not sounded: %s", reason)

        return Loudspeaker(station.alarm_command, facts, said, every_s=every_s)

    def _alarm(self, silent_s: float) -> None:
        """Sounds, and again until the station is heard."""
        mode = self._config.station.mode
        mark = "" if mode == "real" else f"{mode.upper()}: "
        sentence = f"{mark}the station has been silent for {silent_s:.0f} s: watch the monitors"
        if not self._alarmed:
            self._alarmed = True
            log.critical("%s", sentence)
        self._loudspeaker.sound_while("station", sentence, lambda: self._alarmed)

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
