"""The list of sessions of all stations, as the page asks for it: the local list with places."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import orjson

from dashboard.review import Rooms
from dashboard.review.index_query import Question
from dashboard.review.index_record import head_of
from dashboard.review.index_table import as_told
from vitals.central import session_list
from vitals.central.session_find import room_id
from vitals.central.session_list import Line
from vitals.central.session_query import SORTS, Wanted

if TYPE_CHECKING:
    from psycopg import Connection

CHOICES_S = 30.0
"""What can be chosen from is asked for again after this."""
_MOST_KEPT = 100


@dataclass(frozen=True, slots=True)
class CentralQuestion(Question):
    """What is asked of the list of all stations; each exactly, `""` asks for nothing."""

    PLACES: ClassVar[tuple[str, ...]] = ("site", "clinic", "station")
    ORDERS: ClassVar[Collection[str]] = SORTS

    site: str = ""
    clinic: str = ""
    station: str = ""


class CentralList:
    """Answers what is asked; what can be chosen from is remembered for a while."""

    def __init__(self) -> None:
        self._choices: dict[Wanted, tuple[float, dict[str, list[str]]]] = {}

    def answer(self, connection: Connection[Any], question: Question, rooms: Rooms) -> bytes:
        """The sessions that are asked for, as `dashboard.review.index.listed` has them.

        Each has its `station`, `station_name`, `site`, `clinic` and `room_label`, too, and the
        choices have `sites` and `clinics`. None is worked out here: what a session says comes from
        its station when it is closed.

        Raises:
            psycopg.Error: the database cannot be asked.
        """
        wanted = _wanted(question, rooms)
        found = session_list.listed(connection, wanted)
        return orjson.dumps(
            {
                "sessions": [_told(line) for line in found.lines],
                "total": found.total,
                "pending": 0,
                "facets": self._facets(connection, wanted),
                "unreadable": [],
            }
        )

    def _facets(self, connection: Connection[Any], wanted: Wanted) -> dict[str, list[str]]:
        places = {name: getattr(wanted, name) for name in CentralQuestion.PLACES}
        of = Wanted(rooms=wanted.rooms, **places)
        now_s = time.monotonic()
        known = self._choices.get(of)
        if known is None or now_s - known[0] > CHOICES_S:
            if len(self._choices) >= _MOST_KEPT:
                self._choices.clear()
            known = self._choices[of] = (now_s, session_list.choices(connection, of))
        return known[1]


def _wanted(question: Question, rooms: Rooms) -> Wanted:
    return Wanted(**asdict(question), rooms=rooms)


def _told(line: Line) -> dict[str, Any]:
    head = head_of(
        (
            *(line.name, line.room, line.subject, line.route, line.mode, line.phase),
            *(line.started_us, line.ended_us, line.dose_us, line.resumed, line.tz),
        )
    )
    if line.doubt:
        head = replace(head, damage=" ".join(filter(None, (head.damage, line.doubt))))
    return {
        **as_told(head, line.facts),
        "room": room_id(line.station, line.room),
        "room_label": line.label,
        "station": line.station,
        "station_name": line.station_name,
        "site": line.site,
        "clinic": line.clinic,
    }
