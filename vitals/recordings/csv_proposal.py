"""A mapping for a CSV, as far as its head and first rows show one: for a person to check."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

from vitals.recordings import csv_table, names
from vitals.recordings.csv_times import Times
from vitals.recordings.mapping import NONE, TimeColumn
from vitals.recordings.recording import FIRST_US, LAST_US

_ROWS = 50
_UNIT = re.compile(r"[\[(]([^\])]*)[\])]\s*$")
_TIME = ("time", "zeit", "date", "datum", "timestamp", "heure", "hora", "uhrzeit", "at_us")
_FORMATS = (
    "iso", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y %I:%M:%S %p", "%Y/%m/%d %H:%M:%S",
    "%Y%m%d%H%M%S", "%H:%M:%S", "%H:%M", "unix", "unix_ms", "unix_us", "seconds",
)  # fmt: skip
_START = "2026-01-01T00:00:00+00:00"


def proposal(path: Path) -> str:
    """Text of a mapping; what could not be found out is said in comments.

    Raises:
        RecordingError: it is no text.
        OSError: it cannot be read.
    """
    shape = csv_table.shape_of(path, NONE)
    with csv_table.opened(path, shape) as all_rows:
        head, *rows = itertools.islice(all_rows, _ROWS + 1)
    head = [cell.strip() for cell in head]
    when, how = _time(head, rows, shape.decimal)
    lines = [
        f"# A proposal for {_line(path.name)}.",
        "# Check every line, above all units and the time zone.",
        f"separator = {json.dumps(shape.separator)}",
        f"decimal = {json.dumps(shape.decimal)}",
        f"encoding = {json.dumps(shape.encoding)}",
        "",
        "[time]",
    ]
    if when is None:
        lines.append('# No column was found that says when; name it, and its format.\ncolumn = ""')
    else:
        lines += [f"column = {_quoted(head[when])}", f"format = {json.dumps(how)}"]
        lines.append('zone = "UTC"  # of times that say no offset, e.g. "Europe/Berlin"')
        if how in ("seconds", "%H:%M:%S", "%H:%M"):
            lines.append(f'start = "{_START}"  # when the recording began')
    left = []
    for place, name in enumerate(head):
        if place == when or not name:
            continue
        known = names.channel_of(name, "number")
        if known is None:
            left.append(name)
            continue
        unit = _UNIT.search(name)
        lines += ["", "[[track]]", f"name = {_quoted(name)}", f'channel = "{known[0]}"']
        lines.append(f"unit = {_quoted(unit[1] if unit else '')}")
    if left:
        told = ", ".join(_line(name) for name in left[:20])
        lines += ["", f"# Left out, as it is not known what they are: {told}"]
    return "\n".join(lines) + "\n"


def _time(head: list[str], rows: list[list[str]], decimal: str) -> tuple[int | None, str]:
    """The column that says when and its format, by its name first."""
    by_name = [n for n, name in enumerate(head) if any(w in name.lower() for w in _TIME)]
    for place in [*by_name, *(n for n in range(len(head)) if n not in by_name)]:
        cells = [row[place] for row in rows if place < len(row)]
        named = place in by_name
        for how in _FORMATS if named else _FORMATS[:10]:
            if cells and _fits(cells, how, decimal):
                return place, how
    return None, ""


def _fits(cells: list[str], how: str, decimal: str) -> bool:
    times = Times(TimeColumn(column="x", format=how, start=_START), decimal)
    found = [times.us(cell) for cell in cells]
    real = [at_us for at_us in found if at_us is not None and FIRST_US <= at_us <= LAST_US]
    return len(real) == len(found) and real == sorted(real)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _line(text: str) -> str:
    """On one line, as a comment must be."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
