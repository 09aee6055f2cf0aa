"""Heart rate straps with the standard Heart Rate service (180D): heart rate, once a second.

Notifications of 2A37, little endian:

    byte 0   flags  bit 0     1 = heart rate in two bytes, else in one
                    bit 1, 2  skin contact: bit 2 it can be told, bit 1 there is some
                    bit 3     energy is there
                    bit 4     RR intervals are there
                    bit 5..7  reserved, not looked at
    then     heart rate, /min, 1 or 2 bytes
             energy since reset, kJ, 2 bytes
             RR intervals, 1/1024 s, 2 bytes each, one or more, oldest first

A payload whose length does not fit its flags is refused: so is one that claims RR intervals and has
none. Without skin contact there is no value, whatever the strap still shows, and 0 and (in one
byte) 255 mean that it has none. A strap that cannot tell contact may repeat its last rate when it
is taken off; nothing in its payload says so. Energy and RR intervals are checked and not passed on.

Source: Bluetooth Heart Rate Service as in Nordic's Android-BLE-Common-Library and bumble, which
agree; the paper itself was not at hand. Payloads of two public test suites are among the vectors,
none of a real strap. Nobody has tried this on hardware. Unknown: which straps send
more often than once a second or stop when they are taken off, and what each shows then.
"""

from __future__ import annotations

from collections.abc import Collection

from devices.driver import BleSettings, Driver, Event, Values
from devices.framing import Conditions, number, numerics
from devices.gatt import BATTERY, HEART_RATE, HEART_RATE_SERVICE, Battery, PacketDecoder
from vitals.model import Flag

_WIDE, _CONTACT, _TELLS_CONTACT, _ENERGY, _INTERVALS = 0x01, 0x02, 0x04, 0x08, 0x10
_NO_RATE = 255
"""In one byte; 0 is below the channel's limits anyway."""
_ANY_INTERVALS = frozenset(range(2, 2 * 30 + 1, 2))
"""Bytes of one to thirty RR intervals; more cannot have passed since the last payload."""
_OFF, _ON = frozenset({Flag.SENSOR_OFF}), frozenset[Flag]()


class _Decoder(PacketDecoder):
    def __init__(self, device: str) -> None:
        self._conditions = Conditions(device)
        super().__init__(device, {HEART_RATE: self._rate, BATTERY: Battery(device).read})

    def _rate(self, data: bytes, at_us: int) -> list[Event] | None:
        if not data:
            return None
        said = data[0]
        wide = said & _WIDE
        extra = len(data) - (3 if wide else 2) - (2 if said & _ENERGY else 0)
        if extra not in _ANY_INTERVALS if said & _INTERVALS else extra:
            return None
        rate = data[1] | data[2] << 8 if wide else data[1]
        off = said & (_CONTACT | _TELLS_CONTACT) == _TELLS_CONTACT
        flags = _OFF if off else _ON
        value = None if rate == _NO_RATE and not wide else rate
        changes = self._conditions.change(flags, at_us)
        return [*changes, *numerics(self.device, at_us, {"hr": value}, flags)]


def _encode(values: Values, flags: Collection[Flag]) -> list[tuple[str, bytes]]:
    """One notification of a strap that tells contact, with the interval between two beats."""
    rate = round(number(values, "hr") or 0)
    said = _TELLS_CONTACT if Flag.SENSOR_OFF in flags else _TELLS_CONTACT | _CONTACT
    beats = b""
    if rate > 0 and Flag.SENSOR_OFF not in flags:
        said |= _INTERVALS
        beats = min(round(60 * 1024 / rate), 0xFFFF).to_bytes(2, "little")
    wide = rate >= _NO_RATE
    head = bytes((said | (_WIDE if wide else 0),)) + rate.to_bytes(2 if wide else 1, "little")
    level = [(BATTERY, bytes((12,)))] if Flag.LOW_BATTERY in flags else []
    return [*level, (HEART_RATE, head + beats)]


DRIVER = Driver(
    name="ble-heart-rate",
    transport="ble",
    title="Heart rate straps with the standard service (Polar H10 and its like)",
    channels=("hr",),
    settings=BleSettings(
        match=(HEART_RATE_SERVICE,), notify=(HEART_RATE, BATTERY), read=(BATTERY,)
    ),
    decoder=_Decoder,
    encode=_encode,
    quiet_s=8.0,
    own_alarm="no",
)
