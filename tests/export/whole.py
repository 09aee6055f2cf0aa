"""A session of two hours with something of everything, written by the real writer."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import pypdfium2

from tests.export.records import ANNA, START_US, UUID, alarm, at, change, session
from vitals.alarms.profile import DEFAULT
from vitals.clock import Clock
from vitals.export.read import read_session
from vitals.export.session_data import SessionData
from vitals.model import US, Flag, Numeric, Quality
from vitals.store.reader import Reader
from vitals.store.rows import AuditRow, SessionRecord, StationRow
from vitals.store.writer import Writer

SECONDS = 8400
DOSE_MIN = 20
NOW_US = START_US + 40 * 3600 * US
PRESCRIBER, BOB = "Dr. Perez", "Bob Stone"
BEFORE, DURING, AFTER = (126, 78), (168, 98), (130, 80)
FORTY_MIN = DOSE_MIN + 41
PRESSURES_MIN = (1, 11, 25, 30, 40, FORTY_MIN, 70, 80, 95, 110, 125, 138)
LOW = range(3000, 3030)
DOUBTED = range(3015, 3025)
GAP = range(5400, 5460)
_CHANNELS = {"oximeter": ["spo2", "pr"], "cuff": ["nibp_sys", "nibp_dia", "nibp_map"]}
ROOM = {
    "devices": [
        {"id": device, "channels": keys, "can": [], "spot": False, "period_s": 1.0}
        for device, keys in _CHANNELS.items()
    ]
}
CRITERIA = [
    {
        "label": "At least 120 min since the last dose start",
        "met": False,
        "words": "119 of 120 min since the last dose start",
        "override": f"taxi is here ({PRESCRIBER})",
    },
    {"label": "SpO2 at least 94 %", "met": True, "words": "97 %, now", "override": ""},
    {"label": "Escort is here", "met": True, "words": f"ticked by {ANNA}", "override": ""},
]


def minute(minutes: float) -> int:
    """After the dose."""
    return at(60 * (DOSE_MIN + minutes))


def read(path: Path, **changes: Any) -> SessionData:
    """The session as the exports see it, made by a version that never changes."""
    writer = Writer(path, now_us=lambda: START_US)
    writer.start()
    facts: dict[str, Any] = {"dose_us": minute(0), "resumed": 0} | changes
    about = session(SECONDS, **facts)
    opened = SessionRecord(about, "+0100", DEFAULT.read_text(), "")
    rows = list(_rows())
    station = StationRow("clinic-a", "boot-1", Clock(START_US, 1))
    writer.put_audit(rows[0], session=opened, station=station)
    for row in rows[1:]:
        writer.put_audit(row)
    for seq, numeric in enumerate(_numerics(), 1000):
        writer.put_numeric(about.id, seq, numeric)
    assert writer.close(60)
    reader = Reader(path)
    record = reader.session(UUID)
    assert record is not None
    data = read_session(reader, record, names=False, exported_us=NOW_US)
    return replace(data, software="kap-vitals 0.0.0", head="ab" * 32)


def _numerics() -> Iterator[Numeric]:
    for second in range(SECONDS):
        if second in GAP:
            continue
        quality = Quality.QUESTIONABLE if second in DOUBTED else Quality.GOOD
        spo2 = 87.0 if second in LOW else 97.0 - (second // 40) % 2
        yield Numeric("oximeter", "spo2", at(second), spo2, quality)
        pulse = round(74 + 6 * math.sin(second / 700) + second % 3)
        yield Numeric("oximeter", "pr", at(second), float(pulse))
    for n, minutes in enumerate(PRESSURES_MIN):
        from_dose = minutes - DOSE_MIN
        rise = math.exp(-(((from_dose - 35) / 25) ** 2)) if from_dose > 0 else 0.0
        for key, low, high in zip(("nibp_sys", "nibp_dia"), BEFORE, DURING, strict=True):
            value = round(low + rise * (high - low)) + n % 2
            yield Numeric("cuff", key, at(60 * minutes), float(value))
    by_hand = frozenset({Flag.MANUAL})
    yield Numeric("", "nibp_sys", minute(119), float(AFTER[0]), flags=by_hand)
    yield Numeric("", "nibp_dia", minute(119), float(AFTER[1]), flags=by_hand)


def _rows() -> Iterator[AuditRow]:
    for seq, (at_us, kind, body, actor, role) in enumerate(sorted(_facts(), key=_time), 1):
        yield AuditRow(seq, at_us, UUID, "room-1", actor, role, kind, body)


def _time(fact: tuple[int, str, Mapping[str, Any], str, str]) -> int:
    return fact[0]


def _facts() -> Iterator[tuple[int, str, Mapping[str, Any], str, str]]:
    nurse, empty = (ANNA, "nurse"), ("", "")
    state: dict[str, Any] = {"baseline": {}, "checkin": {}, "gate": {}, "doses": []}
    yield at(0), "session_change", change("opened", state, room=ROOM, phase="CHECK_IN"), *nurse
    answers: dict[str, Any] = {"weight_kg": 80, "drug": "ketamine", "benzodiazepines": False}
    answers |= {"stimulants": True, "maoi": False}
    state = {**state, "checkin": answers}
    checked = change("check-in", state, answers=answers, phase="BASELINE")
    yield at(90), "session_change", checked, *nurse
    gate = {"decision": "override", "reason": "white coat", "by": PRESCRIBER, "order_by": ""}
    gate |= {"at_us": at(900), "words": ["BP 126/78 and 127/79, SpO2 97 %."]}
    state = {**state, "gate": gate}
    decided = change("gate", state, phase="DOSING", **gate)
    yield at(900), "session_change", decided, PRESCRIBER, "prescriber"
    first = {"n": 1, "kind": "dose", "at_us": minute(0), "marked_us": minute(0), "by": ANNA}
    first |= {"drug": "ketamine", "mg": 60.0, "lot": "L-17", "witness": BOB}
    more = {**first, "n": 2, "kind": "booster", "at_us": minute(12), "mg": 20.0}
    baseline = {"nibp_sys": 126.0, "nibp_dia": 78.0, "spo2": 97.0}
    state = {**state, "doses": [first], "baseline": baseline}
    yield minute(0), "session_change", change("dose", state, dose_us=minute(0)), *nurse
    state = {**state, "doses": [first, more]}
    yield minute(12), "session_change", change("booster", state, text="20 mg"), *nurse
    yield from _phases(state)
    yield from _due()
    yield from _noted(state)
    yield from _alarms()
    event = {"what": "nausea", "onset_us": minute(33), "severity": "mild", "serious": False}
    event |= {"action": "ondansetron 4 mg", "outcome": "resolved", "by": ANNA}
    event |= {"ended_us": minute(50)}
    state = {**state, "adverse": {"a1": event}}
    told = {**event, "id": "a1", "text": "Adverse event: nausea (mild, resolved)"}
    yield minute(33), "adverse_event", told, *nurse
    yield minute(50), "session_change", change("adverse event", state, phase="DESCENT"), *nurse
    signed = {"by": PRESCRIBER, "role": "prescriber", "at_us": minute(119), "met_us": None}
    state = {**state, "signed": signed}
    listed = change("signed", state, criteria=CRITERIA, phase="DISCHARGE_CHECK")
    yield minute(119), "session_change", listed, PRESCRIBER, "prescriber"
    state = {**state, "finished_us": minute(119.5)}
    done = change("finished", state, phase="DISCHARGE_CHECK")
    yield minute(119.5), "session_change", done, *nurse
    owed = [["checkin:plan", "Check-in not answered: Consent signed, Escort home arranged"]]
    owed.append(["own-alarm:cuff", "cuff: its own alarm is not confirmed to be on"])
    yield at(SECONDS), "session_change", change("closed", state, owed=owed, phase="CLOSED"), *nurse
    later = {"text": "Called the next day: slept well.", "identity": "account"}
    yield at(SECONDS + 80_000), "addendum", later, *nurse
    seen = {"text": "I have reviewed this record.", "statement": "reviewed", "comment": ""}
    seen |= {"identity": "account", "seen": 10_000}
    yield at(SECONDS + 90_000), "signature", seen, "Cleo", "clinician"
    yield at(SECONDS), "link", {"device": "cuff", "state": "lost"}, *empty


def _phases(state: dict[str, Any]) -> Iterator[tuple[int, str, Mapping[str, Any], str, str]]:
    for minutes, phase in ((40, "DESCENT"), (75, "RECOVERY"), (115, "DISCHARGE_CHECK")):
        body = change("phase", state, phase=phase)
        yield minute(minutes), "session_change", body, "", ""
    off = {**state, "off_since_us": minute(88), "off_until_us": minute(98)}
    left = change("off monitor", off, reason="toilet", phase="RECOVERY")
    yield minute(88), "session_change", left, BOB, ""
    back = change("on monitor", {**state, "off_since_us": None}, phase="RECOVERY")
    yield minute(92), "session_change", back, BOB, ""


def _due() -> Iterator[tuple[int, str, Mapping[str, Any], str, str]]:
    plan = [("nibp-baseline-1", "Baseline BP 1", 1), ("nibp-baseline-2", "Baseline BP 2", 11)]
    plan += [(f"nibp+{m}", f"BP at {m} min", DOSE_MIN + m) for m in (5, 10, 20)]
    plan += [("nibp+40", "BP at 40 min", FORTY_MIN), ("nibp+50", "BP at 50 min", 70)]
    for what, label, taken in plan:
        due = {"room": "room-1", "what": what, "label": label, "at_us": at(60 * taken)}
        yield at(60 * taken), "due", {**due, "state": "done", "done_us": at(60 * taken)}, "", ""
    missed = {"room": "room-1", "what": "nibp+100", "label": "BP at 100 min", "at_us": minute(100)}
    yield minute(110), "due", {**missed, "state": "missed", "done_us": None}, "", ""


def _noted(state: dict[str, Any]) -> Iterator[tuple[int, str, Mapping[str, Any], str, str]]:
    for minutes, text in (
        (14, "Eyes closed, calm"),
        (46, "Tearful; wants to go on"),
        (70, "Sits up"),
    ):
        yield minute(minutes), "mark", {"text": text, "id": f"m{minutes}"}, ANNA, ""
    scores = (("moaas", "Sedation (MOAA/S)", 15, 3), ("moaas", "Sedation (MOAA/S)", 45, 5))
    scores += (
        ("cadss6", "Dissociation (CADSS-6)", 32, 14),
        ("cadss6", "Dissociation (CADSS-6)", 95, 1),
    )
    for scale, label, minutes, value in scores:
        body = {"scale": scale, "value": value, "text": f"{label} {value}"}
        yield minute(minutes), "score", body, ANNA, ""
    limits = {**state, "limits": {"sbp-high": [None, 175.0, None]}}
    changed = {"rule": "sbp-high", "level": 1, "limit": 175.0, "reason": "usual pressure"}
    body = change("limit", limits, phase="ONSET_PEAK", **changed)
    yield minute(39), "session_change", body, PRESCRIBER, "prescriber"
    leak = {"device": "cuff", "code": "nibp_failed", "active": True, "detail": "cuff leak"}
    yield minute(54), "notice", leak, "", ""
    yield minute(119), "reading", {"text": "BP by hand 130/80"}, ANNA, "nurse"


def _alarms() -> Iterator[tuple[int, str, Mapping[str, Any], str, str]]:
    def rows(rule: str, priority: str, text: str, from_s: float, seen_s: float, to_s: float) -> Any:
        facts = {"rule": rule, "priority": priority, "text": text}
        active = alarm("active", **facts)
        acked = alarm("active", **facts, acked_by=ANNA, acked_us=at(seen_s))
        states = [(from_s, alarm("idle", **facts), active, "", "condition met")]
        if seen_s < to_s:
            states.append((seen_s, active, acked, ANNA, "acknowledged"))
        states.append((to_s, acked, alarm("idle", **facts), "", "condition ended"))
        for second, before, after, actor, cause in states:
            body = {"rule": rule, "before": before, "after": after, "cause": cause}
            yield at(second), "alarm", {**body, "profile": "default-3"}, actor, ""

    yield from rows("spo2-low", "high", "SpO2 87 < 88", LOW[0] + 10, LOW[0] + 19, LOW[-1] + 10)
    yield from rows("sbp-high", "medium", "SYS 168 ≥ 160", 3300, 3345, 4200)
    yield from rows("sbp-high", "medium", "SYS 166 ≥ 166", 4230, 9000, 4800)
    yield from rows("nibp-failed", "low", "BP failed: cuff leak; repeat", 4440, 9000, 4500)


class Format(Protocol):
    """A module that writes one file."""

    def write(self, data: SessionData, file: IO[bytes], tell: Any) -> None:
        """Writes it."""


def printed(form: Format, data: SessionData) -> bytes:
    file = io.BytesIO()
    form.write(data, file, lambda _: None)
    return file.getvalue()


def texts(raw: bytes) -> list[str]:
    """Text of each page as pdfium sees it, one space between words."""
    document = pypdfium2.PdfDocument(raw)
    try:
        return [" ".join(page.get_textpage().get_text_bounded().split()) for page in document]
    finally:
        document.close()


def picture(raw: bytes, page: int = 0, scale: float = 2.0) -> np.ndarray[Any, Any]:
    """A page in blue, green and red, 72 dots an inch by scale 1."""
    document = pypdfium2.PdfDocument(raw)
    try:
        found: np.ndarray[Any, Any] = document[page].render(scale=scale).to_numpy()
        return found[..., :3].copy()
    finally:
        document.close()
