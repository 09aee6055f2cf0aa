"""The what-if tuner: the rules of a session, and the job that tries a moved one."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from dashboard.api.asked import AskedError
from dashboard.api.job_desk import JobDesk, owner
from dashboard.diary import READ
from dashboard.jobs import Job
from dashboard.review import tuner
from dashboard.who import Viewer
from vitals.errors import ConfigError, VitalsError


class WhatIfAsked(msgspec.Struct, forbid_unknown_fields=True):
    """What somebody wants to try.

    Attributes:
        session: its uuid.
        rule: id of the rule.
        moves: for each of its levels, mildest first, what is to be other: knob -> value.
        last: over how many closed sessions of the same mode; 0 for this one alone.
    """

    session: str
    rule: str
    moves: list[dict[str, float]]
    last: int = 0


def add(routes: APIRouter, here: JobDesk) -> None:
    """Adds the routes."""
    desk = here.desk

    async def rules(request: Request, uuid: str) -> Response:
        """The rules that a session had, with what of them can be moved."""
        answer = await desk.built(request, tuner.rules, uuid, nothing=_nothing(uuid))
        if answer.status_code == 200:
            await prepare(desk.viewer(request), uuid)
        return answer

    async def prepare(viewer: Viewer, uuid: str) -> None:
        try:
            at = await desk.at(viewer, uuid)
        except VitalsError:
            return  # the next question is slower, and says why
        if at is not None:
            here.jobs.prepare(tuner.prepare, at.store, at.uuid, at.rooms)

    async def what_if(request: Request) -> Response:
        """Begins to re-run sessions with one moved rule."""

        async def begin(viewer: Viewer, asked: WhatIfAsked) -> Job | None:
            if not 0 <= asked.last <= tuner.MOST_SESSIONS:
                raise AskedError(f"last is from 0 to {tuner.MOST_SESSIONS}, not {asked.last}")
            change = tuner.Change(asked.rule, asked.moves, asked.last)
            try:
                room = await desk.called(viewer, tuner.checked, asked.session, change)
            except ConfigError as error:
                raise AskedError(str(error)) from error
            at = await desk.at(viewer, asked.session)
            if room is None or at is None:
                return None
            desk.note(request, READ, asked.session)
            args = (at.store, at.uuid, change, at.rooms)
            return here.jobs.ask(
                owner(viewer), "what-if", tuner.compare, *args, room=room, session=asked.session
            )

        return await here.begun(
            request, WhatIfAsked, begin, nothing=lambda asked: _nothing(asked.session)
        )

    routes.add_api_route("/v1/sessions/{uuid}/rules", rules)
    routes.add_api_route("/v1/jobs/what-if", what_if, methods=["POST"], status_code=202)


def _nothing(uuid: str) -> str:
    return f"there is no session {uuid[:80]!r}"
