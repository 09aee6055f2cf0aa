"""Row 3: somebody sets the computer's clock, or summer time ends.

Made: a live station under libfaketime, which changes the wall clock of a running process and leaves
the monotonic one alone: an hour back, an hour on, two days back and on, a second back (a leap
second), and the night in which summer time ends (the zone is Europe/Berlin). Meanwhile an SpO2
falls and its alarm's delay runs. A page's own clock is not faked: it is on another computer.

Bar: the station's time and its delays go on within 0.1 s, no value has a negative age, the record's
order is its counters', and each step is recorded and said.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from tests.faults.beds import Beds, beds
from tests.faults.reached import Fault, Number, Result, all_of, line_with
from tests.faults.wards import Page, page_of, reader_of
from tests.loop import run, until
from vitals.model import US
from vitals.store.verify import verify

OFF_S = 0.1
HOUR, DAY = 3600, 86_400
STEPS = ("-1h", "+1h", "-2d", "+2d")
SHORT_STEPS = ("-1h",)
OFFSETS = {"-1h": -HOUR, "+1h": HOUR, "-2d": -2 * DAY, "+2d": 2 * DAY}
LEAP, DST = -1, "@2027-10-31 00:59:58"
"""A second back; two seconds before the clocks of Berlin go back, in UTC."""
LATE_S = 0.25
"""A delay is noticed by a tick (0.15 s), and told over the feed."""
LAG_US = 50_000
"""Two channels of one packet, and two devices, may overtake each other by so much."""
SPEED = 4.0
"""The patient's and the station's, so that the alarm's delay need not be waited for."""
STEPPED = "clock-step"


@dataclass(slots=True)
class Steps:
    """What the station did at each step, in seconds."""

    drift_s: list[float] = field(default_factory=list)
    noticed: int = 0
    ages_s: list[float] = field(default_factory=list)
    told: str = ""
    delay_s: float = 0.0


class FakedStation:
    """`vitals station` in a process of its own, whose wall clock the test sets."""

    def __init__(self, folder: Path, text: str) -> None:
        spec = importlib.util.find_spec("libfaketime")
        assert spec is not None
        assert spec.origin is not None
        library = Path(spec.origin).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"
        self._clock = folder / "faketime"
        self.set("+0")
        (folder / "clinic.toml").write_text(text)
        self.log = folder / "log.txt"
        environment = {
            **os.environ,
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
            "TZ": "Europe/Berlin",
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "vitals.cli", "station", "--config", "clinic.toml"],
                cwd=folder, env=environment, stdout=log, stderr=log,
            )  # fmt: skip

    def set(self, words: str) -> None:
        """Sets the wall clock: an offset in seconds, or `@` and a time in UTC."""
        if words.startswith("@"):
            then = datetime.fromisoformat(words[1:]).replace(tzinfo=UTC)
            words = f"{then.timestamp() - time.time():+.0f}"
        new = self._clock.with_suffix(".new")
        new.write_text(words + "\n")
        new.replace(self._clock)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


def ahead_s(page: Page, since: int) -> float:
    """The station's time less this process's monotonic time, by the beat that came soonest."""
    return max(beat.now_us / US - at * SPEED for at, beat in page.heard.beats(since=since))


async def step(page: Page, station: FakedStation, words: str, room: str, found: Steps) -> None:
    """Sets the clock and looks what comes of it."""
    heard = page.heard
    before = len(heard.messages)
    await until(lambda: len(heard.beats(since=before)) >= 2, 30)
    at_first = ahead_s(page, before)
    start = len(heard.messages)
    station.set(words)
    moved = [False]

    def noticed() -> bool:
        moved[0] = any(a.condition == "active" for _, a in heard.alarms(room, STEPPED, since=start))
        return moved[0] or len(heard.beats(since=start)) >= 3

    await until(noticed, 30)
    found.noticed += moved[0]
    after = len(heard.messages)
    await until(lambda: len(heard.beats(since=after)) >= 2, 30)
    found.drift_s.append(abs(ahead_s(page, after) - at_first) / SPEED)
    ahead = ahead_s(page, start)
    ages = [ahead + at * SPEED - n.at_us / US for at, n in heard.numerics(room, since=start)]
    found.ages_s += ages
    told = [a.text for _, a in heard.alarms(room, STEPPED, since=start) if a.text]
    found.told = found.told or next(iter(told), "")


async def walk(page: Page, station: FakedStation, ward: Beds, steps: list[str]) -> Steps:
    """All steps, and an alarm's delay meanwhile."""
    (room,), found = ward.rooms, Steps()
    await page.open(room)
    await until(lambda: page.heard.numerics(room), 60)
    start = len(page.heard.messages)
    ward.fall()
    for words in steps:
        await step(page, station, words, room, found)

    def times(condition: str) -> list[tuple[float, object]]:
        return [
            (at, each)
            for at, each in page.heard.alarms(room, "spo2-low", since=start)
            if each.condition == condition
        ]

    await until(lambda: times("active"), 60)
    at_s, alarm = next(
        (at, each) for at, each in page.heard.alarms(room, "spo2-low", since=start)
        if each.condition == "active"
    )  # fmt: skip
    beat_at, beat = min(page.heard.beats(since=start), key=lambda pair: abs(pair[0] - at_s))
    told_us = beat.now_us + (at_s - beat_at) * SPEED * US
    assert alarm.raised_us is not None
    found.delay_s = (told_us - alarm.raised_us) / US / SPEED
    return found


def measure(folder: Path, full: bool) -> Result:
    offset, steps = 0, list[str]()
    for words in STEPS if full else SHORT_STEPS:
        offset += OFFSETS[words]
        steps.append(f"{offset:+d}")
    stepped = len(steps) + full
    steps += [f"{offset + LEAP:+d}"] + [DST] * full
    found: list[Steps] = []

    async def main(ward: Beds, station: FakedStation) -> None:
        async with page_of(folder / "vitals.db.feed") as page:
            await until(lambda: page.heard.beats() or station.process.poll() is not None, 60)
            assert station.process.poll() is None, station.log.read_text()
            found.append(await walk(page, station, ward, steps))
            await asyncio.sleep(1.5)  # what was measured last is in the record

    with beds(folder, 1, speed=SPEED) as ward:
        station = FakedStation(folder, ward.config)
        try:
            run(main(ward, station), 200)
        finally:
            station.stop()
    (walked,) = found
    reader = reader_of(folder)
    (session,) = reader.open_sessions()
    in_order = [numeric.at_us for _, numeric in reader.inputs(session.session.id)]
    rows = reader.audit_by_kind(session.session.id, {"notice"})
    recorded = [row.body["detail"] for row in rows if row.body["code"] == "clock_step"]
    disorder = int((np.diff(np.array(in_order)) < -LAG_US).sum())
    gap_s = float(np.diff(np.sort(np.array(in_order))).max()) / US / SPEED
    checked = verify(folder / "vitals.db")
    numbers = (
        Number("station's time moved by", max(walked.drift_s), OFF_S, "s", busy=4),
        Number("alarm later than its delay by", walked.delay_s, LATE_S, "s", busy=6),
        Number("values with a negative age", sum(age < -OFF_S for age in walked.ages_s), 0),
        Number("values out of order in the record", disorder, 0),
        Number("longest time without a value", gap_s, 2.0, "s", busy=4),
        all_of("steps said", walked.noticed, stepped),
        all_of("steps recorded", len(recorded), stepped),
        Number("broken places", int(not checked.ok), 0),
    )
    log = station.log.read_text().splitlines()
    return Result(numbers, walked.told, line_with(log, "clock was moved by"), ", ".join(recorded))


FAULT = Fault(3, "clock set", "libfaketime on a live station: ±1 h, ±2 d, 1 s, end of DST", measure)


@pytest.mark.long
def test_a_clock_that_is_set_moves_no_timer_and_is_said(tmp_path: Path) -> None:
    result = measure(tmp_path, full=False)
    result.check()
    assert "The computer's clock was moved by" in result.told
