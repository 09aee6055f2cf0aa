"""Row 15: the engine is dead.

Made: `vitals run`, with a page in Chromium whose sound is armed. The station is stopped in its
tracks (kill -STOP: it lives and does nothing); the station is killed and cannot be started again
(its config is taken away); and everything is killed at once, supervisor, station and web, after
which only the page itself is left.

Bar: somebody sounds 5 s after the last beat at the latest: the clinic's alarm command, and the
page, which says that the monitors must be watched.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, sync_playwright

from tests import chromium
from tests.e2e.clinic import wait_for
from tests.e2e.wards import Clinic, Ward
from tests.faults.beds import START_S, clinic_of
from tests.faults.reached import Fault, Number, Result, all_of, line_with
from tests.faults.test_row_14_stall import HEARD_S, SOUND

STOPS, STOPS_SHORT = 5, 1
SOUND_S, LIVE_S = 5.0, 5.0
ROOM = "good"
FRESH = f"[data-room={ROOM}] [data-channel=spo2][data-state=fresh]"
SILENT = "document.body.dataset.link !== 'live' && document.body.dataset.sounding === 'high'"


@dataclass(slots=True)
class Dead:
    """Seconds from the moment at which the engine died."""

    command_s: list[float] = field(default_factory=list)
    page_s: list[float] = field(default_factory=list)
    live_s: list[float] = field(default_factory=list)
    alone_s: list[float] = field(default_factory=list)
    ended: int = 0
    told: str = ""


class Watched:
    """The clinic, its page and the lines of its alarm command."""

    def __init__(self, clinic: Clinic, page: Page, sounds: Path) -> None:
        self.clinic, self.page, self._sounds = clinic, page, sounds

    def sounds(self) -> list[float]:
        """`time.monotonic()` of each run of the alarm command."""
        if not self._sounds.exists():
            return []
        return [float(line.partition(" ")[0]) for line in self._sounds.read_text().splitlines()]

    def until(self, condition: Callable[[], object], what: str) -> float:
        """Waits, while the page goes on; when it came true."""
        end = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < end, f"never came true: {what}"
            self.page.wait_for_timeout(20)
        return time.monotonic()

    def settled(self) -> None:
        """Waits until the page is live, and the supervisor has heard the station, too."""
        self.until(self.fresh, "a number")
        self.page.wait_for_timeout(1000 * HEARD_S)

    def silent(self) -> bool:
        """Whether the page sounds by itself."""
        return bool(self.page.evaluate(SILENT))

    def fresh(self) -> bool:
        """Whether the page shows a number as current."""
        return self.page.locator(FRESH).count() > 0


def stopped(watched: Watched, found: Dead) -> None:
    """The station lives and does nothing."""
    watched.settled()
    pid, before = watched.clinic.child("station"), len(watched.sounds())
    began = time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    found.page_s.append(watched.until(watched.silent, "the page sounds") - began)
    watched.until(lambda: len(watched.sounds()) > before, "the alarm command")
    found.command_s.append(watched.sounds()[before] - began)
    found.told = found.told or watched.page.locator(".banner-lost").inner_text()
    killed = watched.until(
        lambda: watched.clinic.child("station") not in (0, pid), "another station"
    )
    found.live_s.append(watched.until(watched.fresh, "a number again") - killed)


def for_good(watched: Watched, found: Dead) -> None:
    """The station cannot be started again."""
    watched.settled()
    before, config = len(watched.sounds()), watched.clinic.config
    away = config.rename(config.with_suffix(".away"))
    began = time.monotonic()
    watched.clinic.kill("station")
    watched.until(lambda: len(watched.sounds()) > before, "the alarm command")
    found.command_s.append(watched.sounds()[before] - began)
    found.page_s.append(watched.until(watched.silent, "the page sounds") - began)
    away.rename(config)
    watched.until(watched.fresh, "a number again")


def everything(watched: Watched, found: Dead) -> None:
    """Nothing is left but the page."""
    watched.until(watched.fresh, "a number")
    supervisor = psutil.Process(watched.clinic.process.pid)
    children = supervisor.children()
    began = time.monotonic()
    supervisor.kill()
    found.alone_s.append(watched.until(watched.silent, "the page sounds") - began)
    _, left = psutil.wait_procs(children, timeout=30)
    found.ended += not left
    supervisor.wait(10)


def measure(folder: Path, full: bool) -> Result:
    times, found = STOPS if full else STOPS_SHORT, Dead()
    ward, sounds = Ward(folder), folder / "sounds.txt"
    ward.room(ROOM, "nonin-df2")
    command = json.dumps([sys.executable, "-c", SOUND, str(sounds)])
    whole = ward.toml
    ward.toml = lambda port, store: whole(port, store).replace(  # type: ignore[method-assign]
        'id = "e2e"\n', f'id = "e2e"\nalarm_command = {command}\n', 1
    )
    with clinic_of(folder, ward) as clinic, sync_playwright() as play:
        wait_for(lambda: clinic.feed.exists(), "the station", START_S)
        clinic.open_sessions([ROOM])
        browser = play.chromium.launch(executable_path=chromium.whole(), args=chromium.FLAGS)
        page = browser.new_page()
        page.goto(clinic.url)
        page.get_by_role("button", name="Arm sound").click()
        page.get_by_role("button", name="I heard it").click()
        watched = Watched(clinic, page, sounds)
        for _ in range(times):
            stopped(watched, found)
        if full:
            for_good(watched, found)
        everything(watched, found)
        line = line_with(clinic.said().splitlines(), "the station has been silent for")
        browser.close()
    numbers = (
        Number("alarm command after", max(found.command_s), SOUND_S, "s", busy=3),
        Number("page sounds after", max(found.page_s), SOUND_S, "s", busy=3),
        Number("page alone sounds after", max(found.alone_s), SOUND_S, "s", busy=3),
        Number("live again after the engine was replaced", max(found.live_s), LIVE_S, "s", busy=4),
        all_of("children that ended with their supervisor", found.ended, 1),
    )
    also = f"{len(found.command_s) + 1} deaths"
    return Result(numbers, " ".join(found.told.split()), line, also)


FAULT = Fault(15, "dead engine", "station stopped, unable to start, everything killed", measure)


@pytest.mark.long
def test_a_dead_engine_is_sounded_by_others(tmp_path: Path) -> None:
    result = measure(tmp_path, full=False)
    result.check()
    assert "Watch the monitors" in result.told
