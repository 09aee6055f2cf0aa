"""Waveforms as stored: blocks of about a second, int16 little-endian with a scale.

Whole numbers that span at most 65534 in a block are stored exactly (scale 1); others are
rounded to 1/65534 of the block's span. A sample that is no number is stored as -32768 and comes
back as NaN.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vitals.clock import US
from vitals.model import Waveform

BLOCK_S = 1.0
_NO_VALUE = -32768
_TOP = 32767


class Coded(NamedTuple):
    """Samples as bytes: value = stored * scale + offset."""

    data: bytes
    scale: float
    offset: float


def encode(values: NDArray[np.float32]) -> Coded:
    """Codes samples; any float array, NaN and infinities as "no value"."""
    exact = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(exact)
    real = exact[finite]
    low, high = (float(real.min()), float(real.max())) if real.size else (0.0, 0.0)
    scale, offset = _scaling(real, low, high)
    coded = np.full(exact.shape, _NO_VALUE, dtype="<i2")
    coded[finite] = np.rint((real - offset) / scale).clip(-_TOP, _TOP).astype("<i2")
    return Coded(coded.tobytes(), scale, offset)


def _scaling(real: NDArray[np.float64], low: float, high: float) -> tuple[float, float]:
    if high - low <= 2 * _TOP and np.array_equal(real, np.rint(real)):
        fits = low >= -_TOP and high <= _TOP
        return 1.0, 0.0 if fits else float(np.rint((low + high) / 2))
    return (high - low) / (2 * _TOP) or 1.0, (low + high) / 2


def decode(data: bytes, scale: float, offset: float) -> NDArray[np.float32]:
    """Samples as float32; the inverse of `encode`."""
    coded = np.frombuffer(data, dtype="<i2")
    values = coded * scale + offset
    values[coded == _NO_VALUE] = np.nan
    return values.astype(np.float32)


class Packet(NamedTuple):
    """A waveform packet as it was put: its counter, its session, its samples."""

    seq: int
    session: str
    wave: Waveform


def blocks(packets: Iterable[Packet]) -> Iterator[Packet]:
    """Joins packets that follow each other without a gap, up to about a second.

    A block carries the counter of its last packet. Packets of several channels may be mixed;
    those of one channel come in order of time.
    """
    running: dict[tuple[str, str, str], list[Packet]] = {}
    for packet in packets:
        key = (packet.session, packet.wave.device, packet.wave.channel)
        group = running.get(key)
        if group and not _continues(group, packet.wave):
            yield _joined(running.pop(key))
        running.setdefault(key, []).append(packet)
    for group in running.values():
        yield _joined(group)


def _continues(group: list[Packet], wave: Waveform) -> bool:
    first = group[0].wave
    if first.rate_hz <= 0 or (wave.rate_hz, wave.quality) != (first.rate_hz, first.quality):
        return False
    samples = sum(packet.wave.values.size for packet in group)
    expected_us = first.start_us + samples / first.rate_hz * US
    half_a_sample_us = US / first.rate_hz / 2
    fits = samples + wave.values.size <= first.rate_hz * BLOCK_S
    return fits and abs(wave.start_us - expected_us) <= half_a_sample_us


def _joined(group: list[Packet]) -> Packet:
    if len(group) == 1:
        return group[0]
    values = np.concatenate([packet.wave.values for packet in group])
    return Packet(group[-1].seq, group[0].session, replace(group[0].wave, values=values))
