"""Row 2: bytes that mean nothing.

Made: 10^7 random bytes through every decoder, and 2 * 10^5 of a simulated stream on a line with a
fault six times a second (tests/bench/fuzz.py; a two-hundredth in a test); 500 random bytes before
good frames; and a live port that sends nothing but noise.

Bar: no exception, no value outside its hard limits given as usable, at most two good frames lost
before it is in step again, and the page names the device that cannot be understood.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from devices import registry
from devices.conversation import NOT_UNDERSTOOD
from devices.driver import Chunk, Driver, Event
from simulators.bedside import Bedside
from simulators.endpoints import PtyEndpoint
from simulators.patient import Patient
from tests.bench.fuzz import BYTES, DAMAGED, Fuzzed, damaged_bytes, fuzz, random_bytes
from tests.e2e.wards import Noise
from tests.faults.reached import Fault, Number, Result, logged
from tests.faults.wards import station
from tests.loop import run, until
from vitals.model import US, Numeric

SHORT = 50_000
LIMIT_S = 10.0
"""Of one core, for the 10^7 bytes of one driver."""
RESYNCS = 20
MOST_FRAMES = 2


def resync(driver: Driver) -> int:
    """The last good frame after noise that was still refused or gave a wrong value, at worst.

    A frame is what the device sends at a time: a line, a packet, a notification.
    """
    values = {"spo2": 97.0, "pr": 72.0, "hr": 72.0, "nibp_sys": 120.0, "nibp_dia": 80.0}
    right = {*values.values(), None}
    frames = [frame for _ in range(6) for frame in driver.encode(values, ())]
    rng, worst = np.random.default_rng(7), 0
    usual = {event.value for event in fed(driver, frames) if isinstance(event, Numeric)}
    for _ in range(RESYNCS):
        decoder, at_us = driver.decoder("bed-1"), 1_800_000_000 * US
        decoder.feed(Chunk(rng.bytes(500), at_us, frames[0][0]))
        for number, (source, data) in enumerate(frames, 1):
            refused = decoder.rejected
            events = decoder.feed(Chunk(data, at_us + number * US // 50, source))
            given = {event.value for event in events if isinstance(event, Numeric)}
            if decoder.rejected > refused or given - usual - right:
                worst = max(worst, number)
    return worst


def fed(driver: Driver, frames: list[tuple[str, bytes]]) -> list[Event]:
    """What a new decoder makes of frames."""
    decoder = driver.decoder("bed-1")
    chunks = [
        Chunk(data, 1_800_000_000 * US + i, source) for i, (source, data) in enumerate(frames)
    ]
    return [event for chunk in chunks for event in decoder.feed(chunk)]


def noise_at_a_port(folder: Path) -> tuple[str, str, int]:
    """What is told of it: on the page, in the log, and how many values were made of it."""
    end = PtyEndpoint(Noise("noise"), folder / "noise.port")  # type: ignore[arg-type]
    config = (
        '[station]\nmode = "test"\n[[room]]\nid = "r1"\n  [[room.device]]\n  id = "ox"\n'
        f'  driver = "nonin-df2"\n  url = "{end.url}"\n'
    )
    told: list[str] = []

    async def main() -> None:
        async with station(folder, config) as page:

            def detail() -> str:
                room = page.heard.room("r1")
                return room.devices[0].detail if room and room.devices else ""

            await until(lambda: NOT_UNDERSTOOD in detail(), 60)
            told.extend([detail(), *(str(n.value) for _, n in page.heard.numerics("r1"))])

    with logged() as log, Bedside(Patient(1), [end]):
        run(main(), 120)
    return told[0], log.line(NOT_UNDERSTOOD, "[ox]"), len(told) - 1


def measure(folder: Path, full: bool) -> Result:
    found: list[Fuzzed] = []
    count = BYTES if full else SHORT
    drivers = [registry.get(name) for name in registry.names()]
    for driver in drivers:
        found.append(fuzz(driver, random_bytes(driver, count, seed=5)))
        if driver.transport != "ble":
            found.append(fuzz(driver, damaged_bytes(driver, count // DAMAGED, seed=5)))
    told, logged_line, made_up = noise_at_a_port(folder)
    late = {driver.name: resync(driver) for driver in drivers}
    numbers = (
        Number(f"exceptions in {len(found)} streams", sum(one.raised for one in found), 0),
        Number("impossible values", sum(one.implausible for one in found) + made_up, 0),
        Number("worst driver", max(one.seconds for one in found), LIMIT_S, "s", busy=4),
        Number(f"good frames lost ({max(late, key=late.__getitem__)})",
               max(late.values()), MOST_FRAMES),
    )  # fmt: skip
    total = sum(one.bytes for one in found)
    return Result(numbers, told, logged_line, f"{total:,} bytes, {len(drivers)} drivers")


FAULT = Fault(2, "garbage", "random bytes, damaged streams, a port full of noise", measure)


def test_bytes_that_mean_nothing_raise_nothing_and_are_named(tmp_path: Path) -> None:
    result = measure(tmp_path, full=False)
    result.check()
    assert NOT_UNDERSTOOD in result.told
