"""A hundredth of `make fuzz`: random bytes, and a damaged stream, through every driver."""

from __future__ import annotations

import pytest

from devices import registry
from tests.bench.fuzz import LIMIT_S, damaged_bytes, fuzz, random_bytes

COUNT = 100_000


@pytest.mark.parametrize("name", registry.names())
def test_random_bytes_raise_nothing_and_show_nothing_impossible(name: str) -> None:
    driver = registry.get(name)
    found = fuzz(driver, random_bytes(driver, COUNT, seed=2))
    assert (found.error, found.implausible) == ("", 0)
    assert found.bytes == COUNT
    assert found.rejected
    assert found.seconds < LIMIT_S * COUNT / 10_000_000 * 5  # a loaded computer


@pytest.mark.parametrize(
    "name", [name for name in registry.names() if registry.get(name).transport != "ble"]
)
def test_a_stream_with_damage_everywhere_raises_nothing(name: str) -> None:
    driver = registry.get(name)
    found = fuzz(driver, damaged_bytes(driver, COUNT // 5, seed=2))
    assert (found.error, found.implausible) == ("", 0)
    assert found.rejected
