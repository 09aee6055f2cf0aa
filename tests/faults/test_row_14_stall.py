"""Row 14: the station's loop hangs for five seconds.

Made: `vitals run`, whose station has a handler that sleeps in the very thread of its loop, as a
callback of ours might (sitecustomize; nothing of the program is changed). Once shorter than what it
is killed for, once longer.

Bar: the clinic's alarm command has been run 3 s after the loop began to hang, by the supervisor, a
process of its own; a hang that is over by itself is said afterwards; after a longer one another
station is live 5 s after it was killed.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.wards import Clinic, Ward
from tests.faults.beds import clinic_of
from tests.faults.reached import Fault, Number, Result, all_of, line_with
from tests.faults.wards import Page, page_of
from tests.loop import run, until

STALLS, STALLS_SHORT = 3, 1
SOUND_S, KILL_S, LIVE_S = 3.0, 5.0, 5.0
SHORT_S, LONG_S = 4.0, 60.0
HEARD_S = 3.0
"""A station that has just been started has 60 s of grace until the supervisor has heard it."""
ROOM = "good"
NUMBER = "KV_FAULT_STALL_S"
CUSTOM = f"""
import os, signal, sys, time
if "station" in sys.argv[1:3] or "station" in getattr(sys, "orig_argv", []):
    def stall(signum, frame):
        time.sleep(float(open(os.environ["{NUMBER}"]).read()))
    signal.signal(signal.SIGUSR1, stall)
"""
SOUND = "import os, sys, time; open(sys.argv[1], 'a').write(f'{time.monotonic()} {sys.argv[2]}\\n')"


class Stalling:
    """A clinic whose station can be made to hang, and whose alarm command writes a line."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        (folder / "custom").mkdir()
        (folder / "custom" / "sitecustomize.py").write_text(CUSTOM)
        self.seconds = folder / "seconds"
        self.sounds = folder / "sounds.txt"
        path = os.environ.get("PYTHONPATH", "")
        patch.setenv("PYTHONPATH", os.pathsep.join([str(folder / "custom"), path]).rstrip(":"))
        patch.setenv(NUMBER, str(self.seconds))
        self.ward = Ward(folder)
        self.ward.room(ROOM, "nonin-df2")
        command = json.dumps([sys.executable, "-c", SOUND, str(self.sounds)])
        whole = self.ward.toml

        def toml(port: int, store: str) -> str:
            return whole(port, store).replace(
                'id = "e2e"\n', f'id = "e2e"\nalarm_command = {command}\n', 1
            )

        patch.setattr(self.ward, "toml", toml)

    def heard(self) -> list[tuple[float, str]]:
        """(`time.monotonic()`, sentence) of each run of the alarm command."""
        if not self.sounds.exists():
            return []
        lines = self.sounds.read_text().splitlines()
        return [(float(at), words) for at, _, words in (line.partition(" ") for line in lines)]


@dataclass(slots=True)
class Stalls:
    """Seconds from the beginning of each hang."""

    sounded_s: list[float] = field(default_factory=list)
    killed_s: list[float] = field(default_factory=list)
    live_s: list[float] = field(default_factory=list)
    said: int = 0
    told: str = ""


async def stall(page: Page, clinic: Clinic, stalling: Stalling, seconds: float) -> float:
    """Lets the loop hang; when that began."""
    stalling.seconds.write_text(str(seconds))
    await asyncio.sleep(HEARD_S)
    before = len(page.heard.messages)
    await until(lambda: page.heard.beats(since=before), 30)  # at once after a beat: the worst case
    began = time.monotonic()
    os.kill(clinic.child("station"), signal.SIGUSR1)
    return began


async def short(page: Page, clinic: Clinic, stalling: Stalling, found: Stalls) -> None:
    """A hang that is over before anybody is killed for it."""
    pid, epoch, sounds = clinic.child("station"), page.epoch, len(stalling.heard())
    began = await stall(page, clinic, stalling, SHORT_S)
    await until(lambda: len(stalling.heard()) > sounds, 30)
    found.sounded_s.append(stalling.heard()[sounds][0] - began)

    def late() -> list[str]:
        room = page.heard.room(ROOM)  # the connection was given up meanwhile: by a snapshot
        return [a.text for a in (room.alarms if room else []) if a.rule == "engine-late"]

    await until(lambda: late() or page.epoch != epoch, 30)
    if clinic.child("station") == pid:
        found.said += 1
        found.told = found.told or late()[0]
    before = len(page.heard.messages)
    await until(lambda: len(page.heard.numerics(ROOM, since=before)) > 2, 30)


async def long(page: Page, clinic: Clinic, stalling: Stalling, found: Stalls) -> None:
    """A hang that does not end."""
    pid, sounds = clinic.child("station"), len(stalling.heard())
    epoch = page.epoch
    began = await stall(page, clinic, stalling, LONG_S)
    await until(lambda: len(stalling.heard()) > sounds, 30)
    found.sounded_s.append(stalling.heard()[sounds][0] - began)
    await until(lambda: clinic.child("station") not in (0, pid), 60)
    killed = time.monotonic()
    found.killed_s.append(killed - began)
    start = len(page.heard.messages)
    await until(lambda: page.epoch != epoch and page.heard.numerics(ROOM, since=start), 60)
    found.live_s.append(time.monotonic() - killed)


def measure(folder: Path, full: bool) -> Result:
    times, found = STALLS if full else STALLS_SHORT, Stalls()

    async def main(clinic: Clinic, stalling: Stalling) -> None:
        async with page_of(clinic.feed) as page:
            await page.open(ROOM)
            await until(lambda: page.heard.numerics(ROOM), 60)
            for _ in range(times):
                await short(page, clinic, stalling, found)
            for _ in range(times if full else 0):
                await long(page, clinic, stalling, found)

    with pytest.MonkeyPatch.context() as patch:
        stalling = Stalling(folder, patch)
        with clinic_of(folder, stalling.ward) as clinic:
            run(main(clinic, stalling), 120 + 60 * times)
            line = line_with(clinic.said().splitlines(), "the station has been silent for")
    numbers = [
        Number("alarm command after", max(found.sounded_s), SOUND_S, "s", busy=3),
        all_of("hangs that were over, said on the page", found.said, times),
    ]
    if full:
        numbers += [
            Number("killed after", max(found.killed_s), KILL_S + 1.0, "s", busy=3),
            Number("live again after that", max(found.live_s), LIVE_S, "s", busy=4),
        ]
    return Result(tuple(numbers), found.told, line)


FAULT = Fault(
    14, "loop hangs", "a sleep in the thread of the station's loop, 4 s and 60 s", measure
)


@pytest.mark.long
def test_a_hanging_loop_is_sounded_by_another_process(tmp_path: Path) -> None:
    result = measure(tmp_path, full=False)
    result.check()
    assert "The program was" in result.told
