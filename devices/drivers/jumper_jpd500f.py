"""Jumper JPD-500F, "My Oximeter", Custom PLS-01BT, OXY500 and OXY550 BT: SpO2, PR, PI.

Notifications of CDEACB81-..., one frame each, told by its first byte:

    81  PR  SpO2  PI      4 bytes: pulse rate (255 none), SpO2 (127 none), PI * 10 (0 none)
    80  ...               pleth; its rate is not known, so it is stepped over
    82  ...               the alarm limits that are set on it; stepped over

Programs for this family also take SpO2 177 as "none"; it is outside the limits of SpO2 anyway.
A frame has no length and no checksum, and the pulse rate 129 is 81, too: read from the middle of a
stream, 81 81 61 32 repeated would show a rate of 97 and a saturation of 50. So a notification is
one frame or nothing, as in every program that was found, and is never joined to another. There are
no flags: a finger that is gone and a search for the pulse both are "none". Nothing is written.
Jumper's thermometers use the same UUIDs.

Source: obniz/obniz PLS_01BT; smarttelemed "jumper_po_jpd_500f"; Jumper's own Android code
"DeviceOxygen" (PI * 10, the 80 frames); programs for devices called "Medical" and OXY500 BT (255,
127 and 0 as "none", the 82 frames). Nobody has tried this on hardware here, and no capture beyond
one frame was found. Unknown: how often 81 comes, what is shown while it searches.
"""

from __future__ import annotations

from collections.abc import Collection

from devices.driver import BleSettings, Driver, Event, Values
from devices.framing import NO_VALUE, number, numerics
from devices.gatt import PacketDecoder
from vitals.model import Flag

SERVICE = "cdeacb80-5235-4c07-8846-93a37ee6b86d"
NOTIFY = "cdeacb81-5235-4c07-8846-93a37ee6b86d"
PLETH, VALUES, LIMITS = 0x80, 0x81, 0x82
FRAME = 4
NO_PR, NO_SPO2 = 255, 127

_NONE: frozenset[Flag] = frozenset()
_STEPPED_OVER = (PLETH, LIMITS)


class _Decoder(PacketDecoder):
    def __init__(self, device: str) -> None:
        super().__init__(device, {NOTIFY: self._read})

    def _read(self, data: bytes, at_us: int) -> list[Event] | None:
        if len(data) != FRAME or data[0] != VALUES:
            return [] if data and data[0] in _STEPPED_OVER else None
        _, rate, sat, perfusion = data
        values: dict[str, float | None] = {
            "spo2": None if sat == NO_SPO2 else sat,
            "pr": None if rate == NO_PR else rate,
            "pi": perfusion / 10,
        }
        return list(numerics(self.device, at_us, values, _NONE))


def _encode(values: Values, flags: Collection[Flag]) -> list[tuple[str, bytes]]:
    """The frame of one second; any `NO_VALUE` is "none", as the device has no flags."""
    none = bool(NO_VALUE & set(flags))
    pr, spo2, pi = (None if none else number(values, key) for key in ("pr", "spo2", "pi"))
    rate = NO_PR if pr is None or not 0 <= round(pr) < NO_PR else round(pr)
    sat = NO_SPO2 if spo2 is None or not 0 <= round(spo2) < NO_SPO2 else round(spo2)
    perfusion = min(max(round((pi or 0) * 10), 0), 0xFF)
    return [(NOTIFY, bytes((VALUES, rate, sat, perfusion)))]


DRIVER = Driver(
    name="jumper-jpd500f",
    transport="ble",
    title='Jumper JPD-500F ("My Oximeter"), Custom PLS-01BT, OXY500 BT, OXY550 BT',
    channels=("spo2", "pr", "pi"),
    settings=BleSettings(match=(SERVICE, "name:My Oximeter"), notify=(NOTIFY,)),
    decoder=_Decoder,
    encode=_encode,
    quiet_s=5.0,
    own_alarm="unknown",
    evidence="vendor document",
)
