"""`vitals central station` and `vitals central viewer`: who may send, and who may look."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vitals.central.server_options import as_owner, of_the_server

if TYPE_CHECKING:
    from vitals.central.stations import Login


@click.group()
def station() -> None:
    """Stations that may send: add, list, renew a password, remove."""


@station.command("add")
@click.argument("name_of", metavar="ID")
@click.option("--name", default="", help="What people call it [default: its id].")
@click.option("--site", required=True, help="Where it is.")
@click.option("--clinic", required=True, help="Of that site.")
@of_the_server
def add_station(
    name_of: str,
    name: str,
    site: str,
    clinic: str,
    dsn: str,
    password: str,
    root_cert: Path | None,
) -> None:
    """Let the station ID send; its password is shown once."""
    from vitals.central import stations
    from vitals.central.connecting import require_current

    with as_owner(dsn, password, root_cert) as connection:
        require_current(connection)
        login = stations.add_station(
            connection, name_of, name=name or name_of, site=site, clinic=clinic
        )
    _show(login, f"in the config of station {name_of}", "station.password")


@station.command("renew")
@click.argument("name_of", metavar="ID")
@of_the_server
def renew_station(name_of: str, dsn: str, password: str, root_cert: Path | None) -> None:
    """Give the station ID a new password; the old one is void at once."""
    from vitals.central import stations
    from vitals.central.connecting import require_current

    with as_owner(dsn, password, root_cert) as connection:
        require_current(connection)
        login = stations.renew(connection, name_of)
    _show(login, f"on the computer of station {name_of}", "station.password")


@station.command("list")
@of_the_server
def list_stations(dsn: str, password: str, root_cert: Path | None) -> None:
    """All stations, by site and clinic."""
    from vitals.central import stations
    from vitals.central.connecting import require_current
    from vitals.cli_commands import table

    with as_owner(dsn, password, root_cert) as connection:
        require_current(connection)
        found = stations.stations(connection)
    table(
        ("STATION", "NAME", "SITE", "CLINIC", "USER"),
        [
            (one.id, one.name, one.site, one.clinic, one.login if one.active else "removed")
            for one in found
        ],
    )


@station.command("remove")
@click.argument("name_of", metavar="ID")
@click.option("--rows", is_flag=True, help="Delete everything that it has sent, too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@of_the_server
def remove_station(
    name_of: str, rows: bool, yes: bool, dsn: str, password: str, root_cert: Path | None
) -> None:
    """Let the station ID send no more; what it has sent stays, unless --rows."""
    from vitals.central import stations
    from vitals.central.connecting import require_current

    if rows and not yes:
        click.confirm(f"Delete everything that {name_of} has ever sent, for ever?", abort=True)
    with as_owner(dsn, password, root_cert) as connection:
        require_current(connection)
        stations.remove_station(connection, name_of, rows=rows)
    left = "nothing of it is left here" if rows else "what it has sent can still be reviewed"
    click.echo(f"Station {name_of} is removed; {left}. Take [central] out of its config.")


@click.group()
def viewer() -> None:
    """Who may read everything, for central pages: add, list, remove."""


@viewer.command("add")
@click.argument("name")
@of_the_server
def add_viewer(name: str, dsn: str, password: str, root_cert: Path | None) -> None:
    """Make a user that reads everything; its password is shown once."""
    from vitals.central import stations
    from vitals.central.connecting import require_current

    with as_owner(dsn, password, root_cert) as connection:
        require_current(connection)
        login = stations.add_viewer(connection, name)
    _show(login, "in central.toml", "viewer.password")


@viewer.command("list")
@of_the_server
def list_viewers(dsn: str, password: str, root_cert: Path | None) -> None:
    """All users that may read everything."""
    from vitals.central import stations

    with as_owner(dsn, password, root_cert) as connection:
        for role in stations.viewers(connection):
            click.echo(role)


@viewer.command("remove")
@click.argument("name")
@of_the_server
def remove_viewer(name: str, dsn: str, password: str, root_cert: Path | None) -> None:
    """Take a viewer away."""
    from vitals.central import stations

    with as_owner(dsn, password, root_cert) as connection:
        stations.remove_viewer(connection, name)
    click.echo(f"Viewer {name} is removed.")


def _show(login: Login, where: str, file: str) -> None:
    click.echo(f"user      {login.role}")
    click.echo(f"password  {login.password}")
    click.echo("It is shown this once and kept nowhere.")
    click.echo(
        f"Put it {where} as a file that only its owner can read ({file}), and below [central]:\n"
        f'  dsn = "host=… dbname=… user={login.role}"\n'
        f'  password = "file:{file}"'
    )
