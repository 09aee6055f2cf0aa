"""What lies over and under the traces of a session's figure: bands, lines upright, words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dashboard.axis import moment, plain, to_ms
from dashboard.chart import Chart, LimitLine
from dashboard.looks import GREY, LOOKS, SOFT, TEXT
from dashboard.panels import Frame
from dashboard.traces import EXPECTED

WORD_ROWS = 3
LETTER = 0.0066
"""Width of a letter beside a mark, in parts of a usual screen's plot."""


def shapes(chart: Chart, frame: Frame) -> Iterator[dict[str, Any]]:
    """Gaps and time off the monitor as bands, marks as lines."""
    for spans, colour, opacity in ((chart.gaps, GREY, 0.25), (chart.off, LOOKS["off"], 0.28)):
        for from_us, to_us in spans:
            yield {
                "type": "rect",
                "x0": to_ms(chart, from_us),
                "x1": to_ms(chart, to_us),
                "yref": "paper",
                "y0": 0,
                "y1": frame.vitals_top,
                "layer": "below",
                "line": {"width": 0},
                "fillcolor": colour,
                "opacity": opacity,
            }
    for dose in (True, False):
        marks = [mark for mark in chart.marks if (mark.kind == "dose") is dose]
        if marks:
            moments = [moment(chart, mark.at_us) for mark in marks]
            yield {
                "type": "path",
                "path": "".join(f"M{moment},0L{moment},1" for moment in moments),
                "xref": "x",
                "yref": "paper",
                "layer": "below",
                "line": {"color": TEXT if dose else GREY, "width": 1, "dash": "dot"},
                "opacity": 1 if dose else 0.6,
            }


def words(chart: Chart, frame: Frame) -> Iterator[dict[str, Any]]:
    """Words beside marks, spans and limits; those that find no room are left to the pointer."""
    span_us = max(1, chart.to_us - chart.from_us)
    free = [-1.0] * WORD_ROWS
    ordered = sorted(chart.marks, key=lambda mark: (mark.kind != "dose", mark.at_us))
    taken: list[list[tuple[float, float]]] = [[] for _ in free]
    for mark in ordered:
        left = (mark.at_us - chart.from_us) / span_us
        right = left + LETTER * (len(mark.short) + 2)
        row = _free_row(taken, left, right)
        if row is None or not 0 <= left <= 1:
            continue  # its sign on the strip says the same
        taken[row].append((left, right))
        yield _word(chart, mark.at_us, 1.0, mark.short) | {
            "yanchor": "bottom",
            "yshift": row * 15 + 2,
            "name": mark.kind,
        }
    for spans, text in ((chart.gaps, "not recorded"), (chart.off, "off monitor")):
        for from_us, _ in spans:
            yield _word(chart, from_us, frame.vitals_top, text) | {
                "yanchor": "top",
                "textangle": 90,
                "name": "span",
            }
    yield from _limit_words(chart, frame)
    if chart.expected and (panel := frame.panel("nibp_sys")) is not None:
        yield {
            "text": EXPECTED,
            "xref": "paper",
            "x": 0.004,
            "xanchor": "left",
            "yref": "paper",
            "y": panel.domain[0],
            "yanchor": "bottom",
            "showarrow": False,
            "font": {"size": 12, "color": SOFT},
            "name": "expected",
        }


def _free_row(taken: Sequence[list[tuple[float, float]]], left: float, right: float) -> int | None:
    for row, spans in enumerate(taken):
        if all(right <= start or left >= end for start, end in spans):
            return row
    return None


def _word(chart: Chart, at_us: int, y: float, text: str) -> dict[str, Any]:
    return {
        "x": to_ms(chart, at_us),
        "y": y,
        "yref": "paper",
        "xanchor": "left",
        "text": plain(text),
        "showarrow": False,
        "font": {"size": 12, "color": TEXT},
    }


def _limit_words(chart: Chart, frame: Frame) -> Iterator[dict[str, Any]]:
    """Each limit that was in force at the end, at the right edge."""
    last: dict[tuple[str, str, int], LimitLine] = {}
    for one in chart.limits:
        last[one.channel, one.side, one.level] = one
    for one in last.values():
        panel = frame.panel(one.channel)
        if panel is None or one.channel not in panel.limited:
            continue
        which = {"nibp_sys": "S ", "nibp_dia": "D "}.get(one.channel, "")
        yield {
            "text": f"{which}{one.limit:g}{'*' if one.own else ''}",
            "xref": "paper",
            "x": 1,
            "xanchor": "left",
            "xshift": 42 if one.channel == "nibp_dia" else 4,
            "yref": panel.axis,
            "y": one.limit,
            "showarrow": False,
            "font": {"size": 11, "color": "#ff8f85" if one.priority == "high" else "#facc15"},
            "name": "limit",
        }
