"""A path for a record, and writers that are closed after the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.store import build
from vitals.store.writer import Writer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vitals.db"


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[..., Writer]]:
    """Starts writers with an open session; closes what is still open."""
    writers: list[Writer] = []

    def start(where: Path = path, **options: Any) -> Writer:
        writers.append(build.opened(where, **options))
        return writers[-1]

    yield start
    for writer in writers:
        writer.close()
