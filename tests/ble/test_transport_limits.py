"""With the limits of a clinic: told in time, nothing invented, back within 5 s.

The short form of `python -m tests.bench.ble`: six straps, one outage of each kind, in real time.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.bench import ble as bench
from tests.ble.conftest import BLUEZ, IN_PROCESS

pytestmark = pytest.mark.long


@pytest.mark.parametrize("stack", [IN_PROCESS, BLUEZ])
def test_every_kind_of_outage_is_told_and_mended_in_time(
    stack: str, request: pytest.FixtureRequest
) -> None:
    address = request.getfixturevalue("bus") if stack == BLUEZ else None
    found = asyncio.run(bench.main(len(bench.KINDS), 3, address))
    assert {one.kind for one in found} == set(bench.KINDS)
    for one in found:
        assert one.back_s <= bench.BACK_S, one
        assert one.blank_s <= bench.BLANK_S, one
        assert one.invented == 0, one
        if one.kind == "zombie":
            assert one.told_s <= bench.ZOMBIE_S, one
