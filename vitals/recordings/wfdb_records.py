"""Reads WFDB records (PhysioNet): numerics such as MIMIC's, and waveforms, by the package `wfdb`.

A record is a header `NAME.hea` and the signal files that it names, beside it. Headers without a
date begin at `start` of the mapping.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from vitals.model import US
from vitals.recordings import names
from vitals.recordings.csv_times import us_of
from vitals.recordings.mapping import Mapping, start_of, zone_of
from vitals.recordings.recording import (
    LeftOut,
    Raw,
    RawBlock,
    RawNumbers,
    RawWave,
    RecordingError,
    Tell,
)

NAME = "wfdb"
_MOST_SAMPLES = 200_000_000
_SLOW_HZ = 4.0
"""Slower signals are numbers, quicker ones waveforms."""
_BLOCK_S = 60
_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")


def files(path: Path) -> list[Path]:
    """The header and the signal files that it names; only those beside it.

    Raises:
        RecordingError: it names one elsewhere, or one that is not there.
        OSError: the header cannot be read.
    """
    with path.open("rb") as file:
        text = file.read(1 << 20).decode("ascii", "replace")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    named = list(dict.fromkeys(line.split()[0] for line in lines[1:]))
    for name in named:
        if not _FILE.fullmatch(name) or not (path.parent / name).is_file():
            raise RecordingError(
                f"{path.name}: its signal file {name[:60]!r} is not beside it; copy it there"
            )
    return [path, *(path.parent / name for name in named)]


def read(path: Path, mapping: Mapping, tell: Tell) -> Raw:
    """All signals of a record.

    Raises:
        RecordingError: it is damaged, or wfdb is not installed.
        OSError: it cannot be read.
    """
    try:
        import wfdb  # type: ignore[import-untyped]
    except ImportError as error:
        raise RecordingError('WFDB needs wfdb: pip install "kap-vitals[wfdb]"') from error
    files(path)
    tell(path.name)
    whole = str(path.with_suffix("").resolve())
    try:
        head = wfdb.rdheader(whole)
        count = (head.sig_len or 0) * (head.n_sig or 0)
        if not head.n_sig or not head.sig_len or head.fs is None or not 0 < head.fs < 100_000:
            raise RecordingError(f"{path.name}: there is no signal in it")
        if count > _MOST_SAMPLES:
            raise RecordingError(f"{path.name}: it has {count:,} samples, which is too much")
        if type(head).__name__ != "Record":
            raise RecordingError(f"{path.name}: it is of several segments; import them one by one")
        record = wfdb.rdrecord(whole)
    except (RecordingError, OSError):
        raise
    except Exception as error:  # whatever a damaged header makes of that package
        raise RecordingError(f"{path.name}: it is damaged ({str(error)[:120]})") from error
    return _raw(record, path, mapping)


def _raw(record: Any, path: Path, mapping: Mapping) -> Raw:
    found = Raw(NAME)
    start_us = _start_us(record, path, mapping, found)
    rate_hz = float(record.fs)
    kind: names.Kind = "number" if rate_hz <= _SLOW_HZ else "wave"
    for n, (name, unit) in enumerate(zip(record.sig_name, record.units, strict=True)):
        if not mapping.track and names.channel_of(name, kind) is None:
            found.left_out.append(LeftOut(name, "not known; a mapping can name it"))
            continue
        value = np.asarray(record.p_signal[:, n], dtype=np.float64)
        unit = "" if unit in ("NU", "mV/NU") else unit
        if kind == "number":
            at_us = start_us + np.rint(np.arange(value.size) / rate_hz * US).astype(np.int64)
            found.numbers.append(RawNumbers("", name, unit, at_us, value))
            continue
        most = max(1, round(rate_hz * _BLOCK_S))
        blocks = [
            RawBlock(start_us + round(at / rate_hz * US), value[at : at + most].astype(np.float32))
            for at in range(0, value.size, most)
        ]
        found.waves.append(RawWave("", name, unit, rate_hz, blocks))
    return found


def _start_us(record: Any, path: Path, mapping: Mapping, found: Raw) -> int:
    time = mapping.time
    said = start_of(time) if time else None
    if said is not None:
        return us_of(said)
    if record.base_datetime is None:
        raise RecordingError(
            f"{path.name}: it does not say when it began; name `start` under [time] in a mapping"
        )
    if not (time and time.zone):
        found.notes.append("The file does not say its time zone; its times are taken as UTC.")
    return us_of(record.base_datetime.replace(tzinfo=zone_of(time.zone if time else "")))
