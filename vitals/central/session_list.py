"""The list of all sessions of all stations, asked of PostgreSQL: filters, order, a part of it.

What a closed session says (`kap.session.facts`) was worked out at its station. It comes from
there as JSON of no certain form: a wrong one must not take the others with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from vitals.central.session_find import SessionName
from vitals.central.session_query import EXACT, Wanted, natural, order, where
from vitals.export.list_facts import VERSION, Facts

if TYPE_CHECKING:
    from psycopg import Connection

MOST_ROOMS = 300
"""More rooms are not offered to choose from: choose a site, a clinic or a station first."""


@dataclass(frozen=True, slots=True)
class Line:
    """A session of the list.

    Attributes:
        name: what it is called at the centre.
        facts: None while they have not come.
        doubt: why they cannot be believed, `""` for no reason.
    """

    name: str
    station: str
    station_name: str
    site: str
    clinic: str
    room: str
    label: str
    uuid: str
    subject: str
    route: str
    mode: str
    phase: str
    started_us: int
    ended_us: int | None
    dose_us: int | None
    resumed: int
    tz: str
    facts: Facts | None
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """A part of the list, and how many sessions there are in all."""

    lines: list[Line]
    total: int


_FROM = "FROM kap.session s JOIN kap.station t ON t.id = s.station"
_ABOUT = (
    "station", "station_name", "site", "clinic", "room", "label", "uuid", "subject", "route",
    "mode", "phase", "started_us", "ended_us", "dose_us", "resumed", "tz",
)  # fmt: skip
_COLUMNS = """
SELECT s.station, t.name, t.site, t.clinic, s.room, coalesce((SELECT label FROM kap.room_state r
        WHERE r.station = s.station AND r.room = s.room), s.room),
    s.uuid, s.subject_ref, s.route, s.mode, s.phase, s.started_us, s.ended_us, s.dose_us,
    s.resumed, s.tz, s.record, s.facts
"""


def listed(connection: Connection[Any], wanted: Wanted) -> Listed:
    """The sessions that are asked for.

    Raises:
        psycopg.Error: the database cannot be asked.
    """
    every = "SELECT DISTINCT tz FROM kap.session"
    zones = [tz for (tz,) in connection.execute(every)] if wanted.asks_for_days else []
    those, values = where(wanted, zones)
    count = connection.execute(f"SELECT count(*) {_FROM} WHERE {those}".encode(), values)
    ((total,),) = count.fetchall()
    rows = connection.execute(
        f"{_COLUMNS} {_FROM} WHERE {those} ORDER BY {order(wanted.sort)}"
        " LIMIT %(limit)s OFFSET %(offset)s".encode(),
        {**values, "limit": wanted.limit, "offset": wanted.offset},
    )
    return Listed([_line(row) for row in rows], total)


def choices(connection: Connection[Any], wanted: Wanted) -> dict[str, list[str]]:
    """What the list can be narrowed to, of what the person may see.

    `sites`, `clinics` of the chosen site, `routes`, `modes`, and `rooms` of what is chosen, none
    when there are too many of them.

    Raises:
        psycopg.Error: the database cannot be asked.
    """
    every = Wanted(rooms=wanted.rooms)
    of_site = replace(every, site=wanted.site)
    chosen = replace(of_site, clinic=wanted.clinic, station=wanted.station)
    asked = {
        "sites": ("t.site", every),
        "clinics": ("t.clinic", of_site),
        "routes": ("s.route", every),
        "modes": ("s.mode", every),
        "rooms": (EXACT["room"], chosen),
    }
    found: dict[str, list[str]] = {}
    for name, (column, of) in asked.items():
        those, values = where(of, ())
        each = f"SELECT DISTINCT {column} AS name {_FROM} WHERE {those} AND {column} <> ''"
        order_by = f"ORDER BY {natural('name')}, name LIMIT {MOST_ROOMS + 1}"
        sql = f"SELECT name FROM ({each}) AS each {order_by}"  # noqa: S608 - our own names
        found[name] = [row[0] for row in connection.execute(sql.encode(), values)]
    if len(found["rooms"]) > MOST_ROOMS:
        found["rooms"] = []
    return found


def _line(row: tuple[Any, ...]) -> Line:
    *about, record, told = row
    known: dict[str, Any] = dict(zip(_ABOUT, about, strict=True))
    facts, doubt = _facts(told)
    name = str(SessionName(known["uuid"], known["station"], record))
    return Line(name, **known, facts=facts, doubt=doubt)


def _facts(told: Any) -> tuple[Facts | None, str]:
    if told is None:
        return None, ""
    version = told.get("version") if isinstance(told, Mapping) else None
    if version != VERSION:
        return None, "What its station says of this session is of another version."
    try:
        return msgspec.convert(told, Facts), ""
    except msgspec.ValidationError:
        return None, "What its station says of this session cannot be read."
