"""A PostgreSQL for trying things out: its own folder, one socket there, gone with this process.

Nothing of the computer's own PostgreSQL is used but its programs. A shell between the two waits
for the end of its stdin: then it stops the server and removes the folder, whatever has ended us.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self

from vitals.errors import CentralError, InstallError

OWNER = "postgres"
"""Its superuser, and under whom it runs where this process is root: PostgreSQL refuses root."""
START_S, STOP_S = 60.0, 30.0
_DEBIAN = Path("/usr/lib/postgresql")
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "timezone": "UTC",
    "lc_messages": "C",
    "fsync": "off",  # it is thrown away
}
_HBA = "local all postgres trust\nlocal all all scram-sha-256\n"
_KEEP = """
"$1" -D data >>log 2>&1 </dev/null &
read -r _
kill -INT $! 2>/dev/null && wait $!
cd / && rm -rf "$2"
"""


def programs() -> Path:
    """The folder of the newest PostgreSQL's programs.

    Raises:
        InstallError: none is installed.
    """
    found = sorted(_DEBIAN.glob("*/bin/postgres"), key=lambda each: int(each.parts[-3]))
    if found:
        return found[-1].parent
    named = shutil.which("postgres")
    if named and shutil.which("initdb", path=str(Path(named).parent)):
        return Path(named).parent
    raise InstallError(
        "PostgreSQL is not installed on this computer; install it to try the central view, on "
        "Debian and Ubuntu with `apt-get install postgresql`"
    )


def _demoted() -> dict[str, Any]:
    """What makes `subprocess` run a program as the user under whom PostgreSQL may run."""
    if sys.platform == "win32":
        raise InstallError("this demonstration needs Linux or macOS: PostgreSQL runs on a socket")
    if os.geteuid() != 0:
        return {}
    import pwd

    try:
        user = pwd.getpwnam(OWNER)
    except KeyError as error:
        raise InstallError(
            f"PostgreSQL does not run as root, and there is no user {OWNER}; start this as "
            "somebody else"
        ) from error
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


class LocalPostgres:
    """One server with one empty database, `kap`. Use it as a context manager.

    Attributes:
        folder: everything of it; its socket, too.
    """

    def __init__(self) -> None:
        self.folder = Path()
        self._keeper: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        place, user = programs(), _demoted()
        # not below /tmp, where a private folder may hide it from another user
        self.folder = Path(tempfile.mkdtemp(prefix="kap-central-", dir="/var/tmp"))
        if user:
            os.chown(self.folder, user["user"], user["group"])
        try:
            self._make(place, user)
            self._keeper = subprocess.Popen(  # noqa: S603 - our own words
                ["/bin/sh", "-c", _KEEP, "sh", str(place / "postgres"), str(self.folder)],
                cwd=self.folder,
                stdin=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for us
                **user,
            )
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._keeper is not None:
            assert self._keeper.stdin is not None  # noqa: S101 - it was asked for
            self._keeper.stdin.close()
            self._keeper.wait(STOP_S)
            self._keeper = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def dsn(self, role: str = OWNER, database: str = "kap") -> str:
        """Libpq's keywords; the superuser needs no password."""
        return f"host={self.folder} dbname={database} user={role}"

    def _make(self, place: Path, user: dict[str, Any]) -> None:
        made = subprocess.run(  # noqa: S603 - our own words
            [
                *(str(place / "initdb"), "-D", "data", "-U", OWNER, "-A", "trust"),
                *("-E", "UTF8", "--locale=C", "--no-sync"),
            ],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
            **user,
        )
        if made.returncode:
            raise CentralError(f"PostgreSQL cannot be set up: {_last(made.stderr)}")
        data = self.folder / "data"
        lines = {**_SETTINGS, "unix_socket_directories": str(self.folder)}
        with (data / "postgresql.conf").open("a", encoding="utf-8") as conf:
            conf.writelines(f"{key} = '{value}'\n" for key, value in lines.items())
        (data / "pg_hba.conf").write_text(_HBA, encoding="utf-8")

    def _wait(self) -> None:
        """Waits until it takes connections, and makes the database."""
        import psycopg

        ends = time.monotonic() + START_S
        while True:
            try:
                with psycopg.connect(self.dsn(database=OWNER), autocommit=True) as connection:
                    connection.execute("CREATE DATABASE kap")
                return
            except psycopg.OperationalError as error:
                said = (self.folder / "log").read_text(errors="replace") if self._log else ""
                if time.monotonic() > ends or re.search(r"(FATAL|PANIC|could not)", said):
                    raise CentralError(f"PostgreSQL does not start: {_last(said)}") from error
                time.sleep(0.05)

    @property
    def _log(self) -> bool:
        return (self.folder / "log").exists()


def _last(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it says nothing"
