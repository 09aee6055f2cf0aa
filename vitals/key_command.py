"""`vitals key`: makes the key of a record, and puts a record under one."""

from __future__ import annotations

from pathlib import Path

import click

_LOST = (
    "Whoever loses this key loses the record and every backup of it: nobody can open them without "
    "it. Keep a copy in another place, on paper in a safe for instance."
)
_SOURCE = click.option(
    "--to", "source", default="", help="Where the key is [default: station.key of the config]."
)
_CONFIG = click.option(
    "--config", type=click.Path(path_type=Path), help="Use the record this config names."
)
_STORE = click.option(
    "--store", type=click.Path(path_type=Path), help="The record [default: vitals.db]."
)


@click.group()
def key() -> None:
    """Encrypt the record: make a key, put the record under it."""


@key.command()
@click.argument("file", type=click.Path(path_type=Path))
def new(file: Path) -> None:
    """Write a new key to FILE, which only you can read. Lost key = lost data."""
    from vitals.store import keys

    keys.make(file)
    click.echo(f'{file}: a new key. In the config, below [station]: key = "file:{file.resolve()}"')
    click.echo(_LOST)


@key.command()
@_SOURCE
@_CONFIG
@_STORE
def encrypt(source: str, config: Path | None, store: Path | None) -> None:
    """Put a plain record under a key, while the station is stopped."""
    _put_under(source, config, store, encrypted=False)


@key.command()
@_SOURCE
@_CONFIG
@_STORE
def rekey(source: str, config: Path | None, store: Path | None) -> None:
    """Put an encrypted record under another key, while the station is stopped."""
    _put_under(source, config, store, encrypted=True)


def _put_under(source: str, config: Path | None, store: Path | None, *, encrypted: bool) -> None:
    from vitals.cli_commands import record_path
    from vitals.config import load
    from vitals.errors import StoreError
    from vitals.store import keys
    from vitals.store.rekey import rekey as put_under

    record = record_path(store, config)
    source = source or (load(config).station.key if config is not None else "")
    if not source:
        raise click.UsageError(f"say with --to where the new key is: {keys.FORMS}")
    source = keys.resolved(source, Path.cwd())
    if encrypted and not keys.source_of(record):
        raise StoreError(f"{record}: the record has no key; use `vitals key encrypt`")
    if not encrypted and keys.source_of(record):
        raise StoreError(f"{record}: the record has a key already; use `vitals key rekey`")
    done = put_under(record, source)
    click.echo(
        f"{record}: under the new key and checked: {done.found.audit_rows} audit rows, "
        f"{done.found.sealed + done.found.unsealed} samples. Head {done.found.head}"
    )
    click.echo(f"In the config, below [station]: key = {_quoted(source)}")
    what = "under the old key" if encrypted else "not encrypted"
    click.echo(f"The file as it was ({what}) is {done.old}; delete it when the new one is in use.")
    click.echo(_LOST)


def _quoted(source: str) -> str:
    import json

    return json.dumps(source, ensure_ascii=False)
