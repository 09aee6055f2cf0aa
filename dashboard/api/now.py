"""What is going on just now in the rooms, as every page begins with it."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dashboard.api.asked import Asked, AskedError
from dashboard.api.desk import Desk
from dashboard.api.job_desk import NAMES, names_asked
from dashboard.api.nameless import nameless
from vitals import wire

MOST_ROOMS = 500
"""In one answer; a centre may have thousands."""


def add(routes: APIRouter, desk: Desk) -> None:
    """Adds the route."""

    async def state(request: Request) -> Response:
        """The live view is open at a locked screen, too."""
        viewer = desk.viewer(request)
        rooms = viewer.rooms
        many = desk.hub.size if rooms is None else len(rooms)
        if many > MOST_ROOMS:
            error = f"{many} rooms do not fit into one answer; ask with a token for some of them"
            return JSONResponse({"error": f"{error} (`vitals user token add --room`)"}, 413)
        try:
            asked = Asked(request, (NAMES,))
            names = names_asked(asked, viewer, default=True)
        except AskedError as error:
            return JSONResponse({"error": str(error)}, 400)
        body = wire.encode(desk.hub.snapshot(rooms))
        told = body if names else nameless(body)
        return Response(told, media_type="application/json")

    routes.add_api_route("/v1/state", state)
