"""BerryMed BM1000 (BM1000B, C, E) over a Bluetooth LE serial port: SpO2, PR, pleth.

Notifications of 49535343-1E4D-..., 100 packets of 5 bytes a second, cut or joined in any way; bit 7
is 1 in byte 0 only:

    byte 0   bits 0-3 signal strength (15 none), 4 no signal, 5 probe unplugged, 6 pulse beep
    byte 1   bits 0-6 pleth, 0..100
    byte 2   bits 0-3 bar graph, 4 no finger, 5 searching, 6 = bit 7 of the pulse rate
    byte 3   bits 0-6 pulse rate    without byte 2's bit 6, 150 bpm reads 22
    byte 4   bits 0-6 SpO2

No value: SpO2 127, pulse rate 255; none is passed on under "no signal", either. Strength, bar and
beep are the display's business. There is no checksum. Lost notifications can leave a packet whose
halves come from two; so after the first packet only one that agrees with the packet before it on
flags and numbers is passed on, a change 10 ms late. Nothing is written.

Source: BerryMed's "BCI Protocol V1.2" as followed by Adafruit_CircuitPython_BLE_BerryMed_Pulse_-
Oximeter, ehborisov/BerryMed-Pulse-Oximeter-tool and berry-oximeter, whose packet is among the test
vectors; Scheindorf's notes on a BM1000 (0 in bits 4 and 5 of byte 0 while it measures, so 1 is the
fault; 15 and 127 without a finger). The first of these gives 100 packets a second. Nobody has tried
this on hardware here, and no capture was found. Old units advertise their name only, without a
service; new oximeters with the 20 byte packets of "Berry Protocol V1.5" are others. The service
is a chip maker's and is found on printers and cars, too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from devices.driver import BleSettings, Chunk, Driver, Event, Values
from devices.framing import (
    NO_VALUE,
    Conditions,
    OncePerSecond,
    StreamDecoder,
    WaveClock,
    number,
    numerics,
    quality,
    samples,
    within,
)
from devices.gatt import uuid
from vitals.model import Flag

NOTIFY = "49535343-1e4d-4bd9-ba61-23c647249616"
FRAME = 5
RATE_HZ = 100
WAVE_FRAMES = 25
NO_PR, NO_SPO2 = 0xFF, 0x7F
TOP = 100
"""Highest pleth."""

_RUN = re.compile(rb"(?:[\x80-\xff][\x00-\x7f]{4})+")
_BEGUN = re.compile(rb"[\x80-\xff][\x00-\x7f]{0,3}\Z")
_ALWAYS, _NO_SIGNAL, _NO_STRENGTH = 0x80, 0x10, 0x0F
_RATE_BIT_7 = 0x40
_BYTE_0 = {_NO_SIGNAL: Flag.WEAK_SIGNAL, 0x20: Flag.NO_SENSOR}
_BYTE_2 = {0x10: Flag.SENSOR_OFF, 0x20: Flag.SEARCHING}
_FLAGS = [
    frozenset(
        [flag for bit, flag in _BYTE_0.items() if bits & bit]
        + [flag for bit, flag in _BYTE_2.items() if bits >> 2 & bit]
    )
    for bits in range(0x100)
]
"""Flags by the condition bits of byte 0 (4, 5) and, two places higher, of byte 2."""


class _Decoder(StreamDecoder):
    def __init__(self, device: str) -> None:
        super().__init__(device, FRAME)
        self._rest = b""
        self._thin = OncePerSecond(RATE_HZ)
        self._conditions = Conditions(device)
        self._wave = WaveClock(device, "pleth", RATE_HZ)
        self._pleth = bytearray()
        self._pleth_bits = 0
        # The newest packet: its bytes, what they mean, and which values there are.
        self._seen: tuple[int, int, int, int] | None = None
        self._flags: frozenset[Flag] = frozenset()
        self._values: dict[str, float | None] = {}
        self._kind: object = None

    def feed(self, chunk: Chunk) -> list[Event]:
        if chunk.source != NOTIFY and uuid(chunk.source) != NOTIFY:
            self.rejected += 1
            return []
        data = self._rest + chunk.data
        events: list[Event] = []
        pos = 0
        for run in _RUN.finditer(data):
            self.refuse(run.start() - pos)
            self._read(run[0], chunk.at_us, events)
            pos = run.end()
        begun = _BEGUN.search(data, max(pos, len(data) - FRAME + 1))
        end = begun.start() if begun else len(data)
        self.refuse(end - pos)
        self._rest = data[end:]
        return events

    def _read(self, run: bytes, at_us: int, events: list[Event]) -> None:
        self.accept()
        self.accepted += len(run) // FRAME - 1
        pleth = self._pleth
        for b0, b1, b2, b3, b4 in zip(*(run[i::FRAME] for i in range(FRAME)), strict=True):
            bits = b0 & 0x30 | (b2 & 0x30) << 2
            seen = (bits, b2 & _RATE_BIT_7, b3, b4)
            agreed = seen == self._seen or self._seen is None
            if seen != self._seen:
                self._seen = seen
                self._understand(*seen)
            if agreed and self._thin.due(self._kind):
                events += self._conditions.change(self._flags, at_us)
                events += numerics(self.device, at_us, self._values, self._flags)
            pleth.append(b1)
            self._pleth_bits |= bits
            if len(pleth) == WAVE_FRAMES:
                trust = quality(_FLAGS[self._pleth_bits])
                events.append(self._wave.packet(bytes(pleth), at_us, trust))
                pleth.clear()
                self._pleth_bits = 0

    def _understand(self, bits: int, rate_bit_7: int, rate_bits: int, sat: int) -> None:
        rate = rate_bit_7 << 1 | rate_bits
        none = bits & _NO_SIGNAL
        pr = None if none or rate == NO_PR else within("pr", rate)
        spo2 = None if none or sat == NO_SPO2 else within("spo2", sat)
        self._flags, self._values = _FLAGS[bits], {"spo2": spo2, "pr": pr}
        self._kind = (bits, pr is None, spo2 is None)


def _frames(values: Values, flags: Collection[Flag]) -> Iterator[bytes]:
    off = bool(NO_VALUE & set(flags))
    pr, spo2 = (None if off else number(values, key) for key in ("pr", "spo2"))
    rate = NO_PR if pr is None or not 0 <= round(pr) < NO_PR else round(pr)
    sat = NO_SPO2 if spo2 is None or not 0 <= round(spo2) < NO_SPO2 else round(spo2)
    zero = _ALWAYS | (_NO_STRENGTH if off else 7)
    zero |= sum(bit for bit, flag in _BYTE_0.items() if flag in flags)
    two = sum(bit for bit, flag in _BYTE_2.items() if flag in flags) | (rate & 0x80) >> 1
    for pleth in samples(values, "pleth", WAVE_FRAMES, TOP):
        height = 0 if off else pleth
        yield bytes((zero, height, two | height >> 3, rate & 0x7F, sat))


def _encode(values: Values, flags: Collection[Flag]) -> list[tuple[str, bytes]]:
    """A quarter of a second: 25 packets, four to a notification."""
    data = b"".join(_frames(values, flags))
    return [(NOTIFY, data[i : i + 4 * FRAME]) for i in range(0, len(data), 4 * FRAME)]


DRIVER = Driver(
    name="berry-bm1000",
    transport="ble",
    title="BerryMed BM1000, BM1000B, BM1000C, BM1000E",
    channels=("spo2", "pr", "pleth"),
    settings=BleSettings(match=("name:BerryMed", "name:BM1000"), notify=(NOTIFY,)),
    decoder=_Decoder,
    encode=_encode,
    encode_s=WAVE_FRAMES / RATE_HZ,
    frame_bytes=FRAME,
    pleth_hz=RATE_HZ,
    quiet_s=5.0,
    own_alarm="unknown",
    evidence="vendor document",
)
