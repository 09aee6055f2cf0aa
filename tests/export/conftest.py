"""One small record with everything in it, written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.export import records
from vitals.export.session_data import SessionData


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed session of ten minutes; nobody writes to it."""
    return records.write(tmp_path_factory.mktemp("export") / "vitals.db")


@pytest.fixture(scope="session")
def data(recorded: Path) -> SessionData:
    return records.read(recorded)
