"""The API of a desk, asked without a socket: as whom, from which rooms."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from fastapi import FastAPI
from starlette.types import Message

from dashboard import api, central_process, central_review
from dashboard.api.desk import Desk
from dashboard.diary import Diary
from dashboard.review import held
from dashboard.who import SCOPE, Viewer
from dashboard.worker import Worker
from tests.central.cluster import PASSWORD, Database
from vitals.config import CentralConfig
from vitals.hub import Hub

DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Asking:
    """One server; `as_` somebody else with other rooms."""

    def __init__(self, server: FastAPI, viewer: Viewer) -> None:
        self._server, self._viewer = server, viewer

    def as_(self, *rooms: str, **other: Any) -> Asking:
        return Asking(self._server, Viewer(rooms=frozenset(rooms) if rooms else None, **other))

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.ask("GET", path, **headers)

    async def post(self, path: str, body: Any) -> Answer:
        return await self.ask("POST", path, body)

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        plain, _, query = path.partition("?")
        sent = b"" if body is None else json.dumps(body).encode()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": f"/api/v1/{plain}",
            "raw_path": f"/api/v1/{plain}".encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [
                (name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()
            ],
            "client": None,
            "server": ("127.0.0.1", 80),
            SCOPE: self._viewer,
        }
        told: list[Message] = []

        given = False

        async def receive() -> Message:
            nonlocal given
            if given:
                await asyncio.Event().wait()  # nobody hangs up
            given = True
            return {"type": "http.request", "body": sent, "more_body": False}

        async def send(message: Message) -> None:
            told.append(message)

        await self._server(scope, receive, send)
        return Answer(
            told[0]["status"],
            {name.decode(): value.decode() for name, value in told[0]["headers"]},
            b"".join(message.get("body", b"") for message in told[1:]),
        )

    async def done(self, job: Answer) -> dict[str, Any]:
        """What has become of a job when it is over."""
        assert job.status == 202, job.body
        async with asyncio.timeout(DEADLINE_S):
            while True:
                told: dict[str, Any] = (await self.get(f"jobs/{job.json['id']}")).json
                if told["state"] not in ("waiting", "running"):
                    return told
                await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def serving(desk: Desk) -> AsyncIterator[Asking]:
    """The API of a desk, while it serves."""
    server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    server.include_router(api.router(desk))
    async with server.router.lifespan_context(server):
        yield Asking(server, Viewer())


class Here:
    """Does what the figure process does in this one: for tests that need not know the other."""

    async def call(self, function: Callable[..., Any], *args: Any, **named: Any) -> Any:
        return function(*args, **named)


class Noted:
    """Remembers what would be noted."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def note(self, what: str, **facts: Any) -> None:
        self.told.append({"what": what, **facts})


def config_of(database: Database, folder: Path) -> CentralConfig:
    password = folder / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    return CentralConfig(dsn=database.viewer(inline=False), password=f"file:{password}")


@asynccontextmanager
async def centre(
    database: Database, folder: Path, worker: Any = None, noted: Any = None
) -> AsyncIterator[Asking]:
    desk = central_review.mount(
        Hub(), worker or Here(), config_of(database, folder), folder, noted or Noted()
    )
    async with serving(desk) as asking:
        yield asking


@asynccontextmanager
async def station(store: Path) -> AsyncIterator[Asking]:
    """The same API at the station itself."""
    desk = Desk(Hub(), cast("Worker", Here()), store, cast("Diary", Noted()))
    async with serving(desk) as asking:
        yield asking


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(work())


def forget() -> None:
    """Nothing that was read is in memory any more, and no connection is open."""
    held.forget()
    for reading in central_process._open.values():
        reading.close()
    central_process._open.clear()
