"""Where what stands in the figure of a session: panels above each other, and strips. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dashboard.chart import Chart
from dashboard.looks import GRID

LABELS = {
    "spo2": "SpO2", "hr": "HR", "pr": "PR", "rr": "RR", "nibp_sys": "SYS", "nibp_dia": "DIA",
}  # fmt: skip
STRIP = 0.036
"""Height of a strip, in parts of the plot."""
APART = 0.03


@dataclass(frozen=True, slots=True)
class Panel:
    """One axis of vitals.

    Attributes:
        channels: what is drawn on it.
        title: at its side.
        unit: of its values, as people write it.
        axis: its name in Plotly.
        domain: from where to where it goes, in parts of the plot.
        span: from which value to which.
        limited: channels whose limits are drawn.
        filled: whether the bands beyond the limits are tinted: only where there is one vital.
    """

    channels: tuple[str, ...]
    title: str
    unit: str
    axis: str
    domain: tuple[float, float]
    span: tuple[float, float]
    limited: frozenset[str]
    filled: bool


@dataclass(frozen=True, slots=True)
class _Kind:
    channels: tuple[str, ...]
    title: str
    unit: str
    always: tuple[float, float]
    weight: float
    optional: bool = False
    filled: bool = True


_KINDS = (
    _Kind(("spo2",), "SpO₂ %", "%", (78.0, 101.0), 0.28),
    _Kind(("hr", "pr"), "HR / PR /min", "/min", (30.0, 150.0), 0.28),
    _Kind(("rr",), "RR /min", "/min", (4.0, 34.0), 0.2, optional=True),
    _Kind(("nibp_sys", "nibp_dia"), "BP mmHg", "mmHg", (40.0, 210.0), 0.44, filled=False),
)
"""Panels from the top down; a value beyond `always` widens its axis."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The places of a figure.

    Attributes:
        panels: from the top down.
        strip_axis: the axis of the strips in Plotly.
        strips: how many rows it has, with the one of the events.
        vitals_top: where the vitals end and the strips begin, in parts of the plot.
        axes: all axes of values, for the layout.
    """

    panels: tuple[Panel, ...]
    strip_axis: str
    strips: int
    vitals_top: float
    axes: dict[str, Any] = field(default_factory=dict)

    def panel(self, channel: str) -> Panel | None:
        """Where a channel is drawn."""
        return next((panel for panel in self.panels if channel in panel.channels), None)

    def height_of(self, row: int) -> int:
        """The place of a strip on its axis; the first one is at the top."""
        return self.strips - 1 - row


def framed(chart: Chart) -> Frame:
    """The places for what a chart shows."""
    drawn = {line.channel for line in chart.lines} | {spot.channel for spot in chart.spots}
    kinds = [kind for kind in _KINDS if not kind.optional or drawn & set(kind.channels)]
    names = [strip.name for strip in chart.strips] + (["Events"] if chart.marks else [])
    top = 1.0 - STRIP * len(names) - (APART if names else 0.0)
    room = top - APART * (len(kinds) - 1)
    total = sum(kind.weight for kind in kinds)
    panels = []
    upper = top
    for number, kind in enumerate(kinds, 1):
        lower = max(0.0, upper - room * kind.weight / total)
        axis = "y" if number == 1 else f"y{number}"
        limited = set(kind.channels)
        if "hr" in limited:  # one vital's lines only: those of what is looked at first
            limited = {"hr" if "hr" in drawn else "pr"}
        panels.append(
            Panel(
                kind.channels,
                kind.title,
                kind.unit,
                axis,
                (lower, upper),
                _span(chart, kind),
                frozenset(limited),
                kind.filled,
            )
        )
        upper = lower - APART
    strip_axis = f"y{len(kinds) + 1}"
    axes: dict[str, Any] = {
        _layout_name(panel.axis): {
            "domain": panel.domain,
            "title": {"text": panel.title},
            "range": panel.span,
            "gridcolor": GRID,
            "zeroline": False,
        }
        for panel in panels
    }
    if names:
        axes[_layout_name(strip_axis)] = {
            "domain": (top + APART / 2, 1.0),
            "range": (-0.5, len(names) - 0.5),
            "tickvals": list(range(len(names))),
            "ticktext": list(reversed(names)),
            "tickfont": {"size": 12},
            "showgrid": False,
            "zeroline": False,
            "fixedrange": True,
        }
    return Frame(tuple(panels), strip_axis, len(names), top, axes)


def _layout_name(axis: str) -> str:
    return axis.replace("y", "yaxis")


def _span(chart: Chart, kind: _Kind) -> tuple[float, float]:
    least, most = kind.always
    for line in chart.lines:
        if line.channel in kind.channels and line.value.size:
            least = min(least, float(np.min(line.value)) - 2)
            most = max(most, float(np.max(line.value)) + 2)
    for spot in chart.spots:
        if spot.channel in kind.channels:
            least, most = min(least, spot.value - 2), max(most, spot.value + 2)
    return least, most
