"""What the commands about accounts share: whose accounts, which rooms, times in words."""

from __future__ import annotations

import time
import tomllib
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
            help="The accounts of the record, or the centre, of this config.",
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

    if store is None and config is not None and is_central(config):
        from vitals.central.central_file import load

        base = load(config).base
        if create:
            base.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Accounts(path_of(base), create=create)
    return Accounts(path_of(record_path(store, config)), create=create)


def is_central(config: Path) -> bool:
    """Whether it is a `central.toml`: it has no rooms of its own. One that is neither is not."""
    try:
        found = tomllib.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False  # which the loader of a station's config says in words
    return "central" in found and "room" not in found and "station" not in found


def check_rooms(rooms: tuple[str, ...], config: Path | None) -> None:
    """Where the config says which rooms there are, another one is a slip of the pen."""
    if config is None:
        return
    from vitals.config import load

    if is_central(config):
        for room in rooms:
            if not all(room.partition(":")):
                raise click.BadParameter(
                    f"{room!r}: at the centre a room is named station:room, or station:* for all "
                    "rooms of a station"
                )
        return
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
