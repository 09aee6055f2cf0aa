"""What was added to a session, whether its record is intact, and other sessions of its patient."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from dashboard.api.asked import Asked
from dashboard.api.desk import Desk
from dashboard.api.job_desk import NAMES, names_asked
from dashboard.api.session import no_session
from dashboard.review import across, addenda
from dashboard.who import Viewer


def add(routes: APIRouter, desk: Desk) -> None:
    """Adds the routes."""

    async def added(request: Request, uuid: str) -> Response:
        async def ask(viewer: Viewer) -> Response:
            names = names_asked(Asked(request, (NAMES,)), viewer, default=True)
            return await desk.built(
                request,
                addenda.addenda,
                uuid,
                nothing=no_session(uuid),
                reads=uuid,
                tagged=True,
                names=names,
            )

        return await desk.answered(request, ask)

    async def intact(request: Request, uuid: str) -> Response:
        async def ask(_viewer: Viewer) -> Response:
            asked = Asked(request, ("to_n", "seals", "row"))
            return await desk.built(
                request,
                addenda.intact,
                uuid,
                asked.whole("to_n", least=1),
                asked.whole("seals", 0),
                asked.whole("row", 0),
                nothing=no_session(uuid),
            )

        return await desk.answered(request, ask)

    async def beside(request: Request, uuid: str) -> Response:
        return await desk.built(request, across.across, uuid, nothing=no_session(uuid), reads=uuid)

    routes.add_api_route("/v1/sessions/{uuid}/addenda", added)
    routes.add_api_route("/v1/sessions/{uuid}/intact", intact)
    routes.add_api_route("/v1/sessions/{uuid}/across", beside)
