"""Parquet tables: `numerics waveforms blood_pressures alarms events`, facts in their metadata.

Times are int64 microseconds UTC (`at_us`); waveforms have a row for each block of about a second.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from vitals.export.session_data import SessionData
from vitals.export.target import ExportError, Files, Tell
from vitals.store.rows import QUALITIES

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]


def write(data: SessionData, files: Files, tell: Tell) -> None:
    """Writes all tables.

    Raises:
        ExportError: pyarrow is not installed.
    """
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ExportError('Parquet needs pyarrow: pip install "kap-vitals[parquet]"') from error
    facts = {f"kap_vitals.{key}": value for key, value in data.facts().items()}
    facts["kap_vitals.profile"] = data.record.profile_text
    for name, table in _tables(data):
        tell(f"{name}.parquet")
        with files.file(f"{name}.parquet") as file:
            known = table.schema.metadata or {}
            encoded = {key: value.encode("utf-8", "replace") for key, value in facts.items()}
            marked = table.replace_schema_metadata({**known, **encoded})
            parquet.write_table(marked, file, compression="zstd")


def _tables(data: SessionData) -> list[tuple[str, pa.Table]]:
    return [
        ("numerics", _numerics(data)),
        ("waveforms", _waveforms(data)),
        ("blood_pressures", _pressures(data)),
        ("alarms", _alarms(data)),
        ("events", _events(data)),
    ]


def _numerics(data: SessionData) -> pa.Table:
    import pyarrow as pa

    tracks = data.numerics
    sizes = [track.at_us.size for track in tracks]
    words = np.array([quality.value for quality in QUALITIES], dtype=object)

    def each(values: list[str]) -> Any:
        return np.repeat(np.array(values, dtype=object), sizes) if values else []

    def joined(columns: list[Any], kind: Any) -> Any:
        return np.concatenate(columns) if columns else np.array([], dtype=kind)

    quality = joined([track.quality for track in tracks], np.uint8)
    table = pa.table(
        {
            "at_us": pa.array(joined([t.at_us for t in tracks], np.int64), pa.int64()),
            "device": pa.array(each([t.device for t in tracks]), pa.string()),
            "channel": pa.array(each([t.channel.key for t in tracks]), pa.string()),
            "unit": pa.array(each([t.channel.unit for t in tracks]), pa.string()),
            "value": pa.array(
                joined([t.value for t in tracks], np.float64), pa.float64(), from_pandas=True
            ),
            "quality": pa.array(words[quality] if quality.size else [], pa.string()),
            "flags": pa.array([flags for t in tracks for flags in t.flags], pa.string()),
            "device_at_us": pa.array([at for t in tracks for at in t.device_at_us], pa.int64()),
        }
    )
    return table.sort_by(
        [("at_us", "ascending"), ("device", "ascending"), ("channel", "ascending")]
    )


def _waveforms(data: SessionData) -> pa.Table:
    import pyarrow as pa

    blocks = [(track, block) for track in data.waves for block in track.blocks]
    return pa.table(
        {
            "start_us": pa.array([block.start_us for _, block in blocks], pa.int64()),
            "device": pa.array([block.device for _, block in blocks], pa.string()),
            "channel": pa.array([block.channel for _, block in blocks], pa.string()),
            "unit": pa.array([track.channel.unit for track, _ in blocks], pa.string()),
            "rate_hz": pa.array([block.rate_hz for _, block in blocks], pa.float64()),
            "quality": pa.array([block.quality.value for _, block in blocks], pa.string()),
            "values": pa.array([block.values for _, block in blocks], pa.list_(pa.float32())),
        }
    )


def _pressures(data: SessionData) -> pa.Table:
    import pyarrow as pa

    rows = [
        {
            "at_us": one.at_us,
            "device": one.device,
            "sys_mmhg": one.sys,
            "dia_mmhg": one.dia,
            "map_mmhg": one.map,
            "pulse_per_min": one.pulse,
            "quality": one.quality.value,
            "flags": ",".join(sorted(one.flags)),
            "manual": one.manual,
            "failure": one.failure,
        }
        for one in data.pressures
    ]
    text, real = pa.string(), pa.float64()
    kinds = [pa.int64(), text, real, real, real, real, text, text, pa.bool_(), text]
    names = (
        "at_us", "device", "sys_mmhg", "dia_mmhg", "map_mmhg", "pulse_per_min", "quality",
        "flags", "manual", "failure",
    )  # fmt: skip
    return pa.Table.from_pylist(rows, pa.schema(list(zip(names, kinds, strict=True))))


def _alarms(data: SessionData) -> pa.Table:
    import pyarrow as pa

    rows = [
        {
            "from_us": one.from_us,
            "to_us": one.to_us,
            "rule": one.rule,
            "priority": one.priority,
            "text": _utf8(one.text),
            "acked_us": one.acked_us,
            "acked_by": _utf8(one.acked_by),
        }
        for one in data.alarms
    ]
    text, whole = pa.string(), pa.int64()
    kinds = [whole, whole, text, text, text, whole, text]
    names = ("from_us", "to_us", "rule", "priority", "text", "acked_us", "acked_by")
    return pa.Table.from_pylist(rows, pa.schema(list(zip(names, kinds, strict=True))))


def _events(data: SessionData) -> pa.Table:
    import pyarrow as pa

    rows = [
        {
            "at_us": one.at_us,
            "n": one.n,
            "kind": one.kind,
            "text": _utf8(one.text),
            "actor": _utf8(one.actor),
            "role": _utf8(one.role),
            "details": json.dumps(one.body),
        }
        for one in data.entries
    ]
    text, whole = pa.string(), pa.int64()
    kinds = [whole, whole, text, text, text, text, text]
    names = ("at_us", "n", "kind", "text", "actor", "role", "details")
    return pa.Table.from_pylist(rows, pa.schema(list(zip(names, kinds, strict=True))))


def _utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
