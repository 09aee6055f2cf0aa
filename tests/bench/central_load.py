"""Stations for `tests.bench.central`: one process sends for many of them, as their senders would.

    python -m tests.bench.central_load

On its input a plan, after "ready" on its output the time to begin, after "over" and after "caught
up" a line to go on.

Each station has two connections, as a real sender has: one for its record (a block of values a
second, committed to disk), one for what its rooms show. A sample's value is the number of its
second, so that whoever sees it knows when it was due: below zero in the first `NEW_S` seconds, when
all connections are new and plan their statements at once, as after a restart of the server. Prints
one JSON object at the end.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import psycopg

from tests.bench.central_wire import Wire
from vitals import wire
from vitals.central import lanes, live, watermark
from vitals.central.lanes import Block, ChannelLine
from vitals.model import US

CHANNELS = ("spo2", "pr", "rr")
STATE_EVERY = 5
"""A room of each station changes its slow state every so many seconds: alarms come and go."""
NEW_S = 2
"""Seconds that are timed apart: no connection has sent anything yet."""
_MOST_S = 60.0


@dataclass(frozen=True)
class Plan:
    """What one process does.

    Attributes:
        stations: id -> libpq keywords.
        rooms: of each station.
        seconds: how many.
        away_s: afterwards each station has been away for so long, and catches up.
        phase_us: of each station: they do not all send at once.
    """

    stations: dict[str, str]
    rooms: int
    seconds: int
    away_s: int
    phase_us: dict[str, int]


@dataclass
class Told:
    """What came of it.

    Attributes:
        commit_ms: of each block, from its question to its answer; `new_ms` in the first `NEW_S`.
        caught_ms: of each block while catching up, from its question to its answer.
        due_ms: of each block, from the time of its samples to its answer.
        live_ms: of what rooms show, from the time of its samples to its answer.
        samples: committed while live, and `caught` afterwards.
        caught_from: wall time at which the first began to catch up, `caught_to` the last's end.
        cpu_s: processor time of this process while live, `caught_cpu_s` while it caught up.
    """

    commit_ms: list[float] = field(default_factory=list)
    new_ms: list[float] = field(default_factory=list)
    caught_ms: list[float] = field(default_factory=list)
    due_ms: list[float] = field(default_factory=list)
    live_ms: list[float] = field(default_factory=list)
    samples: int = 0
    caught: int = 0
    caught_from: float = 0.0
    caught_to: float = 0.0
    cpu_s: float = 0.0
    caught_cpu_s: float = 0.0


def _now_us() -> int:
    return time.time_ns() // 1000


def room_state(number: int) -> wire.RoomMsg:
    """A room in a session: about as long as that of a real station, 9 kB (2.7 kB compressed)."""
    room, now_us = f"room-{number}", _now_us()
    return wire.RoomMsg(
        id=room,
        label=f"Room {number}",
        session=wire.SessionMsg(room=room, id=f"{number:032x}", subject_ref=f"P-{number}"),
        devices=[
            wire.DeviceMsg(id=f"{room}-ox", driver="nonin-df2", state="streaming"),
            wire.DeviceMsg(id=f"{room}-bp", driver="dinamap", state="streaming"),
        ],
        alarms=[
            wire.AlarmMsg(room=room, rule=rule, channel=rule.split("-")[0], text="SpO2 low")
            for rule in ("spo2-low", "pr-high", "rr-low")
        ],
        due=[
            wire.DueMsg(
                room=room, what=f"nibp+{i}", at_us=now_us + i * 977 * US, label=f"BP at {i}"
            )
            for i in range(0, 130, 10)
        ],
        limits=[
            wire.LimitMsg(channel=key, side=side, priority=priority, limit=50.0 + i)
            for i, key in enumerate(("spo2", "pr", "hr", "nibp_sys", "rr"))
            for side in ("high", "low")
            for priority in ("medium", "high")
        ],
        marks=[
            wire.MarkMsg(
                room=room,
                at_us=now_us + i * 1013,
                kind="mark",
                text=f"note {i} of {room}",
                by="Ann",
            )
            for i in range(20)
        ],
    )


class Station:
    """One station, as its sender."""

    def __init__(self, name: str, dsn: str, plan: Plan, told: Told) -> None:
        self._name, self._dsn, self._plan, self._told = name, dsn, plan, told
        self._record = hashlib.sha256(name.encode()).hexdigest()
        self._seq = 0
        self._rooms = [room_state(number) for number in range(1, plan.rooms + 1)]
        # Made once: what a device's message costs is no part of what is measured.
        self._numbers = [
            wire.NumericMsg(
                room=room.id, device=f"{room.id}-ox", channel=key, at_us=0, value=None, flags=[]
            )
            for room in self._rooms
            for key in CHANNELS
        ]
        self._begin_us = _now_us()

    async def run(
        self, ready: asyncio.Event, begin: asyncio.Future[int], over: asyncio.Barrier
    ) -> None:
        """Connects, waits for the time to begin, sends live, then catches up."""
        connect = psycopg.AsyncConnection.connect
        async with (
            await connect(self._dsn, autocommit=True) as record,
            await connect(self._dsn, autocommit=True) as shown,
        ):
            await self._prepare(record, shown)
            ready.set()
            self._begin_us = await begin
            wires = Wire(record), Wire(shown)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._send_record(wires[0]))
                both.create_task(self._send_live(wires[1]))
            await over.wait()
            await over.wait()
            if self._plan.away_s:
                await self._catch_up(wires[0])
            await over.wait()
            await over.wait()
            for wire_ in wires:
                wire_.close()

    async def _prepare(self, record: Any, shown: Any) -> None:
        await watermark.read(record, self._name, self._record)
        await lanes.send_channels(
            record,
            self._name,
            self._record,
            [
                ChannelLine(
                    room * len(CHANNELS) + i, "s", f"d{room}", key, "%", "numeric", 1.0, None, None
                )
                for room in range(self._plan.rooms)
                for i, key in enumerate(CHANNELS)
            ],
        )
        for second in (-NEW_S, self._plan.seconds + self._plan.away_s + 300):
            await lanes.make_day(record, self._block([second]))
        self._seq = 0
        states = {room.id: (room.label, live.state_of(room)) for room in self._rooms}
        await live.send_rooms(shown, self._name, states)
        await live.send_latest(shown, self._name, live.Latest(now_us=_now_us()))

    def _at_us(self, second: int) -> int:
        return self._begin_us + self._plan.phase_us[self._name] + second * US

    def _block(self, seconds: list[int]) -> Block:
        """The values of these seconds."""
        each = range(self._plan.rooms * len(CHANNELS))
        count = len(each) * len(seconds)
        first, self._seq = self._seq + 1, self._seq + count
        return Block(
            seq=range(first, first + count),
            channel_id=[*each] * len(seconds),
            at_us=[self._at_us(second) for second in seconds for _ in each],
            value=[float(second) for second in seconds for _ in each],
            quality=[0] * count,
            flags=[""] * count,
            device_at_us=[None] * count,
        )

    async def _until(self, second: int) -> None:
        await asyncio.sleep(max(0.0, (self._at_us(second) - _now_us()) / US))

    async def _send_record(self, connection: Any) -> None:
        for second in range(-NEW_S, self._plan.seconds):
            await self._until(second)
            took_ms = self._told.new_ms if second < 0 else self._told.commit_ms
            count = await self._commit(connection, [second], took_ms)
            self._told.samples += count  # not in one statement: others count meanwhile
            if second >= 0:
                self._told.due_ms.append((_now_us() - self._at_us(second)) / 1000)

    async def _commit(self, connection: Any, seconds: list[int], took_ms: list[float]) -> int:
        known = self._seq
        block = self._block(seconds)
        began = time.perf_counter()
        async with asyncio.timeout(_MOST_S):
            sent = await lanes.send_block(connection, self._name, self._record, known, block)
        assert sent, f"{self._name} was overtaken"
        took_ms.append(1000 * (time.perf_counter() - began))
        return len(block.seq)

    async def _send_live(self, connection: Any) -> None:
        row = live.Row(connection, self._name)
        for second in range(-NEW_S, self._plan.seconds):
            await self._until(second)
            at_us = self._at_us(second)
            for number in self._numbers:
                number.at_us, number.value = at_us, float(second)
            latest = live.Latest(now_us=_now_us(), build="bench", numbers=self._numbers)
            async with asyncio.timeout(_MOST_S):
                await row.send(latest)
            if second >= 0:
                self._told.live_ms.append((_now_us() - at_us) / 1000)
            if second % STATE_EVERY == STATE_EVERY - 1:
                room = self._rooms[second // STATE_EVERY % len(self._rooms)]
                room.alarms[0].condition = "active" if second % 2 else "idle"
                self._numbers[0].flags = ["artifact"] if second % 2 else []
                await live.send_rooms(
                    connection, self._name, {room.id: (room.label, live.state_of(room))}
                )

    async def _catch_up(self, connection: Any) -> None:
        """Everything of an outage, as fast as it goes, in transactions of `lanes.MOST`."""
        at_once = max(1, lanes.MOST // (self._plan.rooms * len(CHANNELS)))
        self._told.caught_from = self._told.caught_from or time.time()
        behind = range(self._plan.seconds, self._plan.seconds + self._plan.away_s)
        for at in range(0, len(behind), at_once):
            some = list(behind[at : at + at_once])
            count = await self._commit(connection, some, self._told.caught_ms)
            self._told.caught += count
        self._told.caught_to = max(self._told.caught_to, time.time())


async def load(plan: Plan) -> Told:
    """All stations of this process."""
    told = Told()
    begin: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    over = asyncio.Barrier(len(plan.stations) + 1)
    async with asyncio.TaskGroup() as group:
        for name, dsn in plan.stations.items():
            ready = asyncio.Event()
            group.create_task(Station(name, dsn, plan, told).run(ready, begin, over))
            await ready.wait()  # one after the other: logging in costs a server processor time
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        begin.set_result(int(await asyncio.to_thread(sys.stdin.readline)))
        used = time.process_time()
        await over.wait()
        told.cpu_s = time.process_time() - used
        sys.stdout.write("over\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)
        used = time.process_time()
        await over.wait()
        await over.wait()
        told.caught_cpu_s = time.process_time() - used
        sys.stdout.write("caught up\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)
        await over.wait()
    return told


def main() -> None:
    """Reads the plan, prints what came of it."""
    plan = Plan(**json.loads(sys.stdin.readline()))
    json.dump(asdict(asyncio.run(load(plan))), sys.stdout)


if __name__ == "__main__":
    main()
