"""How long eight sessions of one pseudonym take to be put beside each other.

    python -m tests.bench.across [FOLDER]

In this process, as the figure process does it: first when nothing is known of them, then again.
"""

from __future__ import annotations

import gzip
import statistics
import sys
import tempfile
import time
from pathlib import Path

import apsw

from dashboard.review import across
from tests.bench.many_sessions import multiply
from tests.export import records

SESSIONS, SECONDS, TIMES = 8, 7200, 5


def build(path: Path) -> str:
    """Eight sessions of two hours with pleth and one pseudonym; the id of the last."""
    records.write(path, SECONDS)
    made = multiply(path, SESSIONS - 1, lanes=1)
    connection = apsw.Connection(str(path))
    connection.execute("UPDATE session SET subject_ref = 'KV-0417'")
    connection.close()
    return made[-1]


def main(folder: Path) -> None:
    """Prints milliseconds and bytes."""
    path = folder / "vitals.db"
    uuid = build(path)
    cold, warm = [], []
    body = b""
    for _ in range(TIMES):
        across._kept.clear()
        for into in (cold, warm):
            began = time.perf_counter()
            body = across.across(path, uuid) or b""
            into.append(1000 * (time.perf_counter() - began))
    print(f"{SESSIONS} sessions of {SECONDS // 3600} h, {path.stat().st_size / 1e6:.0f} MB")  # noqa: T201
    for name, found in (("first", cold), ("again", warm)):
        print(f"{name}: median {statistics.median(found):.0f} ms, worst {max(found):.0f} ms")  # noqa: T201
    print(f"{len(body)} bytes, {len(gzip.compress(body))} compressed")  # noqa: T201


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as own:
            main(Path(own))
