"""Pulse oximeters with the standard service (1822): SpO2, pulse rate, perfusion index.

2A5F, a stream of notifications, about one a second; 2A5E, a spot check, one indication when
somebody has measured. Little endian, SFLOAT and time as in `devices.ieee11073`:

    2A5F  byte 0  flags  bit 0 fast, 1 slow, 2 measurement status, 3 sensor status, 4 PAI are there
          then    SpO2, pulse rate                     SFLOAT, %, /min
                  SpO2, pulse rate, answering fast     SFLOAT } not read: the oximeter's normal
                  SpO2, pulse rate, answering slowly   SFLOAT } averages are what its screen shows
                  measurement status, 2 bytes; device and sensor status, 3 bytes
                  PAI, pulse amplitude index, SFLOAT, %: the perfusion index
    2A5E  byte 0  flags  bit 0 time, 1 measurement status, 2 sensor status, 3 PAI are there,
                         4 the device's clock was never set
          then    SpO2, pulse rate, time (7 bytes), the two statuses, PAI
    2A60  features: 2 bytes; bit 0 and 1: 2 bytes and 3 bytes more; only their length is checked

A payload whose length does not fit its flags is refused. The statuses decide what a value is worth;
the worst bit counts, and reserved bits are not looked at:

    not given at all    stored; demo and test, with the notice `demo_data`
    no value            not available, invalid, calibrating; equipment or sensor malfunction, no
                        pulse, sensor off, disconnected or unknown; and for as long as they last
                        early estimate, analysing, inadequate signal, interference, displaced sensor
    questionable        questionable measurement or pulse, poor or erratic signal, low perfusion,
                        irregular signal processing, display updated late

A spot check that lay in the device's memory is not given, see `devices.gatt.DeviceClock`.
An oximeter that only makes spot checks needs `mode = "spot"` in the station's configuration.

Source: Bluetooth Pulse Oximeter Service as in StanfordSpezi/SpeziBluetooth, whose test payloads are
among the vectors; the bits also in HL7/phd (150604, 150605). The paper itself was not at hand, and
no capture of a device was found. Nobody has tried this on hardware. Unknown: which oximeters have
this service beside their own, how often they notify, and which bits they use.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple

from devices.driver import BleSettings, Driver, Event, Values
from devices.framing import Conditions, number
from devices.gatt import (
    BATTERY,
    CURRENT_TIME,
    OXIMETER_FEATURES,
    OXIMETER_SERVICE,
    OXIMETER_SPOT,
    OXIMETER_STREAM,
    Battery,
    DeviceClock,
    PacketDecoder,
    measured,
)
from devices.ieee11073 import TIME_BYTES, civil_us, sfloat, sfloat_word
from vitals.model import Flag, Notice, Quality

_NONE, _DOUBTFUL = Quality.INVALID, Quality.QUESTIONABLE
_MEASUREMENT: tuple[tuple[int, Quality, Flag | None], ...] = (
    (6, _NONE, Flag.SEARCHING),  # early estimate
    (12, _NONE, Flag.SEARCHING),  # calibrating
    (13, _NONE, None),  # not available
    (14, _DOUBTFUL, Flag.ARTIFACT),  # questionable
    (15, _NONE, None),  # invalid
)
"""Bits of the measurement status; 5 ongoing, 7 validated, 8 fully qualified are no conditions."""
_SENSOR: tuple[tuple[int, Quality, Flag | None], ...] = (
    (0, _DOUBTFUL, Flag.OUT_OF_TRACK),  # display updated later than usual
    (1, _NONE, Flag.SENSOR_FAULT),  # equipment malfunction
    (2, _DOUBTFUL, Flag.ARTIFACT),  # irregular signal processing
    (3, _NONE, Flag.WEAK_SIGNAL),  # inadequate signal
    (4, _DOUBTFUL, Flag.WEAK_SIGNAL),  # poor signal
    (5, _DOUBTFUL, Flag.LOW_PERFUSION),
    (6, _DOUBTFUL, Flag.ARTIFACT),  # erratic signal
    (7, _NONE, Flag.OUT_OF_TRACK),  # not pulsating
    (8, _DOUBTFUL, Flag.OUT_OF_TRACK),  # questionable pulse
    (9, _NONE, Flag.SEARCHING),  # analysing
    (10, _NONE, Flag.INTERFERENCE),
    (11, _NONE, Flag.SENSOR_OFF),  # not connected to the user
    (12, _NONE, Flag.NO_SENSOR),  # unknown sensor
    (13, _NONE, Flag.SENSOR_OFF),  # displaced
    (14, _NONE, Flag.SENSOR_FAULT),
    (15, _NONE, Flag.NO_SENSOR),  # disconnected
)
"""Bits of the device and sensor status."""
_ONGOING, _VALIDATED, _STORED, _UNREAL = 1 << 5, 1 << 7, 1 << 9, 1 << 10 | 1 << 11
_DEMO = "the oximeter shows demo or test data; end its demo mode"
_ENCODED = {
    Flag.OUT_OF_TRACK: 8, Flag.SENSOR_FAULT: 14, Flag.WEAK_SIGNAL: 4, Flag.LOW_PERFUSION: 5,
    Flag.ARTIFACT: 6, Flag.SEARCHING: 9, Flag.INTERFERENCE: 10, Flag.SENSOR_OFF: 11,
    Flag.NO_SENSOR: 15,
}  # fmt: skip
"""Flag -> the bit of the sensor status that the simulated device sets for it."""

_HEAD = struct.Struct("<BHH")
_CLOCK_UNSET = 0x10
_STREAM = {"fast": (0, 4), "slow": (1, 4), "measured": (2, 2), "sensor": (3, 3), "pai": (4, 2)}
_SPOT = {"time": (0, TIME_BYTES), "measured": (1, 2), "sensor": (2, 3), "pai": (3, 2)}
"""Fields that follow, in their order: bit of the flags that stands for it, and bytes."""
_FEATURE_BYTES = (2, 4, 5, 7)
"""Length of 2A60 by its lowest two bits."""


class _Layout(NamedTuple):
    """Length of a payload and where its fields are; 0 = it has none."""

    size: int
    time: int
    measured: int
    sensor: int
    pai: int


def _layouts(fields: dict[str, tuple[int, int]]) -> tuple[_Layout, ...]:
    """The layout that each value of the flags stands for."""
    out = []
    for flags in range(256):
        size, at = _HEAD.size, dict.fromkeys(_Layout._fields[1:], 0)
        for name, (bit, field_bytes) in fields.items():
            if flags >> bit & 1:
                at[name] = size
                size += field_bytes
        out.append(_Layout(size, at["time"], at["measured"], at["sensor"], at["pai"]))
    return tuple(out)


_STREAM_LAYOUTS, _SPOT_LAYOUTS = _layouts(_STREAM), _layouts(_SPOT)


@lru_cache(maxsize=256)
def _judge(measurement: int, sensor: int) -> tuple[Quality, frozenset[Flag]]:
    """What values with these statuses are worth, and the conditions they report."""
    found = [(q, f) for bit, q, f in _MEASUREMENT if measurement >> bit & 1]
    found += [(q, f) for bit, q, f in _SENSOR if sensor >> bit & 1]
    flags = frozenset(flag for _, flag in found if flag is not None)
    worst = {quality for quality, _ in found}
    return next((q for q in (_NONE, _DOUBTFUL) if q in worst), Quality.GOOD), flags


def _word(data: bytes, at: int) -> int:
    return data[at] | data[at + 1] << 8


class _Decoder(PacketDecoder):
    def __init__(self, device: str) -> None:
        self._clock = DeviceClock(device)
        self._conditions = Conditions(device)
        self._demo = False
        super().__init__(
            device,
            {
                OXIMETER_STREAM: self._stream,
                OXIMETER_SPOT: self._spot,
                OXIMETER_FEATURES: _features,
                CURRENT_TIME: self._clock.read_current,
                BATTERY: Battery(device).read,
            },
        )

    def _stream(self, data: bytes, at_us: int) -> list[Event] | None:
        layout = _STREAM_LAYOUTS[data[0]] if data else None
        if layout is None or len(data) != layout.size:
            return None
        return self._values(data, layout, at_us, at_us, None)

    def _spot(self, data: bytes, at_us: int) -> list[Event] | None:
        layout = _SPOT_LAYOUTS[data[0]] if data else None
        if layout is None or len(data) != layout.size:
            return None
        timed = layout.time and not data[0] & _CLOCK_UNSET
        stamp_us = civil_us(data, layout.time) if timed else None
        taken_us, events = self._clock.taken_us(stamp_us, at_us)
        if taken_us is None:
            return events
        return events + self._values(data, layout, taken_us, at_us, stamp_us)

    def _values(
        self, data: bytes, layout: _Layout, taken_us: int, at_us: int, stamp_us: int | None
    ) -> list[Event]:
        """What a payload says that was measured at `taken_us` and arrived at `at_us`."""
        said = _word(data, layout.measured) if layout.measured else 0
        sensor = _word(data, layout.sensor) if layout.sensor else 0  # its third byte is reserved
        if said & _STORED:
            return []
        events: list[Event] = []
        demo = bool(said & _UNREAL)
        if demo != self._demo:
            self._demo = demo
            words = _DEMO if demo else ""
            events.append(Notice(self.device, at_us, "demo_data", demo, words))
        if demo:
            return events
        trust, flags = _judge(said, sensor)
        events += self._conditions.change(flags, at_us)
        _, spo2, pr = _HEAD.unpack_from(data)
        found = [("spo2", sfloat(spo2)), ("pr", sfloat(pr))]
        if layout.pai:
            found.append(("pi", sfloat(_word(data, layout.pai))))
        return events + measured(self.device, taken_us, found, trust, flags, stamp_us)


def _features(data: bytes, at_us: int) -> list[Event] | None:
    """Accepts the features; they say what may come, and each payload says what does."""
    return [] if len(data) >= 2 and len(data) == _FEATURE_BYTES[data[0] & 3] else None


def _encode(values: Values, flags: Collection[Flag]) -> list[tuple[str, bytes]]:
    """One notification with both statuses; with the sensor off no value, as NaN."""
    bits = sum(1 << bit for flag, bit in _ENCODED.items() if flag in flags)
    trust, _ = _judge(0, bits)
    spo2, pr, pi = (None if trust is _NONE else number(values, key) for key in ("spo2", "pr", "pi"))
    given = number(values, "pi") is not None
    head = _HEAD.pack(0x1C if given else 0x0C, sfloat_word(spo2), sfloat_word(pr))
    status = (_ONGOING | _VALIDATED).to_bytes(2, "little") + bits.to_bytes(3, "little")
    tail = sfloat_word(pi, digits=2).to_bytes(2, "little") if given else b""
    level = [(BATTERY, bytes((12,)))] if Flag.LOW_BATTERY in flags else []
    return [*level, (OXIMETER_STREAM, head + status + tail)]


DRIVER = Driver(
    name="ble-plx",
    transport="ble",
    title="Pulse oximeters with the standard Bluetooth service",
    channels=("spo2", "pr", "pi"),
    settings=BleSettings(
        match=(OXIMETER_SERVICE,),
        notify=(OXIMETER_STREAM, OXIMETER_SPOT, BATTERY),
        read=(OXIMETER_FEATURES, CURRENT_TIME, BATTERY),
    ),
    decoder=_Decoder,
    encode=_encode,
    quiet_s=8.0,
)
