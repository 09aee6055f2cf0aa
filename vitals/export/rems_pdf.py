"""The REMS sheet as PDF: one A4 page, each field with its source, judgements left to a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO

from vitals.export.clinic import labels_of
from vitals.export.pdf_page import BOTTOM, GREY, INK, LEFT, PALE, TOP, WIDE, Sheet
from vitals.export.pdf_text import latin
from vitals.export.rems import Field, RemsSheet, fill
from vitals.export.session_data import SessionData
from vitals.export.target import Tell

_LABEL, _VALUE = 66.0, 58.0
_SOURCE = WIDE - _LABEL - _VALUE
_ROW, _LINE, _AFTER, _TITLE = 5.5, 3.0, 0.6, 6.2
_SMALL = 6.8
_MOST_LINES = 2


def write(data: SessionData, file: IO[bytes], tell: Tell) -> None:
    """Writes the sheet."""
    tell("the sheet")
    found, session = fill(data), data.session
    labels = labels_of(data)
    about = f"{session.room}, {labels.route(session.route)}, {session.mode} session"
    sheet = Sheet(data, found.title, 1, about)
    sheet.add_page()
    sheet.say(LEFT, TOP + 4, latin(found.title), 14, "B")
    y = TOP + 6
    for line in sheet.wrapped(latin(found.note), WIDE, 7.5, 2):
        sheet.say(LEFT, y + 3, line, 7.5, colour=GREY)
        y += 3.4
    said = {field.label: _recorded(sheet, field) for _, some in found.sections for field in some}
    if y + _tall(found, said) > BOTTOM:
        said = {label: lines[:1] for label, lines in said.items()}
    for title, fields in found.sections:
        sheet.say(LEFT, y + 5, latin(title), 9, "B")
        y += _TITLE
        sheet.rule(y, PALE)
        for field in fields:
            _field(sheet, field, y)
            y += _ROW
            for line in said[field.label]:
                sheet.say(LEFT + 4, y + 2, line, _SMALL, colour=INK)
                y += _LINE
            y += _AFTER if said[field.label] else 0.0
    file.write(sheet.file())


def _tall(found: RemsSheet, said: Mapping[str, list[str]]) -> float:
    rows = sum(len(fields) for _, fields in found.sections) * _ROW
    below = sum(len(lines) * _LINE + _AFTER for lines in said.values() if lines)
    return len(found.sections) * _TITLE + rows + below


def _recorded(sheet: Sheet, field: Field) -> list[str]:
    """What stands below a field: what was recorded, or a value that is too long for its line."""
    words = field.recorded
    if field.choices and field.value != field.ticked:
        words = field.value
    if not words:
        return []
    return sheet.wrapped(latin(f"Recorded: {words}"), WIDE - 4, _SMALL, _MOST_LINES)


def _field(sheet: Sheet, field: Field, y: float) -> None:
    """One line: label, value or boxes or an empty line, source."""
    base, x = y + 4.0, LEFT + _LABEL
    sheet.say(LEFT, base, sheet.fitted(latin(field.label), _LABEL - 2, 8), 8)
    for choice in field.choices:
        x = _box(sheet, x, base, choice, ticked=choice == field.ticked)
    if field.value and not field.choices:
        sheet.say(x, base, sheet.fitted(latin(field.value), _VALUE - 2, 9, "B"), 9, "B")
    elif not field.choices:
        sheet.set_draw_color(*GREY)
        sheet.set_line_width(0.2)
        sheet.line(x, base + 0.8, LEFT + _LABEL + _VALUE - 3, base + 0.8)
    source = sheet.wrapped(latin(field.source), _SOURCE, _SMALL, _MOST_LINES)
    start = base - (0.9 if len(source) > 1 else 0)
    for n, line in enumerate(source):
        sheet.say(LEFT + _LABEL + _VALUE, start + n * 2.6, line, _SMALL, colour=GREY)


def _box(sheet: Sheet, x: float, base: float, words: str, *, ticked: bool) -> float:
    """A box with its words; returns where the next one may stand."""
    sheet.set_draw_color(*INK)
    sheet.set_line_width(0.25)
    sheet.rect(x, base - 2.6, 2.8, 2.8)
    if ticked:
        sheet.set_line_width(0.45)
        sheet.line(x + 0.4, base - 2.2, x + 2.4, base - 0.2)
        sheet.line(x + 0.4, base - 0.2, x + 2.4, base - 2.2)
    sheet.say(x + 4, base, latin(words), 8)
    return x + 4 + sheet.wide(latin(words), 8) + 3.5
