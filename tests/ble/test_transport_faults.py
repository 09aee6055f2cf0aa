"""What the system's Bluetooth can do to a link: hang, leak, crash, and lie."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from bleak.backends.device import BLEDevice
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
)

from devices.driver import BleSettings, SerialSettings
from devices.gatt import BATTERY, HEART_RATE, uuid
from devices.keeper import Awaited
from devices.transports import ble_calls, ble_faults
from devices.transports.ble import BleTransport, address
from devices.transports.ble_adapters import Adapter, choose
from devices.transports.ble_calls import bounded
from devices.transports.ble_faults import explain
from devices.transports.ble_link import STREAM_COUNT, WAITS, BleLink
from tests.ble.fake_back_ends import ADDRESS, World, hang, raises
from tests.ble.kept import QUICK
from tests.loop import run, until
from vitals.clock import ManualClock
from vitals.errors import TransportError
from vitals.model import Chunk

URL = f"ble://{ADDRESS}"
STRAP = BleSettings(match=(uuid("180d"),), notify=(HEART_RATE, BATTERY), read=(BATTERY,))
CUFF = BleSettings(match=("name:Cuff",), notify=(uuid("2a35"),), on_sight=True)
WRITER = BleSettings(match=("name:Ox",), notify=(uuid("fff1"),), write=uuid("fff2"))


@pytest.fixture
def world() -> World:
    found = World()
    found.characteristics = {
        HEART_RATE: ["notify"],
        BATTERY: ["read", "notify"],
        uuid("2a35"): ["indicate"],
        uuid("fff1"): ["notify"],
        uuid("fff2"): ["write-without-response"],
    }
    return found


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ble_calls, "GRACE_S", 0.05)


class Air:
    """A transport on a fake world, and what was heard over it."""

    def __init__(self, world: World, limits: Any = QUICK, **more: Any) -> None:
        self.transport = BleTransport(world.scanner, world.client, limits=limits, **more)
        self.world = world
        self.clock = ManualClock()
        self.chunks: list[Chunk] = []

    async def connect(self, settings: Any = STRAP, url: str = URL) -> BleLink:
        return await self.transport.connect(url, settings, self.chunks.append, self.clock)

    async def refused(self, settings: Any = STRAP, url: str = URL) -> TransportError:
        with pytest.raises(TransportError) as caught:
            await self.connect(settings, url)
        return caught.value


def on(world: World, main: Callable[[Air], Any], **more: Any) -> None:
    async def whole() -> None:
        air = Air(world, **more)
        try:
            await main(air)
        finally:
            await air.transport.close()
            for left in list(ble_calls._left):
                left.cancel()
            await asyncio.sleep(0)

    run(whole())


# --- one call ---------------------------------------------------------------------------------


def test_a_call_that_ends_as_cancelled_although_nobody_did_is_a_broken_link() -> None:
    async def leak() -> None:
        raise asyncio.CancelledError

    async def main() -> None:
        with pytest.raises(TransportError, match="ended the connection"):
            await bounded(leak(), 1.0, "read")

    run(main())


def test_a_call_that_ignores_being_cancelled_is_left_behind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        begin_s = asyncio.get_running_loop().time()
        with pytest.raises(TransportError, match="does not answer"):
            await bounded(hang(), 0.05, "read")
        assert asyncio.get_running_loop().time() - begin_s < 0.5
        assert "hangs (read)" in caplog.text
        (left,) = ble_calls._left
        left.cancel()
        await until(lambda: not ble_calls._left)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    run(main())


def test_what_was_given_up_and_succeeds_all_the_same_is_undone() -> None:
    undone: list[str] = []

    async def stubborn() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "link"

    async def undo(result: str) -> None:
        undone.append(result)

    async def main() -> None:
        with pytest.raises(TransportError):
            await bounded(stubborn(), 0.02, "connect", undo=undo)
        await until(lambda: undone == ["link"])

    run(main())


# --- errors in words --------------------------------------------------------------------------

Reason = BleakBluetoothNotAvailableReason


@pytest.mark.parametrize(
    ("error", "doing", "words"),
    [
        (BleakBluetoothNotAvailableError("x", Reason.NO_BLUETOOTH), "scan", "no Bluetooth adapter"),
        (BleakBluetoothNotAvailableError("x", Reason.POWERED_OFF), "scan", "is off: turn it on"),
        (BleakBluetoothNotAvailableError("x", Reason.DENIED_BY_USER), "scan", "may not use"),
        (BleakBluetoothNotAvailableError("x", Reason.UNKNOWN), "scan", "(('x', "),
        (BleakDBusError("org.bluez.Error.NotReady", ["no"]), "scan", "is off"),
        (BleakDBusError("org.bluez.Error.InProgress", []), "connect", "busy"),
        (BleakDBusError("org.bluez.Error.AuthenticationFailed", []), "connect", "pairing mode"),
        (BleakDBusError("org.bluez.Error.AuthenticationRejected", []), "pair", "pairing mode"),
        (BleakDBusError("org.bluez.Error.NotPermitted", ["Not paired"]), "read", "pairing mode"),
        (BleakDBusError("org.bluez.Error.Failed", ["Not connected"]), "read", "ended the conn"),
        (BleakDBusError("org.bluez.Error.Failed", ["br-connection-canceled"]), "connect", "ended"),
        (BleakDBusError("org.freedesktop.DBus.Error.ServiceUnknown", []), "scan", "service runs"),
        (BleakDBusError("org.freedesktop.DBus.Error.AccessDenied", []), "scan", "may not use"),
        (BleakDBusError("org.freedesktop.DBus.Error.NoReply", []), "connect", "does not answer"),
        (BleakDBusError("org.freedesktop.DBus.Error.UnknownObject", []), "connect", "forgotten"),
        (BleakGATTProtocolError(0x05), "subscribe", "pairing mode"),
        (BleakGATTProtocolError(0x0F), "read", "pairing mode"),
        (BleakGATTProtocolError(0x0E), "read", "cannot be read (it answers: GATT Protocol Error"),
        (BleakGATTProtocolError(0x80), "write", "takes no command"),
        (BleakDeviceNotFoundError("x", "gone"), "connect", "forgotten"),
        (BleakError("adapter 'hci3' not found"), "scan", "there is no Bluetooth adapter 'hci3'"),
        (BleakError("Not connected"), "write", "ended the connection"),
        (BleakError("Service Discovery has not been performed yet"), "read", "ended the conn"),
        (BleakError("failed to discover services, device disconnected"), "connect", "ended the"),
        (BleakError("Bleak requires BlueZ >= 5.55."), "connect", "too old"),
        (TimeoutError(), "connect", "takes no connection"),
        (TimeoutError(), "read", "does not answer"),
        (TimeoutError(), "scan", "does not answer"),
        (FileNotFoundError(2, "no bus"), "scan", "service runs"),
        (ConnectionRefusedError(), "scan", "service runs"),
        (PermissionError(), "scan", "may not use"),
        (EOFError(), "read", "does not answer"),
        (BrokenPipeError(), "write", "does not answer"),
        (ConnectionResetError(), "connect", "does not answer"),
        (AssertionError(), "read", "(AssertionError)"),
        (KeyError("org.bluez.GattService1"), "connect", "cannot be connected to"),
        (OSError(-2147023673, "The operation was canceled"), "connect", "canceled"),
    ],
)
def test_every_error_becomes_one_sentence_that_says_what_to_do(
    error: Exception, doing: Any, words: str
) -> None:
    said = explain(error, doing)
    assert words in said
    assert "\n" not in said
    assert not said.endswith(".")


def test_an_error_of_dbus_itself_is_none_of_the_device() -> None:
    from dbus_fast.errors import AuthError, InternalError

    assert explain(AuthError("rejected"), "scan") == ble_faults.FORBIDDEN
    assert explain(InternalError("x"), "scan") == ble_faults.NO_ANSWER


@pytest.mark.parametrize("where", ["scan", "connect", "start_notify"])
@pytest.mark.parametrize(
    "error",
    [BleakError("odd"), EOFError(), asyncio.CancelledError(), KeyError("x"), AssertionError()],
    ids=lambda error: type(error).__name__,
)
def test_whatever_is_raised_comes_as_a_transport_error(
    world: World, where: str, error: BaseException
) -> None:
    async def main(air: Air) -> None:
        world.wrong[where] = raises(error)
        found = await air.refused()
        assert not isinstance(found, Awaited)
        world.wrong.clear()
        link = await _until_connected(air)
        await link.close()

    on(world, main)


async def _until_connected(air: Air, settings: BleSettings = STRAP) -> BleLink:
    """As a keeper does: again and again."""
    while True:
        air.world.advertise()
        try:
            return await air.connect(settings)
        except TransportError:
            await asyncio.sleep(0.01)


# --- urls and adapters ------------------------------------------------------------------------


def test_an_address_is_taken_in_any_case_with_or_without_adapter() -> None:
    assert address("ble://c0:26:da:01:02:03") == ("C0:26:DA:01:02:03", "")
    assert address("ble://C0:26:DA:01:02:03?adapter=hci1") == ("C0:26:DA:01:02:03", "hci1")
    mac = "7F4A3C2E-1B2D-4E5F-8A9B-0C1D2E3F4A5B"
    assert address(f"ble://{mac}") == (mac, "")


@pytest.mark.parametrize(
    "url",
    ["ble://", "ble://C0:26:DA", "ble://Nonin", f"{URL}/x", f"{URL}?adaptor=hci0", f"{URL}#x"],
)
def test_a_url_that_names_no_device_says_how_to_write_it(url: str, world: World) -> None:
    async def main(air: Air) -> None:
        assert "write it as ble://C0:26:DA:01:02:03" in str(await air.refused(url=url))

    on(world, main)


def test_a_driver_of_another_kind_is_refused(world: World) -> None:
    async def main(air: Air) -> None:
        assert "correct the driver" in str(await air.refused(SerialSettings()))

    on(world, main)


HCI0, HCI1 = Adapter("hci0", "00:1A:7D:DA:71:01", False), Adapter("hci1", "00:1A:7D:DA:71:02", True)


def test_the_adapter_is_the_named_one_or_the_first_that_is_on() -> None:
    assert choose([HCI0, HCI1], "").name == "hci1"
    assert choose([replace(HCI0, powered=True), HCI1], "").name == "hci0"
    assert choose([HCI0, HCI1], "00:1a:7d:da:71:02").name == "hci1"


@pytest.mark.parametrize(
    ("here", "wanted", "words"),
    [
        ([], "", "no Bluetooth adapter"),
        ([HCI0], "", "is off"),
        ([HCI0, HCI1], "hci0", "is off"),
        ([HCI0, HCI1], "hci7", "no Bluetooth adapter hci7: plug it in, or correct the url"),
        ([replace(HCI1, central=False)], "", "no Bluetooth adapter"),
    ],
)
def test_an_adapter_that_cannot_be_used_says_why(
    here: list[Adapter], wanted: str, words: str
) -> None:
    with pytest.raises(TransportError, match=words):
        choose(here, wanted)


# --- looking and connecting -------------------------------------------------------------------


def test_one_scan_and_one_connection_at_a_time(world: World) -> None:
    async def main(air: Air) -> None:
        urls = [f"ble://C0:00:00:00:00:0{n}" for n in range(1, 7)]
        waiting = [asyncio.create_task(air.connect(url=url)) for url in urls]
        await until(lambda: world.scanners)
        for n in range(1, 7):
            world.advertise(f"C0:00:00:00:00:0{n}")
        links = await asyncio.gather(*waiting)
        assert world.scans == 1
        assert world.most == 1
        assert len(world.clients) == len({id(client) for client in world.clients}) == 6
        for link in links:
            await link.close()

    on(world, main)


def test_the_scan_ends_when_nobody_is_looked_for_any_more(world: World) -> None:
    async def main(air: Air) -> None:
        link = await air.connect()
        await until(lambda: not world.scanners)
        assert world.calls.count("stop_scan") == 1
        await link.close()

    on(world, main)


def test_every_attempt_has_a_new_client_and_a_new_sighting(world: World) -> None:
    async def main(air: Air) -> None:
        link = await air.connect()
        world.advertises = False
        await link.close()
        missing = await air.refused()  # what was seen before the link ended does not count
        assert isinstance(missing, Awaited)
        again = await _until_connected(air)
        first, second = world.clients
        assert first is not second
        await again.close()

    on(world, main)


def test_a_device_that_is_not_there_is_awaited_as_a_fault(world: World) -> None:
    async def main(air: Air) -> None:
        world.advertises = False
        missing = await air.refused()
        assert isinstance(missing, Awaited)
        assert missing.fault
        assert "has not been seen for 0.4 s" in str(missing)

    on(world, main)


def test_a_cuff_that_is_not_there_is_awaited_without_a_fault(world: World) -> None:
    async def main(air: Air) -> None:
        world.advertises = False
        missing = await air.refused(CUFF)
        assert isinstance(missing, Awaited)
        assert (missing.fault, str(missing)) == (False, WAITS)

    on(world, main)


def test_a_cuff_that_could_not_be_connected_to_goes_on_to_say_so(world: World) -> None:
    async def main(air: Air) -> None:
        world.wrong["connect"] = raises(BleakDBusError("org.bluez.Error.AuthenticationFailed", []))
        await air.refused(CUFF)
        world.advertises = False
        assert "pairing mode" in str(await air.refused(CUFF))

    on(world, main)


def test_what_bluez_says_of_a_connection_is_no_sighting(world: World) -> None:
    async def main(air: Air) -> None:
        device: dict[str, Any] = {"Connected": False, "Paired": False}
        world.platform_data = ("/org/bluez/hci0/dev", device)
        link = await air.connect()
        waiting = asyncio.create_task(air.connect(url="ble://C0:00:00:00:00:02"))
        await asyncio.sleep(0)
        await link.close()
        shared = next(iter(air.transport._shared.values()))
        shared.seen.clear()
        world.platform_data = ("/org/bluez/hci0/dev", {**device, "Connected": True})
        world.advertise()
        world.platform_data = ("/org/bluez/hci0/dev", device)
        world.advertise()  # it has disconnected, which is a change of state again
        assert not shared.seen
        world.advertise()
        assert ADDRESS in shared.seen
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    on(world, main)


def test_a_device_that_the_system_is_connected_to_already_is_used(world: World) -> None:
    async def main(air: Air) -> None:
        world.advertises = False  # as it does while it is connected
        world.already = [BLEDevice(ADDRESS, "Fake", {})]
        link = await air.connect()
        await link.close()

    on(world, main, adapter_backend=world.adapter)


def test_a_connection_that_hangs_is_given_up_in_time(world: World) -> None:
    async def main(air: Air) -> None:
        world.wrong["connect"] = lambda: asyncio.sleep(60)
        begin_s = asyncio.get_running_loop().time()
        assert "takes no connection" in str(await air.refused())
        assert asyncio.get_running_loop().time() - begin_s < QUICK.connect_s + 0.5

    on(world, main)


# --- one link ---------------------------------------------------------------------------------


def test_a_chunk_has_its_source_in_full_and_is_stamped_by_the_clock(world: World) -> None:
    async def main(air: Air) -> None:
        link = await air.connect()
        await until(lambda: air.chunks)  # the battery, which is read
        assert air.chunks == [Chunk(b"\x57", air.clock.now_us(), BATTERY)]
        air.clock.advance(3)
        (client,) = world.clients
        client.told[HEART_RATE](bytearray(b"\x00\x48"))
        assert air.chunks[-1] == Chunk(b"\x00\x48", air.clock.now_us(), HEART_RATE)
        await link.close()
        client.told[HEART_RATE](bytearray(b"\x00\x49"))
        assert len(air.chunks) == 2, "no chunk comes after the close"

    on(world, main)


def test_a_cuff_is_read_before_it_may_tell_its_readings(world: World) -> None:
    async def main(air: Air) -> None:
        link = await air.connect(replace(CUFF, read=(BATTERY,)))
        assert world.calls.index("read") < world.calls.index("start_notify")
        await link.close()

    on(world, main)


def test_a_cuff_that_leaves_before_everything_was_asked_for_is_no_fault(world: World) -> None:
    async def main(air: Air) -> None:
        reading, battery = CUFF.notify[0], BATTERY

        def leaves() -> None:
            (client,) = world.clients
            if reading in client.told:
                client.told[reading](bytearray(b"reading"))
                client.drop()
                raise BleakError("Not connected")

        world.wrong["start_notify"] = leaves
        link = await air.connect(replace(CUFF, notify=(reading, battery)))
        assert [chunk.data for chunk in air.chunks] == [b"reading"]
        why = await link.lost()
        assert isinstance(why, Awaited)
        assert not why.fault
        await link.close()

    on(world, main)


def test_what_the_device_does_not_have_is_neither_subscribed_to_nor_read(world: World) -> None:
    async def main(air: Air) -> None:
        del world.characteristics[BATTERY]
        link = await air.connect()
        (client,) = world.clients
        assert set(client.told) == {HEART_RATE}
        assert "read" not in world.calls
        await link.close()

    on(world, main)


@pytest.mark.parametrize(
    ("properties", "response", "call"),
    [
        (["write-without-response"], False, "write"),
        (["write-without-response"], True, "write"),
        (["write"], False, "write+"),
        (["write", "write-without-response"], True, "write+"),
        (["write", "write-without-response"], False, "write"),
    ],
)
def test_writing_is_as_the_driver_says_if_the_device_can(
    world: World, properties: list[str], response: bool, call: str
) -> None:
    async def main(air: Air) -> None:
        world.characteristics[WRITER.write] = properties
        link = await air.connect(replace(WRITER, response=response))
        await link.write(b"?")
        assert world.calls[-1] == call
        await link.close()

    on(world, main)


def test_writing_is_cut_into_what_the_device_takes_at_once(world: World) -> None:
    async def main(air: Air) -> None:
        link = await air.connect(WRITER)
        data = bytes(range(50))
        await link.write(data)
        assert [len(piece) for piece in world.written] == [20, 20, 10]
        assert b"".join(world.written) == data
        world.max_write = 244
        world.written.clear()
        await link.write(data)
        assert world.written == [data]
        await link.close()

    on(world, main)


def test_a_write_that_hangs_or_fails_is_an_error_in_time(world: World) -> None:
    async def main(air: Air) -> None:
        link = await air.connect(WRITER)
        world.wrong["write"] = raises(BleakGATTProtocolError(0x80))
        with pytest.raises(TransportError, match="takes no command"):
            await link.write(b"?")
        (client,) = world.clients
        client.drop()
        with pytest.raises(TransportError, match="ended the connection"):
            await link.write(b"?")
        await link.close()

    on(world, main)


def test_encryption_that_is_demanded_is_met_once(world: World) -> None:
    async def main(air: Air) -> None:
        demands = [True]

        def notify() -> None:
            if demands[0]:
                raise BleakGATTProtocolError(0x05)

        world.wrong["start_notify"] = notify
        world.wrong["pair"] = lambda: demands.clear() or demands.append(False)
        link = await air.connect()
        assert world.calls.count("pair") == 1
        await link.close()

    on(world, main)


def test_a_device_that_is_paired_and_still_refuses_says_to_pair_it_anew(world: World) -> None:
    async def main(air: Air) -> None:
        world.wrong["start_notify"] = raises(BleakGATTProtocolError(0x0F))
        assert "remove the old pairing" in str(await air.refused())
        assert world.calls.count("pair") == 1

    on(world, main)


def test_a_device_that_must_be_paired_is_paired_first_and_else_tried_without(world: World) -> None:
    async def main(air: Air) -> None:
        bonded = replace(STRAP, bond=True)
        world.wrong["connect_and_pair"] = raises(
            BleakDBusError("org.bluez.Error.AuthenticationFailed", [])
        )
        assert "pairing mode" in str(await air.refused(bonded))
        link = await _until_connected(air, bonded)
        assert "connect" in world.calls
        await link.close()

    on(world, main)


def test_a_stream_that_stops_ends_the_link_though_the_battery_is_told(world: World) -> None:
    async def main(air: Air) -> None:
        link = await air.connect()
        (client,) = world.clients
        for _ in range(STREAM_COUNT):
            client.told[HEART_RATE](bytearray(b"\x00\x48"))
        lost = asyncio.create_task(link.lost())
        while not lost.done():
            client.told[BATTERY](bytearray(b"\x57"))
            await asyncio.sleep(0.02)
        assert "its values have stopped" in str(lost.result())
        await link.close()

    on(world, main)


def test_values_that_come_now_and_then_are_no_stream(world: World) -> None:
    async def main(air: Air) -> None:
        link = await air.connect()
        (client,) = world.clients
        lost = asyncio.create_task(link.lost())
        client.told[HEART_RATE](bytearray(b"\x00\x48"))
        await asyncio.sleep(2 * QUICK.stream_s)
        assert not lost.done()
        await link.close()
        await lost

    on(world, main)


def test_a_close_is_over_in_time_and_harmless_again(world: World) -> None:
    async def main(air: Air) -> None:
        link = await air.connect()
        world.wrong["disconnect"] = lambda: asyncio.sleep(60)
        begin_s = asyncio.get_running_loop().time()
        await link.close()
        assert asyncio.get_running_loop().time() - begin_s < QUICK.close_s + 0.5
        await link.close()

    on(world, main)


def test_the_signal_is_that_of_the_last_sighting(world: World) -> None:
    async def main(air: Air) -> None:
        link = await air.connect()
        assert link.signal() == -60
        await link.close()

    on(world, main)


def test_cancelling_a_keeper_that_waits_leaves_nothing_behind(world: World) -> None:
    async def main(air: Air) -> None:
        world.advertises = False
        waiting = asyncio.create_task(air.connect())
        await until(lambda: world.scanners)
        waiting.cancel()
        await asyncio.wait([waiting])
        await until(lambda: not world.scanners)

    on(world, main)
