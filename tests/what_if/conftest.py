from __future__ import annotations

from pathlib import Path

import pytest

from tests.what_if.visit import Visit


@pytest.fixture
def visit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Visit:
    return Visit(tmp_path, monkeypatch)
