"""The list of sessions."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from dashboard.api.asked import Asked, AskedError
from dashboard.api.desk import Desk
from dashboard.review import index
from dashboard.review.index_query import FEW, MODES, MOST_SESSIONS, STATES, Question, QuestionError
from dashboard.who import Viewer

PARAMETERS = (
    "q",
    "subject",
    "room",
    "route",
    "mode",
    "state",
    "from",
    "to",
    "unfinished",
    "sort",
    "offset",
    "limit",
)
"""What may be asked; see `dashboard.review.index_query.Question`."""


def question_of(request: Request, kind: type[Question] = Question) -> Question:
    """What is asked of the list.

    Raises:
        AskedError: it cannot be asked that.
    """
    asked = Asked(request, (*PARAMETERS, *kind.PLACES))
    try:
        return kind(
            words=asked.text("q"),
            subject=asked.text("subject"),
            room=asked.text("room"),
            route=asked.text("route"),
            mode=asked.one_of("mode", MODES),
            state=asked.one_of("state", STATES),
            from_day=asked.text("from"),
            to_day=asked.text("to"),
            unfinished=asked.one_of("unfinished", ("0", "1")) == "1",
            sort=asked.text("sort") or "-started",
            offset=asked.whole("offset") or 0,
            limit=asked.whole("limit", FEW, least=1, most=MOST_SESSIONS) or FEW,
            **{name: asked.text(name) for name in kind.PLACES},
        )
    except QuestionError as error:
        raise AskedError(str(error)) from error


def add(routes: APIRouter, desk: Desk) -> None:
    """Adds the route."""

    async def sessions(request: Request) -> Response:
        async def ask(_viewer: Viewer) -> Response:
            question = question_of(request, desk.question)
            return await desk.built(request, index.listed, question, nothing="there is no record")

        return await desk.answered(request, ask)

    routes.add_api_route("/v1/sessions", sessions)
