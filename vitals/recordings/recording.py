"""A recording that another program, or an export of this one, has left: plain, typed, cleaned.

Readers give `Raw`, everything as it stands in the file; `vitals.recordings.assemble` makes a
`Recording` of it, in channels and units of this program. Times are microseconds UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vitals.errors import VitalsError
from vitals.model import Mode, Quality, Waveform

Tell = Callable[[str], None]
"""Is told what is being read; the CLI shows it."""

FIRST_US = 631_152_000_000_000
"""1990: before it there were no such recordings."""
LAST_US = 4_102_444_800_000_000
"""2100."""
MOST_HOURS = 24
"""Hours that a recording may last."""


class RecordingError(VitalsError):
    """A recording that cannot be used: which, why and what to do, in one sentence."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a recording is from.

    Attributes:
        file: its name, without folders.
        sha256: of its bytes, in hex; of several files, of all of them in order of their names.
        reader: which reader understood it.
        mapping: text of the mapping that was used, `""` for none.
    """

    file: str
    sha256: str
    reader: str
    mapping: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a recording says of its session; `None` and `""` where it says nothing.

    Attributes:
        subject: pseudonym.
        route: of the dose.
        dose_us: when it was given.
        mode: real, demo or test, as our own exports say.
        tz: offset of the clinic from UTC, as `+0200`.
        from_us: when its session began, before the first value perhaps.
        to_us: when it ended.
    """

    subject: str = ""
    route: str = ""
    dose_us: int | None = None
    mode: Mode | None = None
    tz: str = ""
    from_us: int | None = None
    to_us: int | None = None


@dataclass(frozen=True, slots=True)
class Remark:
    """A text on the time line."""

    at_us: int
    text: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A track of the file that is not in the recording, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """Values of one channel of one device in order of time.

    Attributes:
        device: its id.
        channel: its key.
        at_us: int64.
        value: float64 in the channel's unit, NaN where there is none.
        quality: uint8, index into `vitals.store.rows.QUALITIES`.
        flags: of each value, sorted, joined by commas; () where none has any.
        device_at_us: the device's own time of each; () where it gave none.
    """

    device: str
    channel: str
    at_us: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.uint8]
    flags: tuple[str, ...] = ()
    device_at_us: tuple[int | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording as it is replayed or imported; it has at least one value.

    Attributes:
        source: where it is from.
        numbers: one for each device and channel.
        waves: packets of all waveforms in order of their end.
        remarks: in order of time.
        facts: what it says of its session.
        left_out: tracks that are not in it.
        notes: what was wrong or doubtful, in sentences.
    """

    source: Source
    numbers: tuple[Numbers, ...]
    waves: tuple[Waveform, ...]
    remarks: tuple[Remark, ...]
    facts: Facts
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]

    @property
    def from_us(self) -> int:
        """Its first moment."""
        first = [int(one.at_us[0]) for one in self.numbers]
        return min([*first, *(wave.start_us for wave in self.waves)])

    @property
    def to_us(self) -> int:
        """Its last moment."""
        last = [int(one.at_us[-1]) for one in self.numbers]
        return max([*last, *(end_us(wave) for wave in self.waves)])

    @property
    def devices(self) -> list[str]:
        """Ids of its devices."""
        return sorted({*(n.device for n in self.numbers), *(w.device for w in self.waves)})


def end_us(wave: Waveform) -> int:
    """When the last sample of a packet has passed."""
    return wave.start_us + round(wave.values.size / wave.rate_hz * 1e6)


# --- what readers give ----------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class RawNumbers:
    """A track of numbers as the file has it.

    Attributes:
        device: what the file calls the device, `""` for none.
        name: what it calls the track.
        unit: as written there.
        at_us: int64, in any order.
        value: float64.
        channel: the channel, where the file itself says it for sure.
        quality: where the file says it.
        flags: where the file says them.
        device_at_us: where the file says them.
    """

    device: str
    name: str
    unit: str
    at_us: NDArray[np.int64]
    value: NDArray[np.float64]
    channel: str = ""
    quality: NDArray[np.uint8] | None = None
    flags: tuple[str, ...] = ()
    device_at_us: tuple[int | None, ...] = ()


@dataclass(slots=True, eq=False)
class RawBlock:
    """Evenly spaced samples; NaN where there is none."""

    start_us: int
    values: NDArray[np.float32]
    quality: Quality = Quality.GOOD


@dataclass(slots=True, eq=False)
class RawWave:
    """A waveform as the file has it; see `RawNumbers`."""

    device: str
    name: str
    unit: str
    rate_hz: float
    blocks: list[RawBlock]
    channel: str = ""


@dataclass(slots=True)
class Raw:
    """All that a reader has found.

    Attributes:
        reader: its name, for the record.
        own: whether this program has written the file: what it says is believed as it stands.
    """

    reader: str
    own: bool = False
    numbers: list[RawNumbers] = field(default_factory=list)
    waves: list[RawWave] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    facts: Facts = field(default_factory=Facts)


def track_name(device: str, name: str) -> str:
    """What people and mappings call a track: `Intellivue/HR`."""
    return f"{device}/{name}" if device else name
