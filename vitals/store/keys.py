"""Where the key of an encrypted record is, and how it is read. The key itself is written nowhere.

A source names the place: `file:/path` (a file of 64 hex digits that only its owner can read),
`env:NAME` (an environment variable) or `keyring:SERVICE/USER` (the operating system's store of
secrets, by the package `keyring`). The station leaves the source beside the record as
`<record>.key.toml`, so that everything else that reads the record finds the key by itself.
"""

from __future__ import annotations

import functools
import importlib
import json
import logging
import os
import secrets
import stat
import threading
import tomllib
from collections.abc import Callable
from pathlib import Path

from vitals.errors import StoreError

BYTES = 32
DIGITS = 2 * BYTES
FORMS = "file:/path, env:NAME or keyring:SERVICE/USER"

KEYRING_S = 8.0
"""Patience with a keyring: less than the supervisor has with a station that starts."""

_log = logging.getLogger(__name__)
_MOST = 4096
"""Of a file that is read here; a key with its line end has 65 bytes."""


class KeyUnavailable(StoreError):
    """The key cannot be had; the record is left alone."""


def unfit(source: str) -> str:
    """Why a source names no place, `""` if it does. Says nothing of it: it may be the key itself.

    A key that was typed where its place belongs must not end in a log.
    """
    scheme, _, rest = source.partition(":")
    if scheme not in _READERS:
        return f"it says where the key is, as {FORMS}; it is never the key itself"
    if not rest or (scheme == "keyring" and not all(rest.partition("/"))):
        return f"there is nothing behind {scheme}:; write {FORMS}"
    return ""


def resolved(source: str, base: Path) -> str:
    """The source with the path of a file made absolute, from a folder."""
    scheme, _, rest = source.partition(":")
    return f"file:{base / rest}" if scheme == "file" and rest else source


def read(source: str) -> bytes:
    """The key: 32 bytes.

    Raises:
        KeyUnavailable: it is not there, may be read by others, or is no key.
    """
    why_not = unfit(source)
    if why_not:
        raise KeyUnavailable(f"the key of the record: {why_not}")
    scheme, _, rest = source.partition(":")
    text = _READERS[scheme](rest).strip()
    if len(text) != DIGITS or not set(text) <= set("0123456789abcdefABCDEF"):
        raise KeyUnavailable(
            f"{source}: this is not the key of a record, which has {DIGITS} hex digits; make one "
            "with `vitals key new`"
        )
    return bytes.fromhex(text)


def make(path: Path) -> None:
    """Writes a new key to a file that only its owner can read; never over another file.

    Raises:
        KeyUnavailable: there is a file already, or none can be written.
    """
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        raise KeyUnavailable(
            f"{path}: there is a file already, and it may be the only key of a record; name another"
        ) from None
    except OSError as error:
        raise KeyUnavailable(f"{path}: the key cannot be written ({error.strerror})") from error
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(f"{secrets.token_hex(BYTES)}\n")
        file.flush()
        os.fsync(handle)


# --- beside the record ------------------------------------------------------------------------


def beside(record: Path) -> Path:
    """The file that names where the key of a record is."""
    return Path(f"{record}.key.toml")


def source_of(record: Path) -> str:
    """Where the key of a record is, `""` when nothing is said.

    Raises:
        KeyUnavailable: the file beside the record cannot be read.
    """
    path = beside(record)
    try:
        found = tomllib.loads(path.read_bytes()[:_MOST].decode()).get("key")
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not TOML"
        raise KeyUnavailable(f"{path}: cannot be read ({reason}); {_MEND}") from error
    if not isinstance(found, str):
        raise KeyUnavailable(f"{path}: names no key; {_MEND}")
    return found


_MEND = f'write one line into it that says where the key is: key = "…", as {FORMS}'


def key_of(record: Path) -> bytes | None:
    """The key of a record by what is said beside it, None when nothing is said.

    Raises:
        KeyUnavailable: it is said, and the key cannot be had.
    """
    source = source_of(record)
    if not source:
        return None
    try:
        return read(source)
    except KeyUnavailable as error:
        raise KeyUnavailable(f"{record}: the key of the record is away: {error}") from error


def remember(record: Path, source: str) -> None:
    """Says beside a record where its key is.

    Raises:
        OSError: it cannot be written.
    """
    path = beside(record)
    line = f"key = {json.dumps(source, ensure_ascii=False)}\n"
    try:
        if path.read_text(encoding="utf-8") == line:
            return
    except (FileNotFoundError, ValueError):
        _log.debug("%s is written anew", path)
    fresh = path.with_name(f"{path.name}.new")
    handle = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(line)
        file.flush()
        os.fsync(handle)
    fresh.replace(path)
    _from_keyring.cache_clear()


def follow(record: Path, copy: Path) -> None:
    """Says beside a copy of a record what is said beside the record.

    Raises:
        OSError: it cannot be written.
        KeyUnavailable: what is beside the record cannot be read.
    """
    source = source_of(record)
    if source:
        remember(copy, source)


# --- the places -------------------------------------------------------------------------------


def _from_file(name: str) -> str:
    path = Path(name)
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise KeyUnavailable(f"{path}: the key cannot be read ({error.strerror})") from error
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise KeyUnavailable(f"{path}: this is no file, so there is no key in it")
        if os.name == "posix" and found.st_mode & 0o077:
            raise KeyUnavailable(
                f"{path}: others on this computer can read the key; run `chmod 600 {path}`"
            )
        return os.read(handle, _MOST).decode("ascii", "replace")
    finally:
        os.close(handle)


def _from_environment(name: str) -> str:
    found = os.environ.get(name, "")
    if not found:
        raise KeyUnavailable(f"the environment variable {name} with the record's key is not set")
    return found


@functools.lru_cache(maxsize=8)
def _from_keyring(place: str) -> str:
    service, _, user = place.partition("/")
    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        raise KeyUnavailable(
            "the key of the record is in the keyring, which needs the package keyring; install "
            "kap-vitals[keyring]"
        ) from None
    answers: list[str | Exception | None] = []

    def ask() -> None:
        try:
            answers.append(keyring.get_password(service, user))
        except Exception as error:  # every back end has errors of its own
            answers.append(error)

    # One that is locked asks whoever sits at this computer, and waits for as long as nobody does.
    asking = threading.Thread(target=ask, name="keyring", daemon=True)
    asking.start()
    asking.join(KEYRING_S)
    found = answers[0] if answers else TimeoutError()
    if isinstance(found, Exception):
        raise KeyUnavailable(
            f"the keyring of this computer does not answer ({type(found).__name__}); unlock it"
        ) from found
    if not found:
        raise KeyUnavailable(
            f"the keyring has no key {user!r} of {service!r}; put it there with "
            f"`keyring set {service} {user}`"
        )
    return found


_READERS: dict[str, Callable[[str], str]] = {
    "file": _from_file,
    "env": _from_environment,
    "keyring": _from_keyring,
}
