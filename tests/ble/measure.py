"""Measures simulated Bluetooth on both stacks: `python -m tests.ble.measure`.

Connecting and discovering, 30 times; two hours of an oximeter at two packets a second, as fast as
they go, and what memory they cost. Nothing here is timed by a test: machines differ.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from contextlib import ExitStack

import psutil
from bleak.backends.characteristic import BleakGATTCharacteristic

from devices.gatt import OXIMETER_STREAM
from simulators.ble.bluez_bus import private_bus
from simulators.ble.device import BleDevice
from simulators.ble.radio import Radio
from tests.ble.conftest import Ble, Stack
from tests.loop import until

CONNECTIONS = 30
WARM_UP, PACKETS = 2000, 14_400
BATCH = 50
PAYLOAD = bytes(19)


async def connecting(ble: Ble, device: BleDevice) -> str:
    took_s = []
    for _ in range(CONNECTIONS):
        found = await ble.find(device.address)
        start_s = time.perf_counter()
        async with ble.client(found):
            took_s.append(time.perf_counter() - start_s)
        await until(lambda: not device.peripheral.connected)
    worst_ms = max(took_s) * 1000
    return f"connect + discover {statistics.median(took_s) * 1000:.0f} ms, worst {worst_ms:.0f} ms"


async def streaming(ble: Ble, device: BleDevice) -> str:
    heard = 0

    def told(_: BleakGATTCharacteristic, data: bytearray) -> None:
        nonlocal heard
        heard += len(data) == len(PAYLOAD)

    async def send(count: int) -> None:
        nonlocal heard
        heard = 0
        for sent in range(1, count + 1):
            await device.peripheral.send(OXIMETER_STREAM, PAYLOAD)
            if sent % BATCH == 0:
                while heard < sent:  # noqa: ASYNC110 an event would cost what is measured
                    await asyncio.sleep(0)

    async with ble.client(await ble.find(device.address)) as client:
        await client.start_notify(OXIMETER_STREAM, told)
        await send(WARM_UP)
        gc.collect()
        before, start_s = psutil.Process().memory_info().rss, time.perf_counter()
        async with asyncio.timeout(120):
            await send(PACKETS)
        took_s = time.perf_counter() - start_s
        gc.collect()
        grown_mb = (psutil.Process().memory_info().rss - before) / 1e6
    rate = PACKETS / took_s
    return f"{heard} of {PACKETS} packets in {took_s:.1f} s ({rate:.0f}/s), {grown_mb:+.1f} MB"


async def measure(name: str, bus_address: str | None) -> None:
    async with Stack(Radio(), bus_address) as ble:
        device = await ble.device("ble-plx")
        print(f"{name}: {await connecting(ble, device)}")  # noqa: T201
        print(f"{name}: {await streaming(ble, device)}")  # noqa: T201


if __name__ == "__main__":
    asyncio.run(measure("in process", None))
    with ExitStack() as stack:
        asyncio.run(measure("BlueZ", stack.enter_context(private_bus())))
