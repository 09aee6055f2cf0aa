"""A simulated gateway and the station's real listening port."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import pairwise

import pytest

from devices import registry
from devices.keeper import Keeper
from simulators.mllp_caller import BACK_OFF_S, DIAL_S, MAX_UNSENT, MllpCaller
from simulators.monitor import SimulatedMonitor
from simulators.patient import Patient
from tests.loop import run, until
from vitals.clock import Clock
from vitals.errors import ConfigError
from vitals.model import Link, Numeric

DRIVER = registry.get("hl7-oru")
Until = Callable[[Callable[[], object]], None]


class Real:
    s = 100.0

    def __call__(self) -> float:
        return self.s


class Gateway:
    """A caller, its patient and its own real time, moved by hand."""

    def __init__(self, port: int) -> None:
        self.patient = Patient(3)
        self.real_s = Real()
        monitor = SimulatedMonitor(DRIVER, self.patient)
        self.caller = MllpCaller(monitor, "127.0.0.1", port, real_s=self.real_s)

    def move(self, dt_s: float = 1.0) -> bytes:
        self.patient.advance(dt_s)
        heard = self.caller.read()
        self.caller.write(self.caller.monitor.advance(dt_s))
        return heard


@pytest.fixture
def port() -> int:
    """One that is free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def gateway(port: int) -> Iterator[Gateway]:
    made = Gateway(port)
    yield made
    made.caller.stop()


@contextlib.asynccontextmanager
async def station(url: str) -> AsyncIterator[list[object]]:
    heard: list[object] = []
    links: list[Link] = []
    clock = Clock.anchored_now()
    keeper = Keeper("d1", DRIVER, url, clock, heard.extend, links.append)
    task = asyncio.create_task(keeper.run())
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.wait([task])


def test_values_arrive_and_every_message_is_answered(gateway: Gateway) -> None:
    async def main() -> None:
        async with station(gateway.caller.url) as heard:

            def values() -> set[str]:
                gateway.real_s.s += 0.1
                gateway.move()
                return {e.channel for e in heard if isinstance(e, Numeric) and e.value}

            await until(lambda: {"spo2", "pr"} <= values())
            await until(lambda: gateway.move() and gateway.caller.accepted >= 2)
        assert gateway.caller.refused == 0

    run(main())


def test_a_station_that_goes_is_called_again(gateway: Gateway) -> None:
    def moved(connected: bool) -> bool:
        gateway.real_s.s += 0.1
        gateway.move(0.1)
        return gateway.caller.connected == connected

    async def main() -> None:
        for _ in range(3):
            async with station(gateway.caller.url):
                await until(lambda: moved(connected=True))
            await until(lambda: moved(connected=False))

    run(main())


def test_nobody_is_called_without_pause(gateway: Gateway) -> None:
    calls: list[float] = []
    dial = gateway.caller._dial

    def counted() -> None:
        before = gateway.caller._next_s
        dial()
        if gateway.caller._next_s != before:
            calls.append(gateway.real_s.s)

    gateway.caller._dial = counted  # type: ignore[method-assign]
    for _ in range(600):
        gateway.real_s.s += 0.05
        gateway.move(0.05)
    pauses = [round(b - a, 1) for a, b in pairwise(calls)]
    assert pauses[0] == pytest.approx(BACK_OFF_S[0], abs=0.15)
    assert pauses == sorted(pauses)
    assert pauses[-1] == pytest.approx(BACK_OFF_S[1], abs=0.15)


def test_a_refusal_is_counted_with_its_words(gateway: Gateway, port: int, until: Until) -> None:
    with socket.create_server(("127.0.0.1", port)) as listening:
        until(lambda: gateway.move() or gateway.caller.connected)
        station, _ = listening.accept()
        with station:
            station.sendall(b"\x0bMSH|^~\\&\rMSA|AE|1|no such bed\r\x1c\r")
            until(lambda: gateway.move() and gateway.caller.refused)
    assert (gateway.caller.refused, gateway.caller.accepted) == (1, 0)
    assert gateway.caller.last_refusal == "AE: no such bed"


def test_a_station_that_takes_nothing_is_hung_up_on(
    gateway: Gateway, port: int, until: Until
) -> None:
    with socket.create_server(("127.0.0.1", port)) as listening:
        until(lambda: gateway.move() or gateway.caller.connected)
        station, _ = listening.accept()
        with station:
            for _ in range(1000):
                gateway.caller.write(bytes(MAX_UNSENT // 2))
                if not gateway.caller.connected:
                    break
            assert not gateway.caller.connected


def test_a_plug_that_is_out_makes_no_call(gateway: Gateway, port: int, until: Until) -> None:
    with socket.create_server(("127.0.0.1", port)):
        gateway.caller.unplug()
        for _ in range(20):
            gateway.real_s.s += DIAL_S
            gateway.move()
            assert not gateway.caller.connected
        gateway.caller.replug()
        until(lambda: gateway.move() or gateway.caller.connected)


def test_a_host_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match="there is no host"):
        MllpCaller(SimulatedMonitor(DRIVER, Patient(1)), "no.such.host.invalid", 1)
