"""One connection to a Bluetooth LE device: subscribes, reads, writes, and notices that it is dead.

A dead link may look alive for minutes: connected by what the system says, and silent. The keeper
ends one on which nothing comes. Here one is ended on which a stream has stopped, even if other
characteristics go on, and one to a device that should only have come by (a cuff).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from bleak import BleakClient
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.exc import BleakError

from devices.driver import BleSettings
from devices.gatt import BATTERY
from devices.keeper import Awaited
from devices.transports.ble_calls import bounded
from devices.transports.ble_faults import GONE, Doing, needs_pairing
from vitals.clock import Now
from vitals.errors import TransportError
from vitals.model import Chunk

WAITS = "waits for a measurement: it is heard when it has one to tell"
CLOSED = "the link has been closed"
STREAM_STOPPED = "it is connected, but its values have stopped: the link is made anew"
NOT_THIS_KIND = "it has none of the values that its driver reads: correct driver, or address"
STREAM_COUNT = 3
"""So many values, none later than `Limits.stream_gap_s` after the one before, are a stream."""
LEAST_WRITE = 20
"""Bytes that every device takes at once (an ATT_MTU of 23)."""

_T = TypeVar("_T")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """Time limits, seconds.

    Attributes:
        look_s: a device that is not seen for so long is missing.
        sight_s: the same for one that comes by; its keeper then says that it waits.
        connect_s: to connect and to learn what the device has.
        pair_s: the same together with pairing.
        call_s: for one subscription, reading or writing.
        close_s: to hang up.
        stream_gap_s: values at least so often are a stream.
        stream_s: a stream that pauses so long has stopped.
        idle_s: a device that comes by and has nothing more to tell is hung up on.
        linger_s: see `ble_radio.LINGER_S`.
    """

    look_s: float = 10.0
    sight_s: float = 2.0
    connect_s: float = 12.0
    pair_s: float = 15.0
    call_s: float = 5.0
    close_s: float = 3.0
    stream_gap_s: float = 2.5
    stream_s: float = 7.0
    idle_s: float = 60.0
    linger_s: float = 3.0


@dataclass(slots=True)
class _Pace:
    """How regularly one characteristic speaks."""

    last_s: float
    count: int = 0


@dataclass(slots=True)
class BleLink:
    """See `devices.keeper.Connection`.

    Attributes:
        address: of the device, in capitals.
        settings: its driver's.
        on_chunk: takes what it says.
        now: the station's clock.
        limits: time limits.
        rssi: strength of its last advertising, dBm; None when it is not known.
        ended_s: when the link ended, by the loop's clock.
    """

    address: str
    settings: BleSettings
    on_chunk: Callable[[Chunk], None]
    now: Now
    limits: Limits
    rssi: int | None = None
    ended_s: float = 0.0
    _client: BleakClient | None = None
    _closed: bool = False
    _ended: asyncio.Future[TransportError] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    _paces: dict[str, _Pace] = field(default_factory=dict)
    _heard_s: float = 0.0
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _pairing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _paired: bool = False

    # --- what a keeper calls ------------------------------------------------------------------

    async def write(self, data: bytes) -> None:
        """Sends all of it, in pieces that the device takes.

        Raises:
            TransportError: the link is broken, or the device refuses.
        """
        client = self._client
        if client is None or self._ended.done():
            raise self._left(GONE)
        found = self._find(self.settings.write)
        if found is None:
            raise TransportError(NOT_THIS_KIND)
        size = max(LEAST_WRITE, found.max_write_without_response_size)
        for at in range(0, len(data), size):
            piece = data[at : at + size]
            await self._call("write", client.write_gatt_char, found, piece, self._answered(found))

    async def lost(self) -> TransportError:
        """Waits until the link breaks; returns why."""
        return await asyncio.shield(self._ended)

    async def close(self) -> None:
        """Hangs up; a system that does not is left behind after `Limits.close_s`."""
        self._closed = True
        self._end(TransportError(CLOSED))
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        client, self._client = self._client, None
        if client is not None:
            try:
                # Also after the link has ended: bleak keeps a bus open until it is told.
                await bounded(client.disconnect(), self.limits.close_s, "disconnect")
            except TransportError as error:
                log.warning("%s does not disconnect: %s", self.address, error)

    def signal(self) -> int | None:
        """Strength of its last advertising, dBm; None when it is not known."""
        return self.rssi

    # --- what the transport calls -------------------------------------------------------------

    def on_disconnected(self, client: BleakClient) -> None:
        """The system says that the link has ended."""
        self._end(self._left(GONE))

    async def begin(self, client: BleakClient) -> None:
        """Subscribes to everything, and reads what is read once.

        A stream is not kept waiting by what is read. A cuff is read first: its clock tells which
        of its readings are new.

        Raises:
            TransportError: the device is another one, or refuses, and what to do.
        """
        self._client = client
        self._heard_s = asyncio.get_running_loop().time()
        found = [(uuid, c) for uuid in self.settings.notify if (c := self._find(uuid, tells=True))]
        if self._ended.done():
            raise self._ended.result()
        first = next((uuid for uuid, _ in found if uuid != BATTERY), "")
        if not first and self.settings.notify:
            raise TransportError(NOT_THIS_KIND)
        if self.settings.on_sight:
            await self._read(client)
        for uuid, characteristic in found:
            told = partial(self._on_told, uuid)
            try:
                await self._call("subscribe", client.start_notify, characteristic, told)
            except TransportError as error:
                if self.settings.on_sight and self._paces:
                    break  # it has told its reading and left, before everything was asked for
                if uuid == first or self._ended.done():
                    raise
                log.warning("%s: nothing will come from %s: %s", self.address, uuid, error)
        self._tasks = [asyncio.create_task(self._watch(), name=f"watch {self.address}")]
        if not self.settings.on_sight:
            reading = asyncio.create_task(self._read(client), name=f"read {self.address}")
            self._tasks.append(reading)

    # --- one link -----------------------------------------------------------------------------

    def _on_told(self, uuid: str, _: BleakGATTCharacteristic, data: bytearray) -> None:
        """A notification or indication has come."""
        at_us = self.now.now_us()
        if self._closed:
            return
        now_s = self._heard_s = asyncio.get_running_loop().time()
        pace = self._paces.setdefault(uuid, _Pace(now_s))
        pace.count = pace.count + 1 if now_s - pace.last_s <= self.limits.stream_gap_s else 1
        pace.last_s = now_s
        self.on_chunk(Chunk(bytes(data), at_us, uuid))

    async def _read(self, client: BleakClient) -> None:
        """Reads what is read once; a device that does not give it is used without."""
        for uuid in self.settings.read:
            found = self._find(uuid)
            if found is None:
                continue
            try:
                data = await self._call("read", client.read_gatt_char, found)
            except TransportError as error:
                log.info("%s: %s is not read: %s", self.address, uuid, error)
                if isinstance(error.__cause__, TimeoutError):
                    return  # nor would it answer the next
                continue
            if not self._closed:
                self.on_chunk(Chunk(bytes(data), self.now.now_us(), uuid))

    async def _watch(self) -> None:
        """Ends the link when its stream stops, or when it has nothing more to tell."""
        loop, limits = asyncio.get_running_loop(), self.limits
        while not self._ended.done():
            await asyncio.sleep(min(limits.stream_s, limits.idle_s) / 10)
            now_s = loop.time()
            if self.settings.on_sight:
                if now_s - self._heard_s > limits.idle_s:
                    self._end(self._left(GONE))
            elif any(
                pace.count >= STREAM_COUNT and now_s - pace.last_s > limits.stream_s
                for pace in self._paces.values()
            ):
                self._end(TransportError(STREAM_STOPPED))

    async def _call(
        self, doing: Doing, call: Callable[..., Coroutine[Any, Any, _T]], *arguments: Any
    ) -> _T:
        """A call to the device; pairs first where the device demands it."""
        try:
            return await bounded(call(*arguments), self.limits.call_s, doing)
        except TransportError as error:
            if self._paired or error.__cause__ is None or not needs_pairing(error.__cause__):
                raise
        await self._pair()
        return await bounded(call(*arguments), self.limits.call_s, doing)

    async def _pair(self) -> None:
        async with self._pairing:
            if self._paired or self._client is None:
                return
            log.info("%s demands to be paired", self.address)
            await bounded(self._client.pair(), self.limits.pair_s, "pair")
            self._paired = True

    def _find(self, uuid: str, *, tells: bool = False) -> BleakGATTCharacteristic | None:
        """The device's first characteristic of that kind; with `tells` one to subscribe to."""
        if self._client is None:
            return None
        try:
            there = self._client.services.characteristics
        except BleakError:  # the link has ended, and bleak has forgotten what there was
            return None
        for _, found in sorted(there.items()):
            can = "notify" in found.properties or "indicate" in found.properties
            if found.uuid.lower() == uuid and (can or not tells):
                return found
        return None

    def _answered(self, found: BleakGATTCharacteristic) -> bool:
        """Whether to write with the device's answer: as the driver says, if the device can."""
        if self.settings.response:
            return "write" in found.properties or "write-without-response" not in found.properties
        return "write-without-response" not in found.properties

    def _left(self, why: str) -> TransportError:
        """That a device has gone: for one that only comes by, this is as it should be."""
        return Awaited(WAITS, fault=False) if self.settings.on_sight else TransportError(why)

    def _end(self, why: TransportError) -> None:
        if not self._ended.done():
            self.ended_s = asyncio.get_running_loop().time()
            self._ended.set_result(why)
