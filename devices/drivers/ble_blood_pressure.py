"""Blood pressure cuffs with the standard Blood Pressure service (1810).

A cuff is met when somebody has measured: it advertises, is connected to, sends its reading and
leaves. 2A35, the reading, comes as an indication; 2A36, the cuff's pressure while it is inflated,
as notifications, where the model has it. Both alike, little endian, SFLOAT and time as in
`devices.ieee11073`:

    byte 0   flags  bit 0  1 = kPa, else mmHg     bit 3  user is there
                    bit 1  time is there          bit 4  status is there
                    bit 2  pulse rate is there    bit 5..7  reserved, not looked at
    then     systolic, diastolic, mean: three SFLOAT (2A36: the cuff's pressure, two unused)
             time, 7 bytes
             pulse rate, SFLOAT
             user, 1 byte, 255 = not known
             status, 2 bytes: bit 0 the body moved, 1 the cuff is loose, 2 the pulse is irregular,
             3..4 the pulse rate is 1 = above, 2 = below the cuff's range, 5 wrong position

A payload whose length does not fit its flags is refused. A reading without systolic or diastolic
(any of the five special words) is a failed one. One that cannot be (beyond the hard limits, mean
not between the others) is given without values. A mean of 0 or without a value is only absent.
Pulse rates that cannot be are absent, too.

What is in the cuff's memory is never given: a reading must be at most 2 min older than its arrival,
see `devices.gatt.DeviceClock`. While the cuff has not told its clock, a reading that is dropped so
may be a new one under a wrong clock; `clock_differs` says so. The same reading sent again is given
once. The number of the user is not looked at: who measures is known from the room.

Quirks, told by the payload itself:

    Beurer BM85, presumably BM48 and Elite 900: flags 56, 19 bytes where 18 fit them. A user is
    always sent, its flag never; pulse rate and status are big endian; the mean is 0.

Source: Bluetooth Blood Pressure Service as in Nordic's Android-BLE-Common-Library and its tests;
the paper itself was not at hand. The status bits are so in HL7/phd (8410608.0 to .5), too;
bluetooth-sig-python disagrees with both. Captures of derdilla/blood-pressure-monitor-fl (readings
of a BM85; failed readings of another cuff, whose status says nothing of why) are among the vectors;
that BM48 and Elite 900 share the BM85's layout is that program's word. Nobody has tried this on
hardware. Unknown: which cuffs can be asked for their time, which send 2A36, and what the BM85's
status bit 6 says.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection
from typing import NamedTuple

from devices.driver import BleSettings, Driver, Event, Values
from devices.framing import NO_VALUE, number, numerics, quality, within
from devices.gatt import (
    BATTERY,
    BLOOD_PRESSURE,
    BLOOD_PRESSURE_SERVICE,
    CUFF_PRESSURE,
    CURRENT_TIME,
    DATE_TIME,
    Battery,
    DeviceClock,
    PacketDecoder,
    measured,
)
from devices.ieee11073 import NAN, SPECIAL, TIME_BYTES, civil_us, sfloat, sfloat_word
from vitals.channels import NIBP
from vitals.model import US, Flag, Notice

KPA_MMHG = 7.50062
INFLATING_US = 180 * US
"""A cuff that has been inflating for so long will give no reading."""
AGAIN_US = 20 * US
"""Two readings without a time that are alike and closer than this are one."""

_KPA, _TIME, _PULSE, _USER, _STATUS = 0x01, 0x02, 0x04, 0x08, 0x10
_OPTIONS = ((_TIME, TIME_BYTES), (_PULSE, 2), (_USER, 1), (_STATUS, 2))
_HEAD_BYTES = 7
_HEAD = struct.Struct("<HHH")

_CONDITIONS: tuple[tuple[int, int, str, str, Flag], ...] = (
    (0x01, 0x01, "cuff_motion", "the body moved", Flag.ARTIFACT),
    (0x02, 0x02, "cuff_loose", "the cuff is too loose", Flag.WEAK_SIGNAL),
    (0x04, 0x04, "irregular_pulse", "the pulse is irregular", Flag.IRREGULAR_PULSE),
    (0x18, 0x08, "pulse_range", "the pulse rate is above its range", Flag.OUT_OF_TRACK),
    (0x18, 0x10, "pulse_range", "the pulse rate is below its range", Flag.OUT_OF_TRACK),
    (0x20, 0x20, "cuff_position", "the cuff is in a wrong position", Flag.ARTIFACT),
)
"""Bits of the status, what they say when they are so, as a notice, in words, and as a flag."""
_NOT_THE_PRESSURE = frozenset({Flag.OUT_OF_TRACK})
"""Flags that concern the pulse rate alone."""


class _Layout(NamedTuple):
    """Where the fields of a payload are; 0 = it has none."""

    time: int
    pulse: int
    user: int
    status: int
    order: str


class _Payload(NamedTuple):
    """A payload of 2A35 or 2A36 as it was sent: SFLOAT words, unit, and what goes with them."""

    words: tuple[int, int, int]
    kpa: bool
    stamp_us: int | None
    pulse: int
    status: int


def _standard() -> dict[tuple[int, int], _Layout]:
    """What the profile says: flags and the length that fits them -> layout."""
    out = {}
    for flags in range(256):
        at, size = [], _HEAD_BYTES
        for bit, field_bytes in _OPTIONS:
            at.append(size if flags & bit else 0)
            size += field_bytes if flags & bit else 0
        out[flags, size] = _Layout(at[0], at[1], at[2], at[3], "<H")
    return out


_QUIRKS = {(0x56, 19): _Layout(time=7, pulse=14, user=16, status=17, order=">H")}
"""Flags and length of payloads that contradict the profile -> what they mean."""
_LAYOUTS = _standard() | _QUIRKS
_WORD = {order: struct.Struct(order).unpack_from for order in ("<H", ">H")}


def _parse(data: bytes) -> _Payload | None:
    layout = _LAYOUTS.get((data[0], len(data))) if data else None
    if layout is None:
        return None
    word = _WORD[layout.order]
    return _Payload(
        _HEAD.unpack_from(data, 1),
        bool(data[0] & _KPA),
        civil_us(data, layout.time) if layout.time else None,
        word(data, layout.pulse)[0] if layout.pulse else NAN,
        word(data, layout.status)[0] if layout.status else 0,
    )


def _mmhg(word: int, kpa: bool) -> float | None:
    value = sfloat(word)
    return round(value * KPA_MMHG, 1) if kpa and value is not None else value


class _Decoder(PacketDecoder):
    def __init__(self, device: str) -> None:
        self._clock = DeviceClock(device)
        self._inflating_us: int | None = None
        self._said: dict[str, str] = {}
        self._last: tuple[bytes, int] = (b"", 0)
        readers: dict[str, Callable[[bytes, int], list[Event] | None]] = {
            BLOOD_PRESSURE: self._reading,
            CUFF_PRESSURE: self._cuff,
            CURRENT_TIME: self._clock.read_current,
            DATE_TIME: self._clock.read_date,
            BATTERY: Battery(device).read,
        }
        super().__init__(device, readers)

    def _cuff(self, data: bytes, at_us: int) -> list[Event] | None:
        payload = _parse(data)
        if payload is None:
            return None
        events = self._overdue(at_us)
        if self._inflating_us is None:
            self._inflating_us = at_us
            events.append(Notice(self.device, at_us, "cuff_inflating"))
        events += self._report(_conditions(payload.status), at_us)
        pressure = _mmhg(payload.words[0], payload.kpa)
        return [*events, *numerics(self.device, at_us, {"cuff": pressure}, frozenset())]

    def _reading(self, data: bytes, at_us: int) -> list[Event] | None:
        payload = _parse(data)
        if payload is None:
            return None
        stamp_us = payload.stamp_us
        before, before_us = self._last
        if data == before and (stamp_us is not None or at_us - before_us < AGAIN_US):
            return []
        taken_us, events = self._clock.taken_us(stamp_us, at_us)
        if taken_us is None:
            return events
        self._last = data, at_us
        return events + self._live(payload, taken_us, at_us)

    def _live(self, payload: _Payload, taken_us: int, at_us: int) -> list[Event]:
        """A reading that was taken just now."""
        found = _conditions(payload.status)
        systolic, diastolic, mean = (_mmhg(word, payload.kpa) for word in payload.words)
        failed = systolic is None or diastolic is None
        events = self._end("failed" if failed else "done", at_us)
        events += self._report(found, at_us)
        if systolic is None or diastolic is None:
            words = [words for _, words, _ in found] or [_why(payload.words)]
            return [*events, self._notice("nibp_failed", True, ", ".join(words), at_us)]
        flags = frozenset(flag for _, _, flag in found)
        values = _possible(systolic, diastolic, mean)
        stamp_us, pulse = payload.stamp_us, sfloat(payload.pulse)
        pressures, sound = zip(NIBP, values, strict=True), flags - _NOT_THE_PRESSURE
        events += measured(self.device, taken_us, pressures, quality(sound), sound, stamp_us)
        if values[0] is not None and pulse is not None and within("pr", pulse) is not None:
            rate = (("pr", pulse),)
            events += measured(self.device, taken_us, rate, quality(flags), flags, stamp_us)
        return events

    # --- conditions -----------------------------------------------------------------------

    def _overdue(self, at_us: int) -> list[Event]:
        """Gives up on an inflation that never came to a reading."""
        if self._inflating_us is None or at_us - self._inflating_us < INFLATING_US:
            return []
        events = self._end("failed", at_us)
        words = f"the cuff gave no result within {INFLATING_US // US} s"
        return [*events, self._notice("nibp_failed", True, words, at_us)]

    def _end(self, detail: str, at_us: int) -> list[Event]:
        if self._inflating_us is None:
            return []
        self._inflating_us = None
        return [self._notice("cuff_inflating", False, detail, at_us)]

    def _report(self, found: list[tuple[str, str, Flag]], at_us: int) -> list[Event]:
        """What began and what ended."""
        said = {code: words for code, words, _ in found}
        if said == self._said:
            return []
        changed = sorted(set(said) ^ set(self._said))
        self._said = said
        return [self._notice(code, code in said, said.get(code, ""), at_us) for code in changed]

    def _notice(self, code: str, active: bool, detail: str, at_us: int) -> Notice:
        return Notice(self.device, at_us, code, active, detail)


def _conditions(status: int) -> list[tuple[str, str, Flag]]:
    """The conditions of a status: notice, words, flag."""
    if not status:
        return []
    return [
        (code, words, flag)
        for mask, bits, code, words, flag in _CONDITIONS
        if status & mask == bits
    ]


def _why(words: tuple[int, int, int]) -> str:
    """Why a reading failed, where its status does not say so."""
    said = next(word for word in words if word in SPECIAL)
    return f"the cuff gives {SPECIAL[said]}"


def _possible(
    systolic: float, diastolic: float, mean: float | None
) -> tuple[float | None, float | None, float | None]:
    """The reading, all None if there is no such one."""
    if not mean:
        mean, middle = None, (systolic + diastolic) / 2
    else:
        middle = mean
    named = zip(NIBP, (systolic, diastolic, middle), strict=True)
    if diastolic < middle < systolic and all(within(*pair) is not None for pair in named):
        return systolic, diastolic, mean
    return None, None, None


# --- the device side --------------------------------------------------------------------------


def payload(
    pressures: tuple[float | None, float | None, float | None],
    *,
    stamp: bytes = b"",
    pulse: float | None = None,
    status: int = 0,
) -> bytes:
    """A payload of 2A35 or 2A36 as a cuff sends it, in mmHg.

    Args:
        pressures: systolic, diastolic, mean; None = not a number.
        stamp: the 7 bytes of its time, or none.
        pulse: rate; always sent, None = not a number.
        status: its bits.
    """
    flags = (_TIME if stamp else 0) | _PULSE | _STATUS
    words = b"".join(sfloat_word(value).to_bytes(2, "little") for value in pressures)
    tail = sfloat_word(pulse).to_bytes(2, "little") + status.to_bytes(2, "little")
    return bytes((flags,)) + words + stamp + tail


_SAYS = {flag: bits for _, bits, code, _, flag in reversed(_CONDITIONS) if code != "pulse_range"}


def _encode(values: Values, flags: Collection[Flag]) -> list[tuple[str, bytes]]:
    """The cuff's pressure if there is one, and the reading: a failed one without pressures.

    It knows no time and so sends none, as a cuff whose clock nobody has set.
    """
    cuff = number(values, "cuff")
    reading = tuple(number(values, channel) for channel in NIBP)
    off = bool(NO_VALUE & set(flags))
    said = [(BATTERY, bytes((12,)))] if Flag.LOW_BATTERY in flags else []
    if cuff is not None:
        said.append((CUFF_PRESSURE, payload((cuff, None, None))))
    if cuff is None or any(value is not None for value in reading):
        systolic, diastolic, mean = (None, None, None) if off else reading
        pulse = None if off or systolic is None else number(values, "pr")
        status = sum(bits for flag, bits in _SAYS.items() if flag in flags)
        pressures = (systolic, diastolic, mean)
        said.append((BLOOD_PRESSURE, payload(pressures, pulse=pulse, status=status)))
    return said


DRIVER = Driver(
    name="ble-blood-pressure",
    transport="ble",
    title="Blood pressure cuffs with the standard service: A&D UA-651BLE, Beurer BM57, BM59, BM85, "
    "Omron X2 Smart+, X4 Smart, BP5150, Silvercrest SBM69, Yuwell YE680A",
    channels=(*NIBP, "pr", "cuff"),
    settings=BleSettings(
        match=(BLOOD_PRESSURE_SERVICE,),
        notify=(BLOOD_PRESSURE, CUFF_PRESSURE, BATTERY),
        read=(CURRENT_TIME, DATE_TIME, BATTERY),
        on_sight=True,
        bond=True,
    ),
    decoder=_Decoder,
    encode=_encode,
    mode="spot",
    own_alarm="no",
    evidence="captured",
)
