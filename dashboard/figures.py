"""Review figures: pure functions from recorded series to Plotly figures. Figure process only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboard.decimate import decimate
from vitals.channels import CHANNELS

COLOURS = {"spo2": "#56b4e9", "hr": "#00c896", "pr": "#00c896", "nibp": "#ff9a6c"}
PRIORITY_COLOURS = {"high": "#d92d20", "medium": "#facc15", "low": "#22d3ee"}
TEXT, SOFT, GRID, GREY = "#e8eef4", "#a3b3c2", "#243140", "#8d9bab"

CHARTED = ("spo2", "hr", "pr", "nibp_sys", "nibp_dia")
AXES = {"spo2": "y", "hr": "y2", "pr": "y2", "nibp_sys": "y3", "nibp_dia": "y3"}
PANELS = (
    ("y", (0.72, 1.0), "SpO₂ %", (78.0, 101.0)),
    ("y2", (0.4, 0.68), "HR / PR /min", (30.0, 150.0)),
    ("y3", (0.0, 0.36), "BP mmHg", (40.0, 210.0)),
)
"""Axis, place, title, and the span that is always shown; a value beyond it widens the axis."""
MARKERS = {"nibp_sys": "triangle-down", "nibp_dia": "triangle-up"}


@dataclass(frozen=True, slots=True)
class Series:
    """One channel: int64 microseconds and float64 values of the same length, invalid ones out."""

    channel: str
    at_us: NDArray[np.int64]
    value: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit line."""

    channel: str
    priority: str
    value: float


@dataclass(frozen=True, slots=True)
class Chart:
    """What one session's figure shows.

    Attributes:
        from_us: start of the time axis.
        to_us: its end.
        utc_offset_s: of the clinic's wall clock: the axis is local time.
        series: at most one for each of `CHARTED`.
        limits: in force when the session was opened.
        marks: time and word of each event.
        gaps: spans in which nothing was recorded.
        alarms: (from_us, to_us, priority, text) of each alarm that was active.
    """

    from_us: int
    to_us: int
    utc_offset_s: int = 0
    series: Sequence[Series] = ()
    limits: Sequence[Limit] = ()
    marks: Sequence[tuple[int, str]] = ()
    gaps: Sequence[tuple[int, int]] = ()
    alarms: Sequence[tuple[int, int, str, str]] = field(default=())


def session_figure(chart: Chart) -> go.Figure:
    """SpO2, pulse and blood pressure above each other on one axis of local time."""
    figure = go.Figure()
    for series in chart.series:
        figure.add_trace(_trace(series, chart))
    if by_channel := {s.channel: s for s in chart.series}:
        _add_bars(figure, by_channel, chart)
    figure.update_layout(**_layout(chart), shapes=_shapes(chart), annotations=_words(chart))
    return figure


def _trace(series: Series, chart: Chart) -> go.Scatter:
    spot = series.channel in MARKERS
    at_us, value = (series.at_us, series.value) if spot else decimate(series.at_us, series.value)
    colour = COLOURS.get(series.channel, COLOURS["nibp"])
    channel = CHANNELS[series.channel]
    style: dict[str, Any] = (
        {"mode": "markers", "marker": {"symbol": MARKERS[series.channel], "color": colour}}
        if spot
        else {"mode": "lines", "line": {"color": colour, "width": 1.3}}
    )
    return go.Scatter(
        x=_local(at_us, chart),
        y=value,
        name=channel.label,
        yaxis=AXES[series.channel],
        connectgaps=False,
        hovertemplate="%{y:.0f} " + channel.unit + "<br>%{x|%H:%M:%S}",
        **style,
    )


def _add_bars(figure: go.Figure, series: Mapping[str, Series], chart: Chart) -> None:
    """A line from each diastolic to its systolic value, as cuffs are charted."""
    if "nibp_sys" not in series or "nibp_dia" not in series:
        return
    systolic, diastolic = series["nibp_sys"], series["nibp_dia"]
    at_us, i, j = np.intersect1d(systolic.at_us, diastolic.at_us, return_indices=True)
    y = np.full(at_us.size * 3, np.nan)
    y[0::3], y[1::3] = systolic.value[i], diastolic.value[j]
    figure.add_trace(
        go.Scatter(
            x=_local(np.repeat(at_us, 3), chart),
            y=y,
            mode="lines",
            line={"color": COLOURS["nibp"], "width": 1.3},
            yaxis="y3",
            hoverinfo="skip",
            showlegend=False,
        )
    )


def _local(at_us: NDArray[np.int64], chart: Chart) -> NDArray[np.datetime64]:
    local_ms: NDArray[np.int64] = at_us // 1000 + chart.utc_offset_s * 1000
    return local_ms.astype("datetime64[ms]")


def _moment(at_us: int, chart: Chart) -> str:
    zone = timezone(timedelta(seconds=chart.utc_offset_s))
    return datetime.fromtimestamp(at_us / 1e6, zone).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _shapes(chart: Chart) -> list[dict[str, Any]]:
    gaps = [
        _band(chart, a, b, fillcolor=GREY, opacity=0.25, yref="paper", y0=0, y1=1)
        for a, b in chart.gaps
    ]
    alarms = [
        _band(chart, a, b, fillcolor=PRIORITY_COLOURS[p], opacity=0.8, yref="paper", y0=1, y1=1.015)
        for a, b, p, _ in chart.alarms
        if p in PRIORITY_COLOURS
    ]
    limits = [
        {
            "type": "line",
            "xref": "paper",
            "x0": 0,
            "x1": 1,
            "yref": AXES[limit.channel],
            "y0": limit.value,
            "y1": limit.value,
            "layer": "below",
            "opacity": 0.55,
            "line": {
                "color": PRIORITY_COLOURS.get(limit.priority, GREY),
                "width": 1,
                "dash": "dot",
            },
        }
        for limit in chart.limits
        if limit.channel in AXES
    ]
    marks = [
        {
            "type": "line",
            "x0": _moment(at_us, chart),
            "x1": _moment(at_us, chart),
            "yref": "paper",
            "y0": 0,
            "y1": 1,
            "line": {"color": TEXT if word == "dose" else GREY, "width": 1, "dash": "dot"},
        }
        for at_us, word in chart.marks
    ]
    return [*gaps, *limits, *marks, *alarms]


def _band(chart: Chart, from_us: int, to_us: int, **style: Any) -> dict[str, Any]:
    ends = {"x0": _moment(from_us, chart), "x1": _moment(to_us, chart)}
    return {"type": "rect", **ends, "layer": "below", "line": {"width": 0}, **style}


def _words(chart: Chart) -> list[dict[str, Any]]:
    marks = [
        {
            "x": _moment(at_us, chart),
            "y": 1.02,
            "yref": "paper",
            "yanchor": "bottom",
            "xanchor": "left",
            "yshift": (number % 3) * 14,
            "text": word,
            "showarrow": False,
            "font": {"size": 12, "color": TEXT},
        }
        for number, (at_us, word) in enumerate(chart.marks)
    ]
    gaps = [
        {
            "x": _moment(from_us, chart),
            "y": 0.99,
            "yref": "paper",
            "xanchor": "left",
            "yanchor": "top",
            "text": "not recorded",
            "textangle": 90,
            "showarrow": False,
            "font": {"size": 12, "color": TEXT},
        }
        for from_us, _ in chart.gaps
    ]
    return [*marks, *gaps]


def _span(chart: Chart, axis: str, always: tuple[float, float]) -> tuple[float, float]:
    values = [s.value for s in chart.series if AXES[s.channel] == axis and s.value.size]
    if not values:
        return always
    low, high = (float(f(np.concatenate(values))) for f in (np.nanmin, np.nanmax))
    return min(always[0], low - 2), max(always[1], high + 2)


def _layout(chart: Chart) -> dict[str, Any]:
    axes = {
        axis.replace("y", "yaxis"): {
            "domain": domain,
            "title": {"text": title},
            "range": _span(chart, axis, span),
            "gridcolor": GRID,
            "zeroline": False,
        }
        for axis, domain, title, span in PANELS
    }
    return {
        **axes,
        "xaxis": {
            "anchor": "y3",
            "range": [_moment(chart.from_us, chart), _moment(chart.to_us, chart)],
            "gridcolor": GRID,
            "tickformat": "%H:%M",
        },
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": SOFT, "size": 13},
        "margin": {"l": 60, "r": 20, "t": 76, "b": 36},
        "showlegend": False,
        "hovermode": "closest",
    }
