"""What is going on just now in the rooms, as every page begins with it."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from dashboard.api.desk import Desk
from vitals import wire


def add(routes: APIRouter, desk: Desk) -> None:
    """Adds the route."""

    async def state(request: Request) -> Response:
        """The live view is open at a locked screen, too."""
        body = wire.encode(desk.hub.snapshot(desk.viewer(request).rooms))
        return Response(body, media_type="application/json")

    routes.add_api_route("/v1/state", state)
