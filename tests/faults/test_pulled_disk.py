"""The record is on a disk with a cable: pulled in mid-session, and plugged in again.

Made: a live station whose record lies on a disk that is taken out of its folder (what a system does
that unmounts a disk that has gone) and put back. Meanwhile an SpO2 falls and somebody writes notes.

Bar: NOT RECORDING 2 s after something could not be committed, the alarm comes, no second record
begins in the empty folder, and in the end nothing is missing.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from tests.faults.beds import Beds, beds
from tests.faults.test_row_04_disk_full import SPEED, TOLD_S
from tests.faults.wards import seen, station
from tests.loop import run, until
from tests.store.test_disk_away import Disk, disk
from vitals.model import US
from vitals.store.reader import Reader
from vitals.store.verify import verify

__all__ = ["disk"]

BUSY = 3.0
NOTES = 5


@pytest.mark.long
def test_a_pulled_disk_costs_nothing_but_the_time_that_it_is_away(
    disk: Disk,
    tmp_path: Path,
) -> None:
    store = disk.folder / "vitals.db"
    sessions: list[str] = []

    async def main(ward: Beds) -> None:
        (room,) = ward.rooms
        async with station(tmp_path, ward.config) as page:
            sessions.append(await page.open(room))
            await until(lambda: page.heard.numerics(room), 60)
            disk.pull()
            start, pulled_s = len(page.heard.messages), time.monotonic()
            ward.fall()
            for number in range(NOTES):
                result = await page.act("mark", room, text=f"note {number}")
                assert (result.ok, result.recorded) == (True, False)
            said = [at for at, beat in page.heard.beats(since=start) if not beat.recording]
            assert min(said) - pulled_s < TOLD_S * BUSY
            await until(lambda: "the record's disk is away" in page.heard.beats()[-1][1].detail)

            def low() -> bool:
                told = page.heard.alarms(room, "spo2-low", since=start)
                return any(alarm.condition == "active" for _, alarm in told)

            await until(low, 120)
            assert [name.name for name in disk.folder.iterdir()] == []
            disk.plug()
            await seen(lambda: page.heard.beats()[-1][1].recording)
            result = await page.act("mark", room, text=f"note {NOTES}")
            assert (result.ok, result.recorded) == (True, True)

    with beds(tmp_path, 1, store=store, speed=SPEED) as ward:
        run(main(ward), 300)
    rows = Reader(store).audit_by_kind(sessions[0], {"mark"})
    assert [row.body["text"] for row in rows] == [f"note {n}" for n in range(NOTES + 1)]
    at_us = Reader(store).numerics(sessions[0], "spo2").at_us
    assert np.diff(at_us).max() < 3 * SPEED * US
    assert verify(store).ok
    assert not list(disk.folder.glob("*.corrupt.*"))
