"""The report and the REMS sheet of a session as bytes. Runs in the figure process."""

from __future__ import annotations

import io
import time
from dataclasses import asdict, replace
from pathlib import Path

import orjson

from dashboard.review import Rooms
from dashboard.review.exporting import file_name
from dashboard.review.held import held, record_of, told_to
from vitals.export.session_data import DISCLAIMER, SessionData
from vitals.store.reader import Reader

KINDS = {"pdf": "report", "rems": "rems"}
"""Format -> what its file is called."""


def name(store: Path, uuid: str, form: str, *, rooms: Rooms = None) -> str | None:
    """Name of the file, as `KV-0417_2027-01-15_im_report.pdf`; None without such a session.

    Raises:
        StoreError: the record cannot be read.
    """
    record = record_of(Reader(store), uuid, rooms) if store.exists() else None
    if record is None:
        return None
    return file_name(record.session, record.tz, KINDS[form], ".pdf")


def pdf(
    store: Path, uuid: str, form: str, *, names: bool = False, rooms: Rooms = None
) -> bytes | None:
    """The report (`pdf`) or the sheet (`rems`); None when there is no such session.

    Raises:
        StoreError: the record cannot be read.
        ExportError: the library that draws is not installed.
    """
    data = _data(store, uuid, rooms, names=names)
    if data is None:
        return None
    from vitals.export import pdf as report  # here, as the library may not be there
    from vitals.export import rems_pdf

    file = io.BytesIO()
    (report if form == "pdf" else rems_pdf).write(data, file, lambda _: None)
    return file.getvalue()


def rems(store: Path, uuid: str, *, rooms: Rooms = None) -> bytes | None:
    """The fields of the sheet, each with its source; None when there is no such session.

    Raises:
        StoreError: the record cannot be read.
    """
    from vitals.export.rems import fill

    data = _data(store, uuid, rooms, names=False)
    if data is None:
        return None
    sheet = fill(data)
    sections = [
        {"title": title, "fields": [asdict(field) for field in fields]}
        for title, fields in sheet.sections
    ]
    told = {
        "session": data.session.id,
        "mode": data.session.mode,
        "title": sheet.title,
        "note": sheet.note,
        "sections": sections,
        "unreadable": list(data.unreadable),
        "disclaimer": DISCLAIMER,
    }
    return orjson.dumps(told)


def _data(store: Path, uuid: str, rooms: Rooms, *, names: bool) -> SessionData | None:
    """As it is kept for the page of the session; a report of another moment says its own time."""
    kept = held(store, uuid, rooms)
    if kept is None:
        return None
    return replace(told_to(kept, names=names), exported_us=time.time_ns() // 1000)
