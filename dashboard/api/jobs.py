"""Long work: what-if and exports; how far it is, what it has made, and its end."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from dashboard.api import exports, what_if
from dashboard.api.desk import Desk
from dashboard.api.job_desk import JobDesk
from dashboard.jobs import Job, Jobs


def add(routes: APIRouter, desk: Desk) -> None:
    """Adds the routes; what runs and what was made ends with the server."""
    jobs = Jobs(Path(f"{desk.store}.jobs"))
    here = JobDesk(desk, jobs)

    @contextlib.asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        jobs.tidy()
        try:
            yield
        finally:
            await jobs.close()

    async def state(request: Request, job_id: str) -> Response:
        """How far a job is, and what it has made."""

        async def act(job: Job) -> Response:
            return JSONResponse(here.facts(job))

        return await here.of(request, job_id, act)

    async def drop(request: Request, job_id: str) -> Response:
        """Cancels a job, or lets go of what it has made."""

        async def act(job: Job) -> Response:
            await jobs.drop(job)
            return JSONResponse({"id": job.id, "state": "cancelled"})

        return await here.of(request, job_id, act)

    async def file(request: Request, job_id: str) -> Response:
        """What a job has made, as often as it is wanted until it expires."""

        async def act(job: Job) -> Response:
            path = job.file
            if path is None or job.made is None or not path.is_file():
                return JSONResponse({"error": "there is no file of this job"}, status_code=404)
            if not job.fetched:
                job.fetched = True
                desk.note(request, "export", job.session, **job.noted)
            return FileResponse(path, media_type=job.made.media_type, filename=job.made.name)

        return await here.of(request, job_id, act)

    mine = APIRouter(lifespan=lifespan)
    what_if.add(mine, here)
    exports.add(mine, here)
    mine.add_api_route("/v1/jobs/{job_id}", state)
    mine.add_api_route("/v1/jobs/{job_id}", drop, methods=["DELETE"])
    mine.add_api_route("/v1/jobs/{job_id}/file", file)
    routes.include_router(mine)
