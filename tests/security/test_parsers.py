"""Every parser that is no driver, with noise and damage; `make fuzz` takes ten million bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.fuzz_parsers import fuzz, parsers

BYTES = 60_000
NAMES = (
    "feed up", "feed down", "page up", "HL7", "config", "profile", "care", "mapping", "feed file",
    "form, cookies", "csv", "vital",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_parser_refuses_in_its_own_words_or_not_at_all(name: str, tmp_path: Path) -> None:
    parser = next(each for each in parsers(tmp_path) if each.name == name)
    found = fuzz(parser, BYTES, seed=2)
    assert found.raised == []
    assert found.well
    assert found.bytes >= BYTES


def test_what_is_good_is_not_refused(tmp_path: Path) -> None:
    """Else the damage would never come further than the first line of a parser."""
    for parser in parsers(tmp_path):
        if parser.name not in ("csv", "mapping"):  # these ask for more than a file
            for good in parser.good:
                parser.parse(good)


def test_no_parser_is_forgotten(tmp_path: Path) -> None:
    assert tuple(each.name for each in parsers(tmp_path)) == NAMES
