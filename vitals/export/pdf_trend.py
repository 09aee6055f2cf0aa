"""The trend of a session, drawn line by line.

SpO2 above, pulse and blood pressures below; between them when alarms were on, those about the
patient and technical ones apart; on top the phases.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from vitals.export.pdf_page import AMBER, GREY, INK, PALE, Colour, Sheet
from vitals.export.pdf_panel import Panel
from vitals.export.pdf_rows import points
from vitals.export.pdf_spans import (
    Limit,
    alarm_spans,
    limit_spans,
    phase_spans,
    technical_spans,
)
from vitals.export.pdf_text import latin
from vitals.export.session_data import NumericTrack, SessionData, doses
from vitals.export.times import moment
from vitals.freshness import FRESH_S
from vitals.model import US

_BLUE, _GREEN, _RED = (24, 95, 165), (38, 122, 72), (170, 40, 40)
_LIMITS: dict[str, Colour] = {"high": (200, 90, 90), "medium": (205, 160, 80)}
_ALARMS: dict[str, Colour] = {
    "high": (200, 40, 40),
    "medium": (222, 160, 30),
    "low": (60, 160, 190),
}
_LANES = tuple(_ALARMS)
_LANE = 1.7
_TECHNICAL = 2.2
"""Height of the lane of technical alarms: an outline, so that it is another mark in grey print."""
_STROKES = 0.9
"""mm between the strokes in it."""
_LINES = 400
"""Points that a line has at most: more would not be seen on paper."""
_STEPS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 240)
_MOST_TICKS = 12
_LEGEND = (
    "Bars: systolic to diastolic; x: failed; M: by hand. Dashed: alarm limits in force (SpO2 low, "
    "systolic high). Grey: off the monitor or program down. Numbers: marks, page 2",
    "Alarms: full bars are about the patient, a lane for each priority; hatched outlines are "
    "technical (device, signal, program), whatever their priority",
)
_NUMBERED = 40
"""Marks that get a number in the picture."""


def draw(pdf: Sheet, data: SessionData, x: float, y: float, w: float, h: float) -> None:
    """Draws the trend into a rectangle (mm)."""
    from_us, to_us = data.session.started_us, max(data.to_us, data.session.started_us + 60 * US)
    strip = len(_LANES) * _LANE + _TECHNICAL + 7
    tall = h - 14 - strip - 9
    upper = Panel(x + 9, y + 11, w - 9, tall * 0.3, from_us, to_us, _floor(data), 100)
    low, high = _span(data)
    under = upper.y + upper.h + strip
    lower = Panel(x + 9, under, w - 9, tall * 0.7, from_us, to_us, low, high)
    for panel, step in ((upper, 5 if upper.low > 75 else 10), (lower, 20 if high < 190 else 40)):
        _shade(pdf, data, panel)
        _grid(pdf, panel, step)
    limits = limit_spans(data, ("spo2-low", "sbp-high"))
    _limits(pdf, upper, limits["spo2-low"])
    _limits(pdf, lower, limits["sbp-high"])
    _times(pdf, data, lower)
    for track in data.numerics:
        if track.channel.key == "spo2":
            _line(pdf, upper, track, _BLUE)
        elif track.channel.key in ("pr", "hr") and track.at_us.size > 1:
            _line(pdf, lower, track, _GREEN)
    _pressures(pdf, data, lower)
    _alarms(pdf, data, upper, upper.y + upper.h + 1.5)
    _phases(pdf, data, upper, y)
    _events(pdf, data, upper, lower)
    pdf.say(x, y + 9.5, "SpO2 %", 6.5, colour=_BLUE)
    pdf.say(x, lower.y - 1.8, "Pulse /min", 6.5, colour=_GREEN)
    pdf.say(x + 14, lower.y - 1.8, "BP mmHg", 6.5, colour=_RED)
    for line, words in enumerate(reversed(_LEGEND)):
        pdf.say(x, y + h - 0.5 - line * 2.7, words, 6.3, colour=GREY)


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


def _shade(pdf: Sheet, data: SessionData, panel: Panel) -> None:
    """Time off the monitor, and time in which the program was down."""
    pdf.set_fill_color(*PALE)
    for from_us, to_us in (*data.coverage.off, *data.gaps):
        left, right = panel.x_at(from_us), panel.x_at(to_us)
        pdf.rect(left, panel.y, max(0.2, right - left), panel.h, style="F")


def _grid(pdf: Sheet, panel: Panel, step: int) -> None:
    pdf.set_line_width(0.1)
    pdf.set_draw_color(*PALE)
    for value in range(int(panel.low), int(panel.high) + 1, step):
        y = panel.y_at(value)
        pdf.line(panel.x, y, panel.x + panel.w, y)
        text = str(value)
        pdf.say(panel.x - 1 - pdf.wide(text, 6), y + 0.8, text, 6, colour=GREY)


def _limits(pdf: Sheet, panel: Panel, limits: Iterable[Limit]) -> None:
    """Limits in force, where they lie within the picture."""
    pdf.set_line_width(0.18)
    pdf.set_dash_pattern(1.4, 1.2)
    for from_us, to_us, priority, limit in limits:
        if priority in _LIMITS and panel.low < limit < panel.high:
            pdf.set_draw_color(*_LIMITS[priority])
            y = panel.y_at(limit)
            pdf.line(panel.x_at(from_us), y, panel.x_at(to_us), y)
    pdf.set_dash_pattern()


def _times(pdf: Sheet, data: SessionData, panel: Panel) -> None:
    """Minutes from the dose, or from the beginning, and the clock, along the lower edge."""
    zero_us = data.session.dose_us if data.session.dose_us is not None else panel.from_us
    minutes = (panel.to_us - panel.from_us) / US / 60
    step = next((s for s in _STEPS if minutes / s <= _MOST_TICKS), int(minutes / _MOST_TICKS) + 1)
    first = int(np.ceil((panel.from_us - zero_us) / US / 60 / step)) * step
    last = int((panel.to_us - zero_us) / US / 60)
    pdf.set_draw_color(*GREY)
    pdf.set_line_width(0.15)
    bottom = panel.y + panel.h
    for minute in range(first, last + 1, step):
        at_us = zero_us + minute * 60 * US
        x = panel.x_at(at_us)
        pdf.line(x, bottom, x, bottom + 0.8)
        text, hour = f"{minute:+d}" if minute else "0", f"{moment(at_us, data.zone):%H:%M}"
        pdf.say(x - pdf.wide(text, 6.5) / 2, bottom + 3.2, text, 6.5)
        pdf.say(x - pdf.wide(hour, 5.5) / 2, bottom + 5.6, hour, 5.5, colour=GREY)
    since = "dose" if data.session.dose_us is not None else "start"
    pdf.say(panel.x - 9, bottom + 3.2, "min from", 5.5, colour=GREY)
    pdf.say(panel.x - 9, bottom + 5.6, since, 5.5, colour=GREY)


def _line(pdf: Sheet, panel: Panel, track: NumericTrack, colour: Colour) -> None:
    """Highest and lowest of each stretch, so that no short fall is lost; a gap stays a gap."""
    pdf.set_draw_color(*colour)
    pdf.set_line_width(0.25)
    at_us, value = track.at_us[track.shown], track.value[track.shown]
    width_us = max(1.0, (panel.to_us - panel.from_us) / _LINES)
    most_us = max(2 * width_us, 2 * FRESH_S * US)
    breaks = np.flatnonzero(np.diff(at_us) > most_us) + 1
    for times, values in zip(np.split(at_us, breaks), np.split(value, breaks), strict=True):
        corners = [panel.at(t, v) for t, v in _extremes(times, values, width_us)]
        if len(corners) == 1:
            x, y = corners[0]
            pdf.line(x - 0.3, y, x + 0.3, y)
        elif corners:
            pdf.polyline(corners)


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


def _pressures(pdf: Sheet, data: SessionData, panel: Panel) -> None:
    pdf.set_draw_color(*_RED)
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
            pdf.say(known[0][0] + 1.0, known[0][1] + 0.6, "M", 6, colour=_RED)


def _alarms(pdf: Sheet, data: SessionData, panel: Panel, y: float) -> None:
    """A lane for each priority, and one for technical ones: from being met to the end."""
    for lane, priority in enumerate(_LANES):
        top = y + lane * _LANE
        pdf.say(panel.x - 9, top + _LANE - 0.2, priority, 5, colour=GREY)
        pdf.set_fill_color(*_ALARMS[priority])
        for from_us, to_us in alarm_spans(data, priority):
            left, right = panel.x_at(from_us), panel.x_at(to_us)
            pdf.rect(left, top, max(0.35, right - left), _LANE - 0.35, style="F")
    top = y + len(_LANES) * _LANE + 0.3
    pdf.say(panel.x - 9, top + _TECHNICAL - 0.6, "technical", 5, colour=GREY)
    for from_us, to_us, _ in technical_spans(data):
        left = panel.x_at(from_us)
        _hatched(pdf, left, top, max(_STROKES, panel.x_at(to_us) - left), _TECHNICAL - 0.6)


def _hatched(pdf: Sheet, x: float, y: float, w: float, h: float) -> None:
    """An outline with slanting strokes: no colour tells it from a full bar."""
    pdf.set_draw_color(*INK)
    pdf.set_line_width(0.12)
    pdf.rect(x, y, w, h)
    at = x
    while at + h < x + w:
        pdf.line(at, y + h, at + h, y)
        at += _STROKES


def _phases(pdf: Sheet, data: SessionData, panel: Panel, y: float) -> None:
    """Names of the phases over the picture, as far as they have room."""
    pdf.set_draw_color(*PALE)
    pdf.set_line_width(0.3)
    for from_us, to_us, name in phase_spans(data):
        left, right = panel.x_at(from_us), panel.x_at(to_us)
        pdf.line(left, y, left, y + 3.2)
        words = latin(name.replace("_", " ").lower())
        if pdf.wide(words, 6) < right - left - 1:
            pdf.say(left + 0.7, y + 2.4, words, 6, colour=GREY)


def _events(pdf: Sheet, data: SessionData, upper: Panel, lower: Panel) -> None:
    """Doses as full lines, marks as numbered ticks between the panels."""
    pdf.set_draw_color(*INK)
    taken = -1.0
    for dose in doses(data.session):
        x = upper.x_at(dose.at_us)
        pdf.set_line_width(0.3)
        pdf.line(x, upper.y - 3, x, lower.y + lower.h)
        words = latin(dose.kind.upper())
        if x > taken:
            pdf.say(x + 0.6, upper.y - 1, words, 6.5, "B")
            taken = x + 1.2 + pdf.wide(words, 6.5, "B")
    top = upper.y + upper.h + 1.5 + len(_LANES) * _LANE + _TECHNICAL
    pdf.set_draw_color(*AMBER)
    pdf.set_line_width(0.25)
    shown = list(enumerate(points(data)[:_NUMBERED], 1))
    for _, mark in shown:
        x = upper.x_at(mark.at_us)
        pdf.line(x, top + 0.3, x, lower.y)
    while shown:  # numbers that would stand over each other share one place
        number, mark = shown.pop(0)
        x, words = upper.x_at(mark.at_us), str(number)
        while shown and upper.x_at(shown[0][1].at_us) < x + 0.8 + pdf.wide(words, 6):
            words = f"{words},{shown.pop(0)[0]}"
        pdf.say(x + 0.4, top + 3.4, words, 6)
