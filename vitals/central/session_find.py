"""A session at the centre: what it is called, and how much of it has come.

Its name is `<station>~<uuid>~<record>`, where the record's part is the beginning of its hash: one
session can go on in another record of its station, after a damaged file was set aside. Without the
record the newest is meant, without the station whichever has it: so a bare uuid is a name, too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vitals.store.rows import FORGOTTEN, SEAL

if TYPE_CHECKING:
    from psycopg import Connection

BETWEEN = "~"
"""Between the parts of a name: in no id of a station, and left as it is by every address."""
RECORD_LETTERS = 12
"""Of a record's hash, in a name."""
ROOM = ":"
"""Between a station and its room."""
_LEAST_LETTERS = 4


@dataclass(frozen=True, slots=True)
class SessionName:
    """What a session is called; `""` where a part is left out.

    Attributes:
        uuid: as its station knows it.
        station: id of the station.
        record: the beginning of the record's hash.
    """

    uuid: str
    station: str = ""
    record: str = ""

    @classmethod
    def of(cls, text: str) -> SessionName:
        """The parts of a name; what is none is the name of no session."""
        if BETWEEN not in text:
            return cls(text)
        station, uuid, record = (*text.split(BETWEEN, 2), "")[:3]
        return cls(uuid, station, record)

    def __str__(self) -> str:
        parts = [self.station, self.uuid, self.record[:RECORD_LETTERS]]
        return BETWEEN.join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Found:
    """A session at the centre, as it stands in one transaction.

    Attributes:
        label: what its room is called.
        opened_seq: the station's counter at its first row: none of its samples has a lower one.
        sealed: (first, last) counter of its samples; None while it is open, or without seals.
        samples: how many of them there are by its seals, numerics and blocks of waveforms.
        last_n: its last row of the audit chain that has come.
        numeric_to: up to this counter the record's numerics have come.
        files: channels whose waveforms have come.
        forgotten: whether the station has deleted some of them, as their time was over.
        state: another one as soon as any of this is other.
    """

    station: str
    record: str
    uuid: str
    room: str
    label: str
    station_name: str
    site: str
    clinic: str
    subject_ref: str
    mode: str
    started_us: int
    ended_us: int | None
    tz: str
    opened_seq: int
    sealed: tuple[int, int] | None
    samples: int
    last_n: int
    numeric_to: int
    files: tuple[int, ...]
    forgotten: bool
    state: str

    @property
    def name(self) -> str:
        """What it is called at the centre; the same for ever."""
        return str(SessionName(self.uuid, self.station, self.record))


def room_id(station: str, room: str) -> str:
    """What a room is called at the centre."""
    return f"{station}{ROOM}{room}"


def rooms_of(station: str, rooms: Collection[str] | None) -> frozenset[str] | None:
    """Of rooms of the centre those of one station, by the station's own ids; None for all.

    `station:*` are all rooms of a station.
    """
    if rooms is None:
        return None
    before = station + ROOM
    if before + "*" in rooms:
        return None
    return frozenset(room.removeprefix(before) for room in rooms if room.startswith(before))


_WHERE = """
FROM kap.watermark w
JOIN kap.session s ON s.station = w.station AND s.record = w.record AND s.uuid = %(uuid)s
JOIN kap.station t ON t.id = s.station
LEFT JOIN kap.audit first ON first.station = s.station AND first.record = s.record AND first.n = 1
WHERE w.lane = 'audit' AND (%(station)s = '' OR w.station = %(station)s)
    AND starts_with(w.record, %(record)s)
    AND (%(rooms)s::text[] IS NULL OR s.station || ':' || s.room = ANY(%(rooms)s)
        OR s.station || ':*' = ANY(%(rooms)s))
ORDER BY first.at_us DESC NULLS LAST, s.station, s.record LIMIT 1
"""
_SESSION = f"""
SELECT s.station, s.record, s.uuid, s.room,
    coalesce((SELECT label FROM kap.room_state r WHERE r.station = s.station AND r.room = s.room),
        s.room),
    t.name, t.site, t.clinic, s.subject_ref, s.mode, s.started_us, s.ended_us, s.tz, s.xmin::text
{_WHERE}
"""  # noqa: S608 - the tables are a text of this module
_ABOUT = (
    "station", "record", "uuid", "room", "label", "station_name", "site", "clinic", "subject_ref",
    "mode", "started_us", "ended_us", "tz", "written",
)  # fmt: skip
_ROWS = """
SELECT coalesce(min(seq), 0), coalesce(max(n), 0),
    coalesce((SELECT n FROM kap.watermark WHERE station = %(station)s AND record = %(record)s
        AND lane = 'numeric'), 0)
FROM kap.audit WHERE station = %(station)s AND record = %(record)s AND session = %(uuid)s
"""
_SEALS = """
SELECT kind, body FROM kap.audit
WHERE station = %(station)s AND record = %(record)s AND session = %(uuid)s
    AND kind = ANY(%(kinds)s) AND seq IS NULL ORDER BY n
"""
_FILES = """
SELECT channel_id FROM kap.file
WHERE station = %(station)s AND record = %(record)s AND session = %(uuid)s ORDER BY 1
"""


def find(
    connection: Connection[Any], name: SessionName, rooms: Collection[str] | None = None
) -> Found | None:
    """The session of a name, None when there is none in these rooms.

    Args:
        connection: of a role that reads everything, in one transaction with what comes next.
        name: what it is called.
        rooms: `station:room` of those whose sessions may be seen, None for all.

    Raises:
        psycopg.Error: the database cannot be asked.
    """
    if "\0" in f"{name}" or (name.record and len(name.record) < _LEAST_LETTERS):
        return None
    row = connection.execute(
        _SESSION,
        {
            "uuid": name.uuid,
            "station": name.station,
            "record": name.record,
            "rooms": None if rooms is None else sorted(rooms),
        },
    ).fetchone()
    if row is None:
        return None
    about: dict[str, Any] = dict(zip(_ABOUT, row, strict=True))
    station, record, uuid = about["station"], about["record"], about["uuid"]
    written = about.pop("written")
    at = {"station": station, "record": record, "uuid": uuid}
    counted = connection.execute(_ROWS, at).fetchone() or (0, 0, 0)
    opened_seq, last_n, numeric_to = counted
    seals = connection.execute(_SEALS, {**at, "kinds": [SEAL, FORGOTTEN]}).fetchall()
    first, last, samples = _sealed([(kind, body) for kind, body in seals])
    closed = about["ended_us"] is not None
    sealed = (first, last) if closed and samples else None
    files = tuple(channel for (channel,) in connection.execute(_FILES, at))
    # What comes behind its last sample is of other sessions.
    counts_to = min(numeric_to, last) if sealed else numeric_to
    told = repr((about, written, last_n, counts_to, files))
    return Found(
        **about,
        opened_seq=min(opened_seq, first) if samples else opened_seq,
        sealed=sealed,
        samples=samples,
        last_n=last_n,
        numeric_to=numeric_to,
        files=files,
        forgotten=any(kind == FORGOTTEN for kind, _ in seals),
        state=hashlib.sha256(told.encode()).hexdigest()[:24],
    )


def _sealed(rows: list[tuple[str, str]]) -> tuple[int, int, int]:
    """First and last counter of all samples that were ever sealed, and their number."""
    bodies = [body for kind, text in rows if kind == SEAL and (body := json.loads(text))["rows"]]
    if not bodies:
        return 0, 0, 0
    return (
        min(int(body["from_seq"]) for body in bodies),
        max(int(body["to_seq"]) for body in bodies),
        sum(int(body["rows"]) for body in bodies),
    )
