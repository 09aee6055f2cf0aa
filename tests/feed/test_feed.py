from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.feed.station import Station
from tests.loop import run, until
from vitals import feed_file, wire
from vitals.clock import ManualClock
from vitals.errors import CommandError, FeedError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vitals.db.feed"


@contextlib.asynccontextmanager
async def reader(path: Path, first: bytes | None = None) -> AsyncIterator[ClientConnection]:
    where = feed_file.read(path)
    url = f"ws://127.0.0.1:{where.port}/"
    async with connect(url, compression=None, proxy=None, max_size=None, close_timeout=0.5) as ws:
        await ws.send(first or wire.encode(wire.Auth(v=wire.VERSION, token=where.token)))
        yield ws


async def messages(ws: ClientConnection) -> list[wire.Down]:
    return [wire.decode_down(raw) for raw in wire.split(await ws.recv(decode=False))]


async def refusal(ws: ClientConnection) -> tuple[int, str]:
    with contextlib.suppress(ConnectionClosed):
        async for _ in ws:
            pass
    assert ws.close_code is not None
    return ws.close_code, ws.close_reason or ""


def test_hello_then_snapshot_then_news(path: Path) -> None:
    async def main() -> None:
        station = Station(path)
        station.hub.publish(wire.AlarmMsg(room="r1", rule="spo2-low", condition="active"))
        async with station.server, reader(path) as ws:
            [hello] = await messages(ws)
            assert hello == wire.Hello(
                v=wire.VERSION,
                build="build-1",
                station="clinic-a",
                epoch=station.server.epoch,
                clock=wire.ClockMsg(now_us=ManualClock().now_us()),
                mode="test",
            )
            [snapshot] = await messages(ws)
            assert isinstance(snapshot, wire.Snapshot)
            assert [alarm.rule for alarm in snapshot.rooms[0].alarms] == ["spo2-low"]
            station.hub.publish(wire.BeatMsg(now_us=5))
            assert await messages(ws) == [wire.BeatMsg(now_us=5)]

    run(main())


def test_the_feed_file_is_private_and_ends_with_the_station(path: Path) -> None:
    async def main() -> None:
        async with Station(path).server as server:
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
            contents = msgspec.to_builtins(feed_file.read(path))
            assert contents["port"] == server.port
            assert contents["pid"] == os.getpid()
            assert contents["v"] == wire.VERSION
            assert len(contents["token"]) >= 32
            assert os.listdir(path.parent) == [path.name]
        with pytest.raises(FeedError, match="no station is running"):
            feed_file.read(path)

    run(main())


def test_a_station_leaves_the_file_of_its_successor_alone(path: Path) -> None:
    async def main() -> None:
        old, new = Station(path), Station(path)
        await old.server.start()
        async with new.server:
            await old.server.close()
            assert feed_file.read(path).port == new.server.port

    run(main())


def test_it_listens_on_loopback_only(path: Path) -> None:
    async def main() -> None:
        async with Station(path).server as server:
            with socket.socket() as other:
                other.settimeout(1)
                assert other.connect_ex(("127.0.0.2", server.port)) != 0

    run(main())


def test_a_feed_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    async def main() -> None:
        station = Station(tmp_path / "missing" / "vitals.db.feed")
        with pytest.raises(FeedError, match="cannot be written"):
            await station.server.start()

    run(main())


def test_on_a_full_disk_the_last_station_s_file_is_written_over(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with Station(path).server:
            pass
        kept = os.stat(path).st_ino
        monkeypatch.setattr("tempfile.mkstemp", full_disk)
        async with Station(path).server as server:
            assert feed_file.read(path).port == server.port
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
            assert os.stat(path).st_ino == kept

    run(main())


def test_on_a_full_disk_a_first_station_runs_and_is_found_when_there_is_room(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        monkeypatch.setattr("vitals.feed.ANNOUNCE_S", 0.01)
        tries: list[object] = []

        def full(**named: object) -> None:
            tries.append(named)
            full_disk()

        with monkeypatch.context() as disk:
            disk.setattr("tempfile.mkstemp", full)
            server = Station(path).server
            await server.start()
            await until(lambda: len(tries) > 2)
            assert os.listdir(path.parent) == []
        await until(path.exists)
        assert feed_file.read(path).port == server.port
        await server.close()

    run(main())


def full_disk(**_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("first", "code", "reason"),
    [
        (b'{"t":"auth","v":1,"token":"guess"}', 4401, "token is wrong"),
        ('{"t":"auth","v":1,"token":"gu€ss"}'.encode(), 4401, "token is wrong"),
        (wire.encode(wire.CommandMsg(id="1", kind="ack", room="r1")), 4400, "must be auth"),
        (b"{", 4400, "must be auth"),
        (b"\xff", 4400, "must be auth"),
    ],
)
def test_who_does_not_know_the_token_is_refused(
    path: Path, first: bytes, code: int, reason: str
) -> None:
    async def main() -> None:
        station = Station(path)
        async with station.server, reader(path, first) as ws:
            got, said = await refusal(ws)
            assert got == code
            assert reason in said
            assert station.hub.subscribers == 0

    run(main())


def test_another_version_is_refused_in_a_sentence_that_names_both(path: Path) -> None:
    async def main() -> None:
        async with Station(path).server:
            auth = wire.Auth(v=7, token=feed_file.read(path).token)
            async with reader(path, wire.encode(auth)) as ws:
                code, said = await refusal(ws)
                assert code == 4409
                assert f"version {wire.VERSION} and this program version 7" in said

    run(main())


def test_silence_instead_of_a_token_is_not_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitals.feed.AUTH_S", 0.05)

    async def main() -> None:
        async with Station(path).server as server:
            url = f"ws://127.0.0.1:{server.port}/"
            async with connect(url, proxy=None) as ws:
                assert (await refusal(ws))[0] == 4400

    run(main())


def test_a_web_page_cannot_connect_at_all(path: Path) -> None:
    async def main() -> None:
        async with Station(path).server as server:
            url = f"ws://127.0.0.1:{server.port}/"
            with pytest.raises(InvalidStatus):
                async with connect(url, proxy=None, origin="http://127.0.0.1:8050"):
                    pass

    run(main())


def test_only_the_one_who_asked_gets_the_answer(path: Path) -> None:
    async def main() -> None:
        station = Station(path)
        async with station.server, reader(path) as one, reader(path) as other:
            for ws in (one, other):
                await messages(ws)
                await messages(ws)
            command = wire.CommandMsg(id="c1", kind="acknowledge", room="r1", args={"rule": "x"})
            await one.send(wire.encode(command))
            assert await messages(one) == [wire.ResultMsg(id="c1", ok=True, recorded=True)]
            assert station.asked == [command]
            station.hub.publish(wire.BeatMsg(now_us=1))
            assert await messages(other) == [wire.BeatMsg(now_us=1)]

    run(main())


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (CommandError("has no cuff", device="d1"), "d1: has no cuff"),
        (ZeroDivisionError("patient name"), "the station failed at this command; see its log"),
    ],
)
def test_a_command_that_fails_is_answered_and_the_connection_lives(
    path: Path, error: Exception, sentence: str
) -> None:
    async def main() -> None:
        station = Station(path)

        def fail(*_: object) -> None:
            raise error

        station.server._on_command = fail
        async with station.server, reader(path) as ws:
            await messages(ws)
            await messages(ws)
            for number in ("c1", "c2"):
                await ws.send(wire.encode(wire.CommandMsg(id=number, kind="k", room="r1")))
                assert await messages(ws) == [wire.ResultMsg(id=number, ok=False, error=sentence)]

    run(main())


@pytest.mark.parametrize("junk", [b'{"t":"command","id":"secret-payload"}', b"[", b"\x00\xff"])
def test_junk_ends_that_connection_alone_and_is_not_logged(
    path: Path, junk: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def main() -> None:
        station = Station(path)
        async with station.server, reader(path) as bad, reader(path) as good:
            for _ in range(2):
                await messages(good)
            await bad.send(junk)
            assert (await refusal(bad))[0] == 4400
            station.hub.publish(wire.BeatMsg(now_us=1))
            assert await messages(good) == [wire.BeatMsg(now_us=1)]
            await until(lambda: station.hub.subscribers == 1)

    run(main())
    assert "refused" in caplog.text
    assert "secret-payload" not in caplog.text


def test_a_reader_that_never_reads_costs_nothing_and_hinders_nobody(path: Path) -> None:
    big = [12345] * 2000

    async def main() -> None:
        station = Station(path)
        async with station.server, reader(path) as stuck, reader(path) as good:
            stuck.transport.pause_reading()
            await messages(good)
            await messages(good)
            largest = 0
            for number in range(3000):
                wave = wire.WaveMsg(
                    room="r1", channel="pleth", device="d", start_us=number, rate_hz=75.0, y=big
                )
                station.hub.publish(wave)
                station.hub.publish(
                    wire.AlarmMsg(room="r1", rule="spo2-low", condition="active", value=number)
                )
                seen = await messages(good)
                assert seen[-1].value == number
                largest = max(largest, *(len(b) for b in station.hub._boxes))
            assert largest <= 30
            assert sum(b.dropped for b in station.hub._boxes) > 3000
            stuck.transport.resume_reading()
            last = None
            while last is None or last.value != 2999:
                for message in await messages(stuck):
                    if isinstance(message, wire.AlarmMsg):
                        last = message

    run(main(), 60)


def test_a_stuck_reader_does_not_delay_the_end(path: Path) -> None:
    async def main() -> None:
        station = Station(path)
        loop = asyncio.get_running_loop()
        async with station.server, reader(path) as stuck:
            await messages(stuck)
            stuck.transport.pause_reading()
            for number in range(500):
                station.hub.publish(wire.MarkMsg(room="r1", at_us=number, kind="x" * 20_000))
                await asyncio.sleep(0)
            start = loop.time()
            await station.server.close()
            assert loop.time() - start < 2
            assert station.hub.subscribers == 0
            stuck.transport.abort()

    run(main())
