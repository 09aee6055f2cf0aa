"""What a keeper makes of a device that its transport waits for."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from devices.conversation import Conversation
from devices.driver import BleSettings
from devices.keeper import Awaited, Keeper
from devices.transports.memory import MemoryLink
from tests.devices.fake_driver import driver
from tests.loop import run, until
from vitals.clock import ManualClock
from vitals.errors import TransportError
from vitals.model import Link

WAITS = "waits for a measurement"
CUFF = BleSettings(match=("name:Cuff",), notify=("x",), on_sight=True)


class Visitor:
    """A device that is there now and then; its transport waits for it."""

    def __init__(self, *, fault: bool, **more: Any) -> None:
        self.link = MemoryLink()
        self.away = True
        self.attempts = 0
        self.links: list[Link] = []
        self.events: list[object] = []
        self._fault = fault
        self.keeper = Keeper(
            "d1",
            driver(transport="ble", settings=CUFF, mode="spot", **more),
            "memory://d1",
            ManualClock(),
            self.events.extend,
            self.links.append,
            self._connect,
            back_off_s=(0.01, 60.0),
        )

    async def _connect(self, *arguments: Any) -> Any:
        self.attempts += 1
        if self.away:
            raise Awaited(WAITS, fault=self._fault)
        return await self.link.connect(*arguments)

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(link.state, link.detail) for link in self.links]

    @property
    def last(self) -> tuple[str, str]:
        return self.said[-1] if self.links else ("", "")


def kept(visitor: Visitor, main: Any) -> None:
    async def whole() -> None:
        task = asyncio.create_task(visitor.keeper.run())
        try:
            await main()
        finally:
            task.cancel()
            await asyncio.wait([task])

    run(whole())


def test_a_visitor_that_is_away_is_no_fault_and_said_once() -> None:
    one = Visitor(fault=False)

    async def main() -> None:
        await until(lambda: one.attempts > 5)
        assert one.said == [("connecting", ""), ("connecting", WAITS)]

    kept(one, main)


def test_one_that_should_be_there_is_lost() -> None:
    one = Visitor(fault=True)

    async def main() -> None:
        await until(lambda: one.attempts > 5)
        assert one.said == [("connecting", ""), ("lost", WAITS)]

    kept(one, main)


def test_an_awaited_device_is_not_backed_off_from() -> None:
    one = Visitor(fault=True)  # a pause of 60 s is soon reached by any other error

    async def main() -> None:
        begin_s = time.monotonic()
        await until(lambda: one.attempts > 20)
        assert time.monotonic() - begin_s < 5

    kept(one, main)


def test_a_visitor_that_leaves_is_waited_for_again_and_any_other_end_is_a_loss() -> None:
    one = Visitor(fault=False)

    async def main() -> None:
        one.away = False
        await until(lambda: one.last[0] == "streaming")
        one.away = True
        assert one.link._connection is not None
        one.link._connection._ended.set_result(Awaited(WAITS, fault=False))
        await until(lambda: one.last == ("connecting", WAITS))
        one.away = False
        await until(lambda: one.last[0] == "streaming")
        one.link.cut("pulled")
        await until(lambda: ("lost", "pulled") in one.said)

    kept(one, main)


def test_a_visitors_reading_comes_once_over_all_its_visits() -> None:
    one = Visitor(fault=False)

    async def main() -> None:
        one.away = False
        for visits in (1, 2):
            await until(lambda n=visits: one.link.opened == n)
            one.link.feed(b"!nibp_failed 1\n", "x")
            one.link.cut()
        await until(lambda: one.link.opened == 3)

    kept(one, main)
    assert len(one.events) == 1


def test_silence_by_radio_is_not_blamed_on_a_cable() -> None:
    conversation = Conversation(driver(transport="ble", settings=CUFF), "d1", 0.0)
    trouble = conversation.trouble(10.0)
    assert "near" in trouble
    assert "cable" not in trouble


def test_an_awaited_device_is_a_transport_error_for_everybody_else() -> None:
    assert isinstance(Awaited("x", fault=True), TransportError)
