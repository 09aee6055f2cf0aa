"""Many pages' worth of readers of `/live`, in a process of their own."""

from __future__ import annotations

import asyncio
import os
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException


async def read(port: int, room: str) -> None:
    """Reads and forgets, as a page that shows one pleth."""
    url = f"ws://127.0.0.1:{port}/live?waves={room}"
    while True:
        try:
            async with connect(url, origin=f"http://127.0.0.1:{port}") as ws:  # type: ignore[arg-type]
                async for _ in ws:
                    pass
        except (OSError, WebSocketException):
            await asyncio.sleep(0.5)


async def main(port: int, clients: int, rooms: int, seconds: float) -> None:
    """Stops by itself after `seconds`."""
    readers = [read(port, f"room-{n % rooms + 1}") for n in range(clients)]
    try:
        async with asyncio.timeout(seconds):
            await asyncio.gather(*readers)
    except TimeoutError:
        return


if __name__ == "__main__":
    os.nice(15)  # in a clinic these are other computers
    numbers = [float(text) for text in sys.argv[1:]]
    asyncio.run(main(int(numbers[0]), int(numbers[1]), int(numbers[2]), numbers[3]))
