"""The server of the central pages: the same as a station's, on `PgFollower`.

Accounts, rooms of an account, sign-in and TLS are those of `vitals web`; the accounts are beside
the central folder: `vitals user add NAME --store FOLDER/central`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from dashboard import central_review, cli_commands, server
from dashboard.central_live import CentralLive
from vitals import crash_report, people_file, web_config
from vitals.central import central_file, dsn
from vitals.central.central_file import CentralFile
from vitals.central.connecting import load_psycopg
from vitals.central.follower import PgFollower
from vitals.errors import CentralError
from vitals.hub import Hub
from vitals.process import log_to_stderr, settle

PROGRAM = "vitals central"
"""What the database shows of these connections."""


def create(
    settings: CentralFile, on_death: Callable[[str], None], access: server.Access | None = None
) -> server.Web:
    """Builds the server.

    Args:
        settings: of `central.toml`.
        on_death: told which task has died and why; it must end the process.
        access: how the pages can be reached; default: from this computer alone.

    Raises:
        PeopleError: there are accounts, and they cannot be read.
        CentralError: the password or a certificate is not there.
    """
    hub = Hub(link="stale", trends=False)
    conninfo = partial(dsn.conninfo, settings.central, PROGRAM, writes=False)
    folder = settings.central.folder
    follower = PgFollower(conninfo, hub, on_whole=settle)
    kinds = server.Kinds(
        live=CentralLive,
        diary=lambda auth: central_review.diary(auth, folder),
        desk=lambda worker, noted: central_review.mount(
            hub, worker, settings.central, folder, noted, follower.ward.granted
        ),
    )
    return server.assemble(
        hub,
        follower,
        settings.base,
        on_death,
        access or server.Access(),
        kinds,
    )


def serve(path: Path) -> None:
    """`vitals central --config PATH`: serves the central pages until told to stop.

    Raises:
        ConfigError: the file cannot be used.
        InstallError: psycopg is not installed.
        CentralError: the folder cannot be made.
        WebError, PeopleError: see `dashboard.cli_commands.serve`.
    """
    log_to_stderr("central")
    # It warns of each connection that ends; the follower says what that means, once.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    load_psycopg()
    settings = central_file.load(path)
    web_config.check_access(settings.web, people_file.path_of(settings.base), path)
    folder = settings.central.folder
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CentralError(
            f"{folder}: this folder cannot be made ({error.strerror}); correct central.folder"
        ) from error
    with cli_commands.listen(settings.web.host, settings.web.port) as listener:
        crash_report.watch(settings.base, "central")
        cli_commands.run(partial(create, settings), listener, settings.web)
