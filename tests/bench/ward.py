"""A ward to measure: simulated rooms on pseudo-terminals, and a long session in the record."""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from devices import registry
from simulators import scenario
from simulators.bedside import Bedside
from simulators.endpoints import PtyEndpoint
from simulators.monitor import SimulatedMonitor
from simulators.patient import Patient
from vitals import wire
from vitals.follower import ask
from vitals.model import US, Numeric, Session
from vitals.store.rows import AuditRow, SessionRecord
from vitals.store.writer import Writer


class Racing(Patient):
    """A pulse that crosses the bench's limit of 130 every eight seconds, room after room."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, route="iv")
        self._shift_s = seed * 0.5

    def value(self, channel: str) -> float | None:
        if channel == "pr":
            return 131.0 if (self.now_s + self._shift_s) % 8 < 4 else 110.0
        return super().value(channel)


PROFILE = """version = "bench"
[[rule]]  # decided by the very sample that is out
id = "pr-high"
channel = "pr"
side = "high"
level = [{ priority = "high", limit = 130, strict = true, clear = 125 }]
"""


def bedsides(folder: Path, rooms: int) -> tuple[list[Bedside], str]:
    """Beds with an oximeter (pleth) and a blood pressure monitor each; their part of the config."""
    beds, lines = [], []
    for number in range(1, rooms + 1):
        patient = Racing(number)
        lines.append(f'[[room]]\nid = "room-{number}"\nlabel = "Room {number}"')
        ends = []
        for name, driver in (("ox", "nonin-df2"), ("bp", "dinamap")):
            monitor = SimulatedMonitor(registry.get(driver), patient, seed=number)
            ends.append(PtyEndpoint(monitor, folder / f"r{number}-{name}"))
            lines.append(
                f'  [[room.device]]\n  id = "r{number}-{name}"\n  driver = "{driver}"\n'
                f'  url = "{ends[-1].url}"'
            )
        beds.append(Bedside(patient, ends, scenario=scenario.load("calm")))
    return beds, "\n".join(lines)


def past_session(store: Path, hours: float = 2.0) -> str:
    """Writes a finished session, one value a second of three channels; returns its id."""
    session = Session(
        id=str(uuid.uuid4()),
        room="room-1",
        subject_ref="BENCH",
        route="iv",
        started_us=time.time_ns() // 1000 - round((hours * 3600 + 600) * US),
        mode="test",
        dose_us=time.time_ns() // 1000 - round(hours * 3600 * US),
    )
    writer = Writer(store)
    writer.start()
    seq = writer.last_seq() + 1
    row = AuditRow(seq, session.started_us, session.id, "room-1", "", "", "opened")
    writer.put_audit(row, session=SessionRecord(session, "+0000"))
    for second in range(round(hours * 3600)):
        at_us = session.started_us + second * US
        for channel, base, swing in (("spo2", 97, 1), ("pr", 75, 9), ("nibp_sys", 130, 15)):
            if channel.startswith("nibp") and second % 600:
                continue
            seq += 1
            value = round(base + swing * math.sin(second / 300))
            writer.put_numeric(session.id, seq, Numeric("bench", channel, at_us, value))
    ended = Session(**{**{n: getattr(session, n) for n in session.__slots__},
                       "ended_us": session.started_us + round(hours * 3600 * US),
                       "phase": "CLOSED"})  # fmt: skip
    row = AuditRow(seq + 1, ended.ended_us or 0, session.id, "room-1", "", "", "closed")
    writer.put_audit(row, session=ended)
    assert writer.close(60.0)
    return session.id


async def open_sessions(feed: Path, rooms: int) -> None:
    """Opens and doses a session in every room."""
    for number in range(1, rooms + 1):
        for kind, args in (
            ("open_session", {"subject_ref": f"BENCH-{number}", "route": "iv"}),
            ("dose", {}),
        ):
            message = wire.CommandMsg(
                id=str(uuid.uuid4()),
                kind=kind,
                room=f"room-{number}",
                name="bench",
                role="demo",
                args=args,
            )
            (result,) = await ask(feed, [message])
            assert result.ok, result.error


def open_all(feed: Path, rooms: int) -> None:
    """From a thread of its own, as the caller may already be inside an event loop."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, open_sessions(feed, rooms)).result()
