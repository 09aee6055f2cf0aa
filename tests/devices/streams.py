"""What the simulated monitors send: a few seconds of each, as a port would hear it."""

from __future__ import annotations

from functools import cache

from devices import registry
from devices.driver import Driver, SerialSettings
from devices.fingerprint import Verdict, identify
from simulators.monitor import SimulatedMonitor
from simulators.patient import Patient
from vitals.model import Chunk

SERIAL = tuple(n for n in registry.names() if registry.get(n).transport == "serial")
DRIVERS: tuple[Driver, ...] = tuple(registry.get(name) for name in SERIAL)
STEP_S = 0.01


@cache
def stream(name: str, seconds: float = 6.0, *, cut: int = 3) -> tuple[Chunk, ...]:
    """The stream of a monitor that is asked as its driver asks, less the first `cut` bytes."""
    driver = registry.get(name)
    patient = Patient(seed=3)
    monitor = SimulatedMonitor(driver, patient, seed=1, nibp_every_s=5.0)
    decoder = driver.decoder("d")
    chunks = []
    for _ in range(round(seconds / STEP_S)):
        patient.advance(STEP_S)
        monitor.receive(decoder.due(monitor.now_us))
        if data := monitor.advance(STEP_S):
            chunks.append(Chunk(data, monitor.now_us))
            decoder.feed(chunks[-1])
    first, *others = chunks
    return (Chunk(first.data[cut:], first.at_us), *others)


def usual(name: str) -> SerialSettings:
    settings = registry.get(name).settings
    assert isinstance(settings, SerialSettings)
    return settings


def names(verdict: Verdict) -> list[str]:
    return [fit.driver.name for fit in verdict.fits]


def of_bytes(data: bytes) -> Verdict:
    return identify({SerialSettings(): [Chunk(data, 0)]}, DRIVERS)
