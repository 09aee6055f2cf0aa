"""Unplugged and plugged in again under another name, 100 times, through the real keeper.

Fifty oximeters on pseudo-terminals behind names like those in /dev/serial/by-id, each twice;
real time and the keeper's own pauses. Between, each stays away until its value has gone.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from devices import registry
from simulators.bedside import Bedside
from simulators.endpoints import PtyEndpoint
from simulators.monitor import SimulatedMonitor
from simulators.patient import Patient
from tests.loop import run, until
from tests.simulators.kept import Kept, keeping
from vitals.clock import Clock
from vitals.freshness import freshness
from vitals.model import US, Numeric

PORTS, TIMES = 50, 2
DRIVER = "nonin-df2"

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals"),
]


@dataclass(frozen=True)
class Cycle:
    """Seconds: until the station knew, from the last sample until it was gone, until live again."""

    known_s: float
    gone_s: float
    back_s: float
    renamed: bool


def last(kept: Kept) -> Numeric:
    return next(e for e in reversed(kept.numerics) if e.value is not None)


async def cycle(kept: Kept, end: PtyEndpoint, clock: Clock, away_s: float) -> Cycle:
    await until(lambda: kept.state == "streaming" and kept.numerics)
    name = os.readlink(end.path)
    end.unplug()
    out_us = clock.now_us()
    await until(lambda: kept.state == "lost")
    known_s = (clock.now_us() - out_us) / US
    sample = last(kept)
    _, gone_s = freshness(sample, kept.driver.period_s, ())
    assert gone_s is not None
    await until(lambda: clock.now_us() > sample.at_us + gone_s * US)
    assert last(kept) is sample, "a value came without a device"
    await asyncio.sleep(away_s)  # so that the attempts of fifty keepers are anywhere
    end.replug()
    back_us = clock.now_us()
    await until(lambda: last(kept) is not sample)
    back_s = (clock.now_us() - back_us) / US
    return Cycle(known_s, gone_s, back_s, os.readlink(end.path) != name)


def test_a_hundred_replugs_under_another_name(tmp_path: Path) -> None:
    cycles: list[Cycle] = []
    fds: list[int] = []

    async def main() -> None:
        clock, chance = Clock.anchored_now(), np.random.default_rng(1)
        patient, driver = Patient(1), registry.get(DRIVER)
        ends = [
            PtyEndpoint(SimulatedMonitor(driver, patient, seed=i), tmp_path / f"usb-{i}")
            for i in range(PORTS)
        ]
        kept = [Kept(DRIVER, end.url, clock, f"d{i}") for i, end in enumerate(ends)]
        with Bedside(patient, ends):
            async with keeping(*kept):
                await until(lambda: all(one.seen for one in kept))
                fds.append(len(os.listdir("/proc/self/fd")))
                for _ in range(TIMES):
                    pairs = zip(kept, ends, strict=True)
                    waits = [cycle(one, end, clock, chance.random()) for one, end in pairs]
                    cycles.extend(await asyncio.gather(*waits))
                fds.append(len(os.listdir("/proc/self/fd")))

    run(main(), 60)
    print(  # noqa: T201 pytest -s shows it
        f"\n{len(cycles)} replugs: known after {max(c.known_s for c in cycles):.2f} s at most, "
        f"gone {max(c.gone_s for c in cycles):.2f} s after the last sample, "
        f"live again after {max(c.back_s for c in cycles):.2f} s at most "
        f"(mean {sum(c.back_s for c in cycles) / len(cycles):.2f} s); open files {fds}"
    )
    assert len(cycles) == PORTS * TIMES == 100
    assert all(c.renamed for c in cycles)
    assert max(c.known_s for c in cycles) < 2
    assert max(c.gone_s for c in cycles) <= 5
    assert max(c.back_s for c in cycles) <= 5
    assert fds[0] == fds[1]
