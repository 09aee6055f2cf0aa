"""`make faults`: every fault with its full number, as a table; exit code 1 if a bar is missed.

    python -m tests.faults.run [--short] [--row N ...] [--write]

Each row runs in a process of its own: rows that only compute first, two beside each other, then one
after another those in which the program is timed. How far it is stands on standard error.
`--write` puts the table into docs/reliability.md.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.faults.reached import Fault

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- table of `make faults` -->\n", "<!-- end of the table -->"
LONGEST_S = 900.0
"""Of one row; what takes longer has failed."""
BESIDE, LANES = (8, 13, 2, 16, 12), 2
"""Rows whose numbers are counts, sizes and processor time, the longest first; so many at a time."""
WHOLE_MIN = 20.0
"""All rows in full should take no longer."""

Found = dict[str, Any]


def modules() -> dict[int, str]:
    """Row -> module that measures it."""
    found = {}
    for path in sorted(HERE.glob("test_row_*.py")):
        if number := re.match(r"test_row_(\d+)_", path.name):
            found[int(number[1])] = f"tests.faults.{path.stem}"
    return found


def fault_of(row: int) -> Fault:
    """The fault of a row."""
    found: Fault = importlib.import_module(modules()[row]).FAULT
    return found


def one(row: int, full: bool) -> Found:
    """Measures one row in this process."""
    fault = fault_of(row)
    with tempfile.TemporaryDirectory(prefix="kv-fault-") as folder:
        result = fault.measure(Path(folder), full)
        told = result.told.replace(f"{folder}/", "").replace(folder, "its folder")
    return {
        "about": f"{fault.name}: {fault.how}",
        "numbers": [str(number) for number in result.numbers],
        "missed": [str(number) for number in result.numbers if not number.kept]
        + [f"nothing {where} says it" for where, text in
           (("on the page", result.told), ("in the log", result.logged)) if not text],
        "told": told,
        "also": result.also,
    }  # fmt: skip


def apart(row: int, full: bool) -> Found:
    """Measures one row in a process of its own."""
    command = [sys.executable, "-m", "tests.faults.run", "--child", str(row)]
    try:
        done = subprocess.run(
            [*command, *([] if full else ["--short"])], cwd=ROOT, capture_output=True, text=True,
            check=False, timeout=LONGEST_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return failed(row, f"it did not end within {LONGEST_S:g} s")
    if done.returncode:
        return failed(row, done.stderr.strip().splitlines()[-1] if done.stderr else "it failed")
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found


def failed(row: int, why: str) -> Found:
    """What stands in the table for a row that could not be measured."""
    return {"about": modules()[row], "numbers": [], "missed": [why], "told": "", "also": ""}


@dataclass(frozen=True, slots=True)
class Ended:
    """A row that was measured, and how long that took."""

    row: int
    found: Found
    took_s: float

    @property
    def line(self) -> str:
        """The row of the table."""
        found = self.found
        numbers = [f"**{n}**" if n in found["missed"] else n for n in found["numbers"]]
        numbers += [f"**{each}**" for each in found["missed"] if each not in found["numbers"]]
        numbers += [found["also"]] if found["also"] else []
        kept = "**no**" if found["missed"] else "yes"
        cells = (
            str(self.row), found["about"], " · ".join(numbers), kept, found["told"],
            f"{self.took_s:.0f} s",
        )  # fmt: skip
        return (
            "| " + " | ".join(each.replace("|", "\\|").replace("\n", " ") for each in cells) + " |"
        )


def as_they_end(rows: Sequence[int], measure: Callable[[int], Found]) -> Iterator[Ended]:
    """Measures rows: those of `BESIDE` in lanes, then each of the others with nothing beside it."""

    def timed(row: int) -> Ended:
        began = time.monotonic()
        found = measure(row)
        return Ended(row, found, time.monotonic() - began)

    lanes = ThreadPoolExecutor(LANES)
    try:
        for ended in as_completed([lanes.submit(timed, row) for row in BESIDE if row in rows]):
            yield ended.result()
    finally:  # after a Ctrl-C nothing more is begun
        lanes.shutdown(cancel_futures=True)
    yield from (timed(row) for row in rows if row not in BESIDE)


def in_order(rows: Sequence[int], ended: Iterable[Ended]) -> Iterator[Ended]:
    """Each as soon as it and all rows before it have ended."""
    waiting, left = dict[int, Ended](), list(rows)
    for one in ended:
        waiting[one.row] = one
        while left and left[0] in waiting:
            yield waiting.pop(left.pop(0))


def told(rows: Sequence[int], ended: Iterable[Ended]) -> Iterator[Ended]:
    """Says on standard error how far it is."""
    for count, one in enumerate(ended, 1):
        how = "missed: " + "; ".join(one.found["missed"]) if one.found["missed"] else "kept"
        sys.stderr.write(f"{count}/{len(rows)}: row {one.row}, {one.took_s:.0f} s, {how}\n")
        sys.stderr.flush()
        yield one


HEAD = (
    "| row | fault, and how it is made | number reached (bar) | kept | what the page says | took"
    " |\n"
    "|---|---|---|---|---|---|"
)


def head_line(load: float, took_s: float) -> str:
    """What has to be known about the table: the computer, and how long it took."""
    took = f"{took_s / 60:.1f} min (≤ {WHOLE_MIN:g} min)"
    took = took if took_s <= 60 * WHOLE_MIN else f"**{took}**"
    *most, last = map(str, sorted(BESIDE))
    return (
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} cores in {took}, with a load "
        f"average of {load:.1f} before. Rows {', '.join(most)} and {last} ran beside each other, "
        f"{LANES} at a time, the others with nothing beside them; bold: not reached."
    )


def write(table: str) -> None:
    """Puts the table into the page."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}{table}\n{END}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="as in the ordinary tests")
    parser.add_argument("--row", type=int, action="append", help="only these")
    parser.add_argument("--write", action="store_true", help="into docs/reliability.md")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    out = sys.stdout.write
    if options.child is not None:
        logging.getLogger("tests").setLevel(logging.INFO)
        out(json.dumps(one(options.child, not options.short)) + "\n")
        return
    rows, load, began = sorted(options.row or modules()), os.getloadavg()[0], time.monotonic()
    lines, missed = [HEAD], 0
    out(HEAD + "\n")
    ended = as_they_end(rows, lambda row: apart(row, not options.short))
    for one_row in in_order(rows, told(rows, ended)):
        lines.append(one_row.line)
        missed += bool(one_row.found["missed"])
        out(lines[-1] + "\n")
        sys.stdout.flush()
    head = head_line(load, time.monotonic() - began)
    sys.stderr.write(f"{head}\n")
    if options.write:
        write(f"{head}\n\n" + "\n".join(lines))
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
