"""Three minutes of `make soak`: sixteen ports, real keepers, a clock moved by hand."""

from __future__ import annotations

import logging

import pytest

from devices import keeper
from tests.bench.soak import Measured, Port, names, soak
from tests.loop import run
from vitals.clock import ManualClock


def test_sixteen_ports_stream_and_open_no_further_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "TICK_S", 0.0)
    logging.getLogger("devices.keeper").setLevel(logging.ERROR)
    clock, simulated_s = ManualClock(), [0.0]
    ports = [Port(i, name, clock, lambda: simulated_s[0]) for i, name in enumerate(names(16))]
    for port in ports:
        port._next_s["pull"] = 60.0
    found: list[Measured] = []

    async def main() -> None:
        found.extend(await soak(ports, 0.05, clock, simulated_s))

    try:
        run(main(), 60)
    finally:
        logging.getLogger("devices.keeper").setLevel(logging.NOTSET)
    assert len(found) >= 2
    assert len({files for _, _, files in found}) == 1
    for port in ports:
        assert port.values > 20, port.driver.name
        assert port.link.opened >= 2, port.driver.name
