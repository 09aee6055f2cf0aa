"""Small records, and ways to wait for a writer's thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import apsw
import numpy as np

from vitals.clock import US, Clock
from vitals.model import Flag, Numeric, Quality, Session, Waveform
from vitals.store.connection import open_for_writing
from vitals.store.pace import WriterSettings
from vitals.store.rows import AuditRow, SessionRecord, StationRow
from vitals.store.writer import Writer

T0 = 1_800_000_000 * US
FAST = WriterSettings(
    group_s=0.02, stall_s=0.3, seal_s=3600.0, first_retry_s=0.005, last_retry_s=0.02, look_s=0.0
)
KEY = bytes(range(32))


def session(uuid: str = "session-a", **changes: Any) -> Session:
    facts: dict[str, Any] = {
        "id": uuid,
        "room": "room-1",
        "subject_ref": "P-017",
        "route": "IM",
        "started_us": T0,
    }
    return Session(**(facts | changes))


def audit(seq: int, kind: str = "note", **changes: Any) -> AuditRow:
    facts: dict[str, Any] = {
        "seq": seq,
        "at_us": T0 + seq,
        "session": "session-a",
        "room": "room-1",
        "actor": "Ann",
        "role": "nurse",
        "kind": kind,
        "body": {"text": f"note {seq}"},
    }
    return AuditRow(**(facts | changes))


def spo2(at_s: float, value: float | None = 97.0, **changes: Any) -> Numeric:
    return Numeric("oximeter", "spo2", T0 + round(at_s * US), value, **changes)


def pleth(at_s: float, values: Any = range(25), rate_hz: float = 75.0) -> Waveform:
    samples = np.array(list(values), dtype=np.float32)
    return Waveform("oximeter", "pleth", T0 + round(at_s * US), rate_hz, samples)


def station(speed: float = 1.0) -> StationRow:
    return StationRow("clinic-a", "boot-1", Clock(T0, 123, speed))


def opened(path: Path, settings: WriterSettings = FAST, **options: Any) -> Writer:
    """A running writer with an open session `session-a` under seq 1, committed."""
    writer = Writer(path, now_us=lambda: T0, settings=settings, **options)
    writer.start()
    record = SessionRecord(session(), "Europe/Berlin", "limits", "rooms")
    writer.put_audit(audit(1, "session_change"), session=record, station=station())
    until(lambda: writer.health().queued == 0)
    return writer


def fill(path: Path, **options: Any) -> int:
    """A closed, sealed record of two sessions with everything in it; returns its last seq."""
    writer = opened(path, replace(FAST, group_s=3600.0), **options)
    other = session("session-b", room="room-2", dose_us=T0 + 9 * US)
    writer.put_audit(audit(2, "session_change", session="session-b"), session=other)
    until(lambda: writer.health().queued == 0)
    seq = 2
    for second in range(40):
        for uuid in ("session-a", "session-b"):
            value = None if second == 7 else 90.0 + second / 8
            flags = frozenset({Flag.SEARCHING}) if value is None else frozenset()
            quality = Quality.QUESTIONABLE if second == 9 else Quality.GOOD
            writer.put_numeric(uuid, seq + 1, spo2(second, value, flags=flags, quality=quality))
            for third in range(3):
                wave = pleth(second + third / 3, range(second, second + 25))
                writer.put_wave(uuid, seq + 2 + third, wave)
            seq += 4
    for key, value in (("nibp_sys", 128.0), ("nibp_dia", 82.0), ("nibp_map", 97.0)):
        seq += 1
        cuff_at = T0 - US
        value_of = Numeric("cuff", key, T0 + 5 * US, value, device_at_us=cuff_at)
        writer.put_numeric("session-a", seq, value_of)
        until(lambda: writer.health().queued == 0)  # so that every record is the same
    for number in range(10):
        seq += 1
        writer.put_audit(audit(seq, "alarm" if number % 2 else "note", command_id=f"c{number}"))
    seq += 1
    ended = session("session-b", room="room-2", dose_us=T0 + 9 * US, ended_us=T0 + 60 * US)
    writer.put_audit(audit(seq, "session_change", session="session-b"), session=ended)
    assert writer.close()
    return seq


def until(condition: Callable[[], object], deadline_s: float = 20.0) -> None:
    """Waits for another thread or process."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)


def raw(path: Path, key: bytes | None = None) -> apsw.Connection:
    """A connection that may do what it wants, as an attacker's would."""
    return open_for_writing(path, key=key).connection


def dice_of(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - the same dice every time


class Done:
    """Collects the answers of a writer."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bool]] = []

    def of(self, seq: int) -> Callable[[bool], None]:
        return lambda committed: self.answers.append((seq, committed))
