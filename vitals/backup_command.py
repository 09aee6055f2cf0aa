"""`vitals backup` and `vitals restore`."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from vitals.config import Config

_CONFIG = click.option(
    "--config", type=click.Path(path_type=Path), help="Use the record this config names."
)
_STORE = click.option(
    "--store", type=click.Path(path_type=Path), help="The record [default: vitals.db]."
)


@click.command()
@click.option(
    "--to", type=click.Path(path_type=Path), help="A folder, or a file that is not there yet."
)
@click.option("--nightly", is_flag=True, help="What [backup] and [retention] say.")
@_CONFIG
@_STORE
def backup(to: Path | None, nightly: bool, config: Path | None, store: Path | None) -> None:
    """Copy the record while the station goes on, and check the copy."""
    _gently()
    if nightly:
        if config is None or to is not None or store is not None:
            raise click.UsageError("--nightly needs --config, and neither --to nor --store")
        _nightly(config)
        return
    from datetime import UTC, datetime

    from vitals.cli_commands import record_path
    from vitals.store.backup import back_up, name_at

    if to is None:
        raise click.UsageError("say with --to where the backup is to be")
    record = record_path(store, config)
    if to.is_dir():
        to = to / name_at(record, datetime.now(UTC))
    made = back_up(record, to)
    click.echo(
        f"{made.path}: {made.audit_rows} audit rows, {made.samples} samples, "
        f"{made.size / 1e6:.1f} MB, read again and found whole. Head {made.head}"
    )
    _say_key(record)


def _gently() -> None:
    """Stands back behind the station, and leaves nothing half made when it is stopped."""
    if hasattr(os, "nice"):
        os.nice(10)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def _say_key(record: Path) -> None:
    from vitals.store import keys

    source = keys.source_of(record)
    if source:
        click.echo(f"It is encrypted. Without its key ({source}) it cannot be opened.")


def _nightly(path: Path) -> None:
    from vitals import config
    from vitals.errors import ConfigError
    from vitals.nightly import expire, run_once

    loaded: Config = config.load(path)
    if not loaded.nightly:
        words = "backup.to: there is none, and no [retention]; name a folder"
        raise ConfigError(words, path=path, key="backup.to")
    record = loaded.station.store
    if loaded.backup.to is not None:
        outcome = run_once(record, loaded.backup.to, loaded.backup.keep)
        _tell_station(loaded, outcome.facts())
        if not outcome.ok:
            click.echo(f"vitals: {outcome.said}", err=True)
            sys.exit(1)
        click.echo(outcome.said)
    for done in expire(record, loaded.retention, time.time_ns() // 1000):
        click.echo(f"{done.uuid}: {done.numerics} values, {done.waves} waveforms forgotten")


def _tell_station(loaded: Config, facts: dict[str, object]) -> None:
    """The station records it as an event; one that is away hears of it by the file."""
    import asyncio
    import uuid

    from vitals import wire
    from vitals.errors import FeedError
    from vitals.follower import ask
    from vitals.session.permissions import WEB_EVENT

    message = wire.CommandMsg(
        id=str(uuid.uuid4()),
        kind=WEB_EVENT,
        room="",
        name="vitals backup",
        role="system",
        args={"what": "backup", **facts},
    )
    try:
        (answer,) = asyncio.run(ask(loaded.feed_file, [message]))
    except FeedError as error:
        click.echo(f"vitals: the station was not told: {error}", err=True)
        return
    if not answer.ok:
        click.echo(f"vitals: the station was not told: {answer.error}", err=True)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--to", "record", required=True, type=click.Path(path_type=Path), help="The record to make."
)
@click.option("--key", "source", default="", help="Where the key is, if not said beside FILE.")
def restore(file: Path, record: Path, source: str) -> None:
    """Make a record of the backup FILE, while no station writes there."""
    import getpass

    from vitals.store import keys
    from vitals.store.backup import restore as put_back

    done = put_back(file, record, source=keys.resolved(source, Path.cwd()), by=getpass.getuser())
    click.echo(
        f"{record}: {done.copy.audit_rows} audit rows, {done.copy.samples} samples, found whole. "
        f"Its head was {done.copy.head}"
    )
    if done.aside is not None:
        click.echo(f"The record that was there is {done.aside}.")
