"""Where every question about the record is asked: who asks, whether he may, who works it out.

Each is asked for with the rooms of the person who asks; a session of any other room is one that
there is not. At a locked screen the record stays closed: what is live goes on, and no more. Who
has read or exported a session is a row of the record itself.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dashboard.api.asked import AskedError
from dashboard.diary import READ, Diary
from dashboard.live import NOBODY
from dashboard.review import Rooms, answer
from dashboard.review.index_query import Question
from dashboard.who import ANYBODY, SCOPE, Viewer
from dashboard.worker import Worker
from vitals.errors import VitalsError
from vitals.hub import Hub

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class At:
    """Where a session is read by what works on it for long.

    Attributes:
        store: the record that it is in.
        uuid: of the session, in that record.
        rooms: the rooms of who asks, as that record calls them; None for all.
    """

    store: Path
    uuid: str
    rooms: Rooms


class Desk:
    """What the areas of the API share.

    Attributes:
        hub: the live state.
        store: the station's record.
        question: what can be asked of the list of sessions.
    """

    question: ClassVar[type[Question]] = Question

    def __init__(self, hub: Hub, worker: Worker, store: Path, diary: Diary) -> None:
        self.hub = hub
        self.store = store
        self._worker = worker
        self._diary = diary

    def viewer(self, request: Request) -> Viewer:
        """Who asks."""
        viewer: Viewer = request.scope.get(SCOPE, ANYBODY)
        return viewer

    def note(self, request: Request, what: str, session: str, **facts: str | int) -> None:
        """Makes a row of the record: who has read or exported a session. Waits for nothing.

        Args:
            request: who asks.
            what: `read`, noted once in ten minutes for a person and a session, or `export`.
            session: its uuid; only of a session that the person may see.
            **facts: more of it, as the format of an export.
        """
        viewer = self.viewer(request)
        who = {"user": viewer.user, "screen": viewer.screen.id if viewer.screen else ""}
        told = {key: value for key, value in {**who, **facts}.items() if value != ""}
        name = viewer.name or NOBODY
        self._diary.note(what, name=name, role=viewer.role, session=session, **told)

    async def built(
        self,
        request: Request,
        build: Callable[..., bytes | None],
        *args: Any,
        nothing: str,
        media_type: str = "application/json",
        reads: str = "",
        tagged: bool = False,
        **named: Any,
    ) -> Response:
        """`build(store, *args, rooms=..., **named)` in the figure process, as the answer.

        It is compressed there, too, where the caller takes gzip.

        Args:
            request: whose rooms are meant.
            build: a function of a module; None from it is a 404.
            *args: what it is asked for.
            nothing: the sentence of that 404.
            media_type: of the answer.
            reads: uuid of the session that the answer lays open: noted in the record.
            tagged: whether the answer depends on that session alone, so that it has an ETag and
                is 304 where the caller has it already.
            **named: more of what it is asked for.
        """
        how = answer.How(
            gzip="gzip" in request.headers.get("accept-encoding", "").lower(),
            media_type=media_type,
            session=reads if tagged else "",
            known=request.headers.get("if-none-match", ""),
            names=bool(named.get("names", False)),
        )

        async def ask(viewer: Viewer) -> Response:
            made = await self._made(how, build, args, {**named, "rooms": viewer.rooms})
            if made.status == 404:
                return JSONResponse({"error": nothing}, status_code=404)
            if reads:
                self.note(request, READ, reads)
            return Response(made.body, made.status, headers=made.headers, media_type=media_type)

        return await self.answered(request, ask)

    async def called(self, viewer: Viewer, build: Callable[..., Any], *args: Any) -> Any:
        """`build(store, *args, rooms=...)` in the figure process, as it is.

        Raises:
            VitalsError: what `build` raises, or the figure process could not do it.
        """
        return await self._worker.call(build, self.store, *args, rooms=viewer.rooms)

    async def at(self, viewer: Viewer, session: str) -> At | None:
        """Where a session is for long work; None when it is known that there is none.

        Raises:
            VitalsError: it cannot be brought there.
        """
        return At(self.store, session, viewer.rooms)

    async def _made(
        self,
        how: answer.How,
        build: Callable[..., bytes | None],
        args: tuple[Any, ...],
        named: Mapping[str, Any],
    ) -> answer.Made:
        """See `dashboard.review.answer.make`, in the figure process."""
        return await self._worker.call(answer.make, how, build, self.store, args, named)

    async def answered(
        self, request: Request, ask: Callable[[Viewer], Awaitable[Response]]
    ) -> Response:
        """What `ask` answers, unless the screen is locked; its errors as sentences."""
        viewer = self.viewer(request)
        if viewer.locked:
            return _error(423, "Locked: PIN to look at the record")
        try:
            return await ask(viewer)
        except AskedError as error:
            return _error(400, str(error))
        except VitalsError as error:
            return _error(503, str(error))
        except Exception:
            log.exception("%s cannot be answered", request.url.path)
            return _error(500, "this cannot be answered; the web's log says why")


def _error(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"error": sentence}, status_code=status)
