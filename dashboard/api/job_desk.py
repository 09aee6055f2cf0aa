"""Where long work is asked for, looked after and fetched: each is its asker's alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from dashboard.api.asked import Asked, AskedError
from dashboard.api.desk import Desk
from dashboard.jobs import BusyError, Job, Jobs, Owner
from dashboard.who import Viewer
from vitals.session.permissions import EXPORT_NAMES, MAY

MOST_BYTES = 16 << 10
"""Of what is asked."""
AGAIN_S = 15
"""Whoever was refused for want of room may ask again after so long."""

T = TypeVar("T")


class JobDesk:
    """What the routes of long work share.

    Attributes:
        desk: of the whole API.
        jobs: of this server.
    """

    def __init__(self, desk: Desk, jobs: Jobs) -> None:
        self.desk = desk
        self.jobs = jobs

    async def begun(
        self,
        request: Request,
        asked: type[T],
        begin: Callable[[Viewer, T], Awaitable[Job | None]],
        nothing: Callable[[T], str],
    ) -> Response:
        """Begins what the body of a request asks for: 202 with the job.

        Args:
            request: who asks, and for what.
            asked: what the body must be.
            begin: puts it in the queue; None when there is no such session.
            nothing: the sentence of the 404 that is then answered.
        """

        async def ask(viewer: Viewer) -> Response:
            wanted = await read(request, asked)
            try:
                job = await begin(viewer, wanted)
            except BusyError as error:
                headers = {"Retry-After": str(AGAIN_S)}
                return JSONResponse({"error": str(error)}, status_code=429, headers=headers)
            if job is None:
                return JSONResponse({"error": nothing(wanted)}, status_code=404)
            return JSONResponse(self.facts(job), status_code=202)

        return await self.desk.answered(request, ask)

    async def of(
        self, request: Request, job_id: str, act: Callable[[Job], Awaitable[Response]]
    ) -> Response:
        """What `act` makes of a job of the person who asks; anybody else's is one there is not."""

        async def ask(viewer: Viewer) -> Response:
            job = self.jobs.find(job_id, owner(viewer))
            if job is None or not viewer.sees(job.room) or (job.names and not may_names(viewer)):
                sentence = "there is no such job, or what it made has expired; start it again"
                return JSONResponse({"error": sentence}, status_code=404)
            return await act(job)

        return await self.desk.answered(request, ask)

    def facts(self, job: Job) -> dict[str, Any]:
        """A job as its page is told of it."""
        made = job.made
        return {
            "id": job.id,
            "kind": job.kind,
            "state": job.state,
            "share": round(job.share, 3),
            "words": job.words,
            "before": self.jobs.before(job),
            "left_s": round(self.jobs.left_s(job)),
            "facts": made.facts if made else None,
            "file": made.name if made and made.file else "",
        }


def owner(viewer: Viewer) -> Owner:
    """Whose a job is; two people at one screen are two."""
    return viewer.user, viewer.name


def may_names(viewer: Viewer) -> bool:
    """Whether people's names may be in what this person exports."""
    return viewer.role in MAY[EXPORT_NAMES]


NAMES = "names"
"""Parameter: people by name (1), or by role and number (0)."""


def names_asked(asked: Asked, viewer: Viewer, default: bool = False) -> bool:
    """Whether people are to stand in an answer by name.

    The clinic's own pages name who did what, to everybody who may see the session. A program reads
    on behalf of others: it gets names only where it asks for them with a role that may have them.

    Args:
        asked: the parameters.
        viewer: who asks.
        default: what somebody at a page gets without asking; a token gets no names.

    Raises:
        AskedError: not with this role.
    """
    unasked = "1" if default and not viewer.token else "0"
    if asked.one_of(NAMES, ("0", "1"), unasked) == "0":
        return False
    if not may_names(viewer) and (viewer.token or not default):
        raise AskedError("names are for clinicians and prescribers; ask without them")
    return True


async def read(request: Request, asked: type[T]) -> T:
    """The body of a request, strictly.

    Raises:
        AskedError: it is too long, or not what it must be.
    """
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                raise AskedError(f"the request is longer than {MOST_BYTES} bytes")
    except ClientDisconnect as error:
        raise AskedError("the request was broken off") from error
    try:
        return msgspec.json.decode(bytes(body), type=asked)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AskedError(f"the request cannot be read: {error}") from error
