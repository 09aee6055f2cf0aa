"""Nonin data format 8: Onyx II 9560 and WristOx2 3150 switched to it. SpO2, PR.

9600 8N1 (Bluetooth serial port profile, or the 3150's cable). One frame of 4 bytes a second:

    byte 1   bit 7  1, in this byte only
             bit 6  sensor disconnected (reserved on the 9560)
             bit 5  OOT   no good pulse for a while
             bit 4  LPRF  low perfusion
             bit 3  MPRF  marginal perfusion
             bit 2  ARTF  artifact, a bad pulse
             bits 1..0    heart rate bits 8..7: without them 150 reads 22
    byte 2   bit 7  0     bits 6..0 heart rate bits 6..0
    byte 3   bit 7  0     bits 6..0 SpO2
    byte 4   bit 7  0
             bit 5  SPA   SmartPoint: good for a spot reading; no condition, not passed on
             bit 3  SNSA  sensor alarm: finger removed, data unusable (SNSF in the table)
             bit 1  battery critical (another model's; reserved on the 9560)
             bit 0  low battery

No value: heart rate 511, SpO2 127. Both values are the "-D" ones for display: they HOLD THE LAST
READING for 10 s after the finger is gone, and only SNSA says so; under SNSA there is no value.
There is no checksum; how frames are told from noise and from format 1 is in nonin_df1.py.

The 9560 leaves the factory in format 13 (single spot readings, also old ones from its memory, of
which nothing is read) and has no key to change it. When no frame has come 1.5 s after connecting
we therefore ask for format 8, at most three times, within the 5 s in which it listens:

    02 70 02 02 08 03   set data format 8, kept in flash; answers 06 done, 15 cannot

An answer comes between frames and is counted as refused; then as ever one frame goes by before
the values are given.

Source: "Nonin 9560 Bluetooth Specification" (in mattjlewis/NoninPulseOx), pages 4-14; bits 6 and
1 from a format 8 decoder in drphrozen/javautilityclasses.
Nobody has tried this on hardware: no capture of a real device was found. Whether the 3150 takes
the short command on its cable is unknown.
"""

from __future__ import annotations

from collections.abc import Collection

from devices.driver import Driver, Event, SerialSettings, Values
from devices.drivers.nonin_df1 import MarkedFrames, clamped, status
from vitals.model import Flag

US = 1_000_000
FRAME = 4
SET_FORMAT = bytes.fromhex("027002020803")
ASK_US = (1_500_000, 2_500_000, 3_500_000)
"""When the format is asked for, from the first `due`, unless frames have come."""

_STATUS_2 = {0x08: Flag.SENSOR_OFF, 0x03: Flag.LOW_BATTERY}
_FLAGS = [frozenset(flag for bits, flag in _STATUS_2.items() if byte & bits) for byte in range(128)]


class _Decoder(MarkedFrames):
    def __init__(self, device: str) -> None:
        super().__init__(device, FRAME)
        self._heard = False
        self._since_us: int | None = None
        self._asked = 0

    def values(self, frame: bytes) -> tuple[int, int, frozenset[Flag]]:
        hr, spo2, flags = super().values(frame)
        return hr, spo2, flags | _FLAGS[frame[3]]

    def _give(self, frame: bytes, at_us: int, events: list[Event]) -> None:
        self._heard = True
        super()._give(frame, at_us, events)

    def due(self, now_us: int) -> bytes:
        if self._since_us is None:
            self._since_us = now_us
        late = sum(now_us - self._since_us >= after_us for after_us in ASK_US)
        if self._heard or late <= self._asked:
            return b""
        self._asked = late
        return SET_FORMAT


def _encode(values: Values, flags: Collection[Flag]) -> list[tuple[str, bytes]]:
    """One frame. With the finger gone the values stay, as on the device, and SNSA is set."""
    hr, spo2 = clamped(values)
    second = 0x08 if Flag.SENSOR_OFF in flags else 0
    second |= 0x01 if Flag.LOW_BATTERY in flags else 0
    return [("", bytes((status(hr, flags), hr & 0x7F, spo2, second)))]


DRIVER = Driver(
    name="nonin-df8",
    transport="serial",
    title="Nonin Onyx II 9560 and WristOx2 3150 (data format 8)",
    channels=("spo2", "pr"),
    settings=SerialSettings(9600),
    decoder=_Decoder,
    encode=_encode,
    own_alarm="no",
    evidence="vendor document",
    probe=(),  # SET_FORMAT is kept in flash: only for a device that the config names
)
