"""Reads the Parquet folder or zip that this program exports; see `vitals/export/parquet.py`."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from vitals.channels import CHANNELS
from vitals.recordings import folder
from vitals.recordings.folder import Folder
from vitals.recordings.mapping import Mapping
from vitals.recordings.own_csv import numbers_of
from vitals.recordings.own_facts import facts_of, remark_of
from vitals.recordings.recording import Raw, RawBlock, RawWave, RecordingError, Tell
from vitals.recordings.vital import BY_HAND
from vitals.store.rows import QUALITIES

NAME = "kap-vitals parquet"
TABLE = "numerics.parquet"
_FACT = "kap_vitals."
_MOST_ROWS = 20_000_000
_QUALITIES = {quality.value: n for n, quality in enumerate(QUALITIES)}


def is_one(found: Folder) -> bool:
    """Whether a folder is such an export."""
    return TABLE in found.names and "events.parquet" in found.names


def read(path: Path, mapping: Mapping, tell: Tell) -> Raw:
    """All of it; no mapping is needed.

    Raises:
        RecordingError: it is damaged, not whole, or pyarrow is not installed.
        OSError: it cannot be read.
    """
    with folder.opened(path) as found:
        raw = Raw(NAME, own=True)
        table = _table(found, TABLE, tell)
        said = {
            key.decode("utf-8", "replace").removeprefix(_FACT): text.decode("utf-8", "replace")
            for key, text in (table.schema.metadata or {}).items()
        }
        raw.facts = facts_of(said)
        try:
            _numbers(raw, table)
            _waves(raw, _table(found, "waveforms.parquet", tell))
            for row in _table(found, "events.parquet", tell).to_pylist():
                remark = remark_of(str(row["kind"]), row["at_us"], row["text"])
                if remark is not None:
                    raw.remarks.append(remark)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise RecordingError(
                f"{path.name}: its tables are not those of an export ({error})"
            ) from error
        return raw


def _table(found: Folder, name: str, tell: Tell) -> Any:
    try:
        import pyarrow  # type: ignore[import-untyped]
        from pyarrow import parquet
    except ImportError as error:
        raise RecordingError('Parquet needs pyarrow: pip install "kap-vitals[parquet]"') from error
    tell(name)
    with found.file(name) as file:
        content = io.BytesIO(file.read())
    try:
        opened = parquet.ParquetFile(content)
        about = opened.metadata
        groups = (about.row_group(n).total_byte_size for n in range(about.num_row_groups))
        if about.num_rows > _MOST_ROWS or sum(groups) > folder.MOST_BYTES:
            raise RecordingError(f"{name}: it is larger than any export of a session")
        return opened.read()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise RecordingError(f"{name}: it is damaged ({str(error)[:120]})") from error


def _numbers(raw: Raw, table: Any) -> None:
    names = ("at_us", "device", "channel", "value", "quality", "flags", "device_at_us")
    columns = [table.column(name).to_pylist() for name in names]
    kept: dict[tuple[str, str], list[tuple[int, float, int, str, int | None]]] = {}
    for at_us, device, channel, value, quality, flags, theirs in zip(*columns, strict=True):
        if channel in CHANNELS:
            number = float("nan") if value is None else value
            given = (at_us, number, _QUALITIES[quality], flags, theirs)
            kept.setdefault((device or BY_HAND, channel), []).append(given)
    raw.numbers = [numbers_of(device, key, given) for (device, key), given in kept.items()]


def _waves(raw: Raw, table: Any) -> None:
    names = ("start_us", "device", "channel", "rate_hz", "quality", "values")
    columns = [table.column(name).to_pylist() for name in names[:-1]]
    values = table.column("values")
    tracks: dict[tuple[str, str, float], RawWave] = {}
    for n, (start_us, device, channel, rate_hz, quality) in enumerate(zip(*columns, strict=True)):
        if channel in CHANNELS:
            track = tracks.setdefault(
                (device, channel, rate_hz),
                RawWave(device, channel, CHANNELS[channel].unit, rate_hz, [], channel),
            )
            samples = np.asarray(values[n].values.to_numpy(zero_copy_only=False), np.float32)
            track.blocks.append(RawBlock(start_us, samples, QUALITIES[_QUALITIES[quality]]))
    raw.waves = list(tracks.values())
