"""A clinic for a file of tests; see `programs`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.api import programs
from tests.api.programs import Program

Ask = Callable[..., Program]


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with programs.clinic(tmp_path_factory.mktemp("api")) as trio:
        yield trio


@pytest.fixture
def program(clinic: Any) -> Ask:
    """A program with the token of that name, `""` for none."""
    _, web, shown = clinic
    return lambda name="": Program(web, shown.get(name, name))
