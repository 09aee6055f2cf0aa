"""Records of one session with everything in it, written by the real writer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vitals.alarms.profile import DEFAULT
from vitals.clock import Clock
from vitals.export.read import read_session
from vitals.export.session_data import SessionData
from vitals.model import US, Flag, Numeric, Quality, Session, Waveform
from vitals.store.reader import Reader
from vitals.store.rows import AuditRow, SessionRecord, StationRow
from vitals.store.writer import Writer

UUID = "5f0c7a52-6e1b-5d9b-8a55-0123456789ab"
START_US = 1_800_000_000 * US
NOW_US = START_US + 86_400 * US
DOSE_S = 120
PLETH_HZ = 75.0
GAP_S = (300, 340)
NONE_S = (100, 110)
DOUBT_S = (200, 230)
INVALID_S = 150
CUFF_S = tuple(range(30, 100_000, 150))
FAILED_S, SILENT_S, LOST_S, MANUAL_S = 250, 410, 460, 500
HOSTILE = "=cmd|' /C calc'!A0\"\r\nPID|||^evil~&\\\tö"
ANNA = "Anna Berger"
_CHANNELS = {
    "oxi": ["spo2", "pr", "pi", "pleth"],
    "cuff": ["nibp_sys", "nibp_dia", "nibp_map", "pr"],
}
ROOM = {
    "devices": [
        {"id": device, "channels": channels, "can": [], "spot": False, "period_s": 1.0}
        for device, channels in _CHANNELS.items()
    ],
}


def session(seconds: int, **changes: Any) -> Session:
    facts: dict[str, Any] = {
        "id": UUID,
        "room": "room-1",
        "subject_ref": "KV-0417",
        "route": "im",
        "started_us": START_US,
        "ended_us": START_US + seconds * US,
        "phase": "CLOSED",
        "dose_us": START_US + DOSE_S * US,
        "resumed": 1,
    }
    return Session(**(facts | changes))


def write(
    path: Path,
    seconds: int = 600,
    *,
    pleth: bool = True,
    rows: Sequence[AuditRow] = (),
    **changes: Any,
) -> Path:
    """A session of so many seconds; `changes` are those of its summary row, `rows` are added."""
    writer = Writer(path, now_us=lambda: START_US)
    writer.start()
    about = session(seconds, **changes)
    rows = [*audit_rows(seconds), *rows]
    station = StationRow("clinic-a", "boot-1", Clock(START_US, 1))
    opened = SessionRecord(about, "+0100", DEFAULT.read_text(), "[station]\nsecret = 1\n")
    writer.put_audit(rows[0], session=opened, station=station)
    for row in rows[1:]:
        writer.put_audit(row)
    seq = 1000
    for numeric in numerics(seconds):
        writer.put_numeric(about.id, seq, numeric)
        seq += 1
    for wave in waves(seconds) if pleth else ():
        writer.put_wave(about.id, seq, wave)
        seq += 1
    assert writer.close(60)
    return path


def at(second: float) -> int:
    return START_US + round(second * US)


def jitter(second: int) -> float:
    """A device's own second is not the clock's: it starts 0.3 s later, and wavers."""
    return second + 0.3 + 0.04 * math.sin(second)


def numerics(seconds: int) -> Iterator[Numeric]:
    """In no order of time: what came late came late."""
    late: list[Numeric] = []
    for second in range(seconds - 1):
        for numeric in of_second(second):
            if second % 7 == 3:
                late.append(numeric)
            else:
                yield numeric
    yield from reversed(late)


def of_second(second: int) -> Iterator[Numeric]:
    if not GAP_S[0] <= second < GAP_S[1]:
        at_us = at(jitter(second))
        off = NONE_S[0] <= second < NONE_S[1]
        doubt = DOUBT_S[0] <= second < DOUBT_S[1]
        quality = Quality.QUESTIONABLE if doubt else Quality.GOOD
        flags = frozenset({Flag.SENSOR_OFF} if off else {Flag.ARTIFACT} if doubt else ())
        for key, value in (
            ("spo2", 97.0 - second % 5),
            ("pr", round(72 + 9 * math.sin(second / 90), 1)),
            ("pi", round(2.5 + math.cos(second / 50), 2)),
        ):
            if key == "spo2" and second == INVALID_S:
                yield Numeric("oxi", key, at_us, 0.5, Quality.INVALID, flags)
            else:
                yield Numeric("oxi", key, at_us, None if off else value, quality, flags)
    if second in CUFF_S:
        read_us = at(second - 0.5)
        for n, key in enumerate(("nibp_sys", "nibp_dia", "nibp_map")):
            value = (128.0, 79.5, 95.0)[n] + second // 150
            yield Numeric("cuff", key, read_us, value, device_at_us=read_us - 7 * US)
        yield Numeric("cuff", "pr", read_us, 70.0 + second // 150)
    if second == SILENT_S:
        for key in ("nibp_sys", "nibp_dia", "nibp_map"):
            yield Numeric("cuff", key, at(second), None)
    if second == MANUAL_S:
        by_hand = frozenset({Flag.MANUAL})
        yield Numeric("", "nibp_sys", at(second), 131.0, flags=by_hand)
        yield Numeric("", "nibp_dia", at(second), 84.0, flags=by_hand)


def waves(seconds: int) -> Iterator[Waveform]:
    third = np.arange(25)
    for packet in range(3 * (seconds - 1)):
        second = packet / 3
        if GAP_S[0] <= second < GAP_S[1]:
            continue
        phase = 2 * np.pi * (packet * 25 + third) / 90
        values = np.rint(32767 + 30000 * np.sin(phase)).astype(np.float32)
        doubt = DOUBT_S[0] <= second < DOUBT_S[1]
        quality = Quality.QUESTIONABLE if doubt else Quality.GOOD
        yield Waveform("oxi", "pleth", at(second), PLETH_HZ, values, quality)


def alarm(condition: str, **changes: Any) -> dict[str, Any]:
    return {
        "room": "room-1", "rule": "spo2-low", "level": 0, "priority": "high",
        "condition": condition, "text": "SpO2 86 < 88", "acked_by": "", "acked_us": None,
        **changes,
    }  # fmt: skip


def change(cause: str, state: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"cause": cause, "phase": "ONSET_PEAK", "state": state} | more


def audit_rows(seconds: int) -> Iterator[AuditRow]:
    active, acked = alarm("active"), alarm("active", acked_by=ANNA, acked_us=at(155))
    state: dict[str, Any] = {"off_since_us": None, "off_until_us": None, "baseline": {"spo2": 97.0}}
    state["doses"] = [
        {"n": 1, "kind": "dose", "at_us": at(DOSE_S), "marked_us": at(DOSE_S + 1), "by": ANNA}
        | {"drug": "ketamine", "mg": 70.0, "lot": "L-17", "witness": ""}
    ]
    off = {**state, "off_since_us": at(300), "off_until_us": at(900)}
    due = {"room": "room-1", "at_us": at(30), "done_us": None, "label": "Baseline BP 1"}
    again = {**due, "what": "nibp+5", "state": "missed", "label": "BP at 5 min", "at_us": at(420)}
    taken = {**due, "what": "nibp-baseline-1", "state": "done", "done_us": at(29.5)}
    repeat = {**due, "what": "nibp-repeat-1", "state": "done", "done_us": at(180)}
    met = {"rule": "spo2-low", "before": alarm("pending"), "after": active, "cause": "met"}
    seen = {"rule": "spo2-low", "before": active, "after": acked, "cause": "acknowledged"}
    over = {"rule": "spo2-low", "before": acked, "after": alarm("idle"), "cause": "ended"}
    leak = {"device": "cuff", "code": "nibp_failed", "active": True, "detail": "cuff leak"}
    inflating = {"device": "cuff", "code": "cuff_inflating", "active": True, "detail": ""}
    lost = {"device": "cuff", "state": "lost", "rejected": 2, "detail": "unplugged"}
    restart = change("resumed", state, gap=[at(470), at(480)])
    facts: list[tuple[float, str, dict[str, Any], str, str]] = [
        (0, "session_change", change("opened", state, room=ROOM, phase="CHECK_IN"), ANNA, ""),
        (0, "due", {**due, "what": "nibp-baseline-1", "state": "coming"}, "", ""),
        (30, "due", taken, "", ""),
        (31, "due", again, "", ""),
        (32, "due", {**due, "what": "nibp+900", "state": "coming", "at_us": at(10**6)}, "", ""),
        (33, "due", repeat, "", ""),
        (DOSE_S, "command", {"command": "dose", "args": {}, "ok": True}, ANNA, "nurse"),
        (DOSE_S, "session_change", change("dose", state), ANNA, ""),
        (140, "mark", {"text": "=eyes closed,\r\ncalm; Anna is here"}, ANNA, ""),
        (150, "alarm", {**met, "value": 86, "limit": 88}, "", ""),
        (155, "alarm", seen, ANNA, ""),
        (170, "alarm", over, "", ""),
        (190, "score", {"scale": "moaas", "value": 4, "text": "MOAA/S 4"}, "Bob", ""),
        (FAILED_S - 20, "notice", inflating, "", ""),
        (FAILED_S, "notice", leak, "", ""),
        (300, "session_change", change("off monitor", off, reason="toilet"), "Bob", ""),
        (330, "session_change", change("on monitor", state), "", ""),
        (LOST_S - 20, "notice", inflating, "", ""),
        (LOST_S, "link", lost, "", ""),
        (480, "session_change", restart, "", ""),
        (seconds, "session_change", change("closed", state, phase="CLOSED"), ANNA, ""),
    ]
    for seq, (second, kind, body, actor, role) in enumerate(facts, 1):
        yield AuditRow(seq, at(second), UUID, "room-1", actor, role, kind, body)


def read(path: Path, *, names: bool = False, uuid: str = UUID) -> SessionData:
    """The session as the exports see it."""
    reader = Reader(path)
    record = reader.session(uuid)
    assert record is not None
    return read_session(reader, record, names=names, exported_us=NOW_US)


def with_subject(data: SessionData, subject: str) -> SessionData:
    """As a record of an older version may hold it: a pseudonym was not checked then."""
    changed = replace(data.session, subject_ref=subject)
    return replace(data, record=replace(data.record, session=changed))
