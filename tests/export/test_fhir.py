from __future__ import annotations

import io
import json
import re
import uuid
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fhir.resources.R4B.bundle import Bundle

from tests.export import records
from tests.export.records import HOSTILE, at, read, with_subject
from vitals.export import fhir
from vitals.export.session_data import Lost, SessionData

Resource = dict[str, Any]


def exported(data: SessionData) -> Resource:
    file = io.BytesIO()
    fhir.write(data, file, lambda _: None)
    found: Resource = json.loads(file.getvalue())
    return found


def valid(bundle: Resource) -> Any:
    """As an independent library reads it; it refuses what R4 does not know."""
    return Bundle.model_validate_json(json.dumps(bundle))


def of(bundle: Resource, kind: str) -> list[Resource]:
    return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind]


def coded(resource: Resource, code: str) -> bool:
    return any(one["code"] == code for one in resource["code"].get("coding", []))


def micros(text: str) -> int:
    since = datetime.fromisoformat(text) - datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


@pytest.fixture(scope="module")
def bundle(data: SessionData) -> Resource:
    return exported(data)


def test_an_independent_library_accepts_the_bundle(bundle: Resource) -> None:
    read_back = valid(bundle)
    assert read_back.type == "collection"
    assert len(read_back.entry) == len(bundle["entry"])


def test_every_reference_leads_to_a_resource_and_no_id_occurs_twice(bundle: Resource) -> None:
    urls = [entry["fullUrl"] for entry in bundle["entry"]]
    assert len(set(urls)) == len(urls)
    for entry in bundle["entry"]:
        assert entry["fullUrl"] == f"urn:uuid:{uuid.UUID(entry['resource']['id'])}"
    referred = set(re.findall(r'"reference": "([^"]+)"', json.dumps(bundle)))
    assert referred <= set(urls)


def test_exporting_again_gives_the_same(data: SessionData, bundle: Resource) -> None:
    assert exported(data) == bundle


def test_every_reading_and_failure_is_a_blood_pressure_panel(
    data: SessionData, bundle: Resource
) -> None:
    every = [o for o in of(bundle, "Observation") if coded(o, "85354-9")]
    panels = [panel for panel in every if panel["status"] == "final"]
    assert len(panels) == len(data.pressures)
    for panel, pressure in zip(panels, data.pressures, strict=True):
        assert micros(panel["effectiveDateTime"]) == pressure.at_us
        assert not {"valueQuantity", "valueSampledData"} & panel.keys()
        parts = {c["code"]["coding"][0]["code"]: c for c in panel["component"]}
        for code, value in (("8480-6", pressure.sys), ("8462-4", pressure.dia)):
            if value is None:
                assert parts[code]["dataAbsentReason"]["text"] == pressure.failure
            else:
                quantity = parts[code]["valueQuantity"]
                assert quantity["value"] == value
                assert quantity["code"] == "mm[Hg]"
                assert quantity["system"] == "http://unitsofmeasure.org"
        assert ("8478-0" in parts) == (pressure.map is not None)
    notes = [note["text"] for panel in panels for note in panel.get("note", [])]
    assert "failed: cuff leak" in notes
    assert "entered by hand" in notes


@pytest.mark.parametrize(
    ("key", "device", "codes"),
    [
        ("spo2", "oxi", {"59408-5", "2708-6", "150456"}),
        ("pr", "oxi", {"8867-4", "149530"}),
        ("pi", "oxi", {"61006-3", "150448"}),
    ],
)
def test_streams_are_sampled_data_with_every_value_in_its_place(
    data: SessionData, bundle: Resource, key: str, device: str, codes: set[str]
) -> None:
    (track,) = [t for t in data.numerics if (t.device, t.channel.key) == (key and device, key)]
    found = [
        o for o in of(bundle, "Observation")
        if coded(o, min(codes)) and "valueSampledData" in o
    ]  # fmt: skip
    assert {c["code"] for c in found[0]["code"]["coding"]} == codes
    values: list[float] = []
    for one in sorted(found, key=lambda o: o["effectivePeriod"]["start"]):
        sampled = one["valueSampledData"]
        assert sampled["origin"]["value"] == 0
        samples = sampled["data"].split(" ")
        start_us, end_us = (micros(one["effectivePeriod"][edge]) for edge in ("start", "end"))
        times = start_us + np.arange(len(samples)) * sampled["period"] * 1000
        real = track.at_us[len(values) : len(values) + len(samples)]
        assert (start_us, end_us) == (real[0], real[-1])
        assert (np.abs(times - real) <= sampled["period"] * 500).all()
        values += [float("nan") if sample == "E" else float(sample) for sample in samples]
    assert np.array_equal(values, np.where(track.shown, track.value, np.nan), equal_nan=True)


def test_what_is_questionable_says_so(bundle: Resource) -> None:
    doubted = [
        o for o in of(bundle, "Observation")
        if coded(o, "59408-5") and {"text": "questionable"} in o.get("note", [])
    ]  # fmt: skip
    assert sum(len(o["valueSampledData"]["data"].split()) for o in doubted) == 30
    assert {"text": "device: artifact"} in doubted[0]["note"]


def test_the_cuffs_pulse_is_another_source_of_the_same_quantity(bundle: Resource) -> None:
    pulses = [o for o in of(bundle, "Observation") if coded(o, "149546")]
    assert [o["valueQuantity"]["value"] for o in pulses] == [70, 71, 72, 73]
    assert all(coded(o, "8867-4") for o in pulses)
    assert not any(coded(o, "149530") for o in pulses)


def test_the_pleth_comes_back_sample_by_sample(data: SessionData, bundle: Resource) -> None:
    (wave,) = data.waves
    found = [o for o in of(bundle, "Observation") if coded(o, "150452")]
    found.sort(key=lambda o: o["effectivePeriod"]["start"])
    samples = " ".join(o["valueSampledData"]["data"] for o in found).split()
    expected = np.concatenate([block.values for block in wave.blocks])
    assert np.array_equal(np.array(samples, dtype=np.float32), expected)
    assert found[0]["valueSampledData"]["period"] == pytest.approx(1000 / 75)
    assert max(len(o["valueSampledData"]["data"]) for o in found) < 1024 * 1024


def test_of_the_patient_there_is_the_pseudonym_only(bundle: Resource) -> None:
    (patient,) = of(bundle, "Patient")
    assert patient.keys() == {"resourceType", "id", "identifier"}
    assert patient["identifier"][0]["value"] == "KV-0417"
    text = json.dumps(bundle)
    assert "Anna" not in text
    assert "secret" not in text


def test_people_stand_by_name_when_asked_for(recorded: Path) -> None:
    text = json.dumps(exported(read(recorded, names=True)))
    assert "Anna Berger" in text


def test_devices_scores_dose_and_provenance_are_there(data: SessionData, bundle: Resource) -> None:
    names = {d["deviceName"][0]["name"] for d in of(bundle, "Device")}
    assert names == {"oxi", "cuff", "kap-vitals"}
    (score,) = [o for o in of(bundle, "Observation") if "valueInteger" in o]
    assert (score["code"]["text"], score["valueInteger"]) == ("MOAA/S", 4)
    assert score["performer"] == [{"display": "person 1"}]
    (dose,) = of(bundle, "MedicationAdministration")
    assert micros(dose["effectiveDateTime"]) == at(records.DOSE_S)
    assert dose["medicationCodeableConcept"]["text"] == "ketamine"
    assert dose["dosage"]["dose"]["value"] == 70
    assert dose["dosage"]["text"] == "dose, lot L-17"
    assert dose["performer"] == [{"actor": {"display": "nurse 1"}}]
    (provenance,) = of(bundle, "Provenance")
    assert provenance["entity"][0]["what"]["identifier"]["value"] == data.head
    assert len(provenance["target"]) == len(bundle["entry"]) - 2


def test_a_demo_is_marked_as_test_data_everywhere(data: SessionData) -> None:
    from dataclasses import replace

    session = replace(data.session, mode="demo")
    found = exported(replace(data, record=replace(data.record, session=session)))
    valid(found)
    marked = [found, *(entry["resource"] for entry in found["entry"])]
    assert all(one["meta"]["security"][0]["code"] == "HTEST" for one in marked)


def test_a_real_session_is_not_marked(bundle: Resource) -> None:
    assert "HTEST" not in json.dumps(bundle)


@pytest.mark.parametrize("subject", [HOSTILE, "", " \n", "\x01\ud7ff", 'a"},{"x":"'])
def test_no_pseudonym_breaks_the_bundle(data: SessionData, subject: str) -> None:
    found = exported(with_subject(data, subject))
    valid(found)
    (patient,) = of(found, "Patient")
    if subject.strip():
        assert patient["identifier"][0]["value"] == fhir.clean(subject)
    else:
        assert "identifier" not in patient


def test_an_open_session_is_in_progress(tmp_path: Path) -> None:
    path = records.write(tmp_path / "vitals.db", 60, ended_us=None, phase="ONSET_PEAK", pleth=False)
    found = exported(read(path))
    valid(found)
    (encounter,) = of(found, "Encounter")
    assert encounter["status"] == "in-progress"
    assert "end" not in encounter["period"]


def reasons(panel: Resource) -> set[str]:
    return {c["dataAbsentReason"]["coding"][0]["code"] for c in panel["component"]}


def test_a_reading_that_did_not_come_is_not_performed_and_one_that_is_lost_is_unknown(
    data: SessionData,
) -> None:
    """The two are never the same: nobody may read "not taken" where nobody can know."""
    every = of(exported(data), "Observation")
    (missed,) = [o for o in every if coded(o, "85354-9") and o["status"] == "cancelled"]
    assert reasons(missed) == {"not-performed"}
    assert missed["note"] == [{"text": "BP at 5 min: not taken"}]

    gone = replace(data, pressures=(), lost=(Lost("nibp_sys", 0, 2**60),))
    bundle = exported(gone)
    valid(bundle)
    panels = [o for o in of(bundle, "Observation") if coded(o, "85354-9")]
    lost = [panel for panel in panels if panel["status"] == "unknown"]
    assert [reasons(panel) for panel in lost] == [{"unknown"}] * 2
    words = "taken, its values are not known (the record is damaged)"
    assert lost[0]["note"] == [{"text": f"Baseline BP 1: {words}"}]
