"""The pages, as data: name, path, layout.

A layout is only the container that the scripts in `assets/` fill, so that no page waits for
anything on the server's event loop. The first template that fits a path is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dash import html

Layout = Callable[..., Any]


def _container(view: str, argument: str = "") -> Any:
    data: dict[str, Any] = {"data-view": view, "data-argument": argument}
    return html.Div(className=f"view view-{view}", **data)


def overview(**_query: str) -> Any:
    """All rooms."""
    return _container("overview")


def room(room_id: str = "", **_query: str) -> Any:
    """One room."""
    return _container("room", room_id)


def quiet(room_id: str = "", **_query: str) -> Any:
    """The screen inside a room."""
    return _container("quiet", room_id)


def handover(room_id: str = "", **_query: str) -> Any:
    """Hand-over cards: of one room, or of all."""
    return _container("handover", room_id)


def devices(**_query: str) -> Any:
    """All devices."""
    return _container("devices")


def review(**_query: str) -> Any:
    """All sessions."""
    return _container("review")


def review_session(session_id: str = "", **_query: str) -> Any:
    """One session."""
    return _container("review-session", session_id)


def not_found(**_query: str) -> Any:
    """Any other path."""
    text = "There is no such page. Choose one above."
    return html.Div(html.P(text, className="empty"), className="view view-missing")


PAGES: tuple[tuple[str, str, Layout], ...] = (
    ("overview", "/", overview),
    ("quiet", "/room/<room_id>/quiet", quiet),
    ("room_handover", "/room/<room_id>/handover", handover),
    ("room", "/room/<room_id>", room),
    ("handover", "/handover", handover),
    ("devices", "/devices", devices),
    ("review_session", "/review/<session_id>", review_session),
    ("review", "/review", review),
    ("not_found_404", "/404", not_found),
)
"""Page name, path, layout. `not_found_404` is the name Dash looks for."""
