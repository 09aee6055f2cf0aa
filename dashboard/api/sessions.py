"""Sessions, their figures, and the expected course of the one in a room."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from dashboard import expected
from dashboard.api.desk import Desk
from dashboard.review import session as review


def no_session(name: str) -> str:
    """What is said of a session that there is not, or that is not this person's to see."""
    return f"there is no session {name!r}"


def add(routes: APIRouter, desk: Desk) -> None:
    """Adds the routes."""

    async def sessions(request: Request) -> Response:
        return await desk.built(request, review.sessions, nothing="there is no record")

    async def session(request: Request, uuid: str) -> Response:
        return await desk.built(request, review.session, uuid, nothing=no_session(uuid))

    async def figure(request: Request, uuid: str) -> Response:
        return await desk.built(request, review.figure, uuid, nothing=no_session(uuid))

    async def course(request: Request, room: str) -> Response:
        rooms = desk.hub.snapshot(desk.viewer(request).rooms).rooms
        here = next((each.session for each in rooms if each.id == room), None)
        open_here = here if here is not None and here.id and here.ended_us is None else None
        nothing = f"there is no session in {room!r}"
        return await desk.built(request, expected.course, open_here, nothing=nothing)

    routes.add_api_route("/v1/sessions", sessions)
    routes.add_api_route("/v1/sessions/{uuid}", session)
    routes.add_api_route("/v1/sessions/{uuid}/figure", figure)
    routes.add_api_route("/v1/rooms/{room}/expected", course)
