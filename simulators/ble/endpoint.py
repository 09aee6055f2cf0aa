"""Simulated Bluetooth devices in a thread of their own, plugged in like any other monitor.

with Air() as air:
endpoint = BleEndpoint(GattMonitor(registry.get("ble-plx"), patient), air)
bedside = Bedside(patient, [endpoint])     # endpoint.url goes into a config
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import deque
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, TypeVar

from simulators.ble import SCHEME
from simulators.ble.device import BleDevice, GattMonitor, Packet
from simulators.ble.hci_tcp import RadioServer
from simulators.ble.radio import Radio
from simulators.monitor import SimulatedMonitor
from vitals.errors import ConfigError

SUPERVISION_S = 4.0
"""After so long out of range, a connection is given up by both ends."""
UNSENT = 1000
"""Packets that wait for their turn before the oldest is lost."""
_ANSWER_S = 30.0
_T = TypeVar("_T")


class Air:
    """Air that stations of other processes reach on a TCP port.

    Args:
        host: where to listen; loopback, since nobody is asked who he is.
        port: 0 = any free one.

    Raises:
        ConfigError: the port cannot be opened.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host, self.port = host, port
        self._numbers = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="bluetooth", daemon=True)
        self._thread.start()
        try:
            self.radio = self.ask(self._begin())
        except OSError as error:
            self._end()
            raise ConfigError(
                f"{host}:{port} cannot be opened ({error.strerror}); choose another port"
            ) from error

    def address(self) -> str:
        """An address that no other device has here."""
        return f"C0:00:00:00:00:{next(self._numbers):02X}"

    def ask(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Has something done in the loop of the air; for other threads."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_ANSWER_S)

    def stop(self) -> None:
        """Hangs up on all stations."""
        if self._thread.is_alive():
            self.ask(self._server.stop())
            self._end()

    def __enter__(self) -> Air:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def _begin(self) -> Radio:
        radio = Radio()
        self._server = RadioServer(radio)
        self.port = await self._server.start(self.host, self.port)
        return radio

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class BleEndpoint:
    """A Bluetooth device; see `simulators.endpoints.Endpoint`.

    To unplug it is to carry it out of range.
    """

    def __init__(self, monitor: GattMonitor, air: Air) -> None:
        self.monitor: SimulatedMonitor = monitor
        self._air = air
        self._outbox: deque[Packet] = deque(maxlen=UNSENT)
        self._posting: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False
        self._device = air.ask(self._begin(monitor))

    @property
    def url(self) -> str:
        """`ble-sim://host:port/address`."""
        host = f"[{self._air.host}]" if ":" in self._air.host else self._air.host
        return f"{SCHEME}://{host}:{self._air.port}/{self._device.address}"

    def read(self) -> bytes:
        """See `Endpoint`."""
        return self._device.heard()

    def write(self, data: bytes) -> None:
        """See `Endpoint`. Which characteristic each byte is of, the monitor itself knows."""
        if isinstance(self.monitor, GattMonitor) and (packets := self.monitor.take()):
            self._air.ask(self._post(packets))

    def unplug(self) -> None:
        """See `Endpoint`."""
        self._air.ask(self._fade())

    def replug(self) -> None:
        """See `Endpoint`."""
        self._air.ask(self._return())

    def stop(self) -> None:
        """See `Endpoint`."""
        if not self._stopped:
            self._stopped = True
            self._air.ask(self._finish())

    async def _begin(self, monitor: GattMonitor) -> BleDevice:
        device = BleDevice(self._air.radio, monitor, self._air.address())
        await device.start()
        return device

    async def _post(self, packets: list[Packet]) -> None:
        self._outbox += packets
        if self._posting is not None and self._posting.done():
            self._posting.result()  # raises what went wrong
            self._posting = None
        if self._posting is None:
            self._posting = asyncio.ensure_future(self._send())

    async def _send(self) -> None:
        while self._outbox:
            await self._device.send([self._outbox.popleft()])

    async def _fade(self) -> None:
        self._device.peripheral.fade()
        self._forget_timer()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(SUPERVISION_S, self._device.peripheral.time_out)

    async def _return(self) -> None:
        self._forget_timer()
        self._device.peripheral.come_back()

    async def _finish(self) -> None:
        self._forget_timer()
        if self._posting is not None:
            self._posting.cancel()
            await asyncio.gather(self._posting, return_exceptions=True)
        await self._device.stop()

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
