"""What FHIR resources are made of: codes, quantities, sampled data, remarks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vitals.export import nomenclature as codes
from vitals.export.planned import Planned
from vitals.export.session_data import NumericTrack, WaveTrack
from vitals.model import US, Quality, Waveform

Resource = dict[str, Any]

_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_LONGEST_S = 600.0
"""Of one SampledData: its text must stay below the 1 MB that a FHIR string may have."""
_MOST = 60_000
_SPACES = " \t\r\n"


def clean(value: str) -> str:
    """A text as FHIR allows it: plain spaces, no control characters, nothing around it.

    What is empty then must be left out: FHIR has no empty text.
    """
    kept = (char if char in _SPACES or not _odd(char) else " " for char in value)
    return "".join(kept).encode("utf-8", "replace").decode().strip()


def _odd(char: str) -> bool:
    return char < " " or char.isspace()


def even(track: NumericTrack, period_us: float, doubtful: Any) -> Iterator[tuple[int, int]]:
    """Stretches in which every value lies within half a period of its even place."""
    start = 0
    most = min(_MOST, max(1, int(_LONGEST_S * US / period_us)))
    at_us, doubts = track.at_us.tolist(), doubtful.tolist()
    for i in range(1, len(at_us)):
        place = at_us[start] + (i - start) * period_us
        uneven = abs(at_us[i] - place) > period_us / 2 or doubts[i] != doubts[start]
        if uneven or i - start >= most:
            yield start, i
            start = i
    if at_us:
        yield start, len(at_us)


def unbroken(blocks: tuple[Waveform, ...]) -> Iterator[list[Waveform]]:
    """Blocks that follow each other without a gap, of one rate and quality."""
    group: list[Waveform] = []
    count = 0
    for block in blocks:
        if group:
            first = group[0]
            expected_us = first.start_us + count / first.rate_hz * US
            same = (block.rate_hz, block.quality) == (first.rate_hz, first.quality)
            fits = count + block.values.size <= min(_MOST, _LONGEST_S * block.rate_hz)
            if not (same and fits and abs(block.start_us - expected_us) <= US / block.rate_hz / 2):
                yield group
                group, count = [], 0
        group.append(block)
        count += block.values.size
    if group:
        yield group


def coded(term: codes.Term, track: NumericTrack | WaveTrack | None = None) -> Resource:
    """A quantity's codes, and the channel's name where it is given."""
    codings = [coding(codes.LOINC, code, name) for code, name in term.loinc]
    if term.mdc is not None:
        codings.append(coding(codes.MDC, str(term.mdc[0]), term.mdc[1]))
    found: Resource = {"coding": codings} if codings else {}
    if track is not None:
        found["text"] = track.channel.label
    return found


def coding(system: str, code: str, display: str) -> Resource:
    """One code of one system."""
    return {"system": system, "code": code, "display": display}


def category(code: str, display: str) -> Resource:
    """The category of an Observation."""
    return {"coding": [coding(_CATEGORY, code, display)]}


def quantity(value: float, unit: str) -> Resource:
    """A value with its UCUM unit; whole numbers stay whole."""
    whole = int(value) if value == int(value) else value
    return {"value": whole, "unit": unit, "system": codes.UCUM, "code": unit}


def absent(reason: str) -> Resource:
    """Why there is no value."""
    if not reason:
        return {"coding": [coding(_ABSENT, "unknown", "Unknown")]}
    found: Resource = {"coding": [coding(_ABSENT, "error", "Error")]}
    return {**found, "text": clean(reason)} if clean(reason) else found


def panel_code() -> Resource:
    """The codes of a blood pressure."""
    panel, name = codes.BP_PANEL
    mdc, refid = codes.NIBP_PANEL_MDC
    return {"coding": [coding(codes.LOINC, panel, name), coding(codes.MDC, str(mdc), refid)]}


MISSING = {
    "not taken": ("not-performed", "Not Performed"),
    "skipped": ("not-performed", "Not Performed"),
    "not obtained": ("not-performed", "Not Performed"),
    "not known": ("unknown", "Unknown"),
}
"""What became of a reading that was owed and is not there -> why it is absent."""


def without_reading(one: Planned) -> Resource:
    """Status and components of a blood pressure that was owed and has no values.

    One that did not come is cancelled; of one that was taken, or of which nobody knows, the values
    are unknown, and that is another reason.
    """
    code, display = ("unknown", "Unknown") if one.gone else MISSING[one.outcome]
    reason = {"coding": [coding(_ABSENT, code, display)]}
    components = [
        {"code": coded(codes.TERMS[key]), "dataAbsentReason": reason}
        for key in ("nibp_sys", "nibp_dia")
    ]
    status = "cancelled" if code == "not-performed" else "unknown"
    return {"status": status, "component": components}


def sampled(unit: str, period_ms: float, samples: str) -> Resource:
    """Evenly spaced samples; `E` stands for one without a value."""
    return {"origin": quantity(0.0, unit), "period": period_ms, "dimensions": 1, "data": samples}


def remarks(quality: Quality, flags: frozenset[str], failure: str = "") -> list[str]:
    """What is to be noted of a value."""
    said = [f"failed: {failure}"] if failure else []
    if quality is Quality.QUESTIONABLE and not failure:
        said.append("questionable")
    if "manual" in flags:
        said.append("entered by hand")
    if "claimed" in flags:
        said.append("of a device in no room; a person said whose it is")
    others = sorted(flags - {"manual", "claimed"})
    if others:
        said.append("device: " + ", ".join(word.replace("_", " ") for word in others))
    return said


def noted(found: Resource, said: list[str]) -> Resource:
    """A resource with its remarks."""
    notes = [{"text": clean(remark)} for remark in said if clean(remark)]
    if notes:
        found["note"] = notes
    return found
