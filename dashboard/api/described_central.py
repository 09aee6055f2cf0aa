"""What `/api/v1` of the centre takes and answers beside what a station's does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dashboard.api import shapes
from dashboard.api.operations import Operation, Parameter, one_of, text
from dashboard.review.index_query import Question

LIST = "/v1/sessions"
PLACES: dict[str, Parameter] = {
    one.name: one
    for one in (
        text("site", "The site, exactly.", example="Berlin North"),
        text("clinic", "The clinic, exactly.", example="Ward 2"),
        text("station", "Id of the station, exactly.", example="north-1"),
    )
}
"""Each of `Question.PLACES` that a kind of question may have."""
ABOUT = """

**At the centre** these are the sessions of all stations. A session's id is
`station~uuid~record`; without the record the newest of that station is meant, and a bare uuid is
found, too. A room is `station:room`. What the list says of a closed session was worked out at its
station and comes with its waveforms. For information only: nothing here reaches a station.
"""


class PlacedSession(shapes.ListedSession):
    """A session in the list, and where it was; `room` is `station:room`."""

    room_label: str
    station: str
    station_name: str
    site: str
    clinic: str


class PlacedFacets(shapes.Facets):
    """What the list can be narrowed to; `clinics` are those of the chosen site."""

    sites: list[str]
    clinics: list[str]


class PlacedList(shapes.Shape):
    """Sessions of the rooms that may be seen, of all stations; `pending` is always 0."""

    sessions: list[PlacedSession]
    total: shapes.Rows
    pending: shapes.Rows
    facets: PlacedFacets
    unreadable: list[str]


def with_places(operations: Iterable[Operation], question: type[Question]) -> tuple[Operation, ...]:
    """The operations as they are where the list takes `question`."""
    return tuple(_placed(one, question) if one.path == LIST else one for one in operations)


def _placed(one: Operation, question: type[Question]) -> Operation:
    words = tuple(word for name in question.ORDERS for word in (name, f"-{name}"))
    query = []
    for each in one.query:
        if each.name == "sort":
            query += [PLACES[name] for name in question.PLACES]
            query.append(one_of("sort", each.about, words, "-started"))
        else:
            query.append(each)
    return replace(one, query=tuple(query), answers=PlacedList, more="")
