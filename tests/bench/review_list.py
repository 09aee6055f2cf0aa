"""Measures the list of sessions and the proof of a record: `python -m tests.bench.review_list`.

A true record of so many sessions is built in a temporary folder (2.8 MB for each of two hours with
its pleth; for the list short ones do, since nothing of their samples is read for an answer), then:

* how long it takes until all of them are worked out, and the longest request meanwhile,
* `GET /api/v1/sessions` over HTTP, warm: median, 95th percentile and longest of each question,
* the first answer of a new web process, which starts from the index beside the record,
* `verify` of the record, wall and CPU seconds.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.many_sessions import multiply
from tests.dashboard import ward
from tests.export import records
from vitals.store.verify import verify

QUESTIONS = {
    "newest 200": "",
    "by peak": "?sort=-peak",
    "search": "?q=kv-1",
    "room, route, unfinished": "?room=room-3&route=im&unfinished=1",
    "page 40": "?offset=8000",
    "1,000 rows": "?limit=1000&sort=spo2",
}


@contextmanager
def web(folder: Path) -> Iterator[Callable[[str], dict[str, Any]]]:
    """A web process over the record; gives what asks its list."""
    with ward.ward(folder, [ward.room(1)]) as (_, server):

        def get(query: str) -> dict[str, Any]:
            address = f"{server.address}/api/v1/sessions{query}"
            request = urllib.request.Request(address, headers={"Accept-Encoding": "gzip"})  # noqa: S310
            with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
                body = answer.read()
            if answer.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            found: dict[str, Any] = json.loads(body)
            return found

        yield get


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Milliseconds that it took, and what came of it."""
    began = time.perf_counter()
    found = work()
    return (time.perf_counter() - began) * 1e3, found


def measure_list(folder: Path, count: int) -> None:
    """The list, from a record that was never listed to a new process."""
    with web(folder) as get:
        began, longest, asked = time.perf_counter(), 0.0, 0
        first_ms, answer = timed(lambda: get(""))
        while answer["pending"]:
            took_ms, answer = timed(lambda: get("?limit=1"))
            longest, asked = max(longest, took_ms), asked + 1
        took_s = time.perf_counter() - began
        print(f"first answer, nothing worked out: {first_ms:.0f} ms (starts the figure process)")  # noqa: T201
        print(f"all {count} worked out: {took_s:.1f} s, {asked} requests, longest {longest:.0f} ms")  # noqa: T201
        for name, query in QUESTIONS.items():
            times = sorted(timed(lambda query=query: get(query))[0] for _ in range(40))
            print(  # noqa: T201
                f"{name}: median {median(times):.0f} ms, p95 {times[37]:.0f}, max {times[-1]:.0f}"
            )
    with web(folder) as get:
        first_ms, answer = timed(lambda: get(""))
        print(f"a new process: first answer {first_ms:.0f} ms, pending {answer['pending']}")  # noqa: T201


def build(store: Path, sessions: int, seconds: int, *, pleth: bool) -> None:
    """Makes the record."""
    store.parent.mkdir(parents=True, exist_ok=True)
    records.write(store, seconds, pleth=pleth)
    took_ms, _ = timed(lambda: multiply(store, sessions - 1))
    size = store.stat().st_size / 1e6
    print(f"built {sessions} sessions in {took_ms / 1e3:.1f} s, {size:.0f} MB", flush=True)  # noqa: T201


def main() -> None:
    """Builds, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=120, help="length of a session")
    parser.add_argument("--pleth", action="store_true")
    parser.add_argument("--verify", action="store_true", help="verify instead of listing")
    parser.add_argument("--keep", type=Path, help="folder of the record, built if it is not there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="review-list-") as name:
        store = (given.keep or Path(name)) / "ward.db"
        if not store.exists():
            build(store, given.sessions, given.seconds, pleth=given.pleth)
        if given.verify:
            cpu = time.process_time()
            took_ms, found = timed(lambda: verify(store))
            cpu = time.process_time() - cpu
            print(f"verify: {took_ms / 1e3:.1f} s wall, {cpu:.1f} s CPU, {found}")  # noqa: T201
            return
        measure_list(store.parent, given.sessions)


if __name__ == "__main__":
    main()
