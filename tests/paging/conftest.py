from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.paging.outside import Receiver


@pytest.fixture
def receiver() -> Iterator[Callable[..., Receiver]]:
    """Starts web servers that end with the test."""
    started: list[Receiver] = []

    def start(*statuses: int, **how: Any) -> Receiver:
        started.append(Receiver(*statuses, **how))
        return started[-1]

    yield start
    for each in started:
        each.close()
