from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.feed.station import Station
from tests.loop import run, until
from vitals import feed_file, wire
from vitals.errors import FeedError
from vitals.follower import RETRY_S, SILENT_S, Follower, ask
from vitals.hub import Hub

ROOT = Path(__file__).parents[2]
ACK = wire.CommandMsg(id="c1", kind="acknowledge", room="r1", name="Ann", role="nurse")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vitals.db.feed"


@contextlib.asynccontextmanager
async def following(path: Path, *, silent_s: float = SILENT_S) -> AsyncIterator[Follower]:
    follower = Follower(path, Hub("stale"), silent_s=silent_s, retry_s=(0.02, 0.05))
    task = asyncio.create_task(follower.run())
    try:
        yield follower
    finally:
        assert not task.done(), "a follower never ends by itself"
        task.cancel()
        await asyncio.wait([task])


@contextlib.contextmanager
def process(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.feed.station", str(path)]
    with subprocess.Popen(command, cwd=ROOT) as station:
        try:
            yield station
        finally:
            station.kill()


def announce(path: Path, port: int, v: int = wire.VERSION) -> None:
    feed_file.write(path, feed_file.FeedFile(port=port, token="of nobody", pid=1, v=v))  # noqa: S106


def alarm_text(hub: Hub) -> str:
    """The test station writes its process id there."""
    rooms = hub.snapshot().rooms
    return rooms[0].alarms[0].text if rooms else ""


async def next_messages(box, kind: type) -> list:
    got: list = []
    while not got:
        frame = wire.split(await box.take())
        got = [m for m in map(wire.decode_down, frame) if isinstance(m, kind)]
    return got


def test_waits_are_those_of_the_specification() -> None:
    assert SILENT_S == 3.0
    assert RETRY_S == (0.25, 2.0)


def test_what_the_station_publishes_reaches_the_readers_byte_by_byte(path: Path) -> None:
    async def main() -> None:
        station = Station(path)
        station.hub.publish(wire.AlarmMsg(room="r1", rule="a", condition="active"))
        async with station.server, following(path) as follower:
            hub = follower._hub
            await until(lambda: hub.link == "live")
            assert hub.snapshot() == station.hub.snapshot()
            assert follower.hello is not None
            assert follower.hello.station == "clinic-a"
            box = hub.subscribe()
            await box.take()
            message = wire.BeatMsg(now_us=77, detail="€")
            station.hub.publish(message)
            assert await box.take() == wire.frame(wire.encode(message))

    run(main())


def test_the_station_may_start_after_its_follower(path: Path) -> None:
    async def main() -> None:
        async with following(path) as follower:
            await until(lambda: "no station is running" in follower.trouble)
            assert "`vitals run`" in follower.trouble
            async with Station(path).server:
                await until(lambda: follower._hub.link == "live")
                assert follower.trouble == ""

    run(main())


def test_a_killed_station_is_stale_at_once_and_live_again_with_a_fresh_snapshot(
    path: Path,
) -> None:
    async def main() -> None:
        async with following(path) as follower:
            hub, loop = follower._hub, asyncio.get_running_loop()
            with process(path) as first:
                await until(lambda: hub.link == "live")
                assert alarm_text(hub) == str(first.pid)
                box = hub.subscribe()
                await box.take()
                first.kill()
                killed = loop.time()
                assert await next_messages(box, wire.LinkState) == [wire.LinkState(state="stale")]
                assert loop.time() - killed < 1
                await until(lambda: "does not answer" in follower.trouble)
                assert f"process {first.pid}" in follower.trouble
            with process(path) as second:
                [snapshot] = await next_messages(box, wire.Snapshot)
                assert snapshot.rooms[0].alarms[0].text == str(second.pid)
                assert hub.link == "live"
            await until(lambda: hub.link == "stale")

    run(main(), 40)


def test_a_frozen_station_is_stale_though_its_socket_is_open(path: Path) -> None:
    async def main() -> None:
        with process(path) as station:
            async with following(path, silent_s=0.4) as follower:
                hub, loop = follower._hub, asyncio.get_running_loop()
                await until(lambda: hub.link == "live")
                station.send_signal(signal.SIGSTOP)
                frozen = loop.time()
                await until(lambda: hub.link == "stale")
                assert 0.3 < loop.time() - frozen < 0.9
                assert "silent for 0.4 s" in follower.trouble
                station.send_signal(signal.SIGCONT)
                await until(lambda: hub.link == "live")

    run(main(), 40)


def test_stale_is_said_before_the_slow_close_of_a_frozen_connection(path: Path) -> None:
    async def main() -> None:
        release = asyncio.Event()
        said: list[float] = []

        async def frozen(ws: ServerConnection) -> None:
            await ws.recv()
            await ws.send(wire.frame(wire.encode(wire.Snapshot())))
            ws.transport.pause_reading()
            await release.wait()

        async with serve(frozen, "127.0.0.1", 0, close_timeout=0.1) as server:
            port = server.sockets[0].getsockname()[1]
            announce(path, port)
            async with following(path, silent_s=0.1) as follower:
                loop = asyncio.get_running_loop()
                await until(lambda: follower._hub.link == "live")
                live = loop.time()
                await until(lambda: follower._hub.link == "stale")
                said.append(loop.time() - live)
                release.set()
        assert said[0] < 0.4  # the close alone takes 0.5 s

    run(main())


def test_a_command_gets_its_answer(path: Path) -> None:
    async def main() -> None:
        station = Station(path)
        async with station.server, following(path) as follower:
            await until(lambda: follower._hub.link == "live")
            result = await follower.command(ACK)
            assert result == wire.ResultMsg(id="c1", ok=True, recorded=True)
            assert station.asked == [ACK]

    run(main())


def test_an_unanswered_command_is_sent_again_after_a_reconnect_and_done_once(path: Path) -> None:
    async def main() -> None:
        async with following(path) as follower:
            first = Station(path)
            first.deaf = True
            async with first.server:
                await until(lambda: follower._hub.link == "live")
                answer = asyncio.create_task(follower.command(ACK))
                await until(lambda: first.asked)
            second = Station(path)
            second.done = first.done
            async with second.server:
                assert (await answer).ok
                assert second.asked == [ACK]
                assert second.done == ["c1"]
                box = follower._hub.subscribe()
                second.hub.publish(wire.BeatMsg(now_us=1))
                await next_messages(box, wire.BeatMsg)
                assert second.asked == [ACK]

    run(main())


def test_a_command_while_there_is_no_station_waits_for_one(path: Path) -> None:
    async def main() -> None:
        async with following(path) as follower:
            answer = asyncio.create_task(follower.command(ACK))
            await until(lambda: follower.trouble)
            async with Station(path).server:
                assert (await answer).ok

    run(main())


def test_the_same_command_asked_twice_at_a_time_is_answered_twice(path: Path) -> None:
    async def main() -> None:
        station = Station(path)
        async with following(path) as follower:
            both = asyncio.gather(follower.command(ACK), follower.command(ACK))
            async with station.server:
                assert [result.id for result in await both] == ["c1", "c1"]
                assert station.done == ["c1"]

    run(main())


def test_no_answer_in_time_is_one_sentence(path: Path) -> None:
    async def main() -> None:
        station = Station(path)
        station.deaf = True
        async with station.server, following(path) as follower:
            with pytest.raises(FeedError, match=r"acknowledge.* within 0\.1 s; it may"):
                await follower.command(ACK, timeout_s=0.1)
            assert follower._pending == {}

    run(main())


async def speak(path: Path, *sent: bytes) -> AsyncIterator[None]:
    async def handler(ws: ServerConnection) -> None:
        await ws.recv()
        for data in sent:
            await ws.send(data, text=True)
        await ws.wait_closed()

    async with serve(handler, "127.0.0.1", 0, close_timeout=0.1) as server:
        port = server.sockets[0].getsockname()[1]
        announce(path, port)
        yield


speaking = contextlib.asynccontextmanager(speak)


def test_unknown_messages_are_counted_and_the_rest_is_used(path: Path) -> None:
    async def main() -> None:
        beat = wire.encode(wire.BeatMsg(now_us=5))
        frame = wire.frame(b'{"t":"aura","hue":3}', wire.encode(wire.Snapshot()), b"7", beat)
        async with speaking(path, frame), following(path) as follower:
            await until(lambda: follower._hub.snapshot().beat)
            assert follower.ignored == 2
            assert follower._hub.link == "live"

    run(main())


def test_a_frame_that_is_no_list_ends_the_connection(path: Path) -> None:
    async def main() -> None:
        async with speaking(path, b"{}"), following(path) as follower:
            await until(lambda: "not a list of messages" in follower.trouble)
            assert follower._hub.link == "stale"

    run(main())


def test_a_station_of_another_version_is_not_followed(path: Path) -> None:
    async def main() -> None:
        clock = wire.ClockMsg(now_us=0)
        hello = wire.Hello(v=8, build="b", station="s", epoch="e", clock=clock)
        frame = wire.frame(wire.encode(hello), wire.encode(wire.Snapshot()))
        async with speaking(path, frame), following(path) as follower:
            await until(lambda: follower.trouble)
            assert f"feed version 8 and this program version {wire.VERSION}" in follower.trouble
            assert follower._hub.link == "stale"
            with pytest.raises(FeedError, match="feed version 8"):
                await ask(path, [ACK])

    run(main())


def test_a_feed_file_of_another_version_is_enough_to_know(path: Path) -> None:
    announce(path, 1, v=8)
    with pytest.raises(FeedError, match="feed version 8 and this program version"):
        run(ask_nothing(path))


async def ask_nothing(path: Path) -> None:
    assert await ask(path, []) == []


def test_a_token_of_an_earlier_start_is_refused_in_a_sentence(path: Path) -> None:
    async def main() -> None:
        async with Station(path).server as server:
            announce(path, server.port)
            with pytest.raises(FeedError, match="refused this connection: the token is wrong"):
                await ask(path, [ACK])

    run(main())


def test_asking_from_the_command_line(path: Path) -> None:
    async def main() -> None:
        station = Station(path)
        async with station.server:
            commands = [wire.CommandMsg(id=f"c{n}", kind="open", room="r1") for n in range(5)]
            results = await ask(path, commands)
            assert [result.id for result in results] == ["c0", "c1", "c2", "c3", "c4"]
            await ask_nothing(path)
            station.deaf = True
            with pytest.raises(FeedError, match=r"within 0\.1 s"):
                await ask(path, commands, timeout_s=0.1)

    run(main())


@pytest.mark.parametrize(
    ("contents", "sentence"),
    [
        (None, "no station is running"),
        (b"{", "is not a feed file"),
        (b'{"port":1,"token":"t","pid":42,"v":1}', r"process 42\) does not answer"),
    ],
)
def test_no_station_is_one_sentence(path: Path, contents: bytes | None, sentence: str) -> None:
    if contents is not None:
        path.write_bytes(contents)
    with pytest.raises(FeedError, match=sentence):
        run(ask_nothing(path))
