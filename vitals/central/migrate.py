"""Makes and upgrades the central tables: the scripts of `schema.MIGRATIONS`, each in order, once.

One transaction does it all: a server that stops half-way has the version that it had. Roles belong
to the whole server and not to one database, so that two databases of one server share the groups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vitals.central.schema import MIGRATIONS, OLDEST_SENDER, VERSION
from vitals.errors import CentralError

if TYPE_CHECKING:
    from psycopg import Connection

OLDEST_SERVER = 15
"""PostgreSQL's version from which on a view can see what whoever asks may see, and no more."""
_LOCK = 0x6B6170  # "kap": two upgrades at a time would run one script twice


def version_of(connection: Connection[Any]) -> int:
    """The version of a database's tables; 0 where there are none."""
    there = connection.execute("SELECT to_regclass('kap.version') IS NOT NULL").fetchone()
    if there is None or not there[0]:
        return 0
    row = connection.execute("SELECT coalesce(max(version), 0) FROM kap.version").fetchone()
    return 0 if row is None else int(row[0])


def migrate(connection: Connection[Any]) -> tuple[int, int]:
    """Upgrades to `schema.VERSION`; the connection's role must own the database.

    Returns:
        The versions before and after; the same when there was nothing to do.

    Raises:
        CentralError: the tables are newer than this program, or the server is too old.
    """
    if connection.info.server_version // 10_000 < OLDEST_SERVER:
        raise CentralError(
            f"the server is PostgreSQL {connection.info.server_version // 10_000}, and the central "
            f"tables need {OLDEST_SERVER} or newer: upgrade the server"
        )
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        before = version_of(connection)
        if before > VERSION:
            raise CentralError(
                f"the central tables are version {before} and this program knows {VERSION}: "
                "upgrade kap-vitals on this computer"
            )
        for version, script in enumerate(MIGRATIONS[before:], before + 1):
            connection.execute(script.encode())
            connection.execute(
                "INSERT INTO kap.version(version, oldest_sender) VALUES (%s, %s)",
                (version, min(OLDEST_SENDER, version)),
            )
    return before, VERSION
