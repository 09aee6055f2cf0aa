"""The url scheme of simulated Bluetooth devices in another process, for a station's config.

    ble-sim://127.0.0.1:PORT/C0:00:00:00:00:01

`vitals simulate … --ble` prints it. The station's own Bluetooth transport is used, with the back
ends of `simulators.ble` on an adapter that is reached over TCP instead of the system's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from devices.driver import BleSettings, SerialSettings
from devices.keeper import Connection
from devices.transports.ble import BleTransport
from devices.transports.ble_link import BleLink
from simulators import ble
from vitals.clock import Now
from vitals.errors import TransportError
from vitals.model import Chunk

if TYPE_CHECKING:
    from simulators.ble.adapter import Adapter

DIAL_S = 10.0


async def connect(
    url: str,
    settings: SerialSettings | BleSettings | None,
    on_chunk: Callable[[Chunk], None],
    now: Now,
) -> Connection:
    """Connects to a simulated device; see `devices.keeper.Connect`.

    Raises:
        TransportError: why not, and what to do.
    """
    host, port, address = parts(url)
    key = (asyncio.get_running_loop(), host, port)
    station = _STATIONS.setdefault(key, _Station(key))
    station.users += 1
    try:
        transport = await station.transport()
        link = await transport.connect(f"ble://{address}", settings, on_chunk, now)
    except BaseException:
        await station.release()
        raise
    return _Link(link, station)


def parts(url: str) -> tuple[str, int, str]:
    """Host, port and device address that a url names.

    Raises:
        TransportError: it is not written as it should be.
    """
    found = urlsplit(url)
    try:
        host, port = found.hostname, found.port
    except ValueError:
        host = port = None
    address = found.path.strip("/").upper()
    if not host or not port or not address:
        raise TransportError(
            f"{url} is no simulated Bluetooth device; use the url that "
            "`vitals simulate DRIVER --ble` prints"
        )
    return host, port, address


class _Link:
    """A link of the Bluetooth transport, which releases the adapter when it is closed."""

    def __init__(self, link: BleLink, station: _Station) -> None:
        self._link = link
        self._station = station
        self._closed = False

    async def write(self, data: bytes) -> None:
        await self._link.write(data)

    async def lost(self) -> TransportError:
        return await self._link.lost()

    def signal(self) -> int | None:
        return self._link.signal()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            await self._link.close()
        finally:
            await self._station.release()


_Key = tuple[asyncio.AbstractEventLoop, str, int]


class _Station:
    """The adapter for one simulator, shared by all devices of this process."""

    def __init__(self, key: _Key) -> None:
        self.users = 0
        self._key = key
        self._lock = asyncio.Lock()
        self._transport: BleTransport | None = None
        self._adapter: Adapter | None = None

    async def transport(self) -> BleTransport:
        """The Bluetooth transport on an adapter there.

        Raises:
            TransportError: no simulator answers.
        """
        ble.require()
        from simulators.ble.back_end import backends
        from simulators.ble.hci_tcp import dial

        async with self._lock:
            if self._transport is None or self._adapter is None or self._adapter.lost:
                await self._close()
                _, host, port = self._key
                try:
                    async with asyncio.timeout(DIAL_S):
                        self._adapter = await dial(host, port)
                except OSError as error:  # a timeout is one, too
                    raise TransportError(
                        f"no simulator answers at {host}:{port} ({error or 'timeout'}); start "
                        "`vitals simulate DRIVER --ble` and use the url that it prints"
                    ) from error
                scanner, client = backends(self._adapter)
                self._transport = BleTransport(scanner_backend=scanner, client_backend=client)
            return self._transport

    async def release(self) -> None:
        """One user less; the last one hangs up."""
        self.users -= 1
        if self.users:
            return
        _STATIONS.pop(self._key, None)
        async with self._lock:
            await self._close()

    async def _close(self) -> None:
        transport, self._transport = self._transport, None
        adapter, self._adapter = self._adapter, None
        if transport is not None:
            await transport.close()
        if adapter is not None:
            await adapter.close()


_STATIONS: dict[_Key, _Station] = {}
"""Of each loop, and of this process."""
