"""Who may write to the central tables, and who may read them: one role each, of PostgreSQL's own.

A station's role is a member of `kap_station` and sees no rows but those of its station; a viewer's
is a member of `kap_view`. Passwords are made here, and PostgreSQL is given what it keeps of one
(SCRAM), never the password: neither log nor line ever has it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vitals.central.schema import STATION_GROUP, VIEW_GROUP
from vitals.errors import CentralError

if TYPE_CHECKING:
    from psycopg import Connection

CONNECTIONS = 8
"""Of a station: a sender has three, and lost ones end later than it has made others."""
VIEW_CONNECTIONS = 40
"""Of a viewer: a central page has a few, and several pages may share one."""
_LINE = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "3",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "15s",
}
"""A connection whose line is dead holds no row for longer than that."""
STATION_SETTINGS = _LINE | {
    "idle_in_transaction_session_timeout": "10s",
    "statement_timeout": "60s",
    "lock_timeout": "10s",
}
VIEW_SETTINGS = _LINE | {
    "idle_in_transaction_session_timeout": "60s",
    "default_transaction_read_only": "on",
}
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_PASSWORD_BYTES = 24
_OF_STATION = (
    "watermark", "session", "channel", "audit", "block", "file", "latest", "room_state", "station"
)  # fmt: skip
"""Tables with rows of stations, that which all others point to last."""


@dataclass(frozen=True, slots=True)
class Login:
    """A role that has just been made, or has got a new password."""

    role: str
    password: str


@dataclass(frozen=True, slots=True)
class Station:
    """A station as the central tables know it; `active`: its role is there."""

    id: str
    name: str
    site: str
    clinic: str
    login: str
    active: bool


def add_station(
    connection: Connection[Any], station: str, *, name: str, site: str, clinic: str
) -> Login:
    """Makes the role `station_<id>`; a station that was removed comes back with its rows.

    Args:
        connection: of a role that may make roles, and owns the tables.
        station: `[station] id` of its config.
        name: what people call it.
        site: for instance a town.
        clinic: of that site.

    Raises:
        CentralError: the id cannot be, or is there already.
    """
    _check(station, "station")
    for what, text in (("name", name), ("site", site), ("clinic", clinic)):
        if not text.strip():
            raise CentralError(f"station {station}: its {what} is empty; give one with --{what}")
        if not text.strip().isprintable():
            raise CentralError(
                f"station {station}: there is more than letters in its {what}; write it in one line"
            )
    role = f"station_{station}"
    with connection.transaction():
        if _role_is_there(connection, role):
            raise CentralError(_taken(connection, station, role))
        login = _make(connection, role, STATION_GROUP, CONNECTIONS, STATION_SETTINGS)
        connection.execute(
            "INSERT INTO kap.station(id, name, site, clinic, login) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (id) DO UPDATE SET name = excluded.name, site = excluded.site,"
            " clinic = excluded.clinic, login = excluded.login",
            (station, name.strip(), site.strip(), clinic.strip(), role),
        )
    return login


def renew(connection: Connection[Any], station: str) -> Login:
    """Gives a station a new password; who is connected with the old one is cut off.

    Raises:
        CentralError: there is no such station, or it was removed.
    """
    with connection.transaction():
        found = _station(connection, station)
        if not found.active:
            raise CentralError(
                f"station {station} was removed; `vitals central station add` brings it back"
            )
        login = _new_password(connection, found.login)
    _cut_off(connection, _oid(connection, found.login))
    return login


def remove_station(connection: Connection[Any], station: str, *, rows: bool = False) -> None:
    """Takes a station's role away: it writes no more, and no page shows it any more.

    What it has sent stays and can be reviewed, unless `rows`.

    Raises:
        CentralError: there is no such station.
    """
    from psycopg import sql

    with connection.transaction():
        found = _station(connection, station)
        for table in _OF_STATION if rows else ("latest", "room_state"):
            column = "id" if table == "station" else "station"
            connection.execute(
                sql.SQL("DELETE FROM kap.{} WHERE {} = %s").format(
                    sql.Identifier(table), sql.Identifier(column)
                ),
                (station,),
            )
        role = _oid(connection, found.login)
        if found.active:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(found.login)))
    _cut_off(connection, role)


def stations(connection: Connection[Any]) -> list[Station]:
    """All stations by site, clinic and id, those that were removed too."""
    rows = connection.execute(
        "SELECT id, name, site, clinic, login::text, rolname IS NOT NULL FROM kap.station"
        " LEFT JOIN pg_roles ON rolname = login ORDER BY site, clinic, id"
    )
    return [Station(*row) for row in rows]


def add_viewer(connection: Connection[Any], name: str) -> Login:
    """Makes the role `viewer_<name>`, which reads everything and writes nothing.

    Raises:
        CentralError: the name cannot be, or is there already.
    """
    _check(name, "viewer")
    role = f"viewer_{name}"
    with connection.transaction():
        if _role_is_there(connection, role):
            raise CentralError(
                f"there is a role {role} already; remove it with `vitals central viewer remove "
                f"{name}`, or take another name"
            )
        return _make(connection, role, VIEW_GROUP, VIEW_CONNECTIONS, VIEW_SETTINGS)


def remove_viewer(connection: Connection[Any], name: str) -> None:
    """Takes a viewer's role away, and cuts it off.

    Raises:
        CentralError: there is no such viewer.
    """
    from psycopg import sql

    role = f"viewer_{name}"
    if role not in viewers(connection):
        raise CentralError(f"there is no viewer {name}; `vitals central viewer list` shows all")
    number = _oid(connection, role)
    connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
    _cut_off(connection, number)


def viewers(connection: Connection[Any]) -> list[str]:
    """Roles of all viewers, by name."""
    rows = connection.execute(
        "SELECT m.rolname FROM pg_auth_members JOIN pg_roles m ON m.oid = member"
        " JOIN pg_roles g ON g.oid = roleid WHERE g.rolname = %s AND m.rolcanlogin ORDER BY 1",
        (VIEW_GROUP,),
    )
    return [name for (name,) in rows]


def _check(name: str, what: str) -> None:
    if _ID.fullmatch(name) is None:
        raise CentralError(
            f"{name!r} cannot be the id of a {what}: up to 40 letters, digits, '.', '_' and '-', "
            "the first a letter or digit"
        )


def _taken(connection: Connection[Any], station: str, role: str) -> str:
    here = connection.execute("SELECT FROM kap.station WHERE id = %s", (station,)).fetchone()
    if here is not None:
        return (
            f"station {station} is there already; `vitals central station renew {station}` gives "
            "it a new password"
        )
    return (
        f"the server has a role {role} already, of another of its databases; give station "
        f"{station} another id, or drop that role"
    )


def _station(connection: Connection[Any], station: str) -> Station:
    for one in stations(connection):
        if one.id == station:
            return one
    raise CentralError(f"there is no station {station!r}; `vitals central station list` shows all")


def _role_is_there(connection: Connection[Any], role: str) -> bool:
    found = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
    return found is not None


def _make(
    connection: Connection[Any],
    role: str,
    group: str,
    connections: int,
    settings: Mapping[str, str],
) -> Login:
    from psycopg import sql

    connection.execute(
        sql.SQL("CREATE ROLE {} LOGIN CONNECTION LIMIT {} IN ROLE {}").format(
            sql.Identifier(role), sql.Literal(connections), sql.Identifier(group)
        )
    )
    for key, value in settings.items():
        connection.execute(
            sql.SQL("ALTER ROLE {} SET {} = {}").format(
                sql.Identifier(role), sql.Identifier(key), sql.Literal(value)
            )
        )
    return _new_password(connection, role)


def _new_password(connection: Connection[Any], role: str) -> Login:
    from psycopg import sql

    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    kept = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    connection.execute(
        sql.SQL("ALTER ROLE {} PASSWORD {}").format(
            sql.Identifier(role), sql.Literal(kept.decode())
        )
    )
    return Login(role, password)


def _oid(connection: Connection[Any], role: str) -> int:
    """The number of a role, 0 without one: its connections keep it when its name is gone."""
    found = connection.execute(
        "SELECT oid::bigint FROM pg_roles WHERE rolname = %s", (role,)
    ).fetchone()
    return 0 if found is None else int(found[0])


def _cut_off(connection: Connection[Any], role: int) -> None:
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usesysid = %s", (role,)
    )
