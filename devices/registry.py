"""Finds drivers and transports: ours by their files, others by entry points.

A new driver is one file in `devices/drivers` that defines `DRIVER`; another distribution
registers its own under the entry-point group `vitals.devices`.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from importlib.metadata import entry_points
from typing import Any
from urllib.parse import urlsplit

import devices.drivers
from devices.driver import Driver
from vitals.errors import ConfigError, InstallError


@cache
def _shipped() -> dict[str, str]:
    """Driver name -> module name, by the file's name: nonin_df2.py is `nonin-df2`."""
    found = pkgutil.iter_modules(devices.drivers.__path__, "devices.drivers.")
    return {module.name.rpartition(".")[2].replace("_", "-"): module.name for module in found}


@cache
def names() -> tuple[str, ...]:
    """Names of all drivers, sorted."""
    return tuple(sorted({*_shipped(), *(e.name for e in entry_points(group="vitals.devices"))}))


@cache
def get(name: str) -> Driver:
    """The driver of that name.

    Raises:
        ConfigError: there is none; names the nearest one.
        InstallError: the driver's file or entry point does not define a matching DRIVER.
    """
    if name in _shipped():
        driver = importlib.import_module(_shipped()[name]).DRIVER
    else:
        found = [e for e in entry_points(group="vitals.devices") if e.name == name]
        if not found:
            raise ConfigError(
                f"there is no driver {name!r}{did_you_mean(name, names())}", key="driver"
            )
        driver = found[0].load()
    if not isinstance(driver, Driver) or driver.name != name:
        raise InstallError(f"the driver {name!r} is broken: its DRIVER does not carry that name")
    return driver


@cache
def _transports() -> dict[str, Any]:
    return {e.name: e for e in entry_points(group="vitals.transports")}


def transport(url: str) -> Callable[..., Any]:
    """The factory that opens links of the URL's scheme (see `devices.keeper.Connect`).

    Raises:
        ConfigError: no transport has that scheme.
    """
    scheme = urlsplit(url).scheme
    if scheme not in _transports():
        known = tuple(sorted(_transports()))
        raise ConfigError(
            f"{url!r}: no transport is called {scheme!r}{did_you_mean(scheme, known)}; "
            f"known are {', '.join(known)}",
            key="url",
        )
    factory: Callable[..., Any] = _transports()[scheme].load()
    return factory


def did_you_mean(word: str, known: tuple[str, ...]) -> str:
    """`; did you mean "x"?` for the nearest known word, `""` when none is near."""
    near = difflib.get_close_matches(word, known, n=1)
    return f'; did you mean "{near[0]}"?' if near else ""
