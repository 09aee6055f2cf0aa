"""Many sessions in one record, copied from one inside the database: the writer would take hours.

The record is a true one: its chain, summary rows and seals verify. Rooms run side by side, as in
a clinic: the counters of `lanes` sessions at a time are interleaved.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import apsw

from vitals.clock import US
from vitals.store import facts
from vitals.store.audit import append, canonical
from vitals.store.connection import open_for_writing, select
from vitals.store.rows import OWN_KINDS, SEAL, SESSION_ROW
from vitals.store.seal_check import check

SEAL_US = 60 * US
ROUTES = ("iv", "im", "intranasal", "sublingual")
_SPACE = uuid.UUID("6f1f7f5e-0000-4000-8000-00000000c0de")


class _Template(NamedTuple):
    session_id: int
    started_us: int
    channels: list[int]
    audit: list[tuple[Any, ...]]
    last_seq: int


def multiply(path: Path, count: int, *, lanes: int = 16, between_us: int = 5400 * US) -> list[str]:
    """Adds copies of the only session of a record; returns their ids.

    Args:
        path: a record with one closed session, which nobody else uses.
        count: how many copies.
        lanes: rooms, `room-1` to `room-<lanes>`, one copy in each at a time.
        between_us: from the beginning of one group of copies to that of the next.
    """
    connection = open_for_writing(path).connection
    try:
        connection.pragma("synchronous", "OFF")
        template = _read(connection)
        made: list[str] = []
        for group, first in enumerate(range(0, count, lanes), 1):
            here = min(lanes, count - first)
            connection.execute("BEGIN IMMEDIATE")
            made += _group(connection, template, group, first, here, group * between_us)
            connection.execute("COMMIT")
        return made
    finally:
        connection.close()


def _read(connection: apsw.Connection) -> _Template:
    ((session_id, started_us),) = select(connection, "SELECT session_id, started_us FROM session")
    own = ", ".join(f"'{kind}'" for kind in OWN_KINDS)
    return _Template(
        session_id,
        started_us,
        [number for (number,) in select(connection, "SELECT channel_id FROM channel ORDER BY 1")],
        select(
            connection,
            "SELECT seq, at_us, actor, role, kind, body FROM audit"  # noqa: S608
            f" WHERE session_id = ? AND kind NOT IN ({own}) ORDER BY n",
            (session_id,),
        ),
        max(
            number or 0
            for table in ("audit", "numeric", "wave")
            for (number,) in select(connection, f"SELECT max(seq) FROM {table}")  # noqa: S608
        ),
    )


def _group(
    connection: apsw.Connection, like: _Template, group: int, first: int, lanes: int, late_us: int
) -> list[str]:
    stride = (like.last_seq + 1) * 64
    base = group * stride
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS lane(old, lane, new)")
    connection.execute("DELETE FROM lane")
    made: list[tuple[int, str, str]] = []
    for lane in range(lanes):
        room = f"room-{lane + 1}"
        made.append((*_session(connection, like, first + lane + 1, room, late_us), room))
        for old in like.channels:
            connection.execute(
                "INSERT INTO channel(session_id, device, key, unit, kind, rate_hz, mdc, loinc)"
                " SELECT ?, device, key, unit, kind, rate_hz, mdc, loinc FROM channel"
                " WHERE channel_id = ?",
                (made[-1][0], old),
            )
            new = connection.last_insert_rowid()
            connection.execute("INSERT INTO lane VALUES (?, ?, ?)", (old, lane, new))
    moved = (base, late_us)
    connection.execute(
        "INSERT INTO numeric SELECT ?1 + seq * 32 + lane, new, at_us + ?2, value, quality, flags,"
        " device_at_us + ?2 FROM numeric JOIN lane ON channel_id = old ORDER BY 1",
        moved,
    )
    connection.execute(
        "INSERT INTO wave SELECT ?1 + seq * 32 + lane, new, start_us + ?2, rate_hz, n, scale,"
        " offset, data, quality FROM wave JOIN lane ON channel_id = old ORDER BY 1",
        moved,
    )
    for lane, (session_id, name, room) in enumerate(made):
        about = {"session_id": session_id, "session": name, "room": room}
        for seq, at_us, actor, role, kind, body in like.audit:
            append(
                connection,
                kind=kind,
                at_us=at_us + late_us,
                body=_shifted(body, late_us),
                seq=base + seq * 32 + lane,
                actor=actor,
                role=role,
                **about,
            )
        body = facts.of_session(connection, session_id)
        append(connection, kind=SESSION_ROW, at_us=like.started_us + late_us, body=body, **about)
    _seal(connection, made, base, stride)
    return [name for _, name, _ in made]


def _session(
    connection: apsw.Connection, like: _Template, number: int, room: str, late_us: int
) -> tuple[int, str]:
    dice = Random(number)  # noqa: S311 - the same sessions every time
    name = str(uuid.uuid5(_SPACE, str(number)))
    connection.execute(
        "INSERT INTO session(uuid, room, subject_ref, route, mode, phase, started_us, ended_us,"
        " dose_us, tz, state, resumed, profile_text, config_text)"
        " SELECT ?, ?, ?, ?, mode, phase, started_us + ?, ended_us + ?, dose_us + ?, tz, state,"
        " resumed, profile_text, config_text FROM session WHERE session_id = ?",
        (
            name,
            room,
            f"KV-{dice.randrange(2500):04}",
            dice.choice(ROUTES),
            late_us,
            late_us,
            late_us,
            like.session_id,
        ),
    )
    return connection.last_insert_rowid(), name


def _shifted(body: str, late_us: int) -> str:
    def moved(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: moved(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return [moved(one, key) for one in value]
        timed = isinstance(value, int) and (key.endswith("_us") or key == "gap")
        return value + late_us if timed else value

    return canonical(moved(json.loads(body)))


def _seal(
    connection: apsw.Connection, made: list[tuple[int, str, str]], base: int, stride: int
) -> None:
    """A seal of each session for each minute, as the writer makes them."""
    marks = "SELECT max(seq) FROM numeric WHERE seq > ? GROUP BY at_us / ?"
    ends = sorted(seq for (seq,) in select(connection, marks, (base, SEAL_US)))
    ranges = list(zip([base, *(end + 1 for end in ends)], [*ends, base + stride - 1], strict=True))
    found = check(connection, {key: ranges for key, _, _ in made}, after=base - 1)
    for session_id, name, room in made:
        for (low, high), digest in zip(ranges, found[session_id], strict=True):
            if digest.rows:
                append(
                    connection,
                    kind=SEAL,
                    at_us=0,
                    session_id=session_id,
                    session=name,
                    room=room,
                    body=canonical({"from_seq": low, "to_seq": high, **digest._asdict()}),
                )
