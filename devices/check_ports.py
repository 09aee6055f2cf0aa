"""Checks of one device of a config: its port, who may open it, and what is plugged in there."""

from __future__ import annotations

import getpass
import os
import stat
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

from devices import line, registry
from devices.check import Check, fail, ok, warn
from devices.driver import Driver, SerialSettings
from devices.line import Settings
from devices.ports import BY_ID, BY_PATH
from devices.scan import Found, examine, lines, serial_drivers
from devices.transports import replay
from vitals.config import DeviceConfig

_SCHEMES = ("serial", "socket", "rfc2217")
"""Links on which this computer opens the connection, so that it can be tried."""


class Examine(Protocol):
    """`devices.scan.examine`."""

    def __call__(
        self,
        url: str,
        drivers: Sequence[Driver],
        on: Sequence[SerialSettings] | None = None,
        *,
        ask: Sequence[Driver] | None = None,
    ) -> Awaitable[Found]:
        """What is plugged into a port."""


def permission(
    name: str,
    path: str,
    *,
    user: str | None = None,
    may: Callable[[str, int], bool] = os.access,
    groups: Sequence[int] | None = None,
) -> Check | None:
    """Why a port may not be opened, None when it may.

    Args:
        name: of the check.
        path: of the port.
        user: who asks, by default the one who runs this.
        may: `os.access`, or a test's own.
        groups: groups of this process.
    """
    if may(path, os.R_OK | os.W_OK):
        return None
    user = getpass.getuser() if user is None else user
    node = os.stat(path)
    if node.st_mode & 0o060 != 0o060:
        return fail(
            name, f"{path} may be opened by its owner only: give it to a group with a udev rule"
        )
    import grp  # not on Windows, where no port gets here

    group = grp.getgrgid(node.st_gid)
    if user in group.gr_mem and node.st_gid not in (os.getgroups() if groups is None else groups):
        return fail(
            name, f"{path}: {user} is in group {group.gr_name} since the last login: log out and in"
        )
    return fail(
        name,
        f"{path} belongs to group {group.gr_name}, {user} is not in it: run `sudo usermod -aG "
        f"{group.gr_name} {user}`, then log out and in",
    )


async def device(
    config: DeviceConfig,
    look: Examine = examine,
    may: Callable[[str, int], bool] = os.access,
) -> list[Check]:
    """One device of a config that no station has open."""
    if replay.is_replay(config.url):
        return [ok(config.id, "a recording speaks instead of a monitor")]
    name, driver = config.id, registry.get(config.driver)
    url, settings = line.of(config.url, driver.settings)
    scheme, _, path = url.partition("://")
    if scheme not in _SCHEMES or not isinstance(settings, SerialSettings):
        return [ok(name, f"{url}: not tried, the device connects by itself or by radio")]
    checks = _node(name, path, may) if scheme == "serial" else []
    if any(check.level == "fail" for check in checks):
        return checks
    known = serial_drivers()
    found = await look(
        url,
        known,
        tuple(dict.fromkeys((settings, *lines(known)))) if scheme == "serial" else (settings,),
        ask=(driver, *(other for other in known if other != driver)),
    )
    return [*checks, _judged(name, driver, settings, found)]


def _node(name: str, path: str, may: Callable[[str, int], bool]) -> list[Check]:
    """The port as a file: its name, what it is, who may open it. A missing one is left to open."""
    if not os.path.exists(path):
        return []
    if not stat.S_ISCHR(os.stat(path).st_mode):
        return [fail(name, f"{path} is no serial port: correct the url")]
    refused = permission(name, path, may=may)
    return [*_name(name, path), *([refused] if refused else [])]


def _name(name: str, path: str) -> list[Check]:
    """A warning when there is a name that stays and the config has one that does not."""
    real = os.path.realpath(path)
    if path != real:
        return []
    for folder in (BY_ID, BY_PATH):
        links = sorted(folder.iterdir()) if folder.is_dir() else []
        for link in links:
            if os.path.realpath(link) == real:
                return [warn(name, f"{path} may change at the next plug: use serial://{link}")]
    return []


def _judged(name: str, driver: Driver, settings: Settings, found: Found) -> Check:
    """What a look at the port means for a device that should have this driver and line."""
    if found.state in ("busy", "forbidden", "failed"):
        return fail(name, found.detail)
    fits = {fit.driver.name: fit for fit in found.fits}
    fit = fits.get(driver.name)
    if fit is not None and fit.line == settings:
        said = f"{driver.name} fits ({fit.accepted} frames accepted, {fit.rejected} refused)"
        if found.state == "probably":
            return warn(name, f"{said}, which is little: look again, or watch the live page")
        return ok(name, said)
    if fit is not None:
        how = line.words(fit.line)
        return fail(
            name,
            f"{driver.name} fits, but at {how}: add ?line={how.replace(' ', ',')} to the url",
        )
    if fits:
        other = " or ".join(fits)
        return fail(
            name, f"{driver.name} does not fit, it looks like {other}: correct driver, or url"
        )
    if found.state == "unknown":
        said = f"{found.heard} bytes came that no driver reads: check the monitor's output setting"
        return fail(name, found.detail or said)
    level = warn if driver.mode == "spot" else fail
    why = f" ({found.detail})" if found.detail else ""
    return level(
        name,
        f"silent{why}: is the monitor on, its serial output enabled, and the cable plugged in?",
    )


def listed(paths: Sequence[str], may: Callable[[str, int], bool] = os.access) -> list[Check]:
    """The ports of a computer without a config: whether they may be opened."""
    if not paths:
        return [warn("ports", "there is no serial port: plug the adapters in")]
    refused = [permission(Path(path).name, path, may=may) for path in paths]
    found = [check for check in refused if check]
    plural = f"{len(paths)} serial port{'s' * (len(paths) != 1)}"
    return found or [ok("ports", f"{plural} may be opened: `vitals scan` says what is there")]
