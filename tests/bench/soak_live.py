"""`make soak`, second half: the real program under load for as long as asked, while things break.

Sixteen simulated rooms (oximeter with pleth, and blood pressure) on pseudo-terminals, whose pulse
crosses a limit every eight seconds; the program as `vitals run` starts it; one Chromium on the page
of all rooms, nine readers of the live socket, and a reader of the station's feed that keeps the
numbers. What breaks, and when, is in `soak_faults.py`. Simulators, browser and readers share the
machine with the program.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from playwright.sync_api import Error, Page, sync_playwright

from tests import chromium
from tests.bench import ward
from tests.bench.run import percentile, skew_ms, watched
from tests.bench.soak_faults import Faults
from tests.bench.soak_listener import Ear, Listener
from tests.e2e.clinic import Program, free_port, wait_for
from vitals import crash_report
from vitals.store.verify import verify

READERS = 9
START_S = 90.0
LONG_MIN = 120.0
"""Minutes from which on memory is judged: in what comes after the first hour. In shorter runs it is
shown, from the middle on."""
LATE_MS, GROWTH_MB, LOG_MB, LIVE_S, HUNG_S, FILES, QUEUED = 100.0, 5.0, 64.0, 5.0, 10.0, 3, 200
PARTS = ("station", "web", "run")
OURS = ("signal SIGKILL", "silent: killed")
"""How processes end that the soak has killed."""


def out(text: str) -> None:
    """At once, as somebody waits for it."""
    sys.stdout.write(text)
    sys.stdout.flush()


@dataclass(slots=True)
class Sample:
    """One look at the program's processes; the web is counted with its figure process."""

    at_s: float
    pids: dict[str, int] = field(default_factory=dict)
    mb: dict[str, float] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)


def look(clinic: Program, at_s: float) -> Sample:
    """What each process holds; one that is being started anew is left out."""
    sample = Sample(at_s)
    for part in PARTS:
        pid = clinic.process.pid if part == "run" else clinic.child(part)
        with contextlib.suppress(psutil.NoSuchProcess):
            if pid:
                process = psutil.Process(pid)
                tree = [process, *(process.children(recursive=True) if part == "web" else ())]
                sample.mb[part] = sum(each.memory_info().rss for each in tree) / 1e6
                sample.files[part] = sum(each.num_fds() for each in tree)
                sample.pids[part] = pid
    return sample


def growth(samples: list[Sample], part: str, from_s: float) -> tuple[float, int]:
    """(MB, open files) that a process holds at the end more than at `from_s`.

    Medians of three for memory; for files the most of the last third and of the first, as a port
    that happens to be unplugged holds none.
    """
    last = samples[-1].pids.get(part)
    mine = [each for each in samples if each.pids.get(part) == last and each.at_s >= from_s]
    if last is None or len(mine) < 2:
        return 0.0, 0
    first, end = mine[:3], mine[-3:]
    mb = [sorted(each.mb[part] for each in some)[len(some) // 2] for some in (first, end)]
    third = max(1, len(mine) // 3)
    files = [max(each.files[part] for each in some) for some in (mine[:third], mine[-third:])]
    return mb[1] - mb[0], files[1] - files[0]


@contextlib.contextmanager
def place(disk_mb: int) -> Iterator[tuple[Path, Path | None]]:
    """A folder, and the disk for the record in it where there is to be a small one."""
    with tempfile.TemporaryDirectory(prefix="kap-soak-") as name:
        folder = Path(name)
        if not disk_mb:
            yield folder, None
            return
        disk = folder / "disk"
        disk.mkdir()
        size = f"size={disk_mb}m"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(disk)], check=True)
        try:
            yield folder, disk
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=True)


def drained(page: Page) -> list[float]:
    """Milliseconds from each deciding sample to its alarm on the screen, since the last time."""
    found: list[float] = page.evaluate("""() => {
        const found = window.__alarm.splice(0); window.__text.length = 0;
        window.__long.length = 0; window.__link.length = 0; return found; }""")
    return found


Row = tuple[str, float, float | None, str]
"""What, reached, bar or None, remark."""


def verdict(
    ear: Ear, faults: Faults, samples: list[Sample], screen_ms: list[float], clinic: Program,
    minutes: float,
) -> list[Row]:  # fmt: skip
    """The table; a number without a bar is only shown."""
    long = minutes >= LONG_MIN
    from_s = 3600.0 if long else minutes * 30
    rows: list[Row] = [
        ("alarm evaluation late, p99 of each second's worst, ms", percentile(ear.late_ms, 99),
         LATE_MS, f"n={len(ear.late_ms)}, p50 {percentile(ear.late_ms, 50):.1f}"),
        ("sample -> alarm at a reader of the feed, p99 ms", percentile(ear.alarm_ms, 99), None,
         f"n={len(ear.alarm_ms)}, p50 {percentile(ear.alarm_ms, 50):.1f}"),
        ("sample -> alarm on the screen, p99 ms", percentile(screen_ms, 99), None,
         f"n={len(screen_ms)}, p50 {percentile(screen_ms, 50):.1f}"),
        ("commit, p99 ms", percentile(ear.commit_ms, 99), None,
         f"p50 {percentile(ear.commit_ms, 50):.1f}"),
        ("rows that waited for a commit, at most", max(ear.queued, default=0), None, ""),
        ("… at the end", min(ear.queued[-5:], default=0), QUEUED, ""),
        ("rows given up", ear.shed, None if "full disk" in faults.done else 0, ""),
        ("log of the record, at most, MB", max(ear.log_bytes, default=0) / 1e6, LOG_MB, ""),
    ]  # fmt: skip
    for part in PARTS:
        mb, files = growth(samples, part, from_s)
        note = f"from minute {from_s / 60:.0f} on, {samples[-1].mb.get(part, 0):.0f} MB at the end"
        rows.append((f"{part}: memory growth, MB", mb, GROWTH_MB if long else None, note))
        held = f"{samples[-1].files.get(part, 0)} at the end"
        rows.append((f"{part}: open files more", files, FILES, held))
    for kind, count in sorted(faults.done.items()):
        times, bar = faults.live_s[kind], HUNG_S if kind == "hang station" else LIVE_S
        if times:
            what = f"{kind}: live again after, at most, s"
            rows.append((what, max(times), bar, f"{count} times"))
        else:
            rows.append((f"{kind}: times", count, None, ""))
    crashes = [
        json.loads(path.read_text()) for path in crash_report.folder_of(clinic.store).glob("*.json")
    ]
    strange = [each for each in crashes if each["ended"] not in OURS]
    told = "; ".join(f"{each['process']}: {each['ended']}" for each in strange)
    rows.append(("crashes that nobody made", len(strange), 0, told))
    checked = verify(clinic.store)
    rows.append(("broken places of the record", int(not checked.ok), 0, checked.broken))
    rows.append(
        ("faults of the soak itself", int(faults.error is not None), 0, str(faults.error or ""))
    )
    return rows


def table(rows: list[Row]) -> bool:
    """Prints it; whether all bars were reached."""
    out(f"\n{'':56}{'bar':>8}{'here':>10}\n")
    kept = True
    for what, value, bar, note in rows:
        good = bar is None or value <= bar
        kept &= good
        shown = f"{bar:g}" if bar is not None else ""
        out(f"{what:56}{shown:>8}{value:>10.1f} {' ' if good else '!'} {note}\n")
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rooms", type=int, default=16)
    parser.add_argument("--every", type=float, default=30.0, help="seconds between faults")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))  # noqa: S311
    parser.add_argument("--disk-mb", type=int, default=0, help="the record on a small RAM disk")
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    out(f"seed {options.seed}\n")
    with contextlib.ExitStack() as stack:
        folder, disk = stack.enter_context(place(options.disk_mb))
        beds, text = ward.bedsides(folder, options.rooms)
        port = free_port()
        store = (disk or folder) / "vitals.db"
        (folder / "clinic.toml").write_text(
            f'[station]\nid = "soak"\nmode = "test"\nprofile = "bench.toml"\n'
            f'store = "{store}"\n[web]\nport = {port}\n{text}\n'
        )
        (folder / "bench.toml").write_text(ward.PROFILE)
        for bed in beds:
            stack.enter_context(bed)
        clinic = Program(folder, "run", "--config", str(folder / "clinic.toml"))
        clinic.store = store
        stack.callback(clinic.stop)
        url = f"http://127.0.0.1:{port}/"
        wait_for(lambda: url in clinic.said(), "the pages", START_S)
        feed = Path(f"{store}.feed")
        ward.open_all(feed, options.rooms)
        ear = stack.enter_context(Listener(feed))
        clients = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.clients", str(port), str(READERS),
             str(options.rooms), str(options.minutes * 60 + 600)]
        )  # fmt: skip
        stack.callback(clients.wait)
        stack.callback(clients.send_signal, signal.SIGTERM)
        play = stack.enter_context(sync_playwright())
        browser = play.chromium.launch(executable_path=chromium.whole(), args=chromium.FLAGS)
        stack.callback(browser.close)
        page = watched(browser)
        page.goto(url)
        page.wait_for_selector("[data-channel=spo2][data-state=fresh]", timeout=START_S * 1000)
        skew = skew_ms(page, store.parent)
        samples, screen_ms = list[Sample](), list[float]()
        whole_s = options.minutes * 60
        every_s = min(60.0, whole_s / 40)
        faults = Faults(
            clinic, url, beds, ear, seed=options.seed, every_s=options.every, whole_s=whole_s,
            disk=disk,
        )  # fmt: skip
        out(f"{'min':>6}{'station':>9}{'web':>7}{'run':>6} MB {'files':>14}{'queued':>8}"
            f"{'log MB':>8}{'late ms':>9}\n")  # fmt: skip
        began = time.monotonic()
        shown_s = 0.0
        with faults:
            while (at_s := time.monotonic() - began) < whole_s and faults.error is None:
                page.wait_for_timeout(every_s * 1000)
                with contextlib.suppress(Error):  # the page is being loaded anew
                    screen_ms += [value - skew for value in drained(page)]
                samples.append(look(clinic, at_s))
                if at_s >= shown_s:
                    shown_s += whole_s / 10
                    show(samples[-1], ear)
        page.wait_for_timeout(5000)
        samples.append(look(clinic, time.monotonic() - began))
        show(samples[-1], ear)
        browser.close()
        clinic.stop()
        kept = table(verdict(ear, faults, samples, screen_ms, clinic, options.minutes))
    out(f"\n{options.minutes:g} minutes, seed {options.seed}: "
        f"{'all bars reached' if kept else 'NOT all bars reached (!)'}\n")  # fmt: skip
    sys.exit(0 if kept else 1)


def show(sample: Sample, ear: Ear) -> None:
    """One line on how it goes."""
    files = "/".join(str(sample.files.get(part, 0)) for part in PARTS)
    mb = [sample.mb.get(part, 0.0) for part in PARTS]
    out(f"{sample.at_s / 60:6.1f}{mb[0]:9.1f}{mb[1]:7.1f}{mb[2]:6.1f}    {files:>14}"
        f"{ear.queued[-1] if ear.queued else 0:8}"
        f"{(ear.log_bytes[-1] if ear.log_bytes else 0) / 1e6:8.1f}"
        f"{percentile(ear.late_ms[-60:], 99):9.1f}\n")  # fmt: skip


if __name__ == "__main__":
    main()
