"""What a fault came to: its numbers against their bars, and what people were told of it.

Every module of this folder measures one row of faults with a function `measure(folder, full)` and
describes it by a `Fault`. A test runs it short; `python -m tests.faults.run` runs it in full.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Number:
    """One number against its bar.

    Attributes:
        what: what was counted or timed.
        value: what was reached.
        bar: what had to be reached.
        unit: `s`, `ms`, `MB`; `""` for counts.
        least: the value must be at least the bar, not at most.
        busy: a busy computer makes it worse: a test accepts so many times the bar.
    """

    what: str
    value: float
    bar: float
    unit: str = ""
    least: bool = False
    busy: float = 1.0

    @property
    def kept(self) -> bool:
        """Whether the bar was reached."""
        return self.value >= self.bar if self.least else self.value <= self.bar

    @property
    def bearable(self) -> bool:
        """Whether it was, on a computer that is busy with other tests."""
        return self.kept or (not self.least and self.value <= self.bar * self.busy)

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        sign = "≥" if self.least else "≤"
        bar = f"{sign} {self.bar:g}" if self.bar or self.unit or self.least else "0"
        return f"{self.what} {_short(self.value)}{unit} ({bar}{unit})"


def _short(value: float) -> str:
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def all_of(what: str, good: int, tried: int) -> Number:
    """Every one of so many must have gone well."""
    return Number(what, good, tried, least=True)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a fault.

    Attributes:
        numbers: all of them must be kept.
        told: the sentence that a nurse saw, on the page or in the feed that feeds it.
        logged: the line in the log that names the cause.
        also: numbers without a bar, in words.
    """

    numbers: tuple[Number, ...]
    told: str
    logged: str
    also: str = ""

    def check(self) -> None:
        """Fails where a bar was missed, or where nobody was told."""
        missed = [str(number) for number in self.numbers if not number.bearable]
        assert not missed, "; ".join(missed)
        assert self.told, "nothing on the page says it"
        assert self.logged, "no line in the log says why"


@dataclass(frozen=True, slots=True)
class Fault:
    """One row of the table.

    Attributes:
        row: its number.
        name: what goes wrong.
        how: how it is made, as far as the reader of the table wants to know.
        measure: makes it, in a folder of its own; `True` for the full numbers.
    """

    row: int
    name: str
    how: str
    measure: Callable[[Path, bool], Result]


@dataclass(slots=True)
class Log(logging.Handler):
    """Keeps what was logged in this process."""

    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        logging.Handler.__init__(self, logging.INFO)

    def emit(self, record: logging.LogRecord) -> None:
        """Takes a line, with the device that it is about."""
        device = getattr(record, "device", "")
        self.lines.append(record.getMessage() + (f" [{device}]" if device else ""))

    def line(self, *words: str) -> str:
        """The first line with all of the words, `""` when there is none."""
        return line_with(self.lines, *words)

    __hash__ = object.__hash__


def line_with(lines: list[str], *words: str) -> str:
    """The first line with all of the words, `""` when there is none."""
    return next((line for line in lines if all(word in line for word in words)), "")


@contextlib.contextmanager
def logged() -> Iterator[Log]:
    """Everything that is logged in this process meanwhile."""
    handler, root = Log(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(min(before, logging.INFO) or logging.INFO)
    try:
        yield handler
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
