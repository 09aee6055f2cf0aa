"""Looks round for Bluetooth LE devices, and tells which driver fits each by what it advertises.

Nothing is connected to, so a look disturbs nobody: neither a running station nor a cuff. It can
only tell what a device is called and which services it shows; whether its values are read is seen
when it is in a config. Devices that no driver fits are counted and not shown: they are people's
telephones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devices import registry
from devices.driver import BleSettings, Driver
from vitals.errors import TransportError

if TYPE_CHECKING:
    from bleak.backends.scanner import BaseBleakScanner

LOOK_S = 10.0
WEAK_DBM = -85
"""Below this a link breaks when somebody walks through it."""
NAME = "name:"
_SIG_TAIL = "-0000-1000-8000-00805f9b34fb"


@dataclass(frozen=True, slots=True)
class Seen:
    """One device.

    Attributes:
        address: for the config; on macOS a name that this Mac has given it.
        name: what it calls itself, `""` when it does not.
        rssi: strength of its signal, dBm.
        fits: the drivers that fit best, none better than the other.
        also: drivers that fit, but less.
    """

    address: str
    name: str
    rssi: int
    fits: tuple[Driver, ...]
    also: tuple[Driver, ...] = ()


@dataclass(frozen=True, slots=True)
class Around:
    """What a look has found.

    Attributes:
        seen: devices that a driver fits, the nearest first.
        others: addresses of others that were heard.
        problem: why nothing could be looked for, one sentence.
    """

    seen: tuple[Seen, ...] = ()
    others: frozenset[str] = frozenset()
    problem: str = ""


def ble_drivers() -> tuple[Driver, ...]:
    """All drivers of Bluetooth LE devices."""
    known = (registry.get(name) for name in registry.names())
    return tuple(driver for driver in known if driver.transport == "ble")


def fitting(
    drivers: Sequence[Driver], name: str, services: Sequence[str]
) -> tuple[tuple[Driver, ...], tuple[Driver, ...]]:
    """The drivers that fit best what a device advertises, and those that fit less.

    A name says most, then a service of the maker's own, then a standard one.
    """
    shown = {service.lower() for service in services}
    found = [(_weight(driver, name, shown), driver) for driver in drivers]
    most = max((weight for weight, _ in found), default=0)
    best = tuple(driver for weight, driver in found if 0 < weight == most)
    return best, tuple(driver for weight, driver in found if 0 < weight < most)


def _weight(driver: Driver, name: str, shown: set[str]) -> int:
    if not isinstance(driver.settings, BleSettings):
        return 0
    weights = [0]
    for match in driver.settings.match:
        if match.startswith(NAME):
            begin = match.removeprefix(NAME)
            weights.append(2 + len(begin) if begin and name.startswith(begin) else 0)
        elif match in shown:
            weights.append(1 if match.endswith(_SIG_TAIL) else 2)
    return max(weights)


async def look(
    seconds: float = LOOK_S,
    *,
    adapter: str = "",
    drivers: Sequence[Driver] | None = None,
    backend: type[BaseBleakScanner] | None = None,
    enough: Sequence[str] = (),
) -> Around:
    """Looks round; never raises, since a computer without Bluetooth is none that is broken.

    Args:
        seconds: how long.
        adapter: by name or address; `""` = the first that is on.
        drivers: the ones that may fit, by default all.
        backend: instead of the system's scan.
        enough: addresses in capitals; the look ends when all of them have been seen.
    """
    from devices.transports import ble_adapters
    from devices.transports.ble_radio import SharedAdapter

    watched = backend is None and ble_adapters.NAMED
    try:
        name = adapter
        if watched:
            name = ble_adapters.choose(await ble_adapters.adapters(), adapter).name
        shared = SharedAdapter(name, backend, watched=watched, linger_s=0.0)
        try:
            async with shared.scanning():
                end_s = asyncio.get_running_loop().time() + seconds
                while (left_s := end_s - asyncio.get_running_loop().time()) > 0:
                    await asyncio.sleep(min(0.2, left_s))
                    if enough and all(address in shared.seen for address in enough):
                        break
                heard = dict(shared.seen)
        finally:
            await shared.close()
    except TransportError as error:
        return Around(problem=str(error))
    known = ble_drivers() if drivers is None else drivers
    seen = []
    for address, sighting in heard.items():
        shown = sighting.advertised
        called = shown.local_name or sighting.device.name or ""
        fits, also = fitting(known, called, shown.service_uuids)
        if fits:
            seen.append(Seen(address, called, shown.rssi, fits, also))
    seen.sort(key=lambda one: -one.rssi)
    return Around(tuple(seen), frozenset(heard) - {one.address for one in seen})


def lines(around: Around) -> list[str]:
    """What was found, for people."""
    if around.problem:
        return [f"No Bluetooth: {around.problem}."]
    count = len(around.others)
    others = f"{count} other{'s' * (count != 1)} that no driver fits"
    if not around.seen:
        return [
            f"Bluetooth: no device that a driver fits, and {others}. Switch devices on and wear "
            "them, measure with a cuff; what a station or a telephone is connected to is not heard."
        ]
    out = [f"Bluetooth: {len(around.seen)}, and {others}"]
    for one in around.seen:
        weak = ", weak: bring it or the adapter nearer" if one.rssi < WEAK_DBM else ""
        out.append("  ".join(word for word in (one.address, one.name) if word))
        for i, driver in enumerate(one.fits):
            state = "or" if i else "fits"
            out += [
                f"  {state:<13}  {driver.name} ({one.rssi} dBm{weak})",
                f"{'':<17}{driver.title}",
            ]
    return out


def config_lines(around: Around) -> list[str]:
    """What to paste into a config."""
    out: list[str] = []
    names = [one.fits[0].name for one in around.seen]
    used: dict[str, int] = {}
    for one in around.seen:
        fit, *others = one.fits
        used[fit.name] = used.get(fit.name, 0) + 1
        device = f"{fit.name}-{used[fit.name]}" if names.count(fit.name) > 1 else fit.name
        out += [""] * bool(out)
        out += ["  [[room.device]]", f'  id = "{device}"', f'  driver = "{fit.name}"']
        out += [f'  # or driver = "{other.name}"' for other in others]
        out.append(f'  url = "ble://{one.address}"')
    return out


def facts(around: Around) -> dict[str, object]:
    """Everything, for programs."""
    return {
        "problem": around.problem,
        "others": len(around.others),
        "devices": [
            {
                "address": one.address,
                "name": one.name,
                "rssi": one.rssi,
                "url": f"ble://{one.address}",
                "fits": [{"driver": d.name, "title": d.title} for d in one.fits],
            }
            for one in around.seen
        ],
    }
