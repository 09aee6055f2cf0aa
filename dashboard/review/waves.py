"""A waveform's window for a screen: the least and the greatest sample of each pixel, gaps kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from dashboard.decimate import thin
from dashboard.review import Rooms
from dashboard.review.held import record_of
from vitals.channels import CHANNELS
from vitals.export.salvage import is_broken, salvage
from vitals.model import US, Quality, Waveform
from vitals.store.reader import Reader

BEFORE_US = 60 * US
"""A block that began so long before the window may reach into it."""
LEAST_US = US
"""A second is given up around a damaged place."""
GAP_S = 0.3
"""A longer pause between two samples is a gap; devices re-anchor their time within it."""


def wave(
    store: Path,
    uuid: str,
    channel: str,
    from_us: int,
    to_us: int,
    px: int,
    *,
    rooms: Rooms = None,
) -> bytes | None:
    """One window of a waveform.

    `{"from_us", "to_us", "low", "high", "tracks": [{"device", "rate_hz", "runs"}], "unreadable"}`;
    a run has no gap and one `quality`: `at_us` from the start of the window, and `y`. `low` and
    `high` are those of the window, null when nothing was recorded in it.

    Args:
        store: the record.
        uuid: of the session.
        channel: key of a waveform, as `pleth`.
        from_us: start of the window.
        to_us: its end.
        px: width of the picture; each pixel gets its extremes.
        rooms: rooms whose sessions may be seen, None for all.

    Returns:
        None when there is no such session.

    Raises:
        StoreError: the record cannot be read.
    """
    if not store.exists():
        return None
    lost: list[tuple[int, int]] = []
    with Reader(store).at_one_moment() as reader:
        if record_of(reader, uuid, rooms) is None:
            return None
        blocks, lost = _blocks(reader, uuid, channel, from_us, to_us)
    tracks = list(_tracks(blocks, from_us, to_us, px))
    values = [run["y"] for track in tracks for run in track["runs"]]
    label = CHANNELS[channel].label if channel in CHANNELS else channel
    body = {
        "channel": channel,
        "from_us": from_us,
        "to_us": to_us,
        "low": min((float(y.min()) for y in values), default=None),
        "high": max((float(y.max()) for y in values), default=None),
        "tracks": tracks,
        "unreadable": [f"The record is damaged: {label} cannot be read here."] if lost else [],
    }
    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


def _blocks(
    reader: Reader, uuid: str, channel: str, from_us: int, to_us: int
) -> tuple[list[Waveform], list[tuple[int, int]]]:
    def part(low: int, high: int) -> list[Waveform]:
        return reader.waves(uuid, channel, low, high)

    try:
        return part(from_us - BEFORE_US, to_us), []
    except Exception as error:
        if not is_broken(error):
            raise
    found, lost = salvage(part, from_us - BEFORE_US, to_us, LEAST_US)
    return [block for each in found for block in each], lost


def _tracks(blocks: list[Waveform], from_us: int, to_us: int, px: int) -> Iterator[dict[str, Any]]:
    by_device: dict[str, list[Waveform]] = {}
    for block in blocks:
        if block.rate_hz > 0 and block.values.size:
            by_device.setdefault(block.device, []).append(block)
    for device, found in sorted(by_device.items()):
        runs = list(_runs(found, from_us, to_us, px))
        if runs:
            yield {"device": device, "rate_hz": found[0].rate_hz, "runs": runs}


def _runs(blocks: list[Waveform], from_us: int, to_us: int, px: int) -> Iterator[dict[str, Any]]:
    """Stretches without a gap and of one quality; an invalid sample is not shown at all."""
    at_us = np.concatenate([_times(block) for block in blocks])
    value = np.concatenate([block.values for block in blocks]).astype(np.float64)
    sizes = [block.values.size for block in blocks]
    doubted = np.repeat([block.quality is Quality.QUESTIONABLE for block in blocks], sizes)
    invalid = np.repeat([block.quality is Quality.INVALID for block in blocks], sizes)
    pause = np.repeat([max(GAP_S, 1.5 / block.rate_hz) for block in blocks], sizes) * US
    order = np.argsort(at_us, kind="stable")
    at_us, value, doubted, pause = at_us[order], value[order], doubted[order], pause[order]
    silent = np.isnan(value) | invalid[order]
    shown = ~silent & (at_us >= from_us) & (at_us < to_us)
    # A sample without a value breaks the line, however short it was.
    holes = np.cumsum(silent)[shown]
    at_us, value, doubted, pause = at_us[shown], value[shown], doubted[shown], pause[shown]
    if not at_us.size:
        return
    new = (np.diff(at_us) > pause[1:]) | (np.diff(holes) > 0) | (np.diff(doubted) != 0)
    ends = [*(np.flatnonzero(new) + 1).tolist(), at_us.size]
    start = 0
    for end in ends:
        share = max(2, round(px * (at_us[end - 1] - at_us[start]) / (to_us - from_us)))
        x, y = thin(at_us[start:end], value[start:end], share)
        yield {
            "quality": "questionable" if doubted[start] else "good",
            "at_us": x - from_us,
            "y": y.astype(np.float32),
        }
        start = end


def _times(block: Waveform) -> NDArray[np.int64]:
    steps = np.arange(block.values.size) * (US / block.rate_hz)
    found: NDArray[np.int64] = block.start_us + np.rint(steps).astype(np.int64)
    return found
