"""The second page of a report: every reading and alarm, what people noted, the discharge.

Two columns of tables. What does not fit is left out where most is left, the least urgent alarms
first, and the page says how much; all of it is in the CSV export.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vitals.export.pdf_page import BOTTOM, GREY, INK, LEFT, TOP, WIDE, Sheet
from vitals.export.pdf_rows import (
    addenda,
    adverse,
    alarms,
    coverage,
    discharge,
    marks,
    nothing,
    readings,
    scores,
)
from vitals.export.pdf_text import latin
from vitals.export.session_data import SessionData

Row = tuple[str, ...]
_SIZE, _LINE, _HEAD, _BETWEEN = 7.2, 3.25, 9.4, 3.5
_APART = 0.45
_MOST_ADDED = 12
_HALF = WIDE / 2 - 3
_ROOM = BOTTOM - TOP
_LEAST_ROWS, _MANY_ROWS = 4, 12


@dataclass(slots=True)
class Table:
    """One table of a column.

    Attributes:
        title: above it.
        columns: name and share of the width of each.
        rows: all of them.
        ranks: of each row how much it matters; the lowest are left out first, of equals the last.
        lines: that a cell may have.
        cells: lines of each cell of the rows that are shown.
        left_out: rows that do not fit.
    """

    title: str
    columns: Sequence[tuple[str, float]]
    rows: list[Row]
    ranks: Sequence[int] = ()
    lines: int = 3
    cells: list[list[list[str]]] = field(default_factory=list)
    left_out: int = 0

    @property
    def height(self) -> float:
        """What it needs as it is, mm."""
        lines = sum(_tall(row) for row in self.cells)
        return _HEAD + lines + (_LINE if self.left_out else 0.0) + _BETWEEN

    def drop(self) -> None:
        """Leaves out one more row."""
        ranks = list(self.ranks) or [0] * len(self.rows)
        at = min(range(len(self.rows)), key=lambda n: (ranks[n], -n))
        self.rows.pop(at)
        self.cells.pop(at)
        ranks.pop(at)
        self.ranks = ranks
        self.left_out += 1


def draw_tables(sheet: Sheet, data: SessionData) -> None:
    """Adds the page."""
    sheet.add_page()
    rung, ranks = alarms(data)
    left = [
        Table("Blood pressures", _READINGS, readings(data)),
        Table("Coverage", _COVERAGE, coverage(data)),
        Table("Scores", _SCORES, scores(data)),
    ]
    right = [
        Table("Alarms", _ALARMS, rung, ranks),
        Table("Marks", _MARKS, marks(data)),
        Table("Adverse events", _ADVERSE, adverse(data)),
        Table("Discharge", _DISCHARGE, discharge(data)),
    ]
    added = addenda(data)
    if added:
        right.append(Table("Addenda and signatures", _ADDENDA, added, lines=_MOST_ADDED))
    for table in (*left, *right):
        table.rows = table.rows or [(nothing(data), *[""] * (len(table.columns) - 1))]
        _wrap(sheet, table)
    _balance(left, right)
    for x, column in ((LEFT, left), (LEFT + _HALF + 6, right)):
        _shorten(sheet, column)
        y = TOP
        for table in column:
            y = _draw(sheet, table, x, y)


def _balance(left: list[Table], right: list[Table]) -> None:
    """Moves tables to the left as long as the right column is too long and they have room there."""
    for table in reversed(right[1:]):
        if _height(right) > _ROOM and _height(left) + table.height <= _ROOM:
            right.remove(table)
            left.append(table)


def _shorten(sheet: Sheet, column: Sequence[Table]) -> None:
    """Until everything fits: cells of one line in the longest tables, then fewer rows."""
    for table in sorted(column, key=lambda one: -one.height):
        if _height(column) > _ROOM and len(table.rows) > _MANY_ROWS:
            table.lines = 1
            _wrap(sheet, table)
    while _height(column) > _ROOM:
        longer = [table for table in column if len(table.rows) > _LEAST_ROWS]
        max(longer or column, key=lambda table: table.height).drop()


def _height(column: Sequence[Table]) -> float:
    return sum(table.height for table in column)


def _wrap(sheet: Sheet, table: Table) -> None:
    table.cells = [_wrapped(sheet, table, row) for row in table.rows]


def _wrapped(sheet: Sheet, table: Table, row: Row) -> list[list[str]]:
    """Lines of each cell; one may use the room of empty ones that follow it."""
    cells = []
    for n, cell in enumerate(row):
        share = table.columns[n][1]
        for following, (_, free) in zip(row[n + 1 :], table.columns[n + 1 :], strict=True):
            if following:
                break
            share += free
        cells.append(sheet.wrapped(latin(cell), _HALF * share - 1, _SIZE, table.lines))
    return cells


def _tall(cells: list[list[str]]) -> float:
    return _LINE * max(len(lines) for lines in cells) + _APART


def _draw(sheet: Sheet, table: Table, x: float, y: float) -> float:
    sheet.say(x, y + 3, table.title, 9, "B")
    y += 5
    _line(sheet, table, [[name] for name, _ in table.columns], x, y, head=True)
    y += _HEAD - 5
    for cells in table.cells:
        _line(sheet, table, cells, x, y)
        y += _tall(cells)
    if table.left_out:
        sheet.say(x, y + 2.6, f"... {table.left_out} more in the CSV export", _SIZE)
        y += _LINE
    return y + _BETWEEN


def _line(
    sheet: Sheet, table: Table, cells: list[list[str]], x: float, y: float, *, head: bool = False
) -> None:
    for lines, (_, share) in zip(cells, table.columns, strict=True):
        for n, words in enumerate(lines):
            size, colour = (6.5, GREY) if head else (_SIZE, INK)
            sheet.say(x, y + 2.6 + n * _LINE, words, size, colour=colour)
        x += _HALF * share


_READINGS = (
    ("time", 0.1), ("dose", 0.145), ("BP", 0.14), ("MAP", 0.08), ("pulse", 0.09),
    ("owed as", 0.265), ("by", 0.18),
)  # fmt: skip
_COVERAGE = (("channel", 0.2), ("covered", 0.18), ("longest gap", 0.36), ("artifact", 0.26))
_SCORES = (("time", 0.11), ("dose", 0.16), ("score", 0.51), ("who", 0.22))
_ALARMS = (("time", 0.1), ("", 0.13), ("what", 0.37), ("lasted", 0.18), ("acknowledged", 0.22))
_MARKS = (("no.", 0.07), ("time", 0.1), ("dose", 0.16), ("what", 0.49), ("who", 0.18))
_ADVERSE = (("onset", 0.1), ("dose", 0.16), ("what", 0.42), ("action", 0.32))
_DISCHARGE = (("criterion", 0.5), ("", 0.14), ("on", 0.36))
_ADDENDA = (("written", 0.26), ("what", 0.51), ("who", 0.23))
