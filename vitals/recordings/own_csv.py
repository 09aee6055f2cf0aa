"""Reads the CSV folder or zip that this program exports (`vitals/export/csv_files.py`).

Everything comes back as it was: values, qualities, flags, the devices' own times.
"""

from __future__ import annotations

import itertools
import re
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vitals.channels import CHANNELS
from vitals.model import US
from vitals.recordings import csv_table, folder
from vitals.recordings.folder import Folder
from vitals.recordings.mapping import Mapping
from vitals.recordings.own_facts import facts_of, remark_of
from vitals.recordings.recording import Raw, RawBlock, RawNumbers, RawWave, RecordingError, Tell
from vitals.recordings.vital import BY_HAND
from vitals.store.rows import QUALITIES

NAME = "kap-vitals csv"
TABLE = "numerics.csv"
_SHAPE = csv_table.Shape("utf-8", ",", ".")
_COLUMN = re.compile(r"(\w+) \[.*\]")
_QUALITIES = {quality.value: n for n, quality in enumerate(QUALITIES)}
_MOST = 2**62
_WAVE = re.compile(r"waveform-.*\.csv")


def is_one(found: Folder) -> bool:
    """Whether a folder is such an export."""
    return TABLE in found.names and "session.csv" in found.names


def read(path: Path, mapping: Mapping, tell: Tell) -> Raw:
    """All of it; no mapping is needed.

    Raises:
        RecordingError: it is damaged, or not whole.
        OSError: it cannot be read.
    """
    with folder.opened(path) as found:
        raw = Raw(NAME, own=True)
        said = {row[0]: row[1] for row in _rows(found, "session.csv", 2)}
        raw.facts = facts_of({key: text.removeprefix("'") for key, text in said.items()})
        tell(TABLE)
        raw.numbers = _numbers(found)
        for name in found.names:
            if _WAVE.fullmatch(name):
                tell(name)
                raw.waves += _waves(found, name)
        for row in _rows(found, "events.csv", 5):
            remark = remark_of(row[3], _whole(row[1], "events.csv"), row[4].removeprefix("'"))
            if remark is not None:
                raw.remarks.append(remark)
        return raw


def _rows(found: Folder, name: str, columns: int) -> Iterator[list[str]]:
    rows = _table(found, name)
    next(rows, None)
    for row in rows:
        if len(row) < columns:
            raise RecordingError(f"{name}: a row is too short; it is no whole export")
        yield row


def _table(found: Folder, name: str) -> Iterator[list[str]]:
    with found.file(name) as file:
        yield from csv_table.rows(file, _SHAPE, name)


def _whole(cell: str, name: str) -> int:
    try:
        found = int(cell)
    except ValueError:
        found = _MOST
    if not abs(found) < _MOST:
        raise RecordingError(f"{name}: {cell[:40]!r} is no time in microseconds; it is damaged")
    return found


def _number(cell: str, name: str) -> float:
    try:
        return float(cell) if cell else float("nan")
    except ValueError as error:
        raise RecordingError(f"{name}: {cell[:40]!r} is no number; it is damaged") from error


def _numbers(found: Folder) -> list[RawNumbers]:
    rows = _table(found, TABLE)
    head = next(rows, [])
    keys = [match[1] for match in map(_COLUMN.fullmatch, head) if match]
    keys = [key for key in keys if key in CHANNELS]
    if head[:5] != ["time", "at_us", "device", "device_time", "device_at_us"]:
        raise RecordingError(f"{TABLE}: its columns are not those of an export")
    places = {key: next(n for n, h in enumerate(head) if h.startswith(f"{key} [")) for key in keys}
    kept: dict[tuple[str, str], list[tuple[int, float, int, str, int | None]]] = {}
    for row in rows:
        at_us = _whole(row[1] if len(row) > 1 else "", TABLE)
        row += [""] * (len(head) - len(row))
        device = row[2].removeprefix("'") or BY_HAND
        theirs = _whole(row[4], TABLE) if row[4] else None
        for key, place in places.items():
            value, quality, flags = row[place : place + 3]
            if not quality:
                continue
            if quality not in _QUALITIES:
                raise RecordingError(f"{TABLE}: {quality[:40]!r} is no quality; it is damaged")
            number, code = _number(value, TABLE), _QUALITIES[quality]
            kept.setdefault((device, key), []).append(
                (at_us, number, code, flags.removeprefix("'"), theirs)
            )
    return [numbers_of(device, key, given) for (device, key), given in kept.items()]


def numbers_of(
    device: str, key: str, given: list[tuple[int, float, int, str, int | None]]
) -> RawNumbers:
    """(time, value, quality, flags, the device's own time) of one channel as a track."""
    at_us, value, quality, flags, theirs = zip(*given, strict=True)
    return RawNumbers(
        device,
        key,
        CHANNELS[key].unit,
        np.array(at_us, dtype=np.int64),
        np.array(value, dtype=np.float64),
        key,
        np.array(quality, dtype=np.uint8),
        flags,
        theirs,
    )


def _waves(found: Folder, name: str) -> list[RawWave]:
    """The samples of one file; times are to the microsecond, so the rate comes out of them."""
    rows = _table(found, name)
    head = next(rows, [])
    match = _COLUMN.fullmatch(head[2]) if len(head) == 4 else None
    if match is None or match[1] not in CHANNELS:
        raise RecordingError(f"{name}: its columns are not those of an export")
    device = name.removesuffix(".csv").split("-", 2)[2]
    at_us, value, quality = array("q"), array("f"), bytearray()
    for row in rows:
        if len(row) != 4 or row[3] not in _QUALITIES:
            raise RecordingError(f"{name}: a row is damaged")
        at_us.append(_whole(row[1], name))
        value.append(_number(row[2], name))
        quality.append(_QUALITIES[row[3]])
    times = np.frombuffer(at_us, np.int64)
    spacing = np.diff(times)
    forward = spacing[spacing > 0]
    if not forward.size:
        return []
    period_us = float(np.median(forward))
    near = spacing[(spacing > 0) & (spacing < 1.5 * period_us)]
    rate_hz = round(US / float(near.mean()), 3)
    samples, codes = np.frombuffer(value, np.float32), np.frombuffer(quality, np.uint8)
    breaks = np.abs(spacing - US / rate_hz) > 0.5 * US / rate_hz
    edges = [0, *(np.flatnonzero(breaks | (np.diff(codes) != 0)) + 1).tolist(), times.size]
    most = max(1, int(rate_hz))
    blocks = [
        RawBlock(int(times[at]), samples[at : min(at + most, end)], QUALITIES[codes[at]])
        for first, end in itertools.pairwise(edges)
        for at in range(first, end, most)
    ]
    key = match[1]
    return [RawWave(device, key, CHANNELS[key].unit, rate_hz, blocks, key)]
