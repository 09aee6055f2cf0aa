"""The discharge checklist as it stands: each line met or not, on which numbers, since when.

"Recorded criteria all met" says what is recorded, never that somebody may go: that is judged and
signed by a person. What is met is met since a time that follows from the recorded values alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vitals.model import US, Session
from vitals.session.care import Care, Criterion
from vitals.session.evidence import Evidence, Reading, span, within

MINUTE_US = 60 * US


@dataclass(frozen=True, slots=True)
class Line:
    """One criterion as it stands.

    Attributes:
        id: of the criterion.
        label: as printed, with its configured numbers.
        met: whether it is met now.
        auto: judged by the program; else ticked by a person.
        words: what it was judged on.
        since_us: since when it is met, None if it is not.
        override: why it was set aside and by whom, `""` if it was not.
        numbers: the values themselves, for the record.
    """

    id: str
    label: str
    met: bool
    auto: bool
    words: str
    since_us: int | None = None
    override: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)


def last_start_us(session: Session) -> int | None:
    """When the last dose began; a further part of a dose is no dose of its own."""
    starts = [dose.at_us for dose in session.doses if dose.kind != "part"]
    return max(starts, default=session.dose_us)


def needed_minutes(session: Session, care: Care) -> float:
    """Minutes from the last dose's start to the earliest discharge: the strictest number counts."""
    said = [c.least for c in care.discharge if c.kind == "minutes" and c.least is not None]
    return max([care.route(session.route).discharge_minutes, *said])


def earliest_us(session: Session, care: Care) -> int | None:
    """The earliest discharge by the clock, None before the dose."""
    start_us = last_start_us(session)
    if start_us is None:
        return None
    return start_us + round(needed_minutes(session, care) * MINUTE_US)


def criteria(session: Session, evidence: Evidence, care: Care, now_us: int) -> list[Line]:
    """All lines of the checklist as they stand now."""
    lines = []
    for criterion in care.discharge:
        line = _JUDGED[criterion.kind](criterion, session, evidence, care, now_us)
        said = session.discharge.get(criterion.id, {})
        if line.auto and not line.met and said.get("met"):
            line = replace(line, override=f"{said.get('reason', '')} ({said.get('by', '')})")
        lines.append(line)
    return lines


def met_us(lines: Sequence[Line]) -> int | None:
    """Since when all criteria are met, None if they are not; an override meets nothing."""
    sinces = [line.since_us for line in lines if line.since_us is not None]
    return max(sinces) if lines and len(sinces) == len(lines) else None


def _minutes(c: Criterion, session: Session, _: Evidence, care: Care, now_us: int) -> Line:
    start_us, due_us = last_start_us(session), earliest_us(session, care)
    if start_us is None or due_us is None:
        return Line(c.id, c.label, False, True, "no dose yet")
    passed = (now_us - start_us) // MINUTE_US
    words = f"{passed} of {needed_minutes(session, care):g} min since the last dose start"
    met = now_us >= due_us
    numbers = {"minutes": passed, "start_us": start_us}
    return Line(c.id, c.label, met, True, words, due_us if met else None, numbers=numbers)


def _pressure(c: Criterion, session: Session, evidence: Evidence, _: Care, now_us: int) -> Line:
    readings = evidence.readings(now_us)
    if not readings:
        return Line(c.id, c.label, False, True, "no reading")
    taken = ((reading.at_us, _near(reading, session, c)) for reading in readings)
    since_us = span(taken, _fresh_us(c)).met_since(now_us)
    last = readings[-1]
    base = Reading(0, session.baseline.get("nibp_sys"), session.baseline.get("nibp_dia"))
    limits = f"baseline {base.words}"
    if base.sys is None or base.dia is None:
        limits = f"no baseline: at most {c.sys_most:g}/{c.dia_most:g}"
    words = f"{last.words}, {_age(now_us - last.at_us, c)}; {limits}"
    known = {"sys": last.sys, "dia": last.dia, "base_sys": base.sys, "base_dia": base.dia}
    numbers = {key: value for key, value in known.items() if value is not None}
    numbers["at_us"] = last.at_us
    return Line(c.id, c.label, since_us is not None, True, words, since_us, numbers=numbers)


def _near(reading: Reading, session: Session, c: Criterion) -> bool:
    """Whether a pressure is near its baseline, or without one below the limit."""
    judged = (
        (reading.sys, session.baseline.get("nibp_sys"), c.sys_within, c.sys_most),
        (reading.dia, session.baseline.get("nibp_dia"), c.dia_within, c.dia_most),
    )
    return all(
        value is not None and (value <= most if base is None else abs(value - base) <= near)
        for value, base, near, most in judged
    )


def _saturation(c: Criterion, _: Session, evidence: Evidence, __: Care, now_us: int) -> Line:
    newest = evidence.spo2(now_us)
    if newest is None:
        return Line(c.id, c.label, False, True, "no SpO2")
    at_us, value = newest
    since_us = evidence.spo2_since(c.id, now_us)
    words = f"{value:.0f} %, {_age(now_us - at_us, c)}"
    numbers = {"spo2": value, "at_us": at_us}
    return Line(c.id, c.label, since_us is not None, True, words, since_us, numbers=numbers)


def _score(c: Criterion, session: Session, _: Evidence, care: Care, now_us: int) -> Line:
    known = session.scores.get(c.scale)
    if known is None:
        return Line(c.id, c.label, False, True, "not scored")
    scored = ((at_us, within(value, c)) for at_us, value in known["all"])
    since_us = span(scored, _fresh_us(c)).met_since(now_us)
    words = f"{known['value']}, {_age(now_us - known['at_us'], c)}"
    numbers = {"value": known["value"], "at_us": known["at_us"]}
    return Line(c.id, c.label, since_us is not None, True, words, since_us, numbers=numbers)


def _tick(c: Criterion, session: Session, _: Evidence, __: Care, now_us: int) -> Line:
    said = session.discharge.get(c.id, {})
    if not said.get("met"):
        return Line(c.id, c.label, False, False, "not ticked")
    return Line(c.id, c.label, True, False, f"ticked by {said['by']}", said["at_us"])


def _fresh_us(c: Criterion) -> int:
    return round(c.fresh_minutes * MINUTE_US)


def _age(age_us: int, c: Criterion) -> str:
    minutes = age_us // MINUTE_US
    words = "now" if minutes < 1 else f"{minutes} min ago"
    return words if age_us <= _fresh_us(c) else f"{words}, older than {c.fresh_minutes:g} min"


_JUDGED: dict[str, Callable[[Criterion, Session, Evidence, Care, int], Line]] = {
    "minutes": _minutes,
    "bp": _pressure,
    "spo2": _saturation,
    "score": _score,
    "tick": _tick,
}
