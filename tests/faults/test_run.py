"""How `make faults` goes through its rows."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from tests.faults import run
from tests.faults.reached import Number

ROWS = tuple(run.modules())


def found(row: int) -> run.Found:
    return {"about": f"fault {row}", "numbers": [], "missed": [], "told": "", "also": ""}


class Measured:
    """Stands where rows are measured: which were under way at the same time."""

    def __init__(self) -> None:
        self.beside: dict[int, set[int]] = {row: set() for row in ROWS}
        self.order: list[int] = []
        self._lock = threading.Lock()
        self._under_way: set[int] = set()
        self._two = threading.Barrier(run.LANES)

    def __call__(self, row: int) -> run.Found:
        with self._lock:
            self.order.append(row)
            self._under_way.add(row)
            for each in self._under_way:
                self.beside[each] |= self._under_way - {each}
        if row in run.BESIDE[: run.LANES]:
            self._two.wait(10)  # breaks if they do not run beside each other
        with self._lock:
            self._under_way.discard(row)
        return found(row)


def test_rows_that_time_the_program_have_nothing_beside_them() -> None:
    measured = Measured()
    list(run.as_they_end(ROWS, measured))
    assert sorted(measured.order) == sorted(ROWS)
    assert not any(measured.beside[row] for row in ROWS if row not in run.BESIDE)
    assert measured.beside[run.BESIDE[0]]


def test_the_table_is_in_the_order_of_its_rows_whichever_ends_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended = [run.Ended(row, found(row), 1.0) for row in reversed(ROWS)]
    assert [one.row for one in run.in_order(ROWS, run.told(ROWS, ended))] == list(ROWS)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"1/{len(ROWS)}: row {ROWS[-1]}, 1 s, kept"


def test_a_row_stands_in_the_table_as_soon_as_those_before_it_do() -> None:
    ended = (run.Ended(row, found(row), 1.0) for row in (3, 1, 2))
    table = run.in_order([1, 2, 3], ended)
    assert next(table).row == 1
    assert next(ended).row == 2, "the first was not shown before the last had ended"


def test_only_rows_without_a_time_of_the_program_may_be_beside_another() -> None:
    """Seconds of one core (row 2) are the processor's, not the clock's."""
    for row in run.BESIDE:
        text = (Path(run.HERE) / f"{run.modules()[row].rpartition('.')[2]}.py").read_text()
        timed = re.findall(r'"m?s"(?:\)|, busy|,\n)', text)
        assert len(timed) == (row == 2), f"row {row}: {timed}"


def test_what_was_missed_is_bold_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    late = str(Number("late by", 3.0, 2.0, "s"))
    one = run.Ended(3, {**found(3), "numbers": [late], "missed": [late]}, 2.0)
    assert f"**{late}**" in one.line
    assert "| **no** |" in one.line
    list(run.told([3], [one]))
    assert late in capsys.readouterr().err


def test_the_table_says_when_it_took_too_long() -> None:
    assert "**" not in run.head_line(0.1, 19 * 60)
    assert "**21.0 min (≤ 20 min)**" in run.head_line(0.1, 21 * 60)
