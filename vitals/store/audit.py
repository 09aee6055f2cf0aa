r"""The audit chain: every row carries the hash of the row before it.

The hash of a row is SHA-256 over the UTF-8 bytes of one canonical JSON object with the keys
`actor at_us body command_id kind n prev role room seq session`, where `prev` is the hash of row
n - 1 in lower-case hexadecimal (64 zeros before row 1), `session` is the session's uuid or null,
and `body` is the row's own object. Canonical JSON: keys sorted by code point, no spaces, every
character outside ASCII as \uXXXX (surrogate pairs beyond the BMP), numbers as the shortest text
that reads back the same, no NaN and no infinity. docs/record.md has an example to check with.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import apsw

from vitals.errors import StoreError

GENESIS = bytes(32)
"""`prev` of the first row."""


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


_loose = json.JSONEncoder(allow_nan=False, default=_plain).encode
_strict = json.JSONEncoder(allow_nan=False, sort_keys=True, separators=(",", ":")).encode


def canonical(value: object) -> str:
    """The one JSON text of a value, in ASCII.

    It reads back to the same text whatever went in: a key that is no string becomes one before
    the keys are sorted, a tuple becomes a list.

    Raises:
        StoreError: JSON cannot say it (NaN, a date, ...).
    """
    try:
        return _strict(json.loads(_loose(value)))
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"this cannot be recorded as JSON: {error}") from error


def row_bytes(
    *,
    n: int,
    prev: bytes,
    seq: int | None,
    at_us: int,
    session: str | None,
    room: str,
    actor: str,
    role: str,
    kind: str,
    body: str,
    command_id: str | None,
) -> bytes:
    """The bytes that a row's hash is taken over; `body` goes in letter by letter as stored."""
    before = _strict({"actor": actor, "at_us": at_us})
    after = _strict(
        {
            "command_id": command_id,
            "kind": kind,
            "n": n,
            "prev": prev.hex(),
            "role": role,
            "room": room,
            "seq": seq,
            "session": session,
        }
    )
    return f'{before[:-1]},"body":{body},{after[1:]}'.encode("utf-8", "surrogatepass")


def row_hash(**row: Any) -> bytes:
    """SHA-256 of `row_bytes`: 32 bytes."""
    return hashlib.sha256(row_bytes(**row)).digest()


def append(
    connection: apsw.Connection,
    *,
    kind: str,
    at_us: int,
    body: str,
    session_id: int | None = None,
    session: str | None = None,
    seq: int | None = None,
    room: str = "",
    actor: str = "",
    role: str = "",
    command_id: str | None = None,
) -> None:
    """Adds a row behind the last one, inside the caller's transaction.

    `body` is canonical JSON, `session` the uuid that belongs to `session_id`.
    """
    last = connection.execute("SELECT n, hash FROM audit ORDER BY n DESC LIMIT 1").fetchone()
    n, head = last or (0, GENESIS)
    row = {
        "n": n + 1,
        "prev": head,
        "seq": seq,
        "at_us": at_us,
        "room": room,
        "actor": actor,
        "role": role,
        "kind": kind,
        "body": body,
        "command_id": command_id,
    }
    connection.execute(
        "INSERT INTO audit(n, seq, at_us, session_id, room, actor, role, kind, command_id, body,"
        " prev, hash) VALUES (:n, :seq, :at_us, :session_id, :room, :actor, :role, :kind,"
        " :command_id, :body, :prev, :hash)",
        {**row, "session_id": session_id, "hash": row_hash(**row, session=session)},
    )
