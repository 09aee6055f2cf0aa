"""What the commands about accounts share: whose accounts, which rooms, times in words."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from dashboard.accounts import Accounts

_Command = TypeVar("_Command", bound=Callable[..., None])


def of_accounts(command: _Command) -> _Command:
    """Adds the options that say whose accounts they are."""
    for option in (
        click.option(
            "--config",
            type=click.Path(path_type=Path),
            help="The accounts of the record this config names.",
        ),
        click.option(
            "--store", type=click.Path(path_type=Path), help="The record [default: vitals.db]."
        ),
    ):
        command = option(command)
    return command


def accounts_of(store: Path | None, config: Path | None, *, create: bool = False) -> Accounts:
    """Opens the accounts of a record, or of the record that a config names."""
    from dashboard.accounts import Accounts
    from vitals.cli_commands import record_path
    from vitals.people_file import path_of

    return Accounts(path_of(record_path(store, config)), create=create)


def check_rooms(rooms: tuple[str, ...], config: Path | None) -> None:
    """Where the config says which rooms there are, another one is a slip of the pen."""
    if config is None:
        return
    from vitals.config import load

    known = [room.id for room in load(config).room]
    for room in rooms:
        if room not in known:
            raise click.BadParameter(f"there is no room {room!r}; known are {', '.join(known)}")


def now_us() -> int:
    """The computer's time, microseconds UTC."""
    return time.time_ns() // 1000


def time_words(at_us: int | None) -> str:
    """A time on this computer's clock."""
    if at_us is None:
        return "never"
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)
    return f"{at.astimezone():%Y-%m-%d %H:%M}"
