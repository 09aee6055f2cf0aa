"""Simulated Bluetooth LE monitors: real HCI, L2CAP, ATT, GATT and SMP bytes, no hardware.

    radio        the air: devices that hear each other, or fade out of range
    gatt         services and advertising of a driver's device, from its BleSettings alone
    peripheral   one device on the air, and what can go wrong with it
    device       a driver's encoder or responder at a patient's side, as such a peripheral
    adapter      the station's Bluetooth adapter on that air
    back_end     bleak back ends on such an adapter
    bluez        a stand-in for BlueZ on a private D-Bus, so that bleak's own BlueZ code runs
    hci_tcp      the adapter of a station in another process; `transport` is its url scheme

The modules import bumble (the extra `sim`); this one does not.
"""

from __future__ import annotations

import importlib.util
import logging
from importlib.metadata import entry_points

from vitals.errors import InstallError

logging.getLogger("bumble").setLevel(logging.CRITICAL)  # it logs a traceback for every fault


SCHEME = "ble-sim"
"""Of the urls by which a station reaches simulated devices: `ble-sim://host:port/address`."""


def installed() -> bool:
    """Whether Bluetooth can be simulated here, and a station knows how to reach it."""
    known = any(e.name == SCHEME for e in entry_points(group="vitals.transports"))
    return known and importlib.util.find_spec("bumble") is not None


def require() -> None:
    """Makes sure that it can be simulated.

    Raises:
        InstallError: the extra `sim` is missing.
    """
    if importlib.util.find_spec("bumble") is None:
        raise InstallError(
            "simulated Bluetooth needs the package bumble; install it with "
            "pip install 'kap-vitals[sim]'"
        )
