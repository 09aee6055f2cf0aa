"""Waveforms of a file as packets of at most a second, without gaps in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from vitals.channels import CHANNELS
from vitals.model import US, Waveform
from vitals.recordings.recording import (
    FIRST_US,
    LAST_US,
    RawBlock,
    RawWave,
    end_us,
    track_name,
)

ANCHOR_US = 250_000
"""Blocks that begin no further from the end of the one before follow it without a gap."""
MOST_HZ = 10_000.0
_PLETH_TOP = 4095
_PACKET_S = 1.0


def packets(
    wave: RawWave, channel: str, device: str, notes: list[str], *, own: bool
) -> list[Waveform]:
    """The packets of one waveform; what was wrong with it goes to `notes`.

    Times of other programs' blocks waver: they are counted by samples, and anchored again where
    they are off by more than 250 ms, as those of a monitor are.
    """
    name = track_name(wave.device, wave.name)
    if not 0 < wave.rate_hz <= MOST_HZ:
        notes.append(f"{name} has no real rate ({wave.rate_hz:g} Hz), and is left out.")
        return []
    blocks = [b for b in wave.blocks if FIRST_US <= b.start_us <= LAST_US and b.values.size]
    if len(blocks) < len(wave.blocks):
        notes.append(f"{len(wave.blocks) - len(blocks)} blocks of {name} have no real time.")
    blocks.sort(key=lambda block: block.start_us)
    for block in blocks:
        real = np.isfinite(block.values)
        block.values = block.values if real.all() else np.where(real, block.values, np.nan)
    if own:
        return [piece for b in blocks for piece in _pieces(b, wave.rate_hz, channel, device)]
    _fit(blocks, channel, name, notes)
    found: list[Waveform] = []
    overlapping = 0
    for block in _followed(blocks, wave.rate_hz):
        if found and block.start_us < end_us(found[-1]) - US / wave.rate_hz:
            overlapping += 1
            continue
        found += _pieces(block, wave.rate_hz, channel, device)
    if overlapping:
        notes.append(f"{overlapping} blocks of {name} overlap others, and are left out.")
    return found


def _followed(blocks: Iterable[RawBlock], rate_hz: float) -> Iterator[RawBlock]:
    anchor_us, count = 0, 0
    for block in blocks:
        expected_us = anchor_us + round(count / rate_hz * US)
        if not count or abs(block.start_us - expected_us) > ANCHOR_US:
            anchor_us, count, expected_us = block.start_us, 0, block.start_us
        count += block.values.size
        yield RawBlock(expected_us, block.values, block.quality)


def _pieces(block: RawBlock, rate_hz: float, channel: str, device: str) -> Iterator[Waveform]:
    """Runs of real samples, cut to packets; a block without gaps that is short stays as it is."""
    real = np.isfinite(block.values)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], real, [False]))))
    most = max(1, round(rate_hz * _PACKET_S))
    for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        for at in range(first, end, most):
            start_us = block.start_us + round(at / rate_hz * US)
            values = block.values[at : min(at + most, end)].astype(np.float32)
            yield Waveform(device, channel, start_us, rate_hz, values, block.quality)


def _fit(blocks: list[RawBlock], channel: str, name: str, notes: list[str]) -> None:
    """Brings samples into what the channel can hold; what cannot be is no sample."""
    about = CHANNELS[channel]
    if channel == "pleth":
        span = _span(blocks)
        if span is None or _whole(blocks, about.plausible_high):
            return
        low, high = span
        scale = _PLETH_TOP / (high - low) if high > low else 0.0
        for block in blocks:
            exact = block.values.astype(np.float64)
            block.values = np.rint((exact - low) * scale).astype(np.float32)
        notes.append(f"{name} has no unit: it is stretched to whole numbers up to {_PLETH_TOP}.")
        return
    for block in blocks:
        out = (block.values < about.plausible_low) | (block.values > about.plausible_high)
        block.values = np.where(out, np.float32(np.nan), block.values)


def _span(blocks: Iterable[RawBlock]) -> tuple[float, float] | None:
    real: list[NDArray[np.float32]] = [b.values[np.isfinite(b.values)] for b in blocks]
    real = [values for values in real if values.size]
    if not real:
        return None
    return min(float(v.min()) for v in real), max(float(v.max()) for v in real)


def _whole(blocks: Iterable[RawBlock], top: float) -> bool:
    for block in blocks:
        real = block.values[np.isfinite(block.values)]
        if np.any(real != np.rint(real)) or np.any(real < 0) or np.any(real > top):
            return False
    return True
