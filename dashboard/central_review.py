"""Review at the centre: mounts the API's record side on PostgreSQL instead of a station's record.

`mount` gives the desk that `dashboard.api.router` is built with; routes, pages and formats are the
local ones. Who has read or exported what goes to a file of the centre's own (`central_diary`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from starlette.requests import Request

from dashboard import central_process
from dashboard.api.desk import At, Desk
from dashboard.auth import Auth
from dashboard.central_diary import CentralDiary
from dashboard.central_list import CentralQuestion
from dashboard.central_process import Centre
from dashboard.review import answer
from dashboard.review.index_query import Question
from dashboard.who import Viewer
from dashboard.worker import Worker
from vitals.central import dsn
from vitals.central.session_find import rooms_of
from vitals.hub import Hub

PROGRAM = "vitals central review"
"""As the server shows whose connection it is."""
Granted = Callable[[frozenset[str] | None], frozenset[str] | None]
COPIES = "sessions"
READS = "reads.jsonl"
"""Names in the centre's folder."""


class CentralDesk(Desk):
    """Asks PostgreSQL, through the figure process."""

    question: ClassVar[type[Question]] = CentralQuestion

    def __init__(
        self,
        hub: Hub,
        worker: Worker,
        centre: Centre,
        diary: CentralDiary,
        granted: Granted,
    ) -> None:
        super().__init__(hub, worker, centre.folder, diary)
        self._centre, self._granted = centre, granted

    def viewer(self, request: Request) -> Viewer:
        """Who asks, with every room of the stations that may be seen as a whole."""
        viewer = super().viewer(request)
        return replace(viewer, rooms=self._granted(viewer.rooms))

    async def called(self, viewer: Viewer, build: Callable[..., Any], *args: Any) -> Any:
        """See `Desk.called`; rooms in the answer are the centre's."""
        call = central_process.call
        return await self._worker.call(call, self._centre, build, args, viewer.rooms)

    async def at(self, viewer: Viewer, session: str) -> At | None:
        """See `Desk.at`."""
        fetched = await self._worker.call(central_process.at, self._centre, session, viewer.rooms)
        if fetched is None:
            return None
        found = fetched.found
        return At(fetched.path, found.uuid, rooms_of(found.station, viewer.rooms))

    async def _made(
        self,
        how: answer.How,
        build: Callable[..., bytes | None],
        args: tuple[Any, ...],
        named: Mapping[str, Any],
    ) -> answer.Made:
        make = central_process.make
        return await self._worker.call(make, self._centre, how, build, args, named)


def diary(auth: Auth, folder: Path) -> CentralDiary:
    """Where reads, exports and what happens to accounts are noted; `run` and `close` it."""
    return CentralDiary(auth, folder / READS)


def mount(
    hub: Hub,
    worker: Worker,
    config: dsn.Central,
    folder: Path,
    noted: CentralDiary,
    granted: Granted = lambda rooms: rooms,
) -> CentralDesk:
    """The desk for `dashboard.api.router`.

    Args:
        hub: what the pages follow.
        worker: the figure process.
        config: how PostgreSQL is reached; a role that reads everything.
        folder: the centre's own; copies of sessions are kept in it.
        noted: see `diary`.
        granted: the rooms of a grant, see `vitals.central.ward.Ward.granted`.

    Raises:
        CentralError: the password or a certificate is not there.
    """
    conninfo = dsn.conninfo(config, PROGRAM, writes=False)
    return CentralDesk(hub, worker, Centre(conninfo, folder / COPIES), noted, granted)
