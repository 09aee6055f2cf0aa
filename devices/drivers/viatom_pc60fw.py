"""Viatom (Wellue, Lepu) PC-60FW and its kin over Nordic UART: SpO2, PR, PI, pleth.

Notifications of 6E400003-...; a frame may be cut or joined in any way:

    AA 55  token  LEN  function  [data ...]  CRC     LEN counts what is behind it
                                                     CRC-8/Maxim of all bytes before it
    0F  01   values, once a second     data[0]    SpO2
                                       data[1:3]  pulse rate, low byte first
                                       data[3]    perfusion index * 10
                                       data[4]    bit 1 probe off, 2 searching, 3 check the probe
                                       data[5]    bits 6-7 battery, on some models
    0F  02   pleth, 5 samples at 50/s  bits 0-6; bit 7 marks a beat
    0F  21   what it does   data[0] 1 spot check, 2 continuous, 3 menu    data[1] step: 2 measures,
                            3 shows the result, 4 analyses the pulse, 5 has finished
    F0  03   battery        data[0] level 0..3

All other functions, and data that are longer, are stepped over. 0 means no value. Battery bits in
the values read 0 on a PC-60NW at 2.8 V, so the battery frame alone counts. A spot check ends by
itself after 30 s, and its result stays on the display: the notice `wrong_mode` asks for continuous
mode, and from the result on its numbers are not passed on. Nothing has to be written. Without a
finger it switches itself off, and the link with it.

Source: sza2/viatom_pc60fw; the maker's SDK "blepro" (Pc60FwBleResponse; bit 3 from its SP-20);
captured frames from these and from public notes on PC-60FW, KS-60FW and PC-60NW, which are among
the test vectors. Nobody has tried this on hardware here. Unknown: bits of data[4] as the device
sends them (all captures have 0 there), spot checks, and the wave's rate: the SDK says 50/s, and
one counted ten frames a second, another twelve. By 50 a faster one is anchored anew each second.
"""

from __future__ import annotations

from collections.abc import Collection

from devices.driver import BleSettings, Chunk, Driver, Event, Values
from devices.framing import (
    NO_VALUE,
    Conditions,
    StreamDecoder,
    WaveClock,
    number,
    numerics,
    quality,
    samples,
)
from devices.gatt import uuid
from vitals.model import Flag, Notice

NOTIFY = "6e400003-b5a3-f393-e0a9-e50e24dcca9e"
RATE_HZ = 50
WAVE = 5
OXIMETER, EQUIPMENT = 0x0F, 0xF0
VALUES, PLETH, STATUS, BATTERY = (
    (OXIMETER, 0x01),
    (OXIMETER, 0x02),
    (OXIMETER, 0x21),
    (EQUIPMENT, 0x03),
)
SPOT, CONTINUOUS = 1, 2
RESULT_STEPS = (3, 4, 5)
FULL = 3
WELL_AGAIN = 2
"""Battery level from which a low battery no longer is: 0 is low, and 1 is near it."""
SET_CONTINUOUS = "it does a spot check: set it to continuous measurement in its menu"

_HEAD = b"\xaa\x55"
_SHORTEST, _LONGEST = 2, 0x40
"""LEN: function and CRC at least; the longest known frames tell names and serial numbers."""
FRAME = 4 + _LONGEST
_BITS = {0x02: Flag.SENSOR_OFF, 0x04: Flag.SEARCHING, 0x08: Flag.SENSOR_FAULT}
_FLAGS = [frozenset(flag for bit, flag in _BITS.items() if bits & bit) for bits in range(0x10)]
_LOW_7 = bytes(byte & 0x7F for byte in range(0x100))
_CRC = [0] * 0x100
for _byte in range(0x100):
    _crc = _byte
    for _ in range(8):
        _crc = _crc >> 1 ^ (0x8C if _crc & 1 else 0)
    _CRC[_byte] = _crc


def crc8(data: bytes) -> int:
    """CRC-8/Maxim (reflected 0x31, begins with 0); 0 over a frame with its CRC."""
    crc = 0
    for byte in data:
        crc = _CRC[crc ^ byte]
    return crc


class _Decoder(StreamDecoder):
    def __init__(self, device: str) -> None:
        super().__init__(device, FRAME)
        self._rest = b""
        self._conditions = Conditions(device)
        self._wave = WaveClock(device, "pleth", RATE_HZ)
        self._flags: frozenset[Flag] = frozenset()
        self._low = False
        self._spot = False
        self._held = False

    def feed(self, chunk: Chunk) -> list[Event]:
        if chunk.source != NOTIFY and uuid(chunk.source) != NOTIFY:
            self.rejected += 1
            return []
        data = self._rest + chunk.data
        events: list[Event] = []
        pos, end = 0, len(data)
        while pos < end:
            start = data.find(_HEAD, pos)
            if start < 0:
                start = end - data.endswith(_HEAD[:1], pos)
            if start > pos:
                self.refuse(start - pos)
                pos = start
            if end - pos < 4:
                break
            size = data[pos + 3]
            if not _SHORTEST <= size <= _LONGEST or data[pos + 2] not in (OXIMETER, EQUIPMENT):
                self.refuse(1)
                pos += 1
                continue
            stop = pos + 4 + size
            if stop > end:
                break
            if crc8(data[pos:stop]):
                self.refuse(1)
                pos += 1
                continue
            self.accept()
            self._read(data[pos:stop], chunk.at_us, events)
            pos = stop
        self._rest = data[pos:]
        return events

    def _read(self, frame: bytes, at_us: int, events: list[Event]) -> None:
        kind, data = (frame[2], frame[4]), frame[5:-1]
        if kind == PLETH and len(data) >= WAVE:
            wave = data[:WAVE].translate(_LOW_7)
            events.append(self._wave.packet(wave, at_us, quality(self._flags)))
        elif kind == VALUES and len(data) >= 5:
            self._values(data, at_us, events)
        elif kind == STATUS and len(data) >= 2:
            self._status(data[0], data[1], at_us, events)
        elif kind == BATTERY and data:
            self._battery(data[0], at_us, events)

    def _values(self, data: bytes, at_us: int, events: list[Event]) -> None:
        if self._held:
            return
        self._flags = flags = _FLAGS[data[4] & 0x0F]
        values: dict[str, float | None] = {
            "spo2": data[0],
            "pr": data[1] | data[2] << 8,
            "pi": data[3] / 10,
        }
        events += self._conditions.change(flags, at_us)
        events += numerics(self.device, at_us, values, flags)

    def _status(self, mode: int, step: int, at_us: int, events: list[Event]) -> None:
        spot = mode == SPOT if mode in (SPOT, CONTINUOUS) else self._spot
        self._held = mode == SPOT and step in RESULT_STEPS
        if spot != self._spot:
            self._spot = spot
            detail = SET_CONTINUOUS if spot else ""
            events.append(Notice(self.device, at_us, "wrong_mode", spot, detail))

    def _battery(self, level: int, at_us: int, events: list[Event]) -> None:
        low = level < (WELL_AGAIN if self._low else 1)
        if low != self._low:
            self._low = low
            detail = f"level {level} of {FULL}"
            events.append(Notice(self.device, at_us, "low_battery", low, detail))


def frame(kind: tuple[int, int], *data: int) -> bytes:
    """A frame of the device."""
    token, function = kind
    body = bytes((*_HEAD, token, len(data) + 2, function, *data))
    return body + bytes((crc8(body),))


def _encode(values: Values, flags: Collection[Flag]) -> list[tuple[str, bytes]]:
    """One second, each frame a notification. Under `NO_VALUE` it goes without numbers."""
    none = bool(NO_VALUE & set(flags))
    pr, spo2, pi = (None if none else number(values, key) for key in ("pr", "spo2", "pi"))
    rate = min(max(round(pr or 0), 0), 0xFFFF)
    bits = sum(bit for bit, flag in _BITS.items() if flag in flags)
    level = 0 if Flag.LOW_BATTERY in flags else FULL
    numbers = (
        min(max(round(spo2 or 0), 0), 0xFF),
        *rate.to_bytes(2, "little"),
        min(max(round((pi or 0) * 10), 0), 0xFF),
    )
    said = [
        frame(STATUS, CONTINUOUS, 0, 0, 0),
        frame(BATTERY, level),
        frame(VALUES, *numbers, bits, level << 6),
    ]
    pleth = samples(values, "pleth", RATE_HZ, 0x7F)
    said += [frame(PLETH, *pleth[i : i + WAVE]) for i in range(0, RATE_HZ, WAVE)]
    return [(NOTIFY, data) for data in said]


DRIVER = Driver(
    name="viatom-pc60fw",
    transport="ble",
    title="Viatom / Wellue PC-60FW, KS-60FW, OxySmart, POD-1W",
    channels=("spo2", "pr", "pi", "pleth"),
    settings=BleSettings(
        match=("name:PC-60F", "name:KS-60F", "name:OxySmart", "name:POD-1"), notify=(NOTIFY,)
    ),
    decoder=_Decoder,
    encode=_encode,
    checked=True,
    pleth_hz=RATE_HZ,
    quiet_s=5.0,
    own_alarm="unknown",
    evidence="captured",
)
