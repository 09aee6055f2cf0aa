"""Connections of the commands, and what went wrong with one, as a sentence for a person.

libpq gives no code for a connection that was not made, only text: of its own in English, of a
server in the server's language. What none of the patterns knows is told in libpq's own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vitals.central.migrate import version_of
from vitals.central.schema import VERSION
from vitals.errors import CentralError as CentralError
from vitals.errors import InstallError

if TYPE_CHECKING:
    import psycopg

DEFAULT_PORT = "5432"


_UNCONNECTED: tuple[tuple[str, str], ...] = (
    (
        r"root certificate file",
        "the authority's certificate is not there; name it with root_cert",
    ),
    (
        r"certificate verify failed|issuer certificate|self[- ]signed certificate",
        "its certificate is not signed by the authority of root_cert; compare it with the server's",
    ),
    (
        r"does not match host name",
        "its certificate is made out to another name; use a name that stands in it as host",
    ),
    (
        r"server does not support SSL",
        "it does not speak TLS; turn ssl on in its postgresql.conf",
    ),
    (
        r"password authentication failed|no password supplied|28P01",
        "it refuses this user or password; check both, `vitals central station renew` makes a new "
        "password",
    ),
    (
        r'role ".*" does not exist|not permitted to log in',
        "it knows no such user; `vitals central station list` shows the stations",
    ),
    (
        r'database ".*" does not exist|3D000',
        "it has no such database; make it with createdb, then `vitals central migrate`",
    ),
    (r"pg_hba\.conf", "its pg_hba.conf does not let this computer or user in so; add a line there"),
    (
        r"too many c(lients|onnections)|remaining connection slots",
        "it has no connection left; raise max_connections, or put pgbouncer before it",
    ),
    (
        r"could not translate host name|Name or service not known",
        "nobody knows that name; check host",
    ),
    (
        r"session is read-only",
        "it takes no writing now: it is a standby (name all hosts), or this user may only read "
        "(use the owner of the database)",
    ),
    (
        r"starting up|shutting down|in hot standby|recovery",
        "it takes no writing now (a standby, or one that starts); wait, or name all hosts",
    ),
    (
        r"timeout expired|timed out|No route to host|[Nn]etwork is unreachable",
        "it does not answer; check the network and the server",
    ),
    (
        r"Connection refused|No such file or directory|closed the connection unexpectedly"
        r"|unexpected eof|EOF detected|Connection reset|Broken pipe|closed unexpectedly",
        "nobody answers there; start the server, or check host and port",
    ),
)
"""Pattern in libpq's text -> what happened and what to do; the first that fits counts."""

_REFUSED = {
    "42501": "this user may not do that; use the owner of the database",
    "3F000": "there are no central tables; run `vitals central migrate`",
    "42P01": "there are no central tables; run `vitals central migrate`",
    "53100": "the server's disk is full; make room there, nothing is lost meanwhile",
    "53300": "it has no connection left; raise max_connections, or put pgbouncer before it",
    "55P03": "somebody else holds what is needed; try again",
    "57014": "it took too long; try again",
    "25006": "it takes no writing now (a standby); name all hosts in dsn",
}
"""SQLSTATE -> what happened and what to do."""


def load_psycopg() -> Any:
    """The module `psycopg`, which only the central view needs.

    Raises:
        InstallError: it is not installed.
    """
    try:
        import psycopg
    except ImportError as error:
        raise InstallError(
            'the central view needs psycopg: pip install "kap-vitals[central]"'
        ) from error
    return psycopg


def place(conninfo: str) -> str:
    """Hosts and database of libpq keywords, for a person; never the password."""
    from psycopg.conninfo import conninfo_to_dict

    told = conninfo_to_dict(conninfo)
    hosts = str(told.get("host") or told.get("hostaddr") or "the local socket")
    ports = str(told.get("port") or DEFAULT_PORT)
    return f"PostgreSQL at {hosts} port {ports}, database {told.get('dbname') or told.get('user')}"


def explain(error: psycopg.Error, where: str) -> str:
    """One sentence: where, what happened, what to do."""
    text = " ".join(str(error).split())
    code = error.sqlstate
    if code in _REFUSED:
        return f"{where}: {_REFUSED[code]}"
    if code is None:
        for pattern, words in _UNCONNECTED:
            if re.search(pattern, text):
                return f"{where}: {words}"
    return f"{where}: {text or type(error).__name__}"


@contextmanager
def connected(conninfo: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection that is closed at the end; each statement commits unless in a transaction.

    Raises:
        CentralError: whatever PostgreSQL or the way to it refuses, in one sentence.
        InstallError: psycopg is not installed.
    """
    psycopg = load_psycopg()
    where = place(conninfo)
    try:
        with psycopg.connect(conninfo, autocommit=True, application_name="vitals") as connection:
            yield connection
    except psycopg.Error as error:
        raise CentralError(explain(error, where)) from error


def require_current(connection: psycopg.Connection[Any]) -> None:
    """Refuses a database whose tables are not of this program's version.

    Raises:
        CentralError: there are none, or they are older or newer.
    """
    found = version_of(connection)
    if found > VERSION:
        raise CentralError(
            f"the central tables are version {found} and this program knows {VERSION}: upgrade "
            "kap-vitals on this computer"
        )
    if found < VERSION:
        has = f"version {found}, and this program needs {VERSION}" if found else "not there"
        raise CentralError(f"the central tables are {has}: run `vitals central migrate`")
