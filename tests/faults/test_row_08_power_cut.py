"""Row 8: the power fails.

Made: the station's writer, in a process of its own, on a disk whose power can be cut
(tests/faults/power.py): 300 times after 0.3 s (12 times in a test), at a random instant, with a
checkpoint after 20 pages as well as after the usual thousand. What is found again is opened,
checked, and written on until the next cut. The control is the same with `synchronous = NORMAL`,
which must lose rows, else the test would prove nothing.

The same again on an encrypted record, whose pages SQLite writes through the cipher: 300 cuts too
(6 in a test). The three run beside each other, as nothing here is timed.

Bar: no confirmed row lost, no broken record; the control loses.

What this does not show: a disk that says that it has flushed and has not; and the name of a file
is taken to be safe as soon as the file was flushed once.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import apsw

from tests.faults.power import Power
from tests.faults.reached import Fault, Number, Result
from tests.store.build import audit, dice_of, session, spo2, station, until
from vitals.store import record_file
from vitals.store.connection import Opened
from vitals.store.pace import WriterSettings
from vitals.store.reader import Reader
from vitals.store.verify import verify
from vitals.store.writer import Writer

CUTS, CUTS_SHORT, CONTROL, CONTROL_SHORT = 300, 12, 60, 6
ENCRYPTED, ENCRYPTED_SHORT = 300, 6
KEY = bytes(range(32))
CUT_S = 0.3
ON_ONE_RECORD = 10
"""Cuts until a new record is begun."""
CHECKPOINTS = (20, 1000)
SETTINGS = WriterSettings(group_s=0.02, seal_s=0.1, first_retry_s=0.01, last_retry_s=0.02)


@dataclass(slots=True)
class Found:
    """What the process found.

    Attributes:
        cuts: how often the power failed.
        confirmed: rows that were confirmed before a cut.
        lost: of them, those that were not there afterwards.
        losing: cuts with a loss.
        broken: records that did not verify.
        told: what the writer said when it met the cut.
    """

    cuts: int = 0
    confirmed: int = 0
    lost: int = 0
    losing: int = 0
    broken: int = 0
    flushes: int = 0
    first: str = ""
    told: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)


class _Lines(logging.Handler):
    def __init__(self, found: Found) -> None:
        super().__init__()
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        if len(self._found.log) < 5:
            self._found.log.append(record.getMessage())


def write_until_cut(
    path: Path, power: Power, dice: Random, found: Found, key: bytes | None
) -> set[int]:
    """Writes as fast as it can; the rows that were confirmed when the power went."""
    confirmed: set[int] = set()
    writer = Writer(
        path, key=key, settings=SETTINGS, on_state=lambda ok, why: found.told.append(why)
    )
    writer.start()
    seq = writer.last_seq()
    began = seq
    room = threading.Semaphore(20)

    def answered(number: int, ok: bool) -> None:
        with power.lock:
            if ok and not power.is_cut:
                confirmed.add(number)
        room.release()

    if seq == 0:
        seq = 1
        writer.put_audit(audit(1), session=session(), station=station())
    end = time.monotonic() + CUT_S * (0.5 + dice.random())
    while time.monotonic() < end:
        for _ in range(5):
            seq += 1
            writer.put_numeric("session-a", seq, spo2(seq - began))
        seq += 1
        row = audit(seq)
        if room.acquire(timeout=0.05):
            writer.put_audit(row, lambda ok, number=seq: answered(number, ok))  # type: ignore[misc]
    images = power.cut(dice)
    until(lambda: not writer.health().queued or writer._pace.failing_since is not None)
    writer.close(timeout_s=0.0)
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    for name, image in images.items():
        Path(name).write_bytes(image)
    power.forget()
    return confirmed


def cut_again_and_again(
    folder: Path, cuts: int, synchronous: str, seed: int, key: bytes | None
) -> Found:
    """The whole work of the process."""
    found, power, dice = Found(), Power(), dice_of(seed)
    if key is not None:
        apsw.set_default_vfs(power.encrypted())
    logging.getLogger().addHandler(_Lines(found))
    whole = record_file.open_for_writing

    def opened(*args: Any, **options: Any) -> Opened:
        result = whole(*args, **options)
        result.connection.pragma("synchronous", synchronous)
        result.connection.wal_autocheckpoint(dice.choice(CHECKPOINTS))
        return result

    record_file.open_for_writing = opened
    confirmed: set[int] = set()
    for number in range(cuts):
        path = folder / f"{number // ON_ONE_RECORD}.db"
        if number % ON_ONE_RECORD == 0:
            confirmed = set()
        new = write_until_cut(path, power, dice, found, key)
        confirmed |= new
        found.cuts += 1
        found.confirmed += len(new)
        try:
            kept = {row.seq for row in Reader(path, key=key).audit_by_kind("session-a", {"note"})}
            checked = verify(path, key=key)
            broken = checked.broken
        except (apsw.Error, Exception) as error:
            kept, broken = set(), f"{type(error).__name__}: {error}"
        lost = confirmed - kept
        found.lost += len(lost)
        found.losing += bool(lost)
        found.broken += bool(broken)
        found.first = found.first or broken
        confirmed -= lost
        power.forget()
    found.flushes = power.flushes
    found.told = found.told[-3:]
    return found


def in_a_process(
    folder: Path, cuts: int, synchronous: str, seed: int, *, key: bytes = b""
) -> Found:
    """The power of one process is not that of another."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(folder), str(cuts), synchronous, str(seed), key.hex()],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Found(**json.loads(done.stdout.splitlines()[-1]))


def measure(folder: Path, full: bool) -> Result:
    cuts = (CUTS, ENCRYPTED, CONTROL) if full else (CUTS_SHORT, ENCRYPTED_SHORT, CONTROL_SHORT)
    with ThreadPoolExecutor(len(cuts)) as beside:
        found, encrypted, control = (
            each.result()
            for each in (
                beside.submit(in_a_process, folder / "full", cuts[0], "FULL", 8),
                beside.submit(in_a_process, folder / "encrypted", cuts[1], "FULL", 10, key=KEY),
                beside.submit(in_a_process, folder / "normal", cuts[2], "NORMAL", 9),
            )
        )
    numbers = (
        Number(f"lost of {found.confirmed:,} confirmed rows in {found.cuts} cuts", found.lost, 0),
        Number(f"the same of {encrypted.confirmed:,} in {encrypted.cuts} cuts, encrypted",
               encrypted.lost, 0),
        Number("broken records", found.broken + encrypted.broken, 0),
        Number(f"control (NORMAL): losing cuts of {control.cuts}", control.losing, 1, least=True),
    )  # fmt: skip
    also = (
        f"{found.flushes + encrypted.flushes:,} flushes; control lost {control.lost:,} of "
        f"{control.confirmed:,} rows"
        + (f"; first broken place: {first}" if (first := found.first or encrypted.first) else "")
    )
    told = "– (the computer is off; row 9 is what is seen when it is on again)"
    return Result(numbers, told, next(iter(found.log), ""), also)


FAULT = Fault(
    8, "power cut", "a disk that keeps what was flushed and torn pieces of the rest", measure
)


def test_a_power_cut_loses_no_confirmed_row_and_would_without_flushes(tmp_path: Path) -> None:
    result = measure(tmp_path, full=False)
    result.check()


if __name__ == "__main__":
    where, count, how, start, of_key = sys.argv[1:]
    result = cut_again_and_again(
        Path(where), int(count), how, int(start), bytes.fromhex(of_key) or None
    )
    sys.stdout.write(json.dumps(asdict(result)) + "\n")
