"""HCI over TCP: a station in another process uses simulated air as if its adapter were here.

Each caller gets a controller of its own on the air, which vanishes when it hangs up. What goes
over TCP are plain HCI packets (H4), as in bumble's `tcp-client:`. There is no authentication:
listen on loopback only.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import cast

from bumble import hci
from bumble.host import Host
from bumble.transport.common import StreamPacketSink, StreamPacketSource

from simulators.ble.adapter import Adapter
from simulators.ble.radio import Radio, RadioController, host_device

MAX_UNREAD = 1_000_000
"""Bytes that a caller has not taken before it is hung up on."""


class RadioServer:
    """Lets stations of other processes onto this air."""

    def __init__(self, radio: Radio) -> None:
        self._radio = radio
        self._server: asyncio.Server | None = None
        self._callers: set[_Caller] = set()
        self._numbers = itertools.count(1)

    async def start(self, host: str, port: int) -> int:
        """Listens; 0 takes a free port. Gives the port.

        Raises:
            OSError: the port cannot be had.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._called, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Hangs up on all and listens no more."""
        if self._server is None:
            return
        self._server.close()
        for caller in list(self._callers):
            caller.hang_up()
        await self._server.wait_closed()

    def _called(self) -> _Caller:
        name = f"station {next(self._numbers)}"
        return _Caller(self._radio, RadioController(name, link=self._radio), self._callers)


class _Caller(StreamPacketSource):
    """One station: its bytes go to its controller, and the controller's to it."""

    def __init__(self, radio: Radio, controller: RadioController, callers: set[_Caller]) -> None:
        super().__init__()
        self._radio = radio
        self._controller = controller
        self._callers = callers
        self.set_packet_sink(controller)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._controller.set_packet_sink(self)
        self._callers.add(self)

    def on_packet(self, packet: bytes) -> None:
        """A packet for the station."""
        self._transport.write(packet)
        if self._transport.get_write_buffer_size() > MAX_UNREAD:
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._callers.discard(self)
        self._radio.remove(self._controller)

    def hang_up(self) -> None:
        self._transport.abort()


class _Called(StreamPacketSource):
    """The station's end."""

    def connection_lost(self, error: Exception | None) -> None:
        self.on_transport_lost()


async def dial(host: str, port: int) -> Adapter:
    """An adapter on the air that is served there.

    Raises:
        OSError: nobody listens there.
    """
    loop = asyncio.get_running_loop()
    transport, source = await loop.create_connection(_Called, host, port)
    above = Host()
    above.set_packet_source(source)
    above.set_packet_sink(StreamPacketSink(transport))
    address = hci.Address.generate_static_address().to_string(False)
    device = host_device(above, "station", address)
    try:
        await device.power_on()
    except BaseException:
        transport.abort()
        raise
    return Adapter(device, hang_up=transport.abort)
