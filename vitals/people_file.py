"""The accounts' own database, `<store>.people`: how it is opened, and whether it is in force.

It is beside the record and never in it: only the station writes the record. Passwords, PINs, tokens
and the ids in browsers' cookies are in it as hashes alone. The web and `vitals user` write it.
"""

from __future__ import annotations

import os
from pathlib import Path

import apsw

from vitals.errors import VitalsError

APPLICATION_ID = 0x4B415051
"""`KAPQ`: marks a SQLite file as one of accounts."""
BUSY_MS = 3000

_V1 = """
CREATE TABLE person(
    person_id INTEGER PRIMARY KEY,
    user TEXT NOT NULL UNIQUE COLLATE NOCASE,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,  -- as it stands in the record
    role TEXT NOT NULL,
    rooms TEXT NOT NULL CHECK (json_valid(rooms)), -- array of room ids; empty: all rooms
    password TEXT NOT NULL,                    -- argon2id
    pin TEXT,                                  -- argon2id
    pin_wrong INTEGER NOT NULL DEFAULT 0,      -- in a row
    disabled INTEGER NOT NULL DEFAULT 0,
    created_us INTEGER NOT NULL,
    login_us INTEGER
) STRICT;
CREATE TABLE screen(                           -- a browser in which somebody has signed in
    key TEXT PRIMARY KEY,                      -- SHA-256 of the id in its cookie
    person_id INTEGER NOT NULL REFERENCES person,
    password_us INTEGER NOT NULL,              -- when a password was last given there
    locked INTEGER NOT NULL,
    pin_wrong INTEGER NOT NULL,                -- in a row
    active_us INTEGER NOT NULL,                -- somebody last touched it
    seen_us INTEGER NOT NULL                   -- a browser last showed it
) STRICT;
CREATE TABLE device(                           -- a browser that a person is known to use
    key TEXT NOT NULL,                         -- SHA-256 of the id in its cookie
    person_id INTEGER NOT NULL REFERENCES person,
    seen_us INTEGER NOT NULL,
    PRIMARY KEY (key, person_id)
) STRICT;
CREATE TABLE event(                            -- waits until the station has recorded it
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL CHECK (json_valid(body))
) STRICT;
"""
_V2 = """
CREATE TABLE token(                            -- what a program shows instead of signing in
    token_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,  -- as it stands in the record
    key TEXT NOT NULL UNIQUE,                  -- SHA-256 of the token
    role TEXT NOT NULL,
    rooms TEXT NOT NULL CHECK (json_valid(rooms)), -- array of room ids; empty: all rooms
    made_by TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    expires_us INTEGER,
    revoked_us INTEGER,
    used_us INTEGER
) STRICT;
"""
MIGRATIONS = (_V1, _V2)


class PeopleError(VitalsError):
    """The accounts cannot be read or changed."""


def path_of(store: Path) -> Path:
    """Where the accounts of a record are."""
    return Path(f"{store}.people")


def connect(path: Path, *, create: bool = False) -> apsw.Connection:
    """Opens the accounts for reading and writing.

    Raises:
        PeopleError: there are none and `create` is not set, or the file cannot be used.
    """
    try:
        if not path.exists():
            if not create:
                raise PeopleError(f"{path}: there are no accounts; make one with `vitals user add`")
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # its logs inherit the mode
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise PeopleError(f"{path}: the accounts cannot be used ({reason})") from error
    except apsw.Error as error:
        raise PeopleError(f"{path}: the accounts cannot be used ({error})") from error
    return connection


def any_enabled(path: Path) -> bool:
    """Whether accounts are in force: whether anybody could sign in.

    Raises:
        PeopleError: the file is there and cannot be read.
    """
    if not path.exists():
        return False
    connection = connect(path)
    try:
        return bool(connection.execute("SELECT count(*) FROM person WHERE NOT disabled").get)
    except apsw.Error as error:
        raise PeopleError(f"{path}: the accounts cannot be read ({error})") from error
    finally:
        connection.close()


def _prepare(connection: apsw.Connection, path: Path) -> None:
    connection.set_busy_timeout(BUSY_MS)
    application = connection.pragma("application_id")
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
    if application != APPLICATION_ID and (application or tables):
        raise PeopleError(f"{path}: this file belongs to another program; move it away")
    if connection.pragma("user_version") > len(MIGRATIONS):
        raise PeopleError(f"{path}: the accounts are of a newer version; install that one again")
    connection.pragma("journal_mode", "wal")
    for pragma, value in (
        ("synchronous", "FULL"),
        ("foreign_keys", "ON"),
        ("trusted_schema", "OFF"),
    ):
        connection.pragma(pragma, value)
    if connection.pragma("user_version") == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for script in MIGRATIONS[connection.pragma("user_version") :]:
            connection.execute(script)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
