"""A whole station behind a cable: `vitals station` and `vitals sender`, each a process of its own.

Its monitors are on ptys in this process; a page's follower listens to its feed from inside the
namespace, and times every alarm there. What it has recorded is compared with the centre row by row.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import apsw
import psycopg

from devices import registry
from simulators.bedside import Bedside
from simulators.endpoints import PtyEndpoint
from simulators.monitor import SimulatedMonitor
from simulators.patient import Patient
from tests.central.cluster import Database
from tests.central.netns import Cable
from tests.e2e.clinic import VITALS, wait_for
from vitals import wire
from vitals.clock import boottime_ns
from vitals.follower import Follower, ask
from vitals.hub import Hub

LIMITS = """version = "outage"
[[rule]]  # decided by the very sample that is out
id = "pr-high"
channel = "pr"
side = "high"
level = [{ priority = "high", limit = 130, strict = true, clear = 125 }]
"""
_START_S = 90.0


class Racing(Patient):
    """A pulse that crosses the limit every other second."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, route="iv")
        self._shift_s = seed * 0.7

    def value(self, channel: str) -> float | None:
        """Only the pulse is not a patient's."""
        if channel == "pr":
            return 140.0 if (self.now_s + self._shift_s) % 2 < 1 else 110.0
        return super().value(channel)


class Listening(Hub):
    """What a page of the station hears, and how late it hears of alarms.

    Attributes:
        late_ms: of each alarm, from the deciding sample at its port to here.
    """

    def __init__(self) -> None:
        super().__init__("stale")
        self.late_ms: list[float] = []
        self.beats = 0
        self._ahead_us = 1 << 62  # least of (this clock − the station's): its shortest way here
        self._raised: dict[str, int] = {}

    def publish(self, message: wire.Down, raw: bytes | None = None) -> None:
        """Takes one message."""
        here_us = boottime_ns() // 1000
        if isinstance(message, wire.BeatMsg):
            self.beats += 1
            self._ahead_us = min(self._ahead_us, here_us - message.now_us)
        elif (
            isinstance(message, wire.AlarmMsg)
            and (message.rule, message.condition) == ("pr-high", "active")
            and message.raised_us == message.value_us is not None
            and self._raised.get(message.room) != message.raised_us
        ):
            self._raised[message.room] = message.value_us
            if self.beats > 1:
                self.late_ms.append((here_us - self._ahead_us - message.value_us) / 1000)
        super().publish(message, raw)

    def forget_clock(self) -> None:
        """A new station may have anchored its clock anew."""
        self.beats, self._ahead_us = 0, 1 << 62


class Program:
    """One of the station's processes, in the namespace."""

    def __init__(self, folder: Path, cable: Cable, *words: str) -> None:
        self._command = [*cable.inside, *VITALS, *words]
        self._folder = folder
        self.log = folder / f"{words[0]}.log"
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it."""
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                self._command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def runs(self) -> bool:
        """Whether it has not ended by itself."""
        return self._running is not None and self._running.poll() is None

    def kill9(self) -> None:
        """Ends it without a word; harmless when it has ended."""
        if self._running is not None:
            self._running.kill()
            self._running.wait(30)
            self._running = None


class Remote:
    """One station of `rooms` rooms with an oximeter each. Use it as a context manager."""

    def __init__(
        self,
        folder: Path,
        cable: Cable,
        dsn: str,
        password: str,
        root_cert: Path,
        *,
        rooms: int = 2,
    ) -> None:
        self.folder, self.cable = folder, cable
        self.store = folder / "vitals.db"
        self.rooms = [f"room-{number}" for number in range(1, rooms + 1)]
        self.station = Program(folder, cable, "station", "--config", "clinic.toml")
        self.sender = Program(folder, cable, "sender", "--config", "clinic.toml")
        self.heard = Listening()
        self._bedsides: list[Bedside] = []
        self._loop = asyncio.new_event_loop()
        self._over: asyncio.Event | None = None
        secret = folder / "password"
        secret.touch(mode=0o600)
        secret.write_text(password)
        (folder / "limits.toml").write_text(LIMITS)
        lines = [
            '[station]\nid = "st-1"\nmode = "test"\nprofile = "limits.toml"',
            f'[central]\ndsn = "{dsn}"\npassword = "file:{secret}"\nroot_cert = "{root_cert}"',
        ]
        for number, room in enumerate(self.rooms, 1):
            patient = Racing(number)
            monitor = SimulatedMonitor(registry.get("nonin-df2"), patient, seed=number)
            end = PtyEndpoint(monitor, folder / f"usb-{number}")
            self._bedsides.append(Bedside(patient, [end]))
            lines.append(
                f'[[room]]\nid = "{room}"\n  [[room.device]]\n  id = "{room}-ox"\n'
                f'  driver = "nonin-df2"\n  url = "{end.url}"'
            )
        (folder / "clinic.toml").write_text("\n".join(lines))

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            for bedside in self._bedsides:
                stack.enter_context(bedside)
            listening = threading.Thread(target=self.cable.run, args=(self._listen,), daemon=True)
            listening.start()
            stack.callback(listening.join, 30)
            stack.callback(self._end_listening)
            stack.callback(self.station.kill9)
            self.start_station()
            self.cable.run(lambda: asyncio.run(self._open_sessions()))
            stack.callback(self.sender.kill9)
            self.sender.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start_station(self) -> None:
        """Starts the station, and waits until its page hears it."""
        self.heard.forget_clock()
        self.station.start()
        try:
            wait_for(lambda: self.heard.beats > 1, "the station is heard", _START_S)
        except AssertionError as error:
            raise AssertionError(self.station.log.read_text()[-3000:]) from error

    def _listen(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._follow())

    async def _follow(self) -> None:
        self._over = asyncio.Event()
        follower = Follower(Path(f"{self.store}.feed"), self.heard, retry_s=(0.1, 0.2))
        following = asyncio.create_task(follower.run())
        await self._over.wait()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)

    def _end_listening(self) -> None:
        if self._over is not None:
            self._loop.call_soon_threadsafe(self._over.set)

    async def _open_sessions(self) -> None:
        for room in self.rooms:
            for kind, args in (
                ("open_session", {"subject_ref": f"P-{room}", "route": "iv"}),
                ("dose", {}),
            ):
                await self._act(kind, room, args)

    async def _act(self, kind: str, room: str, args: dict[str, str]) -> None:
        message = wire.CommandMsg(
            id=str(uuid.uuid4()), kind=kind, room=room, name="Ann", role="nurse", args=args
        )
        (result,) = await ask(Path(f"{self.store}.feed"), [message])
        assert result.ok, result.error

    def mark(self, text: str) -> None:
        """Somebody writes a note in the first room; it is in the record afterwards."""
        self.cable.run(lambda: asyncio.run(self._act("mark", self.rooms[0], {"text": text})))

    def recorded(self) -> tuple[int, int]:
        """Last place in the record's chain, and last counter of a value, now."""
        with _reading(self.store) as record:
            (found,) = record.execute("SELECT (SELECT max(n) FROM audit), max(seq) FROM numeric")
            return int(found[0] or 0), int(found[1] or 0)

    def counted(self) -> tuple[int, int]:
        """Rows of the audit trail, and values, in the record now."""
        with _reading(self.store) as record:
            (found,) = record.execute(
                "SELECT (SELECT count(*) FROM audit), (SELECT count(*) FROM numeric)"
            )
            return int(found[0]), int(found[1])

    def wait_until_sent(self, database: Database, within_s: float = 60.0) -> float:
        """Waits until all that is recorded now is at the centre; returns how long that took."""
        audit, numeric = self.recorded()
        began = time.monotonic()
        with psycopg.connect(database.admin, autocommit=True) as admin:

            def is_there() -> bool:
                found = _marks(admin)
                return found["audit"] >= audit and found["numeric"] >= numeric

            wait_for(is_there, f"the centre has rows {audit} and {numeric}", within_s)
        return time.monotonic() - began


@contextlib.contextmanager
def _reading(store: Path) -> Iterator[apsw.Connection]:
    record = apsw.Connection(str(store), flags=apsw.SQLITE_OPEN_READONLY)
    record.set_busy_timeout(5000)
    try:
        yield record
    finally:
        record.close()


def _marks(admin: psycopg.Connection[Any]) -> dict[str, int]:
    """Lane -> how far the centre has it."""
    rows = admin.execute("SELECT lane, max(n) FROM kap.watermark GROUP BY lane").fetchall()
    return {"audit": 0, "numeric": 0, **{str(lane): int(n) for lane, n in rows}}


def differences(remote: Remote, database: Database) -> list[str]:
    """What the centre has otherwise than the station, row by row up to where the centre is."""
    found: list[str] = []
    with psycopg.connect(database.admin) as admin, _reading(remote.store) as record:
        # the sender goes on: watermarks and rows of one moment
        admin.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        marks = _marks(admin)
        audit, numeric = marks["audit"], marks["numeric"]
        centre = admin.execute("SELECT n, hash FROM kap.audit ORDER BY n").fetchall()
        station = record.execute(
            "SELECT n, hash FROM audit WHERE n <= ? ORDER BY n", (audit,)
        ).fetchall()
        if centre != station:
            found.append(f"{len(centre)} audit rows at the centre, {len(station)} at the station")
        heads = [str(rows[-1][1]) if rows else "" for rows in (centre, station)]
        if heads[0] != heads[1]:
            found.append(f"chain heads differ: {heads}")
        values = admin.execute(
            "SELECT u.seq, u.channel, u.at_us, u.value FROM kap.block b CROSS JOIN LATERAL"
            " unnest(b.seq, b.channel_id, b.at_us, b.value) AS u(seq, channel, at_us, value)"
            " ORDER BY u.seq"
        ).fetchall()
        kept = record.execute(
            "SELECT seq, channel_id, at_us, value FROM numeric WHERE seq <= ? ORDER BY seq",
            (numeric,),
        ).fetchall()
        if twice := len(values) - len({row[0] for row in values}):
            found.append(f"{twice} values are twice at the centre")
        if missing := len({row[0] for row in kept} - {row[0] for row in values}):
            found.append(f"{missing} of {len(kept)} values are missing at the centre")
        if values != kept and not found:
            found.append("a value is another one at the centre")
        if not kept:
            found.append("nothing was sent at all")
    return found
