"""`make bench-central`: many stations send to one PostgreSQL, and one central page's web follows.

    python -m tests.bench.central [--stations 625] [--rooms 16] [--seconds 60] [--away 60] [--write]

The server, the stations' load and the follower share this computer's cores. Stations send through
the program's own pure layer (`vitals.central.lanes`, `live`), the follower is the program's own.
`--write` puts the table into docs/scale.md. Needs `.ci/postgres`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import psutil
import psycopg

from tests.bench.central_load import CHANNELS, NEW_S
from tests.bench.central_seen import ON_A_PAGE, PAGES, Seen, Times, read, timed
from tests.central.cluster import Cluster, Database
from tests.loop import until
from vitals.central.follower import PgFollower
from vitals.model import US
from vitals.process import settle

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
BEGIN, END = "<!-- table of `make bench-central` -->\n", "<!-- end of the table -->"
ROOT = Path(__file__).parents[2]
LONGEST_S = 900.0
VISIBLE_MS, COMMIT_MS, CATCH_UP = 500.0, 200.0, 20.0


@dataclass(frozen=True)
class Usage:
    """So far: processor time of the server and of all on this computer; WAL, tables."""

    server_s: float
    all_s: float
    wal_bytes: int
    table_bytes: int

    def __sub__(self, before: Usage) -> Usage:
        return Usage(
            self.server_s - before.server_s,
            self.all_s - before.all_s,
            self.wal_bytes - before.wal_bytes,
            self.table_bytes - before.table_bytes,
        )


@dataclass(frozen=True)
class Told:
    """What came of a run.

    Attributes:
        loads: what each of the loads tells, see `tests.bench.central_load.Told`.
        poll_ms: of each poll.
        own_s: processor time of this process, that is of the follower and the pages.
        used: while all was live.
        catching_up: what was used then.
    """

    loads: list[dict[str, Any]]
    poll_ms: list[float]
    own_s: float
    used: Usage
    catching_up: Usage


@dataclass
class Found:
    """What was measured."""

    told: Told
    times: Times
    live_s: float
    there: int
    different: int
    connections: int
    backend_mb: float
    load: tuple[float, float, float] = field(default_factory=os.getloadavg)

    def all(self, name: str) -> list[float]:
        """Of all processes together."""
        return [each for told in self.told.loads for each in told[name]]

    def sum(self, name: str) -> float:
        """Of all processes together."""
        return sum(told[name] for told in self.told.loads)


@contextlib.contextmanager
def loads(count: int, plans: list[dict[str, Any]]) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that send, all connected."""
    command = [sys.executable, "-m", "tests.bench.central_load"]
    running = [
        subprocess.Popen(command, cwd=ROOT, stdin=-1, stdout=-1, text=True) for _ in range(count)
    ]
    try:
        for process, plan in zip(running, plans, strict=True):
            assert process.stdin is not None
            process.stdin.write(json.dumps(plan) + "\n")
            process.stdin.flush()
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", "a load has failed"
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait()
            for end in (process.stdin, process.stdout):
                if end is not None:
                    end.close()


def processor_s(cluster: Cluster) -> float:
    """Processor time of the server so far, with that of all its processes that still run."""
    server = psutil.Process(cluster.pid)
    total: float = 0.0
    for each in (server, *server.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            total += times.user + times.system
    return float(total)


def memory_mb(cluster: Cluster) -> tuple[int, float]:
    """Connections of stations, and the memory that one of them has for itself."""
    own = []
    for each in psutil.Process(cluster.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if "station_" in " ".join(each.cmdline()):
                own.append(each.memory_full_info().uss / 1e6)
    return len(own), float(np.median(own)) if own else 0.0


def usage(database: Database) -> Usage:
    """What has been used so far."""
    whole = psutil.cpu_times()
    return Usage(
        processor_s(database.cluster),
        sum(whole) - whole.idle - whole.iowait - whole.guest - whole.guest_nice,
        _one(database, _WAL),
        _one(database, _SIZE),
    )


async def follow(
    database: Database,
    plans: list[dict[str, Any]],
    times: Times,
    running: list[subprocess.Popen[str]],
    seconds: int,
) -> Told:
    """Follows while the loads send."""
    viewer = database.viewer()
    hub = Seen(times)
    with mock.patch("vitals.central.follower.StationRooms", timed(times)):
        follower = PgFollower(lambda: viewer, hub, on_whole=settle)
        following = asyncio.create_task(follower.run())
        await until(lambda: follower.hello is not None, 60)
        stations = [name for plan in plans for name in plan["stations"]]
        reading = asyncio.create_task(read(hub, stations, plans[0]["rooms"]))
        told = await _follow(database, follower, times, running, seconds)
        for task in (following, reading):
            task.cancel()
        await asyncio.gather(following, reading, return_exceptions=True)
    return told


async def _follow(
    database: Database,
    follower: PgFollower,
    times: Times,
    running: list[subprocess.Popen[str]],
    seconds: int,
) -> Told:
    before = await asyncio.to_thread(usage, database)
    own_s = time.process_time()
    begin_us = time.time_ns() // 1000 + (2 + NEW_S) * US
    times.begin_us = begin_us
    for process in running:
        assert process.stdin is not None
        process.stdin.write(f"{begin_us}\n")
        process.stdin.flush()
    polls, poll_ms, over = 0, list[float](), begin_us + (seconds + 2) * US
    while time.time_ns() // 1000 < over:
        await asyncio.sleep(0.01)
        if follower.polls != polls:
            polls = follower.polls
            poll_ms.append(1000 * follower.poll_s)
    own_s = time.process_time() - own_s
    used = await asyncio.to_thread(usage, database) - before
    await _said(running, "over")
    before = await asyncio.to_thread(usage, database)
    _go_on(running)
    await _said(running, "caught up")
    later = await asyncio.to_thread(usage, database) - before
    _go_on(running)
    answers = [asyncio.to_thread(_answer, process) for process in running]
    return Told(await asyncio.gather(*answers), poll_ms, own_s, used, later)


async def _said(running: list[subprocess.Popen[str]], word: str) -> None:
    for process in running:
        assert process.stdout is not None
        line = await asyncio.to_thread(process.stdout.readline)
        assert line == f"{word}\n", "a load has failed"


def _go_on(running: list[subprocess.Popen[str]]) -> None:
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go on\n")
        process.stdin.flush()


def _answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.read())
    return found


def measure(stations: int, rooms: int, seconds: int, away_s: int, processes: int) -> Found:
    """All of it."""
    settings = {
        "max_connections": str(2 * stations + 50),
        "shared_buffers": "512MB",
        "max_wal_size": "4GB",
        "wal_compression": "lz4",
    }
    names = [f"st-{number}" for number in range(stations)]
    phase_us = {name: i * US // stations for i, name in enumerate(names)}
    with (
        Cluster(durable=True, settings=settings) as cluster,
        cluster.fresh_database() as database,
    ):
        logins = {name: database.station(name) for name in names}
        plans = [
            {
                "stations": {name: logins[name] for name in names[i::processes]},
                "rooms": rooms,
                "seconds": seconds,
                "away_s": away_s,
                "phase_us": phase_us,
            }
            for i in range(processes)
        ]
        times = Times(phase_us)
        with loads(processes, plans) as running:
            connections, backend_mb = memory_mb(cluster)
            told = asyncio.run(follow(database, plans, times, running, seconds))
        return Found(
            told=told,
            times=times,
            live_s=NEW_S + seconds + 2,
            there=_one(database, "SELECT coalesce(sum(cardinality(seq)), 0) FROM kap.block"),
            different=_one(database, _DIFFERENT),
            connections=connections,
            backend_mb=backend_mb,
        )


_WAL = "SELECT (pg_current_wal_lsn() - '0/0')::bigint"
_SIZE = (
    "SELECT sum(pg_total_relation_size(inhrelid))::bigint FROM pg_inherits"
    " WHERE inhparent = 'kap.block'::regclass"
)
_DIFFERENT = """
SELECT coalesce(sum(last - first + 1), 0) FROM (
    SELECT (SELECT min(u) FROM unnest(b.seq) u) AS own_first, b.last_seq AS last,
        greatest((SELECT min(u) FROM unnest(b.seq) u),
            1 + coalesce(lag(b.last_seq) OVER one, 0)) AS first
    FROM kap.block b
    WINDOW one AS (PARTITION BY b.station, b.record ORDER BY b.last_seq)) each"""
"""A load's counters have no holes: what lies behind the block before is different from it."""


def _one(database: Database, question: str) -> int:
    with psycopg.connect(database.admin) as admin:
        row = admin.execute(question.encode()).fetchone()
        assert row is not None
        return int(row[0])


def _three(values: list[float]) -> str:
    if not values:
        return "–"
    p50, p99 = np.percentile(values, [50, 99])
    return f"{p50:.0f} / {p99:.0f} / {max(values):.0f} ms"


def _seconds(used: Usage, load_s: float, own_s: float | None) -> str:
    """Of server, load, follower and everything."""
    each = (used.server_s, load_s, own_s, used.all_s)
    return " / ".join("–" if one is None else f"{one:.1f}" for one in each) + " s"


def rows(found: Found, stations: int, rooms: int, away_s: int) -> list[tuple[str, str, str, bool]]:
    """What, goal, reached, kept."""
    sent = int(found.sum("samples") + found.sum("caught"))
    times = found.times
    shown = (len(times.heard_ms) + len(times.new_ms)) / found.sum("samples")
    behind = [each for each in found.told.loads if each["caught"]]
    caught_s = (
        max(each["caught_to"] for each in behind) - min(each["caught_from"] for each in behind)
        if behind
        else 0.0
    )
    factor = away_s / caught_s if caught_s else 0.0
    visible, commit = times.heard_ms or [1e9], found.all("commit_ms")
    live_hours = found.sum("samples") / len(CHANNELS) / 3600
    return [
        ("due → visible, p50 / p99 / max", f"p99 ≤ {VISIBLE_MS:g} ms", _three(visible),
         float(np.percentile(visible, 99)) <= VISIBLE_MS),
        (f"… of the {NEW_S} s before, in which all connections were new", "–",
         _three(times.new_ms), True),
        (f"due → in the mailbox of a page ({PAGES * ON_A_PAGE} rooms are shown)", "–",
         _three(times.told_ms), True),
        ("values that were seen, of those that were sent", "–", f"{100 * shown:.1f} %", True),
        ("commit of a second of a station", f"p99 ≤ {COMMIT_MS:g} ms", _three(commit),
         float(np.percentile(commit, 99)) <= COMMIT_MS),
        ("… with all connections new", "–", _three(found.all("new_ms")), True),
        ("due → committed", "–", _three(found.all("due_ms")), True),
        ("due → newest state written", "–", _three(found.all("live_ms")), True),
        ("one poll, until its rows are in the hub", "–", _three(found.told.poll_ms), True),
        ("values lost, twice", "0, 0", f"{sent - found.different}, {found.there - found.different}",
         sent == found.different == found.there),
        (f"all stations after {away_s} s away: catch-up", f"≥ {CATCH_UP:g} × real time",
         f"{factor:.0f} × ({found.sum('caught') / caught_s:,.0f} values/s)" if caught_s else "–",
         not away_s or factor >= CATCH_UP),
        ("… commit of a transaction meanwhile", "–", _three(found.all("caught_ms")), True),
        (f"processor in {found.live_s:g} s: server / load / follower / all of this computer", "–",
         _seconds(found.told.used, found.sum("cpu_s"), found.told.own_s), True),
        ("… while catching up", "–",
         _seconds(found.told.catching_up, found.sum("caught_cpu_s"), None), True),
        ("connections; memory of one for itself", "–",
         f"{found.connections:,}; {found.backend_mb:.1f} MB", True),
        ("on disk, a room for an hour", "–",
         f"{found.told.used.table_bytes / live_hours / 1000:.0f} kB", True),
        ("WAL, a room for an hour, with what it shows", "–",
         f"{found.told.used.wal_bytes / live_hours / 1000:.0f} kB", True),
    ]  # fmt: skip


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stations", type=int, default=625)
    parser.add_argument("--rooms", type=int, default=16)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--away", type=int, default=60, help="seconds to catch up afterwards")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="into docs/scale.md")
    asked = parser.parse_args()
    found = measure(asked.stations, asked.rooms, asked.seconds, asked.away, asked.processes)
    reached = rows(found, asked.stations, asked.rooms, asked.away)
    load = ", ".join(f"{one:.1f}" for one in found.load)
    lines = [
        f"{asked.stations} stations × {asked.rooms} rooms × {len(CHANNELS)} values a second = "
        f"{asked.stations * asked.rooms:,} rooms, {asked.seconds} s, measured "
        f"{datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} cores with a load average of {load}: "
        "server, stations and follower together. Bold: not reached.",
        "",
        "| what | goal | reached |",
        "|---|---|---|",
        *(
            f"| {what} | {goal} | {got if kept else f'**{got}**'} |"
            for what, goal, got, kept in reached
        ),
    ]
    table = "\n".join(lines)
    print(table)  # noqa: T201
    if asked.write:
        before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}{table}\n{END}{rest.split(END)[1]}", encoding="utf-8")
    sys.exit(not all(kept for *_, kept in reached))


if __name__ == "__main__":
    main()
