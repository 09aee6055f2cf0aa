"""`vitals central`: the pages over all stations, and what the one PostgreSQL behind them needs.

Making tables, stations and viewers needs the owner of the database (`--dsn`); looking at them needs
a viewer, for instance that of `central.toml` (`--config`).
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from vitals.central.login_commands import station, viewer
from vitals.central.server_options import CONFIG, as_owner, as_viewer, of_the_server


@click.group(invoke_without_command=True)
@CONFIG
@click.pass_context
def central(context: click.Context, path: Path | None) -> None:
    """All stations on one page, by one PostgreSQL; without a subcommand serves that page."""
    context.obj = path
    if context.invoked_subcommand is not None:
        return
    if path is None:
        raise click.UsageError("say with --config where central.toml is")
    import importlib

    importlib.import_module("dashboard.central_server").serve(path)


@central.command()
@of_the_server
def migrate(dsn: str, password: str, root_cert: Path | None) -> None:
    """Make the central tables in an empty database, or bring them up to date."""
    from vitals.central.migrate import migrate as upgrade

    with as_owner(dsn, password, root_cert) as connection:
        before, after = upgrade(connection)
    if before == after:
        click.echo(f"The central tables are version {after} already.")
    elif before:
        click.echo(f"The central tables are version {after} now; they were {before}.")
    else:
        click.echo(f"The central tables are made, version {after}.")


central.add_command(station)
central.add_command(viewer)


@central.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@CONFIG
@of_the_server
@click.pass_context
def status(
    context: click.Context,
    as_json: bool,
    path: Path | None,
    dsn: str,
    password: str,
    root_cert: Path | None,
) -> None:
    """How every station is reached, how far it has sent, and what is wrong with it.

    Exit code 1: something is to be said of at least one station.
    """
    from vitals.central.connecting import require_current
    from vitals.central.status import HEAD, line, statuses
    from vitals.cli_commands import print_json, table

    with as_viewer(path or context.obj, dsn, password, root_cert) as connection:
        require_current(connection)
        found = statuses(connection)
    if as_json:
        print_json([one.facts() for one in found])
    elif not found:
        click.echo("No stations; `vitals central station add` makes one.")
    else:
        table(HEAD, [line(one) for one in found])
        for one in found:
            if one.sentence:
                click.echo(f"{one.id}: {one.sentence}")
    if any(one.sentence for one in found):
        sys.exit(1)


@central.command()
@click.option("--days", type=click.IntRange(1, 100_000), help="Keep vital signs for so many days.")
@click.option("--waves-days", type=click.IntRange(1, 100_000), help="And waveforms.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@of_the_server
def retain(
    days: int | None,
    waves_days: int | None,
    yes: bool,
    dsn: str,
    password: str,
    root_cert: Path | None,
) -> None:
    """Delete what is too old, and what stations have forgotten; audit trails stay.

    Run it every night. Without --days only what stations have forgotten is deleted.
    """
    import time

    from vitals.central.connecting import require_current
    from vitals.central.retain import follow, retire

    if not yes:
        click.confirm("Delete for ever what is too old, and what was forgotten?", abort=True)
    with as_owner(dsn, password, root_cert) as connection:
        require_current(connection)
        done = retire(connection, now_us=time.time_ns() // 1000, days=days, waves_days=waves_days)
        for day in done.days:
            click.echo(f"{day}: its values are deleted")
        if done.files:
            click.echo(f"{done.files} waveforms of old sessions are deleted")
        forgotten = 0
        for one in follow(connection):
            forgotten += 1
            click.echo(
                f"{one.station}: session {one.session}, which it has forgotten: {one.values} "
                f"values and {one.files} waveforms are deleted"
            )
    if not (done.days or done.files or forgotten):
        click.echo("There was nothing to delete.")


@central.command()
@click.option("--station", "station_id", help="Only this one.")
@click.option(
    "--days", type=click.IntRange(1, 100_000), help="Samples of so many days; chains are whole."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of sentences.")
@CONFIG
@of_the_server
@click.pass_context
def verify(
    context: click.Context,
    station_id: str | None,
    days: int | None,
    as_json: bool,
    path: Path | None,
    dsn: str,
    password: str,
    root_cert: Path | None,
) -> None:
    """Check that what is here is what the stations have recorded: chains, seals, heads.

    Exit code 0: nothing was found. 1: something is broken, and where.
    """
    import time
    from dataclasses import asdict

    from vitals.central.connecting import require_current
    from vitals.central.verify_copy import verify as check
    from vitals.cli_commands import print_json
    from vitals.store.retention import DAY_US

    found = []
    since_us = 0 if days is None else time.time_ns() // 1000 - days * DAY_US
    with as_viewer(path or context.obj, dsn, password, root_cert) as connection:
        require_current(connection)
        for one in check(connection, station_id, since_us=since_us):
            found.append(one)
            if not as_json:
                click.echo(one.sentence, err=not one.ok)
    if as_json:
        print_json([{**asdict(one), "ok": one.ok} for one in found])
    elif not found:
        click.echo("Nothing has come of any station yet.")
    if not all(one.ok for one in found):
        sys.exit(1)
