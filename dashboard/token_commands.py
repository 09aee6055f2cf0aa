"""`vitals user token`: tokens for programs that read `/api/v1` or `/metrics`."""

from __future__ import annotations

import getpass
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dashboard.people_options import accounts_of, check_rooms, now_us, of_accounts, time_words

if TYPE_CHECKING:
    from dashboard.tokens import Token

_ROLES = click.Choice(["nurse", "therapist", "clinician", "prescriber", "admin", "metrics"])
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS = re.compile(r"([1-9][0-9]{0,3})d")


@click.group()
def token() -> None:
    """Tokens: what a program shows instead of signing in. It can only read.

    A program sends it as `Authorization: Bearer kv_…`; see docs/api.md.
    """


@token.command()
@click.argument("name")
@click.option("--role", type=_ROLES, required=True, help="What it may read; metrics: /metrics.")
@click.option("--room", "rooms", multiple=True, help="A room that may be seen [default: all].")
@click.option(
    "--expires",
    default="365d",
    show_default=True,
    help="Days (90d), the last day (2027-06-30), or never.",
)
@of_accounts
def add(
    name: str,
    role: str,
    rooms: tuple[str, ...],
    expires: str,
    store: Path | None,
    config: Path | None,
) -> None:
    """Make a token and print it, once: nobody can read it again."""
    from dashboard import tokens

    check_rooms(rooms, config)
    now = now_us()
    ends_us = _end(expires, now)
    shown = tokens.add(
        accounts_of(store, config),
        name,
        role=role,
        rooms=rooms,
        expires_us=ends_us,
        now_us=now,
        by=getpass.getuser(),
    )
    until = "for ever" if ends_us is None else f"until {time_words(ends_us)}"
    click.echo(f"{name}: {role}, good {until}; keep it now, it is not shown again", err=True)
    click.echo(shown)


@token.command()
@click.argument("name")
@of_accounts
def revoke(name: str, store: Path | None, config: Path | None) -> None:
    """Let a token in no longer, at once."""
    from dashboard import tokens

    tokens.revoke(accounts_of(store, config), name, now_us(), getpass.getuser())
    click.echo(f"{name}: revoked")


@token.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@of_accounts
def list_tokens(as_json: bool, store: Path | None, config: Path | None) -> None:
    """Show all tokens that were ever made, never what they are."""
    from dashboard import tokens
    from vitals.cli_commands import print_json, table

    found = tokens.tokens(accounts_of(store, config))
    if as_json:
        print_json([_facts(one) for one in found])
        return
    head = ("NAME", "ROLE", "ROOMS", "MADE BY", "EXPIRES", "LAST USED", "STATE")
    table(
        head,
        [
            (
                one.name,
                one.role,
                "all rooms" if one.rooms is None else ", ".join(sorted(one.rooms)),
                one.by,
                time_words(one.expires_us),
                time_words(one.used_us),
                _state(one),
            )
            for one in found
        ],
    )


def _end(expires: str, now: int) -> int | None:
    """When a token ends: microseconds UTC, None for never."""
    if expires == "never":
        return None
    days = _DAYS.fullmatch(expires)
    if days:
        return now + int(days[1]) * 86_400_000_000
    try:
        last = datetime.fromisoformat(expires)
    except ValueError as error:
        raise click.BadParameter(
            f"{expires!r} is no end of a token; write 90d, 2027-06-30 or never"
        ) from error
    if len(expires) == len("2027-06-30"):
        last += timedelta(days=1)  # to the end of that day
    return (last.astimezone() - _EPOCH) // timedelta(microseconds=1)


def _state(one: Token) -> str:
    if one.revoked_us is not None:
        return "revoked"
    return "expired" if one.why_not(now_us()) else "good"


def _facts(one: Token) -> dict[str, Any]:
    return {
        "name": one.name,
        "role": one.role,
        "rooms": None if one.rooms is None else sorted(one.rooms),
        "made_by": one.by,
        "created_us": one.created_us,
        "expires_us": one.expires_us,
        "revoked_us": one.revoked_us,
        "used_us": one.used_us,
        "state": _state(one),
    }
