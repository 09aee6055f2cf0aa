"""Reads a CSV of another program by a mapping: one row a moment, one column a track."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vitals.recordings import csv_table
from vitals.recordings.csv_times import Times
from vitals.recordings.mapping import REMARK, Mapping, TrackMapping
from vitals.recordings.names import WAVES
from vitals.recordings.recording import LeftOut, Raw, RawNumbers, RecordingError, Remark, Tell

NAME = "csv"
_EMPTY = frozenset({"", "-", "--", "---", "na", "n/a", "nan", "null", "none", "?", "***"})
_MOST_CELLS = 50_000_000
_TOLD = 3


@dataclass(slots=True)
class _Column:
    place: int
    about: TrackMapping
    at_us: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    odd: int = 0
    first_odd: str = ""


def read(path: Path, mapping: Mapping, tell: Tell) -> Raw:
    """All that a mapping names.

    Raises:
        RecordingError: the file is not as the mapping says.
        OSError: it cannot be read.
    """
    if mapping.time is None or not mapping.track:
        raise RecordingError(
            f"{path.name}: a mapping for a CSV names a [time] column and at least one [[track]]"
        )
    shape = csv_table.shape_of(path, mapping)
    found = Raw(NAME)
    with csv_table.opened(path, shape) as rows:
        head = [cell.strip() for cell in next(rows, [])]
        if not head:
            raise RecordingError(f"{path.name}: there is nothing in it")
        columns = [_Column(_place(head, t.name, path), t) for t in mapping.track]
        when = _place(head, mapping.time.column, path)
        day = _place(head, mapping.time.date_column, path) if mapping.time.date_column else None
        times = Times(mapping.time, shape.decimal)
        taken = {when, *(column.place for column in columns), *([] if day is None else [day])}
        found.left_out = [
            LeftOut(name, "not in the mapping")
            for place, name in enumerate(head)
            if place not in taken and name
        ]
        untimed, cells, first = 0, 0, ""
        for n, row in enumerate(rows):
            if not n % 100_000:
                tell(path.name)
            cell = row[when] if when < len(row) else ""
            if day is not None:
                cell = f"{row[day] if day < len(row) else ''} {cell}"
            at_us = times.us(cell)
            if at_us is None:
                untimed, first = untimed + 1, first or cell.strip()
                continue
            for column in columns:
                if column.place < len(row):
                    cells += 1
                    _take(column, at_us, row[column.place].strip(), shape.decimal, found)
            if cells > _MOST_CELLS:
                raise RecordingError(f"{path.name}: it has more than {_MOST_CELLS:,} cells; cut it")
    if untimed:
        found.notes.append(
            f"{untimed} rows have no time that can be read as {mapping.time.format} "
            f"({first[:40]!r}), and are left out."
        )
    for column in columns:
        if column.odd:
            found.notes.append(
                f"{column.odd} cells of {column.about.name} are no number "
                f"({column.first_odd[:40]!r}), and count as no value."
            )
        if column.at_us:
            found.numbers.append(_numbers(column))
    return found


def _place(head: list[str], name: str, path: Path) -> int:
    if name in head:
        return head.index(name)
    known = ", ".join(head[:12])
    raise RecordingError(f"{path.name}: it has no column {name!r}; it has {known}")


def _take(column: _Column, at_us: int, cell: str, decimal: str, found: Raw) -> None:
    about = column.about
    if about.channel == REMARK:
        if cell:
            found.remarks.append(Remark(at_us, cell))
        return
    if about.channel in WAVES:
        if not column.odd:
            found.left_out.append(
                LeftOut(about.name, "a CSV of another program gives no waveforms")
            )
        column.odd += 1
        return
    value = float("nan")
    if cell not in about.no_value and cell.lower() not in _EMPTY:
        try:
            value = float(cell.replace(",", ".") if decimal == "," else cell)
        except ValueError:
            column.odd += 1
            column.first_odd = column.first_odd or cell
    column.at_us.append(at_us)
    column.value.append(value)


def _numbers(column: _Column) -> RawNumbers:
    about = column.about
    at_us = np.array(column.at_us, dtype=np.int64)
    value = np.array(column.value, dtype=np.float64)
    return RawNumbers(about.device, about.name, about.unit, at_us, value)
