from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from devices.conversation import NOT_UNDERSTOOD
from devices.driver import Driver, StartNibp, StopNibp
from devices.keeper import BACK_OFF_S, DRIVER_FAILED, LINK_FAILED, TICK_S, Connect, Keeper
from devices.transports.memory import MemoryLink
from tests.devices.fake_driver import FakeDecoder, PollingDecoder, driver
from tests.devices.pty_port import PtyPort
from tests.loop import run, until
from vitals.clock import ManualClock
from vitals.errors import CommandError, ConfigError
from vitals.model import Link, Notice, Numeric

QUICK = {"back_off_s": (0.01, 0.03)}


class Bed:
    """A kept device and everything that was said about it."""

    def __init__(
        self, driver: Driver, url: str, connect: Connect | None = None, **more: Any
    ) -> None:
        self.clock = ManualClock()
        self.events: list[object] = []
        self.links: list[Link] = []
        self.real_s: Callable[[], float] = time.monotonic
        self.keeper = Keeper(
            "d1", driver, url, self.clock, self.events.extend, self.links.append, connect, **more
        )

    @property
    def states(self) -> list[str]:
        return [link.state for link in self.links]

    @property
    def last(self) -> Link:
        return self.links[-1]

    @property
    def values(self) -> list[float | None]:
        return [event.value for event in self.events if isinstance(event, Numeric)]


@contextlib.asynccontextmanager
async def kept(bed: Bed) -> AsyncIterator[Bed]:
    task = asyncio.create_task(bed.keeper.run())
    try:
        await asyncio.sleep(0)  # it has begun
        yield bed
        assert not task.done(), "a keeper never ends by itself"
    finally:
        task.cancel()
        await asyncio.wait([task])


class Real:
    """Real seconds in a test's hand."""

    def __init__(self) -> None:
        self.s = 50.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def link() -> MemoryLink:
    return MemoryLink()


def bed(link: MemoryLink, changed: Driver | None = None, **more: Any) -> Bed:
    return Bed(changed or driver(), "memory://d1", link.connect, **(QUICK | more))


def test_waits_are_short_enough_to_be_live_again_five_seconds_after_a_replug() -> None:
    assert BACK_OFF_S == (0.5, 4.0)
    assert TICK_S == 0.1
    assert driver().quiet_s == 3.0


def test_streaming_is_said_once_before_the_first_event(link: MemoryLink) -> None:
    async def main() -> None:
        order: list[object] = []
        one = bed(link)
        one.keeper._on_link = order.append
        one.keeper._on_events = order.extend
        async with kept(one):
            await until(lambda: link.connected)
            link.feed(b"h")
            link.feed(b"r 60\nhr 61\n")
            link.feed(b"hr 62\n")
        kinds = [getattr(said, "state", "number") for said in order]
        assert kinds == ["connecting", "streaming", "number", "number", "number"]

    run(main())


def test_a_lost_link_is_opened_again_with_a_new_decoder(link: MemoryLink) -> None:
    async def main() -> None:
        async with kept(bed(link)) as one:
            await until(lambda: link.connected)
            link.feed(b"hr 60\nhr 1")
            link.cut("the cable was pulled")
            await until(lambda: one.last.state == "lost")
            assert one.last.detail == "the cable was pulled"
            await until(lambda: link.opened == 2)
            link.feed(b"hr 61\n")
            assert one.values == [60.0, 61.0]
            assert one.states == ["connecting", "streaming", "lost", "streaming"]
            assert one.last.detail == ""

    run(main())


def test_attempts_that_fail_alike_are_said_once(link: MemoryLink) -> None:
    async def main() -> None:
        link.refuse = "not there"
        async with kept(bed(link)) as one:
            await until(lambda: one.last.state == "lost")
            attempts = 0
            connect = one.keeper._connect

            async def counted(*arguments: Any) -> Any:
                nonlocal attempts
                attempts += 1
                return await connect(*arguments)

            one.keeper._connect = counted
            await until(lambda: attempts > 5)
            assert [(said.state, said.detail) for said in one.links] == [
                ("connecting", ""),
                ("lost", "not there"),
            ]
            link.refuse = "busy"
            await until(lambda: one.last.detail == "busy")
            link.refuse = ""
            await until(lambda: link.connected)
            link.feed(b"hr 60\n")
            assert one.states == ["connecting", "lost", "lost", "streaming"]

    run(main())


def test_pauses_grow_to_the_longest_and_start_anew_after_streaming(
    link: MemoryLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    pauses: list[float] = []
    real_sleep = asyncio.sleep

    async def sleep(pause_s: float) -> None:
        if pause_s:
            pauses.append(pause_s)
        await real_sleep(0)

    async def main() -> None:
        link.refuse = "not there"
        one = Bed(driver(), "memory://d1", link.connect, back_off_s=(0.05, 0.2))
        monkeypatch.setattr("devices.keeper.asyncio.sleep", sleep)
        async with kept(one):
            while len(pauses) < 5:
                await real_sleep(0)
            assert pauses[:5] == [0.05, 0.1, 0.2, 0.2, 0.2]
            link.refuse = ""
            while not link.connected:
                await real_sleep(0)
            pauses.clear()
            link.feed(b"hr 60\n")
            link.cut()
            while not pauses:
                await real_sleep(0)
            assert pauses[0] == 0.05

    run(main())


def test_a_silent_device_is_reopened_though_the_port_is_well(link: MemoryLink) -> None:
    async def main() -> None:
        real = Real()
        async with kept(bed(link, real_s=real)) as one:
            await until(lambda: link.connected)
            link.feed(b"hr 60\n")
            real.s += 3.1
            await until(lambda: one.last.state == "silent")
            assert "nothing has come for 3 s" in one.last.detail
            await until(lambda: link.opened == 2)
            real.s += 3.1
            await until(lambda: link.opened == 3)
            assert one.states == ["connecting", "streaming", "silent"]
            link.feed(b"hr 61\n")
            assert one.last.state == "streaming"

    run(main())


def test_bytes_that_mean_nothing_are_a_silent_link_that_says_why(link: MemoryLink) -> None:
    async def main() -> None:
        real = Real()
        async with kept(bed(link, real_s=real)) as one:
            await until(lambda: link.connected)
            for _ in range(8):
                real.s += 0.5
                link.feed(b"\xff\x80junk\n")
            await until(lambda: one.last.state == "silent")
            assert one.last.detail == NOT_UNDERSTOOD
            assert one.events == []

    run(main())


def test_what_the_device_had_reported_ends_with_the_link(link: MemoryLink) -> None:
    async def main() -> None:
        async with kept(bed(link)) as one:
            await until(lambda: link.connected)
            link.feed(b"!sensor_off 1\n")
            link.cut()
            await until(lambda: one.last.state == "lost")
            *_, last = one.events
            assert isinstance(last, Notice)
            assert (last.code, last.active) == ("sensor_off", False)

    run(main())


def test_refused_frames_are_counted_at_most_once_a_second(link: MemoryLink) -> None:
    async def main() -> None:
        real = Real()
        async with kept(bed(link, driver(checked=True), real_s=real)) as one:
            await until(lambda: link.connected)
            for _ in range(40):
                real.s += 0.1
                link.feed(b"junk\nhr 60\n")
            counts = [said.rejected for said in one.links if said.state == "streaming"]
            assert counts == [1, 11, 21, 31]
            assert {said.state for said in one.links[1:]} == {"streaming"}
            real.s += 1
            await until(lambda: one.last.rejected == 40)

    run(main())


def test_polls_are_sent_by_themselves_and_after_each_answer(link: MemoryLink) -> None:
    async def main() -> None:
        async with kept(bed(link, driver(decoder=PollingDecoder))) as one:
            await until(lambda: link.written == [b"?"])
            one.clock.advance(1)
            await until(lambda: link.written == [b"?", b"?"])
            one.clock.advance(1)
            link.feed(b"hr 60\n")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert link.written == [b"?", b"?", b"?"]

    run(main())


def test_a_request_is_sent_at_once(link: MemoryLink) -> None:
    async def main() -> None:
        async with kept(bed(link)) as one:
            await until(lambda: link.connected)
            link.feed(b"hr 60\n")
            one.keeper.request(StartNibp())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert link.written == [b"start"]

    run(main())


def test_a_request_that_cannot_be_is_one_sentence_with_the_device(link: MemoryLink) -> None:
    async def main() -> None:
        async with kept(bed(link)) as one:
            with pytest.raises(CommandError, match=r"^d1: there is no link .*connecting"):
                one.keeper.request(StartNibp())
            await until(lambda: link.connected)
            link.feed(b"hr 60\n")
            with pytest.raises(CommandError, match=r"^d1: this protocol cannot stop"):
                one.keeper.request(StopNibp())
            link.refuse = "gone"
            link.cut()
            await until(lambda: one.last.detail == "gone")
            with pytest.raises(CommandError, match=r"^d1: there is no link .*lost"):
                one.keeper.request(StartNibp())

    run(main())


def test_a_write_that_fails_loses_the_link(link: MemoryLink) -> None:
    async def main() -> None:
        async with kept(bed(link)) as one:
            await until(lambda: link.connected)
            link.feed(b"hr 60\n")
            link.write_fails = "takes no data"
            one.keeper.request(StartNibp())
            await until(lambda: one.last.state == "lost")
            assert one.last.detail == "takes no data"
            await until(lambda: link.opened == 2)

    run(main())


@pytest.mark.parametrize("where", ["feed", "due", "request", "decoder"])
def test_a_bug_in_a_driver_costs_one_connection_and_is_logged(
    link: MemoryLink, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    broken = [where == "decoder"]

    class Buggy(FakeDecoder):
        def __init__(self, device: str) -> None:
            if broken[0]:
                broken[0] = False
                raise ZeroDivisionError
            super().__init__(device)

        def due(self, now_us: int) -> bytes:
            if where == "due" and broken[0]:
                broken[0] = False
                raise ZeroDivisionError
            return b"" if where == "request" else super().due(now_us)

    async def main() -> None:
        async with kept(bed(link, driver(decoder=Buggy))) as one:
            if where != "decoder":
                await until(lambda: link.connected)
                link.feed(b"hr 60\n")
            if where == "feed":
                link.feed(b"bug\nhr 61\n")
                link.feed(b"hr 62\n")
            if where == "due":
                broken[0] = True
            if where == "request":
                one.keeper.request(StartNibp())
                with pytest.raises(CommandError, match="its driver failed"):
                    one.keeper.request(StartNibp())
            await until(lambda: one.last.state == "lost")
            assert one.last.detail == (LINK_FAILED if where == "decoder" else DRIVER_FAILED)
            await until(lambda: link.connected)
            link.feed(b"hr 70\n")
            await until(lambda: one.last.state == "streaming")
            assert one.values[-1] == 70.0
            assert 62.0 not in one.values

    run(main())
    [record] = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert record.device == "d1"  # type: ignore[attr-defined]
    assert record.exc_info


@pytest.mark.parametrize("where", ["connect", "write", "lost", "close"])
def test_a_bug_in_a_transport_costs_one_connection(
    link: MemoryLink, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    broken = [True]

    async def bug(*_: object) -> Any:
        broken[0] = False
        raise ZeroDivisionError

    async def connect(*arguments: Any) -> Any:
        if where == "connect" and broken[0]:
            await bug()
        connection = await link.connect(*arguments)
        if broken[0]:
            setattr(connection, where, bug)
        return connection

    async def main() -> None:
        one = Bed(driver(), "memory://d1", connect, **QUICK)
        async with kept(one):
            if where in ("write", "close"):
                await until(lambda: link.connected)
                link.feed(b"hr 60\n")
                one.keeper.request(StartNibp())
            if where == "close":
                link.cut()
            await until(lambda: one.last.state == "lost")
            await until(lambda: not broken[0])
            await until(lambda: one.keeper._conversation is not None)
            await asyncio.sleep(0)
            link.feed(b"hr 70\n")
            await until(lambda: one.last.state == "streaming")

    run(main())
    assert any(r.levelno >= logging.ERROR for r in caplog.records)


def test_a_listener_that_fails_does_not_cost_the_link(
    link: MemoryLink, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        one = bed(link)
        one.keeper._on_link = one.keeper._on_events = lambda _: 1 / 0
        async with kept(one):
            await until(lambda: link.connected)
            link.feed(b"hr 60\n")
            link.feed(b"hr 61\n")
            assert link.opened == 1

    run(main())
    assert caplog.text.count("ZeroDivisionError") == 4


def test_a_spot_device_streams_as_soon_as_it_is_connected(link: MemoryLink) -> None:
    async def main() -> None:
        real = Real()
        async with kept(bed(link, driver(mode="spot"), real_s=real)) as one:
            await until(lambda: one.last.state == "streaming")
            real.s += 3600
            await asyncio.sleep(3 * TICK_S)
            assert one.states == ["connecting", "streaming"]

    run(main())


def test_an_unknown_scheme_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="no transport"):
        Bed(driver(), "telepathy://d1")


# --- with real ports --------------------------------------------------------------------------


@pytest.mark.usefixtures("no_thread_left")
def test_unplug_and_replug_of_a_real_port(port: PtyPort) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with kept(Bed(driver(), port.url)) as one:
            await until(lambda: port.send(b"hr 60\n") or one.values)
            port.unplug()
            unplugged = loop.time()
            await until(lambda: one.last.state == "lost")
            assert loop.time() - unplugged < 1
            assert "plug" in one.last.detail
            await until(lambda: "is not there" in one.last.detail)
            port.plug_in()
            plugged = loop.time()
            one.events.clear()
            await until(lambda: port.send(b"hr 61\n") or one.values)
            assert loop.time() - plugged < 5
            assert one.states == ["connecting", "streaming", "lost", "lost", "streaming"]

    run(main(), 30)


@pytest.mark.usefixtures("no_thread_left")
def test_two_keepers_of_one_port_do_not_share_its_bytes(port: PtyPort) -> None:
    async def main() -> None:
        async with kept(Bed(driver(), port.url)) as first:
            await until(lambda: port.send(b"hr 60\n") or first.values)
            async with kept(Bed(driver(), port.url, **QUICK)) as second:
                await until(lambda: second.last.state == "lost")
                assert "already open for another device" in second.last.detail
                port.send(b"hr 61\n" * 50)
                await until(lambda: first.values.count(61.0) == 50)
                assert second.events == []

    run(main())


@pytest.mark.usefixtures("no_thread_left")
def test_real_ports_that_are_silent_or_garbled_say_so(port: PtyPort) -> None:
    async def main() -> None:
        async with kept(Bed(driver(quiet_s=0.3), port.url, **QUICK)) as one:
            await until(lambda: one.last.state == "silent")
            assert "nothing has come for 0.3 s" in one.last.detail
            await until(lambda: port.send(b"\x00\xfe junk\n") or one.last.detail == NOT_UNDERSTOOD)
            await until(lambda: port.send(b"hr 60\n") or one.last.state == "streaming")

    run(main(), 30)


@pytest.mark.usefixtures("no_thread_left")
def test_a_half_open_converter_is_reconnected() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.setblocking(False)
            host, tcp = listening.getsockname()
            async with kept(Bed(driver(quiet_s=0.3), f"socket://{host}:{tcp}", **QUICK)) as one:
                first, _ = await loop.sock_accept(listening)
                with first:
                    # sent again, since what arrives during the open is discarded as old
                    await until(lambda: first.send(b"hr 60\n") and one.values)
                    # from here on it says nothing, with the connection open
                    await until(lambda: one.last.state == "silent")
                    second, _ = await loop.sock_accept(listening)
                with second:
                    await until(lambda: second.send(b"hr 61\n") and one.values[-1] == 61.0)
                await until(lambda: one.last.state == "lost")
                assert "has ended the connection" in one.last.detail
                listening.close()
                await until(lambda: "refuses" in one.last.detail)

    run(main(), 30)


@pytest.mark.usefixtures("no_thread_left")
def test_a_converter_that_is_switched_on_later_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        host, tcp = reserved.getsockname()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with kept(Bed(driver(), f"socket://{host}:{tcp}", **QUICK)) as one:
            await until(lambda: "refuses the connection" in one.last.detail)
            with socket.create_server((host, tcp)) as listening:
                listening.setblocking(False)
                device, _ = await loop.sock_accept(listening)
                with device:
                    await until(lambda: device.send(b"hr 60\n") and one.values)

    run(main(), 30)
