"""The first page of a report: what was given, eight numbers, what is missing, the trend."""

from __future__ import annotations

from collections.abc import Sequence

from vitals.export.clinic import Labels
from vitals.export.pdf_answers import Answer, Tile, answers, given, tiles
from vitals.export.pdf_page import AMBER, BOTTOM, GREY, INK, LEFT, PALE, TOP, WIDE, Sheet
from vitals.export.pdf_text import latin
from vitals.export.pdf_trend import draw
from vitals.export.session_data import SessionData
from vitals.export.summary import summarise

_ACROSS, _TILE, _GAP = 4, 23.5, 2.0
_MOST_DOSES, _MOST_LINES, _ROW = 4, 4, 3.9
_LABEL = 25.0


def draw_front(sheet: Sheet, data: SessionData, labels: Labels) -> None:
    """Adds the page."""
    sheet.add_page()
    found = summarise(data)
    y = _given(sheet, given(data, labels), TOP)
    y = _tiles(sheet, tiles(data, found), y + 1.5)
    for answer in answers(data, found, labels):
        y = _answer(sheet, y, answer)
    draw(sheet, data, LEFT, y + 3, WIDE, BOTTOM - y - 3)


def _given(sheet: Sheet, lines: Sequence[str], y: float) -> float:
    shown = list(lines)
    if len(shown) > _MOST_DOSES:
        more = f"... {len(shown) - _MOST_DOSES + 1} more in the CSV export"
        shown = [*shown[: _MOST_DOSES - 1], more]
    for n, line in enumerate(shown):
        size = 10.5 if n == 0 else 9
        words = sheet.fitted(latin(line), WIDE, size, "B")
        sheet.say(LEFT, y + 3.5, words, size, "B")
        y += 5.0
    return y


def _tiles(sheet: Sheet, all_: Sequence[Tile], y: float) -> float:
    width = (WIDE + _GAP) / _ACROSS
    for n, tile in enumerate(all_):
        row, column = divmod(n, _ACROSS)
        _tile(sheet, tile, LEFT + column * width, y + row * (_TILE + _GAP), width - _GAP)
    return y + -(-len(all_) // _ACROSS) * (_TILE + _GAP) + 0.5


def _tile(sheet: Sheet, tile: Tile, x: float, y: float, w: float) -> None:
    sheet.set_line_width(0.35 if tile.marked else 0.2)
    sheet.set_draw_color(*(AMBER if tile.marked else PALE))
    sheet.rect(x, y, w, _TILE)
    sheet.say(x + 2, y + 4, sheet.fitted(latin(tile.label), w - 3, 7.5), 7.5, colour=GREY)
    value = sheet.fitted(latin(tile.value), w - 3, 17, "B")
    sheet.say(x + 2, y + 11, value, 17, "B", AMBER if tile.marked else INK)
    for n, line in enumerate(tile.lines[:3]):
        words = sheet.fitted(latin(line), w - 3, 7.2)
        sheet.say(x + 2, y + 15 + 3.2 * n, words, 7.2)


def _answer(sheet: Sheet, y: float, answer: Answer) -> float:
    style, colour = ("B", AMBER) if answer.marked else ("", INK)
    sheet.say(LEFT, y + 3, answer.label, 7.5, colour=GREY)
    for line in sheet.wrapped(latin(answer.words), WIDE - _LABEL, 8.5, _MOST_LINES, style):
        sheet.say(LEFT + _LABEL, y + 3, line, 8.5, style, colour)
        y += _ROW
    return y + 0.6
