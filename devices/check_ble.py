"""Checks of Bluetooth: the adapter, who may use it, BlueZ's age, and whether devices are heard."""

from __future__ import annotations

import asyncio
import getpass
import re
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from devices import registry
from devices.ble_scan import LOOK_S, WEAK_DBM, Around, Seen, look
from devices.check import Check, fail, ok, warn
from devices.driver import BleSettings, Driver
from vitals.config import DeviceConfig
from vitals.errors import TransportError

if TYPE_CHECKING:
    from devices.transports.ble_adapters import Adapter

NAME = "bluetooth"
SCHEME = "ble://"
OLDEST, MENDED = (5, 55), (5, 88)
"""BlueZ before the first is not supported by bleak; before the second its scan can get stuck."""
RFKILL = Path("/sys/class/rfkill")

_ELSEWHERE: dict[str, str] = {
    "darwin": "macOS: each Mac gives a device a name of its own instead of its address, which "
    "`vitals scan` prints; allow Bluetooth for the terminal in Privacy & Security",
    "win32": "Windows: pair a device that demands it in Settings, Bluetooth & devices, first",
}
_MAC = re.compile(r"(?:[0-9A-F]{2}:){5}[0-9A-F]{2}")


class Look(Protocol):
    """`devices.ble_scan.look`."""

    def __call__(
        self, seconds: float = LOOK_S, *, adapter: str = "", enough: Sequence[str] = ()
    ) -> Awaitable[Around]:
        """Looks round."""


def is_ble(device: DeviceConfig) -> bool:
    """Whether a device is connected to by radio."""
    return device.url.startswith(SCHEME)


async def bluetooth(
    wanted: Sequence[DeviceConfig],
    *,
    platform: str = sys.platform,
    ask: Callable[[], Awaitable[list[Adapter]]] | None = None,
    version: Callable[[], str] | None = None,
    rfkill: Path = RFKILL,
) -> list[Check]:
    """Whether this computer's Bluetooth can be used.

    Args:
        wanted: the devices of the config that need it; without any its absence is well.
        platform: `sys.platform`.
        ask: tells the adapters.
        version: what `bluetoothctl --version` prints, `""` without one.
        rfkill: folder of the switches of all radios.
    """
    if platform != "linux":
        return [ok(NAME, _ELSEWHERE[platform])] if wanted and platform in _ELSEWHERE else []
    from devices.transports import ble_adapters

    try:
        here = await (ask or ble_adapters.adapters)()
    except TransportError as error:
        if not wanted:
            return [ok(NAME, f"cannot be used, and is not needed ({error})")]
        return [_forbidden(error) or fail(NAME, str(error))]
    if not here and not wanted:
        return [ok(NAME, "there is no adapter, and none is needed")]
    checks = [_adapter(here, wanted, rfkill)]
    return [*checks, *_age((version or _bluetoothctl)())] if here else checks


def _forbidden(error: TransportError) -> Check | None:
    """Why D-Bus does not let this user talk to BlueZ, None when that is not the reason."""
    from devices.transports.ble_faults import FORBIDDEN

    if str(error) != FORBIDDEN:
        return None
    user = getpass.getuser()
    try:
        import grp

        grp.getgrnam("bluetooth")
    except (ImportError, KeyError):
        return fail(
            NAME,
            f'the system\'s D-Bus does not let {user} use BlueZ: add `<policy user="{user}">'
            '<allow send_destination="org.bluez"/></policy>` to a file in /etc/dbus-1/system.d, '
            "then run `sudo systemctl reload dbus`",
        )
    return fail(
        NAME,
        f"the system's D-Bus does not let {user} use BlueZ: run `sudo usermod -aG bluetooth {user}`"
        ", then log out and in",
    )


def _adapter(here: Sequence[Adapter], wanted: Sequence[DeviceConfig], rfkill: Path) -> Check:
    from devices.transports import ble_adapters
    from devices.transports.ble_faults import OFF

    level = fail if wanted else warn
    try:
        first = ble_adapters.choose(here, "")
    except TransportError as error:
        return level(NAME, _blocked(rfkill) if str(error) == OFF else str(error))
    on = [adapter for adapter in here if adapter.powered]
    if len(on) > 1:
        names = ", ".join(f"{adapter.name} ({adapter.address})" for adapter in on)
        return ok(NAME, f"{names}: urls that name none use {first.name}, others by ?adapter=")
    return ok(NAME, f"{first.name} ({first.address}) is on")


def _blocked(rfkill: Path) -> str:
    """Which switch the adapter is off by."""
    for switch in sorted(rfkill.glob("rfkill*")):
        try:
            kind, hard, soft = ((switch / name).read_text().strip() for name in _SWITCH)
        except OSError:
            continue  # it was unplugged meanwhile
        if kind == NAME and hard == "1":
            return "the adapter is off by a switch or key of this computer: use that"
        if kind == NAME and soft == "1":
            return "the adapter is blocked: run `sudo rfkill unblock bluetooth`, and look again"
    return "the adapter is off: run `bluetoothctl power on`"


_SWITCH = ("type", "hard", "soft")


def _age(said: str) -> list[Check]:
    """What BlueZ's version means; `""` when it is not known."""
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is None:
        return [warn("bluez", "its version is not known: install bluetoothctl to see it")]
    version = int(found[1]), int(found[2])
    text = f"BlueZ {found[0]}"
    if version < OLDEST:
        return [warn("bluez", f"{text} is too old to connect to devices: install 5.55 or later")]
    if version < MENDED:
        return [
            ok(
                "bluez",
                f"{text}; before 5.88 a scan can get stuck: it is started anew by itself, and if "
                "nothing is seen all the same, run `sudo systemctl restart bluetooth`",
            )
        ]
    return [ok("bluez", text)]


def _bluetoothctl() -> str:
    program = shutil.which("bluetoothctl")
    if program is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 its full path
            [program, "--version"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


# --- devices of a config ----------------------------------------------------------------------


async def devices(
    wanted: Sequence[DeviceConfig], *, see: Look = look, platform: str = sys.platform
) -> list[Check]:
    """Whether the devices of a config are heard, in one look for each adapter."""
    from devices.transports.ble import address

    checks: list[Check] = []
    by_adapter: dict[str, list[tuple[DeviceConfig, str]]] = {}
    for device in wanted:
        try:
            where, adapter = address(device.url)
        except TransportError as error:
            checks.append(fail(device.id, str(error)))
            continue
        if platform == "darwin" and _MAC.fullmatch(where):
            checks.append(
                fail(device.id, "macOS knows no such addresses: `vitals scan` prints the url")
            )
            continue
        by_adapter.setdefault(adapter, []).append((device, where))
    found = await asyncio.gather(
        *(
            see(adapter=adapter, enough=[where for _, where in asked])
            for adapter, asked in by_adapter.items()
        )
    )
    for asked, around in zip(by_adapter.values(), found, strict=True):
        seen = {one.address: one for one in around.seen}
        for device, where in asked:
            driver = registry.get(device.driver)
            if not isinstance(driver.settings, BleSettings):
                said = f"{driver.name} reads no Bluetooth device: correct driver, or url"
                checks.append(fail(device.id, said))
            elif around.problem:
                checks.append(fail(device.id, around.problem))
            elif where in around.others:
                said = "is heard, but shows nothing by which its driver can be told: is it the one?"
                checks.append(warn(device.id, said))
            else:
                checks.append(_judged(device.id, driver, driver.settings, seen.get(where)))
    return checks


def _judged(name: str, driver: Driver, settings: BleSettings, seen: Seen | None) -> Check:
    if seen is None and settings.on_sight:
        return ok(name, "is heard only when it has a measurement to tell: take one, look again")
    if seen is None:
        return fail(
            name,
            "is not heard: is it on and worn, near, not connected to a telephone, and the address "
            "right? `vitals scan` prints what is heard",
        )
    if driver not in (*seen.fits, *seen.also):
        other = " or ".join(fit.name for fit in seen.fits)
        return fail(name, f"it looks like {other}, not {driver.name}: correct driver, or url")
    if seen.rssi < WEAK_DBM:
        return warn(name, f"{driver.name} fits, but is heard weakly ({seen.rssi} dBm): go nearer")
    return ok(name, f"{driver.name} fits ({seen.rssi} dBm)")
