"""Simulated Bluetooth devices as bleak sees them: found, connected to, heard, read, paired."""

from __future__ import annotations

import asyncio

import pytest
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakError

from devices import registry
from devices.gatt import (
    BATTERY,
    BLOOD_PRESSURE,
    HEART_RATE,
    HEART_RATE_SERVICE,
    OXIMETER_SERVICE,
    OXIMETER_STREAM,
)
from simulators.ble.gatt import profile
from tests.ble.conftest import Stack
from tests.ble.wards import Heard, polled
from tests.loop import run, until

BLE_DRIVERS = [name for name in registry.names() if registry.get(name).transport == "ble"]


@pytest.mark.parametrize("name", BLE_DRIVERS)
def test_a_device_shows_what_its_driver_looks_for(name: str) -> None:
    shown, settings = profile(registry.get(name)), registry.get(name).settings
    names = [match[5:] for match in settings.match if match.startswith("name:")]
    assert any(shown.name.startswith(prefix) for prefix in names) or set(shown.advertised) & set(
        settings.match
    )
    can = {c.uuid: c.can for found in shown.services.values() for c in found}
    for uuid in settings.notify:
        assert can[uuid] & {"notify", "indicate"}
    if settings.write:
        assert can[settings.write] >= {"write" if settings.response else "write-without-response"}


def test_the_scan_tells_name_and_services(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            oximeter, strap = await ble.device("ble-plx"), await ble.device("ble-heart-rate")
            seen: dict[str, AdvertisementData] = {}

            def heard(device: BLEDevice, advertised: AdvertisementData) -> None:
                seen[device.address] = advertised

            async with ble.scan(heard):
                await until(lambda: {oximeter.address, strap.address} <= set(seen))
            assert seen[oximeter.address].service_uuids == [OXIMETER_SERVICE]
            assert seen[strap.address].service_uuids == [HEART_RATE_SERVICE]
            assert seen[strap.address].local_name == "ble-heart-rate"

    run(main())


def test_a_scan_for_a_service_tells_of_nothing_else(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            await ble.device("ble-plx")
            strap = await ble.device("ble-heart-rate")
            seen: list[str] = []

            def heard(device: BLEDevice, advertised: AdvertisementData) -> None:
                seen.append(device.address)

            async with ble.scan(heard, service_uuids=[HEART_RATE_SERVICE]):
                await until(lambda: len(seen) > 3)
            assert set(seen) == {strap.address}

    run(main())


def test_a_stream_is_heard_in_order(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            oximeter, heard = await ble.device("ble-plx"), Heard()
            async with ble.client(await ble.find(oximeter.address)) as client:
                await client.start_notify(OXIMETER_STREAM, heard)
                for i in range(50):
                    await oximeter.peripheral.send(OXIMETER_STREAM, bytes([i]))
                await until(lambda: len(heard.data) == 50)
                assert oximeter.peripheral.confirmed == 0
            assert heard.data == [bytes([i]) for i in range(50)]
            await until(lambda: not oximeter.peripheral.connected)

    run(main())


def test_nothing_is_sent_before_somebody_has_subscribed_or_after_he_is_gone(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            strap, heard = await ble.device("ble-heart-rate"), Heard()
            async with ble.client(await ble.find(strap.address)) as client:
                assert not await strap.peripheral.send(HEART_RATE, b"early")
                await client.start_notify(HEART_RATE, heard)
                assert await strap.peripheral.send(HEART_RATE, b"heard")
                await until(lambda: heard.data)
                await client.stop_notify(HEART_RATE)
                assert not await strap.peripheral.send(HEART_RATE, b"late")
            assert not await strap.peripheral.send(HEART_RATE, b"gone")
            assert heard.data == [b"heard"]

    run(main())


def test_the_same_client_connects_again_to_a_device_that_left(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            strap, left = await ble.device("ble-heart-rate"), asyncio.Event()
            found = await ble.find(strap.address)
            client = ble.client(found, disconnected_callback=lambda _: left.set())
            await client.connect()
            await strap.peripheral.drop()
            await asyncio.wait_for(left.wait(), 5)
            assert not client.is_connected
            with pytest.raises(BleakError):
                await client.read_gatt_char(BATTERY)
            await client.disconnect()  # with BlueZ, only this closes its D-Bus connection
            await client.connect()
            assert bytes(await client.read_gatt_char(BATTERY)) == b"\x57"
            await client.disconnect()

    run(main())


def test_what_is_written_reaches_the_device_and_is_answered(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            driver = polled()
            device, heard = await ble.device(driver), Heard()
            async with ble.client(await ble.find(device.address)) as client:
                await client.start_notify(driver.settings.notify[0], heard)
                written = client.services.get_characteristic(driver.settings.write)
                assert written.properties == ["write-without-response"]
                await client.write_gatt_char(written, b"?", response=False)
                await until(lambda: device.peripheral.written)
                await ble.advance(0.1)
                await until(lambda: b"".join(heard.data) == b"97 %, and so on to 30 bytes...")
                assert [len(piece) for piece in heard.data] == [20, 10]

    run(main())


def test_a_cuff_gives_nothing_before_it_is_paired_and_keeps_the_bond(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            cuff = await ble.device("ble-blood-pressure", linger_s=60.0)
            await ble.advance(0.1)
            found = await ble.find(cuff.address)
            async with ble.client(found) as client:
                with pytest.raises(BleakError):
                    await client.read_gatt_char(BATTERY)
                assert not cuff.peripheral.encrypted
                await client.pair()
                assert cuff.peripheral.encrypted
                assert bytes(await client.read_gatt_char(BATTERY)) == b"\x57"
            await until(lambda: not cuff.peripheral.connected)
            async with ble.client(found) as client:
                assert bytes(await client.read_gatt_char(BATTERY)) == b"\x57"
                assert cuff.peripheral.encrypted

    run(main())


def test_a_cuff_comes_by_with_a_reading_has_it_confirmed_and_leaves(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            cuff, heard, left = await ble.device("ble-blood-pressure"), Heard(), asyncio.Event()
            seen: list[str] = []
            async with ble.scan(lambda device, _: seen.append(device.address)):
                strap = await ble.device("ble-heart-rate")
                await until(lambda: seen.count(strap.address) > 3)
                assert cuff.address not in seen
                await ble.advance(0.1)
                await until(lambda: cuff.address in seen)
            client = ble.client(
                await ble.find(cuff.address),
                pair=True,
                disconnected_callback=lambda _: left.set(),
            )
            await client.connect()
            await client.start_notify(BLOOD_PRESSURE, heard)
            await until(lambda: heard.data)
            await asyncio.wait_for(left.wait(), 5)
            await client.disconnect()
            (sent,) = cuff.monitor.driver.encode(
                {
                    channel: ble.patient.value(channel)
                    for channel in ("nibp_sys", "nibp_dia", "nibp_map", "pr")
                },
                (),
            )
            assert heard.data == [sent[1]]
            assert cuff.peripheral.confirmed == 1
            seen.clear()
            async with ble.scan(lambda device, _: seen.append(device.address)):
                await until(lambda: seen.count(strap.address) > 3)
            assert cuff.address not in seen

    run(main())


def test_a_reading_that_was_not_confirmed_is_told_again(stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            cuff, heard = await ble.device("ble-blood-pressure"), Heard()
            await ble.advance(0.1)
            found = await ble.find(cuff.address)
            client = ble.client(found, pair=True)
            await client.connect()
            cuff.peripheral.mute = True  # it goes before anybody can subscribe
            await cuff.peripheral.drop()
            await until(lambda: not client.is_connected)
            await client.disconnect()
            cuff.peripheral.mute = False
            async with ble.client(await ble.find(cuff.address), pair=True) as client:
                await client.start_notify(BLOOD_PRESSURE, heard)
                await until(lambda: heard.data and not cuff.untold)
            assert len(heard.data) == 1

    run(main())


@pytest.mark.parametrize("name", BLE_DRIVERS)
def test_what_the_patient_has_is_what_the_decoder_reads(name: str, stack: Stack) -> None:
    async def main() -> None:
        async with stack as ble:
            device = await ble.device(name, linger_s=60.0)
            driver = device.monitor.driver
            heard = Heard(driver, ble.patient)
            ble.patient.advance(30.0)
            await ble.advance(0.1)
            async with ble.client(
                await ble.find(device.address), pair=driver.settings.bond
            ) as client:
                for uuid in driver.settings.notify:
                    await client.start_notify(uuid, heard.of(uuid))
                async with asyncio.timeout(20):
                    while not heard.values() >= set(driver.channels) & {"spo2", "pr", "hr"}:
                        if request := heard.decoder.due(heard.now_us()):
                            await client.write_gatt_char(driver.settings.write, request)
                            await until(lambda: device.peripheral.written)
                        await ble.advance(0.25)
                        await until(lambda: heard.count == device.peripheral.sent)
            assert heard.decoder.rejected == 0
            for channel in heard.values() - {"cuff"}:
                true = ble.patient.value(channel)
                assert heard.value(channel) == pytest.approx(true, abs=3)

    run(main())
