"""How long the report and the REMS sheet of a two-hour session with pleth take.

    python -m tests.bench.report

In this process as wall time and as processor time, then as asked for over HTTP, where the niced
figure process makes them. The first of each has the libraries to load.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from dashboard.review import report
from tests.dashboard import ward
from tests.export import records

SECONDS = 7200
TIMES = 12
FILES = ("report.pdf", "rems.pdf", "rems")


def main() -> None:
    """Prints a table."""
    with tempfile.TemporaryDirectory() as place:
        store = records.write(Path(place) / "ward.db", SECONDS)
        print("| what | first | median | longest | processor | bytes |")  # noqa: T201
        print("|---|---|---|---|---|---|")  # noqa: T201
        _row("report, in process", lambda: report.pdf(store, records.UUID, "pdf") or b"")
        _row("REMS sheet, in process", lambda: report.pdf(store, records.UUID, "rems") or b"")
        with ward.ward(Path(place), [ward.room(1)]) as (_, web):
            for file in FILES:
                url = f"{web.address}/api/v1/sessions/{records.UUID}/{file}"
                _row(f"{file}, over HTTP", lambda url=url: _fetched(url))
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"\nLoad of the computer: {load} on {os.cpu_count()} cores.")  # noqa: T201


def _row(what: str, make: Callable[[], bytes]) -> None:
    took, worked, size = [], [], 0
    for _ in range(TIMES):
        wall, cpu = time.perf_counter(), time.process_time()
        size = len(make())
        took.append(1000 * (time.perf_counter() - wall))
        worked.append(1000 * (time.process_time() - cpu))
    walls = (took[0], statistics.median(took[1:]), max(took[1:]))
    cells = [what, *(f"{ms:.0f} ms" for ms in walls)]
    cells += [f"{statistics.median(worked[1:]):.0f} ms", str(size)]
    print(f"| {' | '.join(cells)} |")  # noqa: T201


def _fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=300) as answer:  # noqa: S310 ours
        found: bytes = answer.read()
    return found


if __name__ == "__main__":
    main()
