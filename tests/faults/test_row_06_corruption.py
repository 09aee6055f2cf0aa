"""Row 6: the record is damaged.

Made: 200 copies of an encrypted record with an open session (20 in a test), each with one bit
flipped somewhere, are given to a starting writer; as many with a page of random bytes. Then the
record of a live station is overwritten by another process, cut short, and deleted.

Bar: every flip found, the damaged file set aside and never deleted, a new one in use within 2 s,
monitoring without a pause, and the open session goes on.

What is not found by a start is a flip in the eight bytes of the header that the cipher leaves as
they are and that hold nothing. A record without a key is only as well protected as its structure;
there `vitals sessions verify` finds every change of what was recorded.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np
import pytest

from devices import station_process
from tests.faults.beds import beds
from tests.faults.reached import Fault, Number, Result, all_of, logged
from tests.faults.wards import Page, seen, station
from tests.loop import run, until
from tests.store.build import FAST, KEY, audit, dice_of, fill, raw
from tests.store.build import until as wait_until
from vitals.errors import StoreError
from vitals.model import US
from vitals.store.connection import select
from vitals.store.pace import WriterSettings
from vitals.store.reader import Reader
from vitals.store.verify import verify
from vitals.store.writer import Writer

FLIPS, FLIPS_SHORT = 200, 12
NEW_S, PAUSE_S = 2.0, 3.0
PAGE = 4096
CHECK_S = 0.5
"""How often the live writer reads its file again here; a clinic's does so once a minute."""

DAMAGE = {
    "overwritten": """
import os, sys
path = sys.argv[1]
for name in (path, path + "-wal"):
    with open(name, "r+b") as file:
        file.write(os.urandom(os.path.getsize(name)))
""",
    "cut short": """
import os, sys
path = sys.argv[1]
for name in (path, path + "-wal"):
    os.truncate(name, os.path.getsize(name) // 2 + 1000)
""",
    "deleted": """
import os, sys
path = sys.argv[1]
for name in (path, path + "-wal", path + "-shm"):
    os.unlink(name)
""",
}
"""What another program does to the files, in a process of its own."""


@dataclass(slots=True)
class Starts:
    """What became of damaged copies that a writer was started on."""

    tried: int = 0
    found: int = 0
    resumed: int = 0
    whole: int = 0
    harmless: int = 0
    slowest_s: float = 0.0
    missed: list[str] = field(default_factory=list)


def flip(content: bytes, dice: Random) -> tuple[bytes, str]:
    """One bit of it the other way."""
    offset, bit = dice.randrange(len(content)), dice.randrange(8)
    damaged = bytearray(content)
    damaged[offset] ^= 1 << bit
    return bytes(damaged), f"bit {bit} of byte {offset}"


def spoil(content: bytes, dice: Random) -> tuple[bytes, str]:
    """One page of random bytes, as `dd if=/dev/urandom` makes it."""
    page = dice.randrange(len(content) // PAGE)
    damaged = bytearray(content)
    damaged[page * PAGE : (page + 1) * PAGE] = dice.randbytes(PAGE)
    return bytes(damaged), f"page {page + 1}"


def dump(path: Path) -> object:
    """What can be read of a record."""
    reader = Reader(path, key=KEY)
    return [
        (s, reader.audit(s.session.id), reader.numerics(s.session.id, "spo2").value.tobytes())
        for s in reader.sessions()
    ]


def start_on(path: Path, content: bytes, place: str, found: Starts, before: object) -> None:
    """Starts a writer on a damaged copy and stores a row."""
    path.write_bytes(content)
    found.tried += 1
    began = time.monotonic()
    writer = Writer(path, key=KEY, settings=FAST)
    writer.start()
    seq, done = writer.last_seq() + 1, list[bool]()
    writer.put_audit(audit(seq, session=None, room=""), done.append)
    wait_until(lambda: done)
    found.slowest_s = max(found.slowest_s, time.monotonic() - began)
    aside = writer.quarantined
    assert writer.close()
    if aside is None:
        if 16 <= int(place.rpartition(" ")[2]) < 24 and dump(path)[:1] == before[:1]:  # type: ignore[index]
            found.harmless += 1
        else:
            found.missed.append(place)
        return
    found.found += aside.read_bytes() == content and done == [True]
    found.resumed += bool(Reader(path, key=KEY).open_sessions())
    found.whole += verify(path, key=KEY).ok
    for name in path.parent.glob(f"{path.name}*"):
        if not name.name.endswith(".key-mark"):
            name.unlink()


def starts(folder: Path, count: int) -> Starts:
    """A writer on each damaged copy."""
    pattern, found, dice = folder / "pattern.db", Starts(), dice_of(6)
    fill(pattern, key=KEY)
    content, before = pattern.read_bytes(), dump(pattern)
    path = folder / "copy.db"
    path.with_name("copy.db.key-mark").write_bytes(
        pattern.with_name("pattern.db.key-mark").read_bytes()
    )
    for damage in (flip, spoil):
        for _ in range(count):
            start_on(path, *damage(content, dice), found, before)
    for start in (0, 16 * 1024):  # the header, and a page in the middle, whatever the dice say
        damaged = bytearray(content)
        damaged[start + 40] ^= 4
        start_on(path, bytes(damaged), f"bit 2 of byte {start + 40}", found, before)
    return found


@dataclass(slots=True)
class Live:
    """What became of a live station whose file was damaged."""

    new_s: list[float] = field(default_factory=list)
    gap_s: float = 0.0
    resumed: int = 0
    stored: int = 0
    told: str = ""
    log: str = ""
    kept: int = 0


def first_row(store: Path) -> bytes:
    """Tells one file from another; empty where it cannot be read."""
    try:
        return Reader(store).audit(None)[0].hash
    except (StoreError, IndexError):
        return b""


def set_aside(folder: Path) -> set[Path]:
    """Files that were set aside."""
    return set(folder.glob("vitals.db.corrupt.*"))


async def damage_live(page: Page, folder: Path, kind: str, room: str, found: Live) -> None:
    session = page.heard.room(room).session  # type: ignore[union-attr]
    assert session is not None
    store, before = folder / "vitals.db", set_aside(folder)
    start = len(page.heard.messages)
    await page.act("mark", room, text=f"before it is {kind}")
    first = first_row(store)
    subprocess.run([sys.executable, "-c", DAMAGE[kind], str(store)], check=True)  # noqa: ASYNC221

    def noticed() -> bool:
        return first_row(store) not in (b"", first)

    await until(noticed, 60)
    began = time.monotonic()
    result = await page.act("mark", room, text=f"after it was {kind}")
    assert (result.ok, result.recorded) == (True, True), result
    found.new_s.append(time.monotonic() - began)
    await until(lambda: "damaged" in page.heard.beats()[-1][1].detail, 60)
    found.told = found.told or page.heard.beats()[-1][1].detail
    reader = Reader(store)
    found.resumed += [s.session.id for s in reader.open_sessions()] == [session.id]
    found.kept += bool(set_aside(folder) - before) or kind == "deleted"
    texts = [row.body["text"] for row in reader.audit_by_kind(session.id, {"mark"})]
    found.stored += f"after it was {kind}" in texts
    await seen(lambda: reader.numerics(session.id, "spo2").at_us.size > 1, 60)
    at_us = np.array([n.at_us for _, n in page.heard.numerics(room, since=start)])
    found.gap_s = max(found.gap_s, float(np.diff(at_us).max()) / US)


def live(folder: Path, kinds: tuple[str, ...]) -> Live:
    """A station whose file is damaged again and again."""
    found = Live()

    async def main(room: str) -> None:
        async with station(folder, config) as page:
            await page.open(room)
            await until(lambda: page.heard.numerics(room), 60)
            for kind in kinds:
                await damage_live(page, folder, kind, room, found)

    checking = functools.partial(WriterSettings, check_s=CHECK_S)
    with pytest.MonkeyPatch.context() as patch, logged() as log, beds(folder, 1) as ward:
        patch.setattr(station_process, "WriterSettings", checking)
        config = ward.config
        run(main(ward.rooms[0]), 300)
    found.log = log.line("the record is damaged")
    assert verify(folder / "vitals.db").ok
    return found


def measure(folder: Path, full: bool) -> Result:
    found = starts(folder, FLIPS if full else FLIPS_SHORT)
    kinds = tuple(DAMAGE)
    lived = live(folder, kinds)
    damaged = found.tried - found.harmless
    numbers = (
        all_of("damaged files found and set aside unchanged", found.found, damaged),
        all_of("new files that verify", found.whole, damaged),
        Number("start on a damaged file to the first commit", found.slowest_s, NEW_S, "s", busy=4),
        all_of("live stations in a new file with their session", lived.resumed, len(kinds)),
        all_of("first acts recorded there", lived.stored, len(kinds)),
        all_of("of these, files set aside (a deleted one cannot be)", lived.kept, len(kinds)),
        Number("from found to recorded", max(lived.new_s), NEW_S, "s", busy=4),
        Number("longest time without a value meanwhile", lived.gap_s, PAUSE_S, "s", busy=2),
    )
    also = (
        f"open session read back out of the damaged file {found.resumed} of {damaged} times; "
        f"{found.harmless} flips in bytes that hold nothing"
        + (f"; missed {', '.join(found.missed)}" if found.missed else "")
    )
    return Result(numbers, lived.told, lived.log, also)


FAULT = Fault(
    6, "corruption", "flipped bits, random pages; a live file overwritten, cut, deleted", measure
)


@pytest.mark.long
def test_damage_is_found_and_set_aside_and_the_session_goes_on(tmp_path: Path) -> None:
    result = measure(tmp_path, full=False)
    result.check()
    assert "the record was damaged and set aside as" in result.told


def test_another_key_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "vitals.db"
    fill(path, key=KEY)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="this key does not open the record"):
        Writer(path, key=bytes(reversed(KEY)))
    assert path.read_bytes() == before
    assert os.stat(f"{path}.key-mark").st_mode & 0o777 == 0o600
    connection = raw(path, KEY)
    assert select(connection, "SELECT count(*) FROM session") == [(2,)]
    connection.close()
