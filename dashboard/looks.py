"""Colours of the figure of a session, on the dark ground of the pages."""

from __future__ import annotations

COLOURS = {
    "spo2": "#56b4e9", "hr": "#00c896", "pr": "#00c896", "rr": "#c9a6ff",
    "nibp_sys": "#ff9a6c", "nibp_dia": "#ff9a6c",
}  # fmt: skip
PRIORITY_COLOURS = {"high": "#d92d20", "medium": "#facc15", "low": "#22d3ee"}
LOOKS = {
    **PRIORITY_COLOURS,
    "even": "#33475a",
    "odd": "#263747",
    "device": "#274a5e",
    "off": "#5a4a78",
    "emergency": "#8f2018",
}
"""How the stretches of a strip look."""
DARK_ON = frozenset({"medium", "low"})
"""Looks that bear dark letters."""
TEXT, SOFT, GRID, GREY = "#e8eef4", "#a3b3c2", "#243140", "#8d9bab"
