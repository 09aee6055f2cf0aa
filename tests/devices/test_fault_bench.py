"""Every driver under every fault: nothing raises, nothing old or impossible is shown, it recovers.

The table of `python -m tests.bench.faulty_link` is this test with numbers.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from devices import registry
from devices.driver import Chunk, Event
from simulators.faults import NAMES, SWAP
from tests.bench import faulty_link
from tests.bench.faulty_link import Outcome, Plugged, outcome, swapped
from vitals.model import Numeric

DRIVERS = [name for name in registry.names() if registry.get(name).transport != "ble"]
RECOVERY_S = 10.0
"""From the end of a fault to the next value: longest back-off, and a slow monitor's two lines."""
INTACT = ("line-ends", "half-packet", "stall", "reboot", "replug", SWAP)
"""Faults that turn no byte into another one: what is shown was true, checksum or not."""
SHARE_WRONG = 0.06
"""Without a checksum, of values while one byte in a few seconds is damaged."""
STRONG = {"contec-v7": ("doubled-byte", "dropped-byte")}
"""Drivers that tell damage without a checksum."""

every_driver = pytest.mark.parametrize("name", DRIVERS)


@every_driver
@pytest.mark.parametrize("fault", [*NAMES, SWAP])
def test_a_faulty_line_shows_nothing_old_or_impossible_and_recovers(name: str, fault: str) -> None:
    seen = outcome(name, fault)
    assert seen.found.values > 20
    assert seen.found.implausible == 0
    exact = registry.get(name).checked or fault in INTACT or fault in STRONG.get(name, ())
    assert len(seen.found.wrong) <= (0 if exact else SHARE_WRONG * seen.found.values)
    assert seen.recovery_s <= RECOVERY_S
    at_us = [at for _, at in seen.found.nibp]
    assert at_us == sorted(set(at_us)), "a blood pressure was given twice"


@every_driver
def test_a_sound_line_shows_the_truth_only(name: str) -> None:
    link = Plugged(name)
    link.run(100)
    assert link.found.values > 40
    assert link.found.wrong == []
    assert link.links == 1
    if "nibp_sys" in link.driver.channels:
        assert len(link.found.nibp) >= 1


@pytest.mark.parametrize("other", DRIVERS)
def test_another_monitor_on_the_port_is_not_taken_for_ones_own(other: str) -> None:
    for name in ("nonin-df2", "dinamap"):
        if name != other:
            assert swapped(name, other).found.wrong == []


def test_the_bench_knows_an_old_and_an_invented_value(monkeypatch: pytest.MonkeyPatch) -> None:
    real = registry.get("nonin-df1")

    class Frozen:
        """Gives its first value for ever."""

        def __init__(self, device: str) -> None:
            self._real = real.decoder(device)
            self._first: dict[str, float | None] = {}
            self.rejected = 0

        def feed(self, chunk: Chunk) -> list[Event]:
            return [
                replace(e, value=self._first.setdefault(e.channel, e.value))
                for e in self._real.feed(chunk)
                if isinstance(e, Numeric)
            ]

        def due(self, now_us: int) -> bytes:
            return b""

    def seen(driver: object) -> Outcome:
        monkeypatch.setattr(faulty_link.registry, "get", lambda name: driver)
        return outcome("nonin-df1", "stall")

    assert seen(real).found.wrong == []
    assert len(seen(replace(real, decoder=Frozen)).found.wrong) > 50
