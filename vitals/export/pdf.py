"""The session report as PDF: two A4 pages, drawn with fpdf2 alone.

The first page answers in ten seconds: doses, pressures, lowest SpO2, alarms, what is missing,
and the trend. The second has the readings, alarms, marks, scores and the discharge.
"""

from __future__ import annotations

from typing import IO

from vitals.export.clinic import labels_of
from vitals.export.pdf_front import draw_front
from vitals.export.pdf_page import Sheet
from vitals.export.pdf_tables import draw_tables
from vitals.export.session_data import SessionData
from vitals.export.target import Tell

_PAGES = 2


def write(data: SessionData, file: IO[bytes], tell: Tell) -> None:
    """Writes the report."""
    labels, session = labels_of(data), data.session
    about = f"{session.room}, {labels.route(session.route)}, {session.mode} session"
    sheet = Sheet(data, "Session report", _PAGES, about)
    tell("page 1")
    draw_front(sheet, data, labels)
    tell("page 2")
    draw_tables(sheet, data)
    file.write(sheet.file())
