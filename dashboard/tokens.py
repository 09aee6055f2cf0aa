"""Tokens: what a program shows instead of signing in. Blocking, as `dashboard.accounts`.

A token is random (256 bits), shown once when it is made, and kept as its SHA-256 alone. It has a
role and rooms of its own, ends by itself, and is never deleted, only revoked: its name in the
record stays that token's.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dashboard.accounts import Accounts, rooms_text
from dashboard.screens import key_of
from vitals.people_file import PeopleError
from vitals.session.permissions import ROLES

METRICS = "metrics"
TOKEN_ROLES: dict[str, str] = {**ROLES, METRICS: "reads /metrics, and nothing else"}
"""Roles that a token may have; all of them only read."""
PREFIX = "kv_"
"""How every token begins, so that one that lies about is found."""
CALLED = "API token"
"""Stands before a token's name in the record."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,25}")


@dataclass(frozen=True, slots=True)
class Token:
    """One token.

    Attributes:
        key: its SHA-256, hexadecimal.
        rooms: ids of the rooms that it may see, None for all.
        by: who made it.
        expires_us: it is refused from then on, None for never.
        revoked_us: it was refused from then on, None if it was not revoked.
        used_us: when it was last shown, to the minute.
    """

    id: int
    name: str
    key: str
    role: str
    rooms: frozenset[str] | None
    by: str
    created_us: int
    expires_us: int | None
    revoked_us: int | None
    used_us: int | None

    @property
    def called(self) -> str:
        """Its name in the record; no person can have it."""
        return f"{CALLED} {self.name}"

    def why_not(self, now_us: int) -> str:
        """Why it is refused, one sentence; `""` when it is not."""
        if self.revoked_us is not None:
            return f"the token {self.name!r} was revoked; ask for a new one"
        if self.expires_us is not None and now_us >= self.expires_us:
            return f"the token {self.name!r} has expired; ask for a new one"
        return ""


def tokens(accounts: Accounts) -> list[Token]:
    """All that were ever made, in the order of their names."""
    rows = accounts.connection.execute(
        "SELECT token_id, name, key, role, rooms, made_by, created_us, expires_us, revoked_us,"
        " used_us FROM token ORDER BY name"
    )
    return [_token(row) for row in rows]


def add(
    accounts: Accounts,
    name: str,
    *,
    role: str,
    rooms: Iterable[str],
    expires_us: int | None,
    now_us: int,
    by: str,
) -> str:
    """Makes a token; what is returned can never be had again.

    Raises:
        PeopleError: the name is taken or cannot be, there is no such role, or it would have
            ended already.
    """
    if not _NAME.fullmatch(name):
        raise PeopleError(
            f"{name!r} is no name of a token: up to 26 letters a-z, digits and . _ -, beginning "
            "with a letter or digit"
        )
    if role not in TOKEN_ROLES:
        raise PeopleError(f"there is no role {role!r}; known are {', '.join(TOKEN_ROLES)}")
    if expires_us is not None and expires_us <= now_us:
        raise PeopleError("the token would have expired already; give a later end with --expires")
    if any(token.name == name for token in tokens(accounts)):
        raise PeopleError(f"there is, or was, a token {name!r}; choose another name")
    shown = PREFIX + secrets.token_urlsafe(32)
    with accounts.changing():
        accounts.connection.execute(
            "INSERT INTO token(name, key, role, rooms, made_by, created_us, expires_us)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (name, key_of(shown), role, rooms_text(rooms), by, now_us, expires_us),
        )
        accounts.event(
            "token_added",
            now_us,
            token=name,
            role=role,
            rooms=",".join(json.loads(rooms_text(rooms))),
            expires_us=expires_us or 0,
            by=by,
        )
    return shown


def revoke(accounts: Accounts, name: str, now_us: int, by: str) -> None:
    """Lets a token in no longer, within a quarter of a second.

    Raises:
        PeopleError: there is none of that name.
    """
    found = next((token for token in tokens(accounts) if token.name == name), None)
    if found is None:
        raise PeopleError(f"there is no token {name!r}; `vitals user token list` shows all")
    if found.revoked_us is not None:
        return
    with accounts.changing():
        accounts.connection.execute(
            "UPDATE token SET revoked_us = ? WHERE token_id = ?", (now_us, found.id)
        )
        accounts.event("token_revoked", now_us, token=name, by=by)


def _token(row: tuple[Any, ...]) -> Token:
    token_id, name, key, role, rooms, *rest = row
    seen = json.loads(rooms)
    return Token(token_id, name, key, role, frozenset(seen) if seen else None, *rest)
