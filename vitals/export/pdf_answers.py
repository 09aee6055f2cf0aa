"""The words of a report's first page: what was given, eight numbers, and what is missing. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vitals.afterwards import ADDENDUM
from vitals.export import times
from vitals.export.added import additions
from vitals.export.clinic import Labels
from vitals.export.coverage import (
    DELETED,
    ChannelCoverage,
    artifact_words,
    gap_words,
    label_of,
    lasting,
    share_words,
    unknown_words,
)
from vitals.export.outcome import per_kg
from vitals.export.planned import Which, more_unknown, no_reading, planned
from vitals.export.session_data import SessionData, doses
from vitals.export.summary import (
    LOW_SPO2,
    Reading,
    Summary,
    highest_dia_words,
    minute_of,
    minute_words,
    pressure_words,
    whole,
)
from vitals.export.unknown import DAMAGED, not_known, told, trail_torn, why
from vitals.model import US, Dose, Quality
from vitals.session.due import FORTY

_PULSE = ("pr", "hr")
_PEAK = "Peak BP after the dose"
_GOOD = 0.9
"""Coverage below this is to be looked at: a tenth of the session was not seen."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One number that everybody asks for.

    Attributes:
        label: which.
        value: the number.
        lines: when, how sure, compared to what.
        marked: whether it is to be looked at.
    """

    label: str
    value: str
    lines: tuple[str, ...]
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """One line; `marked` when it is to be looked at."""

    label: str
    words: str
    marked: bool = False


def clock(data: SessionData, at_us: int) -> str:
    """Hour and minute in the clinic's zone."""
    return f"{times.moment(at_us, data.zone):%H:%M}"


def day_and_clock(data: SessionData, at_us: int) -> str:
    """The same with the day."""
    return f"{times.moment(at_us, data.zone):%Y-%m-%d %H:%M}"


def when(data: SessionData, at_us: int) -> str:
    """Hour and minute, and minutes from the dose where there was one."""
    later = minute_words(minute_of(data, at_us))
    return f"{clock(data, at_us)} ({later})" if later else clock(data, at_us)


# --- what was given -------------------------------------------------------------------------------


def given(data: SessionData, labels: Labels) -> list[str]:
    """One line for each dose, and the end of an infusion."""
    lines = [_dose_words(data, labels, dose) for dose in doses(data.session)]
    if data.session.infusion_end_us is not None:
        lines.append(f"{when(data, data.session.infusion_end_us)}  end of the infusion")
    return lines or ["No dose was marked"]


def _dose_words(data: SessionData, labels: Labels, dose: Dose) -> str:
    amount = f"{dose.mg:g} mg" if dose.mg is not None else "amount not recorded"
    amount += per_kg(data, dose.mg)
    kind = "" if dose.kind == "dose" else f"{dose.kind}: "
    what = f"{kind}{dose.drug or 'drug not recorded'} {amount}"
    lot = f"lot {dose.lot}" if dose.lot else "lot not recorded"
    route = labels.route(data.session.route)
    first = dose.at_us == data.session.dose_us
    at = clock(data, dose.at_us) if first else when(data, dose.at_us)
    return f"{at}  {', '.join((what, route, lot))}"


# --- eight numbers --------------------------------------------------------------------------------


def tiles(data: SessionData, found: Summary) -> list[Tile]:
    """Four blood pressures; SpO2, alarms, coverage, the end."""
    return [
        _baseline(data, found),
        _pressure(data, "peak", _PEAK, found.peak, highest_dia_words(data, found)),
        _forty(data, found),
        _pressure(data, "last", "Last BP", found.last),
        _spo2(data, found),
        _alarms(data, found),
        _coverage(data),
        _end(data),
    ]


def _baseline(data: SessionData, found: Summary) -> Tile:
    """The values that were frozen at the dose; without them the last reading before it."""
    frozen = _frozen(data)
    if frozen is None:
        return _pressure(data, "before", "Baseline BP", found.before)
    gone = no_reading(data, "before")
    none = "no reading before it" if gone == "not taken" else f"last reading {gone}"
    last = f"last {pressure_words(found.before)}" if found.before else none
    lines = ("frozen at the dose", f"{last}, {_taken(data, found.before)}".rstrip(", "))
    return Tile("Baseline BP", f"{whole(frozen[0])}/{whole(frozen[1])}", lines)


def _frozen(data: SessionData) -> tuple[float, float] | None:
    sys, dia = (data.session.baseline.get(key) for key in ("nibp_sys", "nibp_dia"))
    return None if sys is None or dia is None else (sys, dia)


def _pressure(
    data: SessionData, which: Which, label: str, reading: Reading | None, more: str = ""
) -> Tile:
    if reading is None:
        return Tile(label, pressure_words(reading), (no_reading(data, which),))
    lines = (_taken(data, reading), _rise(data, reading), more, more_unknown(data, which))
    return Tile(label, pressure_words(reading), tuple(filter(None, lines)))


def _taken(data: SessionData, reading: Reading | None) -> str:
    if reading is None:
        return ""
    one = reading.pressure
    said = [clock(data, one.at_us), minute_words(reading.minute)]
    said += ["M" if one.manual else ""]
    said += ["questionable" if one.quality is Quality.QUESTIONABLE else ""]
    return ", ".join(filter(None, said))


def _rise(data: SessionData, reading: Reading) -> str:
    frozen, one = _frozen(data), reading.pressure
    if frozen is None or one.sys is None or one.dia is None:
        return ""
    sys, dia = whole(one.sys) - whole(frozen[0]), whole(one.dia) - whole(frozen[1])
    return f"{sys:+d}/{dia:+d} from baseline"


def _forty(data: SessionData, found: Summary) -> Tile:
    if found.forty is not None:
        tile = _pressure(data, "forty", "BP at 40 min", found.forty)
        return Tile(tile.label, tile.value, (f"taken {tile.lines[0]}", *tile.lines[1:]))
    owed = next((one for one in planned(data) if one.what == FORTY), None)
    marked = owed is not None and (owed.outcome == "not taken" or bool(owed.gone))
    return Tile("BP at 40 min", "--", (no_reading(data, "forty"),), marked)


def _spo2(data: SessionData, found: Summary) -> Tile:
    lowest, gone = found.spo2, why(data, ("spo2",))
    if lowest is None:
        none = not_known(gone) if gone else "no SpO2 was recorded"
        return Tile("Lowest SpO2", "--", (none,), marked=True)
    sure = "questionable signal" if lowest.questionable else "good signal"
    lines = [", ".join(filter(None, (when(data, lowest.at_us), sure)))]
    if lowest.below_us:
        lines.append(f"below {LOW_SPO2:.0f} % for {lasting(lowest.below_us)}")
        doubted = f"{lasting(lowest.doubted_us)} of it questionable"
        lines += [doubted] if lowest.doubted_us else []
    else:
        lines.append(f"never below {LOW_SPO2:.0f} %")
    lines += [f"the rest is {not_known(gone)}"] if gone else []
    marked = bool(lowest.below_us or gone)
    return Tile("Lowest SpO2", f"{whole(lowest.value)} %", tuple(lines), marked)


def _alarms(data: SessionData, found: Summary) -> Tile:
    value = " / ".join(str(count) for _, count in found.alarms)
    lines = [f"{found.technical} of them technical"] if found.technical else []
    if found.acknowledged_us is not None:
        lines.append(f"acknowledged in {lasting(round(found.acknowledged_us))} (median)")
    if found.unseen:
        lines.append(f"{found.unseen} never acknowledged")
    heard = any(count for priority, count in found.alarms if priority != "low")
    torn = trail_torn(data)
    if torn:  # alarms stand there: none that can be read is not none
        lines.append("at least: the audit trail is torn")
    lines += [] if torn or found.unseen or heard else ["nothing called anybody"]
    return Tile("Alarms: high / medium / low", value, tuple(lines), bool(found.unseen) or torn)


def _coverage(data: SessionData) -> Tile:
    """SpO2 first; a session without an oximeter has its first channel there."""
    known = [one for one in data.coverage.channels if one.share is not None]
    spo2 = data.coverage.of("spo2") or (known[0] if known else None)
    pulse = next((one for key in _PULSE for one in known if one.channel == key), None)
    nibp = data.coverage.nibp
    taken = f"BP: {nibp.taken} of {nibp.planned} planned, {nibp.failed} failed"
    taken += f", {len(nibp.unknown)} not known" if nibp.unknown else ""
    if spo2 is None or spo2.share is None:
        none = "nothing was measured continuously"
        none = not_known(DAMAGED) if spo2 is not None and spo2.unknown_us else none
        return Tile("Coverage", "--", (DELETED if data.coverage.deleted else none, taken), True)
    lines = [unknown_words(spo2)] if spo2.unknown_us else []
    lines += [f"{gap_words(spo2)}, artifact {artifact_words(spo2)}"]
    lines += [] if pulse is None or pulse is spo2 else [_channel(pulse)]
    lines.append(taken)
    marked = spo2.share < _GOOD or nibp.taken < nibp.planned or bool(spo2.unknown_us)
    return Tile(f"{label_of(spo2)} coverage", share_words(spo2.share), tuple(lines), marked)


def _channel(one: ChannelCoverage) -> str:
    return f"{label_of(one)} {share_words(one.share or 0.0)}, {gap_words(one)}"


def _end(data: SessionData) -> Tile:
    session = data.session
    if session.ended_us is None:
        return Tile("Session", "open", (f"recorded to {clock(data, data.to_us)}",), marked=True)
    lines = []
    signed_us = session.signed.get("at_us")
    if isinstance(signed_us, int):
        lines.append(f"signed {clock(data, signed_us)}, {session.signed.get('by', '')}")
    elif session.dose_us is not None:
        lines.append(told(data, "", "discharge not signed"))
    met_us = session.signed.get("met_us")
    if isinstance(met_us, int):
        lines.append(f"recorded criteria all met {clock(data, met_us)}")
    starts = [dose.at_us for dose in doses(session) if dose.kind != "part"]
    if starts:
        lines.append(f"{(session.ended_us - max(starts)) // US // 60} min after the last dose")
    unsigned = session.dose_us is not None and not session.signed
    return Tile("Closed", clock(data, session.ended_us), tuple(lines), unsigned)


# --- what is missing, and what was unusual --------------------------------------------------------


def answers(data: SessionData, found: Summary, labels: Labels) -> list[Answer]:
    """One line each; also what did not happen is said."""
    lacking = told(data, "; ".join(_grouped(found.owed)), "nothing was owed at closing")
    if data.session.ended_us is None:
        lacking = "not known yet: the session is open"
    off = data.coverage.off_us
    lines = [
        Answer("Missing", lacking, bool(found.owed)),
        Answer("Overrides", told(data, "; ".join(found.overrides), "none"), bool(found.overrides)),
        adverse_answer(data),
        Answer("Scores", told(data, "; ".join(score_words(data, labels)), "none entered")),
        Answer("Off the monitor", told(data, lasting(off) if off else "", "never announced")),
    ]
    if data.coverage.nibp.missed:
        lines.insert(1, Answer("BP not taken", ", ".join(data.coverage.nibp.missed), marked=True))
    unknown = [*data.coverage.nibp.unknown, *(one.label for one in planned(data) if one.gone)]
    if unknown:
        lines.insert(1, Answer("BP not known", ", ".join(unknown), marked=True))
    if data.gaps:
        down = lasting(sum(to_us - from_us for from_us, to_us in data.gaps))
        lines.append(Answer("Program down", f"{len(data.gaps)} x, {down} in all", marked=True))
    lines += afterwards(data)
    lines += [Answer("Unreadable", " ".join(data.unreadable), True)] if data.unreadable else []
    return lines


def _grouped(owed: Iterable[str]) -> list[str]:
    """Each beginning once, with all that it is said of; unanswered items of the check-in last."""
    found: dict[str, list[str]] = {}
    for words in owed:
        beginning, colon, rest = words.partition(": ")
        found.setdefault(f"{beginning}{colon}", []).append(rest)
    lines = [f"{beginning}{', '.join(rest)}" for beginning, rest in found.items()]
    return sorted(lines, key=lambda line: line.startswith("Check-in"))


def adverse_answer(data: SessionData) -> Answer:
    """Adverse events that people entered, the earliest first."""
    words = [
        f"{event.get('what')} {when(data, onset_us(event))}: {adverse_words(event)}"
        for event in sorted(data.session.adverse.values(), key=onset_us)
    ]
    serious = any(event.get("serious") for event in data.session.adverse.values())
    return Answer("Adverse events", told(data, "; ".join(words), "none entered"), serious)


def onset_us(event: Mapping[str, Any]) -> int:
    """When an adverse event began."""
    return int(event.get("onset_us") or 0)


def adverse_words(event: Mapping[str, Any]) -> str:
    """How bad it was, and how it ended."""
    said = (event.get("severity"), "SERIOUS" if event.get("serious") else "", event.get("outcome"))
    return ", ".join(str(word) for word in said if word)


def score_words(data: SessionData, labels: Labels) -> Iterator[str]:
    """Of each scale the lowest, the highest and the last; which is bad is its own matter."""
    by_scale: dict[str, list[tuple[int, float]]] = {}
    for entry in data.entries:
        value = entry.body.get("value")
        if entry.kind == "score" and isinstance(value, (int, float)):
            scale = str(entry.body.get("scale"))
            by_scale.setdefault(scale, []).append((entry.at_us, float(value)))
    for scale, scored in by_scale.items():
        at_us, last = max(scored, key=lambda one: one[0])
        low, high = (pick(value for _, value in scored) for pick in (min, max))
        span = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        yield f"{labels.scales.get(scale, scale)} {span}, last {last:g} at {when(data, at_us)}"


def afterwards(data: SessionData) -> list[Answer]:
    """Addenda, and who has signed for what; a signature that has not seen all of it is marked."""
    added = additions(data.entries)
    if not added:
        return []
    texts = sum(one.kind == ADDENDUM for one in added)
    words = [f"{texts} addend{'um' if texts == 1 else 'a'}, see page 2"] if texts else []
    for one in added:
        if one.kind != ADDENDUM:
            before = " (before the last addendum)" if one.outdated else ""
            by = f"{one.actor}, {day_and_clock(data, one.at_us)}{before}"
            words.append(f"{one.text.rstrip('.')}: {by}")
    return [Answer("Afterwards", "; ".join(words), any(one.outdated for one in added))]
