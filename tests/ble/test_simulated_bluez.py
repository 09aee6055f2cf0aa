"""The stand-in for BlueZ: what bleak's own code makes of the errors that BlueZ is known for."""

from __future__ import annotations

import asyncio

import pytest
from bleak.exc import BleakDBusError, BleakDeviceNotFoundError, BleakError

from devices.gatt import BATTERY, HEART_RATE
from simulators.ble.bluez import DEVICE
from simulators.ble.bluez_gatt import CHARACTERISTIC
from tests.ble.conftest import Stack
from tests.ble.wards import Heard
from tests.loop import run, until


def test_bleak_retries_an_aborted_connection_by_itself(on_bluez: Stack) -> None:
    async def main() -> None:
        async with on_bluez as ble:
            strap = await ble.device("ble-heart-rate")
            ble.bluez.fail("Connect", "Failed", "le-connection-abort-by-local", times=2)
            async with ble.client(await ble.find(strap.address)) as client:
                assert client.is_connected
            assert list(ble.bluez.calls).count("Connect") == 3

    run(main())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Failed", "br-connection-canceled"),
        ("InProgress", "Operation already in progress"),
        ("NotReady", "Resource Not Ready"),
    ],
)
def test_other_errors_of_bluez_come_through(name: str, words: str, on_bluez: Stack) -> None:
    async def main() -> None:
        async with on_bluez as ble:
            strap = await ble.device("ble-heart-rate")
            found = await ble.find(strap.address)
            ble.bluez.fail("Connect", name, words)
            with pytest.raises(BleakDBusError, match=words) as failed:
                await ble.client(found).connect()
            assert failed.value.dbus_error == f"org.bluez.Error.{name}"
            async with ble.client(found) as client:
                assert client.is_connected

    run(main())


def test_a_second_connection_attempt_is_refused_while_one_is_going_on(on_bluez: Stack) -> None:
    async def main() -> None:
        async with on_bluez as ble:
            far, near = await ble.device("ble-heart-rate"), await ble.device("ble-plx")
            one, other = await ble.find(far.address), await ble.find(near.address)
            far.peripheral.fade()
            attempt = asyncio.ensure_future(ble.client(one).connect())
            await until(lambda: ble.adapter.connecting)
            with pytest.raises(BleakDBusError, match="InProgress"):
                await ble.client(other).connect()
            attempt.cancel()
            await asyncio.gather(attempt, return_exceptions=True)

    run(main())


def test_a_device_that_bluez_has_forgotten_must_be_found_again(on_bluez: Stack) -> None:
    async def main() -> None:
        async with on_bluez as ble:
            strap, left = await ble.device("ble-heart-rate"), asyncio.Event()
            found = await ble.find(strap.address)
            client = ble.client(found, disconnected_callback=lambda _: left.set())
            await client.connect()
            await ble.bluez.remove(strap.address)
            await asyncio.wait_for(left.wait(), 5)
            await client.disconnect()
            with pytest.raises((BleakDeviceNotFoundError, BleakError), match="not found"):
                await ble.client(found).connect()
            async with ble.client(await ble.find(strap.address)) as again:
                assert again.is_connected

    run(main())


def test_services_that_are_never_resolved_end_in_a_timeout(on_bluez: Stack) -> None:
    async def main() -> None:
        async with on_bluez as ble:
            strap = await ble.device("ble-heart-rate")
            found = await ble.find(strap.address)
            ble.bluez.resolve = False
            with pytest.raises(TimeoutError):
                await ble.client(found, timeout=0.3).connect()
            await until(lambda: not strap.peripheral.connected)

    run(main())


def test_a_call_that_is_never_answered_hangs_until_its_caller_gives_up(on_bluez: Stack) -> None:
    async def main() -> None:
        async with on_bluez as ble:
            strap = await ble.device("ble-heart-rate")
            client = ble.client(await ble.find(strap.address))
            await client.connect()
            ble.bluez.silent.add("Disconnect")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.disconnect(), 0.2)
            assert strap.peripheral.connected
            ble.bluez.silent.clear()

    run(main())


def test_a_scan_that_is_refused_is_an_error(on_bluez: Stack) -> None:
    async def main() -> None:
        async with on_bluez as ble:
            await ble.device("ble-heart-rate")
            ble.bluez.fail("StartDiscovery", "InProgress", "Operation already in progress")
            with pytest.raises(BleakDBusError, match="InProgress"):
                await ble.scan(lambda device, advertised: None).start()

    run(main())


def test_an_unpaired_device_is_refused_with_bluez_own_words(on_bluez: Stack) -> None:
    async def main() -> None:
        async with on_bluez as ble:
            cuff = await ble.device("ble-blood-pressure")
            await ble.advance(0.1)
            async with ble.client(await ble.find(cuff.address)) as client:
                with pytest.raises(BleakDBusError, match="Not paired") as failed:
                    await client.read_gatt_char(BATTERY)
            assert failed.value.dbus_error == "org.bluez.Error.NotPermitted"

    run(main())


def test_the_objects_of_a_device_have_the_paths_and_properties_of_bluez(on_bluez: Stack) -> None:
    async def main() -> None:
        async with on_bluez as ble:
            strap = await ble.device("ble-heart-rate")
            path = f"/org/bluez/hci0/dev_{strap.address.replace(':', '_')}"
            async with ble.client(await ble.find(strap.address)) as client:
                await client.start_notify(HEART_RATE, Heard())
                tree = ble.bluez.tree
                assert tree[path][DEVICE]["Connected"].value is True
                assert tree[path][DEVICE]["ServicesResolved"].value is True
                found = {
                    at: shown[CHARACTERISTIC]
                    for at, shown in tree.items()
                    if CHARACTERISTIC in shown
                }
                (at,) = [at for at, shown in found.items() if shown["UUID"].value == HEART_RATE]
                assert at.startswith(f"{path}/service00")
                assert found[at]["Flags"].value == ["notify"]
                assert found[at]["Notifying"].value is True
            await until(lambda: not ble.bluez.tree[path][DEVICE]["Connected"].value)
            assert ble.bluez.tree[path][DEVICE]["ServicesResolved"].value is False

    run(main())
