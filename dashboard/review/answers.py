"""The first words about a session: the answers, and how much of it was really measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vitals.channels import CHANNELS
from vitals.export.coverage import lasting
from vitals.export.session_data import SessionData, doses
from vitals.export.summary import (
    Reading,
    alarm_words,
    highest_dia_words,
    minute_words,
    pressure_words,
    spo2_words,
    summarise,
)
from vitals.model import Dose, Quality


def answers(data: SessionData) -> list[dict[str, Any]]:
    """`{label, text, at_us}` each, in the order in which they are asked; no `at_us` = no moment."""
    found = summarise(data)
    given = doses(data.session)
    said: list[tuple[str, str, int | None]] = [
        (dose.kind.capitalize(), _dose(data, dose), dose.at_us) for dose in given
    ]
    if not given:
        said.append(("Dose", "none was marked", None))
    for label, reading in (
        ("BP before the dose", found.before),
        ("Peak BP", found.peak),
        ("40-minute BP", found.forty),
        ("Last BP", found.last),
    ):
        words = _reading(reading)
        if reading is not None and reading is found.peak:
            words = "; ".join(filter(None, (words, highest_dia_words(data, found))))
        said.append((label, words, reading.pressure.at_us if reading else None))
    lowest = found.spo2
    said.append(("Lowest SpO₂", spo2_words(lowest), lowest.at_us if lowest else None))
    said.append(("Alarms", alarm_words(found), None))
    nothing = (
        "nothing" if data.session.ended_us is not None else "not known yet: the session is open"
    )
    said.append(("Still owed", "; ".join(found.owed) or nothing, None))
    said.append(("Overrides", "; ".join(found.overrides) or "none", None))
    said.append(("Off the monitor", _off(data), None))
    return [{"label": label, "text": text, "at_us": at_us} for label, text, at_us in said]


def _reading(reading: Reading | None) -> str:
    if reading is None:
        return "not obtained"
    one = reading.pressure
    hand = "entered by hand" if one.manual else ""
    doubt = "" if one.quality is Quality.GOOD else one.quality.value
    more = [words for words in (minute_words(reading.minute), hand, doubt) if words]
    return f"{pressure_words(reading)} mmHg" + (f" ({', '.join(more)})" if more else "")


def _dose(data: SessionData, dose: Dose) -> str:
    amount = f"{dose.mg:g} mg" if dose.mg is not None else "amount not entered"
    words = [" ".join(part for part in (dose.drug, amount) if part), data.session.route]
    words += [f"lot {dose.lot}" if dose.lot else "", f"marked by {dose.by}" if dose.by else ""]
    return ", ".join(part for part in words if part)


def _off(data: SessionData) -> str:
    cover = data.coverage
    if not cover.off:
        return "never"
    return f"{lasting(cover.off_us)} in {len(cover.off)} part{'s' * (len(cover.off) != 1)}"


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
            "repeats": nibp.repeats,
            "repeats_taken": nibp.repeats_taken,
            "attempts": nibp.attempts,
            "failed": nibp.failed,
        },
        "down": [{"from_us": a, "to_us": b, "text": lasting(b - a)} for a, b in data.gaps],
    }


def _channels(data: SessionData) -> Iterator[dict[str, Any]]:
    for one in data.coverage.channels:
        longest = one.longest
        yield {
            "channel": one.channel,
            "label": CHANNELS[one.channel].label if one.channel in CHANNELS else one.channel,
            "share": one.share,
            "gaps": one.gaps,
            "longest": (
                {
                    "from_us": longest[0],
                    "to_us": longest[1],
                    "text": lasting(longest[1] - longest[0]),
                }
                if longest
                else None
            ),
            "values": one.values,
            "questionable": one.questionable,
            "invalid": one.invalid,
        }
