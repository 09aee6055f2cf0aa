"""A driver's monitor at a patient's side, as a Bluetooth device.

As everywhere in the simulators, what it sends is the driver's own `encode` or `responder`, and it
moves by `advance` and nothing else. One that talks all the time drops what nobody hears; one that
is met on sight keeps its readings, advertises until somebody has taken them, and leaves.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence

from devices.driver import Driver, PatientView
from simulators.ble.gatt import profile
from simulators.ble.peripheral import Peripheral
from simulators.ble.radio import LinkGone, Radio
from simulators.faults import LineFault
from simulators.monitor import SimulatedMonitor
from vitals.model import Flag

PIECE_BYTES = 20
"""Answers to what was written come in notifications of at most so many bytes."""
KEPT = 60
"""Packets in the memory of a device that nobody has met, before the oldest is lost."""
LINGER_S = 1.0
"""How long a device that has told everything still answers before it leaves."""

Packet = tuple[str, bytes]
"""Characteristic and payload."""
_NS = 1_000_000_000


class GattMonitor(SimulatedMonitor):
    """A simulated monitor whose output is packets, each of one characteristic.

    `advance` gives their bytes as any monitor does, for the log; `take` gives the packets. Faults
    of the line strike packets. Takes what `SimulatedMonitor` takes.
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
        super().__init__(
            driver, patient, seed=seed, faults=faults, name=name, nibp_every_s=nibp_every_s
        )
        self._answers = profile(driver).answers
        self._waiting: deque[tuple[int, Packet]] = deque()
        self._left: list[Packet] = []

    def advance(self, dt_s: float) -> bytes:
        """Lets time pass, and gives the bytes that left the monitor in it."""
        answered = super().advance(dt_s)
        left = [
            (self._answers, answered[i : i + PIECE_BYTES])
            for i in range(0, len(answered), PIECE_BYTES)
        ]
        while self._waiting and self._waiting[0][0] < self._now_ns:
            source, payload = self._waiting.popleft()[1]
            if carried := self._line.carry(payload, 0.0):
                left.append((source, carried))
        self._left += left
        return b"".join(payload for _, payload in left)

    def take(self) -> list[Packet]:
        """The packets that have left since last asked."""
        taken, self._left = self._left, []
        return taken

    def skip(self, dt_s: float) -> None:
        """Lets time pass in which nothing gets out."""
        super().skip(dt_s)
        self._waiting.clear()

    def _encode(self, start_ns: int, patient_ns: int) -> None:
        flags = {flag for flag in Flag if self._patient.fault(flag)}
        packets = self.driver.encode(self._values(start_ns, patient_ns), flags)
        for i, packet in enumerate(packets):
            spread_s = i * self.driver.encode_s / len(packets)
            self._waiting.append((start_ns + round(spread_s * _NS), packet))


class BleDevice:
    """A monitor on the air; everything in the radio's loop.

    Args:
        radio: where it is.
        monitor: what it measures and says; its patient is advanced by the caller.
        address: its static random address.
        interval_ms: between two advertisements.
        linger_s: see `LINGER_S`.

    Attributes:
        monitor: see above.
        peripheral: its radio side, with everything that can go wrong.
        untold: packets that wait for somebody to take them (on-sight devices only).
    """

    def __init__(
        self,
        radio: Radio,
        monitor: GattMonitor,
        address: str,
        *,
        interval_ms: float = 100.0,
        linger_s: float = LINGER_S,
    ) -> None:
        self.monitor = monitor
        shown = profile(monitor.driver)
        self.peripheral = Peripheral(radio, shown, address, interval_ms=interval_ms)
        self.untold: deque[Packet] = deque(maxlen=KEPT)
        self._first = shown.answers
        self._linger_s = linger_s
        self._telling: asyncio.Task[None] | None = None
        if shown.on_sight:
            self.peripheral.on_change = self._changed

    @property
    def address(self) -> str:
        """Its address."""
        return self.peripheral.address

    async def start(self) -> None:
        """Switches it on."""
        await self.peripheral.start()

    async def stop(self) -> None:
        """Switches it off for good."""
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
        await self.peripheral.stop()

    async def advance(self, dt_s: float) -> None:
        """Lets its time pass, and carries what is said in it both ways."""
        self.monitor.receive(self.heard())
        self.monitor.advance(dt_s)
        await self.send(self.monitor.take())

    def heard(self) -> bytes:
        """What it was sent since last asked."""
        written, data = self.peripheral.written, b""
        while written:
            data += written.popleft()[1]
        return data

    async def send(self, packets: Iterable[Packet]) -> None:
        """Sends packets to whoever has subscribed; an on-sight device keeps them until then."""
        if not self.peripheral.profile.on_sight:
            for packet in packets:
                await self._send(packet)
            return
        self.untold += packets
        if self.untold and not self.peripheral.connected:
            await self.peripheral.advertise()
        self._changed()

    async def _send(self, packet: Packet) -> bool:
        source, payload = packet
        if self.peripheral.values.get(source):
            self.peripheral.values[source] = payload  # a reader gets the newest
        try:
            return await self.peripheral.send(source, payload)
        except LinkGone:
            return False

    # --- met on sight -------------------------------------------------------------------------

    def _changed(self) -> None:
        ready = self.untold and self.peripheral.subscribed(self._first)
        if ready and (self._telling is None or self._telling.done()):
            self._telling = asyncio.ensure_future(self._tell())

    async def _tell(self) -> None:
        """Tells everything that somebody wants to hear, lingers, and leaves."""
        while packet := self._wanted():
            if not await self._send(packet):
                return  # it is told again to whoever comes next
            self.untold.remove(packet)
            if self._wanted() is None:
                await asyncio.sleep(self._linger_s)
        self.untold.clear()
        await self.peripheral.hide()
        await self.peripheral.drop()

    def _wanted(self) -> Packet | None:
        subscribed = self.peripheral.subscribed
        return next((packet for packet in self.untold if subscribed(packet[0])), None)
