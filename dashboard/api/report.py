"""The report and the REMS sheet of one session: PDF at one click; the sheet also as JSON."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from dashboard.api.asked import Asked
from dashboard.api.desk import Desk
from dashboard.api.job_desk import NAMES, names_asked
from dashboard.api.session import no_session
from dashboard.review import report
from dashboard.who import Viewer

_PDF = "application/pdf"


def add(routes: APIRouter, desk: Desk) -> None:
    """Adds the routes."""

    async def _pdf(request: Request, uuid: str, form: str) -> Response:
        async def ask(viewer: Viewer) -> Response:
            names = names_asked(Asked(request, (NAMES,)), viewer)
            name = await desk.called(viewer, report.name, uuid, form)
            answer = await desk.built(
                request,
                report.pdf,
                uuid,
                form,
                nothing=no_session(uuid),
                media_type=_PDF,
                names=names,
            )
            if answer.status_code == 200:
                answer.headers["Content-Disposition"] = f'inline; filename="{name}"'
                desk.note(request, "export", uuid, format=form, names=int(names))
            return answer

        return await desk.answered(request, ask)

    async def pdf(request: Request, uuid: str) -> Response:
        """The report: two A4 pages."""
        return await _pdf(request, uuid, "pdf")

    async def rems_pdf(request: Request, uuid: str) -> Response:
        """The REMS sheet: one A4 page."""
        return await _pdf(request, uuid, "rems")

    async def rems(request: Request, uuid: str) -> Response:
        """The fields of the REMS sheet, each with its source."""

        async def ask(_viewer: Viewer) -> Response:
            Asked(request, ())
            return await desk.built(
                request,
                report.rems,
                uuid,
                nothing=no_session(uuid),
                reads=uuid,
                tagged=True,
            )

        return await desk.answered(request, ask)

    routes.add_api_route("/v1/sessions/{uuid}/report.pdf", pdf)
    routes.add_api_route("/v1/sessions/{uuid}/rems.pdf", rems_pdf)
    routes.add_api_route("/v1/sessions/{uuid}/rems", rems)
