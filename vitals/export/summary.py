"""What a report says first: the answers about one session, worked out from its data. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

import numpy as np

from vitals.export.coverage import lasting
from vitals.export.session_data import QUESTIONABLE, Entry, Pressure, SessionData
from vitals.export.technical import technical_alarms
from vitals.export.unknown import not_known
from vitals.freshness import FRESH_S
from vitals.model import US, Priority
from vitals.session.due import FORTY

LOW_SPO2 = 90.0
_SIGNALS = (Priority.HIGH.value, Priority.MEDIUM.value, Priority.LOW.value)


@dataclass(frozen=True, slots=True)
class Reading:
    """A blood pressure that stands for something, and minutes from the dose."""

    pressure: Pressure
    minute: float | None


@dataclass(frozen=True, slots=True)
class LowestSpo2:
    """The lowest SpO2 that could be shown.

    Attributes:
        value: %.
        at_us: when it was first reached.
        minute: the same from the dose.
        questionable: whether the monitor doubted it.
        below_us: time below 90 % in the whole session.
        doubted_us: that part of it in which the monitor doubted the values.
    """

    value: float
    at_us: int
    minute: float | None
    questionable: bool
    below_us: int
    doubted_us: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The answers.

    Attributes:
        before: the last blood pressure before the dose.
        peak: the highest systolic one after it.
        forty: the one that was taken for the 40-minute reading.
        last: the last one.
        spo2: see there.
        alarms: how many of high, medium and low priority.
        technical: how many of these are about devices and the program, not about the patient.
        acknowledged_us: median time from when one of high or medium priority was first heard to
            its acknowledgement.
        unseen: those of them that were heard and that nobody acknowledged.
        owed: what was missing at closing.
        overrides: what people decided against the program's word.
    """

    before: Reading | None
    peak: Reading | None
    forty: Reading | None
    last: Reading | None
    spo2: LowestSpo2 | None
    alarms: tuple[tuple[str, int], ...]
    acknowledged_us: float | None
    unseen: int
    owed: tuple[str, ...]
    overrides: tuple[str, ...]
    technical: int = 0


def summarise(data: SessionData) -> Summary:
    """The answers about a session."""
    dose_us = data.session.dose_us
    taken = [one for one in data.pressures if not one.failure and one.sys is not None]
    earlier = [one for one in taken if dose_us is None or one.at_us < dose_us]
    later = [one for one in taken if dose_us is not None and one.at_us >= dose_us]
    forty_us = _done_us(data, FORTY)
    forty = [one for one in taken if one.at_us == forty_us]
    heard = [a for a in data.alarms if a.priority in (Priority.HIGH, Priority.MEDIUM)]
    answered = [a.waited_us for a in heard if a.waited_us is not None]

    def reading(found: list[Pressure]) -> Reading | None:
        return Reading(found[-1], minute_of(data, found[-1].at_us)) if found else None

    return Summary(
        before=reading(earlier),
        peak=reading(sorted(later, key=lambda one: (one.sys or 0.0, -one.at_us))),
        forty=reading(forty),
        last=reading(taken),
        spo2=_lowest(data),
        alarms=tuple((p, sum(a.priority == p for a in data.alarms)) for p in _SIGNALS),
        acknowledged_us=median(answered) if answered else None,
        unseen=sum(a.heard_us is not None and a.acked_us is None for a in heard),
        owed=tuple(_owed(data.entries)),
        overrides=tuple(dict.fromkeys(_overrides(data))),
        technical=sum(one.priority in _SIGNALS for one in technical_alarms(data)),
    )


def minute_of(data: SessionData, at_us: int) -> float | None:
    """Minutes from the dose, None without one."""
    dose_us = data.session.dose_us
    return None if dose_us is None else (at_us - dose_us) / US / 60


def _done_us(data: SessionData, what: str) -> int | None:
    done = [e.body for e in data.entries if e.kind == "due" and e.body.get("what") == what]
    return done[-1].get("done_us") if done and done[-1].get("state") == "done" else None


def _lowest(data: SessionData) -> LowestSpo2 | None:
    tracks = [t for t in data.numerics if t.channel.key == "spo2" and t.shown.any()]
    if not tracks:
        return None
    at_us = np.concatenate([track.at_us[track.shown] for track in tracks])
    value = np.concatenate([track.value[track.shown] for track in tracks])
    doubted = np.concatenate([track.quality[track.shown] == QUESTIONABLE for track in tracks])
    order = np.argsort(at_us, kind="stable")
    at_us, value, doubted = at_us[order], value[order], doubted[order]
    lasted = np.minimum(np.diff(at_us, append=at_us[-1] + US), round(FRESH_S * US))
    lowest = int(np.argmin(value))
    below = value < LOW_SPO2
    return LowestSpo2(
        float(value[lowest]),
        int(at_us[lowest]),
        minute_of(data, int(at_us[lowest])),
        bool(doubted[lowest]),
        int(lasted[below].sum()),
        int(lasted[below & doubted].sum()),
    )


def _owed(entries: tuple[Entry, ...]) -> Iterator[str]:
    for entry in entries:
        owed = entry.body.get("owed")
        if entry.kind == "session_change" and isinstance(owed, list):
            yield from (str(words) for _, words in owed)


def _overrides(data: SessionData) -> Iterator[str]:
    """Decisions against the program's word, with who and why."""
    for entry in data.entries:
        body = entry.body
        after, before = body.get("after"), body.get("before")
        if entry.kind == "alarm" and isinstance(after, dict) and isinstance(before, dict):
            if after.get("rule_state") == "off" and before.get("rule_state") != "off":
                yield _said(f"{body.get('rule')} off", after.get("rule_reason"), entry.actor)
        elif entry.kind != "session_change":
            continue
        elif body.get("cause") == "gate" and body.get("decision") == "override":
            order = f"order of {body['order_by']}" if body.get("order_by") else ""
            yield _said("gate overridden", body.get("reason"), order or entry.actor)
        elif body.get("cause") == "limit" and body.get("limit") is not None:
            what = f"{body.get('rule')} limit {body['limit']:g}"
            yield _said(what, body.get("reason"), entry.actor)
        elif body.get("cause") == "discharge" and body.get("met") and body.get("reason"):
            yield _said(f"discharge: {body.get('criterion')}", body.get("reason"), entry.actor)
        elif body.get("cause") == "closed" and body.get("reason"):
            yield _said("closed with an alarm", body.get("reason"), entry.actor)


def _said(what: str, reason: object, who: object) -> str:
    why = f": {reason}" if reason else ""
    return " ".join(f"{what}{why} ({who})".split() if who else f"{what}{why}".split())


def pressure_words(reading: Reading | None) -> str:
    """`128/79`, `--` without one."""
    if reading is None:
        return "--"
    one = reading.pressure
    return "/".join("--" if value is None else str(whole(value)) for value in (one.sys, one.dia))


def minute_words(minute: float | None) -> str:
    """`+38 min` from the dose, half a minute up as on the pages; `""` without one."""
    return "" if minute is None else f"{whole(minute):+d} min"


def whole(value: float) -> int:
    """Halves up, as the pages do: a mean of two readings is one number everywhere."""
    return math.floor(value + 0.5)


def highest_dia_words(data: SessionData, found: Summary) -> str:
    """The highest diastolic pressure, where it was not that of the highest systolic one."""
    dose_us = data.session.dose_us
    later = [
        one
        for one in data.pressures
        if dose_us is not None and one.at_us >= dose_us and one.dia is not None and not one.failure
    ]
    highest = max(later, key=lambda one: (one.dia or 0.0, -one.at_us), default=None)
    if (
        highest is None
        or highest.dia is None
        or found.peak is None
        or highest.dia == found.peak.pressure.dia
    ):
        return ""
    return f"highest DIA {whole(highest.dia)}, {minute_words(minute_of(data, highest.at_us))}"


def spo2_words(lowest: LowestSpo2 | None, gone: str = "") -> str:
    """The lowest SpO2 with how long and how sure; `gone`: why there may have been a lower one."""
    if lowest is None:
        return not_known(gone) if gone else "no SpO2 was recorded"
    sure = "questionable signal" if lowest.questionable else "good signal"
    below = f"below {LOW_SPO2:.0f} % for {lasting(lowest.below_us)}"
    if lowest.doubted_us:
        below += f" ({lasting(lowest.doubted_us)} of it questionable)"
    if not lowest.below_us:
        below = f"never below {LOW_SPO2:.0f} %"
    when = ", ".join(filter(None, (minute_words(lowest.minute), sure)))
    rest = f"; the rest is {not_known(gone)}" if gone else ""
    return f"{whole(lowest.value)} % ({when}), {below}{rest}"


def alarm_words(found: Summary) -> str:
    """How many alarms, and how soon somebody saw to them."""
    counts = ", ".join(f"{count} {priority}" for priority, count in found.alarms)
    counts += f" ({found.technical} of them technical)" if found.technical else ""
    waited = found.acknowledged_us
    soon = f"; acknowledged after {lasting(round(waited))} (median)" if waited is not None else ""
    unseen = f"; {found.unseen} that sounded never acknowledged" if found.unseen else ""
    return f"{counts}{soon}{unseen}"
