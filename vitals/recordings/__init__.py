"""Recordings of other programs, and exports of this one, read back in.

    .vital (Vital Recorder, VitalDB), EDF and EDF+, WFDB, CSV with a mapping, and what
    `vitals sessions export` has written as csv, parquet, vital or edf

`read` finds out what a file is by its content. Readers are pure: bytes in, `Recording` out; they
believe no length that a file states, and never raise anything but `RecordingError`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

from vitals.recordings import (
    csv_files,
    edf,
    folder,
    own_csv,
    own_parquet,
    vital,
    wfdb_records,
)
from vitals.recordings.assemble import assemble
from vitals.recordings.mapping import NONE, Mapping
from vitals.recordings.recording import Raw, Recording, RecordingError, Source, Tell

__all__ = ["Recording", "RecordingError", "is_plain_csv", "read"]

_GZIP, _ZIP = b"\x1f\x8b", b"PK"
_BLOCK = 1 << 20
_Reader = Callable[[Path, Mapping, Tell], Raw]


def _quiet(_: str) -> None:
    """Nobody is told."""


def read(path: Path, mapping: Mapping = NONE, text: str = "", tell: Tell = _quiet) -> Recording:
    """Reads a recording, of whatever format.

    Args:
        path: a file, or the folder of an export; of WFDB the header.
        mapping: which tracks are which channels; needed for a CSV of another program.
        text: of the mapping, for the record.
        tell: is told what is being read.

    Raises:
        RecordingError: it cannot be used; a sentence.
    """
    try:
        reader, parts = _reader(path)
        source = Source(path.name, _sha256(parts), "", text)
        raw = reader(path, mapping, tell)
        found = Source(path.name, source.sha256, raw.reader, text)
        return assemble(raw, found, mapping)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise RecordingError(f"{path}: it cannot be read ({reason}); check the path") from error
    except MemoryError as error:
        raise RecordingError(f"{path.name}: it does not fit into memory") from error


def is_plain_csv(path: Path) -> bool:
    """Whether a file is a CSV of another program: one that needs a mapping.

    Raises:
        RecordingError: it cannot be read.
    """
    try:
        return _reader(path)[0] is csv_files.read
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise RecordingError(f"{path}: it cannot be read ({reason}); check the path") from error


def _reader(path: Path) -> tuple[_Reader, list[Path]]:
    """Who reads it, and the files it is made of."""
    if path.is_dir():
        return _of_folder(path), sorted(one for one in path.iterdir() if one.is_file())
    with path.open("rb") as file:
        sign = file.read(8)
    if not sign:
        raise RecordingError(f"{path.name}: it is empty")
    if sign.startswith(_GZIP):
        return vital.read, [path]
    if sign.startswith(_ZIP):
        return _of_folder(path), [path]
    if sign == edf.SIGN:
        return edf.read, [path]
    if path.suffix.lower() == ".hea":
        return wfdb_records.read, wfdb_records.files(path)
    if path.suffix.lower() == ".vital":
        raise RecordingError(f"{path.name}: it is no .vital file; its bytes are damaged")
    return csv_files.read, [path]


def _of_folder(path: Path) -> _Reader:
    with folder.opened(path) as found:
        if own_csv.is_one(found):
            return own_csv.read
        if own_parquet.is_one(found):
            return own_parquet.read
    raise RecordingError(f"{path.name}: it is no export of this program that can be read back")


def _sha256(paths: Iterable[Path]) -> str:
    found = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                found.update(block)
    return found.hexdigest()
