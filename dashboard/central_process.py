"""Review at the centre, in the figure process: a session is fetched, then read like any record.

What is asked of one session is asked of its copy (`vitals.central.session_copies`) by the very
functions that answer at its station; `_OWN` has what is another question at the centre.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from dashboard import expected
from dashboard.central_list import CentralList
from dashboard.review import Rooms, across, addenda, answer, exporting, index, tuner
from dashboard.review import session as review
from vitals.central import session_copy
from vitals.central.connecting import explain, load_psycopg, place, require_current
from vitals.central.session_copies import MOST_BYTES, Copies
from vitals.central.session_find import Found, SessionName, find, room_id, rooms_of
from vitals.errors import CentralError, ConfigError
from vitals.store.intact import COLUMNS

if TYPE_CHECKING:
    from psycopg import Connection

LONGEST_MS = 15_000
"""PostgreSQL gives up a question after this: the figure process has others to answer."""
ONE_AT_A_TIME = (
    "at the centre other limits are tried on one session at a time; its station compares many"
)
_CHAIN = f"""
SELECT {", ".join(COLUMNS)}, session FROM kap.audit
WHERE station = %s AND record = %s AND n > %s AND n <= %s ORDER BY n
"""  # noqa: S608 - our own names
_BESIDE = """
SELECT DISTINCT ON (s.started_us, s.station, s.uuid) s.station, s.record, s.uuid, s.room
FROM kap.station t
JOIN kap.watermark w ON w.station = t.id AND w.lane = 'audit'
JOIN kap.session s ON s.station = w.station AND s.record = w.record
LEFT JOIN kap.audit first ON first.station = s.station AND first.record = s.record AND first.n = 1
WHERE t.site = %(site)s AND t.clinic = %(clinic)s AND s.subject_ref = %(subject)s
    AND s.mode = %(mode)s
    AND (%(rooms)s::text[] IS NULL OR s.station || ':' || s.room = ANY(%(rooms)s)
        OR s.station || ':*' = ANY(%(rooms)s))
ORDER BY s.started_us DESC, s.station, s.uuid, first.at_us DESC NULLS LAST
"""


@dataclass(frozen=True, slots=True)
class Centre:
    """Where review finds everything.

    Attributes:
        conninfo: libpq's keywords of a role that reads everything.
        folder: for copies of sessions; of its own.
        most_bytes: how large that may be.
    """

    conninfo: str = field(repr=False)
    folder: Path
    most_bytes: int = MOST_BYTES


@dataclass(frozen=True, slots=True)
class Fetched:
    """A session that is here.

    Attributes:
        path: its copy.
    """

    found: Found
    path: Path


class Reading:
    """One process's way to the centre: a connection, the copies, what the list remembers."""

    def __init__(self, centre: Centre) -> None:
        self.copies = Copies(centre.folder, centre.most_bytes)
        self.sessions = CentralList()
        self._conninfo = centre.conninfo
        self._connection: Connection[Any] | None = None

    @contextmanager
    def at_one_moment(self) -> Iterator[Connection[Any]]:
        """A transaction whose answers all tell the centre as it stood at the first of them.

        Raises:
            CentralError: PostgreSQL cannot be reached, or refuses.
            InstallError: psycopg is not installed.
        """
        psycopg = load_psycopg()
        try:
            connection = self._alive(psycopg)
            with connection.transaction():
                connection.execute(f"SET LOCAL statement_timeout = {LONGEST_MS}")
                yield connection
        except psycopg.Error as error:
            self.close()
            raise CentralError(explain(error, place(self._conninfo))) from error

    def _alive(self, psycopg: Any) -> Connection[Any]:
        """The connection of the last time, if it still answers."""
        if self._connection is not None:
            try:
                self._connection.execute("SELECT 1")
            except psycopg.Error:
                self.close()
            else:
                return self._connection
        made: Connection[Any] = psycopg.connect(self._conninfo, autocommit=True)
        self._connection = made
        made.prepare_threshold = None  # between may be a pool that gives each transaction another
        made.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        made.read_only = True
        require_current(made)
        return made

    def close(self) -> None:
        """Gives the connection up; the next question makes another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def fetch(self, connection: Connection[Any], name: SessionName, rooms: Rooms) -> Fetched | None:
        """A session that may be seen, brought here; None when there is none."""
        found = find(connection, name, rooms)
        return Fetched(found, self.copies.path_of(connection, found)) if found else None


_open: dict[Centre, Reading] = {}


def _reading(centre: Centre) -> Reading:
    if centre not in _open:
        _open[centre] = Reading(centre)
    return _open[centre]


# --- what the web process asks --------------------------------------------------------------------


def make(
    centre: Centre,
    how: answer.How,
    build: Callable[..., bytes | None],
    args: tuple[Any, ...],
    named: Mapping[str, Any],
) -> answer.Made:
    """As `dashboard.review.answer.make`, of the centre instead of a record.

    Raises:
        CentralError: PostgreSQL cannot be reached, or refuses.
        StoreError: a copy cannot be read.
    """
    reading, rooms = _reading(centre), named.get("rooms")
    if build is expected.course:  # there is no session in the record to look for
        return answer.make(replace(how, session=""), build, centre.folder / "none", args, named)
    with reading.at_one_moment() as connection:
        if build is index.listed:
            body = reading.sessions.answer(connection, args[0], rooms)
            return answer.make(how, _as_it_is, centre.folder, (body,), {})
        if build is across.across:
            told = _across(reading, connection, args[0], rooms)
            return answer.make(how, _as_it_is, centre.folder, (told,), {})
        fetched = reading.fetch(connection, SessionName.of(str(args[0])), rooms)
        if fetched is None:
            return answer.Made(404)
        found = fetched.found
        own = _OWN.get(build)
        return answer.make(
            replace(how, session=found.uuid if how.session else ""),
            own(connection, fetched) if own else build,
            fetched.path,
            (found.uuid, *args[1:]),
            {**named, "rooms": rooms_of(found.station, rooms)},
        )


def call(centre: Centre, build: Callable[..., Any], args: tuple[Any, ...], rooms: Rooms) -> Any:
    """What `build(record, uuid, …, rooms=…)` answers, None when there is no such session.

    Raises:
        VitalsError: what `build` raises, or the session cannot be fetched.
    """
    if build is tuner.checked and args[1].last:
        raise ConfigError(ONE_AT_A_TIME)
    name, *more = args
    fetched = at(centre, str(name), rooms)
    if fetched is None:
        return None
    found = fetched.found
    told = build(fetched.path, found.uuid, *more, rooms=rooms_of(found.station, rooms))
    if build in _ROOMS and told is not None:
        return room_id(found.station, told)
    return told


def at(centre: Centre, name: str, rooms: Rooms) -> Fetched | None:
    """A session, brought here; None when there is none.

    Raises:
        CentralError: PostgreSQL cannot be reached, or refuses.
    """
    reading = _reading(centre)
    with reading.at_one_moment() as connection:
        return reading.fetch(connection, SessionName.of(name), rooms)


_ROOMS = frozenset({exporting.room_of, tuner.checked})
"""What answers with a room, by its station's own id."""


# --- what is another question at the centre -------------------------------------------------------


def _as_it_is(_store: Path, body: bytes | None, **_named: Any) -> bytes | None:
    return body


def _placed(_connection: Connection[Any], fetched: Fetched) -> Callable[..., bytes | None]:
    """The session's page, with where it was."""
    found = fetched.found

    def build(store: Path, uuid: str, **named: Any) -> bytes | None:
        told = review.session(store, uuid, **named)
        if told is None:
            return None
        body = orjson.loads(told)
        body["session"] |= {
            "id": found.name,
            "room": room_id(found.station, found.room),
            "room_label": found.label,
            "station": found.station,
            "station_name": found.station_name,
            "site": found.site,
            "clinic": found.clinic,
        }
        return orjson.dumps(body)

    return build


def _intact(connection: Connection[Any], fetched: Fetched) -> Callable[..., bytes | None]:
    """The check of a session; the chain between its rows is read in PostgreSQL."""
    found = fetched.found

    def chain(after: int, last: int) -> Sequence[tuple[Any, ...]]:
        at = (found.station, found.record, after, last)
        return connection.execute(_CHAIN.encode(), at).fetchall()

    def build(store: Path, *args: Any, **named: Any) -> bytes | None:
        if found.forgotten:
            raise CentralError(
                "the station has deleted samples of this session, as their time was over: what the "
                "centre still has cannot be checked against their seals"
            )
        if session_copy.notes_of(store):
            raise CentralError(
                "not all of this session is at the centre, so it cannot be checked here; check it "
                "at its station"
            )
        return addenda.intact(store, *args, chain=chain, **named)

    return build


_OWN: dict[Callable[..., Any], Callable[..., Callable[..., bytes | None]]] = {
    review.session: _placed,
    addenda.intact: _intact,
}


def _across(reading: Reading, connection: Connection[Any], name: str, rooms: Rooms) -> bytes | None:
    """Sessions of one pseudonym in one clinic: elsewhere it may be another person's."""
    found = find(connection, SessionName.of(name), rooms)
    if found is None:
        return None
    asked = {
        "site": found.site,
        "clinic": found.clinic,
        "subject": found.subject_ref,
        "mode": found.mode,
        "rooms": None if rooms is None else sorted(rooms),
    }
    rows = connection.execute(_BESIDE, asked).fetchall() if found.subject_ref else []
    alike = [SessionName(uuid, station, record) for station, record, uuid, _ in rows]
    this = SessionName(found.uuid, found.station, found.record)
    others = [one for one in alike if one != this][: across.MOST - 1]
    shown = [one for one in alike if one == this or one in others] or [this]
    sessions = []
    for one in shown:
        fetched = reading.fetch(connection, one, rooms)
        if fetched is not None:
            facts = across.facts_of(fetched.path, fetched.found.uuid)
            room = room_id(fetched.found.station, fetched.found.room)
            sessions.append({**facts, "id": fetched.found.name, "room": room})
    return across.told(found.subject_ref, found.mode, found.name, len(alike), sessions)
