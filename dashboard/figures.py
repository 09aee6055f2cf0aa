"""Draws the chart of one session as a Plotly figure: plain data, ready to be encoded. Pure.

No Plotly is needed to make it: its own classes take a second to load and check every number.
Every text of a person is escaped, because Plotly reads tags in texts.
"""

from __future__ import annotations

from typing import Any

from dashboard.axis import to_ms
from dashboard.chart import Chart
from dashboard.looks import GRID, SOFT
from dashboard.overlays import shapes, words
from dashboard.panels import framed
from dashboard.traces import traces


def session_figure(chart: Chart) -> dict[str, Any]:
    """The figure: `data`, `layout`, and `axis` with what a page needs to turn places into times."""
    frame = framed(chart)
    layout = {
        **frame.axes,
        "xaxis": {
            "type": "date",
            "anchor": frame.panels[-1].axis,
            "range": [to_ms(chart, chart.from_us), to_ms(chart, chart.to_us)],
            "gridcolor": GRID,
            "tickformat": "%H:%M",
            "hoverformat": "%H:%M:%S",
            "tickformatstops": [{"dtickrange": [None, 59_999], "value": "%H:%M:%S"}],
        },
        "shapes": list(shapes(chart, frame)),
        "annotations": list(words(chart, frame)),
        "barmode": "overlay",
        "bargap": 0,
        "uniformtext": {"mode": "hide", "minsize": 11},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": SOFT, "size": 13},
        "margin": {"l": 92, "r": 88, "t": 64, "b": 34},
        "showlegend": False,
        "hovermode": "closest",
        "hoverlabel": {"align": "left"},
        "dragmode": "zoom",
    }
    axis = {"from_us": chart.from_us, "to_us": chart.to_us, "utc_offset_s": chart.utc_offset_s}
    return {"data": traces(chart, frame), "layout": layout, "axis": axis}
