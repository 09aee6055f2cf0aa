"""A recording as what its devices would have said, in order of time: for replay and import alike.

A device that says nothing for longer than its link would be kept open is silent, as it would have
been for the station. Nothing comes for times that the recording has nothing for.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from vitals.channels import CHANNELS
from vitals.model import US, Flag, Link, Numeric, Waveform
from vitals.recordings.recording import Numbers, Recording, end_us
from vitals.store.rows import QUALITIES

QUIET_S = 3.0
"""Silence after which a link is silent, unless the device speaks more rarely."""
SPOT_S = 60.0
"""A device that speaks no more often than this speaks when somebody measures."""
_FLAGS = {flag.value: flag for flag in Flag if flag is not Flag.CLAIMED}
Body = Numeric | Waveform | Link
Moment = tuple[int, Body]
"""When it comes to be known, and what."""


@dataclass(frozen=True, slots=True)
class RecordedDevice:
    """A device of a recording.

    Attributes:
        id: its id.
        channels: what it gives, in the order of `vitals.channels`.
        period_s: longest time between two values of a stream.
        spot: whether it speaks only when somebody measures.
    """

    id: str
    channels: tuple[str, ...]
    period_s: float
    spot: bool

    @property
    def quiet_s(self) -> float:
        """Silence after which its link is silent."""
        return max(QUIET_S, 2.5 * self.period_s)


def devices(recording: Recording) -> list[RecordedDevice]:
    """The devices of a recording in order of their ids."""
    return [_device(recording, device) for device in recording.devices]


def _device(recording: Recording, device: str) -> RecordedDevice:
    numbers = [one for one in recording.numbers if one.device == device]
    found = {one.channel for one in numbers}
    waves = {wave.channel for wave in recording.waves if wave.device == device}
    spacing = [
        float(np.median(np.diff(one.at_us))) / US
        for one in numbers
        if CHANNELS[one.channel].rate_hz and one.at_us.size > 1
    ]
    period_s = max([1.0, *spacing])
    spot = not waves and (not spacing or period_s >= SPOT_S)
    channels = tuple(key for key in CHANNELS if key in found | waves)
    return RecordedDevice(device, channels, 1.0 if spot else round(period_s, 3), spot)


def moments(recording: Recording, device: str = "", packet_s: float = 1.0) -> Iterator[Moment]:
    """Everything in order of time; of one device if it is named.

    A waveform packet, of at most `packet_s`, is known at its end.
    """
    known = [one for one in devices(recording) if device in ("", one.id)]
    yield from heapq.merge(*(_of_device(recording, one, packet_s) for one in known), key=_at)


def _at(moment: Moment) -> int:
    return moment[0]


def _of_device(recording: Recording, device: RecordedDevice, packet_s: float) -> Iterator[Moment]:
    """One device, with the state of its link."""
    numbers = [_numerics(one) for one in recording.numbers if one.device == device.id]
    ours = (w for w in recording.waves if w.device == device.id)
    waves = ((end_us(part), part) for wave in ours for part in _parts(wave, packet_s))
    quiet_us = round(device.quiet_s * US)
    heard_us: int | None = None
    everything: Iterable[Moment] = heapq.merge(*numbers, waves, key=_at)
    for at_us, same in groupby(everything, key=_at):
        silent = heard_us is not None and not device.spot and at_us - heard_us > quiet_us
        if silent and heard_us is not None:
            yield heard_us + quiet_us, Link(device.id, heard_us + quiet_us, "silent")
        if silent or heard_us is None:
            yield at_us, Link(device.id, at_us, "streaming")
        heard_us = at_us
        yield from same


def _parts(wave: Waveform, packet_s: float) -> Iterator[Waveform]:
    most = max(1, int(wave.rate_hz * packet_s))
    if wave.values.size <= most:
        yield wave
        return
    for at in range(0, wave.values.size, most):
        start_us = wave.start_us + round(at / wave.rate_hz * US)
        yield replace(wave, start_us=start_us, values=wave.values[at : at + most])


def _numerics(one: Numbers) -> Iterator[Moment]:
    for i, (at_us, value) in enumerate(zip(one.at_us.tolist(), one.value.tolist(), strict=True)):
        flags = one.flags[i].split(",") if one.flags and one.flags[i] else ()
        theirs = one.device_at_us[i] if one.device_at_us else None
        yield (
            at_us,
            Numeric(
                one.device,
                one.channel,
                at_us,
                None if value != value else value,
                QUALITIES[one.quality[i]],
                frozenset(_FLAGS[flag] for flag in flags if flag in _FLAGS),
                theirs,
            ),
        )
