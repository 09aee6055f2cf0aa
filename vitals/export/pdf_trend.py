"""The trend of a session, drawn line by line: SpO2 above, pulse and blood pressures below."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vitals.export.pdf_text import latin
from vitals.export.session_data import NumericTrack, SessionData, doses
from vitals.export.timeline import Point, timeline
from vitals.freshness import FRESH_S
from vitals.model import US

if TYPE_CHECKING:
    from fpdf import FPDF

INK, GREY, PALE = (20, 24, 33), (120, 126, 138), (228, 231, 236)
_BLUE, _GREEN, _RED = (24, 95, 165), (38, 122, 72), (170, 40, 40)
_LINES = 400
"""Points that a line has at most: more would not be seen on paper."""
_STEPS = (5, 10, 15, 20, 30, 60, 120, 240)
_MOST_TICKS = 12
_LEGEND = (
    "Bars: systolic to diastolic; x: failed; M: by hand. Grey: off the monitor, or program down. "
    "Numbers: marks, see page 2"
)
NUMBERED = 15
"""Marks that get a number in the picture."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A rectangle with its own scale; y grows upwards from `low` to `high`."""

    x: float
    y: float
    w: float
    h: float
    from_us: int
    to_us: int
    low: float
    high: float

    def at(self, at_us: float, value: float) -> tuple[float, float]:
        """A point of the picture; beyond the scale it stays at the edge."""
        inside = min(max(value, self.low), self.high)
        x = self.x + self.w * (at_us - self.from_us) / max(1, self.to_us - self.from_us)
        return x, self.y + self.h * (self.high - inside) / (self.high - self.low)


def marks(data: SessionData) -> list[Point]:
    """What people noted: the marks that the picture numbers and the next page explains."""
    shown = ("mark", "symptom", "adverse event", "call")
    return [point for point in timeline(data.entries) if point.kind in shown]


def draw(pdf: FPDF, data: SessionData, x: float, y: float, w: float, h: float) -> None:
    """Draws the trend into a rectangle (mm)."""
    from_us, to_us = data.session.started_us, max(data.to_us, data.session.started_us + 60 * US)
    upper = Panel(x + 9, y + 4, w - 9, h * 0.32, from_us, to_us, _floor(data), 100)
    low, high = _span(data)
    lower = Panel(x + 9, y + h * 0.32 + 13, w - 9, h * 0.68 - 19, from_us, to_us, low, high)
    for panel, step in ((upper, 5 if upper.low > 75 else 10), (lower, 20 if high < 190 else 40)):
        _shade(pdf, data, panel)
        _grid(pdf, panel, step)
    _times(pdf, data, lower)
    for track in data.numerics:
        if track.channel.key == "spo2":
            _line(pdf, upper, track, _BLUE)
        elif track.channel.key in ("pr", "hr") and track.at_us.size > 1:
            _line(pdf, lower, track, _GREEN)
    _pressures(pdf, data, lower)
    _events(pdf, data, upper, lower)
    _label(pdf, x, y + 1.5, "SpO2 %", _BLUE)
    _label(pdf, x, lower.y - 2.5, "Pulse /min", _GREEN)
    _label(pdf, x + 14, lower.y - 2.5, "BP mmHg", _RED)
    _label(pdf, lower.x, lower.y + lower.h + 5.6, _LEGEND, GREY)


def _floor(data: SessionData) -> float:
    found = [t for t in data.numerics if t.channel.key == "spo2" and t.shown.any()]
    lows = [track.value[track.shown].min() for track in found]
    return float(min(85, 5 * np.floor(min(lows) / 5))) if lows else 85.0


def _span(data: SessionData) -> tuple[float, float]:
    found = [t for t in data.numerics if t.channel.key in ("pr", "hr", "nibp_sys", "nibp_dia")]
    values = [t.value[t.shown] for t in found if t.shown.any()]
    if not values:
        return 40.0, 160.0
    low, high = min(v.min() for v in values), max(v.max() for v in values)
    return float(min(40, 20 * np.floor(low / 20))), float(max(160, 20 * np.ceil(high / 20)))


def _shade(pdf: FPDF, data: SessionData, panel: Panel) -> None:
    """Time off the monitor, and time in which the program was down."""
    pdf.set_fill_color(*PALE)
    for from_us, to_us in (*data.coverage.off, *data.gaps):
        left, right = panel.at(from_us, panel.low)[0], panel.at(to_us, panel.low)[0]
        pdf.rect(left, panel.y, max(0.2, right - left), panel.h, style="F")


def _grid(pdf: FPDF, panel: Panel, step: int) -> None:
    pdf.set_line_width(0.1)
    pdf.set_draw_color(*PALE)
    pdf.set_text_color(*GREY)
    pdf.set_font_size(6)
    for value in range(int(panel.low), int(panel.high) + 1, step):
        _, y = panel.at(panel.from_us, value)
        pdf.line(panel.x, y, panel.x + panel.w, y)
        text = str(value)
        pdf.text(panel.x - 1 - pdf.get_string_width(text), y + 0.8, text)


def _times(pdf: FPDF, data: SessionData, panel: Panel) -> None:
    """Minutes from the dose, or from the beginning, along the lower edge."""
    zero_us = data.session.dose_us if data.session.dose_us is not None else panel.from_us
    minutes = (panel.to_us - panel.from_us) / US / 60
    step = next((s for s in _STEPS if minutes / s <= _MOST_TICKS), int(minutes / _MOST_TICKS) + 1)
    first = int(np.ceil((panel.from_us - zero_us) / US / 60 / step)) * step
    last = int((panel.to_us - zero_us) / US / 60)
    pdf.set_text_color(*GREY)
    pdf.set_font_size(6)
    for minute in range(first, last + 1, step):
        x, y = panel.at(zero_us + minute * 60 * US, panel.low)
        pdf.line(x, y, x, y + 0.8)
        text = f"{minute:+d}" if minute else "0"
        pdf.text(x - pdf.get_string_width(text) / 2, y + 3.2, text)
    since = "dose" if data.session.dose_us is not None else "beginning"
    words = f"minutes from the {since}"
    pdf.text(panel.x + panel.w - pdf.get_string_width(words), panel.y + panel.h + 5.6, words)


def _line(pdf: FPDF, panel: Panel, track: NumericTrack, colour: tuple[int, int, int]) -> None:
    """Highest and lowest of each stretch, so that no short fall is lost; a gap stays a gap."""
    pdf.set_draw_color(*colour)
    pdf.set_line_width(0.25)
    at_us, value = track.at_us[track.shown], track.value[track.shown]
    width_us = max(1.0, (panel.to_us - panel.from_us) / _LINES)
    most_us = max(2 * width_us, 2 * FRESH_S * US)
    breaks = np.flatnonzero(np.diff(at_us) > most_us) + 1
    for times, values in zip(np.split(at_us, breaks), np.split(value, breaks), strict=True):
        points = [panel.at(t, v) for t, v in _extremes(times, values, width_us)]
        if len(points) == 1:
            x, y = points[0]
            pdf.line(x - 0.3, y, x + 0.3, y)
        elif points:
            pdf.polyline(points)


def _extremes(
    at_us: np.ndarray[tuple[int], np.dtype[np.int64]],
    value: np.ndarray[tuple[int], np.dtype[np.float64]],
    width_us: float,
) -> Iterator[tuple[float, float]]:
    if not at_us.size:
        return
    bucket = ((at_us - at_us[0]) / width_us).astype(np.int64)
    for part in np.split(np.arange(at_us.size), np.flatnonzero(np.diff(bucket)) + 1):
        picks = {int(part[np.argmin(value[part])]), int(part[np.argmax(value[part])])}
        yield from ((float(at_us[i]), float(value[i])) for i in sorted(picks))


def _pressures(pdf: FPDF, data: SessionData, panel: Panel) -> None:
    pdf.set_draw_color(*_RED)
    pdf.set_text_color(*_RED)
    pdf.set_font_size(6)
    for one in data.pressures:
        if one.failure:
            x, y = panel.at(one.at_us, panel.low + 0.06 * (panel.high - panel.low))
            pdf.set_line_width(0.3)
            pdf.line(x - 0.8, y - 0.8, x + 0.8, y + 0.8)
            pdf.line(x - 0.8, y + 0.8, x + 0.8, y - 0.8)
            continue
        known = [panel.at(one.at_us, v) for v in (one.sys, one.dia) if v is not None]
        for x, y in known:
            pdf.set_line_width(0.35)
            pdf.line(x - 0.9, y, x + 0.9, y)
        if len(known) == 2:
            pdf.set_line_width(0.25)
            pdf.line(*known[0], *known[1])
        if one.manual and known:
            pdf.text(known[0][0] + 1.0, known[0][1] + 0.6, "M")


def _events(pdf: FPDF, data: SessionData, upper: Panel, lower: Panel) -> None:
    """Doses as full lines, marks as numbered ticks."""
    pdf.set_draw_color(*INK)
    pdf.set_text_color(*INK)
    for dose in doses(data.session):
        x, _ = upper.at(dose.at_us, 0)
        pdf.set_line_width(0.3)
        pdf.line(x, upper.y, x, lower.y + lower.h)
        pdf.set_font_size(6.5)
        pdf.text(x + 0.6, upper.y - 0.6, latin(dose.kind.upper()))
    pdf.set_font_size(5.5)
    for number, mark in enumerate(marks(data)[:NUMBERED], 1):
        x, _ = upper.at(mark.at_us, 0)
        pdf.set_line_width(0.15)
        pdf.set_dash_pattern(0.6, 0.6)
        pdf.line(x, upper.y + upper.h, x, lower.y)
        pdf.set_dash_pattern()
        pdf.text(x + 0.4, upper.y + upper.h + 2.2, str(number))


def _label(pdf: FPDF, x: float, y: float, text: str, colour: tuple[int, int, int]) -> None:
    pdf.set_font_size(6.5)
    pdf.set_text_color(*colour)
    pdf.text(x, y, text)
