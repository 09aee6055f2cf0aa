"""One session: its facts, its figure, its audit trail; and the expected course of a room's."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from dashboard import expected
from dashboard.api.asked import Asked
from dashboard.api.desk import Desk
from dashboard.api.job_desk import NAMES, names_asked
from dashboard.review import course, trail
from dashboard.review import session as review
from dashboard.who import Viewer
from vitals.export.kinds import KINDS

STAMP = "stamp"
"""Names the reading of the record that the caller has seen the rest of."""


def no_session(name: str) -> str:
    """What is said of a session that there is not, or that is not this person's to see."""
    return f"there is no session {name!r}"


def add(routes: APIRouter, desk: Desk) -> None:
    """Adds the routes."""

    async def session(request: Request, uuid: str) -> Response:
        return await _built(request, review.session, uuid)

    async def figure(request: Request, uuid: str) -> Response:
        return await _built(request, course.figure, uuid)

    async def _built(request: Request, build: Callable[..., bytes | None], uuid: str) -> Response:
        async def ask(viewer: Viewer) -> Response:
            asked = Asked(request, (STAMP, NAMES))
            return await desk.built(
                request,
                build,
                uuid,
                nothing=no_session(uuid),
                reads=uuid,
                tagged=True,
                stamp=asked.text(STAMP),
                names=names_asked(asked, viewer, default=True),
            )

        return await desk.answered(request, ask)

    async def audit(request: Request, uuid: str) -> Response:
        async def ask(viewer: Viewer) -> Response:
            asked = Asked(request, ("offset", "limit", "kind", "q", STAMP, NAMES))
            return await desk.built(
                request,
                trail.trail,
                uuid,
                asked.whole("offset", 0),
                asked.whole("limit", trail.PAGE, least=1, most=trail.MOST),
                nothing=no_session(uuid),
                reads=uuid,
                tagged=True,
                kind=asked.one_of("kind", KINDS),
                q=asked.text("q"),
                stamp=asked.text(STAMP),
                names=names_asked(asked, viewer, default=True),
            )

        return await desk.answered(request, ask)

    async def expected_course(request: Request, room: str) -> Response:
        rooms = desk.hub.snapshot(desk.viewer(request).rooms).rooms
        here = next((each.session for each in rooms if each.id == room), None)
        open_here = here if here is not None and here.id and here.ended_us is None else None
        nothing = f"there is no session in {room!r}"
        return await desk.built(request, expected.course, open_here, nothing=nothing)

    routes.add_api_route("/v1/sessions/{uuid}", session)
    routes.add_api_route("/v1/sessions/{uuid}/figure", figure)
    routes.add_api_route("/v1/sessions/{uuid}/audit", audit)
    routes.add_api_route("/v1/rooms/{room}/expected", expected_course)
