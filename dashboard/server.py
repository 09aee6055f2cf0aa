"""The web process's server: live socket, JSON, pages, behind one gate.

A task that dies silently would leave every page "lost" for ever, so the death of a task ends the
process; the supervisor starts it anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import plotly
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import Message, Scope
from starlette.websockets import WebSocket

from dashboard import api, app, auth_routes, metrics
from dashboard.api.desk import Desk
from dashboard.auth import Auth
from dashboard.build import build_id
from dashboard.cookies import Cookies
from dashboard.diary import Diary
from dashboard.framework import WithoutFaults
from dashboard.gate import IMMUTABLE, LOOPBACK, Gate, content_policy
from dashboard.limits import UNITS_A_MINUTE, Limits
from dashboard.live import Live
from dashboard.review import session as review
from dashboard.station_clock import StationClock
from dashboard.worker import Worker
from vitals import __version__, people_file
from vitals.clock import boottime_ns
from vitals.errors import VitalsError
from vitals.follower import Follower, Source
from vitals.hub import Hub

log = logging.getLogger(__name__)

PLOTLY_FILE = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"


@dataclass(frozen=True, slots=True)
class Access:
    """How the pages can be reached.

    Attributes:
        lock_s: a screen that nobody has touched for so long is locked.
        secure: over TLS.
        required: from other computers, so that nobody gets in without an account.
        hosts: the names of this server.
        units_a_minute: what one caller may ask of the API, see `dashboard.limits`.
        ready_s: the figure process is started so long after the pages; None = when it is needed.
    """

    lock_s: float = 600.0
    secure: bool = False
    required: bool = False
    hosts: frozenset[str] = LOOPBACK
    ready_s: float | None = None
    units_a_minute: float = UNITS_A_MINUTE


@dataclass(frozen=True, slots=True)
class Web:
    """Everything that the server is made of.

    Attributes:
        asgi: what uvicorn serves.
    """

    asgi: Gate
    hub: Hub
    follower: Source
    clock: StationClock
    live: Live
    worker: Worker
    auth: Auth


@dataclass(frozen=True, slots=True)
class Kinds:
    """Parts that are others at the centre; None: as for a station.

    Attributes:
        live: makes `/live`.
        diary: where reads and exports are noted.
        desk: what answers questions about the record.
    """

    live: Callable[[Hub, Any, StationClock, str, Auth], Live] | None = None
    diary: Callable[[Auth], Diary] | None = None
    desk: Callable[[Worker, Any], Desk] | None = None


def create(
    feed_file: Path,
    store: Path,
    on_death: Callable[[str], None],
    access: Access | None = None,
) -> Web:
    """Builds the server of one station.

    Args:
        feed_file: where the station says how to reach it.
        store: the station's record, opened for reading by review alone.
        on_death: told which task has died and why; it must end the process.
        access: how the pages can be reached; default: from this computer alone.

    Raises:
        PeopleError: there are accounts, and they cannot be read.
    """
    hub = Hub(link="stale")
    return assemble(hub, Follower(feed_file, hub), store, on_death, access or Access())


def assemble(
    hub: Hub,
    follower: Source,
    store: Path,
    on_death: Callable[[str], None],
    access: Access,
    kinds: Kinds | None = None,
) -> Web:
    """Builds the server of whatever is followed.

    Args:
        hub: what `follower` follows into.
        follower: says whether there is anything to show.
        store: the station's record, and what the accounts are named by.
        on_death: see `create`.
        access: see `create`.
        kinds: what is made otherwise than for a station.

    Raises:
        PeopleError: there are accounts, and they cannot be read.
    """
    kinds = kinds or Kinds()
    clock = StationClock()
    worker = Worker()
    build = build_id()
    auth = Auth(people_file.path_of(store), lock_s=access.lock_s, required=access.required)
    cookies = Cookies.of(store, secure=access.secure)
    live = (kinds.live or Live)(hub, follower, clock, build, auth)
    diary = kinds.diary(auth) if kinds.diary else Diary(auth, follower)
    desk = kinds.desk(worker, diary) if kinds.desk else Desk(hub, worker, store, diary)

    @contextlib.asynccontextmanager
    async def lifespan(_server: FastAPI) -> AsyncIterator[None]:
        tasks = [
            _task(follower.run(), "follower", on_death),
            _task(clock.follow(hub), "station clock", on_death),
            _task(follower.tell_audience(live.audience), "audience", on_death),
            _task(auth.run(), "accounts", on_death),
            _task(diary.run(), "diary", on_death),
            *(_task(work, name, on_death) for name, work in live.tasks()),
        ]
        if access.ready_s is not None:
            tasks.append(asyncio.create_task(_make_ready(worker, access.ready_s)))
        await _warm_up(server)
        gate.policy = content_policy(pages.csp_hashes())
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            worker.close()
            await diary.close()
            await auth.close()

    server = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    server.add_exception_handler(HTTPException, _in_words)
    server.add_exception_handler(RequestValidationError, _in_words)
    limits = Limits(access.units_a_minute)
    gate = Gate(WithoutFaults(server), auth, cookies, access.hosts, limits, build)
    web = Web(gate, hub, follower, clock, live, worker, auth)
    sources = metrics.Sources(hub, follower, clock, live, worker, diary, gate.limits, build)
    _add_routes(server, web, sources)
    server.include_router(auth_routes.router(auth, cookies))
    server.include_router(api.router(desk))
    pages = app.mount(server, build, cookies.csrf)
    return web


def _add_routes(server: FastAPI, web: Web, sources: metrics.Sources) -> None:
    async def socket(ws: WebSocket) -> None:
        await web.live.serve(ws)

    async def healthz() -> Response:
        """Answers while the loop runs; whether the station is there is for the reader to judge."""
        hello = web.follower.hello
        return JSONResponse(
            {
                "ok": True,
                "link": web.hub.link,
                "trouble": web.follower.trouble,
                "station": hello.station if hello else "",
                "version": __version__,
                "build": sources.build,
            }
        )

    async def prometheus() -> Response:
        text = metrics.render(sources, boottime_ns())
        return PlainTextResponse(text, media_type=metrics.CONTENT_TYPE)

    kept = {"Cache-Control": IMMUTABLE}

    async def plotly_js() -> Response:
        return FileResponse(PLOTLY_FILE, media_type="text/javascript", headers=kept)

    server.add_api_websocket_route("/live", socket)
    server.add_api_route("/healthz", healthz)
    server.add_api_route("/metrics", prometheus)
    server.add_api_route(app.PLOTLY_PATH, plotly_js)


async def _in_words(_request: Request, error: Exception) -> Response:
    """What the framework refuses, in the form of every other refusal."""
    if isinstance(error, HTTPException):
        words = {404: "there is nothing here", 405: "this address is not for that method"}
        body = {"error": words.get(error.status_code, str(error.detail))}
        return JSONResponse(body, error.status_code, error.headers)
    assert isinstance(error, RequestValidationError)  # noqa: S101 only these two come here
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    return JSONResponse({"error": f"{where}: {first['msg']}"}, 400)


def _task(work: Any, name: str, on_death: Callable[[str], None]) -> asyncio.Task[None]:
    task: asyncio.Task[None] = asyncio.create_task(work, name=name)

    def ended(done: asyncio.Task[None]) -> None:
        if not done.cancelled():
            on_death(f"the {name} task has ended: {done.exception() or 'without an error'}")

    task.add_done_callback(ended)
    return task


async def _make_ready(worker: Worker, after_s: float) -> None:
    """Starts the figure process once the pages are up, so that nobody waits for it in review."""
    await asyncio.sleep(after_s)
    try:
        await worker.call(review.ready)
    except VitalsError as error:
        log.warning("the figure process: %s", error)


async def _warm_up(server: FastAPI) -> None:
    """Asks for the first page once, inside the process.

    Dash sets its pages up at its first request for `/` and would serve any other address without
    scripts until then; after it, all inline scripts are known to the content policy.
    """
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1")],
        "client": None,
        "server": ("127.0.0.1", 80),
    }
    status = 0

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)

    await server(scope, receive, send)
    if status != 200:
        raise RuntimeError(f"the first page cannot be built (status {status})")
