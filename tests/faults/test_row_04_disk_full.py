"""Row 4: the disk is full.

Made: the record of a live station on a tmpfs of 4 MB, filled to the last byte and emptied again,
in a mount namespace of a process of its own (as another user than root in a user namespace).

Bar: what was confirmed as recorded is in the record, NOT RECORDING 2 s after something could not
be committed, alarms go on, recording again without a restart, and then nothing is missing.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.e2e.test_record_in_trouble import fill
from tests.faults.beds import Beds, beds
from tests.faults.reached import Fault, Number, Result, all_of, logged
from tests.faults.wards import Page, seen, station
from tests.loop import run, until
from vitals.store.reader import Reader
from vitals.store.verify import verify

TOLD_S, BACK_S = 2.0, 5.0
SPEED = 8.0
"""The patient's, so that the alarm need not be waited for."""
MARK_S = 0.1
"""How often somebody writes a note meanwhile."""


@dataclass(slots=True)
class Filled:
    """What the process with the small disk found.

    Attributes:
        notes: number -> whether it was confirmed as recorded.
        told_s: from the first note that did not get through to NOT RECORDING on the page.
        back_s: from the emptied disk to recording.
        alarm_s: from the falling SpO2 to its alarm, while nothing could be recorded.
        kept: texts of the notes in the record, at the end.
    """

    notes: dict[str, bool] = field(default_factory=dict)
    put_s: dict[str, float] = field(default_factory=dict)
    told_s: list[float] = field(default_factory=list)
    back_s: list[float] = field(default_factory=list)
    alarm_s: float = 0.0
    kept: list[str] = field(default_factory=list)
    broken: str = ""
    restarts: int = 0
    told: str = ""
    log: str = ""


async def note(page: Page, room: str, found: Filled) -> None:
    name = f"note {len(found.put_s)}"
    found.put_s[name] = time.monotonic()
    result = await page.act("mark", room, text=name)
    assert result.ok, result.error
    found.notes[name] = result.recorded is True


async def one_filling(page: Page, ward: Beds, disk: Path, found: Filled, *, falling: bool) -> None:
    """Fills the disk, writes on, and empties it."""
    (room,) = ward.rooms
    start = len(page.heard.messages)
    filler = fill(disk)
    full_s = time.monotonic()
    if falling:
        ward.fall()
    writing: list[asyncio.Task[None]] = []

    def not_recording() -> float | None:
        beats = [at for at, beat in page.heard.beats(since=start) if not beat.recording]
        alarms = page.heard.alarms(room, "not-recording", since=start)
        told = beats + [at for at, alarm in alarms if alarm.condition == "active"]
        return min(told, default=None)

    while not_recording() is None:
        writing.append(asyncio.create_task(note(page, room, found)))
        await asyncio.sleep(MARK_S)
        assert time.monotonic() - full_s < 60, "NOT RECORDING was never said"
    said_s = not_recording() or 0.0
    await asyncio.gather(*writing)
    first = min(found.put_s[name] for name, recorded in found.notes.items() if not recorded
                and found.put_s[name] >= full_s)  # fmt: skip
    found.told_s.append(said_s - first)
    await until(lambda: page.heard.beats()[-1][1].detail, 20)
    found.told = page.heard.beats()[-1][1].detail
    if falling:

        def low() -> bool:
            told = page.heard.alarms(room, "spo2-low", since=start)
            return any(alarm.condition == "active" for _, alarm in told)

        await until(low, 120)
        found.alarm_s = time.monotonic() - full_s
    assert not page.heard.beats()[-1][1].recording
    filler.unlink()
    found.back_s.append(await seen(lambda: page.heard.beats()[-1][1].recording))
    await note(page, room, found)


def in_small_disk(folder: Path, fillings: int) -> Filled:
    """Everything that needs the small disk; the caller is alone in its mount namespace."""
    found, disk = Filled(), folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=True)
    store = disk / "vitals.db"

    async def main(ward: Beds) -> None:
        async with station(folder, ward.config) as page:
            session = await page.open(ward.rooms[0])
            await until(lambda: page.heard.numerics(ward.rooms[0]), 60)
            epochs = {page.epoch}
            for number in range(fillings):
                await note(page, ward.rooms[0], found)
                await one_filling(page, ward, disk, found, falling=number == 0)
            epochs.add(page.epoch)
            found.restarts = len(epochs) - 1
        rows = Reader(store).audit_by_kind(session, {"mark"})
        found.kept = [row.body["text"] for row in rows]

    with logged() as log, beds(folder, 1, store=store, speed=SPEED) as ward:
        run(main(ward), 60 + 60 * fillings)
    found.log = log.line("NOT RECORDING", "the disk is full")
    found.broken = verify(store).broken
    subprocess.run(["umount", "--lazy", disk], check=True)
    return found


def measure(folder: Path, full: bool) -> Result:
    namespace = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "-Urm"]
    command = [sys.executable, "-m", __name__, str(folder), "10" if full else "1"]
    done = subprocess.run(
        [*namespace, *command], cwd=Path(__file__).parents[2], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = Filled(**json.loads(done.stdout))
    recorded = [name for name, ok in found.notes.items() if ok]
    numbers = (
        all_of("confirmed notes in the record", len({*recorded} & {*found.kept}), len(recorded)),
        Number("notes missing or twice in the end",
               len(set(found.notes) ^ set(found.kept)) + len(found.kept) - len({*found.kept}), 0),
        Number("NOT RECORDING after", max(found.told_s), TOLD_S, "s", busy=3),
        all_of("alarm of a falling SpO2 meanwhile", int(found.alarm_s > 0), 1),
        Number("recording again after", max(found.back_s), BACK_S, "s", busy=3),
        Number("restarts", found.restarts, 0),
        Number("broken places", int(bool(found.broken)), 0),
    )  # fmt: skip
    also = f"{len(found.told_s)} fillings, {len(found.notes)} notes"
    return Result(numbers, f"NOT RECORDING: {found.told}", found.log, also)


FAULT = Fault(4, "disk full", "a tmpfs of 4 MB, filled to the last byte", measure)


def test_on_a_full_disk_nothing_confirmed_is_lost_and_alarms_go_on(tmp_path: Path) -> None:
    result = measure(tmp_path, full=False)
    result.check()
    assert "the disk is full; free some space" in result.told


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(in_small_disk(Path(sys.argv[1]), int(sys.argv[2])))))
