"""Numbers, times and texts as Plotly reads them. Pure."""

from __future__ import annotations

import base64
import html
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dashboard.chart import Chart


def array(values: NDArray[Any]) -> dict[str, str]:
    """An array as Plotly reads it without parsing numbers."""
    kind = {"float64": "f8", "float32": "f4"}[values.dtype.name]
    return {"dtype": kind, "bdata": base64.b64encode(values.tobytes()).decode()}


def to_ms(chart: Chart, at_us: int) -> int:
    """A time on the axis: milliseconds of the clinic's wall clock."""
    return at_us // 1000 + chart.utc_offset_s * 1000


def times(chart: Chart, at_us: NDArray[np.int64]) -> dict[str, str]:
    """Times on the axis."""
    return array((at_us // 1000 + chart.utc_offset_s * 1000).astype(np.float64))


def moment(chart: Chart, at_us: int) -> str:
    """A time as the path of a shape names it."""
    zone = timezone(timedelta(seconds=chart.utc_offset_s))
    return datetime.fromtimestamp(at_us / 1e6, zone).strftime("%Y-%m-%d_%H:%M:%S.%f")[:-3]


def plain(text: str) -> str:
    """A text of a person, without anything that Plotly could take for a tag."""
    return html.escape(" ".join(text.split()), quote=False)
