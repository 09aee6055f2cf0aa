"""`/api/v1`: sessions and their figures as JSON. All of it is made in the figure process.

Each is asked for with the rooms of the person who asks; a session of any other room is one that
there is not. At a locked screen the record stays closed: what is live goes on, and no more.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dashboard import expected, review
from dashboard.who import ANYBODY, SCOPE, Viewer
from dashboard.worker import Worker
from vitals.errors import VitalsError
from vitals.hub import Hub


def router(hub: Hub, worker: Worker, store: Path) -> APIRouter:
    """The routes below `/api`; unknown ones answer 404 in JSON, not with a page."""
    routes = APIRouter(prefix="/api")

    async def built(request: Request, build: Callable[..., bytes | None], *args: str) -> Response:
        viewer: Viewer = request.scope.get(SCOPE, ANYBODY)
        if viewer.locked:
            return JSONResponse({"error": "Locked: PIN to look at the record"}, status_code=423)
        try:
            body = await worker.call(build, store, *args, rooms=viewer.rooms)
        except VitalsError as error:
            return JSONResponse({"error": str(error)}, status_code=503)
        if body is None:
            return JSONResponse({"error": f"there is no session {args[0]!r}"}, status_code=404)
        return Response(body, media_type="application/json")

    async def sessions(request: Request) -> Response:
        return await built(request, review.sessions)

    async def session(request: Request, uuid: str) -> Response:
        return await built(request, review.session, uuid)

    async def figure(request: Request, uuid: str) -> Response:
        return await built(request, review.figure, uuid)

    async def course(request: Request, room: str) -> Response:
        viewer: Viewer = request.scope.get(SCOPE, ANYBODY)
        if viewer.locked:
            return JSONResponse({"error": "Locked: PIN to look at the record"}, status_code=423)
        here = [each for each in hub.snapshot(viewer.rooms).rooms if each.id == room]
        session = here[0].session if here else None
        if session is None or not session.id or session.ended_us is not None:
            return JSONResponse({"error": f"there is no session in {room!r}"}, status_code=404)
        try:
            body = await worker.call(expected.course, store, session, rooms=viewer.rooms)
        except VitalsError as error:
            return JSONResponse({"error": str(error)}, status_code=503)
        return Response(body, media_type="application/json")

    async def unknown(path: str) -> Response:
        return JSONResponse({"error": f"there is no /api/{path}"}, status_code=404)

    routes.add_api_route("/v1/sessions", sessions)
    routes.add_api_route("/v1/sessions/{uuid}", session)
    routes.add_api_route("/v1/sessions/{uuid}/figure", figure)
    routes.add_api_route("/v1/rooms/{room}/expected", course)
    routes.add_api_route("/{path:path}", unknown)
    return routes
