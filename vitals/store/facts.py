"""Brings the rows that change, session and station, into the chain.

A summary row may be updated, so no hash over it could stand. Instead every change of one adds
an audit row of the record's own with all its facts; the row must always equal the last of them.
"""

from __future__ import annotations

import hashlib
from typing import Any

import apsw

from vitals.store.audit import canonical
from vitals.store.connection import select
from vitals.store.rows import SESSION_ROW, STATION_ROW, SessionRecord, StationRow

_SESSION = (
    "uuid",
    "room",
    "subject_ref",
    "route",
    "mode",
    "phase",
    "started_us",
    "ended_us",
    "dose_us",
    "tz",
    "state",
    "resumed",
    "profile_text",
    "config_text",
)
_TEXTS = ("tz", "profile_text", "config_text")
"""Given when a session is opened; a later change of the summary leaves them as they are."""
_STATION = ("id", "boot_id", "anchor_us", "anchor_mono_ns", "speed")


def _upsert(table: str, columns: tuple[str, ...], keep: tuple[str, ...]) -> str:
    sets = ", ".join(
        f"{name} = iif(excluded.{name} = '', {name}, excluded.{name})"
        if name in keep
        else f"{name} = excluded.{name}"
        for name in columns[1:]
    )
    return (
        f"INSERT INTO {table}({', '.join(columns)}) VALUES (:{', :'.join(columns)})"  # noqa: S608
        f" ON CONFLICT({columns[0]}) DO UPDATE SET {sets}"
    )


_PUT_SESSION = _upsert("session", _SESSION, _TEXTS)
_PUT_STATION = _upsert("station", _STATION, ())
_GET_SESSION = f"SELECT {', '.join(_SESSION)} FROM session WHERE session_id = ?"  # noqa: S608
_GET_STATION = f"SELECT {', '.join(_STATION)} FROM station WHERE id = ?"  # noqa: S608


def put_session(connection: apsw.Connection, record: SessionRecord) -> int:
    """Adds or updates a session's row; returns its session_id."""
    session = record.session
    values: dict[str, Any] = {
        name: getattr(session, name) for name in _SESSION if hasattr(session, name)
    }
    connection.execute(
        _PUT_SESSION,
        {
            **values,
            "uuid": session.id,
            "mode": str(session.mode),
            "tz": record.tz,
            "state": record.state,
            "profile_text": record.profile_text,
            "config_text": record.config_text,
        },
    )
    found: int = connection.execute(
        "SELECT session_id FROM session WHERE uuid = ?", (session.id,)
    ).get
    return found


def put_station(connection: apsw.Connection, row: StationRow) -> None:
    """Adds or updates the station's row."""
    clock = row.clock
    values = (row.id, row.boot_id, clock.anchor_us, clock.anchor_mono_ns, clock.speed)
    connection.execute(_PUT_STATION, dict(zip(_STATION, values, strict=True)))


def of_session(connection: apsw.Connection, session_id: int) -> str:
    """The row of an existing session as canonical JSON, its long texts as their SHA-256."""
    (row,) = select(connection, _GET_SESSION, (session_id,))
    facts = dict(zip(_SESSION, row, strict=True))
    for name in ("profile_text", "config_text"):
        text = facts.pop(name).encode()
        facts[name.replace("text", "sha256")] = hashlib.sha256(text).hexdigest()
    return canonical(facts)


def of_station(connection: apsw.Connection, station: str) -> str:
    """The row of an existing station as canonical JSON."""
    (row,) = select(connection, _GET_STATION, (station,))
    return canonical(dict(zip(_STATION, row, strict=True)))


def of_sessions(connection: apsw.Connection) -> tuple[dict[Any, str], dict[Any, str]]:
    """By session_id: what the audit trail told last, and what the rows say now."""
    told = _told(connection, "session_id", SESSION_ROW)
    keys = select(connection, "SELECT session_id FROM session")
    return told, {key: of_session(connection, key) for (key,) in keys}


def of_stations(connection: apsw.Connection) -> tuple[dict[Any, str], dict[Any, str]]:
    """By id: what the audit trail told last, and what the rows say now."""
    told = _told(connection, "body ->> 'id'", STATION_ROW)
    keys = select(connection, "SELECT id FROM station")
    return told, {key: of_station(connection, key) for (key,) in keys}


def _told(connection: apsw.Connection, key: str, kind: str) -> dict[Any, str]:
    found = select(
        connection,
        f"SELECT {key}, body, max(n) FROM audit WHERE kind = ? AND seq IS NULL GROUP BY 1",  # noqa: S608
        (kind,),
    )
    return {key: body for key, body, _ in found}
