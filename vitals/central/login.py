"""A sender's connection: made, and looked at once before anything is written.

Whether it is this station's login, and whether both sides know the same tables. What is wrong is
one sentence with the station's name; nothing that was recorded is lost by any of it.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from vitals.central import dsn
from vitals.central.connecting import explain, load_psycopg
from vitals.central.live import send_words
from vitals.central.schema import VERSION
from vitals.errors import CentralError, InstallError, VitalsError

if TYPE_CHECKING:
    import psycopg

    from vitals.config import CentralConfig

WAITS = "what is recorded waits at the station"
_PASSING = ("08", "40", "53", "55", "57", "58", "XX", "25")
"""Classes of SQLSTATE after which the same may do well a little later."""
_LASTING = re.compile(
    r"authentication|password|certificate|does not exist|not permitted|pg_hba|support SSL"
    r"|no such file",
    re.IGNORECASE,
)
"""In libpq's text of a connection that was not made: somebody has to do something."""
_REFUSED = {
    "42501": "its login may not write for it; `vitals central station add` makes the right one",
    "3F000": "the centre has no tables; run `vitals central migrate` there",
    "42P01": "the centre has no tables; run `vitals central migrate` there",
    "23514": "its audit trail does not follow what the centre has of it ({error}); compare both "
    "with `vitals sessions verify` and `vitals central verify`",
    "23505": "the centre has these rows already, and others than these ({error})",
    "53100": "the disk of the central server is full; make room there",
    "53400": "the central server is at a limit of its configuration ({error}); raise it",
}
"""SQLSTATE -> what happened and what to do."""


class Refused(CentralError):
    """Trying again does not help: somebody has to do something."""


async def log_in(
    config: CentralConfig, station: str, part: str, version: int = VERSION
) -> psycopg.AsyncConnection[Any]:
    """A connection in autocommit, its login and tables looked at.

    Args:
        config: the server.
        station: id of this station.
        part: of the sender, for the server's list of connections.
        version: of the tables that this program writes.

    Raises:
        Refused: it is another station's login, or the tables do not fit.
        CentralError: the password or a certificate is not there.
        InstallError: psycopg is not installed.
        psycopg.Error: no server, or it refuses.
    """
    driver = load_psycopg()
    words = dsn.keywords(config, f"vitals sender {station} {part}")
    connection: psycopg.AsyncConnection[Any]
    connection = await driver.AsyncConnection.connect(**words, autocommit=True)
    try:
        why_not = await _unfit(connection, station, version)
        if why_not:
            with suppress(driver.Error):  # tables of another version may not take it
                await send_words(connection, station, why_not)
            raise Refused(why_not)
    except BaseException:
        await connection.close()
        raise
    return connection


@contextmanager
def patience(connection: psycopg.AsyncConnection[Any], limit_s: float) -> Iterator[None]:
    """Cuts a connection whose server says nothing for too long; cancelling would wait for it again.

    Raises:
        TimeoutError: it was cut.
    """
    cut = False

    def give_up() -> None:
        nonlocal cut
        cut = True
        with suppress(OSError, driver.Error):
            line = socket.socket(fileno=connection.fileno())
            try:
                line.shutdown(socket.SHUT_RDWR)  # whoever waits for the socket hears of its end
            finally:
                line.detach()

    driver = load_psycopg()
    timer = asyncio.get_running_loop().call_later(limit_s, give_up)
    try:
        yield
    except driver.Error as error:
        if cut:
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()


async def _unfit(connection: psycopg.AsyncConnection[Any], station: str, version: int) -> str:
    """Why nothing can be sent by this connection, `""` when it can."""
    cursor = await connection.execute("SELECT kap.own(), current_user")
    own, user = await cursor.fetchone() or ("", "")
    if own != station:
        whose = f"station {own}'s" if own else "no station's"
        return (
            f"station {station}: its login {user} is {whose}; give it its own in central.dsn "
            f"(`vitals central station add {station}` makes one); {WAITS}"
        )
    cursor = await connection.execute(
        "SELECT version, oldest_sender FROM kap.version ORDER BY version DESC LIMIT 1"
    )
    there, oldest = await cursor.fetchone() or (0, 0)
    if there < version:
        return (
            f"station {station}: the centre's tables are version {there}, this program writes "
            f"version {version}; run `vitals central migrate` there; {WAITS}"
        )
    if version < oldest:
        return (
            f"station {station}: the centre's tables are version {there} and take no version "
            f"{version}; upgrade kap-vitals at the station; {WAITS}"
        )
    return ""


def sentence(
    error: psycopg.Error | VitalsError | OSError, station: str, where: str
) -> tuple[str, bool]:
    """What happened and what to do, and whether somebody has to do it before it goes on."""
    if isinstance(error, VitalsError):
        lasting = isinstance(error, (Refused, InstallError))
        text = str(error)
        return (text if station in text else f"station {station}: {text}"), lasting
    if isinstance(error, OSError):
        slow = "it does not answer; check the network and the server"
        why = slow if isinstance(error, TimeoutError) else error.strerror
        return f"station {station}: {where}: {why}; {WAITS}", False
    code = error.sqlstate
    text = " ".join(str(error).split())
    if code in _REFUSED:
        short = text.partition(" CONTEXT:")[0]
        return (
            f"station {station}: {_REFUSED[code].format(error=short)}; {WAITS}",
            code[:2] not in _PASSING,
        )
    told = explain(error, f"station {station}: {where}")
    lasting = not code.startswith(_PASSING) if code else _LASTING.search(text) is not None
    return f"{told}; {WAITS}", lasting
