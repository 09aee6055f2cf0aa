"""Services, characteristics and advertising of a simulated device, from its `BleSettings` alone.

A characteristic of the Bluetooth SIG lives in its service; a vendor's in the first vendor service
that the driver looks for. Every device has a battery and says who made it. What a driver would
read and nobody has set, such as the time of a cuff, the device does not have.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from devices.driver import BleSettings, Driver
from devices.gatt import uuid as full
from vitals.errors import ConfigError

_NAME = "name:"
_SIG_SERVICE = {
    "2a37": "180d",  # heart rate measurement
    "2a38": "180d",  # body sensor location
    "2a39": "180d",  # heart rate control point
    "2a35": "1810",  # blood pressure measurement
    "2a36": "1810",  # intermediate cuff pressure
    "2a49": "1810",  # blood pressure feature
    "2a5e": "1822",  # PLX spot-check measurement
    "2a5f": "1822",  # PLX continuous measurement
    "2a60": "1822",  # PLX features
    "2a52": "1822",  # record access control point
    "2a08": "1810",  # date and time
    "2a2b": "1805",  # current time
    "2a19": "180f",  # battery level
    "2a24": "180a",  # model number
    "2a29": "180a",  # manufacturer name
}
_INDICATED = frozenset(map(full, ("2a35", "2a5e", "2a52")))
"""What the specifications have indicated; everything else is notified."""
_STANDARD_SERVICE = {full(uuid): full(service) for uuid, service in _SIG_SERVICE.items()}
_ON_EVERY_DEVICE: dict[str, bytes] = {
    full("2a19"): b"\x57",  # 87 %
    full("2a29"): b"Simulated",
    full("2a24"): b"kap-vitals",
}
_FEATURES: dict[str, bytes] = {
    full("2a38"): b"\x01",  # chest
    full("2a49"): bytes(2),
    full("2a60"): bytes(2),
}
_UNKNOWN_SERVICE = "0000fff0-0000-1000-8000-00805f9b34fb"
"""For a vendor's characteristics when the driver knows the device by its name only."""
SIG_TAIL = "-0000-1000-8000-00805f9b34fb"
"""How the UUIDs of the Bluetooth SIG end."""


@dataclass(frozen=True, slots=True)
class Characteristic:
    """One characteristic; `can` holds names as bleak has them, `value` is what a read gives."""

    uuid: str
    can: frozenset[str]
    value: bytes = b""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a device shows.

    Attributes:
        name: its local name.
        advertised: service UUIDs in its advertising.
        services: service UUID -> its characteristics.
        answers: the characteristic in which it answers what is written to it, or `""`.
        bond: whether it gives nothing before it is paired.
        on_sight: whether it advertises only when it has something to tell.
    """

    name: str
    advertised: tuple[str, ...]
    services: dict[str, tuple[Characteristic, ...]]
    answers: str = ""
    bond: bool = False
    on_sight: bool = False


def profile(driver: Driver) -> Profile:
    """The profile of a driver's device.

    Raises:
        ConfigError: the driver's monitor is none with Bluetooth LE.
    """
    settings = driver.settings
    if not isinstance(settings, BleSettings):
        raise ConfigError(f"{driver.name} is no monitor with Bluetooth LE", key="driver")
    names = [match.removeprefix(_NAME) for match in settings.match if match.startswith(_NAME)]
    uuids = [full(match) for match in settings.match if not match.startswith(_NAME)]
    services: dict[str, list[Characteristic]] = {}
    for characteristic in _characteristics(settings):
        service = _STANDARD_SERVICE.get(characteristic.uuid) or _vendor_service(uuids)
        services.setdefault(service, []).append(characteristic)
    return Profile(
        name=names[0] if names else driver.name,
        advertised=tuple(uuids),
        services={service: tuple(found) for service, found in services.items()},
        answers=full(settings.notify[0]) if settings.notify else "",
        bond=settings.bond,
        on_sight=settings.on_sight,
    )


def _characteristics(settings: BleSettings) -> Iterable[Characteristic]:
    can: dict[str, set[str]] = {}
    for uuid in map(full, settings.notify):
        can.setdefault(uuid, set()).add("indicate" if uuid in _INDICATED else "notify")
    values = _ON_EVERY_DEVICE | _FEATURES
    for uuid in (*filter(values.get, map(full, settings.read)), *_ON_EVERY_DEVICE):
        can.setdefault(uuid, set()).add("read")
    if settings.write:
        how = "write" if settings.response else "write-without-response"
        can.setdefault(full(settings.write), set()).add(how)
    for uuid, ways in can.items():
        yield Characteristic(uuid, frozenset(ways), values.get(uuid, b""))


def _vendor_service(uuids: list[str]) -> str:
    vendors = [uuid for uuid in uuids if not uuid.endswith(SIG_TAIL)]
    return next(iter([*vendors, *uuids, _UNKNOWN_SERVICE]))
