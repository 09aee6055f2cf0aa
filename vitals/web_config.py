"""The table `[web]`: where pages are served, of a station or of the centre, and if they may be."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from vitals import people_file
from vitals.errors import ConfigError


class WebConfig(BaseModel):
    """Where the pages are served."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8050, ge=1, le=65535, strict=True)
    lock_s: float = Field(default=600, ge=10, le=86_400, strict=True)
    """A screen that nobody has touched for so long is locked (where there are accounts)."""
    tls_cert: Path | None = None
    """Certificate, with any that stand between it and the authority's, as PEM."""
    tls_key: Path | None = None

    @property
    def secure(self) -> bool:
        """Whether the pages are served over TLS."""
        return self.tls_cert is not None


def web_from(web: WebConfig, base: Path) -> WebConfig:
    """The same with paths made absolute, from a folder."""
    files = {"tls_cert": web.tls_cert, "tls_key": web.tls_key}
    return web.model_copy(update={key: base / file for key, file in files.items() if file})


def check_host(host: str, *, path: Path | str, tls: bool = False, accounts: bool = False) -> None:
    """Refuses to serve pages that other computers can reach without accounts and TLS.

    Args:
        host: the address to listen on.
        path: where the host is from.
        tls: whether there is a certificate.
        accounts: whether anybody has to sign in.

    Raises:
        ConfigError: the host is not this computer, and something is missing.
    """
    if is_loopback(host) or (tls and accounts):
        return
    missing = []
    if not accounts:
        missing.append("an account (`vitals user add NAME --role nurse`)")
    if not tls:
        missing.append("a certificate (`vitals tls init`, then web.tls_cert and web.tls_key)")
    raise ConfigError(
        f"web.host: {host!r} is reachable from other computers, which needs accounts and TLS; "
        f"make {' and '.join(missing)}, or use 127.0.0.1",
        path=path,
        key="web.host",
    )


def check_access(web: WebConfig, accounts: Path, path: Path | str) -> None:
    """Looks whether pages may be served so.

    Args:
        web: where.
        accounts: the file of the accounts.
        path: the file that says where, or an option.

    Raises:
        ConfigError: others could reach them without accounts, or a file of TLS is not there.
        PeopleError: the accounts cannot be read.
    """
    for key, file in (("tls_cert", web.tls_cert), ("tls_key", web.tls_key)):
        if file is not None and not file.is_file():
            raise ConfigError(
                f"web.{key}: there is no file {file}; make one with `vitals tls init`, or correct "
                "the path",
                path=path,
                key=f"web.{key}",
            )
    if not is_loopback(web.host):
        known = people_file.any_enabled(accounts)
        check_host(web.host, path=path, tls=web.secure, accounts=known)


def half_of_tls(web: WebConfig) -> str:
    """What is missing, `""` when nothing is."""
    if (web.tls_cert is None) == (web.tls_key is None):
        return ""
    return "a certificate and its key go together; name both, or neither"


def is_loopback(host: str) -> bool:
    """Whether only this computer can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
