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
from typing import IO

import numpy as np

from vitals.channels import CHANNELS, NIBP
from vitals.export import nomenclature as codes
from vitals.export.added import additions
from vitals.export.csv_files import number, samples_text
from vitals.export.fhir_values import (
    MISSING,
    Resource,
    absent,
    category,
    clean,
    coded,
    even,
    noted,
    panel_code,
    quantity,
    remarks,
    sampled,
    unbroken,
    without_reading,
)
from vitals.export.planned import Planned, planned
from vitals.export.session_data import (
    QUESTIONABLE,
    Entry,
    NumericTrack,
    Pressure,
    SessionData,
    WaveTrack,
    doses,
)
from vitals.export.target import Tell
from vitals.model import US, Quality

_NAMESPACE = uuid.UUID("6b1c6d1e-7a58-5d0c-9f4b-3a0d6a0d9f01")
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
        *made.additions(),
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
                "identifier": {
                    "system": "urn:kap-vitals:audit-head",
                    "value": data.head or "unknown",
                },
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
        for owed in planned(self._data):
            if owed.gone or owed.outcome in MISSING:
                yield self._owed(owed)
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
            "category": [category("vital-signs", "Vital Signs")],
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
        what = ("nibp", one.device, one.at_us, one.failure)
        found = self._observation(what, panel_code(), one.device, self._at(one.at_us))
        found["component"] = []
        for field, key in _COMPONENTS.items():
            value = getattr(one, field)
            if value is None and field == "map":
                continue
            component: Resource = {"code": coded(codes.TERMS[key])}
            if value is None:
                component["dataAbsentReason"] = absent(one.failure)
            else:
                component["valueQuantity"] = quantity(value, CHANNELS[key].unit)
            found["component"].append(component)
        return noted(found, remarks(one.quality, one.flags, one.failure))

    def _owed(self, one: Planned) -> Resource:
        """A reading that was owed and is not there: not performed, or not known any more."""
        at_us = one.done_us if one.done_us is not None else one.at_us
        found = self._observation(("owed", one.what), panel_code(), "", self._at(at_us))
        found |= without_reading(one)
        return noted(found, [f"{one.label}: {one.words}"])

    def _values(self, track: NumericTrack) -> Iterator[Resource]:
        term, shown = codes.term_of(track, self._data), track.shown.tolist()
        for i, (at_us, value) in enumerate(
            zip(track.at_us.tolist(), track.value.tolist(), strict=True)
        ):
            what = (track.channel.key, track.device, at_us, i)
            found = self._observation(what, coded(term, track), track.device, self._at(at_us))
            flags = frozenset(word for word in track.flags[i].split(",") if word)
            if shown[i]:
                found["valueQuantity"] = quantity(value, track.channel.unit)
            else:
                found["dataAbsentReason"] = absent("the monitor gave no valid value")
            doubtful = shown[i] and track.quality[i] == QUESTIONABLE
            quality = Quality.QUESTIONABLE if doubtful else Quality.GOOD
            yield noted(found, remarks(quality, flags))

    def _stream(self, track: NumericTrack) -> Iterator[Resource]:
        code = coded(codes.term_of(track, self._data), track)
        period_us = max(1.0, track.spacing_us)
        texts = np.array(
            [
                number(v) if ok else "E"
                for v, ok in zip(track.value.tolist(), track.shown.tolist(), strict=True)
            ],
            dtype=object,
        )
        doubtful = track.shown & (track.quality == QUESTIONABLE)
        for start, end in even(track, period_us, doubtful):
            from_us, to_us = int(track.at_us[start]), int(track.at_us[end - 1])
            what = (track.channel.key, track.device, from_us, start, "stream")
            found = self._observation(what, code, track.device, self._during(from_us, to_us))
            found["valueSampledData"] = sampled(
                track.channel.unit, period_us / 1000, " ".join(texts[start:end])
            )
            quality = Quality.QUESTIONABLE if doubtful[start] else Quality.GOOD
            flags = {w for joined in set(track.flags[start:end]) for w in joined.split(",") if w}
            yield noted(found, remarks(quality, frozenset(flags)))

    def _wave(self, track: WaveTrack) -> Iterator[Resource]:
        code = coded(codes.TERMS.get(track.channel.key, codes.Term((), None)), track)
        for blocks in unbroken(track.blocks):
            first, last = blocks[0], blocks[-1]
            to_us = last.start_us + round((last.values.size - 1) / last.rate_hz * US)
            what = (track.channel.key, track.device, first.start_us, "wave")
            at = self._during(first.start_us, to_us)
            found = self._observation(what, code, track.device, at)
            found["category"] = [category("procedure", "Procedure")]
            if first.quality is Quality.INVALID:
                samples = ["E"] * sum(block.values.size for block in blocks)
            else:
                samples = [text for block in blocks for text in samples_text(block, "E")]
            found["valueSampledData"] = sampled(
                track.channel.unit, 1000 / first.rate_hz, " ".join(samples)
            )
            yield noted(found, remarks(first.quality, frozenset()))

    def _score(self, entry: Entry) -> Iterator[Resource]:
        value = entry.body.get("value")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return
        name = clean(str(entry.body.get("label") or entry.body.get("scale") or "")) or "score"
        label = CHANNELS[name].label if name in CHANNELS else name
        at = self._at(entry.at_us)
        found = self._observation(("score", entry.n), {"text": label}, "", at)
        found["category"] = [category("survey", "Survey")]
        if isinstance(value, int):
            found["valueInteger"] = value
        else:
            found["valueQuantity"] = {"value": value}
        if clean(entry.actor):
            found["performer"] = [{"display": clean(entry.actor)}]
        yield noted(found, [entry.text] if entry.text else [])

    def additions(self) -> Iterator[Resource]:
        """Addenda and signatures: what people said of the session when it was closed."""
        for one in additions(self._data.entries):
            payload = [text for text in map(clean, (one.text, one.comment)) if text]
            found: Resource = {
                "resourceType": "Communication",
                "id": self.id(one.kind, one.n),
                "status": "completed",
                "category": [{"text": one.kind}],
                "subject": self._subject,
                "encounter": self._encounter,
                "sent": self._data.iso(one.at_us),
            }
            if payload:
                found["payload"] = [{"contentString": text} for text in payload]
            if clean(one.actor):
                found["sender"] = {"display": clean(one.actor)}
            said = [
                "" if one.authenticated else "the sender's name is not authenticated",
                "something was added afterwards" if one.outdated else "",
                f"about {self._data.iso(one.about_us)}" if one.about_us is not None else "",
                f"corrects row {one.corrects} of the audit trail" if one.corrects else "",
            ]
            yield noted(found, [words for words in said if words])

    def doses(self) -> Iterator[Resource]:
        """What was given, as far as the record says what it was."""
        session = self._data.session
        for dose in doses(session):
            words = ", ".join(filter(None, (dose.kind, dose.lot and f"lot {dose.lot}")))
            route = {"text": clean(session.route) or "unknown"}
            dosage: Resource = {"text": clean(words), "route": route}
            if dose.mg is not None:
                dosage["dose"] = quantity(dose.mg, "mg")
            found: Resource = {
                "resourceType": "MedicationAdministration",
                "id": self.id("dose", dose.n),
                "status": "completed",
                "medicationCodeableConcept": {"text": clean(dose.drug) or "not recorded"},
                "subject": self._subject,
                "context": self._encounter,
                "effectiveDateTime": self._data.iso(dose.at_us),
                "dosage": dosage,
            }
            if clean(dose.by):
                found["performer"] = [{"actor": {"display": clean(dose.by)}}]
            yield found
