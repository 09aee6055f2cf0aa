"""A simulated monitor on a real link, and the station's own keeper at the other end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from devices import registry
from devices.driver import StartNibp
from devices.keeper import Keeper
from simulators.bedside import Bedside
from simulators.endpoints import Endpoint
from simulators.monitor import SimulatedMonitor
from simulators.patient import Patient
from tests.loop import until
from vitals.clock import Clock
from vitals.errors import CommandError
from vitals.model import Link, Numeric


class Kept:
    """One keeper and everything it said."""

    def __init__(self, driver: str, url: str, clock: Clock, device: str = "d1") -> None:
        self.driver = registry.get(driver)
        self.events: list[object] = []
        self.links: list[Link] = []
        self.keeper = Keeper(device, self.driver, url, clock, self.events.extend, self.links.append)

    @property
    def state(self) -> str:
        return self.links[-1].state if self.links else ""

    @property
    def seen(self) -> set[str]:
        """Channels that have given a value."""
        return {e.channel for e in self.numerics if e.value is not None}

    @property
    def numerics(self) -> list[Numeric]:
        return [event for event in self.events if isinstance(event, Numeric)]

    @property
    def expected(self) -> set[str]:
        """Channels that give numbers."""
        return set(self.driver.channels) - {"pleth", "ecg"}

    async def streams(self, limit_s: float = 30.0) -> None:
        """Waits until every channel has given a value; starts a blood pressure if it must."""
        asked = "start_nibp" not in self.driver.can

        def enough() -> bool:
            nonlocal asked
            if not asked and self.state == "streaming":
                with contextlib.suppress(CommandError):
                    self.keeper.request(StartNibp())
                    asked = True
            return self.expected <= self.seen

        await until(enough, limit_s)


@contextlib.asynccontextmanager
async def keeping(*kept: Kept) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(one.keeper.run()) for one in kept]
    try:
        yield
        assert not any(task.done() for task in tasks), "a keeper never ends by itself"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def monitor(driver: str, seed: int = 5) -> tuple[Patient, SimulatedMonitor]:
    patient = Patient(seed)
    return patient, SimulatedMonitor(registry.get(driver), patient, seed=seed)


def bedside(patient: Patient, endpoint: Endpoint, speed: float) -> Bedside:
    return Bedside(patient, [endpoint], speed=speed)
