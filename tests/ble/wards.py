"""What tests of simulated Bluetooth need beside fixtures: an ear, a device that is asked."""

from __future__ import annotations

from collections.abc import Callable

from bleak.backends.characteristic import BleakGATTCharacteristic

from devices.driver import BleSettings, Chunk, Driver, PatientView
from devices.gatt import uuid
from simulators.monitor import ANCHOR_US
from simulators.patient import Patient
from tests.devices.fake_driver import driver as fake
from vitals.model import US, Numeric


class Heard:
    """Keeps what is notified; with a driver, also decodes it, at the patient's time."""

    def __init__(self, driver: Driver | None = None, patient: Patient | None = None) -> None:
        self.data: list[bytes] = []
        self.decoder = driver.decoder("d") if driver else None
        self.numerics: list[Numeric] = []
        self.count = 0
        self._patient = patient

    def __call__(self, _: BleakGATTCharacteristic, data: bytearray) -> None:
        self.data.append(bytes(data))

    def of(self, source: str) -> Callable[[BleakGATTCharacteristic, bytearray], None]:
        def heard(_: BleakGATTCharacteristic, data: bytearray) -> None:
            self.count += 1
            events = self.decoder.feed(Chunk(bytes(data), self.now_us(), source))
            self.numerics += [event for event in events if isinstance(event, Numeric)]

        return heard

    def now_us(self) -> int:
        return ANCHOR_US + round(self._patient.now_s * US) if self._patient else ANCHOR_US

    def values(self) -> set[str]:
        return {n.channel for n in self.numerics if n.value is not None}

    def value(self, channel: str) -> float | None:
        return [n.value for n in self.numerics if n.channel == channel][-1]


class _Answers:
    def __init__(self, patient: PatientView) -> None:
        self._patient = patient

    def receive(self, data: bytes, now_us: int) -> bytes:
        said = f"{self._patient.value('spo2'):.0f} %, and so on to 30 bytes..."
        return said.encode() if data == b"?" else b""

    def poll(self, now_us: int) -> bytes:
        return b""


def polled() -> Driver:
    """A device that answers what is written to it."""
    return fake(
        name="asked",
        transport="ble",
        settings=BleSettings(match=("name:Asked",), notify=(uuid("fff1"),), write=uuid("fff2")),
        responder=_Answers,
    )
