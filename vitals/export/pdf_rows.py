"""The rows of a report's tables, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vitals.export.added import additions
from vitals.export.coverage import (
    artifact_words,
    label_of,
    lasting,
    share_words,
    unknown_words,
)
from vitals.export.pdf_answers import adverse_words, clock, day_and_clock, onset_us
from vitals.export.planned import planned
from vitals.export.session_data import Entry, SessionData
from vitals.export.summary import minute_of, minute_words, whole
from vitals.export.technical import technical_alarms
from vitals.export.timeline import Point, timeline
from vitals.export.unknown import DAMAGED, trail_torn
from vitals.model import Priority, Quality
from vitals.session.due import REPEAT

Row = tuple[str, ...]
_SHOWN = ("mark", "symptom", "adverse event", "call")
_SIGNALS = (Priority.HIGH.value, Priority.MEDIUM.value, Priority.LOW.value)
"""What has a lower priority is a remark, no alarm."""


def points(data: SessionData) -> list[Point]:
    """What people noted: the marks that the trend numbers and the table explains."""
    return [point for point in timeline(data.entries) if point.kind in _SHOWN]


def _when(data: SessionData, at_us: int) -> tuple[str, str]:
    return clock(data, at_us), minute_words(minute_of(data, at_us))


def nothing(data: SessionData) -> str:
    """What a table says in which nothing stands."""
    return f"not known: {DAMAGED}" if trail_torn(data) else "none"


def readings(data: SessionData) -> list[Row]:
    """Blood pressures and failed attempts; and those of which the values are not known."""
    return [row for _, row in sorted((*_readings(data), *_gone(data)), key=lambda one: one[0])]


def _gone(data: SessionData) -> Iterator[tuple[int, Row]]:
    for one in planned(data):
        if not one.gone and one.outcome != "not known":
            continue
        at_us = one.done_us if one.done_us is not None else one.at_us
        yield at_us, (*_when(data, at_us), "not known", "", "", one.label, one.gone or DAMAGED)


def _readings(data: SessionData) -> Iterator[tuple[int, Row]]:
    paid = _paid(data)
    for one in data.pressures:
        when = _when(data, one.at_us)
        if one.failure:
            yield one.at_us, (*when, f"failed: {one.failure}", "", "", "", one.device)
            continue
        values = ("--" if value is None else str(whole(value)) for value in (one.sys, one.dia))
        mean, pulse = ("" if value is None else str(whole(value)) for value in (one.map, one.pulse))
        by = "M, by hand" if one.manual else one.device
        doubt = ", questionable" if one.quality is Quality.QUESTIONABLE else ""
        owed = paid.get(one.at_us, "")
        yield one.at_us, (*when, "/".join(values), mean, pulse, owed, by + doubt)


def _paid(data: SessionData) -> dict[int, str]:
    """Time of a reading -> what it was owed for, the plan before what was owed besides."""
    last = {str(e.body.get("what")): e.body for e in data.entries if e.kind == "due"}
    found: dict[int, str] = {}
    for what, due in sorted(last.items(), key=lambda one: one[0].startswith(REPEAT)):
        done_us = due.get("done_us")
        if due.get("state") == "done" and isinstance(done_us, int):
            found.setdefault(done_us, str(due.get("label") or what))
    return found


def alarms(data: SessionData) -> tuple[list[Row], list[int]]:
    """Alarms, and the rank of each."""
    rows: list[Row] = []
    ranks = []
    technical = set(technical_alarms(data))
    for one in data.alarms:
        if one.priority not in _SIGNALS:
            continue
        lasted = lasting(one.to_us - one.from_us) if one.to_us is not None else "goes on"
        if one.waited_us is not None:
            seen = f"{lasting(one.waited_us)}, {one.acked_by}"
        else:
            seen = "never" if one.heard_us is not None else "- (only shown)"
        # what it says is not of the moment at which it began
        risen = f" ({clock(data, one.risen_us)})" if one.risen_us is not None else ""
        kind = "technical: " if one in technical else ""
        what = f"{kind}{one.text}{risen}"
        rows.append((clock(data, one.from_us), one.priority, what, lasted, seen))
        ranks.append(Priority(one.priority).rank)
    return rows, ranks


def marks(data: SessionData) -> list[Row]:
    """Numbered as in the trend."""
    return [
        (str(n), *_when(data, point.at_us), point.text, point.actor)
        for n, point in enumerate(points(data), 1)
    ]


def scores(data: SessionData) -> list[Row]:
    """All that were entered."""
    return [
        (*_when(data, entry.at_us), entry.text, entry.actor)
        for entry in sorted(data.entries, key=lambda one: one.at_us)
        if entry.kind == "score"
    ]


def adverse(data: SessionData) -> list[Row]:
    """Adverse events, each with its last word."""
    rows: list[Row] = []
    for event in sorted(data.session.adverse.values(), key=onset_us):
        ended_us = event.get("ended_us")
        over = f" {clock(data, int(ended_us))}" if ended_us else ""
        what = f"{event.get('what')}: {adverse_words(event)}{over}"
        rows.append((*_when(data, onset_us(event)), what, str(event.get("action") or "-")))
    return rows


def coverage(data: SessionData) -> list[Row]:
    """Each channel; then the blood pressures."""
    rows: list[Row] = []
    for one in data.coverage.channels:
        covered = share_words(one.share) if one.share is not None else "--"
        covered = "not known" if one.share is None and one.unknown_us else covered
        gap = "none"
        if one.longest:
            began, ended = one.longest
            gap = f"{lasting(ended - began)} at {clock(data, began)}"
        gap += f"; {unknown_words(one)}" if one.unknown_us else ""
        rows.append((label_of(one), covered, gap, artifact_words(one)))
    nibp = data.coverage.nibp
    taken = f"{nibp.taken} of {nibp.planned}"
    repeats = f"repeats {nibp.repeats_taken} of {nibp.repeats}"
    rows.append(("BP", taken, repeats, f"{nibp.failed} of {nibp.attempts} failed"))
    devices = [device.id for device in data.devices if device.id]
    rows += [(f"Devices: {', '.join(devices)}", "", "", "")] if devices else []
    return rows


def discharge(data: SessionData) -> list[Row]:
    """The checklist as it was signed last, and the end."""
    rows: list[Row] = []
    for entry in data.entries:
        cause = entry.body.get("cause") if entry.kind == "session_change" else None
        if cause == "signed":
            rows = [_criterion(line) for line in entry.body.get("criteria", ())]
            rows.append(_closing("signed", data, entry))
        elif cause in ("finished", "closed"):
            words = "monitoring finished" if cause == "finished" else "session closed"
            rows.append(_closing(words, data, entry))
    return rows


def _closing(words: str, data: SessionData, entry: Entry) -> Row:
    return f"{words} {clock(data, entry.at_us)}", "", entry.actor


def _criterion(line: Mapping[str, Any]) -> Row:
    met = "met" if line.get("met") else "set aside" if line.get("override") else "not met"
    return str(line.get("label", "")), met, str(line.get("override") or line.get("words", ""))


def addenda(data: SessionData) -> list[Row]:
    """What was written after the session was closed."""
    rows: list[Row] = []
    for one in additions(data.entries):
        about = f"(about {clock(data, one.about_us)})" if one.about_us is not None else ""
        corrects = f"(corrects row {one.corrects})" if one.corrects is not None else ""
        outdated = "Signed before the last addendum." if one.outdated else ""
        said = " ".join(filter(None, (about, corrects, one.text, one.comment, outdated)))
        who = one.actor if one.authenticated else f"{one.actor} (not authenticated)"
        rows.append((day_and_clock(data, one.at_us), said, who))
    return rows
