"""Row 5: another program holds the record locked for 30 seconds (3 in a test).

Made: a second process opens the live station's record, begins to write and goes to sleep; a note is
written every second meanwhile. Then, at the writer alone, ten minutes of sixteen rooms (three
numbers and four pleth packets a second each) wait behind the same lock.

Bar: nothing lost, the station's loop late by 100 ms at most, ten minutes fit into memory, and pages
say NOT RECORDING within 2 s.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.faults.beds import beds
from tests.faults.reached import Fault, Number, Result, all_of, logged
from tests.faults.wards import lateness, reader_of, seen, station
from tests.loop import run, until
from tests.store.build import T0, opened, pleth
from tests.store.build import until as wait_until
from vitals.model import US, Numeric
from vitals.store.pace import WriterSettings
from vitals.store.reader import Reader
from vitals.store.verify import verify

FULL_S, SHORT_S = 30.0, 3.0
ROOMS = 3
LATE_S, TOLD_S, BACK_S = 0.1, 2.0, 5.0
QUEUE_S, QUEUE_SHORT_S, QUEUE_ROOMS, PACKETS = 600, 60, 16, 4

HOLDER = """
import sys, apsw
other = apsw.Connection(sys.argv[1])
other.set_busy_timeout(20000)
other.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
"""


@contextlib.contextmanager
def locked(store: Path) -> Iterator[None]:
    """Another program, which has begun to write and does not go on."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(store)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        yield
        other.communicate("\n", timeout=20)


def live(folder: Path, seconds: float) -> tuple[list[Number], str, str]:
    """A live station behind the lock."""
    found: list[Number] = []
    told: list[str] = []

    async def main(rooms: tuple[str, ...]) -> None:
        async with station(folder, config) as page:
            heard = page.heard
            sessions = {room: await page.open(room) for room in rooms}
            await until(lambda: all(heard.numerics(room) for room in rooms), 60)
            over = asyncio.Event()
            late = asyncio.create_task(lateness(over))
            start = len(heard.messages)
            holding = locked(folder / "vitals.db")
            await asyncio.to_thread(holding.__enter__)
            began = time.monotonic()
            answers = []
            while time.monotonic() - began < seconds:
                text = f"note {len(answers)}"
                answers.append(asyncio.create_task(page.act("mark", rooms[0], text=text)))
                await asyncio.sleep(1.0)
            states = [*heard.beats(since=start)]
            said = [at for at, beat in states if not beat.recording]
            said += [at for at, _ in heard.alarms(rooms[0], "not-recording", since=start)]
            told.append(next(beat.detail for _, beat in states if not beat.recording))
            await asyncio.to_thread(holding.__exit__, None, None, None)
            back_s = await seen(lambda: heard.beats()[-1][1].recording)
            over.set()
            end = len(heard.messages)
            done = await asyncio.gather(*answers)
            assert all(result.ok for result in done)
            await page.act("mark", rooms[0], text="after")  # behind everything before
            reader = reader_of(folder)
            lost = sum(
                len({n.at_us for _, n in heard.numerics(room, since=start)}
                    - {int(at) for at in reader.numerics(session, "spo2").at_us}
                    - {n.at_us for _, n in heard.numerics(room, since=end)})
                for room, session in sessions.items()
            )  # fmt: skip
            values = sum(len(heard.numerics(room, since=start)) for room in rooms)
            notes = len(reader.audit_by_kind(sessions[rooms[0]], {"mark"}))
            found.extend([
                Number(f"values lost of {values}", lost, 0),
                all_of("notes in the record", notes - 1, len(answers)),
                Number("loop late by", await late, LATE_S, "s", busy=20),
                Number("NOT RECORDING after", min(said) - began, TOLD_S, "s", busy=3),
                Number("recording again after", back_s, BACK_S, "s", busy=3),
            ])  # fmt: skip

    with logged() as log, beds(folder, ROOMS) as ward:
        config = ward.config
        run(main(ward.rooms), seconds + 120)
    assert verify(folder / "vitals.db").ok
    return found, told[0], log.line("NOT RECORDING", "another program has locked the record")


def waiting(folder: Path, seconds: int) -> tuple[list[Number], str]:
    """Minutes of a whole clinic in memory, and back into the file."""
    path, seq = folder / "queue.db", 1
    settings = WriterSettings(look_s=3600.0)
    writer = opened(path, settings)
    with locked(path):
        for second in range(seconds):
            for _ in range(QUEUE_ROOMS):
                for part in range(PACKETS):
                    writer.put_wave("session-a", seq + 1 + part, pleth(second + part / PACKETS))
                for i, channel in enumerate(("spo2", "pr", "hr")):
                    value = Numeric("ox", channel, T0 + second * US, 72.0)
                    writer.put_numeric("session-a", seq + PACKETS + 1 + i, value)
                seq += PACKETS + 3
        shed = writer.health().shed
        queued = writer.health().queued
    began = time.monotonic()
    wait_until(lambda: writer.health().queued == 0, 120)
    took_s = time.monotonic() - began
    assert writer.close(60)
    reader = Reader(path)
    values = sum(reader.numerics("session-a", key).at_us.size for key in ("spo2", "pr", "hr"))
    numbers = [
        Number(f"samples given up of {seconds / 60:g} min of {QUEUE_ROOMS} rooms", shed, 0),
        all_of("of them in the record", values, 3 * QUEUE_ROOMS * seconds),
    ]
    return numbers, f"{queued:,} rows waited, committed in {took_s:.1f} s"


def measure(folder: Path, full: bool) -> Result:
    numbers, told, line = live(folder, FULL_S if full else SHORT_S)
    more, also = waiting(folder, QUEUE_S if full else QUEUE_SHORT_S)
    return Result((*numbers, *more), f"NOT RECORDING: {told}", line, also)


FAULT = Fault(5, "record locked", "another process holds it, 30 s", measure)


def test_a_locked_record_loses_nothing_and_stops_nothing(tmp_path: Path) -> None:
    result = measure(tmp_path, full=False)
    result.check()
    assert "another program has locked the record; close it" in result.told
