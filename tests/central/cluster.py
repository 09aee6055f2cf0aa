"""A PostgreSQL server of the tests' own, in a folder of its own, on a socket and a loopback port.

Nothing of the computer's own PostgreSQL is used but its programs. As root the server runs as the
user `postgres`, as it must; whatever ends the tests, a guard process ends the server too.

    with Cluster() as cluster:
        database = cluster.fresh_database()         # has the tables of vitals.central.schema
        dsn = database.station("st-1", site="North", clinic="Main")
        with psycopg.connect(database.admin) as connection: ...
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from vitals.central.migrate import migrate

DEADLINE_S = 60
"""How long the server may take to start, or to stop."""
PASSWORD = "secret"  # noqa: S105 - of tests
"""Of every role that `Database` makes."""
_TEMPLATE = "kap_template"
_GUARD = 'read -r _; pid=$(head -n 1 data/postmaster.pid) && kill -QUIT "$pid"; rm -rf "$PWD"'


def programs() -> Path:
    """The folder of the newest PostgreSQL's programs."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3])
    )
    if not found:
        raise FileNotFoundError("no PostgreSQL is installed: run .ci/postgres")
    return found[-1].parent


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port on which nobody listens now."""
    with socket.create_server((host, 0)) as server:
        return int(server.getsockname()[1])


def as_postgres() -> dict[str, Any]:
    """What makes `subprocess` run a program as the user under whom PostgreSQL may run."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _runs(process: psutil.Process) -> bool:
    """Whether it still holds anything: one that nobody has waited for does not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Cluster:
    """One server. Use it as a context manager: its folder is gone afterwards.

    Attributes:
        folder: the server's own folder: `data`, `log`, and what was `put` there; its socket, too.
        port: of TCP and of the socket's name; the same after a restart.
    """

    def __init__(
        self,
        *,
        durable: bool = False,
        listen: str = "127.0.0.1",
        port: int = 0,
        settings: Mapping[str, str] | None = None,
        hba: Sequence[str] = (),
    ) -> None:
        """Prepares; nothing runs yet.

        Args:
            durable: fsync as a real server has it. Only for what is about lost power or kill -9.
            listen: addresses for TCP, with commas between them.
            port: 0 finds a free one.
            settings: for postgresql.conf, over those below.
            hba: lines before those of pg_hba.conf below, where all need a password but
                `postgres` on the socket.
        """
        self.port = port or free_port()
        self.settings = {
            "listen_addresses": listen,
            "port": str(self.port),
            "max_connections": "200",
            "shared_buffers": "32MB",
            "timezone": "UTC",
            "lc_messages": "C",
            "log_line_prefix": "%m [%p] %u@%d ",
            **({} if durable else {"fsync": "off", "full_page_writes": "off"}),
            **(settings or {}),
        }
        self.hba = (
            *hba,
            "local all postgres trust",
            "local all all scram-sha-256",
            "local replication postgres trust",
            "host all all all scram-sha-256",
        )
        self.folder = Path()
        self._server: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._logins = itertools.count(1)

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="kap-pg-", dir="/var/tmp"))
        if demoted := as_postgres():
            os.chown(self.folder, demoted["user"], demoted["group"])
        try:
            self._make()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill9()  # what is thrown away needs no orderly end
        if self._guard is not None:
            assert self._guard.stdin is not None
            self._guard.kill()
            self._guard.wait(DEADLINE_S)
            self._guard.stdin.close()
        shutil.rmtree(self.folder)

    def _make(self) -> None:
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD],
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        data = self.folder / "data"
        made = subprocess.run(
            [
                *(str(programs() / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust"),
                *("-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
            ],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
            **as_postgres(),
        )
        if made.returncode:
            raise RuntimeError(f"initdb has failed: {made.stderr}")
        lines = {"unix_socket_directories": str(self.folder), **self.settings}
        with (data / "postgresql.conf").open("a") as conf:
            conf.writelines(f"{key} = '{value}'\n" for key, value in lines.items())
        (data / "pg_hba.conf").write_text("".join(f"{line}\n" for line in self.hba))

    @property
    def data(self) -> Path:
        """The server's data directory."""
        return self.folder / "data"

    @property
    def pid(self) -> int:
        """Of the running server."""
        assert self._server is not None
        return self._server.pid

    @property
    def log(self) -> str:
        """What the server has said so far."""
        return (self.folder / "log").read_text(errors="replace")

    def put(self, name: str, content: bytes) -> Path:
        """A file in the server's folder that only the server's user may read."""
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_bytes(content)
        if demoted := as_postgres():
            os.chown(path, demoted["user"], demoted["group"])
        return path

    def start(self) -> None:
        """Starts it, and waits until it takes connections."""
        assert self._server is None
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [str(programs() / "postgres"), "-D", str(self.data)],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **as_postgres(),
            )
        ends = time.monotonic() + DEADLINE_S
        while True:
            try:
                psycopg.connect(self.dsn(), connect_timeout=2).close()
            except psycopg.OperationalError as error:
                if self._server.poll() is not None or time.monotonic() > ends:
                    raise RuntimeError(f"PostgreSQL has not started:\n{self.log}") from error
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Ends it in order; open connections are cut."""
        assert self._server is not None
        self._server.send_signal(signal.SIGINT)
        self._server.wait(DEADLINE_S)
        self._server = None

    def kill9(self) -> None:
        """Kills the server and all of its processes, as a lost computer would. May be down."""
        if self._server is None:
            return
        try:
            found = psutil.Process(self._server.pid)
            found.suspend()  # so that it starts no others meanwhile
            processes = [*found.children(recursive=True), found]
        except psutil.NoSuchProcess:
            processes = []
        for each in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        self._server.wait(DEADLINE_S)
        ends = time.monotonic() + DEADLINE_S
        while any(_runs(each) for each in processes) and time.monotonic() < ends:
            time.sleep(0.005)
        self._server = None

    def dsn(
        self,
        role: str = "postgres",
        *,
        database: str = "postgres",
        password: str = "",
        host: str = "",
        **more: str,
    ) -> str:
        """libpq keywords: by the socket without a host; `postgres` needs no password there."""
        if password:
            more["password"] = password
        return make_conninfo(
            host=host or str(self.folder), port=self.port, user=role, dbname=database, **more
        )

    def run(self, *statements: sql.Composable | str, database: str = "postgres") -> None:
        """Statements of the server's own superuser, each in a transaction of its own."""
        with psycopg.connect(self.dsn(database=database), autocommit=True) as connection:
            for each in statements:
                connection.execute(each)  # type: ignore[arg-type, unused-ignore]

    def empty_database(self) -> Database:
        """A new database with nothing in it."""
        return self._database("template0")

    def fresh_database(self) -> Database:
        """A new database with all tables of `vitals.central.schema`, and no station yet."""
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            there = connection.execute(
                "SELECT FROM pg_database WHERE datname = %s", (_TEMPLATE,)
            ).fetchone()
        if there is None:
            self.run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
            with psycopg.connect(self.dsn(database=_TEMPLATE)) as connection:
                migrate(connection)
        return self._database(_TEMPLATE)

    def _database(self, template: str) -> Database:
        name = f"kap_{secrets.token_hex(4)}"
        self.run(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        return Database(self, name)

    def next_login(self, name: str) -> str:
        """A name for a role: roles belong to the server, not to one database of it."""
        return f"{name}_{next(self._logins)}"


@dataclass(frozen=True)
class Database:
    """One database of a cluster; `with` drops it at the end."""

    cluster: Cluster
    name: str

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    @property
    def admin(self) -> str:
        """libpq keywords of the superuser, by the socket."""
        return self.dsn("postgres")

    def dsn(self, role: str, password: str = "", *, host: str = "", **more: str) -> str:
        """libpq keywords of a role."""
        return self.cluster.dsn(role, database=self.name, password=password, host=host, **more)

    def station(
        self,
        station: str,
        *,
        site: str = "North",
        clinic: str = "Main",
        host: str = "",
        inline: bool = True,
    ) -> str:
        """Adds a station, and a role of it; returns that role's libpq keywords.

        Args:
            station: its id.
            site: where it is.
            clinic: of that site.
            host: "" for the socket, an address for TCP.
            inline: with the password; a config refuses it there and wants a file (`PASSWORD`).
        """
        login = self.cluster.next_login(f"station_{station}")
        self._login(login, "kap_station")
        with psycopg.connect(self.admin) as connection:
            connection.execute(
                "INSERT INTO kap.station(id, name, site, clinic, login)"
                " VALUES (%s, %s, %s, %s, %s)",
                (station, f"Station {station}", site, clinic, login),
            )
        return self.dsn(login, PASSWORD if inline else "", host=host)

    def viewer(self, *, host: str = "", inline: bool = True) -> str:
        """Makes a role that reads everything; returns its libpq keywords, as `station` does."""
        login = self.cluster.next_login("viewer")
        self._login(login, "kap_view")
        return self.dsn(login, PASSWORD if inline else "", host=host)

    def _login(self, login: str, group: str) -> None:
        self.cluster.run(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE {}").format(
                sql.Identifier(login), sql.Literal(PASSWORD), sql.Identifier(group)
            )
        )

    def drop(self) -> None:
        """Deletes the database; whoever is connected is cut off."""
        self.cluster.run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(self.name)))
