"""What can go wrong with a simulated Bluetooth device, as bleak sees it on both stacks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from bleak.exc import BleakError
from bumble.att import ErrorCode

from devices.gatt import BATTERY, HEART_RATE, OXIMETER_STREAM
from tests.ble.conftest import Stack
from tests.ble.wards import Heard
from tests.loop import run, until


def test_out_of_range_is_silence_until_the_supervision_timeout(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            strap, heard, left = await ble.device("ble-heart-rate"), Heard(), asyncio.Event()
            found = await ble.find(strap.address)
            client = ble.client(found, disconnected_callback=lambda _: left.set())
            await client.connect()
            await client.start_notify(HEART_RATE, heard)
            strap.peripheral.fade()
            await strap.peripheral.send(HEART_RATE, b"lost")
            reading = asyncio.ensure_future(client.read_gatt_char(BATTERY))
            requests = strap.peripheral.requests
            await asyncio.wait((reading,), timeout=0.1)
            assert (client.is_connected, reading.done(), heard.data) == (True, False, [])
            assert strap.peripheral.requests == requests

            strap.peripheral.time_out()
            with pytest.raises(BleakError):
                await asyncio.wait_for(reading, 5)
            await asyncio.wait_for(left.wait(), 5)
            assert not client.is_connected
            assert not strap.peripheral.connected
            await client.disconnect()

            with pytest.raises(TimeoutError):
                await ble.client(found, timeout=0.2).connect()
            strap.peripheral.come_back()
            async with ble.client(await ble.find(strap.address)) as client:
                assert client.is_connected

    run(main())


def test_an_attempt_that_is_given_up_does_not_spoil_the_next(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            strap = await ble.device("ble-heart-rate")
            found = await ble.find(strap.address)
            strap.peripheral.fade()
            for _ in range(3):
                attempt = asyncio.ensure_future(ble.client(found).connect())
                await until(lambda: ble.adapter.connecting)
                attempt.cancel()
                await asyncio.gather(attempt, return_exceptions=True)
                await until(lambda: not ble.adapter.connecting)
            strap.peripheral.come_back()
            async with ble.client(found) as client:
                assert client.is_connected

    run(main())


def test_a_slow_device_is_discovered_slowly(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            strap = await ble.device("ble-heart-rate")
            found = await ble.find(strap.address)
            strap.peripheral.answer_after_s = 0.01
            start_s = asyncio.get_running_loop().time()
            async with ble.client(found):
                took_s = asyncio.get_running_loop().time() - start_s
                assert took_s > 0.01 * strap.peripheral.requests > 0.1

    run(main())


def test_a_discovery_that_hangs_is_given_up_and_the_link_ended(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            strap = await ble.device("ble-heart-rate")
            found = await ble.find(strap.address)
            strap.peripheral.mute = True
            with pytest.raises(TimeoutError):
                await ble.client(found, timeout=0.3).connect()
            await until(lambda: not strap.peripheral.connected)
            strap.peripheral.mute = False
            async with ble.client(await ble.find(strap.address)) as client:
                assert client.is_connected

    run(main())


@pytest.mark.parametrize("number", [1, 2, 7])
def test_a_device_that_leaves_during_discovery_is_an_error(number: int, stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            strap = await ble.device("ble-heart-rate")
            found = await ble.find(strap.address)
            strap.peripheral.drop_at_request = number
            with pytest.raises(BleakError):
                await ble.client(found).connect()
            strap.peripheral.drop_at_request = 0
            async with ble.client(await ble.find(strap.address)) as client:
                assert client.is_connected

    run(main())


def test_payloads_of_any_size_are_delivered_as_they_are(stack: Stack) -> None:
    sizes = (0, 1, 3, 20, 244, 300)
    sent = [bytes(range(256)) * 2 for _ in sizes]

    async def main() -> None:
        async with stack as ble:
            oximeter, heard = await ble.device("ble-plx"), Heard()
            async with ble.client(await ble.find(oximeter.address)) as client:
                await client.start_notify(OXIMETER_STREAM, heard)
                for payload, size in zip(sent, sizes, strict=True):
                    await oximeter.peripheral.send(OXIMETER_STREAM, payload[:size])
                await until(lambda: len(heard.data) == len(sizes))
                room = oximeter.peripheral.payload_bytes
                assert room == 244
            assert [len(data) for data in heard.data] == [min(size, room) for size in sizes]
            assert all(
                payload.startswith(data) for payload, data in zip(sent, heard.data, strict=True)
            )

    run(main())


async def refused(asked: Iterable[object]) -> None:
    for one in asked:
        with pytest.raises(BleakError):
            await one


def test_a_device_may_refuse_to_be_read_or_subscribed_to(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            strap, heard = await ble.device("ble-heart-rate"), Heard()
            async with ble.client(await ble.find(strap.address)) as client:
                errors = strap.peripheral.errors
                for code in (ErrorCode.UNLIKELY_ERROR, ErrorCode.INSUFFICIENT_AUTHENTICATION):
                    errors |= {BATTERY: code, HEART_RATE: code}
                    await refused([client.read_gatt_char(BATTERY)])
                    await refused([client.start_notify(HEART_RATE, heard)])
                    assert client.is_connected
                errors.clear()
                assert bytes(await client.read_gatt_char(BATTERY)) == b"\x57"
                await client.start_notify(HEART_RATE, heard)
                await strap.peripheral.send(HEART_RATE, b"x")
                await until(lambda: heard.data)

    run(main())


def test_a_characteristic_may_want_encryption(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            strap = await ble.device("ble-heart-rate")
            strap.peripheral.require_encryption(BATTERY)
            async with ble.client(await ble.find(strap.address)) as client:
                await client.start_notify(HEART_RATE, Heard())
                await refused([client.read_gatt_char(BATTERY)])
                await client.pair()
                assert bytes(await client.read_gatt_char(BATTERY)) == b"\x57"

    run(main())


def test_a_device_that_forgot_its_bond_leaves_and_pairs_anew(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            strap = await ble.device("ble-heart-rate")
            strap.peripheral.require_encryption(BATTERY)
            found = await ble.find(strap.address)
            async with ble.client(found, pair=True) as client:
                await client.read_gatt_char(BATTERY)
            await until(lambda: not strap.peripheral.connected)
            await strap.peripheral.forget_bonds()
            with pytest.raises((BleakError, TimeoutError)):
                await ble.client(found, timeout=2.0).connect()
            await ble.client(found).unpair()
            async with ble.client(await ble.find(strap.address), pair=True) as client:
                assert bytes(await client.read_gatt_char(BATTERY)) == b"\x57"

    run(main())


def test_a_zombie_is_connected_and_says_nothing(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            strap = await ble.device("ble-heart-rate")
            async with ble.client(await ble.find(strap.address)) as client:
                strap.peripheral.mute = True
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(client.read_gatt_char(BATTERY), 0.2)
                assert client.is_connected

    run(main())


def test_an_adapter_that_is_switched_off_ends_links_and_finds_nobody(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            strap, left = await ble.device("ble-heart-rate"), asyncio.Event()
            found = await ble.find(strap.address)
            client = ble.client(found, disconnected_callback=lambda _: left.set())
            await client.connect()
            await ble.power(False)
            await asyncio.wait_for(left.wait(), 5)
            await client.disconnect()
            with pytest.raises(BleakError):
                await ble.scan(lambda device, advertised: None).start()
            with pytest.raises(BleakError):
                await ble.client(found).connect()
            await ble.power(True)
            async with ble.client(await ble.find(strap.address)) as client:
                assert client.is_connected

    run(main())


def test_six_devices_at_once_are_heard_apart(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            straps = [await ble.device("ble-heart-rate") for _ in range(6)]
            clients = [ble.client(await ble.find(strap.address)) for strap in straps]
            ears = [Heard() for _ in straps]
            for client, ear in zip(clients, ears, strict=True):
                await client.connect()
                await client.start_notify(HEART_RATE, ear)
            for i, strap in enumerate(straps):
                await strap.peripheral.send(HEART_RATE, bytes([i]))
            await until(lambda: all(ear.data for ear in ears))
            assert [ear.data for ear in ears] == [[bytes([i])] for i in range(6)]
            await straps[2].peripheral.drop()
            await until(lambda: not clients[2].is_connected)
            assert [client.is_connected for client in clients].count(True) == 5
            for client in clients:
                await client.disconnect()

    run(main())
