"""Row 7: kill -9 at random instants.

Made: a process that writes a record as fast as it can (tests/store/kill_child.py) and says what was
confirmed is killed a hundred times (8 in a test), each time on the same record; then the station
under `vitals run` is killed while somebody writes notes, 10 times (once in a test).

Bar: no confirmed row lost, the record whole after every kill, live again within 5 s.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.clinic import wait_for
from tests.e2e.test_killed_station import Scribe
from tests.e2e.wards import Clinic, Ward
from tests.faults.beds import clinic_of
from tests.faults.reached import Fault, Number, Result, all_of, line_with
from tests.faults.wards import Page, page_of
from tests.loop import run, until
from tests.store.build import dice_of, raw
from vitals.store.connection import select
from vitals.store.verify import verify

WRITERS, WRITERS_SHORT, STATIONS, STATIONS_SHORT = 100, 8, 10, 1
LIVE_S = 5.0
ROOM = "good"


@dataclass(slots=True)
class Killed:
    """What was confirmed, and what was found afterwards."""

    confirmed: set[int] = field(default_factory=set)
    lost: set[int] = field(default_factory=set)
    without_samples: set[int] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)


def confirmed_until_killed(path: Path, after: int) -> list[int]:
    """Rows that a writer confirmed before it was killed."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.store.kill_child", str(path)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    with child.stdout as pipe:
        told = [int(pipe.readline()) for _ in range(after)]
        child.kill()
        told += [int(line) for line in pipe.read().split(b"\n")[:-1]]
    assert child.wait() == -signal.SIGKILL
    return told


def look(path: Path, found: Killed) -> None:
    """Compares the record with what was confirmed; whatever was put before a row came with it."""
    checked = verify(path)
    found.broken += [checked.broken] if checked.broken else []
    connection = raw(path)
    stored = {seq for (seq,) in select(connection, "SELECT seq FROM audit WHERE kind = 'note'")}
    samples = {seq for (seq,) in select(connection, "SELECT seq FROM numeric")}
    waves = {seq for (seq,) in select(connection, "SELECT seq FROM wave")}
    connection.close()
    found.lost |= found.confirmed - stored
    for seq in stored - {1}:
        numerics = {seq - 1, seq - 3, seq - 5, seq - 7, seq - 9}
        packets = {seq - 2, seq - 4, seq - 6, seq - 8}
        if not (numerics <= samples and packets <= waves):
            found.without_samples.add(seq)


def kill_writers(path: Path, kills: int) -> Killed:
    dice, found = dice_of(9), Killed()
    for _ in range(kills):
        found.confirmed.update(confirmed_until_killed(path, after=dice.randrange(1, 60)))
        look(path, found)
    return found


def kill_stations(clinic: Clinic, kills: int, told: list[str]) -> list[float]:
    """How long it took from each kill to the first value on the page."""
    took: list[float] = []
    # the supervisor's own pause would not be met by a station that has lived for a while
    dice = random.Random(3)  # noqa: S311 - the same every time

    async def one(page: Page, wait_s: float) -> None:
        heard = page.heard
        await until(lambda: heard.numerics(ROOM), 60)
        await asyncio.sleep(wait_s + dice.random())
        start = len(heard.messages)
        pid = clinic.child("station")
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        await until(lambda: heard.numerics(ROOM, since=start) and page.epoch not in seen, 60)
        took.append(time.monotonic() - began)
        await until(lambda: heard.room(ROOM).alarms, 60)  # type: ignore[union-attr]
        alarms = heard.room(ROOM).alarms  # type: ignore[union-attr]
        told.extend(alarm.text for alarm in alarms if alarm.rule == "restarted")

    seen: set[str] = set()

    async def main() -> None:
        async with page_of(clinic.feed) as page:
            for number in range(kills):
                await until(lambda: page.epoch, 60)
                seen.add(page.epoch)
                await one(page, 5.0 if number else 0.0)

    run(main(), 60.0 * kills + 60)
    return took


def measure(folder: Path, full: bool) -> Result:
    path = folder / "killed.db"
    found = kill_writers(path, WRITERS if full else WRITERS_SHORT)
    ward, told = Ward(folder), list[str]()
    ward.room(ROOM, "nonin-df2")
    kills = STATIONS if full else STATIONS_SHORT
    with clinic_of(folder, ward) as clinic:
        session = clinic.open_sessions([ROOM])[ROOM]
        scribe = Scribe(clinic)
        scribe.start()
        took = kill_stations(clinic, kills, told)
        wanted = len(scribe.recorded) + 3
        wait_for(lambda: len(scribe.recorded) >= wanted, "notes are taken to the end", 60)
        scribe.stop()
        kept = [row.body["text"] for row in clinic.reader.audit_by_kind(session, ["mark"])]
        lost = set(scribe.recorded) - set(kept)
        line = line_with(clinic.said().splitlines(), "station ended with code -9")
        checked = verify(clinic.store)
    numbers = (
        Number(f"lost of {len(found.confirmed):,} confirmed rows", len(found.lost), 0),
        Number("rows without the samples before them", len(found.without_samples), 0),
        Number("broken records", len(found.broken) + bool(checked.broken), 0),
        Number(f"lost of {len(scribe.recorded)} notes of a live station", len(lost), 0),
        all_of("stations killed and live again", len(took), kills),
        Number("live again after", max(took), LIVE_S, "s", busy=4),
    )
    return Result(
        numbers,
        told[0] if told else "",
        line,
        f"{WRITERS if full else WRITERS_SHORT} kills of a writer",
    )


FAULT = Fault(7, "kill -9", "a busy writer and a live station, at random instants", measure)


def test_no_confirmed_row_is_lost_by_a_kill_at_any_instant(tmp_path: Path) -> None:
    result = measure(tmp_path, full=False)
    result.check()
    assert "restart" in result.told.lower()
