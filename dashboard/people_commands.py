"""`vitals user`: the accounts. Changes are in force at once, also while the pages are served."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dashboard.people_options import accounts_of, check_rooms, now_us, of_accounts, time_words
from dashboard.token_commands import token

if TYPE_CHECKING:
    from dashboard.accounts import Person

_ROLES = click.Choice(["nurse", "therapist", "clinician", "prescriber", "admin"])


@click.group()
def user() -> None:
    """Accounts: add, list, change, disable people; tokens for programs.

    As soon as there is one, everybody has to sign in to the pages.
    """


user.add_command(token)


_stdin = click.option("--stdin", "piped", is_flag=True, help="Read it from the standard input.")


@user.command()
@click.argument("name_to_type", metavar="USER")
@click.option("--role", type=_ROLES, required=True, help="What the person may do.")
@click.option("--name", default="", help="As it stands in the record [default: USER].")
@click.option("--room", "rooms", multiple=True, help="A room that may be seen [default: all].")
@_stdin
@of_accounts
def add(
    name_to_type: str,
    role: str,
    name: str,
    rooms: tuple[str, ...],
    piped: bool,
    store: Path | None,
    config: Path | None,
) -> None:
    """Add somebody, with a password that is asked for."""
    from dashboard.passwords import check_password, hashed

    check_rooms(rooms, config)
    password = _secret("Password", piped)
    check_password(password, name_to_type, name)
    added = accounts_of(store, config, create=True).add(
        name_to_type,
        name=name,
        role=role,
        rooms=rooms,
        password=hashed(password),
        now_us=now_us(),
        by=getpass.getuser(),
    )
    click.echo(f"{added.user} ({added.name}, {added.role}) can sign in; accounts are in force")


@user.command()
@click.argument("name_to_type", metavar="USER")
@_stdin
@of_accounts
def passwd(name_to_type: str, piped: bool, store: Path | None, config: Path | None) -> None:
    """Set a new password; the person is signed out everywhere."""
    from dashboard.passwords import check_password, hashed

    accounts = accounts_of(store, config)
    person = accounts.person(name_to_type)
    password = _secret(f"New password of {person.name}", piped)
    check_password(password, person.user, person.name)
    accounts.set_password(person, hashed(password), now_us(), getpass.getuser())
    click.echo(f"{person.user}: new password, signed out everywhere")


@user.command()
@click.argument("name_to_type", metavar="USER")
@click.option("--remove", is_flag=True, help="Take the PIN away.")
@_stdin
@of_accounts
def pin(
    name_to_type: str, remove: bool, piped: bool, store: Path | None, config: Path | None
) -> None:
    """Set the PIN (4 to 8 digits) for taking over a screen quickly."""
    from dashboard.passwords import check_pin, hashed

    accounts = accounts_of(store, config)
    person = accounts.person(name_to_type)
    if remove:
        accounts.set_pin(person, None, now_us(), getpass.getuser())
        click.echo(f"{person.user}: has no PIN any more")
        return
    typed = _secret(f"New PIN of {person.name}", piped)
    check_pin(typed)
    accounts.set_pin(person, hashed(typed), now_us(), getpass.getuser())
    click.echo(f"{person.user}: new PIN")


@user.command()
@click.argument("name_to_type", metavar="USER")
@click.option("--role", type=_ROLES, help="What the person may do.")
@click.option("--name", help="As it stands in the record from now on.")
@click.option("--room", "rooms", multiple=True, help="A room that may be seen, and no other.")
@click.option("--all-rooms", is_flag=True, help="All rooms may be seen.")
@of_accounts
def change(
    name_to_type: str,
    role: str | None,
    name: str | None,
    rooms: tuple[str, ...],
    all_rooms: bool,
    store: Path | None,
    config: Path | None,
) -> None:
    """Change role, name or rooms; open pages of the person are connected anew."""
    if rooms and all_rooms:
        raise click.UsageError("--room and --all-rooms say different things; give one of them")
    if not (role or name or rooms or all_rooms):
        raise click.UsageError("say what is to be changed: --role, --name, --room or --all-rooms")
    check_rooms(rooms, config)
    accounts = accounts_of(store, config)
    changed = accounts.change(
        accounts.person(name_to_type),
        name=name,
        role=role,
        rooms=rooms if rooms else [] if all_rooms else None,
        now_us=now_us(),
        by=getpass.getuser(),
    )
    click.echo(f"{changed.user}: {changed.name}, {changed.role}, {_room_words(changed)}")


@user.command()
@click.argument("name_to_type", metavar="USER")
@of_accounts
def disable(name_to_type: str, store: Path | None, config: Path | None) -> None:
    """Sign somebody out everywhere and let nobody sign in with the account."""
    _set_disabled(name_to_type, True, store, config)


@user.command()
@click.argument("name_to_type", metavar="USER")
@of_accounts
def enable(name_to_type: str, store: Path | None, config: Path | None) -> None:
    """Let somebody sign in again."""
    _set_disabled(name_to_type, False, store, config)


@user.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@of_accounts
def list_people(as_json: bool, store: Path | None, config: Path | None) -> None:
    """Show all accounts."""
    from vitals.cli_commands import print_json, table

    people = accounts_of(store, config).people()
    if as_json:
        print_json([_facts(person) for person in people])
        return
    head = ("USER", "NAME", "ROLE", "ROOMS", "PIN", "LAST LOGIN", "STATE")
    table(
        head,
        [
            (
                person.user,
                person.name,
                person.role,
                _room_words(person),
                "yes" if person.has_pin else "-",
                time_words(person.login_us),
                "disabled" if person.disabled else "enabled",
            )
            for person in people
        ],
    )


def _set_disabled(name: str, disabled: bool, store: Path | None, config: Path | None) -> None:
    accounts = accounts_of(store, config)
    person = accounts.person(name)
    accounts.set_disabled(person, disabled, now_us(), getpass.getuser())
    click.echo(f"{person.user}: {'disabled, signed out everywhere' if disabled else 'enabled'}")


def _secret(what: str, piped: bool) -> str:
    """From the terminal without showing it, twice; or one line of the standard input."""
    if piped:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on; give it with --stdin")
    return str(click.prompt(what, hide_input=True, confirmation_prompt=True))


def _room_words(person: Person) -> str:
    return "all rooms" if person.rooms is None else ", ".join(sorted(person.rooms))


def _facts(person: Person) -> dict[str, Any]:
    return {
        "user": person.user,
        "name": person.name,
        "role": person.role,
        "rooms": None if person.rooms is None else sorted(person.rooms),
        "pin": person.has_pin,
        "disabled": person.disabled,
        "created_us": person.created_us,
        "login_us": person.login_us,
    }
