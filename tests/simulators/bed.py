"""A station's side of a simulated bed, without any waiting: bytes go straight across."""

from __future__ import annotations

from devices import registry
from devices.driver import Chunk, Event
from simulators.faults import LineFault
from simulators.monitor import SimulatedMonitor
from simulators.patient import Patient
from vitals.model import Notice, Numeric


class Bed:
    """One patient, some monitors, and a decoder for each."""

    def __init__(self, patient: Patient, *drivers: str, faults: tuple[LineFault, ...] = ()) -> None:
        self.patient = patient
        self.monitors = [
            SimulatedMonitor(registry.get(name), patient, seed=i, faults=faults)
            for i, name in enumerate(drivers)
        ]
        self.decoders = [registry.get(name).decoder(name) for name in drivers]
        self.events: list[Event] = []

    def run(self, seconds: float, step_s: float = 0.1) -> list[Event]:
        """Everything decoded in that time, which is also added to `events`."""
        new: list[Event] = []
        for _ in range(round(seconds / step_s)):
            self.patient.advance(step_s)
            self.patient.cuff(any(monitor.inflating for monitor in self.monitors))
            for monitor, decoder in zip(self.monitors, self.decoders, strict=True):
                monitor.receive(decoder.due(monitor.now_us))
                data = monitor.advance(step_s)
                if data:
                    new += decoder.feed(Chunk(data, monitor.now_us))
        self.events += new
        return new


def numerics(events: list[Event], channel: str) -> list[Numeric]:
    return [e for e in events if isinstance(e, Numeric) and e.channel == channel]


def notices(events: list[Event], code: str) -> list[Notice]:
    return [e for e in events if isinstance(e, Notice) and e.code == code]
