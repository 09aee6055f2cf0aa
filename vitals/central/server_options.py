"""Which server a command of `vitals central` means, and as whom it speaks to it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from psycopg import Connection

_Command = TypeVar("_Command", bound=Callable[..., None])
_PROGRAM = "vitals central"
CONFIG = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    help="central.toml; see docs/central.md.",
)


def of_the_server(command: _Command) -> _Command:
    """Adds the options that say which server, and as whom."""
    for option in (
        click.option(
            "--root-cert",
            type=click.Path(path_type=Path),
            help="Certificate of the authority that has signed the server's.",
        ),
        click.option(
            "--password",
            default="",
            metavar="SOURCE",
            help="file:/path or env:NAME [default: as libpq: PGPASSWORD, ~/.pgpass].",
        ),
        click.option(
            "--dsn",
            envvar="VITALS_CENTRAL_DSN",
            default="",
            help="The server as libpq's keywords: host=… dbname=… user=…",
        ),
    ):
        command = option(command)
    return command


def as_owner(
    dsn: str, password: str, root_cert: Path | None
) -> AbstractContextManager[Connection[Any]]:
    """A connection to what `--dsn` names.

    Raises:
        ConfigError: it is none, or says something that cannot be.
    """
    from vitals.central import dsn as keywords
    from vitals.central.connecting import connected
    from vitals.config import CentralConfig
    from vitals.errors import CentralError, ConfigError

    if not dsn:
        raise click.UsageError(
            "say with --dsn which server, as its owner: host=/var/run/postgresql dbname=kap "
            "user=postgres"
        )
    config = CentralConfig(dsn=dsn, password=password, root_cert=root_cert)
    wrong = keywords.unfit(config)
    if wrong:
        raise ConfigError(_as_options(f"{wrong[0]}: {wrong[1]}"))
    try:
        conninfo = keywords.conninfo(config, _PROGRAM)
    except CentralError as error:
        raise CentralError(_as_options(str(error))) from error
    return connected(conninfo)


def _as_options(sentence: str) -> str:
    """What is said of keys of a config, said of the options of a command."""
    return sentence.replace("central.root_cert", "--root-cert").replace("central.", "--")


def as_viewer(
    path: Path | None, dsn: str, password: str, root_cert: Path | None
) -> AbstractContextManager[Connection[Any]]:
    """A connection to what `--config` or `--dsn` names."""
    if path is None:
        return as_owner(dsn, password, root_cert)
    from vitals.central import central_file
    from vitals.central import dsn as keywords
    from vitals.central.connecting import connected

    config = central_file.load(path).central
    return connected(keywords.conninfo(config, _PROGRAM, writes=False))
