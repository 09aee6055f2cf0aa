"""`/api/v1`: the record as JSON and files. All of it is made in the figure process.

Each area is one module with a function `add(routes, desk)`; unknown addresses answer 404 in JSON,
not with a page. `openapi.py` describes all of it, for programs and for people.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from dashboard.api import addenda, data, jobs, now, openapi, report, session, sessions, waves
from dashboard.api.desk import Desk

AREAS = (
    now.add,
    sessions.add,
    session.add,
    waves.add,
    data.add,
    jobs.add,
    addenda.add,
    report.add,
    openapi.add,
)
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
