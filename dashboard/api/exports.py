"""Exports from the page: which formats there are, and the job that writes one."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dashboard.api.asked import AskedError
from dashboard.api.job_desk import JobDesk, may_names, owner
from dashboard.jobs import Job
from dashboard.review import exporting
from dashboard.who import Viewer
from vitals.export import FORMATS


class ExportAsked(msgspec.Struct, forbid_unknown_fields=True):
    """What somebody wants to have.

    Attributes:
        session: its uuid.
        format: one of `vitals.export.FORMATS`.
        names: people by name, not by role and number.
    """

    session: str
    format: str
    names: bool = False


def add(routes: APIRouter, here: JobDesk) -> None:
    """Adds the routes."""
    desk = here.desk

    async def formats(request: Request) -> Response:
        """Every format, and whether this person may have names in it."""

        async def ask(viewer: Viewer) -> Response:
            return JSONResponse({"formats": exporting.formats(), "names": may_names(viewer)})

        return await desk.answered(request, ask)

    async def export(request: Request) -> Response:
        """Begins to write a file."""

        async def begin(viewer: Viewer, asked: ExportAsked) -> Job | None:
            if asked.format not in FORMATS:
                raise AskedError(
                    f"format is one of {', '.join(FORMATS)}, not {asked.format[:40]!r}"
                )
            if asked.names and not may_names(viewer):
                raise AskedError("names are for clinicians and prescribers; export without them")
            missing = exporting.missing(asked.format)
            if missing:
                raise AskedError(missing)
            room = await desk.called(viewer, exporting.room_of, asked.session)
            at = await desk.at(viewer, asked.session)
            if room is None or at is None:
                return None
            args = (at.store, at.uuid, asked.format, asked.names, at.rooms)
            return here.jobs.ask(
                owner(viewer),
                "export",
                exporting.export,
                *args,
                room=room,
                session=asked.session,
                noted={"format": asked.format, "names": int(asked.names)},
                names=asked.names,
                files=True,
            )

        return await here.begun(
            request,
            ExportAsked,
            begin,
            nothing=lambda asked: f"there is no session {asked.session[:80]!r}",
        )

    routes.add_api_route("/v1/exports", formats)
    routes.add_api_route("/v1/jobs/export", export, methods=["POST"], status_code=202)
