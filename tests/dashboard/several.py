"""A record with several short sessions of several pseudonyms, rooms and modes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitals.alarms.profile import DEFAULT
from vitals.model import US, Numeric, Quality, Session
from vitals.store.rows import AuditRow, SessionRecord
from vitals.store.writer import Writer

START_US = 1_800_000_000 * US
DAY_US = 86_400 * US
SECONDS, DOSE_S = 900, 300


@dataclass(frozen=True)
class Visit:
    """One session; `lowest` is its SpO2 in one second, `peak` its systolic pressure after it."""

    uuid: str
    subject: str = "KV-0417"
    room: str = "room-1"
    mode: Any = "real"
    day: int = 0
    dosed: bool = True
    lowest: float = 91.0
    peak: float = 150.0
    alarms: int = 1
    closed: bool = True
    added: int = 0


def write(path: Path, visits: list[Visit]) -> None:
    writer = Writer(path, now_us=lambda: START_US)
    writer.start()
    seq = itertools.count(1)
    for visit in visits:
        began_us = START_US + visit.day * DAY_US
        dose_us = began_us + DOSE_S * US if visit.dosed else None
        about = Session(
            visit.uuid,
            visit.room,
            visit.subject,
            "im",
            began_us,
            ended_us=began_us + SECONDS * US if visit.closed else None,
            mode=visit.mode,
            phase="CLOSED" if visit.closed else "DESCENT",
            dose_us=dose_us,
        )
        record = SessionRecord(about, "+0100", DEFAULT.read_text(), "")
        for n, row in enumerate(_rows(visit, began_us, dose_us, seq)):
            writer.put_audit(row, session=record if n == 0 else None)
        for numeric in _numerics(visit, began_us):
            writer.put_numeric(visit.uuid, next(seq), numeric)
    assert writer.close(30)


def _rows(
    visit: Visit, began_us: int, dose_us: int | None, seq: Iterator[int]
) -> Iterator[AuditRow]:
    def row(second: float, kind: str, body: dict[str, Any], actor: str = "Ann K.") -> AuditRow:
        at_us = began_us + round(second * US)
        role = "nurse" if actor else ""
        return AuditRow(next(seq), at_us, visit.uuid, visit.room, actor, role, kind, body)

    doses = [{"n": 1, "kind": "dose", "at_us": dose_us, "marked_us": dose_us, "by": "Ann K."}]
    doses[0] |= {"drug": "ketamine", "mg": 70.0}
    state = {"doses": doses if visit.dosed else [], "checkin": {"weight_kg": 80.0}}
    devices = [{"id": "ox", "channels": ["spo2", "pr"], "can": [], "spot": False, "period_s": 1.0}]
    opened = {"cause": "opened", "phase": "CHECK_IN", "room": {"devices": devices}}
    yield row(0, "session_change", opened)
    if visit.dosed:
        body = {"cause": "dose", "phase": "ONSET_PEAK", "state": state, "dose_us": dose_us}
        yield row(DOSE_S, "session_change", body)
    yield row(DOSE_S + 30, "mark", {"text": "eyes closed"})
    for n in range(visit.alarms):
        alarm = {"rule": f"rule-{n}", "priority": "high", "text": "SpO2", "acked_by": ""}
        before, after = {**alarm, "condition": "idle"}, {**alarm, "condition": "active"}
        yield row(400 + n, "alarm", {"rule": f"rule-{n}", "before": before, "after": after}, "")
        yield row(420 + n, "alarm", {"rule": f"rule-{n}", "before": after, "after": before}, "")
    if visit.closed:
        yield row(SECONDS, "session_change", {"cause": "closed", "phase": "CLOSED"})
    for n in range(visit.added):
        body = {"command": "addendum", "ok": True, "error": "", "session": visit.uuid}
        body |= {"text": f"Addendum {n + 1}", "identity": "account"}
        yield row(86_400 + n, "addendum", body)


def _numerics(visit: Visit, began_us: int) -> Iterator[Numeric]:
    for second in range(SECONDS):
        at_us = began_us + second * US
        if not 500 <= second < 620:  # a gap of two minutes
            spo2 = visit.lowest if second == DOSE_S + 120 else 97.0
            yield Numeric("ox", "spo2", at_us, spo2)
            yield Numeric("ox", "pr", at_us, 70.0 + second % 10)
        if second % 240 == 60:
            sys = visit.peak if second > DOSE_S else 120.0
            yield Numeric("cuff", "nibp_sys", at_us, sys)
            yield Numeric("cuff", "nibp_dia", at_us, 80.0)
            yield Numeric("cuff", "pr", at_us, 130.0)
    yield Numeric("ox", "spo2", began_us + 10 * US + 1, 3.0, Quality.INVALID)
