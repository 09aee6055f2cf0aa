"""The first words about a session: who got what, what happened, how it ended, how sure that is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from vitals.channels import CHANNELS
from vitals.export.clinic import labels_of
from vitals.export.coverage import lasting
from vitals.export.outcome import (
    baseline_words,
    criteria_words,
    per_kg,
    signed_by,
    total_words,
    weight_kg,
)
from vitals.export.pdf_answers import adverse_answer, afterwards, clock, score_words, when
from vitals.export.pdf_rows import points
from vitals.export.planned import Which, more_unknown, no_reading
from vitals.export.session_data import AlarmEpisode, SessionData, doses
from vitals.export.summary import (
    Reading,
    Summary,
    alarm_words,
    highest_dia_words,
    minute_of,
    minute_words,
    pressure_words,
    spo2_words,
    summarise,
    whole,
)
from vitals.export.technical import technical_alarms
from vitals.export.unknown import told, why
from vitals.model import US, Dose, Priority, Quality

GIVEN, MEASURED, HAPPENED, ENDED = "given", "measured", "happened", "ended"
"""Parts of the summary, in the order in which they are asked for."""
MOST_MARKS = 5
"""Marks that are told here; all of them stand below."""
_PULSE = ("hr", "pr")
_CALLS = (Priority.HIGH, Priority.MEDIUM)


class Said(NamedTuple):
    """One answer; `at_us` None: of no moment; `marked`: it is to be looked at."""

    part: str
    label: str
    text: str
    at_us: int | None = None
    marked: bool = False


def answers(data: SessionData) -> list[dict[str, Any]]:
    """`{part, label, text, at_us, marked}` each, in the order in which they are asked."""
    found = summarise(data)
    said = [*_given(data), *_measured(data, found), *_happened(data, found), *_ended(data, found)]
    return [one._asdict() for one in said]


# --- what was given -------------------------------------------------------------------------------


def _given(data: SessionData) -> Iterator[Said]:
    given = doses(data.session)
    for dose in given:
        yield Said(GIVEN, dose.kind.capitalize(), _dose(data, dose), dose.at_us)
    if not given:
        yield Said(GIVEN, "Dose", told(data, "", "none was marked"))
    total = total_words(data)
    if total:
        yield Said(GIVEN, "In all", total)
    if given and weight_kg(data) is None:
        yield Said(GIVEN, "Weight", told(data, "", "not entered, so no dose in mg/kg"))
    end_us = data.session.infusion_end_us
    if end_us is not None:
        yield Said(GIVEN, "End of the infusion", when(data, end_us), end_us)
    none = "none was frozen: no relative limits" if data.session.dose_us else "frozen at the dose"
    yield Said(GIVEN, "Baseline used", baseline_words(data) or told(data, "", none))


def _dose(data: SessionData, dose: Dose) -> str:
    amount = f"{dose.mg:g} mg" if dose.mg is not None else "amount not entered"
    amount = " ".join(part for part in (dose.drug, amount) if part) + per_kg(data, dose.mg)
    words = [amount, data.session.route, f"lot {dose.lot}" if dose.lot else ""]
    words += [f"marked by {dose.by}" if dose.by else ""]
    words += [f"witness {dose.witness}" if dose.witness else ""]
    return ", ".join(part for part in words if part)


# --- what was measured ----------------------------------------------------------------------------


def _measured(data: SessionData, found: Summary) -> Iterator[Said]:
    readings: tuple[tuple[Which, str, Reading | None], ...] = (
        ("before", "BP before the dose", found.before),
        ("peak", "Peak BP", found.peak),
        ("forty", "40-minute BP", found.forty),
        ("last", "Last BP", found.last),
    )
    for which, label, reading in readings:
        words = _reading(reading) if reading else no_reading(data, which)
        if reading is not None:
            peak = highest_dia_words(data, found) if which == "peak" else ""
            rise = _rise(data, reading) if which != "before" else ""
            words = "; ".join(filter(None, (words, rise, peak, more_unknown(data, which))))
        at_us = reading.pressure.at_us if reading else None
        unknown = words.startswith("not known") or bool(reading and more_unknown(data, which))
        yield Said(MEASURED, label, words, at_us, unknown)
    lowest, gone = found.spo2, why(data, ("spo2",))
    below = bool(gone) or lowest is None or lowest.below_us > 0
    at_us = lowest.at_us if lowest else None
    yield Said(MEASURED, "Lowest SpO₂", spo2_words(lowest, gone), at_us, below)
    yield from _pulse(data)


def _reading(reading: Reading) -> str:
    one = reading.pressure
    hand = "entered by hand" if one.manual else ""
    doubt = "" if one.quality is Quality.GOOD else one.quality.value
    more = [words for words in (minute_words(reading.minute), hand, doubt) if words]
    return f"{pressure_words(reading)} mmHg" + (f" ({', '.join(more)})" if more else "")


def _rise(data: SessionData, reading: Reading) -> str:
    frozen, one = data.session.baseline, reading.pressure
    sys, dia = frozen.get("nibp_sys"), frozen.get("nibp_dia")
    if sys is None or dia is None or one.sys is None or one.dia is None:
        return ""
    rise = whole(one.sys) - whole(sys), whole(one.dia) - whole(dia)
    return f"{rise[0]:+d}/{rise[1]:+d} from baseline"


def _pulse(data: SessionData) -> Iterator[Said]:
    """The slowest and the fastest pulse of the first channel that has one."""
    for key in _PULSE:
        tracks = [t for t in data.numerics if t.channel.key == key and t.device and t.shown.any()]
        if not tracks:
            continue
        at_us = np.concatenate([t.at_us[t.shown] for t in tracks])
        value = np.concatenate([t.value[t.shown] for t in tracks])
        low, high = int(np.argmin(value)), int(np.argmax(value))
        ends = [
            " ".join(filter(None, (str(whole(float(value[i]))), _minute(data, int(at_us[i])))))
            for i in (low, high)
        ]
        words = f"{ends[0]} to {ends[1]}, /min"
        yield Said(MEASURED, f"{CHANNELS[key].label}, slowest to fastest", words, int(at_us[high]))
        return


def _minute(data: SessionData, at_us: int) -> str:
    words = minute_words(minute_of(data, at_us))
    return f"({words})" if words else ""


# --- what happened --------------------------------------------------------------------------------


def _happened(data: SessionData, found: Summary) -> Iterator[Said]:
    worst = _worst(data)
    words = alarm_words(found)
    if worst is not None:
        words += f". First {worst.priority} one of the patient: {worst.text}"
    words = told(data, words, words)
    yield Said(HAPPENED, "Alarms", words, worst.from_us if worst else None, bool(found.unseen))
    if data.session.emergency_us is not None:
        at_us = data.session.emergency_us
        yield Said(HAPPENED, "Emergency", f"since {when(data, at_us)}", at_us, marked=True)
    adverse = adverse_answer(data)
    yield Said(HAPPENED, adverse.label, adverse.words, marked=adverse.marked)
    noted = [point for point in points(data) if point.kind != "adverse event"]
    symptoms = [point for point in noted if point.kind in ("symptom", "call")]
    if symptoms:
        told_ = "; ".join(f"{one.text or one.kind} {when(data, one.at_us)}" for one in symptoms)
        yield Said(HAPPENED, "Reported by the patient", told_, symptoms[0].at_us, marked=True)
    marks = [point for point in noted if point.kind == "mark"]
    first = "; ".join(f"{one.text} {when(data, one.at_us)}" for one in marks[:MOST_MARKS])
    more = f"; {len(marks) - MOST_MARKS} more below" if len(marks) > MOST_MARKS else ""
    yield Said(HAPPENED, "Marks and interventions", told(data, first + more, "none"))
    scores = "; ".join(score_words(data, labels_of(data)))
    yield Said(HAPPENED, "Scores", told(data, scores, "none entered"))
    overrides = "; ".join(found.overrides)
    yield Said(HAPPENED, "Overrides", told(data, overrides, "none"), marked=bool(found.overrides))
    yield Said(HAPPENED, "Off the monitor", told(data, _off(data), "never"))
    if data.gaps:
        down = lasting(sum(to_us - from_us for from_us, to_us in data.gaps))
        words = f"{len(data.gaps)} ×, {down} in all"
        yield Said(HAPPENED, "Program down", words, data.gaps[0][0], marked=True)


def _worst(data: SessionData) -> AlarmEpisode | None:
    """The first of the highest priority that was about the patient and called somebody."""
    technical = set(technical_alarms(data))
    for priority in _CALLS:
        for one in data.alarms:
            if one.priority == priority and one not in technical:
                return one
    return None


def _off(data: SessionData) -> str:
    cover = data.coverage
    if not cover.off:
        return ""
    return f"{lasting(cover.off_us)} in {len(cover.off)} part{'s' * (len(cover.off) != 1)}"


# --- how it ended ---------------------------------------------------------------------------------


def _ended(data: SessionData, found: Summary) -> Iterator[Said]:
    session = data.session
    if session.ended_us is None:
        words = f"open; recorded to {clock(data, data.to_us)}"
        yield Said(ENDED, "Session", words, marked=True)
    else:
        starts = [dose.at_us for dose in doses(session) if dose.kind != "part"]
        after = (session.ended_us - max(starts)) // US // 60 if starts else None
        since = f", {after} min after the last dose" if after is not None else ""
        yield Said(ENDED, "Closed", f"{clock(data, session.ended_us)}{since}", session.ended_us)
    yield from _discharge(data)
    nothing = "nothing"
    if session.ended_us is None:
        nothing = "not known yet: the session is open"
    owed = told(data, "; ".join(found.owed), nothing)
    yield Said(ENDED, "Still owed", owed, marked=bool(found.owed))
    later = afterwards(data)
    if not later:
        none = "no addendum, and nobody has signed the record"
        yield Said(ENDED, "Afterwards", told(data, "", none))
    for one in later:
        yield Said(ENDED, one.label, one.words.replace(", see page 2", ""), marked=one.marked)


def _discharge(data: SessionData) -> Iterator[Said]:
    """Only where there was a dose is there a discharge to be signed."""
    session = data.session
    who, at_us = signed_by(data)
    if at_us is None and session.dose_us is None:
        return
    criteria = criteria_words(data)
    if criteria or session.ended_us is not None:
        open_ = "set aside" in criteria or "not met" in criteria
        none = told(data, "", "not recorded: nobody has signed")
        yield Said(ENDED, "Discharge criteria", criteria or none, marked=open_ or not criteria)
    if at_us is not None:
        yield Said(ENDED, "Discharge signed by", f"{who}, {when(data, at_us)}", at_us)
    elif session.ended_us is not None:
        yield Said(ENDED, "Discharge signed by", told(data, "", "nobody"), marked=True)


# --- how much was measured ------------------------------------------------------------------------


def honesty(data: SessionData) -> dict[str, Any]:
    """Per channel the coverage, the longest gap, what was doubtful; and blood pressure by plan."""
    cover = data.coverage
    nibp = cover.nibp
    return {
        "from_us": cover.from_us,
        "to_us": cover.to_us,
        "sentence": cover.sentence(),
        "deleted": cover.deleted,
        "channels": list(_channels(data)),
        "nibp": {
            "planned": nibp.planned,
            "taken": nibp.taken,
            "missed": list(nibp.missed),
            "unknown": list(nibp.unknown),
            "repeats": nibp.repeats,
            "repeats_taken": nibp.repeats_taken,
            "attempts": nibp.attempts,
            "failed": nibp.failed,
        },
        "down": [_moment(span) for span in data.gaps],
    }


def _channels(data: SessionData) -> Iterable[dict[str, Any]]:
    for one in data.coverage.channels:
        yield {
            "channel": one.channel,
            "label": CHANNELS[one.channel].label if one.channel in CHANNELS else one.channel,
            "share": one.share,
            "gaps": one.gaps,
            "longest": _moment(one.longest) if one.longest else None,
            "values": one.values,
            "questionable": one.questionable,
            "invalid": one.invalid,
            "unknown": lasting(one.unknown_us) if one.unknown_us else "",
        }


def _moment(span: tuple[int, int]) -> dict[str, Any]:
    return {"from_us": span[0], "to_us": span[1], "text": lasting(span[1] - span[0])}
