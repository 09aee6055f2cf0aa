"""A record with one whole session of two hours, written by the real writer."""

from __future__ import annotations

import math
from pathlib import Path

from vitals.alarms.profile import DEFAULT
from vitals.model import US, Numeric, Quality, Session
from vitals.store.rows import AuditRow, SessionRecord
from vitals.store.writer import Writer

UUID = "0b1f6f0e-5a0c-5d38-9b7f-000000000001"
START_US = 1_800_000_000 * US
DOSE_US = START_US + 20 * 60 * US
GAP = (START_US + 3000 * US, START_US + 3240 * US)
LOWEST_US = START_US + 4000 * US
SECONDS = 7200


def write(path: Path) -> None:
    """SpO2 and PR once a second, BP every 10 min, a gap of 4 min, one low second, an alarm."""
    session = Session(
        UUID,
        "room-1",
        "KV-0417",
        "im",
        START_US,
        ended_us=START_US + SECONDS * US,
        mode="demo",
        phase="CLOSED",
        dose_us=DOSE_US,
        resumed=1,
    )
    writer = Writer(path, now_us=lambda: START_US)
    writer.start()
    rows = _rows()
    seq = len(rows) + 1
    writer.put_audit(rows[0], session=SessionRecord(session, "+0200", DEFAULT.read_text(), ""))
    for row in rows[1:]:
        writer.put_audit(row)
    for second in range(SECONDS):
        at_us = START_US + second * US
        if GAP[0] < at_us < GAP[1]:
            continue
        spo2 = 71.0 if at_us == LOWEST_US else 97.0
        samples = [
            Numeric("oximeter", "spo2", at_us, spo2),
            Numeric("oximeter", "pr", at_us, round(72 + 9 * math.sin(second / 900))),
        ]
        if second == 10:
            samples = [Numeric("oximeter", "spo2", at_us, 3.0, Quality.INVALID)]
        if second % 600 == 0:
            samples += [
                Numeric("cuff", "nibp_sys", at_us, 128),
                Numeric("cuff", "nibp_dia", at_us, 79),
                Numeric("cuff", "pr", at_us + 1, 110),
            ]
        for sample in samples:
            writer.put_numeric(UUID, seq, sample)
            seq += 1
    assert writer.close(30)


def _rows() -> list[AuditRow]:
    before = {"condition": "pending", "priority": "high", "text": "", "acked_by": ""}
    active = {**before, "condition": "active", "text": "SpO2 71 < 88"}
    acked = {**active, "acked_by": "Anna"}
    idle = {**acked, "condition": "idle"}
    facts: list[tuple[int, str, dict[str, object], str]] = [
        (START_US, "session_change", {"cause": "opened", "phase": "CHECK_IN"}, "Anna"),
        (DOSE_US, "session_change", {"cause": "dose", "phase": "ONSET_PEAK"}, "Anna"),
        (
            GAP[1],
            "session_change",
            {"cause": "resumed", "phase": "ONSET_PEAK", "gap": list(GAP)},
            "",
        ),
        (GAP[1] + US, "mark", {"text": "eyes closed, calm"}, "Anna"),
        (LOWEST_US, "alarm", {"rule": "spo2-low", "before": before, "after": active}, ""),
        (
            LOWEST_US + 5 * US,
            "alarm",
            {"rule": "spo2-low", "before": active, "after": acked, "cause": "acknowledged"},
            "Anna",
        ),
        (LOWEST_US + 30 * US, "alarm", {"rule": "spo2-low", "before": acked, "after": idle}, ""),
    ]
    return [
        AuditRow(seq, at_us, UUID, "room-1", actor, "", kind, body)
        for seq, (at_us, kind, body, actor) in enumerate(facts, 1)
    ]
