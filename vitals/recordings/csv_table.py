"""The text of a CSV file as rows: its encoding, separator and decimal sign, found out or told.

Spreadsheets of other countries write `;` between columns and `,` in numbers, and not in UTF-8.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from vitals.recordings.mapping import Mapping
from vitals.recordings.recording import RecordingError

MOST_COLUMNS = 2_000
MOST_LINE = 1 << 20
"""Characters of a line."""
MOST_ROWS = 20_000_000
_SEPARATORS = ";\t,|"
_PROBE = 64 << 10
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Shape:
    """How a CSV is written."""

    encoding: str
    separator: str
    decimal: str
    skip_lines: int = 0


def shape_of(path: Path, mapping: Mapping) -> Shape:
    """What a mapping says of the shape, and what the beginning of the file shows.

    Raises:
        RecordingError: it is no text.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        probe = file.read(_PROBE)
    encoding = mapping.encoding or _encoding(probe, path)
    text = probe.decode(encoding, "ignore")
    lines = [line for line in text.splitlines() if line.strip()][mapping.skip_lines :][:50]
    separator = mapping.separator or _separator(lines)
    decimal = mapping.decimal or _decimal(lines, separator)
    return Shape(encoding, separator, decimal, mapping.skip_lines)


def _encoding(probe: bytes, path: Path) -> str:
    for bom, name in _BOMS:
        if probe.startswith(bom):
            return name
    if b"\0" in probe:
        raise RecordingError(f"{path.name}: it is neither text nor a format that is known")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(probe)  # the last character may be cut
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _separator(lines: list[str]) -> str:
    """The one that cuts most lines into equally many columns; a comma may also be a decimal."""
    scores = []
    for n, separator in enumerate(_SEPARATORS):
        counts = [line.count(separator) for line in lines]
        head = counts[0] if counts else 0
        scores.append((head > 0 and counts.count(head), -n, separator))
    return max(scores)[2] if any(score[0] for score in scores) else ","


def _decimal(lines: list[str], separator: str) -> str:
    if separator == ",":
        return "."
    cells = [cell.strip().strip('"') for line in lines[1:] for cell in line.split(separator)]
    commas = sum(_is_number(cell.replace(",", ".")) for cell in cells if "," in cell)
    points = sum(_is_number(cell) for cell in cells if "." in cell)
    return "," if commas > points else "."


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


@contextmanager
def opened(path: Path, shape: Shape) -> Iterator[Iterator[list[str]]]:
    """The rows of a file, the head first.

    Raises:
        RecordingError: while rows are read: a line is too long, or it is no CSV.
        OSError: it cannot be read.
    """
    with path.open("rb") as file, closing(rows(file, shape, path.name)) as found:
        yield found


def rows(file: IO[bytes], shape: Shape, name: str) -> Generator[list[str], None, None]:
    """The rows of an open file; see `opened`."""
    text = io.TextIOWrapper(file, encoding=shape.encoding, errors="replace", newline="")
    try:
        lines = _lines(text, name)
        for _ in range(shape.skip_lines):
            next(lines, "")
        reader = csv.reader(lines, delimiter=shape.separator)
        for n, row in enumerate(_unbroken(reader, name)):
            if len(row) > MOST_COLUMNS:
                raise RecordingError(f"{name}: it has more than {MOST_COLUMNS} columns")
            if n > MOST_ROWS:
                raise RecordingError(f"{name}: it has more than {MOST_ROWS:,} rows; cut it")
            if any(cell.strip() for cell in row):
                yield row
    finally:
        text.detach()


def _unbroken(reader: Iterator[list[str]], name: str) -> Iterator[list[str]]:
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except (csv.Error, UnicodeError) as error:
            raise RecordingError(f"{name}: it is no CSV that can be read ({error})") from error
        yield row


def _lines(text: io.TextIOWrapper, name: str) -> Iterator[str]:
    while line := text.readline(MOST_LINE):
        if len(line) == MOST_LINE:
            raise RecordingError(f"{name}: it has a line of more than {MOST_LINE:,} characters")
        yield line.replace("\0", "\N{REPLACEMENT CHARACTER}")
