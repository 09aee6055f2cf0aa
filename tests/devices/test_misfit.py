"""A device with the wrong driver is told what it looks like, and no sooner than that is known."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from devices import misfit, registry
from devices.conversation import NOT_UNDERSTOOD
from devices.keeper import Keeper
from devices.misfit import LASTS_S, MOST_BYTES, Misfit
from devices.transports.memory import MemoryLink
from tests.devices.streams import stream
from tests.loop import run, until
from vitals.clock import ManualClock
from vitals.model import US, Chunk, Link

pytestmark = pytest.mark.long


class Real:
    """Real seconds in a test's hand."""

    def __init__(self) -> None:
        self.s = 50.0

    def __call__(self) -> float:
        return self.s


class Cable:
    """A monitor on a keeper's link, moved by hand: bytes and real time together."""

    def __init__(self, driver: str, sends: str, **changes: Any) -> None:
        self.real = Real()
        self.link = MemoryLink()
        self.links: list[Link] = []
        self.said_s: list[float] = []
        self.keeper = Keeper(
            "d1",
            replace(registry.get(driver), **changes),
            "memory://d1",
            ManualClock(),
            lambda events: None,
            self._on_link,
            self.link.connect,
            back_off_s=(0.005, 0.01),
            real_s=self.real,
        )
        self._chunks = self._endless(sends)

    def _on_link(self, link: Link) -> None:
        self.links.append(link)
        self.said_s.append(self.real.s)

    @staticmethod
    def _endless(name: str) -> Iterator[Chunk]:
        for round_ in count():
            for chunk in stream(name):
                yield replace(chunk, at_us=chunk.at_us + round_ * 7 * US)

    @property
    def last(self) -> Link:
        return self.links[-1]

    @property
    def named(self) -> bool:
        """Whether it is said what the bytes look like."""
        return "look like" in self.last.detail

    async def play_until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(15):
            while not condition():
                await self.play(0.1)

    async def play(self, seconds: float) -> None:
        """Real seconds pass, in which the monitor sends; a link that was given up comes back."""
        end_s = self.real.s + seconds
        while self.real.s < end_s:
            await until(lambda: self.link.connected)
            # As much as comes in a tenth of a second at 1 Hz and at 75 Hz alike.
            for _ in range(5):
                chunk = next(self._chunks)
                self.link.feed(chunk.data, at_us=chunk.at_us)
            self.real.s += 0.1
            await asyncio.sleep(0.02)  # a fifth of real time: the keeper looks ten times a second


async def kept(cable: Cable) -> asyncio.Task[None]:
    task = asyncio.create_task(cable.keeper.run())
    await asyncio.sleep(0)
    return task


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.parametrize(
    ("driver", "sends"),
    [("nonin-df2", "contec-v7"), ("contec-v7", "nonin-df2"), ("dinamap", "masimo-ascii1")],
)
def test_a_wrong_driver_is_told_what_the_bytes_look_like(driver: str, sends: str) -> None:
    async def main() -> None:
        cable = Cable(driver, sends)
        begin_s = cable.real.s
        task = await kept(cable)
        await cable.play_until(lambda: cable.last.detail == NOT_UNDERSTOOD)
        assert cable.said_s[-1] - begin_s < LASTS_S
        await cable.play_until(lambda: cable.named)
        assert cable.said_s[-1] - begin_s >= LASTS_S, "too soon to tell"
        assert cable.last.detail.startswith(NOT_UNDERSTOOD)
        assert f"they look like {sends}" in cable.last.detail
        assert cable.last.state == "silent"
        await ended(task)

    run(main())


def test_what_is_known_stays_known_and_is_said_once() -> None:
    async def main() -> None:
        cable = Cable("nonin-df2", "contec-v7")
        task = await kept(cable)
        await cable.play_until(lambda: cable.named)
        said = len(cable.links)
        await cable.play(10.0)
        assert len(cable.links) == said, [link.detail for link in cable.links[said:]]
        await ended(task)

    run(main())


def test_a_device_that_is_understood_again_forgets_it() -> None:
    async def main() -> None:
        cable = Cable("nonin-df2", "contec-v7")
        task = await kept(cable)
        await cable.play_until(lambda: cable.named)
        cable._chunks = cable._endless("nonin-df2")
        await cable.play_until(lambda: cable.last.state == "streaming")
        assert cable.last.detail == ""
        await ended(task)

    run(main())


def test_a_spot_device_that_is_known_to_be_another_does_not_seem_there_again() -> None:
    async def main() -> None:
        cable = Cable("nonin-df2", "contec-v7", mode="spot")
        task = await kept(cable)
        await cable.play_until(lambda: cable.named)
        said = len(cable.links)
        await cable.play(10.0)
        assert "streaming" not in [link.state for link in cable.links[said:]]
        await ended(task)

    run(main())


def test_a_fitting_driver_never_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> str:
        raise AssertionError("it looked")

    monkeypatch.setattr(misfit, "_words", never)

    async def main() -> None:
        cable = Cable("nonin-df2", "nonin-df2")
        task = await kept(cable)
        await cable.play(15.0)
        assert cable.last.state == "streaming"
        await ended(task)

    run(main())


# --- the watch itself -------------------------------------------------------------------------


def watch(driver: str = "nonin-df2") -> Misfit:
    known = registry.get(driver)
    return Misfit(known, known.settings)


def fed(watched: Misfit, sends: str, *, refused: bool = True, at_s: float = 0.0) -> float:
    for chunk in stream(sends):
        at_s += 0.1
        watched.heard(chunk, at_s, understood=False, refused=refused)
    return at_s


def test_the_look_is_taken_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def words(*_: object) -> str:
        threads.append(threading.current_thread())
        return "they look like something"

    monkeypatch.setattr(misfit, "_words", words)
    watched = watch()
    assert asyncio.run(watched.look(fed(watched, "contec-v7")))
    assert threads
    assert threads[0] is not threading.main_thread()


def test_what_nobody_knows_is_looked_at_again_only_after_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[int] = []
    monkeypatch.setattr(misfit, "_words", lambda *_: looks.append(1) or "")
    watched = watch()
    at_s = fed(watched, "contec-v7")

    async def main() -> None:
        for later in (0.0, 5.0, 30.0, 59.0, 61.0):
            await watched.look(at_s + later)

    asyncio.run(main())
    assert len(looks) == 2


def test_the_own_driver_is_never_what_it_looks_like() -> None:
    watched = watch()
    at_s = fed(watched, "nonin-df2")
    assert not asyncio.run(watched.look(at_s))
    assert watched.words == ""


def test_no_more_is_kept_than_is_needed() -> None:
    watched = watch()
    for i in range(5000):
        watched.heard(Chunk(bytes(37), i), i * 0.01, understood=False, refused=True)
    assert sum(len(chunk.data) for chunk in watched._chunks) <= MOST_BYTES + 37


def test_noise_now_and_then_is_not_a_misfit() -> None:
    watched = watch("suntech")
    for i in range(20):  # once a minute; a spot device gives no event in between
        watched.heard(Chunk(b"\xff\x00\xff", i), i * 60.0, understood=False, refused=True)
    assert not asyncio.run(watched.look(20 * 60.0))


def test_a_fault_of_another_driver_costs_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(misfit, "_words", broken)
    watched = watch()
    assert not asyncio.run(watched.look(fed(watched, "contec-v7")))
    assert "cannot be told" in caplog.text


def test_ten_seconds_are_waited_for() -> None:
    assert LASTS_S == 10.0
