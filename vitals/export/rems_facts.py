"""What the record says about the fields of a REMS sheet, in words, each with its source. Pure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vitals.export.clinic import Labels
from vitals.export.pdf_answers import adverse_words, clock, onset_us, when
from vitals.export.session_data import Entry, SessionData, doses
from vitals.export.summary import Reading, pressure_words, summarise
from vitals.export.unknown import DAMAGED, not_known, trail_torn
from vitals.export.unknown import why as spo2_gone
from vitals.model import Quality

ALERT = 5
"""MOAA/S of somebody who responds readily to the name."""


def _changes(data: SessionData, cause: str) -> list[Entry]:
    return [e for e in data.entries if e.kind == "session_change" and e.body.get("cause") == cause]


def entered(data: SessionData, cause: str) -> str:
    """Who brought about the last session change of a cause, and when."""
    found = _changes(data, cause)
    return f"{found[-1].actor or 'the program'}, {clock(data, found[-1].at_us)}" if found else ""


def answered(data: SessionData, item: str) -> str:
    """Who answered an item of the check-in last, and when."""
    for entry in reversed(_changes(data, "check-in")):
        answers = entry.body.get("answers")
        if isinstance(answers, dict) and item in answers:
            return f"{entry.actor}, {clock(data, entry.at_us)}"
    return "time not recorded"


def dose_facts(data: SessionData) -> str:
    """Who marked what was given, and when."""
    marked = [
        f"{dose.by or 'nobody named'}, {clock(data, dose.at_us)}" for dose in doses(data.session)
    ]
    return f"marked by {'; '.join(dict.fromkeys(marked))}"


def reading(data: SessionData, one: object) -> tuple[str, str] | None:
    """A blood pressure and its source; None without one."""
    if not isinstance(one, Reading):
        return None
    taken = one.pressure
    by = taken.device or "by hand"
    if taken.manual:
        people = [e.actor for e in data.entries if e.kind == "reading" and e.at_us == taken.at_us]
        by = f"M, by hand{', ' + people[-1] if people and people[-1] else ''}"
    doubt = ", questionable" if taken.quality is Quality.QUESTIONABLE else ""
    return f"{pressure_words(one)} mmHg", f"{by}, {when(data, taken.at_us)}{doubt}"


def gate_facts(data: SessionData) -> str:
    """The decision before the dose, on what it was made."""
    gate = data.session.gate
    if not gate:
        return "No decision was entered at the gate."
    order = f", order of {gate['order_by']}" if gate.get("order_by") else ""
    reason = f": {gate['reason']}" if gate.get("reason") else ""
    at = clock(data, int(gate.get("at_us") or 0))
    said = gate.get("words")
    words = " ".join(str(one) for one in said) if isinstance(said, (list, tuple)) else ""
    return (
        f"Gate {at}, {gate.get('by', '')}{order}: {gate.get('decision')}{reason}. {words}".strip()
    )


def score_facts(data: SessionData, labels: Labels, scale: str) -> str:
    """The scores of a scale: first, extremes, last; of sedation when it began and was over."""
    scored = sorted(
        (
            (e.at_us, float(e.body["value"]), e.actor)
            for e in data.entries
            if e.kind == "score" and e.body.get("scale") == scale
            and isinstance(e.body.get("value"), (int, float))
        ),
        key=lambda one: one[0],
    )  # fmt: skip
    label = labels.scales.get(scale, scale)
    if not scored:
        return f"{label}: no score was entered."
    low, high = (pick(value for _, value, _ in scored) for pick in (min, max))
    worst = low if scale == "moaas" else high
    at_us, _, by = next(one for one in scored if one[1] == worst)
    last_us, last, last_by = scored[-1]
    word = "lowest" if scale == "moaas" else "highest"
    words = f"{label}: {word} {worst:g} at {when(data, at_us)} ({by})"
    if scale == "moaas" and low < ALERT:
        out = [n for n, (_, value, _) in enumerate(scored) if value < ALERT]
        words += f", first below {ALERT} at {when(data, scored[out[0]][0])}"
        back = scored[out[-1] + 1 :]
        words += (
            f", {ALERT} again at {when(data, back[0][0])}" if back else f", not yet {ALERT} again"
        )
    elif len(scored) > 1:
        words += f", last {last:g} at {when(data, last_us)} ({last_by})"
    return f"{words}."


def respiration_facts(data: SessionData) -> str:
    """Lowest SpO2 and breathing rate, with device and time."""
    words = [_lowest(data, "spo2", "%"), _lowest(data, "rr", "/min")]
    found = summarise(data).spo2
    if found is not None and found.below_us:
        words.append(f"SpO2 below 90 % for {found.below_us // 1_000_000} s in all")
    gone = spo2_gone(data, ("spo2",))
    words += [f"SpO2 of other times is {not_known(gone)}" if any(words) else ""] if gone else []
    if any(words):
        return ". ".join(filter(None, words)) + "."
    return f"SpO2 is {not_known(gone)}." if gone else "No SpO2 was recorded."


def _lowest(data: SessionData, key: str, unit: str) -> str:
    best: tuple[float, int, str, bool] | None = None
    for track in data.numerics:
        if track.channel.key != key or not track.shown.any():
            continue
        at_us, value = track.at_us[track.shown], track.value[track.shown]
        n = int(np.argmin(value))
        if best is None or value[n] < best[0]:
            doubt = bool(track.quality[track.shown][n])
            label = f"{track.channel.label} {value[n]:g} {unit}"
            best = (float(value[n]), int(at_us[n]), f"{label} ({track.device or 'by hand'}", doubt)
    if best is None:
        return ""
    sure = ", questionable" if best[3] else ""
    return f"Lowest {best[2]}, {when(data, best[1])}{sure})"


def serious_facts(data: SessionData, at: Callable[[SessionData, int], str]) -> str:
    """Adverse events that were entered, the serious ones first."""
    events = sorted(
        data.session.adverse.values(), key=lambda e: (not e.get("serious"), onset_us(e))
    )
    if not events:
        unknown = f"Whether an adverse event was entered is {not_known(DAMAGED)}."
        return unknown if trail_torn(data) else "No adverse event was entered."
    serious = sum(bool(event.get("serious")) for event in events)
    words = [
        f"{event.get('what')} {at(data, onset_us(event))}: {adverse_words(event)} "
        f"({event.get('by', '')})"
        for event in events
    ]
    return f"{serious} entered as serious. {'; '.join(words)}."
