"""Style, types and the direction of imports, checked on the whole repository."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["lint-imports"],
    ],
    ids=" ".join,
)
def test_repository_passes(command: list[str]) -> None:
    done = subprocess.run(
        [BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
def test_the_tests_name_only_what_there_is() -> None:
    """A test file that cannot be imported would be found by the whole run alone."""
    flags = ["--explicit-package-bases", "--check-untyped-defs", "--implicit-reexport"]
    done = subprocess.run(
        [
            BIN / "mypy",
            "--ignore-missing-imports",
            "--cache-dir=.mypy_cache/tests",
            *flags,
            "tests",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Found" in done.stdout or "Success" in done.stdout, done.stdout + done.stderr
    gone = re.compile(r'Module ".*" has no attribute|\[(name-defined|call-arg|import-not-found)\]')
    assert not [line for line in done.stdout.splitlines() if gone.search(line)]
