"""Nonin data format 2: Xpod, OEM III, iPod, and 3150/9560 switched to it. SpO2, PR, pleth.

9600 8N1, no flow control, no commands needed. 75 frames of 5 bytes a second; 25 frames make a
packet, 3 packets a second. Frame:

    byte 1   01, always
    byte 2   STATUS  bit 7  1, always
                     bit 6  SNSD  sensor disconnected (OEM III, Xpod; reserved on the 9560)
                     bit 5  ARTF  short-term artifact            } during a pulse only
                     bit 4  OOT   no good pulse for a while        (12 frames, 160 ms)
                     bit 3  SNSA  sensor alarm: finger removed
                     bit 2  RPRF  } perfusion: G green, high     } during a pulse only
                     bit 1  GPRF  } R+G yellow, marginal; R red, low
                     bit 0  SYNC  1 in the packet's first frame only
    byte 3   PLETH   0..255
    byte 4   FLOAT   by frame number, counted from 1:
                      1  heart rate bits 8..7 (in bits 1..0)     2  heart rate bits 6..0
                      3  SpO2                                    4  firmware revision
                      6  7  timer, 14 bit, 1/3 s
                      8  STAT2: bit 5 SPA SmartPoint, bit 0 low battery
                      9  SpO2-D    10  SpO2 fast    11  SpO2 beat to beat
                     14 15  E-HR   16  E-SpO2       17  E-SpO2-D
                     20 21  HR-D   22 23  E-HR-D    the rest reserved, 0..255
    byte 5   CHK     (byte 1 + byte 2 + byte 3 + byte 4) mod 256

No value: heart rate 511, SpO2 127. Only frames 1-3 (4-beat averages) are read: the -D values
hold the last reading for 10 s after the finger is gone. Perfusion and artifact come with pulses,
so the newest pulse's say stands until the next pulse, for 3 s at most. SPA praises a spot
reading and is no condition; it is not passed on.

Source: "Nonin 9560 Bluetooth Specification" (in mattjlewis/NoninPulseOx); the packing of the
heart rate agrees with pez-globo/pufferfish-software, whose packet is among the test vectors.
Nobody has tried this on hardware: no capture of a real device was at hand, only bytes that
people composed from the sheet.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from devices.driver import Chunk, Driver, Event, SerialSettings, Values
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
from vitals.model import Flag

FRAMES = 25
PACKET = FRAMES * 5
PACKETS_PER_S = 3
RATE_HZ = 75.0
NO_HR, NO_SPO2 = 511, 127
PULSE_PACKETS = 9
"""Packets for which a pulse's perfusion and artifact stand without a new pulse: 3 s."""

_STATUS = {0x40: Flag.NO_SENSOR, 0x10: Flag.OUT_OF_TRACK, 0x08: Flag.SENSOR_OFF}
_PERFUSION = {0x04: Flag.LOW_PERFUSION, 0x06: Flag.MARGINAL_PERFUSION}
"""By RPRF and GPRF together, worst first; green alone is no condition."""
_ARTF, _RPRF_GPRF, _SYNC, _BATTERY = 0x20, 0x06, 0x01, 0x01
_PULSE = frozenset(range(6, 18))
"""Frames (from 0) that `encode` puts the pulse into."""

_HEADERS = b"\x01" * FRAMES
_START = re.compile(b"\x01[" + re.escape(bytes(range(0x81, 0x100, 2))) + b"]")
"""First frame's header: 01, then a status with bits 7 and 0 set."""


def _sound(packet: bytes) -> bool:
    """Whether 125 bytes are one packet: 25 headers and checksums, SYNC in the first only."""
    if packet[0::5] != _HEADERS:
        return False
    sync = _SYNC
    for status, pleth, value, check in zip(
        packet[1::5], packet[2::5], packet[3::5], packet[4::5], strict=True
    ):
        if status & 0x81 != 0x80 | sync or (1 + status + pleth + value) & 0xFF != check:
            return False
        sync = 0
    return True


class _Decoder(StreamDecoder):
    def __init__(self, device: str) -> None:
        super().__init__(device, PACKET)
        self._rest = b""
        self._thin = OncePerSecond(PACKETS_PER_S)
        self._conditions = Conditions(device)
        self._wave = WaveClock(device, "pleth", RATE_HZ)
        self._pulse: frozenset[Flag] = frozenset()
        self._since_pulse = 0

    def feed(self, chunk: Chunk) -> list[Event]:
        data = self._rest + chunk.data
        events: list[Event] = []
        pos, end = 0, len(data)
        while True:
            found = _START.search(data, pos)
            start = found.start() if found else end - data.endswith(b"\x01", pos)
            self.refuse(start - pos)
            pos = start
            if end - pos < PACKET:
                break
            packet = data[pos : pos + PACKET]
            if _sound(packet):
                self.accept()
                self._read(packet, chunk.at_us, events)
                pos += PACKET
            else:
                self.refuse(1)
                pos += 1
        self._rest = data[pos:]
        return events

    def _read(self, packet: bytes, at_us: int, events: list[Event]) -> None:
        value = packet[3::5]
        hr = (value[0] & 3) << 7 | value[1] & 0x7F
        sat = value[2] & 0x7F
        pr = None if hr == NO_HR else within("pr", hr)
        spo2 = None if sat == NO_SPO2 else within("spo2", sat)
        flags = self._flags(packet, pr is not None)
        if self._thin.due((pr is None, spo2 is None, flags)):
            events += self._conditions.change(flags, at_us)
            events += numerics(self.device, at_us, {"spo2": spo2, "pr": pr}, flags)
        events.append(self._wave.packet(packet[2::5], at_us, quality(flags)))

    def _flags(self, packet: bytes, has_rate: bool) -> frozenset[Flag]:
        statuses = set(packet[1::5])
        seen = 0
        for status in statuses:
            seen |= status
        lasting = {flag for bit, flag in _STATUS.items() if seen & bit}
        pulses = {status & (_ARTF | _RPRF_GPRF) for status in statuses} - {0}
        self._since_pulse += 1
        if pulses:
            self._pulse, self._since_pulse = _pulse_flags(pulses), 0
        elif self._since_pulse >= PULSE_PACKETS or not has_rate or lasting & NO_VALUE:
            self._pulse = frozenset()
        if packet[7 * 5 + 3] & _BATTERY:
            lasting.add(Flag.LOW_BATTERY)
        return self._pulse | lasting


def _pulse_flags(pulses: set[int]) -> frozenset[Flag]:
    """What a packet's pulses say; of several perfusions the worst."""
    flags = {Flag.ARTIFACT} if any(bits & _ARTF for bits in pulses) else set()
    seen = {bits & _RPRF_GPRF for bits in pulses}
    flags.update([flag for bits, flag in _PERFUSION.items() if bits in seen][:1])
    return frozenset(flags)


def _encode(values: Values, flags: Collection[Flag]) -> list[tuple[str, bytes]]:
    """One packet. With the sensor off the -D values stay, as on the device; the others go."""
    pr, spo2 = number(values, "pr"), number(values, "spo2")
    held_hr = NO_HR if pr is None else min(max(round(pr), 0), NO_HR)
    held = NO_SPO2 if spo2 is None else min(max(round(spo2), 0), NO_SPO2)
    off = bool(NO_VALUE & set(flags))
    live_hr, live = (NO_HR, NO_SPO2) if off else (held_hr, held)
    parts = bytearray(FRAMES)
    parts[0:2] = parts[13:15] = bytes((live_hr >> 7, live_hr & 0x7F))
    parts[19:21] = parts[21:23] = bytes((held_hr >> 7, held_hr & 0x7F))
    parts[2] = parts[9] = parts[10] = parts[15] = live
    parts[8] = parts[16] = held
    parts[3] = 48
    parts[7] = _BATTERY if Flag.LOW_BATTERY in flags else 0
    always = sum(bit for bit, flag in _STATUS.items() if flag in flags)
    green = 0 if pr is None or off else 0x02
    pulse = next((bits for bits, flag in _PERFUSION.items() if flag in flags), green)
    pulse |= _ARTF if Flag.ARTIFACT in flags else 0
    out = bytearray()
    for i, pleth in enumerate(samples(values, "pleth", FRAMES, 255)):
        status = 0x80 | always | (pulse if i in _PULSE else 0) | (_SYNC if i == 0 else 0)
        out += bytes((1, status, pleth, parts[i], (1 + status + pleth + parts[i]) & 0xFF))
    return [("", bytes(out))]


DRIVER = Driver(
    name="nonin-df2",
    transport="serial",
    title="Nonin Xpod, OEM III, iPod and 3150 (data format 2)",
    channels=("spo2", "pr", "pleth"),
    settings=SerialSettings(9600),
    decoder=_Decoder,
    encode=_encode,
    checked=True,
    encode_s=1 / PACKETS_PER_S,
    frame_bytes=5,
    pleth_hz=75.0,
    own_alarm="no",
    evidence="vendor document",
)
