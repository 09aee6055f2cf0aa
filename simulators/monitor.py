"""A simulated monitor: a driver's own encoder or responder at a patient's side.

It has no second implementation of any wire format. `advance` gives the bytes that a real
monitor would have sent in that time, at the speed of its line; time moves by nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from devices.driver import Driver, PatientView, Responder, Values
from simulators.faults import Line, LineFault
from simulators.uart import Uart, byte_ns
from vitals.channels import NIBP
from vitals.errors import CommandError
from vitals.model import Flag

ANCHOR_US = 1_800_000_000_000_000
"""Time of a monitor's own clock when it is switched on."""
POLL_S = 0.05
"""How often at least a responder is asked for what it sends by itself."""
INFLATED_S = 30.0
"""How long a determination takes on a monitor that cannot be commanded."""
_NS = 1_000_000_000


class _Then:
    """The patient as a responder sees him that is asked about a moment `ago_s` before now."""

    def __init__(self, patient: PatientView) -> None:
        self._patient = patient
        self.value = patient.value
        self.fault = patient.fault
        self.ago_s = 0.0

    def pleth(self, offset_s: float = 0.0) -> float:
        return self._patient.pleth(offset_s - self.ago_s)


class SimulatedMonitor:
    """One monitor.

    Args:
        driver: its protocol.
        patient: who wears it; advanced by the caller, before the monitor.
        seed: of the faults on its line.
        faults: what goes wrong on its line.
        name: for scenarios (`link_drop`) and logs; the driver's name by default.
        nibp_every_s: how often a monitor that cannot be commanded inflates its cuff, and a
            spot-check monitor is used.

    Attributes:
        driver: see above.
        name: see above.
    """

    def __init__(
        self,
        driver: Driver,
        patient: PatientView,
        *,
        seed: int = 0,
        faults: Sequence[LineFault] = (),
        name: str = "",
        nibp_every_s: float = 300.0,
    ) -> None:
        self.driver = driver
        self.name = name or driver.name
        self._patient = patient
        self._line = Line(faults, seed=seed)
        self._uart = Uart(byte_ns(driver.settings))
        self._reboots = 0
        self._view = _Then(patient)
        self._responder = _responder(driver, self._view)
        self._now_ns = 0
        self._poll_ns = 0
        self._samples = max(1, round(driver.encode_s * driver.pleth_hz))
        self._packet_s = nibp_every_s if driver.mode == "spot" else driver.encode_s
        self._packets = 0
        self._nibp_every_s = nibp_every_s
        self._cuffed = -1

    @property
    def now_us(self) -> int:
        """Time by the monitor's own clock."""
        return ANCHOR_US + self._now_ns // 1000

    @property
    def inflating(self) -> bool:
        """Whether its cuff is inflated now."""
        if self._responder is not None:
            return bool(getattr(self._responder, "inflating", False))
        measures = self.driver.mode == "continuous" and any(c in NIBP for c in self.driver.channels)
        return measures and self._now_ns / _NS % self._nibp_every_s < INFLATED_S

    @property
    def unplugged(self) -> bool:
        """Whether a fault has taken its plug out."""
        return self._line.unplugged

    @property
    def failing(self) -> bool:
        """Whether a fault of its line that lasts is present now."""
        return self._line.failing

    def mend(self) -> None:
        """No further fault of its line strikes."""
        self._line.mend()

    def receive(self, data: bytes) -> None:
        """What the station sends; the answer leaves with the next `advance`."""
        if self._responder is not None and data:
            self._uart.put(self._responder.receive(data, self.now_us), self._now_ns)

    def advance(self, dt_s: float) -> bytes:
        """Lets time pass, and gives the bytes that left the monitor in it."""
        end_ns = self._now_ns + round(dt_s * _NS)
        if self._responder is None:
            self._talk(end_ns)
        else:
            self._poll(self._responder, end_ns)
        self._now_ns = end_ns
        out = self._line.carry(self._uart.take(end_ns), dt_s)
        if self._line.reboots > self._reboots:
            self._reboots = self._line.reboots
            self._uart.clear()
            self._responder = _responder(self.driver, self._view)
        return out

    def skip(self, dt_s: float) -> None:
        """Lets time pass in which nothing gets out, however long (the computer stood still)."""
        self._now_ns += round(dt_s * _NS)
        if self._responder is not None:
            self._responder.poll(self.now_us)
            self._poll_ns = self._now_ns
        self._packets = max(self._packets, math.ceil(self._now_ns / _NS / self._packet_s))
        self._uart.clear()

    def _poll(self, responder: Responder, end_ns: int) -> None:
        while self._poll_ns < end_ns:
            self._poll_ns = min(end_ns, self._poll_ns + round(POLL_S * _NS))
            self._view.ago_s = (end_ns - self._poll_ns) / _NS
            said = responder.poll(ANCHOR_US + self._poll_ns // 1000)
            self._uart.put(said, self._poll_ns - 1)  # just before: of what `advance` gives now

    def _talk(self, end_ns: int) -> None:
        while (start_ns := round(self._packets * self._packet_s * _NS)) < end_ns:
            self._encode(start_ns, end_ns)
            self._packets += 1

    def _encode(self, start_ns: int, patient_ns: int) -> None:
        """Puts one packet's frames in the queue, each with the time it leaves."""
        flags = {flag for flag in Flag if self._patient.fault(flag)}
        packet = b"".join(
            data for _, data in self.driver.encode(self._values(start_ns, patient_ns), flags)
        )
        size = self.driver.frame_bytes or len(packet)
        frames = [packet[i : i + size] for i in range(0, len(packet), size or 1)]
        for i, frame in enumerate(frames):
            leaves_ns = start_ns + round(i * self._packet_s * _NS / len(frames))
            self._uart.put(frame, leaves_ns)

    def _values(self, start_ns: int, patient_ns: int) -> Values:
        values: dict[str, float | Sequence[float] | None] = {}
        nibp = self._new_nibp(start_ns)
        for channel in self.driver.channels:
            if channel == "pleth":
                step_s = self.driver.encode_s / self._samples
                offset_s = (start_ns - patient_ns) / _NS
                values[channel] = [
                    self._patient.pleth(offset_s + i * step_s) for i in range(self._samples)
                ]
            elif channel in NIBP:
                values[channel] = nibp.get(channel)
            else:
                values[channel] = self._patient.value(channel)
        return values

    def _new_nibp(self, at_ns: int) -> dict[str, float | None]:
        """A determination that has just been made; it is sent once, as it goes without a time."""
        done = int((at_ns / _NS - INFLATED_S) // self._nibp_every_s)
        if done <= self._cuffed and self.driver.mode != "spot":
            return {}
        self._cuffed = done
        return {channel: self._patient.value(channel) for channel in NIBP}


def _responder(driver: Driver, patient: PatientView) -> Responder | None:
    try:
        return driver.responder(patient)
    except CommandError:
        return None
