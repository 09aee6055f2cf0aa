"""Bluetooth LE devices, over bleak.

    ble://C0:26:DA:01:02:03                      its address, as `vitals scan` prints it
    ble://C0:26:DA:01:02:03?adapter=hci1         on that adapter (or by the adapter's own address)
    ble://7F4A3C2E-1B2D-4E5F-8A9B-0C1D2E3F4A5B   macOS, which gives each device a name of its own

A device is looked for in one scan that all devices share. It is connected to when it is seen, one
after the other on each adapter; with a new client and what was just seen of it, since both go
stale. Between attempts its keeper waits. Which devices were tried: docs/bluetooth.md.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from bleak import BleakAdapter
from bleak.backends.adapter import BaseBleakAdapter
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import BaseBleakScanner
from bleak_retry_connector import (
    BleakClientWithServiceCache,
    close_stale_connections,
    establish_connection,
    get_device_by_adapter,
)

from devices.driver import BleSettings, SerialSettings
from devices.keeper import Awaited
from devices.transports.ble_adapters import ADDRESS, NAMED, adapters, choose
from devices.transports.ble_calls import bounded
from devices.transports.ble_faults import PAIR
from devices.transports.ble_link import WAITS, BleLink, Limits
from devices.transports.ble_radio import STUCK_S, SharedAdapter
from vitals.clock import Now
from vitals.errors import TransportError
from vitals.model import Chunk

NOT_SEEN = (
    "it has not been seen for {:g} s: is it on and worn, near, and not connected to a telephone?"
)

log = logging.getLogger(__name__)


def address(url: str) -> tuple[str, str]:
    """Address (in capitals) and adapter (`""` = any) that a url names.

    Raises:
        TransportError: it is not written as it should be.
    """
    parts = urlsplit(url)
    found = parts.netloc.upper()
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    adapter = asked.pop("adapter", "")
    if not ADDRESS.fullmatch(found) or parts.path.strip("/") or parts.fragment or asked:
        raise TransportError(
            f"{url} is no address of a Bluetooth device; write it as ble://C0:26:DA:01:02:03 "
            "or ble://C0:26:DA:01:02:03?adapter=hci0 (`vitals scan` prints it)"
        )
    return found, adapter


class BleTransport:
    """All Bluetooth LE devices of a process. Loop thread only."""

    def __init__(
        self,
        scanner_backend: type[BaseBleakScanner] | None = None,
        client_backend: type[BaseBleakClient] | None = None,
        adapter: str | None = None,
        *,
        adapter_backend: type[BaseBleakAdapter] | None = None,
        limits: Limits | None = None,
    ) -> None:
        """With back ends of its own it needs no Bluetooth of the system.

        Args:
            scanner_backend: instead of the system's.
            client_backend: instead of the system's.
            adapter: for urls that name none.
            adapter_backend: instead of the system's; tells who is connected already.
            limits: time limits.
        """
        self._scanner_backend = scanner_backend
        self._client_backend = client_backend
        self._adapter_backend = adapter_backend
        self._adapter = adapter or ""
        self._limits = limits or Limits()
        self._system = scanner_backend is None and client_backend is None
        self._shared: dict[tuple[asyncio.AbstractEventLoop, str], SharedAdapter] = {}
        self._names: dict[str, str] = {}  # what urls call adapters -> their names
        self._links: dict[str, BleLink] = {}  # the last one to each address
        self._failed: dict[str, str] = {}

    async def connect(
        self,
        url: str,
        settings: SerialSettings | BleSettings | None,
        on_chunk: Callable[[Chunk], None],
        now: Now,
    ) -> BleLink:
        """Waits for a device and connects to it; see `devices.keeper.Connect`.

        Raises:
            TransportError: why not, and what to do; `Awaited` when it is not to be seen.
        """
        if not isinstance(settings, BleSettings):
            raise TransportError(f"{url}: its driver reads no Bluetooth device; correct the driver")
        where, named = address(url)
        shared = await self._adapter_of(named or self._adapter)
        link = BleLink(where, settings, on_chunk, now, self._limits)
        try:
            async with shared.scanning():
                client = await self._meet(shared, link)
            await link.begin(client)
        except BaseException as error:
            await link.close()
            if isinstance(error, TransportError) and not isinstance(error, Awaited):
                self._failed[where] = str(error)
            raise
        self._failed.pop(where, None)
        return link

    async def close(self) -> None:
        """Ends all scans at once; links stay."""
        shared, self._shared = self._shared, {}
        for adapter in shared.values():
            await adapter.close()

    async def _adapter_of(self, wanted: str) -> SharedAdapter:
        """The adapter that a url wants.

        Raises:
            TransportError: it is not there or off, or Bluetooth cannot be used at all.
        """
        watched = self._system and NAMED
        loop = asyncio.get_running_loop()
        known = self._shared.get((loop, self._names.get(wanted, wanted)))
        if known is not None and known.scans:
            return known
        try:
            name = choose(await adapters(), wanted).name if watched else wanted
        except TransportError:
            for shared in list(self._shared.values()):
                if wanted in ("", shared.name):
                    await shared.restart()  # a scan does not outlive its adapter
            raise
        self._names[wanted] = name
        key = (loop, name)
        if key not in self._shared:
            self._shared[key] = SharedAdapter(
                name,
                self._scanner_backend,
                watched=watched,
                linger_s=self._limits.linger_s,
                stuck_s=STUCK_S if watched else self._limits.look_s,
            )
        return self._shared[key]

    async def _meet(self, shared: SharedAdapter, link: BleLink) -> BleakClientWithServiceCache:
        """Waits until a device is seen, and connects to it when it is its turn.

        Raises:
            TransportError: it cannot be connected to; `Awaited`: it is not to be seen.
        """
        if (there := await self._connected(shared, link.address)) is not None:
            async with shared.turn:
                return await self._open(shared, there, link)
        patience_s = self._limits.sight_s if link.settings.on_sight else self._limits.look_s
        after_s = self._links[link.address].ended_s if link.address in self._links else 0.0
        while await shared.find(link.address, after_s, patience_s):
            async with shared.turn:
                # It may have left while others had their turn.
                if sighting := await shared.find(link.address, after_s, 0.0):
                    link.rssi = sighting.advertised.rssi
                    return await self._open(shared, sighting.device, link)
        if not link.settings.on_sight:
            raise Awaited(NOT_SEEN.format(patience_s), fault=True)
        failed = self._failed.get(link.address, "")
        raise Awaited(f"{WAITS} (last attempt: {failed})" if failed else WAITS, fault=False)

    async def _open(
        self, shared: SharedAdapter, device: BLEDevice, link: BleLink
    ) -> BleakClientWithServiceCache:
        """Connects, pairs where the driver says so, and learns what the device has."""
        options: dict[str, Any] = {"bluez": {"adapter": shared.name}} if shared.name else {}
        if self._client_backend is not None:
            options["backend"] = self._client_backend
        # A device that refused to be paired may do without, or demand it when it is read.
        bond = link.settings.bond and self._failed.get(link.address) != PAIR
        self._links[link.address] = link
        return await bounded(
            establish_connection(
                BleakClientWithServiceCache,
                device,
                link.address,
                link.on_disconnected,
                max_attempts=1,
                use_services_cache=False,  # it may be that of another firmware
                pair=bond,
                **options,
            ),
            self._limits.pair_s if bond else self._limits.connect_s,
            "pair" if bond and not _paired(device) else "connect",
            undo=BleakClientWithServiceCache.disconnect,
        )

    async def _connected(self, shared: SharedAdapter, where: str) -> BLEDevice | None:
        """A device that the system has a connection to, which therefore does not advertise.

        On Linux such a connection is left over, from a process that was killed or from one that
        could not hang up, and it may be dead: it is ended. On other systems it is used.
        """
        limit_s = self._limits.call_s
        if self._system and NAMED:
            known = await bounded(get_device_by_adapter(where, shared.name), limit_s, "connect")
            if known is not None and known.details["props"].get("Connected"):
                log.info("%s is still connected; that link is ended", where)
                await bounded(close_stale_connections(known), 2 * limit_s, "disconnect")
            return None
        if not self._system and self._adapter_backend is None:
            return None
        system = await bounded(BleakAdapter.get(backend=self._adapter_backend), limit_s, "scan")
        there = await bounded(system.get_connected_devices(), limit_s, "scan")
        return next((device for device in there if device.address.upper() == where), None)


def _paired(device: BLEDevice) -> bool:
    """Whether the system says that a device is paired; not every system does."""
    facts = device.details.get("props") if isinstance(device.details, dict) else None
    return isinstance(facts, dict) and bool(facts.get("Paired"))


_TRANSPORT = BleTransport()

connect = _TRANSPORT.connect
"""See `BleTransport.connect`: all devices of a process share it."""
