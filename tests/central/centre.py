"""The central pages on a real PostgreSQL, and stations of which a test says what they send."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import uvicorn
from psycopg.conninfo import conninfo_to_dict
from websockets.asyncio.client import ClientConnection, connect

from dashboard import central_server, server
from dashboard.cli_commands import listen
from tests.central.cluster import Database
from tests.dashboard.ward import wait_until
from vitals import wire
from vitals.central import central_file, live
from vitals.clock import Clock
from vitals.model import US
from vitals.wire.ward import WardMsg, WardRoomState

DEADLINE_S = 40.0
_down = msgspec.json.Decoder(wire.Down | WardMsg | WardRoomState).decode


class SendingStation:
    """What a station's sender writes, by the sender's own statements.

    Attributes:
        behind_us: how far its clock is behind.
        rooms: id -> its state; what is changed in them is sent with `state`.
    """

    def __init__(self, id_: str, connection: Any, behind_us: int = 0) -> None:
        self.id = id_
        self.connection = connection
        self.behind_us = behind_us
        self.clock = Clock.anchored_now()
        self.rooms: dict[str, wire.RoomMsg] = {}
        self.numbers: dict[tuple[str, str], wire.NumericMsg] = {}

    def now_us(self) -> int:
        return self.clock.now_us() - self.behind_us

    async def state(self, *rooms: wire.RoomMsg) -> None:
        """Sends rooms, or all again."""
        self.rooms |= {room.id: room for room in rooms}
        sent = {room.id: (room.label, wire.encode(room)) for room in rooms or self.rooms.values()}
        await live.send_rooms(self.connection, self.id, sent)

    async def latest(self, room: str = "", sent_us: int = 0, **values: float | None) -> int:
        """Sends all newest numbers, of which these are new; returns their time there."""
        now_us = self.now_us()
        for channel, value in values.items():
            self.numbers[room, channel] = wire.NumericMsg(
                room=room, channel=channel, device="d", at_us=now_us, value=value
            )
        return await self.send(sent_us or now_us)

    async def send(self, now_us: int = 0, **more: Any) -> int:
        now_us = now_us or self.now_us()
        told = live.Latest(now_us=now_us, numbers=list(self.numbers.values()), **more)
        await live.send_latest(self.connection, self.id, told)
        return now_us


@contextlib.asynccontextmanager
async def station(
    database: Database, id_: str, site: str = "North", clinic: str = "Main", behind_us: int = 0
) -> AsyncIterator[SendingStation]:
    """A station that was added, and its connection."""
    dsn = database.station(id_, site=site, clinic=clinic)
    connection = await psycopg.AsyncConnection.connect(dsn, autocommit=True)
    try:
        yield SendingStation(id_, connection, behind_us)
    finally:
        await connection.close()


def room(number: int, *, session: str = "", **more: Any) -> wire.RoomMsg:
    """A room as a station knows it."""
    id_ = f"room-{number}"
    now_us = Clock.anchored_now().now_us()
    opened = wire.SessionMsg(
        room=id_, id=session, subject_ref="KV-0417", phase="ONSET_PEAK", started_us=now_us - 60 * US
    )
    device = wire.DeviceMsg(id="d", driver="test", channels=["spo2", "pr"], state="streaming")
    return wire.RoomMsg(
        id=id_,
        label=f"Room {number}",
        devices=[device],
        session=opened if session else wire.SessionMsg(room=id_),
        **more,
    )


def central_toml(folder: Path, database: Database, more: str = "") -> Path:
    """A config file whose password is in a file of its own."""
    words = conninfo_to_dict(database.viewer())
    password = folder / "viewer.password"
    password.touch(mode=0o600)
    password.write_text(str(words.pop("password")))
    dsn = " ".join(f"{key}={value}" for key, value in words.items())
    path = folder / "central.toml"
    path.write_text(f'[central]\ndsn = "{dsn}"\npassword = "file:viewer.password"\n{more}')
    return path


class CentralWeb:
    """The server of `central.toml` in a thread."""

    def __init__(self, path: Path, access: server.Access | None = None) -> None:
        self.deaths: list[str] = []
        settings = central_file.load(path)
        settings.central.folder.mkdir(exist_ok=True)
        self._listener = listen("127.0.0.1", 0)
        self.port = self._listener.getsockname()[1]
        self.server = central_server.create(settings, self.deaths.append, access)
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                self.server.asgi,
                log_level="warning",
                access_log=False,
                ws_ping_interval=None,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._run, name="central web")

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> CentralWeb:
        self._thread.start()
        wait_until(lambda: self._uvicorn.started, "web server up")
        return self

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        await self._uvicorn.serve(sockets=[self._listener])
        for connection in list(self._uvicorn.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)

    def stop(self) -> None:
        self._uvicorn.should_exit = True
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()


@contextlib.contextmanager
def central_web(
    folder: Path, database: Database, access: server.Access | None = None
) -> Iterator[CentralWeb]:
    """The pages, once PostgreSQL has answered."""
    web = CentralWeb(central_toml(folder, database), access).start()
    try:
        wait_until(lambda: web.server.hub.link == "live", "PostgreSQL")
        yield web
        assert web.deaths == []
    finally:
        web.stop()


class CentralClient:
    """A page without a browser: what it was told, and what it would draw.

    Attributes:
        rooms: the rooms of the newest snapshot, as messages have changed them since.
        ward: the newest answer.
        got: all messages in their order.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self.rooms: dict[str, wire.RoomMsg] = {}
        self.ward: WardMsg | None = None
        self.hello: wire.Hello | None = None
        self.got: list[Any] = []
        self._socket = socket

    async def say(self, **message: Any) -> None:
        await self._socket.send(msgspec.json.encode(message).decode())

    async def ask(self, **question: Any) -> WardMsg:
        """Asks, and returns the answer to that."""
        self.ward = None
        await self.say(t="ward", **question)
        await self.until(lambda: self.ward is not None)
        assert self.ward is not None
        return self.ward

    async def until(self, condition: Any, limit_s: float = DEADLINE_S) -> None:
        """Reads until it holds."""
        async with asyncio.timeout(limit_s):
            while not condition():
                for raw in wire.split(await self._socket.recv(decode=False)):
                    self._take(bytes(raw))

    def _take(self, raw: bytes) -> None:
        if raw.startswith(b'{"t":"who"'):
            return
        message = _down(raw)
        self.got.append(message)
        match message:
            case wire.Hello():
                self.hello = message
            case WardMsg():
                self.ward = message
            case wire.Snapshot():
                self.rooms = {room.id: room for room in message.rooms}
            case WardRoomState():
                self.rooms[message.room.id] = message.room


@contextlib.asynccontextmanager
async def page(web: CentralWeb, query: str = "", cookie: str = "") -> AsyncIterator[CentralClient]:
    """A page of the central server."""
    headers = {"Origin": web.address, **({"Cookie": cookie} if cookie else {})}
    url = f"ws://127.0.0.1:{web.port}/live{query}"
    async with connect(url, additional_headers=headers, max_size=None) as socket:
        yield CentralClient(socket)
