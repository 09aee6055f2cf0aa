"""`vitals sessions verify` on a terminal says how far it is, and takes that away again."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.e2e.clinic import VITALS
from tests.store.build import fill
from vitals import status_line
from vitals.store import seal_check
from vitals.store import verify as verifying

FORGET_LINE = "\r\x1b[K"


def checked(path: Path, stderr: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*VITALS, "sessions", "verify", "--store", str(path)],
        stdout=subprocess.PIPE, stderr=stderr, text=True, check=True,
    )  # fmt: skip


def test_it_says_on_a_terminal_how_far_it_is_and_leaves_only_the_result(path: Path) -> None:
    fill(path)
    ours, theirs = pty.openpty()
    result = checked(path, theirs).stdout
    os.close(theirs)
    said = os.read(ours, 4096).decode()
    os.close(ours)
    assert said.startswith(f"{FORGET_LINE}Checking the audit trail: row 1 of 19")
    assert said.endswith(FORGET_LINE)
    assert "\n" not in said, "it is one line that rewrites itself"
    piped = checked(path, subprocess.PIPE)
    assert piped.stderr == ""
    assert piped.stdout == result
    assert result.startswith(f"{path}: nothing was changed: 19 audit rows")


def test_it_tells_rows_samples_and_structure_in_their_order(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(path)
    monkeypatch.setattr(verifying, "_TELL_ROWS", 10)
    monkeypatch.setattr(seal_check, "_ROWS", 20)
    told: list[str] = []
    assert verifying.verify(path, tell=told.append).ok
    assert told[:2] == [f"Checking the audit trail: row {n} of 19" for n in (1, 11)]
    shares = [int(text.split()[-1].rstrip("%")) for text in told[2:-1]]
    assert len(shares) > 3
    assert shares == sorted(shares)
    assert shares[-1] == 100
    assert told[-1] == "Checking the structure of the file"


def test_a_line_is_rewritten_ten_times_a_second_and_never_wraps(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "20")
    now = [0.0]
    with status_line.StatusLine(lambda: now[0]) as tell:
        for number in range(25):
            now[0] = number / 100
            tell(f"{number} of a great many numbers")
    parts = capsys.readouterr().err.split(FORGET_LINE)
    assert parts == ["", "0 of a great many n", "10 of a great many ", "20 of a great many ", ""]
