"""`make faults`: every fault with its full number, as a table; exit code 1 if a bar is missed.

    python -m tests.faults.run [--short] [--row N ...] [--write]

Each row runs in a process of its own. `--write` puts the table into docs/reliability.md.
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


def one(row: int, full: bool) -> dict[str, Any]:
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


def apart(row: int, full: bool) -> dict[str, Any]:
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
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def failed(row: int, why: str) -> dict[str, Any]:
    """What stands in the table for a row that could not be measured."""
    return {"about": modules()[row], "numbers": [], "missed": [why], "told": "", "also": ""}


def line(row: int, found: dict[str, Any], took_s: float) -> str:
    """The row of the table."""
    numbers = [f"**{n}**" if n in found["missed"] else n for n in found["numbers"]]
    numbers += [f"**{each}**" for each in found["missed"] if each not in found["numbers"]]
    numbers += [found["also"]] if found["also"] else []
    kept = "**no**" if found["missed"] else "yes"
    cells = (str(row), found["about"], " · ".join(numbers), kept, found["told"], f"{took_s:.0f} s")
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


HEAD = (
    "| row | fault, and how it is made | number reached (bar) | kept | what the page says | took"
    " |\n"
    "|---|---|---|---|---|---|"
)


def write(table: str) -> None:
    """Puts the table into the page, and says how busy the computer was."""
    load = f"{os.getloadavg()[2]:.1f}"
    table = (
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} cores with a load average of "
        f"{load}; bold: not reached.\n\n{table}"
    )
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
    lines, missed = [HEAD], 0
    out(HEAD + "\n")
    for row in options.row or modules():
        began = time.monotonic()
        found = apart(row, not options.short)
        lines.append(line(row, found, time.monotonic() - began))
        missed += bool(found["missed"])
        out(lines[-1] + "\n")
        sys.stdout.flush()
    if options.write:
        write("\n".join(lines))
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
