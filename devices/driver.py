"""The driver contract: everything the rest of the program knows about a protocol.

    driver = registry.get("nonin-df2")
    decoder = driver.decoder("bed-1")               # a new one for every connection
    events = decoder.feed(Chunk(data, at_us))       # Numerics, Waveforms, Notices
    decoder.due(now_us)                             # bytes to send now: start, keep-alive, poll
    decoder.request(StartNibp(), now_us)            # CommandError where the protocol cannot

Any split of the bytes gives the same Numerics and Notices. After 1-7 bytes of noise the same
events come, less at most the first frame. No bytes ever make a decoder raise: what does not fit
is counted in `rejected`. A protocol with a checksum refuses every single-bit flip.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from vitals.errors import CommandError
from vitals.model import (
    Chunk,
    Flag,
    Notice,
    Numeric,
    Request,
    StartNibp,
    StopNibp,
    Waveform,
)

__all__ = [
    "BleSettings",
    "Chunk",
    "CommandError",
    "Decoder",
    "Driver",
    "Event",
    "PatientView",
    "Request",
    "Responder",
    "SerialSettings",
    "StartNibp",
    "StopNibp",
    "Values",
]

Event = Numeric | Waveform | Notice
Values = Mapping[str, float | Sequence[float] | None]


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """Line settings of a serial protocol; never XON/XOFF, which eats data bytes."""

    baudrate: int = 9600
    bytesize: int = 8
    parity: Literal["N", "E", "O"] = "N"
    stopbits: float = 1
    rtscts: bool = False


@dataclass(frozen=True, slots=True)
class BleSettings:
    """How to recognise and use a Bluetooth LE device (UUIDs in full, lower case).

    Attributes:
        match: what its advertising shows, any of them: service UUIDs, or `name:` and the
            beginning of its name.
        notify: characteristics that are subscribed to (notify or indicate), in this order.
        read: characteristics that are read once after each connect, where the device has them;
            each answer is a chunk of its own.
        write: the characteristic that `Decoder.due` is written to, `""` for none.
        response: whether a write waits for the device's answer.
        on_sight: it advertises only when it has something to tell, then leaves (cuffs): it is
            connected to whenever it is seen, and its absence is no fault.
        bond: it must be paired before it gives anything.
    """

    match: tuple[str, ...]
    notify: tuple[str, ...]
    read: tuple[str, ...] = ()
    write: str = ""
    response: bool = False
    on_sight: bool = False
    bond: bool = False


class Decoder(Protocol):
    """One connection's worth of decoding. Pure: no IO, no clock, never raises on bytes."""

    rejected: int

    def feed(self, chunk: Chunk) -> list[Event]:
        """Decodes what has arrived; keeps the rest for the next chunk."""

    def due(self, now_us: int) -> bytes:
        """What must be sent now; asked after each feed and at 10 Hz until it returns b""."""

    def request(self, request: Request, now_us: int) -> None:
        """Queues a command for `due`.

        Raises:
            CommandError: the protocol or the device's present state cannot do it.
        """


class PatientView(Protocol):
    """What a simulated monitor may ask of a patient: the true physiology at this moment.

    `value` knows the channel keys of `vitals.channels` and returns None where the patient has
    no such value. `fault` names conditions of sensor or cuff (`sensor_off`, `searching`,
    `low_perfusion`, `artifact`, `cuff_loose`, …) that are present now.
    """

    def value(self, channel: str) -> float | None:
        """True value of a channel now."""

    def fault(self, code: str) -> bool:
        """Whether a condition of sensor, cuff or link is present now."""

    def pleth(self, offset_s: float = 0.0) -> float:
        """Pleth amplitude 0..1, `offset_s` seconds from now (negative = before)."""


class Responder(Protocol):
    """Device side of a command/response protocol, for the simulator."""

    def receive(self, data: bytes, now_us: int) -> bytes:
        """Bytes the device answers to what it was sent."""

    def poll(self, now_us: int) -> bytes:
        """Bytes the device sends by itself; asked at 10 Hz or faster."""


def _cannot_respond(patient: PatientView) -> Responder:
    raise CommandError("this protocol only talks; it has no responder")


@dataclass(frozen=True, slots=True)
class Driver:
    """A protocol. Each file of `devices/drivers` defines one and calls it `DRIVER`.

    Attributes:
        name: as in the config, e.g. `nonin-df2`.
        transport: `serial`, `ble` or `mllp`.
        title: the monitors that speak it, for people.
        channels: channel keys it can give.
        settings: line settings or BLE profile.
        decoder: makes a decoder for one connection; the argument is the device's id.
        encode: (values, flags) -> [(source, bytes)] as a real device would send them: one whole
            packet. `values` maps channel keys to numbers (None or absent = no value); `pleth`
            may be a sequence of 0..1, spread over the packet's samples.
        responder: device side of a command/response protocol; takes a patient.
        can: requests it understands: `start_nibp`, `stop_nibp`.
        checked: whether the protocol has a checksum.
        encode_s: seconds of a real device's output that one `encode` stands for.
        frame_bytes: size of the frames in which a dense stream leaves the device, spread over
            `encode_s`; 0 = one `encode` leaves at once.
        pleth_hz: pleth samples a second that `encode` takes.
        period_s: longest time between two values of a streaming channel.
        quiet_s: silence after which the link is reopened.
        mode: `continuous`, or `spot` where values come only when somebody measures.
        own_alarm: whether the device sounds by itself: `yes`, `no`, `unknown`.
        evidence: where the layout comes from: `captured`, `vendor document` or `manual`.
        probe: messages that make a silent device of this kind talk, each sent alone. Harmless to
            every device, also to one of another kind: they ask for a state or begin a stream, and
            never inflate a cuff, delete anything or change a setting. They are written down here,
            one by one, and not taken from `decoder(...).due`, which may well do such things for
            a device that the config names (`nonin-df8` sets a format that the device keeps).
    """

    name: str
    transport: Literal["serial", "ble", "mllp"]
    title: str
    channels: tuple[str, ...]
    settings: SerialSettings | BleSettings | None
    decoder: Callable[[str], Decoder]
    encode: Callable[[Values, Collection[Flag]], list[tuple[str, bytes]]]
    responder: Callable[[PatientView], Responder] = _cannot_respond
    can: frozenset[str] = frozenset()
    checked: bool = False
    encode_s: float = 1.0
    frame_bytes: int = 0
    pleth_hz: float = 60.0
    period_s: float = 1.0
    quiet_s: float = 3.0
    mode: Literal["continuous", "spot"] = "continuous"
    own_alarm: Literal["yes", "no", "unknown"] = "unknown"
    evidence: Literal["captured", "vendor document", "manual"] = "vendor document"
    probe: tuple[bytes, ...] = ()
