"""Two PostgreSQL servers under Patroni and one etcd, on loopback, from the files of deploy/patroni.

The recipe's own files are used as they stand but for ports, folders and passwords. A real
installation has three etcd on three computers; here one is enough, as nothing kills it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from tests.central.cluster import as_postgres, free_port, programs

RECIPE = Path(__file__).parents[2] / "deploy" / "patroni"
DEADLINE_S = 60.0
ADDRESS = "127.0.0.1"
PASSWORD = "secret"  # noqa: S105 of a server that lives for a minute
_GUARD = """read -r _
for f in *.pid */data/postmaster.pid; do read -r pid < "$f" && kill -KILL "$pid"; done
rm -rf "$PWD"
"""
TIMES = {"ttl": 20, "loop_wait": 5, "retry_timeout": 5}
"""The recipe's own, in seconds."""
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}

T = TypeVar("T")


def wait_for(what: str, ask: Callable[[], T | None], within_s: float = DEADLINE_S) -> T:
    """The first answer that is true in the end."""
    ends = time.monotonic() + within_s
    while not (answer := ask()):
        assert time.monotonic() < ends, f"not within {within_s:g} s: {what}"
        time.sleep(0.1)
    return answer


def replaced(text: str, changes: dict[str, str]) -> str:
    """A text of the recipe with all of the changes; each must have something to change."""
    for old, new in changes.items():
        assert old in text, f"the recipe has no {old!r}"
        text = text.replace(old, new)
    assert "@" not in "".join(line.split("#")[0] for line in text.splitlines())
    return text


class Node:
    """One server and its Patroni."""

    def __init__(
        self, name: str, folder: Path, certificates: Path, etcd: str, times: dict[str, int]
    ) -> None:
        self.name = name
        self.folder = folder
        self.port = free_port()
        self.api = free_port()
        self._patroni: subprocess.Popen[bytes] | None = None
        folder.mkdir()
        (folder / "patroni.yml").write_text(
            replaced(
                (RECIPE / "patroni.yml").read_text(),
                {
                    **({} if as_postgres() else {"postgres peer": "postgres trust"}),
                    "@NODE@": name,
                    "@ETCD@": etcd,
                    "@ADDRESS@:5432": f"{ADDRESS}:{self.port}",
                    "@ADDRESS@:8008": f"{ADDRESS}:{self.api}",
                    "@NETWORK@": f"{ADDRESS}/32",
                    "/etc/patroni/tls": str(certificates),
                    "/var/lib/postgresql/kap": str(folder / "data"),
                    "/var/lib/postgresql/.pgpass-patroni": str(folder / "pgpass"),
                    "/var/run/postgresql": str(folder),
                    "/usr/lib/postgresql/15/bin": str(programs()),
                    **{
                        f"@{each}_PASSWORD@": PASSWORD
                        for each in ("API", "ADMIN", "REPLICATION", "REWIND")
                    },
                    **{f" {key}: {TIMES[key]}": f" {key}: {value}" for key, value in times.items()},
                },
            )
        )  # fmt: skip

    def start(self) -> None:
        """Starts Patroni, which starts the server."""
        with (self.folder / "log").open("ab") as log:
            self._patroni = subprocess.Popen(
                ["/usr/bin/patroni", str(self.folder / "patroni.yml")],
                cwd=self.folder,
                env={**_ENVIRONMENT, "HOME": str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **as_postgres(),
            )
        (self.folder.parent / f"{self.name}.pid").write_text(f"{self._patroni.pid}\n")

    @property
    def log(self) -> str:
        """What Patroni and the server have said."""
        log = self.folder / "log"
        return log.read_text(errors="replace") if log.exists() else ""

    def postgres(self) -> psutil.Process | None:
        """The running server."""
        try:
            pid = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
            return psutil.Process(pid)
        except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
            return None

    def walreceiver(self) -> psutil.Process | None:
        """The process of a standby that receives what the primary has written."""
        server = self.postgres()
        found = server.children() if server else []
        with contextlib.suppress(psutil.NoSuchProcess):
            return next((each for each in found if "walreceiver" in each.cmdline()[0]), None)
        return None

    def kill9(self) -> None:
        """Kills Patroni, the server and all of its processes, as a lost computer would."""
        if self._patroni is None:
            return
        doomed: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            keeper = psutil.Process(self._patroni.pid)
            keeper.suspend()  # so that it starts no others meanwhile
            doomed += [*keeper.children(recursive=True), keeper]
        if (server := self.postgres()) is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                server.suspend()
                doomed += [*server.children(recursive=True), server]
        for each in doomed:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        self._patroni.wait(DEADLINE_S)
        self._patroni = None
        (self.folder.parent / f"{self.name}.pid").unlink()


class Pair:
    """Two servers, one primary. Use it as a context manager; its folder is gone afterwards.

    Attributes:
        nodes: both, by name; `a` is made first.
        ca: the certificate that everybody trusts.
    """

    def __init__(self, *, times: dict[str, int] | None = None) -> None:
        """Prepares; nothing runs yet.

        Args:
            times: seconds in place of some of `TIMES`.
        """
        self._times = times or {}
        self._etcd: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self.folder = Path()
        self.nodes: dict[str, Node] = {}

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="kap-ha-", dir="/var/tmp"))
        try:
            self._guard = subprocess.Popen(
                ["/bin/sh", "-c", _GUARD],
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes.values():
            node.kill9()
        if self._etcd is not None:
            self._etcd.kill()
            self._etcd.wait(DEADLINE_S)
        if self._guard is not None:
            assert self._guard.stdin is not None
            self._guard.kill()
            self._guard.wait(DEADLINE_S)
            self._guard.stdin.close()
        shutil.rmtree(self.folder)

    def _start(self) -> None:
        made = self.folder / "tls"
        computers = [f"{name}={ADDRESS}" for name in ("a", "b", "witness")]
        subprocess.run(
            ["sh", str(RECIPE / "certificates.sh"), str(made), *computers],
            check=True, timeout=DEADLINE_S,
        )  # fmt: skip
        self.ca = made / "ca.pem"
        client = self._start_etcd(made / "witness")
        for name in ("a", "b"):
            self.nodes[name] = Node(name, self.folder / name, made / name, client, self._times)
        if demoted := as_postgres():
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, demoted["user"], demoted["group"])
        for name, node in self.nodes.items():
            node.start()
            role = "leader" if name == "a" else "sync_standby"
            self.wait_for_role(name, role)

    def _start_etcd(self, certificates: Path) -> str:
        client, peer = f"{ADDRESS}:{free_port()}", f"{ADDRESS}:{free_port()}"
        settings = replaced(
            (RECIPE / "etcd.default").read_text(),
            {
                "@NODE@": "witness",
                "@ADDRESS@:2380": peer,
                "@ADDRESS@:2379": client,
                "@MEMBERS@": f"witness=https://{peer}",
                "/var/lib/etcd/kap": str(self.folder / "etcd"),
                "/etc/etcd/tls": str(certificates),
            },
        )
        lines = [line for line in settings.splitlines() if line and not line.startswith("#")]
        with (self.folder / "etcd.log").open("ab") as log:
            self._etcd = subprocess.Popen(
                ["/usr/bin/etcd"],
                cwd=self.folder,
                env={**_ENVIRONMENT, **dict(line.split("=", 1) for line in lines)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        (self.folder / "etcd.pid").write_text(f"{self._etcd.pid}\n")
        return client

    def roles(self) -> dict[str, tuple[str, str]]:
        """Role and state of each server, as Patroni says: leader, sync_standby, replica."""
        trust = ssl.create_default_context(cafile=str(self.ca))
        for node in self.nodes.values():
            try:
                url = f"https://{ADDRESS}:{node.api}/cluster"
                with urllib.request.urlopen(url, timeout=2, context=trust) as answer:
                    members: list[dict[str, Any]] = json.load(answer)["members"]
            except OSError:
                continue
            return {each["name"]: (each["role"], each["state"]) for each in members}
        return {}

    def wait_for_role(self, name: str, role: str) -> None:
        """Until a server runs in its role."""
        try:
            wait_for(
                f"server {name} is {role}",
                lambda: (
                    self.roles().get(name, ("", ""))[0] == role
                    and self.roles()[name][1] in ("running", "streaming")
                ),
            )
        except AssertionError:
            for each in self.nodes.values():
                print(f"--- log of {each.name}\n{each.log[-6000:]}")  # noqa: T201
            raise

    @property
    def hosts(self) -> str:
        """Both servers, as libpq's keywords."""
        ports = ",".join(str(node.port) for node in self.nodes.values())
        return f"host={','.join(ADDRESS for _ in self.nodes)} port={ports}"

    def dsn(self, user: str = "kap_admin", database: str = "kap", **more: str) -> str:
        """What a station has in its config: both servers, and whichever takes rows."""
        return make_conninfo(
            self.hosts,
            user=user,
            password=PASSWORD,
            dbname=database,
            **{
                "target_session_attrs": "read-write",
                "connect_timeout": "2",
                "sslmode": "verify-full",
                "sslrootcert": str(self.ca),
                **more,
            },
        )

    def make_database(self) -> None:
        """The database `kap`, as docs/central-ha.md makes it."""
        with psycopg.connect(self.dsn(database="postgres"), autocommit=True) as admin:
            admin.execute("CREATE DATABASE kap")
            admin.execute("GRANT pg_signal_backend TO kap_admin")
