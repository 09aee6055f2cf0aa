"""Nonin Onyx II 3230 and WristOx2 3150 with Bluetooth LE: SpO2, PR, PI, once a second.

Notifications of 0AAD7EA0-... ("continuous oximetry"), big endian, one payload each:

    byte 0     length of the payload, this byte included: 10; what is behind byte 9 is reserved
    byte 1     bit 0  display is in step with this packet (older sheet; reserved in the newer one)
               bit 1  weak signal: 0.3 % modulation or less
               bit 2  SmartPoint: good for a spot reading; no condition, not passed on
               bit 3  searching for a pulse
               bit 4  CorrectCheck: 1 = the finger is in place
               bit 5  batteries low
               bit 6  the connection is encrypted
    byte 2     battery, 0.1 V
    byte 3, 4  pulse amplitude index, AC / DC, 0.01 %, 0..20 %: the perfusion index
    byte 5, 6  seconds since it was switched on
    byte 7     SpO2, 4-beat average as displayed    127 none
    byte 8, 9  pulse rate, the same                 511 none

The displayed values may be held for a while after the finger is gone; without CorrectCheck, and
while it searches, there is no value. The battery level (2A19) is not read, as bit 5 tells it anew
each second. Nothing is written: the control point (1447AF80-...) sets security and deletes bonds.
An oximeter without a finger switches itself off after some seconds, and the link with it.

Source: Nonin's own iOS sample "PulseOximeterClass" for the 3230; Nonin's specification 113142 as
quoted in two programs that record from the 3150 (Villarroel's for iOS; Isansys' gateway, which
also names the reserved bits); andreasdri/nonin-3230-ble. Nobody has tried this on hardware: no
capture was found. Unknown: how long values are held, and whether every firmware notifies without
being paired.
"""

from __future__ import annotations

from collections.abc import Collection
from struct import Struct

from devices.driver import BleSettings, Driver, Event, Values
from devices.framing import NO_VALUE, Conditions, number, numerics
from devices.gatt import PacketDecoder
from vitals.model import Flag

SERVICE = "46a970e0-0d5f-11e2-8b5e-0002a5d5c51b"
OXIMETRY = "0aad7ea0-0d60-11e2-8e3c-0002a5d5c51b"
NO_PR, NO_SPO2 = 511, 127

_PACKET = Struct(">BBBHHBH")
_IN_PLACE = 0x10
_BITS = {0x02: Flag.LOW_PERFUSION, 0x08: Flag.SEARCHING, 0x20: Flag.LOW_BATTERY}
_FLAGS = [
    frozenset(
        [flag for bit, flag in _BITS.items() if status & bit]
        + ([] if status & _IN_PLACE else [Flag.SENSOR_OFF])
    )
    for status in range(0x100)
]
"""Flags by the status byte."""
_FULL, _EMPTY = 30, 21
"""What `encode` says of the battery, 0.1 V."""


class _Decoder(PacketDecoder):
    def __init__(self, device: str) -> None:
        super().__init__(device, {OXIMETRY: self._read})
        self._conditions = Conditions(device)

    def _read(self, data: bytes, at_us: int) -> list[Event] | None:
        size = len(data)
        if size < _PACKET.size or data[0] != size:
            return None
        _, status, _, amplitude, _, sat, rate = _PACKET.unpack_from(data)
        flags = _FLAGS[status]
        values: dict[str, float | None] = {
            "spo2": None if sat == NO_SPO2 else sat,
            "pr": None if rate == NO_PR else rate,
            "pi": amplitude / 100,
        }
        changes = self._conditions.change(flags, at_us)
        return [*changes, *numerics(self.device, at_us, values, flags)]


def _encode(values: Values, flags: Collection[Flag]) -> list[tuple[str, bytes]]:
    """The packet of one second. Under `NO_VALUE` it goes without numbers."""
    none = bool(NO_VALUE & set(flags))
    pr, spo2, pi = (None if none else number(values, key) for key in ("pr", "spo2", "pi"))
    status = sum(bit for bit, flag in _BITS.items() if flag in flags)
    packet = _PACKET.pack(
        _PACKET.size,
        status | (0 if Flag.SENSOR_OFF in flags else _IN_PLACE),
        _EMPTY if Flag.LOW_BATTERY in flags else _FULL,
        0 if pi is None else min(max(round(pi * 100), 0), 0xFFFF),
        0,
        NO_SPO2 if spo2 is None else min(max(round(spo2), 0), NO_SPO2),
        NO_PR if pr is None else min(max(round(pr), 0), NO_PR),
    )
    return [(OXIMETRY, packet)]


DRIVER = Driver(
    name="nonin-3230",
    transport="ble",
    title="Nonin Onyx II 3230, WristOx2 3150 with Bluetooth LE",
    channels=("spo2", "pr", "pi"),
    settings=BleSettings(match=(SERVICE, "name:Nonin3230"), notify=(OXIMETRY,)),
    decoder=_Decoder,
    encode=_encode,
    quiet_s=5.0,
    own_alarm="no",
    evidence="vendor document",
)
