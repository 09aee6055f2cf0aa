"""Small pieces that several protocols share: what was refused, one value a second, wave timing.

A decoder built from them keeps the driver contract cheaply: time is counted in frames and not
by a clock, and everything kept between two chunks is less than one frame, so any split of the
same bytes gives the same events and no stream of garbage makes it grow.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from devices.driver import Chunk, Event, Values
from vitals.channels import plausible
from vitals.errors import CommandError
from vitals.model import Flag, Notice, Numeric, Quality, Request, Waveform

_SECOND_US = 1_000_000
_LINE_END = re.compile(rb"[\r\n]")

NO_VALUE = frozenset({Flag.SENSOR_OFF, Flag.NO_SENSOR, Flag.SENSOR_FAULT, Flag.SEARCHING})
"""Flags under which a number is never passed on, whatever the bytes say: it is held or old."""

DOUBTFUL = frozenset(
    {
        Flag.LOW_PERFUSION,
        Flag.ARTIFACT,
        Flag.WEAK_SIGNAL,
        Flag.OUT_OF_TRACK,
        Flag.INTERFERENCE,
    }
)
"""Flags that make a number questionable."""


def quality(flags: frozenset[Flag]) -> Quality:
    """How far a value that comes with these flags may be trusted."""
    if flags & NO_VALUE:
        return Quality.INVALID
    return Quality.QUESTIONABLE if flags & DOUBTFUL else Quality.GOOD


class StreamDecoder:
    """What every decoder of a byte stream has; by itself it only listens.

    Attributes:
        device: id of the device, for events and errors.
        accepted: frames or lines that did fit, whether or not they said anything new.
        rejected: frames' worth of bytes that did not fit. An unbroken run of refused bytes
            counts as one frame for each begun `frame_bytes`, however the bytes were split.
    """

    def __init__(self, device: str, frame_bytes: int) -> None:
        self.device = device
        self.accepted = 0
        self.rejected = 0
        self._frame_bytes = frame_bytes
        self._run = 0

    def refuse(self, count: int) -> None:
        """`count` more bytes did not fit."""
        frames = -(-self._run // self._frame_bytes)
        self._run += count
        self.rejected += -(-self._run // self._frame_bytes) - frames

    def accept(self) -> None:
        """A frame did fit: the run of refused bytes, if any, is over."""
        self.accepted += 1
        self._run = 0

    def due(self, now_us: int) -> bytes:
        """Nothing has to be said to a device that only talks."""
        return b""

    def request(self, request: Request, now_us: int) -> None:
        """Refuses: a device that only talks cannot be told to do anything.

        Raises:
            CommandError: always.
        """
        raise CommandError(
            f"its protocol only talks, so {type(request).__name__} cannot be sent; "
            "use the buttons of the device",
            device=self.device,
        )


class LineDecoder(StreamDecoder, ABC):
    """Lines of text that end in CR, LF or both: a line is read as soon as its end is there.

    Empty lines are passed over. A refused line counts once, but as one for each begun
    `max_line` bytes when it is longer; of such a line nothing is read, whatever it ends in.
    """

    def __init__(self, device: str, max_line: int) -> None:
        super().__init__(device, max_line)
        self._rest = b""

    def feed(self, chunk: Chunk) -> list[Event]:
        """Reads the lines that have ended; keeps the begun one."""
        *lines, rest = _LINE_END.split(self._rest + chunk.data)
        events: list[Event] = []
        for line in lines:
            if not line:
                continue
            found = self.line(line, chunk.at_us) if len(line) <= self._frame_bytes else None
            if found is None:
                self.refuse(len(line))
                self._run = 0  # the next line is counted by itself
            else:
                events += found
                self.accept()
        # One byte more than fits, so that a line that is too long stays too long.
        excess = max(len(rest) - self._frame_bytes - 1, 0)
        self.refuse(excess)
        self._rest = rest[excess:]
        return events

    @abstractmethod
    def line(self, line: bytes, at_us: int) -> list[Event] | None:
        """What a line says, without its end; None when it is not one of the protocol's."""


class OncePerSecond:
    """Thins a dense stream: the first value, any change of validity or flags, then 1 Hz."""

    __slots__ = ("_count", "_every", "_last")

    def __init__(self, frames_per_second: int) -> None:
        self._every = frames_per_second
        self._count = 0
        self._last: object = None

    def due(self, key: object) -> bool:
        """Whether this frame's values are to be emitted; `key` is validity and flags."""
        self._count += 1
        if self._count < self._every and key == self._last:
            return False
        self._last, self._count = key, 0
        return True


class Conditions:
    """Turns the flags of each frame into Notices, on change only; the code is the flag's word."""

    __slots__ = ("_active", "_device")

    def __init__(self, device: str) -> None:
        self._device = device
        self._active: frozenset[Flag] = frozenset()

    def change(self, flags: frozenset[Flag], at_us: int) -> list[Notice]:
        """What began and what ended, in alphabetical order."""
        changed = sorted(flags ^ self._active)
        self._active = flags
        return [Notice(self._device, at_us, flag.value, flag in flags) for flag in changed]


class WaveClock:
    """Times waveform packets by counting samples, re-anchored when off by over 250 ms."""

    __slots__ = ("_anchor_us", "_channel", "_device", "_next_us", "_rate_hz", "_since_anchor")

    def __init__(self, device: str, channel: str, rate_hz: float) -> None:
        self._device = device
        self._channel = channel
        self._rate_hz = rate_hz
        self._anchor_us = 0
        self._since_anchor = 0
        self._next_us: int | None = None

    def packet(self, samples: bytes, at_us: int, trust: Quality) -> Waveform:
        """A packet of 8-bit samples whose last one arrived at `at_us`."""
        start_us = at_us - round(len(samples) * _SECOND_US / self._rate_hz)
        if self._next_us is None or abs(self._next_us - start_us) > 250_000:
            self._anchor_us, self._since_anchor = start_us, 0
        else:
            start_us = self._next_us
        self._since_anchor += len(samples)
        self._next_us = self._anchor_us + round(self._since_anchor * _SECOND_US / self._rate_hz)
        values = np.frombuffer(samples, np.uint8).astype(np.float32)
        return Waveform(self._device, self._channel, start_us, self._rate_hz, values, trust)


def within(channel: str, value: float) -> float | None:
    """The value, or None when it is outside the channel's hard limits and so never shown."""
    return value if plausible(channel, value) else None


def numerics(
    device: str, at_us: int, values: Mapping[str, float | None], flags: frozenset[Flag]
) -> list[Numeric]:
    """Numerics that share time and flags; None and what the flags forbid is invalid."""
    trust = quality(flags)
    out = []
    for channel, value in values.items():
        kept = None if value is None or trust is Quality.INVALID else within(channel, value)
        this = Quality.INVALID if kept is None else trust
        out.append(Numeric(device, channel, at_us, kept, this, flags))
    return out


def number(values: Values, channel: str) -> float | None:
    """One number of what `encode` was given; None when it is absent."""
    value = values.get(channel)
    return float(value) if isinstance(value, (int, float)) else None


def samples(values: Values, channel: str, count: int, top: int) -> list[int]:
    """The wave `encode` was given (0..1), spread over `count` samples of 0..`top`.

    A single number is a flat wave; without one it lies flat in the middle.
    """
    given = values.get(channel)
    wave: Sequence[float] = given if isinstance(given, Sequence) else ()
    if not wave:
        wave = (0.5 if given is None or isinstance(given, Sequence) else float(given),)
    return [round(top * min(max(wave[i * len(wave) // count], 0.0), 1.0)) for i in range(count)]
