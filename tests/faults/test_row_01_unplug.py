"""Row 1: a monitor is unplugged, or falls silent.

Made: oximeters on pseudo-terminals behind names like those in /dev/serial/by-id, each with a room
and an open session; the terminal is closed and its name taken away, and comes back as another
terminal under the same name. In full also a hundred outages of simulated Bluetooth straps.

Bar: the technical alarm 5 s after the last sample, within the 50 ms of a tick, the value blank and
nothing made up meanwhile, live again 5 s after the plug is back; 100 of 100.
"""

from __future__ import annotations

import asyncio
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from devices import registry
from simulators.bedside import Bedside
from simulators.endpoints import PtyEndpoint
from simulators.monitor import SimulatedMonitor
from simulators.patient import Patient
from tests.bench import ble
from tests.faults.reached import Fault, Number, Result, all_of, logged
from tests.faults.wards import Page, seen, station
from tests.loop import run, until
from vitals import wire
from vitals.model import US

DRIVER = "nonin-df2"
SHORT, FULL = (4, 1), (25, 4)
"""(rooms, outages of each)"""
RULES = ("spo2-no-data", "signal-lost")
ALARM_S, BACK_S = 5.0, 5.0
TICK_S = 0.05
"""The alarm is due at 5 s, not before: it is met at the first tick from then on."""
BUSY_S = 0.5
"""A station that has to wait for the processor takes a value so much later than it was read."""
TOLD_S = 0.3
"""From the moment at which the condition is met to the page: one tick and the feed."""


@dataclass(frozen=True, slots=True)
class Outage:
    """One of them, in seconds; `text` is what the page says."""

    alarm_s: float
    told_s: float
    gone_s: float
    back_s: float
    invented: int
    text: str

    def good(self, patience: float) -> bool:
        """Whether it went as it should, on a computer that is so many times slower."""
        return (
            self.alarm_s <= ALARM_S + BUSY_S * patience
            and self.gone_s <= ALARM_S
            and not self.invented
            and self.back_s <= BACK_S * patience
        )


async def outage(page: Page, room: str, end: PtyEndpoint, dice: random.Random) -> Outage:
    heard = page.heard
    await asyncio.sleep(dice.random())
    await until(lambda: time.monotonic() - heard.numerics(room)[-1][0] < 1.5)
    start = len(heard.messages)
    end.unplug()
    await asyncio.sleep(0.2)  # what was on the wire arrives
    after = len(heard.messages)
    _, last = heard.numerics(room)[-1]

    def alarms() -> list[tuple[float, wire.AlarmMsg]]:
        return [
            (at, each)
            for rule in RULES
            for at, each in heard.alarms(room, rule, since=start)
            if each.condition == "active"
        ]

    await until(alarms, 60)
    at_s, alarm = min(alarms(), key=lambda pair: pair[0])
    assert last.gone_s is not None
    await asyncio.sleep(dice.random())
    invented = len(heard.numerics(room, since=after))
    again = len(heard.messages)
    end.replug()
    back_s = await seen(lambda: heard.numerics(room, since=again))
    clock_us = heard.beats()[-1]
    said_us = clock_us[1].now_us + round((at_s - clock_us[0]) * US)
    met_us = alarm.raised_us or alarm.onset_us or 0
    return Outage(
        (met_us - last.at_us) / US,
        (said_us - met_us) / US,
        last.gone_s,
        back_s,
        invented,
        alarm.text,
    )


def quiet(page: Page, room: str) -> bool:
    """Whether the last outage is over, alarm and all."""
    known = page.heard.room(room)
    return known is not None and not any(alarm.rule in RULES for alarm in known.alarms)


def measure(folder: Path, full: bool) -> Result:
    rooms, times = FULL if full else SHORT
    outages: list[Outage] = []
    patient, driver = Patient(1), registry.get(DRIVER)
    ends = [
        PtyEndpoint(SimulatedMonitor(driver, patient, seed=i), folder / f"usb-{i}")
        for i in range(rooms)
    ]
    names = [f"room-{i}" for i in range(rooms)]
    config = '[station]\nmode = "test"\n' + "".join(
        f'[[room]]\nid = "{name}"\n  [[room.device]]\n  id = "ox-{name}"\n'
        f'  driver = "{DRIVER}"\n  url = "{end.url}"\n'
        for name, end in zip(names, ends, strict=True)
    )

    async def main() -> None:
        async with station(folder, config) as page:
            for name in names:
                await page.open(name)
            opened = len(page.heard.messages)  # before, no value is awaited

            def values(name: str) -> list[tuple[float, wire.NumericMsg]]:
                return page.heard.numerics(name, since=opened)

            await until(lambda: all(len(values(name)) > 1 for name in names), 60)

            async def breaks(name: str, end: PtyEndpoint) -> None:
                dice = random.Random(name)  # noqa: S311 - the same every time
                for number in range(times):
                    if number:
                        await until(lambda: quiet(page, name), 60)
                    outages.append(await outage(page, name, end, dice))

            await asyncio.gather(*(breaks(*pair) for pair in zip(names, ends, strict=True)))

    with logged() as log, Bedside(patient, ends), ThreadPoolExecutor(1) as beside:
        radio = beside.submit(straps) if full else None
        run(main(), 300)
    line = log.line("is not there: plug the adapter in", "[ox-room-0]")
    count = rooms * times
    numbers = [
        all_of(
            "outages as they should be",
            sum(one.good(1.0 if full else 4.0) for one in outages),
            count,
        ),
        Number(
            "alarm after the last sample, due at 5 s and met within a tick",
            max(o.alarm_s for o in outages),
            ALARM_S + TICK_S,
            "s",
            busy=1.4,
        ),
        Number("from there to the page", max(o.told_s for o in outages), TOLD_S, "s", busy=4),
        Number("blank after", max(o.gone_s for o in outages), ALARM_S, "s"),
        Number("values made up", sum(o.invented for o in outages), 0),
        Number("live again after", max(o.back_s for o in outages), BACK_S, "s", busy=4),
    ]
    if radio is not None:
        numbers.append(radio.result())
    return Result(tuple(numbers), outages[0].text, line)


def straps() -> Number:
    """A hundred outages of Bluetooth straps; see tests/bench/ble.py."""
    found = asyncio.run(ble.main(100, 1, None))
    good = sum(
        one.back_s <= ble.BACK_S and one.blank_s <= ble.BLANK_S and not one.invented
        for one in found
    )
    return all_of("Bluetooth outages", good, 100)


FAULT = Fault(1, "unplugged, silent", "pty closed and back under its name; simulated BLE", measure)


def test_an_unplugged_monitor_alarms_is_blank_and_comes_back(tmp_path: Path) -> None:
    result = measure(tmp_path, full=False)
    result.check()
    assert "link lost" in result.told
    assert "plug the adapter in" in result.told
