"""How PostgreSQL is reached: libpq's keywords, checked before anything is tried.

A password stands in no config: the config says where it is. What crosses a network is encrypted,
and the server's name is checked against its certificate; anything weaker is refused. Dead
connections are found within seconds, whoever died.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from vitals.errors import CentralError

CONNECT_S = 2
"""For each host, when it is not said."""
DEFAULTS: Mapping[str, str] = {
    "connect_timeout": str(CONNECT_S),
    "tcp_user_timeout": "3000",  # ms: sent and not acknowledged
    "keepalives": "1",
    "keepalives_idle": "3",  # s: nothing said by either side
    "keepalives_interval": "1",
    "keepalives_count": "3",
    "gssencmode": "disable",  # where it is used, libpq does not look at sslmode
}
"""What the config does not say otherwise."""
KNOWN = frozenset(
    {
        *("host", "hostaddr", "port", "dbname", "user", "connect_timeout", "options"),
        *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir", "sslsni"),
        *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
        *("tcp_user_timeout", "target_session_attrs", "load_balance_hosts", "channel_binding"),
        *("ssl_min_protocol_version", "requirepeer", "application_name"),
    }
)
"""libpq's keywords that a config may use."""
_PAIR = re.compile(
    r"\s*(?P<key>[^\s=']+)\s*=\s*(?:'(?P<quoted>(?:[^'\\]|\\.)*)'|(?P<bare>(?:[^\s\\']|\\.)*))(?=\s|$)",
    re.DOTALL,
)
_FORMS = "file:/path or env:NAME"
_MOST = 4096
"""Of a file with a password."""


class Central(Protocol):
    """What a config says of the server; see `vitals.config.CentralConfig`."""

    @property
    def dsn(self) -> str:
        """Libpq's keywords without a password."""
        ...

    @property
    def password(self) -> str:
        """Where the password is, `""` for none."""
        ...

    @property
    def root_cert(self) -> Path | None:
        """Certificate of the authority that has signed the server's."""
        ...


def parse(text: str) -> dict[str, str]:
    r"""Libpq's `keyword=value keyword='with spaces'`; `\` takes the next character as it is.

    Raises:
        ValueError: it is not of that form.
    """
    found: dict[str, str] = {}
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _PAIR.match(text, at)
        if match is None:
            raise ValueError("it is written as keyword=value, with a space between two of them")
        value = match["quoted"] if match["quoted"] is not None else match["bare"]
        found[match["key"]] = re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)
        at = match.end()
    return found


def unfit(config: Central) -> tuple[str, str] | None:
    """(key, why) of what cannot be in a config, None when all is well. Tells no value."""
    if config.dsn.lstrip().startswith(("postgresql:", "postgres:")):
        return "central.dsn", "write keywords, host=… dbname=… user=…, not an address"
    try:
        words = parse(config.dsn)
    except ValueError as error:
        return "central.dsn", str(error)
    scheme, _, rest = config.password.partition(":")
    if config.password and (scheme not in _PASSWORDS or not rest):
        return (
            "central.password",
            f"it says where the password is, as {_FORMS}; it is never the password itself",
        )
    why = _refused(words) or _unencrypted(words, config.root_cert)
    return ("central.dsn", why) if why else None


def _refused(words: Mapping[str, str]) -> str:
    if "password" in words or "passfile" in words:
        return f"a password does not stand here; say where it is in central.password, as {_FORMS}"
    for word in words:
        if word not in KNOWN:
            near = difflib.get_close_matches(word, KNOWN, n=1, cutoff=0.6)
            hint = f'did you mean "{near[0]}"?' if near else "see libpq's keywords"
            return f"there is no keyword {word!r} here; {hint}"
    for word in ("host", "dbname", "user"):
        if not words.get(word) and not (word == "host" and words.get("hostaddr")):
            return f"{word} is missing; write host=… dbname=… user=…"
    if not all(_addresses(words)):
        return "a host between two commas is empty"
    return ""


def _unencrypted(words: Mapping[str, str], root_cert: Path | None) -> str:
    """Why what it says would let others read or forge, `""` when it would not."""
    if is_local(words):
        return ""
    if words.get("sslmode", "verify-full") != "verify-full":
        return (
            "sslmode must be verify-full, or be left out, where the server is on another computer; "
            "name its authority in central.root_cert"
        )
    if root_cert is None and not words.get("sslrootcert"):
        return (
            "the server is on another computer, so name the certificate of its authority in "
            "central.root_cert"
        )
    return ""


def _addresses(words: Mapping[str, str]) -> list[str]:
    """What is really connected to: `hostaddr` where it is given."""
    return [each.strip() for each in (words.get("hostaddr") or words.get("host", "")).split(",")]


def is_local(words: Mapping[str, str]) -> bool:
    """Whether nobody else can listen: every host is this computer, or a socket in its files."""
    return all(each.startswith(("/", "@")) or _is_loopback(each) for each in _addresses(words))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def keywords(config: Central, program: str, *, writes: bool = True) -> dict[str, str]:
    """Everything that libpq needs, the password too: for `psycopg.connect(**keywords)`.

    Args:
        config: checked with `unfit`.
        program: what the server shows as `application_name`.
        writes: of several hosts only one that takes changes.

    Raises:
        CentralError: the password or the authority's certificate is not there.
    """
    words = parse(config.dsn)
    safe = {} if is_local(words) else {"sslmode": "verify-full"}
    if config.root_cert is not None:
        if not config.root_cert.is_file():
            raise CentralError(
                f"there is no file {config.root_cert} with the certificate of the central server's "
                "authority; correct central.root_cert"
            )
        safe["sslrootcert"] = str(config.root_cert)
    attributes = {"target_session_attrs": "read-write"} if writes else {}
    found = {"application_name": program, **DEFAULTS, **attributes, **safe, **words}
    if config.password:
        found["password"] = password(config.password)
    return found


def conninfo(config: Central, program: str, *, writes: bool = True) -> str:
    """`keywords` as one text."""
    return " ".join(
        f"{key}='{_escaped(value)}'"
        for key, value in keywords(config, program, writes=writes).items()
    )


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("'", r"\'")


def told(config: Central) -> str:
    """The server in a sentence: hosts and database, nothing that is secret."""
    words = parse(config.dsn)
    hosts = words.get("host") or words.get("hostaddr", "")
    return f"{words.get('dbname', '')} on {hosts.replace(',', ' or ')}"


def password(source: str) -> str:
    """The password that a source names.

    Raises:
        CentralError: it is not there, or others may read it.
    """
    scheme, _, rest = source.partition(":")
    return _PASSWORDS[scheme](rest)


def _from_file(name: str) -> str:
    path = Path(name)
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise CentralError(
            f"{path}: the password of the central server cannot be read ({error.strerror}); "
            "correct central.password"
        ) from error
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise CentralError(f"{path}: this is no file, so there is no password in it")
        if os.name == "posix" and found.st_mode & 0o077:
            raise CentralError(
                f"{path}: others on this computer can read the password of the central server; "
                f"run `chmod 600 {path}`"
            )
        return os.read(handle, _MOST).decode("utf-8", "replace").strip()
    finally:
        os.close(handle)


def _from_environment(name: str) -> str:
    found = os.environ.get(name, "")
    if not found:
        raise CentralError(
            f"the environment variable {name} with the password of the central server is not set"
        )
    return found


_PASSWORDS = {"file": _from_file, "env": _from_environment}
