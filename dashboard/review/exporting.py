"""Exports from the page: which formats there are, and the long work of writing one."""

from __future__ import annotations

import importlib.util
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dashboard.job_process import Made, Tell
from dashboard.review import Rooms
from vitals.errors import StoreError
from vitals.export import FORMATS, times
from vitals.export.command import write
from vitals.export.read import read_session
from vitals.export.session_data import SessionData
from vitals.model import Session
from vitals.store.reader import Reader
from vitals.store.rows import SessionRecord

LIBRARIES = {"edf": "edfio", "parquet": "pyarrow", "pdf": "fpdf"}
"""Extra -> the library that it brings, as it is imported."""
TITLES = {
    "csv": "CSV",
    "fhir": "FHIR",
    "hl7": "HL7 v2",
    "edf": "EDF+",
    "parquet": "Parquet",
    "pdf": "PDF",
    "vital": ".vital",
}
"""What people call the formats."""
MEDIA_TYPES = {
    ".zip": "application/zip",
    ".json": "application/fhir+json",
    ".pdf": "application/pdf",
}
_READING = 0.4
"""Share of the work that is reading."""
_WRITTEN = 0.98
"""Where writing ends; the rest is for the disk."""
_LONGEST_NAME = 60
_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")
_BLOCKS = 60
"""Blocks of a waveform that CSV writes at a time."""


def formats() -> list[dict[str, str]]:
    """Every format: `id`, `title`, `about`, and `missing`: why it cannot be written here."""
    return [
        {"id": key, "title": title_of(key), "about": about.about, "missing": missing(key)}
        for key, about in FORMATS.items()
    ]


def title_of(form: str) -> str:
    """What people call a format."""
    return TITLES.get(form, form.upper())


def missing(form: str) -> str:
    """What has to be installed for a format first, in one sentence; `""` for nothing."""
    extra = FORMATS[form].extra
    library = LIBRARIES.get(extra, "")
    if not library or importlib.util.find_spec(library) is not None:
        return ""
    install = f'pip install "kap-vitals[{extra}]"'
    return f"{title_of(form)} is not installed on this computer: {install}"


def room_of(store: Path, uuid: str, *, rooms: Rooms = None) -> str | None:
    """The room of a session; None when there is no such one in these rooms.

    Raises:
        StoreError: the record cannot be read.
    """
    record = seen(store, uuid, rooms)
    return record.session.room if record else None


def seen(store: Path, uuid: str, rooms: Rooms) -> SessionRecord | None:
    """A session of one of these rooms; None for anything else."""
    found = Reader(store).session(uuid) if store.exists() else None
    return found if found and (rooms is None or found.session.room in rooms) else None


def export(
    tell: Tell, folder: Path, store: Path, uuid: str, form: str, names: bool, rooms: Rooms
) -> Made:
    """Writes one format into a file of the job's folder. Runs in the job process.

    Raises:
        StoreError: the record cannot be read, or there is no such session.
        ExportError: the file cannot be written.
    """
    record = seen(store, uuid, rooms)
    if record is None:
        raise StoreError(f"there is no session {uuid!r}")
    tell(0.0, "reading the record")
    reader = Reader(store)
    channels = {channel for _, channel in reader.channels(uuid)}
    reads = _Steps(tell, "reading", 0.0, _READING, 1 + len(channels))
    now_us = time.time_ns() // 1000
    data = read_session(reader, record, names=names, exported_us=now_us, tell=reads.next)
    suffix = ".zip" if FORMATS[form].several else FORMATS[form].suffix
    file = f"export{suffix}"
    steps = _STEPS.get(form, _few)(data)
    writes = _Steps(tell, "writing", _READING, _WRITTEN, steps)
    write(data, form, folder / file, writes.next)
    said = [*data.unreadable]
    if record.state == "open":
        said.insert(0, f"The session is open: it is exported up to {data.iso(data.to_us)}.")
    facts = {"notes": said, "bytes": (folder / file).stat().st_size, "names": names}
    name = file_name(record.session, record.tz, form, suffix)
    media_type = MEDIA_TYPES.get(suffix, "application/octet-stream")
    return Made(facts, file, name, media_type)


def file_name(session: Session, tz: str, form: str, suffix: str) -> str:
    """A name that every system takes: `KV-0417_2027-01-15_im_csv.zip`."""
    day = times.moment(session.started_us, times.zone(tz)).date().isoformat()
    mode = [] if session.mode == "real" else [session.mode.upper()]
    kind = [] if suffix == f".{form}" else [form]
    words = [*mode, session.subject_ref, day, session.route, *kind]
    plain = [_UNSAFE.sub("-", word).strip("-.")[:_LONGEST_NAME] or "session" for word in words]
    return "_".join(plain) + suffix


class _Steps:
    """Tells how far a part of the work is, from how many steps it is expected to have."""

    def __init__(self, tell: Tell, verb: str, first: float, last: float, steps: int) -> None:
        self._tell, self._verb = tell, verb
        self._first, self._last = first, last
        self._steps = max(1, steps)
        self._done = 0

    def next(self, what: str) -> None:
        """The next step."""
        share = min(1.0, self._done / self._steps)
        self._done += 1
        self._tell(self._first + share * (self._last - self._first), f"{self._verb} {what}")


def _tracks(data: SessionData) -> int:
    return 1 + len(data.numerics) + len(data.waves)


def _tables(data: SessionData) -> int:
    return 8 + sum(len(track.blocks) // _BLOCKS for track in data.waves)


def _minutes(data: SessionData) -> int:
    return 1 + (data.to_us - data.session.started_us) // 60_000_000


def _few(_: SessionData) -> int:
    return 3


_STEPS: dict[str, Callable[[SessionData], Any]] = {
    "csv": _tables,
    "hl7": _minutes,
    "edf": _tracks,
    "vital": _tracks,
    "parquet": lambda _: 5,
}
"""Format -> how many steps its `write` is expected to tell."""
