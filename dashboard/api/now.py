"""What is going on just now in the rooms, as every page begins with it."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dashboard.api.desk import Desk
from vitals import wire

MOST_ROOMS = 500
"""In one answer; a centre may have thousands."""


def add(routes: APIRouter, desk: Desk) -> None:
    """Adds the route."""

    async def state(request: Request) -> Response:
        """The live view is open at a locked screen, too."""
        rooms = desk.viewer(request).rooms
        many = desk.hub.size if rooms is None else len(rooms)
        if many > MOST_ROOMS:
            error = f"{many} rooms do not fit into one answer; ask with a token for some of them"
            return JSONResponse({"error": f"{error} (`vitals user token add --room`)"}, 413)
        body = wire.encode(desk.hub.snapshot(rooms))
        return Response(body, media_type="application/json")

    routes.add_api_route("/v1/state", state)
