"""What goes up when a session is closed: a file for each waveform, and the list's answers.

A file is Parquet (zstd), one row a block of about a second, exactly as the record has it, so that
seals can be computed again and the record's own rows made of it: `seq start_us rate_hz scale
offset quality samples`; value = sample * scale + offset, the sample -32768 is no value. Times are
microseconds UTC, `quality` is 0 good, 1 questionable, 2 invalid. Its metadata say what it is of.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vitals.central import watermark
from vitals.central.lanes import ChannelLine
from vitals.central.login import Refused
from vitals.errors import CentralError
from vitals.export.list_facts import VERSION, Facts

if TYPE_CHECKING:
    from psycopg import AsyncConnection

PREFIX = "kap_vitals."
_ENCODING = "DELTA_BINARY_PACKED"  # two thirds of the bytes that zstd makes of them alone


@dataclass(frozen=True, slots=True)
class WaveLine:
    """A block of a waveform as it stands in the record; `data` is int16, little-endian."""

    seq: int
    start_us: int
    rate_hz: float
    scale: float
    offset: float
    quality: int
    data: bytes

    @property
    def n(self) -> int:
        """Samples."""
        return len(self.data) // 2


def encode(
    station: str, record: str, channel: ChannelLine, blocks: Sequence[WaveLine], tz: str = ""
) -> bytes:
    """The file of one channel.

    Raises:
        Refused: pyarrow is not installed.
    """
    pa, parquet = _pyarrow()
    told = {
        "station": station,
        "record": record,
        **{key: str(value) for key, value in asdict(channel).items() if value is not None},
        "tz": tz,
        "coding": "value = sample * scale + offset; sample -32768: no value",
    }
    samples = np.frombuffer(b"".join(block.data for block in blocks), dtype="<i2")
    ends = np.cumsum([0, *(block.n for block in blocks)], dtype=np.int32)
    table = pa.table(
        {
            "seq": pa.array([block.seq for block in blocks], pa.int64()),
            "start_us": pa.array([block.start_us for block in blocks], pa.int64()),
            "rate_hz": pa.array([block.rate_hz for block in blocks], pa.float64()),
            "scale": pa.array([block.scale for block in blocks], pa.float64()),
            "offset": pa.array([block.offset for block in blocks], pa.float64()),
            "quality": pa.array([block.quality for block in blocks], pa.int8()),
            "samples": pa.ListArray.from_arrays(
                pa.array(ends, pa.int32()), pa.array(samples.astype(np.int16), pa.int16())
            ),
        }
    ).replace_schema_metadata(
        {f"{PREFIX}{key}": value.encode("utf-8", "replace") for key, value in told.items()}
    )
    out = io.BytesIO()
    parquet.write_table(
        table,
        out,
        compression="zstd",
        use_dictionary=False,
        column_encoding={
            "seq": _ENCODING,
            "start_us": _ENCODING,
            "samples.list.element": _ENCODING,
        },
    )
    return out.getvalue()


def decode(file: bytes) -> list[WaveLine]:
    """The blocks of a file, as they stood in the record.

    Raises:
        CentralError: pyarrow is not installed (`Refused`), or this is no such file.
    """
    pa, parquet = _pyarrow()
    try:
        table = parquet.read_table(io.BytesIO(file))
        samples = table.column("samples").combine_chunks()
        flat = samples.values.to_numpy(zero_copy_only=False).astype("<i2")
        ends = samples.offsets.to_numpy()
        names = ["seq", "start_us", "rate_hz", "scale", "offset", "quality"]
        rows = table.select(names).to_pylist()
        return [
            WaveLine(**row, data=flat[start:end].tobytes())
            for row, start, end in zip(rows, ends[:-1], ends[1:], strict=True)
        ]
    except (pa.ArrowException, KeyError, OSError, TypeError) as error:
        raise CentralError(
            f"a file of waveforms at the centre cannot be read ({error}); the station's record "
            "still has them"
        ) from error


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa  # type: ignore[import-untyped]
        from pyarrow import parquet
    except ImportError as error:
        raise Refused(
            'waveforms at the centre need pyarrow: pip install "kap-vitals[central]"'
        ) from error
    return pa, parquet


def facts_json(facts: Facts) -> dict[str, Any]:
    """What `kap.session.facts` holds: the answers, and of which version they are."""
    return {"version": VERSION, **asdict(facts)}


async def send_file(
    connection: AsyncConnection[Any],
    station: str,
    record: str,
    channel: ChannelLine,
    rows: int,
    file: bytes,
) -> None:
    """Stores one channel's file; harmless when it is there. Its channel must be known."""
    await connection.execute(
        "INSERT INTO kap.file(station, record, session, channel_id, rows, parquet, sha256)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (
            *(station, record, channel.session, channel.channel_id, rows, file),
            hashlib.sha256(file).digest(),
        ),
    )


async def send_done(
    connection: AsyncConnection[Any],
    station: str,
    record: str,
    known: int,
    n: int,
    facts: Mapping[str, Mapping[str, Any]],
) -> bool:
    """Says that everything of what was closed up to audit row `n` is there.

    Args:
        connection: to the centre.
        station: its id.
        record: name of its record.
        known: where the lane `file` is believed to be.
        n: where it is then.
        facts: by uuid of a session, see `facts_json`.

    Returns:
        False when the lane is not at `known`: nothing was stored.
    """
    async with connection.transaction() as transaction:
        if not await watermark.move(connection, station, record, "file", known, n):
            transaction.force_rollback = True
            return False
        for uuid, told in facts.items():
            await connection.execute(
                "UPDATE kap.session SET facts = %s::jsonb"
                " WHERE station = %s AND record = %s AND uuid = %s",
                (json.dumps(told), station, record, uuid),
            )
    return True
