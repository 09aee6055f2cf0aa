"""The traces of a session's figure: what is drawn on the axes of its panels. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dashboard.axis import array, plain, times, to_ms
from dashboard.chart import Chart, LimitLine, Line, Spot
from dashboard.decimate import decimate
from dashboard.looks import COLOURS, DARK_ON, GREY, LOOKS, PRIORITY_COLOURS, SOFT, TEXT
from dashboard.panels import LABELS, Frame, Panel

MOST_POINTS = 8000
"""Of one line: two hours of one value a second are drawn as they are."""
SYMBOLS = {"nibp_sys": "triangle-down", "nibp_dia": "triangle-up"}
FILLS = (("medium", "rgba(250,204,21,0.06)"), ("high", "rgba(217,45,32,0.13)"))
"""The tint of the bands beyond the limits."""
EXPECTED = "expected course – not a limit"


def traces(chart: Chart, frame: Frame) -> list[dict[str, Any]]:
    """All traces, those behind first."""
    return [
        *_expected(chart, frame),
        *_limit_fills(chart, frame),
        *_limit_lines(chart, frame),
        *_lines(chart, frame),
        *_pressure_bars(chart, frame),
        *_spots(chart, frame),
        *_failures(chart, frame),
        *_strips(chart, frame),
        *_marks(chart, frame),
    ]


def _lines(chart: Chart, frame: Frame) -> Iterator[dict[str, Any]]:
    seen: dict[str, int] = {}
    for line in chart.lines:
        panel = frame.panel(line.channel)
        if panel is None or not line.at_us.size:
            continue
        nth = seen[line.channel] = seen.get(line.channel, -1) + 1
        dash = "solid" if nth == 0 and not _second_pulse(chart, line) else "dot"
        stroke = {"color": COLOURS.get(line.channel, GREY), "width": 1.4, "dash": dash}
        at_us, value = decimate(line.at_us, line.value, most=MOST_POINTS)
        yield {**_trace(chart, panel, line, at_us, value), "mode": "lines", "line": stroke}
        if line.doubted.any():
            doubted = decimate(line.at_us[line.doubted], line.value[line.doubted], most=MOST_POINTS)
            trace = _trace(chart, panel, line, *doubted)
            yield {
                **trace,
                "name": trace["name"] + " questionable",
                "mode": "markers",
                "marker": {"color": GREY, "size": 4, "symbol": "circle-open"},
                "hovertemplate": trace["hovertemplate"] + "<br>questionable",
            }


def _second_pulse(chart: Chart, line: Line) -> bool:
    return line.channel == "pr" and any(each.channel == "hr" for each in chart.lines)


def _trace(
    chart: Chart,
    panel: Panel,
    line: Line,
    at_us: NDArray[np.int64],
    value: NDArray[np.float64],
) -> dict[str, Any]:
    said = f"%{{y:.0f}} {panel.unit}<br>%{{x}}<br>{plain(line.device)}<extra></extra>"
    return {
        "type": "scatter",
        "x": times(chart, at_us),
        "y": array(value.astype(np.float32)),
        "name": LABELS.get(line.channel, line.channel),
        "yaxis": panel.axis,
        "connectgaps": False,
        "hovertemplate": said,
    }


def _pressure_bars(chart: Chart, frame: Frame) -> Iterator[dict[str, Any]]:
    """A line from each diastolic to its systolic value, as cuffs are charted."""
    above = {s.at_us: s.value for s in chart.spots if s.channel == "nibp_sys"}
    below = {s.at_us: s.value for s in chart.spots if s.channel == "nibp_dia"}
    both = sorted(above.keys() & below.keys())
    panel = frame.panel("nibp_sys")
    if not both or panel is None:
        return
    yield {
        "type": "scatter",
        "x": [x for at in both for x in (to_ms(chart, at), to_ms(chart, at), None)],
        "y": [y for at in both for y in (above[at], below[at], None)],
        "mode": "lines",
        "line": {"color": COLOURS["nibp_sys"], "width": 1.4},
        "yaxis": panel.axis,
        "hoverinfo": "skip",
    }


def _spots(chart: Chart, frame: Frame) -> Iterator[dict[str, Any]]:
    channels = dict.fromkeys(spot.channel for spot in chart.spots)
    for channel in channels:
        spots = [spot for spot in chart.spots if spot.channel == channel]
        panel = frame.panel(channel)
        if panel is None:
            continue
        yield {
            "type": "scatter",
            "x": [to_ms(chart, spot.at_us) for spot in spots],
            "y": [spot.value for spot in spots],
            "mode": "markers",
            "name": LABELS.get(channel, channel),
            "marker": {
                "symbol": [_symbol(spot) for spot in spots],
                "color": COLOURS.get(channel, GREY),
                "size": 9,
            },
            "yaxis": panel.axis,
            "text": [plain(spot.words) for spot in spots],
            "hovertemplate": "%{text}<br>%{x}<extra></extra>",
        }


def _symbol(spot: Spot) -> str:
    symbol = SYMBOLS.get(spot.channel, "circle")
    return f"{symbol}-open" if spot.by_hand else symbol


def _failures(chart: Chart, frame: Frame) -> Iterator[dict[str, Any]]:
    panel = frame.panel("nibp_sys")
    if not chart.failures or panel is None:
        return
    low, high = panel.span
    yield {
        "type": "scatter",
        "x": [to_ms(chart, each.at_us) for each in chart.failures],
        "y": [low + (high - low) * 0.04] * len(chart.failures),
        "mode": "markers",
        "name": "not obtained",
        "marker": {"symbol": "x", "color": "#ff8f85", "size": 9},
        "yaxis": panel.axis,
        "text": [plain(each.words) for each in chart.failures],
        "hovertemplate": "BP not obtained: %{text}<br>%{x}<extra></extra>",
    }


def _expected(chart: Chart, frame: Frame) -> Iterator[dict[str, Any]]:
    for course in chart.expected:
        panel = frame.panel(course.channel)
        if panel is None:
            continue
        x = [to_ms(chart, at_us) for at_us in course.at_us]
        yield {
            "type": "scatter",
            "x": [*x, *reversed(x)],
            "y": [*course.high, *reversed(course.low)],
            "mode": "lines",
            "line": {"width": 0},
            "fill": "toself",
            "fillcolor": "rgba(255,154,108,0.14)",
            "name": EXPECTED,
            "yaxis": panel.axis,
            "hoverinfo": "skip",
        }


def _limit_lines(chart: Chart, frame: Frame) -> Iterator[dict[str, Any]]:
    for priority in ("medium", "high"):
        for panel in frame.panels:
            limits = _of(chart.limits, panel, priority)
            if not limits:
                continue
            yield {
                "type": "scatter",
                "x": [x for one in limits for x in (*_ends(chart, one), None)],
                "y": [y for one in limits for y in (one.limit, one.limit, None)],
                "mode": "lines",
                "line": {"color": PRIORITY_COLOURS[priority], "width": 1, "dash": "dot"},
                "opacity": 0.75,
                "name": f"{priority} limits",
                "yaxis": panel.axis,
                "text": [plain(one.words) for one in limits for _ in range(3)],
                "hovertemplate": "%{text}<extra></extra>",
            }


def _limit_fills(chart: Chart, frame: Frame) -> Iterator[dict[str, Any]]:
    """The bands beyond the limits, where an axis has one vital only."""
    for panel in frame.panels:
        for priority, colour in FILLS:
            limits = _of(chart.limits, panel, priority) if panel.filled else []
            if not limits:
                continue
            x: list[int | None] = []
            y: list[float | None] = []
            for one in limits:
                edge = panel.span[1] if one.side == "high" else panel.span[0]
                from_ms, to_ms = _ends(chart, one)
                x += [from_ms, to_ms, to_ms, from_ms, None]
                y += [one.limit, one.limit, edge, edge, None]
            yield {
                "type": "scatter",
                "x": x,
                "y": y,
                "mode": "lines",
                "line": {"width": 0},
                "fill": "toself",
                "fillcolor": colour,
                "yaxis": panel.axis,
                "hoverinfo": "skip",
            }


def _of(limits: Iterable[LimitLine], panel: Panel, priority: str) -> list[LimitLine]:
    return [one for one in limits if one.channel in panel.limited and one.priority == priority]


def _ends(chart: Chart, span: LimitLine) -> tuple[int, int]:
    return to_ms(chart, span.from_us), to_ms(chart, span.to_us)


def _strips(chart: Chart, frame: Frame) -> Iterator[dict[str, Any]]:
    for row, strip in enumerate(chart.strips):
        bars = strip.bars
        yield {
            "type": "bar",
            "orientation": "h",
            "base": [to_ms(chart, bar.from_us) for bar in bars],
            "x": [max(1, (bar.to_us - bar.from_us) // 1000) for bar in bars],
            "y": [frame.height_of(row)] * len(bars),
            "width": 0.84,
            "marker": {
                "color": [LOOKS[bar.look] for bar in bars],
                # a bar of a second can still be seen in two hours
                "line": {"color": [LOOKS[bar.look] for bar in bars], "width": 1.5},
            },
            "text": [plain(bar.text) for bar in bars],
            "textposition": "inside",
            "insidetextanchor": "start",
            "textangle": 0,
            "insidetextfont": {
                "color": ["#000" if bar.look in DARK_ON else TEXT for bar in bars],
                "size": 12,
            },
            "hovertext": [plain(bar.words) for bar in bars],
            "hovertemplate": "%{hovertext}<extra></extra>",
            "name": strip.name,
            "yaxis": frame.strip_axis,
        }


def _marks(chart: Chart, frame: Frame) -> Iterator[dict[str, Any]]:
    if not chart.marks:
        return
    yield {
        "type": "scatter",
        "x": [to_ms(chart, mark.at_us) for mark in chart.marks],
        "y": [frame.height_of(len(chart.strips))] * len(chart.marks),
        "mode": "markers",
        "name": "Events",
        "marker": {"symbol": "diamond", "color": SOFT, "size": 9},
        "text": [plain(mark.words) for mark in chart.marks],
        "hovertemplate": "%{text}<br>%{x}<extra></extra>",
        "yaxis": frame.strip_axis,
    }
