"""One session for programs: its numerics, events and alarms, in pages, as JSON or CSV."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from dashboard.api.asked import Asked
from dashboard.api.desk import Desk
from dashboard.api.job_desk import names_asked
from dashboard.review import data
from dashboard.review.data import Page
from dashboard.who import Viewer
from vitals.channels import CHANNELS
from vitals.export.kinds import KINDS

MOST = 20_000
"""Rows of one answer."""
CSV = "text/csv; charset=utf-8"
JSON = "application/json"
PAGED = ("from_us", "to_us", "offset", "limit")
"""Parameters of all three."""


def add(routes: APIRouter, desk: Desk) -> None:
    """Adds the routes."""

    async def numerics(request: Request, uuid: str) -> Response:
        async def ask(_: Viewer) -> Response:
            asked = Asked(request, ("channel", *PAGED))
            channel, page = asked.one_of("channel", CHANNELS), _page(request, asked)
            return await built(request, uuid, page, data.numerics, uuid, channel)

        return await desk.answered(request, ask)

    async def events(request: Request, uuid: str) -> Response:
        async def ask(viewer: Viewer) -> Response:
            asked = Asked(request, ("kind", "names", *PAGED))
            page, names = _page(request, asked), names_asked(asked, viewer)
            kind = asked.one_of("kind", KINDS)
            return await built(request, uuid, page, data.events, uuid, kind, names=names)

        return await desk.answered(request, ask)

    async def alarms(request: Request, uuid: str) -> Response:
        async def ask(viewer: Viewer) -> Response:
            asked = Asked(request, ("names", *PAGED))
            page, names = _page(request, asked), names_asked(asked, viewer)
            return await built(request, uuid, page, data.alarms, uuid, names=names)

        return await desk.answered(request, ask)

    async def built(
        request: Request,
        uuid: str,
        page: Page,
        build: Callable[..., bytes | None],
        *args: Any,
        **named: Any,
    ) -> Response:
        return await desk.built(
            request,
            build,
            *args,
            page,
            nothing=f"there is no session {uuid[:80]!r}",
            media_type=CSV if page.as_csv else JSON,
            reads=uuid,
            tagged=True,
            **named,
        )

    routes.add_api_route("/v1/sessions/{uuid}/numerics", numerics)
    routes.add_api_route("/v1/sessions/{uuid}/events", events)
    routes.add_api_route("/v1/sessions/{uuid}/alarms", alarms)


def _page(request: Request, asked: Asked) -> Page:
    from_us, to_us = asked.span()
    return Page(
        from_us,
        to_us,
        offset=asked.whole("offset") or 0,
        limit=asked.whole("limit", MOST, least=1, most=MOST) or MOST,
        as_csv="text/csv" in request.headers.get("accept", ""),
    )
