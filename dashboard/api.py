"""`/api/v1`: sessions and their figures as JSON. All of it is made in the figure process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from dashboard import review
from dashboard.worker import Worker
from vitals.errors import VitalsError
from vitals.hub import Hub


def router(hub: Hub, worker: Worker, store: Path) -> APIRouter:
    """The routes below `/api`; unknown ones answer 404 in JSON, not with a page."""
    routes = APIRouter(prefix="/api")

    async def built(build: Callable[..., bytes | None], *args: str) -> Response:
        try:
            body = await worker.call(build, store, *args)
        except VitalsError as error:
            return JSONResponse({"error": str(error)}, status_code=503)
        if body is None:
            return JSONResponse({"error": f"there is no session {args[0]!r}"}, status_code=404)
        return Response(body, media_type="application/json")

    async def sessions() -> Response:
        return await built(review.sessions)

    async def session(uuid: str) -> Response:
        return await built(review.session, uuid)

    async def figure(uuid: str) -> Response:
        return await built(review.figure, uuid)

    async def unknown(path: str) -> Response:
        return JSONResponse({"error": f"there is no /api/{path}"}, status_code=404)

    routes.add_api_route("/v1/sessions", sessions)
    routes.add_api_route("/v1/sessions/{uuid}", session)
    routes.add_api_route("/v1/sessions/{uuid}/figure", figure)
    routes.add_api_route("/{path:path}", unknown)
    return routes
