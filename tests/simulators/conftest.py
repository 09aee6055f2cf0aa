"""Ends what a test has plugged in, and waits for conditions instead of sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from devices import registry
from simulators.endpoints import Endpoint
from simulators.monitor import SimulatedMonitor
from simulators.patient import Patient

Plug = Callable[[Endpoint], Endpoint]


@pytest.fixture
def monitor() -> SimulatedMonitor:
    return SimulatedMonitor(registry.get("nonin-df2"), Patient(1))


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Returns when the condition holds; fails after 10 s."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, "the condition never came to hold"
            time.sleep(0.005)

    return wait


@pytest.fixture
def ending() -> Iterator[list[Endpoint]]:
    """Endpoints put in here are stopped after the test."""
    endpoints: list[Endpoint] = []
    yield endpoints
    for endpoint in endpoints:
        endpoint.stop()
