"""`/api/v1`: the record as JSON and files. All of it is made in the figure process.

Each area is one module with a function `add(routes, desk)`; unknown addresses answer 404 in JSON,
not with a page.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from dashboard.api import sessions
from dashboard.api.desk import Desk

AREAS = (sessions.add,)
"""What each area adds."""


def router(desk: Desk) -> APIRouter:
    """The routes below `/api`."""
    routes = APIRouter(prefix="/api")
    for add in AREAS:
        add(routes, desk)

    async def unknown(path: str) -> Response:
        return JSONResponse({"error": f"there is no /api/{path}"}, status_code=404)

    routes.add_api_route("/{path:path}", unknown)
    return routes
