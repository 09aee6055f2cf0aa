"""`python -m tests.bench.ble`: six straps on one adapter whose links break, in real time.

Each strap sends once a second and is kept by a keeper with the limits of a clinic. It is switched
off and on, carried out of range and back, leaves in the middle of discovery, is slow, or becomes a
zombie that stays connected and says nothing. Measured on both simulated stacks: how soon the
station says that it hears nothing, whether a value came that nobody had sent, and how soon after
the device's return there is a value. Told as a table; exit code 1 when a limit is not kept.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import random
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from devices.keeper import BACK_OFF_S, Keeper
from devices.transports.ble import BleTransport
from simulators.ble.bluez_bus import private_bus
from simulators.ble.device import BleDevice
from simulators.ble.radio import Radio
from tests.ble.conftest import Ble, Stack
from vitals.clock import Clock
from vitals.freshness import freshness
from vitals.model import US, Numeric

DRIVER = "ble-heart-rate"
STRAPS = 6
SUPERVISION_S = 5.0
"""After this a connection whose other end is out of range has ended on both sides."""
BLANK_S, BACK_S, ZOMBIE_S = 5.0, 5.0, 10.0
KINDS = ("switched off", "out of range", "gone in discovery", "slow", "zombie")


@dataclass
class Strap:
    """One strap, its keeper, and what was said."""

    device: BleDevice
    keeper: Keeper
    clock: Clock
    numerics: list[Numeric] = field(default_factory=list)
    links: list[tuple[float, str]] = field(default_factory=list)
    mute: bool = False

    @property
    def streams(self) -> bool:
        return bool(self.links) and self.links[-1][1] == "streaming"


@dataclass(frozen=True)
class Outage:
    """How one went; seconds. `blank_s`: age of the last value at which the page shows "--"."""

    kind: str
    told_s: float
    back_s: float
    blank_s: float
    invented: int


async def main(outages: int, seed: int, address: str | None) -> list[Outage]:
    """Runs them on one stack."""
    rng = random.Random(seed)  # noqa: S311 no secret
    found: list[Outage] = []
    queue = [KINDS[i % len(KINDS)] for i in range(outages)]
    async with Stack(Radio(), address) as ble, straps(ble) as worn:

        async def breaks(strap: Strap) -> None:
            while queue:
                await until(lambda: strap.streams)
                await asyncio.sleep(rng.uniform(1.0, 5.0))
                if queue:
                    found.append(await outage(strap, queue.pop(), rng))
                    print(".", end="", flush=True, file=sys.stderr)  # noqa: T201

        await asyncio.gather(*(breaks(strap) for strap in worn))
    print(file=sys.stderr)  # noqa: T201
    return found


@contextlib.asynccontextmanager
async def straps(ble: Ble) -> AsyncIterator[list[Strap]]:
    """Straps that are worn and kept."""
    transport = BleTransport(ble.scanner, ble.backend)
    worn, tasks = [], []
    for number in range(STRAPS):
        device = await ble.device(DRIVER, interval_ms=200.0)
        clock = Clock.anchored_now()
        numerics: list[Numeric] = []
        links: list[tuple[float, str]] = []
        keeper = Keeper(
            f"strap-{number}",
            device.monitor.driver,
            f"ble://{device.address}",
            clock,
            lambda events, into=numerics: into.extend(e for e in events if isinstance(e, Numeric)),
            lambda link, into=links: into.append((time.monotonic(), link.state)),
            transport.connect,
            back_off_s=BACK_OFF_S,
        )
        worn.append(Strap(device, keeper, clock, numerics, links))
        tasks += [asyncio.create_task(keeper.run()), asyncio.create_task(live(worn[-1], number))]
    tasks.append(asyncio.create_task(age(ble)))
    try:
        yield worn
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await transport.close()


async def age(ble: Ble) -> None:
    while True:
        ble.patient.advance(1.0)
        await asyncio.sleep(1.0)


async def live(strap: Strap, number: int) -> None:
    """Sends once a second, each strap at a moment of its own."""
    await asyncio.sleep(number / STRAPS)
    while True:
        if not strap.mute:
            await strap.device.advance(1.0)
        await asyncio.sleep(1.0)


async def outage(strap: Strap, kind: str, rng: random.Random) -> Outage:
    """Breaks a link, and waits until it is mended."""
    radio = strap.device.peripheral
    known, told = len(strap.numerics), len(strap.links)
    begin_s, begin_us = time.monotonic(), strap.clock.now_us()
    if kind == "switched off":
        await radio.hide()
        await radio.drop()
        await asyncio.sleep(rng.uniform(0.5, 12.0))
        await radio.advertise()
    elif kind == "out of range":
        radio.fade()
        away_s = rng.uniform(1.0, 15.0)
        await asyncio.sleep(min(away_s, SUPERVISION_S))
        if away_s > SUPERVISION_S:
            radio.time_out()
            await asyncio.sleep(away_s - SUPERVISION_S)
        radio.come_back()
    elif kind == "gone in discovery":
        radio.drop_at_request = 4
        await radio.drop()
        await until(lambda: radio.requests >= 4)
        radio.drop_at_request = 0
    elif kind == "slow":
        radio.answer_after_s = 0.05
        await radio.drop()
    else:
        strap.mute = radio.mute = True
        await until(lambda: not radio.connected)
        strap.mute = radio.mute = False
    back_s, back_us = time.monotonic(), strap.clock.now_us()
    await until(lambda: strap.numerics and strap.numerics[-1].at_us > back_us)
    radio.answer_after_s = 0.0
    value_s = time.monotonic()
    said_s = next((s for s, state in strap.links[told:] if state != "streaming"), begin_s)
    last = strap.numerics[known - 1]
    period_s = strap.device.monitor.driver.period_s
    invented = [one for one in strap.numerics[known:] if begin_us + US // 4 < one.at_us < back_us]
    return Outage(
        kind,
        said_s - begin_s,
        value_s - back_s,
        freshness(last, period_s, ())[1] or 0.0,
        0 if kind == "gone in discovery" else len(invented),
    )


async def until(condition: object, limit_s: float = 60.0) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():  # type: ignore[operator]  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def table(name: str, found: list[Outage]) -> bool:
    """Prints how it went; whether all limits were kept."""
    print(f"\n{name}: {len(found)} outages of {STRAPS} straps on one adapter")  # noqa: T201
    print("  outage             number  told after s   back after s        invented  kept")  # noqa: T201
    good = True
    for kind in KINDS:
        those = [one for one in found if one.kind == kind]
        if not those:
            continue
        told = [one.told_s for one in those]
        back = sorted(one.back_s for one in those)
        limit_s = ZOMBIE_S if kind == "zombie" else 10.0 + SUPERVISION_S
        kept = [
            one
            for one in those
            if one.back_s <= BACK_S
            and one.blank_s <= BLANK_S
            and one.told_s <= limit_s
            and not one.invented
        ]
        good = good and len(kept) == len(those)
        print(  # noqa: T201
            f"  {kind:<18} {len(those):>6}  {max(told):>10.1f}     "
            f"median {back[len(back) // 2]:.1f}, worst {back[-1]:.1f}  "
            f"{sum(one.invented for one in those):>6}    {len(kept)} of {len(those)}"
        )
    return good


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--outages", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stack", choices=("in-process", "bluez", "both"), default="both")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    kept = True
    if asked.stack != "bluez":
        kept = table("in-process", asyncio.run(main(asked.outages, asked.seed, None)))
    if asked.stack != "in-process":
        with private_bus() as bus:
            found = asyncio.run(main(asked.outages, asked.seed, bus))
        kept = table("bleak's BlueZ code on a private D-Bus", found) and kept
    sys.exit(not kept)
