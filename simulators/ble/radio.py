"""The air between simulated Bluetooth devices: bumble's virtual link, with fading.

Each device has a virtual controller on it. A controller that is out of range neither hears nor
is heard, while both ends still believe in their connection, until the supervision timeout.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from bumble import core, hci, ll
from bumble.controller import Controller
from bumble.device import Device, DeviceConfiguration
from bumble.host import Host
from bumble.link import LocalLink
from bumble.pairing import PairingConfig, PairingDelegate
from bumble.transport.common import AsyncPipeSink

T = TypeVar("T")


class LinkGone(Exception):
    """The connection ended before what was asked was done."""


class Radio(LocalLink):
    """The air of one place. Belongs to the loop in which its devices are made."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._far: set[Controller] = set()

    def take_away(self, controller: Controller) -> None:
        """Carries a device out of range: everything to and from it is lost."""
        self._far.add(controller)

    def bring_back(self, controller: Controller) -> None:
        """Carries it back."""
        self._far.discard(controller)

    def time_out(self, controller: Controller) -> None:
        """Ends its connections on both sides, as after the supervision timeout (reason 0x08)."""
        for other in list(self.controllers):
            for link in list(other.le_connections.values()):
                ours = (controller.random_address, controller.public_address)
                if other is controller or link.peer_address in ours:
                    other.on_le_disconnected(link, hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)

    def remove(self, controller: Controller) -> None:
        """Switches a device off for good."""
        self.time_out(controller)
        controller.le_scan_enable = False
        self._far.discard(controller)
        self.controllers.discard(controller)

    # --- what bumble's controllers call -------------------------------------------------------

    def send_advertising_pdu(
        self, sender_controller: Controller, packet: ll.AdvertisingPdu
    ) -> None:
        """Lets all that are in range hear it."""
        if sender_controller in self._far or sender_controller not in self.controllers:
            return
        loop = asyncio.get_running_loop()
        for controller in self.controllers - self._far - {sender_controller}:
            loop.call_soon(controller.on_ll_advertising_pdu, packet)

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: hci.Address,
        transport: core.PhysicalTransport,
        data: bytes,
    ) -> None:
        """Carries data over a connection, unless one end is out of range."""
        if not self._lost(sender_controller, self.find_le_controller(destination_address)):
            super().send_acl_data(sender_controller, destination_address, transport, data)

    def send_ll_control_pdu(
        self, sender_address: hci.Address, receiver_address: hci.Address, packet: ll.ControlPdu
    ) -> None:
        """Carries what controllers say to each other, unless one end is out of range."""
        ends = (
            self.find_le_controller(sender_address),
            self.find_le_controller(receiver_address),
        )
        if not self._lost(*ends):
            super().send_ll_control_pdu(sender_address, receiver_address, packet)

    def _lost(self, *ends: Controller | None) -> bool:
        return any(end is None or end in self._far for end in ends)


class RadioController(Controller):
    """bumble's virtual controller, which can also cancel a connection attempt.

    That of bumble 0.0.236 answers the cancel command without doing anything, and refuses every
    later attempt. The specification (Vol 4, Part E, 7.8.13) has the attempt complete with error
    0x02, and the command refused when there is none.
    """

    def on_hci_le_create_connection_cancel_command(
        self, command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        """Ends the attempt that is going on."""
        del command
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        failed = hci.HCI_LE_Connection_Complete_Event(
            status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
            connection_handle=0,
            role=hci.Role.CENTRAL,
            peer_address_type=pending.peer_address.address_type,
            peer_address=pending.peer_address,
            connection_interval=0,
            peripheral_latency=0,
            supervision_timeout=0,
            central_clock_accuracy=0,
        )
        asyncio.get_running_loop().call_soon(self.send_hci_packet, failed)
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)


def place(
    radio: Radio,
    name: str,
    address: str,
    *,
    kind: type[Device] = Device,
    interval_ms: float = 100.0,
) -> tuple[Device, RadioController]:
    """A device with a controller of its own on the air, not yet powered on.

    Args:
        radio: where it is heard.
        name: of the device.
        address: its static random address, `C0:…` or above.
        kind: of device.
        interval_ms: between two of its advertisements; below about 16 ms it is 16 ms.
    """
    controller = RadioController(name, link=radio)
    host = Host()
    host.set_packet_source(controller)
    controller.set_packet_sink(host)
    host.set_packet_sink(AsyncPipeSink(controller))
    return host_device(host, name, address, kind=kind, interval_ms=interval_ms), controller


def host_device(
    host: Host,
    name: str,
    address: str,
    *,
    kind: type[Device] = Device,
    interval_ms: float = 100.0,
) -> Device:
    """The upper half of a device: everything above HCI."""
    config = DeviceConfiguration(
        name=name,
        address=hci.Address(address),
        advertising_interval_min=interval_ms,
        advertising_interval_max=interval_ms,
    )
    device = kind(config=config, host=host)
    device.pairing_config_factory = lambda _: PairingConfig(
        sc=True,
        mitm=False,
        bonding=True,
        delegate=PairingDelegate(PairingDelegate.NO_OUTPUT_NO_INPUT),
    )
    return device


async def while_linked(gone: asyncio.Future[Any], asked: Coroutine[Any, Any, T]) -> T:
    """Awaits what needs a connection, and fails at once when that ends.

    bumble itself cancels what waits for an answer when a connection ends, and otherwise waits
    30 s; neither may reach the caller.

    Raises:
        LinkGone: the connection has ended.
    """
    if gone.done():
        asked.close()
        raise LinkGone
    task = asyncio.ensure_future(asked)
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))
        failed = task.cancelled() or task.exception() is not None  # also marks it as seen
    if task.cancelled() or (gone.done() and failed):
        raise LinkGone
    return task.result()
