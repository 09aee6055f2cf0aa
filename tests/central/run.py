"""Runs `vitals central …` as the command line does."""

from __future__ import annotations

from pathlib import Path

import pytest

from vitals.cli import main


def run(capsys: pytest.CaptureFixture[str], *args: str | Path) -> tuple[int, str, str]:
    """Its exit code, and what it has printed and complained."""
    code = 0
    try:
        main(["central", *map(str, args)])
    except SystemExit as stop:
        code = int(str(stop.code))
    said = capsys.readouterr()
    return code, said.out, said.err
