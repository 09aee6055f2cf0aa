"""One Bluetooth adapter, shared by all devices of this process: its one scan, and its connections.

Adapters do not like two scans or two connection attempts at once. So there is one scan, which runs
while somebody looks for a device, and a turn, which is held while a connection is made. Devices get
it in the order in which they ask.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bleak import BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak_retry_connector.bluez import stop_discovery

from devices.transports.ble_adapters import scans
from devices.transports.ble_calls import bounded
from vitals.errors import TransportError

START_S = 8.0
STOP_S = 3.0
CHECK_S = 2.0
"""How often it is looked whether the adapter is still there and on, while a device is missed."""
STUCK_S = 60.0
"""A scan that hears nobody for so long is started anew: some hang (BlueZ before 5.88). Elsewhere
this is also how it is noticed that Bluetooth was switched off, so there it is done sooner."""
IDLE_S = 7.0
"""An adapter that has not scanned for so long, though it should, was reset or switched off and on.
Shorter pauses are BlueZ's own."""
LINGER_S = 3.0
"""A scan that nobody needs goes on for so long: to stop and start it is what hangs it."""
FRESH_S = 12.0
"""A device that was seen so long ago may be connected to."""
MOST_SEEN = 500
"""Telephones change their address every quarter of an hour; who has not been heard is forgotten."""
AGED_S = 10.0
"""A scan that is older than this when a device is lost starts anew: an adapter may tell of each
device once only for a while (Linux: about 10 s), and would be late to tell that it is back."""

_STATES = ("Connected", "ServicesResolved", "Paired", "Bonded", "Trusted", "Blocked")
"""What BlueZ says of a device that is no advertising; bleak passes it on as if it were."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A device as it was last heard advertising; `at_s` by the loop's clock."""

    device: BLEDevice
    advertised: AdvertisementData
    at_s: float


class SharedAdapter:
    """One adapter. Loop thread only.

    Attributes:
        turn: held while a connection is made.
        seen: address in capitals -> the last sighting, since the scan began.
    """

    def __init__(
        self,
        adapter: str,
        backend: type[BaseBleakScanner] | None,
        *,
        watched: bool,
        linger_s: float = LINGER_S,
        stuck_s: float = STUCK_S,
    ) -> None:
        """`watched`: it is an adapter of BlueZ, which can be asked whether it is on."""
        self.turn = asyncio.Lock()
        self.seen: dict[str, Sighting] = {}
        self._adapter = adapter
        self._backend = backend
        self._watched = watched
        self._linger_s = linger_s
        self._stuck_s = stuck_s
        self._wanted = 0
        self._switch = asyncio.Lock()
        self._scanner: BleakScanner | None = None
        self._states: dict[str, tuple[Any, ...]] = {}
        self._news: dict[str, asyncio.Event] = {}
        self._started_s = self._heard_s = self._checked_s = self._scanned_s = 0.0
        self._later: asyncio.TimerHandle | None = None
        self._stopping: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """The adapter's name, `""` where it has none."""
        return self._adapter

    @property
    def scans(self) -> bool:
        """Whether its scan is on, and so looked after."""
        return self._scanner is not None

    @asynccontextmanager
    async def scanning(self) -> AsyncIterator[None]:
        """Keeps the scan on, which also keeps the system from forgetting who was seen.

        Raises:
            TransportError: it cannot be started, and what to do.
        """
        self._wanted += 1
        try:
            await self._scan()
            yield
        finally:
            self._wanted -= 1
            if not self._wanted:
                loop = asyncio.get_running_loop()
                self._later = loop.call_later(self._linger_s, self._stop_later)

    async def find(self, address: str, after_s: float, patience_s: float) -> Sighting | None:
        """Waits until a device advertises; within `scanning` only.

        Args:
            address: in capitals.
            after_s: it must have been seen after this, by the loop's clock.
            patience_s: how long to wait.

        Raises:
            TransportError: the scan has broken, and what to do.
        """
        loop = asyncio.get_running_loop()
        end_s = loop.time() + patience_s
        news = self._news.setdefault(address, asyncio.Event())
        aged = self._scanner is not None and after_s - self._started_s > AGED_S
        if aged and not self.turn.locked():
            await self.restart()
        while True:
            news.clear()
            await self._scan()
            sighting = self.seen.get(address)
            if sighting is not None and sighting.at_s > max(after_s, loop.time() - FRESH_S):
                return sighting
            left_s = end_s - loop.time()
            if left_s <= 0:
                return None
            try:
                async with asyncio.timeout(min(left_s, CHECK_S)):
                    await news.wait()
            except TimeoutError:
                continue

    async def restart(self) -> None:
        """Ends the scan; whoever still looks for a device begins another."""
        async with self._switch:
            await self._end()

    async def close(self) -> None:
        """Ends the scan at once."""
        if self._later is not None:
            self._later.cancel()
        await self._stop()

    # --- the scan -----------------------------------------------------------------------------

    async def _scan(self) -> None:
        """Starts the scan if need be, and looks after it."""
        async with self._switch:
            if self._later is not None:
                self._later.cancel()
                self._later = None
            now_s = asyncio.get_running_loop().time()
            if self._scanner is not None and now_s - self._checked_s >= CHECK_S:
                await self._check(now_s)
            if self._scanner is None:
                await self._start()

    async def _start(self) -> None:
        named: Any = {"bluez": {"adapter": self._adapter}} if self._adapter else {}
        scanner = BleakScanner(self._on_advertisement, backend=self._backend, **named)
        self.seen.clear()
        self._states.clear()
        try:
            await bounded(scanner.start(), START_S, "scan")
        except BaseException:
            # One that was given up may yet have begun, and BlueZ allows us one only.
            await self._quietly_stop(stop_discovery(self._adapter) if self._watched else None)
            raise
        self._scanner = scanner
        now_s = asyncio.get_running_loop().time()
        self._started_s = self._heard_s = self._checked_s = self._scanned_s = now_s

    async def _check(self, now_s: float) -> None:
        """Ends the scan when the adapter has gone or the scan hangs; raises for the former."""
        self._checked_s = now_s
        if self._watched:
            try:
                scanning = await scans(self._adapter)
            except TransportError:
                await self._end()
                raise
            # while a connection is made it may pause
            self._scanned_s = now_s if scanning or self.turn.locked() else self._scanned_s
            if now_s - self._scanned_s > IDLE_S:
                log.info("the Bluetooth adapter %s has stopped to scan; scanning anew", self.name)
                await self._end()
                return
        if now_s - self._heard_s > self._stuck_s:
            log.info("no Bluetooth device is heard for %g s; scanning anew", self._stuck_s)
            await self._end()

    async def _end(self) -> None:
        scanner, self._scanner = self._scanner, None
        if scanner is not None:
            await self._quietly_stop(scanner.stop())

    async def _quietly_stop(self, stopping: Coroutine[Any, Any, None] | None) -> None:
        if stopping is None:
            return
        try:
            await bounded(stopping, STOP_S, "scan")
        except TransportError as error:
            log.info("the scan does not stop: %s", error)

    def _stop_later(self) -> None:
        self._later = None
        self._stopping = asyncio.ensure_future(self._stop())

    async def _stop(self) -> None:
        async with self._switch:
            if not self._wanted:
                await self._end()

    # --- who is heard -------------------------------------------------------------------------

    def _on_advertisement(self, device: BLEDevice, advertised: AdvertisementData) -> None:
        self._heard_s = asyncio.get_running_loop().time()
        address = device.address.upper()
        if self._is_state(address, advertised):
            return
        self.seen[address] = Sighting(device, advertised, self._heard_s)
        if len(self.seen) > MOST_SEEN:
            since_s = self._heard_s - 2 * FRESH_S
            self.seen = {key: one for key, one in self.seen.items() if one.at_s > since_s}
            self._states = {key: self._states[key] for key in self.seen if key in self._states}
        news = self._news.get(address)
        if news is not None:
            news.set()

    def _is_state(self, address: str, advertised: AdvertisementData) -> bool:
        """Whether BlueZ only tells a change of the connection, and no advertising."""
        facts = advertised.platform_data[1] if len(advertised.platform_data) == 2 else None
        if not isinstance(facts, dict):
            return False
        state = tuple(facts.get(name) for name in _STATES)
        before = self._states.get(address)
        self._states[address] = state
        return bool(facts.get("Connected")) or (before is not None and before != state)
