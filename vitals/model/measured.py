"""What devices say: channels, bytes, numerics, waveforms, notices, links."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

US = 1_000_000
"""Microseconds in a second."""


class Quality(StrEnum):
    """How far a value may be trusted. An invalid number is never shown or charted."""

    GOOD = "good"
    QUESTIONABLE = "questionable"
    INVALID = "invalid"


class Flag(StrEnum):
    """Conditions that a device reports together with a value."""

    SENSOR_OFF = "sensor_off"
    NO_SENSOR = "no_sensor"
    SENSOR_FAULT = "sensor_fault"
    SEARCHING = "searching"
    LOW_PERFUSION = "low_perfusion"
    MARGINAL_PERFUSION = "marginal_perfusion"
    ARTIFACT = "artifact"
    WEAK_SIGNAL = "weak_signal"
    OUT_OF_TRACK = "out_of_track"
    INTERFERENCE = "interference"
    IRREGULAR_PULSE = "irregular_pulse"
    LOW_BATTERY = "low_battery"
    DEVICE_ALARM = "device_alarm"
    MANUAL = "manual"
    CLAIMED = "claimed"
    """Of a device in no room; a person has said whose it is."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One measured quantity (see `vitals.channels`)."""

    key: str
    label: str
    unit: str
    precision: int
    plausible_low: float
    plausible_high: float
    rate_hz: float | None
    mdc: int | None
    loinc: str | None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes as they arrived. `source` is the GATT characteristic's UUID, `""` on serial."""

    data: bytes
    at_us: int
    source: str = ""


@dataclass(frozen=True, slots=True)
class Numeric:
    """One value. `value None` means that the device says it has none."""

    device: str
    channel: str
    at_us: int
    value: float | None
    quality: Quality = Quality.GOOD
    flags: frozenset[Flag] = frozenset()
    device_at_us: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Waveform:
    """Evenly spaced samples; `values` is float32, the first sample was taken at `start_us`."""

    device: str
    channel: str
    start_us: int
    rate_hz: float
    values: NDArray[np.float32]
    quality: Quality = Quality.GOOD

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Waveform):
            return NotImplemented
        mine = (self.device, self.channel, self.start_us, self.rate_hz, self.quality)
        theirs = (other.device, other.channel, other.start_us, other.rate_hz, other.quality)
        return mine == theirs and np.array_equal(self.values, other.values)

    def __hash__(self) -> int:
        return hash((self.device, self.channel, self.start_us))


@dataclass(frozen=True, slots=True)
class Notice:
    """A condition that the device reports: sensor_off, searching, low_battery, nibp_failed.

    `active False` ends the condition; one-off notices (nibp_failed) are only ever active.
    """

    device: str
    at_us: int
    code: str
    active: bool = True
    detail: str = ""


LinkState = Literal["connecting", "streaming", "silent", "lost"]


@dataclass(frozen=True, slots=True)
class Link:
    """State of the link to a device; `rejected` counts frames refused on this connection."""

    device: str
    at_us: int
    state: LinkState
    rejected: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StartNibp:
    """Take one blood pressure reading now."""


@dataclass(frozen=True, slots=True)
class StopNibp:
    """Cancel the reading in progress and deflate."""


Request = StartNibp | StopNibp


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """Output of a room: the station hands `request` to the keeper of `device`."""

    device: str
    request: Request
    command_id: str = ""
