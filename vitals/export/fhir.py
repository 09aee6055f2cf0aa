"""FHIR R4: one Bundle (collection) of a session, as plain JSON.

Blood pressures are panels; streams and waveforms are SampledData, one Observation for each
stretch of even spacing and quality; all else is one Observation for each value. Ids are derived
from the session, so that exporting again gives the same ones. Of the patient there is the
pseudonym only.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from vitals.channels import CHANNELS, NIBP
from vitals.export import nomenclature as codes
from vitals.export.csv_files import number, samples_text
from vitals.export.session_data import (
    QUESTIONABLE,
    Entry,
    NumericTrack,
    Pressure,
    SessionData,
    WaveTrack,
)
from vitals.export.target import Tell
from vitals.model import US, Quality, Waveform

Resource = dict[str, Any]

_NAMESPACE = uuid.UUID("6b1c6d1e-7a58-5d0c-9f4b-3a0d6a0d9f01")
_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_LONGEST_S = 600.0
"""Of one SampledData: its text must stay below the 1 MB that a FHIR string may have."""
_MOST = 60_000
_COMPONENTS = {"sys": "nibp_sys", "dia": "nibp_dia", "map": "nibp_map"}


def write(data: SessionData, file: IO[bytes], tell: Tell) -> None:
    """Writes the Bundle."""
    tell("resources")
    found = bundle(data)
    tell("JSON")
    file.write(json.dumps(found, separators=(",", ":"), allow_nan=False).encode())


def bundle(data: SessionData) -> Resource:
    """The Bundle of a session, as JSON would say it."""
    made = _Maker(data)
    observations = list(made.observations())
    resources = [
        made.patient(),
        made.encounter(),
        made.software(),
        *(made.device(device.id) for device in data.devices if device.id),
        *observations,
        *made.doses(),
    ]
    resources.append(made.provenance(resources[1:]))
    if data.watermark:
        for resource in resources:
            resource["meta"] = _TEST_DATA
    return {
        "resourceType": "Bundle",
        "id": made.id("bundle"),
        **({"meta": _TEST_DATA} if data.watermark else {}),
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{made.id('bundle')}"},
        "type": "collection",
        "timestamp": data.iso(data.exported_us),
        "entry": [{"fullUrl": f"urn:uuid:{one['id']}", "resource": one} for one in resources],
    }


_TEST_DATA = {
    "security": [
        {
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
            "code": "HTEST",
            "display": "test health data",
        }
    ]
}
"""Marks everything of a demo or test."""


def clean(value: str) -> str:
    """A text as FHIR allows it: no control characters, nothing around it."""
    kept = (char if char >= " " or char in "\t\r\n" else " " for char in value)
    return "".join(kept).encode("utf-8", "replace").decode().strip()


class _Maker:
    def __init__(self, data: SessionData) -> None:
        self._data = data
        self._subject = {"reference": f"urn:uuid:{self.id('patient')}"}
        self._encounter = {"reference": f"urn:uuid:{self.id('encounter')}"}

    def id(self, *what: object) -> str:
        """The same id for the same thing of the same session, always."""
        name = json.dumps([self._data.session.id, *map(str, what)])
        return str(uuid.uuid5(_NAMESPACE, name))

    # --- who and what with -------------------------------------------------------------------

    def patient(self) -> Resource:
        pseudonym = clean(self._data.session.subject_ref)
        known = {"system": "urn:kap-vitals:subject", "value": pseudonym}
        return {
            "resourceType": "Patient",
            "id": self.id("patient"),
            **({"identifier": [known]} if pseudonym else {}),
        }

    def encounter(self) -> Resource:
        session = self._data.session
        period = {"start": self._data.iso(session.started_us)}
        if session.ended_us is not None:
            period["end"] = self._data.iso(session.ended_us)
        system = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
        return {
            "resourceType": "Encounter",
            "id": self.id("encounter"),
            "identifier": [{"system": "urn:kap-vitals:session", "value": clean(session.id)}],
            "status": "in-progress" if session.ended_us is None else "finished",
            "class": {"system": system, "code": "AMB", "display": "ambulatory"},
            "subject": self._subject,
            "period": period,
        }

    def device(self, device: str) -> Resource:
        name = clean(device)
        return {
            "resourceType": "Device",
            "id": self.id("device", device),
            "identifier": [{"system": "urn:kap-vitals:device", "value": name}],
            "deviceName": [{"name": name, "type": "user-friendly-name"}],
            "patient": self._subject,
        }

    def software(self) -> Resource:
        name, _, version = self._data.software.partition(" ")
        return {
            "resourceType": "Device",
            "id": self.id("software"),
            "deviceName": [{"name": name, "type": "model-name"}],
            "version": [{"value": version}],
        }

    def provenance(self, resources: list[Resource]) -> Resource:
        data = self._data
        entity = {
            "role": "source",
            "what": {
                "identifier": {"system": "urn:kap-vitals:audit-head", "value": data.head or "unknown"},
                "display": f"record of station {clean(data.station)}",
            },
        }
        return {
            "resourceType": "Provenance",
            "id": self.id("provenance"),
            "target": [{"reference": f"urn:uuid:{one['id']}"} for one in resources],
            "recorded": data.iso(data.exported_us),
            "agent": [{"who": {"reference": f"urn:uuid:{self.id('software')}"}}],
            "entity": [entity],
        }

    # --- what was measured -------------------------------------------------------------------

    def observations(self) -> Iterator[Resource]:
        for pressure in self._data.pressures:
            yield self._panel(pressure)
        for track in self._data.numerics:
            if track.channel.key in NIBP or track.channel.key == "cuff":
                continue
            yield from (self._stream if codes.is_dense(track) else self._values)(track)
        for wave in self._data.waves:
            yield from self._wave(wave)
        for entry in self._data.entries:
            if entry.kind == "score":
                yield from self._score(entry)

    def _observation(
        self, what: tuple[object, ...], code: Resource, device: str, at: Resource
    ) -> Resource:
        found: Resource = {
            "resourceType": "Observation",
            "id": self.id("observation", *what),
            "status": "final",
            "category": [_category("vital-signs", "Vital Signs")],
            "code": code,
            "subject": self._subject,
            "encounter": self._encounter,
            **at,
        }
        if device:
            found["device"] = {"reference": f"urn:uuid:{self.id('device', device)}"}
        return found

    def _at(self, at_us: int) -> Resource:
        return {"effectiveDateTime": self._data.iso(at_us)}

    def _during(self, from_us: int, to_us: int) -> Resource:
        return {"effectivePeriod": {"start": self._data.iso(from_us), "end": self._data.iso(to_us)}}

    def _panel(self, one: Pressure) -> Resource:
        code, name = codes.BP_PANEL
        mdc, refid = codes.NIBP_PANEL_MDC
        coded = {"coding": [_coding(codes.LOINC, code, name), _coding(codes.MDC, str(mdc), refid)]}
        what = ("nibp", one.device, one.at_us, one.failure)
        found = self._observation(what, coded, one.device, self._at(one.at_us))
        found["component"] = []
        for field, key in _COMPONENTS.items():
            value = getattr(one, field)
            if value is None and field == "map":
                continue
            component: Resource = {"code": _code(codes.TERMS[key])}
            if value is None:
                component["dataAbsentReason"] = _absent(one.failure)
            else:
                component["valueQuantity"] = _quantity(value, CHANNELS[key].unit)
            found["component"].append(component)
        return _noted(found, _remarks(one.quality, one.flags, one.failure))

    def _values(self, track: NumericTrack) -> Iterator[Resource]:
        term, shown = codes.term_of(track, self._data), track.shown.tolist()
        for i, (at_us, value) in enumerate(zip(track.at_us.tolist(), track.value.tolist(), strict=True)):
            what = (track.channel.key, track.device, at_us, i)
            found = self._observation(what, _code(term, track), track.device, self._at(at_us))
            flags = frozenset(word for word in track.flags[i].split(",") if word)
            if shown[i]:
                found["valueQuantity"] = _quantity(value, track.channel.unit)
            else:
                found["dataAbsentReason"] = _absent("the monitor gave no valid value")
            doubtful = shown[i] and track.quality[i] == QUESTIONABLE
            quality = Quality.QUESTIONABLE if doubtful else Quality.GOOD
            yield _noted(found, _remarks(quality, flags))

    def _stream(self, track: NumericTrack) -> Iterator[Resource]:
        code = _code(codes.term_of(track, self._data), track)
        period_us = max(1.0, track.spacing_us)
        texts = np.array(
            [number(v) if ok else "E" for v, ok in zip(track.value.tolist(), track.shown.tolist(), strict=True)],
            dtype=object,
        )
        doubtful = track.shown & (track.quality == QUESTIONABLE)
        for start, end in _even(track, period_us, doubtful):
            from_us, to_us = int(track.at_us[start]), int(track.at_us[end - 1])
            what = (track.channel.key, track.device, from_us, start, "stream")
            found = self._observation(what, code, track.device, self._during(from_us, to_us))
            found["valueSampledData"] = _sampled(
                track.channel.unit, period_us / 1000, " ".join(texts[start:end])
            )
            quality = Quality.QUESTIONABLE if doubtful[start] else Quality.GOOD
            flags = {w for joined in set(track.flags[start:end]) for w in joined.split(",") if w}
            yield _noted(found, _remarks(quality, frozenset(flags)))

    def _wave(self, track: WaveTrack) -> Iterator[Resource]:
        code = _code(codes.TERMS.get(track.channel.key, codes.Term((), None)), track)
        for blocks in _unbroken(track.blocks):
            first, last = blocks[0], blocks[-1]
            to_us = last.start_us + round((last.values.size - 1) / last.rate_hz * US)
            what = (track.channel.key, track.device, first.start_us, "wave")
            at = self._during(first.start_us, to_us)
            found = self._observation(what, code, track.device, at)
            found["category"] = [_category("procedure", "Procedure")]
            if first.quality is Quality.INVALID:
                samples = ["E"] * sum(block.values.size for block in blocks)
            else:
                samples = [text for block in blocks for text in samples_text(block, "E")]
            found["valueSampledData"] = _sampled(
                track.channel.unit, 1000 / first.rate_hz, " ".join(samples)
            )
            yield _noted(found, _remarks(first.quality, frozenset()))

    def _score(self, entry: Entry) -> Iterator[Resource]:
        value = entry.body.get("value")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return
        name = clean(str(entry.body.get("label") or entry.body.get("scale") or "score"))
        label = CHANNELS[name].label if name in CHANNELS else name
        at = self._at(entry.at_us)
        found = self._observation(("score", entry.n), {"text": label}, "", at)
        found["category"] = [_category("survey", "Survey")]
        if isinstance(value, int):
            found["valueInteger"] = value
        else:
            found["valueQuantity"] = {"value": value}
        if entry.actor:
            found["performer"] = [{"display": clean(entry.actor)}]
        yield found

    def doses(self) -> Iterator[Resource]:
        """The doses, as far as the record says what they were."""
        for entry in self._data.entries:
            cause = entry.body.get("cause") if entry.kind == "session_change" else entry.kind
            if cause != "dose":
                continue
            body = entry.body
            drug = clean(str(body.get("drug") or "not recorded"))
            dosage: Resource = {"route": {"text": clean(str(body.get("route") or self._data.session.route))}}
            milligrams = body.get("mg")
            if isinstance(milligrams, (int, float)) and not isinstance(milligrams, bool):
                dosage["dose"] = _quantity(float(milligrams), "mg")
            found: Resource = {
                "resourceType": "MedicationAdministration",
                "id": self.id("dose", entry.n),
                "status": "completed",
                "medicationCodeableConcept": {"text": drug},
                "subject": self._subject,
                "context": self._encounter,
                "effectiveDateTime": self._data.iso(entry.at_us),
                "dosage": dosage,
            }
            if entry.actor:
                found["performer"] = [{"actor": {"display": clean(entry.actor)}}]
            yield found


def _even(track: NumericTrack, period_us: float, doubtful: Any) -> Iterator[tuple[int, int]]:
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


def _unbroken(blocks: tuple[Waveform, ...]) -> Iterator[list[Waveform]]:
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


def _code(term: codes.Term, track: NumericTrack | WaveTrack | None = None) -> Resource:
    coding = [_coding(codes.LOINC, code, name) for code, name in term.loinc]
    if term.mdc is not None:
        coding.append(_coding(codes.MDC, str(term.mdc[0]), term.mdc[1]))
    found: Resource = {"coding": coding} if coding else {}
    if track is not None:
        found["text"] = track.channel.label
    return found


def _coding(system: str, code: str, display: str) -> Resource:
    return {"system": system, "code": code, "display": display}


def _category(code: str, display: str) -> Resource:
    return {"coding": [_coding(_CATEGORY, code, display)]}


def _quantity(value: float, unit: str) -> Resource:
    whole = int(value) if value == int(value) else value
    return {"value": whole, "unit": unit, "system": codes.UCUM, "code": unit}


def _absent(reason: str) -> Resource:
    if not reason:
        return {"coding": [_coding(_ABSENT, "unknown", "Unknown")]}
    return {"coding": [_coding(_ABSENT, "error", "Error")], "text": clean(reason)}


def _sampled(unit: str, period_ms: float, samples: str) -> Resource:
    return {"origin": _quantity(0.0, unit), "period": period_ms, "dimensions": 1, "data": samples}


def _remarks(quality: Quality, flags: frozenset[str], failure: str = "") -> list[str]:
    said = [f"failed: {failure}"] if failure else []
    if quality is Quality.QUESTIONABLE and not failure:
        said.append("questionable")
    if "manual" in flags:
        said.append("entered by hand")
    others = sorted(flags - {"manual"})
    if others:
        said.append("device: " + ", ".join(word.replace("_", " ") for word in others))
    return said


def _noted(found: Resource, remarks: list[str]) -> Resource:
    if remarks:
        found["note"] = [{"text": clean(remark)} for remark in remarks]
    return found
