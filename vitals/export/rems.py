"""The fields of the REMS patient monitoring form for esketamine, as far as the record knows them.

The field list is that of the form of 11/2021 (manualspro.net/445029; jnjmedicalconnect.com). Each
field has its source: a device and a time, or who entered it when. What the record does not know is
blank, and a judgement is blank whatever the record knows: readiness, whether pressures were
acceptable, whether somebody was sedated. Beside it stands what was recorded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from vitals.export.clinic import Labels, labels_of
from vitals.export.pdf_answers import clock, when
from vitals.export.planned import no_reading
from vitals.export.rems_facts import (
    answered,
    dose_facts,
    entered,
    gate_facts,
    reading,
    respiration_facts,
    score_facts,
    serious_facts,
)
from vitals.export.session_data import SessionData, doses
from vitals.export.summary import summarise
from vitals.export.times import moment
from vitals.model import US

Kind = Literal["value", "blank", "judgement"]
BY_PROVIDER = "to be filled in by the healthcare provider"
NOT_KEPT = "not kept in this record"
DUE_DAYS = 7
_ESKETAMINE = re.compile(r"esketamin|spravato", re.IGNORECASE)
_DOSES = (56.0, 84.0)
_DRUGS = (
    ("benzodiazepines", "Benzodiazepines"),
    ("", "Non-benzodiazepine sedative hypnotics"),
    ("opioids", "Opioids"),
    ("stimulants", "Psychostimulants"),
    ("maoi", "Monoamine oxidase inhibitors (MAOIs)"),
)
"""Item of the shipped check-in, `""` where it has none -> question of the form."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the form.

    Attributes:
        label: as on the form.
        kind: value (the record knows it), blank (it does not), judgement (a person's to make).
        value: to be printed, `""` unless `kind` is value.
        source: where the value comes from, or why there is none.
        recorded: of a judgement what the record says about it.
        choices: boxes to tick.
        ticked: which of them are.
    """

    label: str
    kind: Kind
    value: str = ""
    source: str = ""
    recorded: str = ""
    choices: tuple[str, ...] = ()
    ticked: str = ""


@dataclass(frozen=True, slots=True)
class RemsSheet:
    """All of it.

    Attributes:
        title: says whether this treatment uses the REMS.
        note: what the sheet is.
        sections: titles with their fields.
    """

    title: str
    note: str
    sections: tuple[tuple[str, tuple[Field, ...]], ...]


def fill(data: SessionData) -> RemsSheet:
    """What the record knows of the form's fields."""
    labels = labels_of(data)
    title, note = _heading(data, labels)
    return RemsSheet(
        title,
        note,
        (
            ("Patient", tuple(_patient(data))),
            ("Other medicines", tuple(_medicines(data, labels))),
            ("Treatment", tuple(_treatment(data))),
            ("Vital signs", tuple(_vital_signs(data))),
            ("Sedation, dissociation, respiratory depression", tuple(_effects(data, labels))),
            ("Serious adverse events", (_serious(data),)),
            ("Healthcare setting and provider", tuple(_provider())),
        ),
    )


def uses_rems(data: SessionData) -> bool:
    """Whether this was esketamine as a nasal spray, as far as the record says."""
    given = [dose.drug for dose in doses(data.session)]
    given.append(str(data.session.checkin.get("drug", "")))
    named = any(_ESKETAMINE.search(drug) for drug in given)
    return data.session.route == "intranasal" and named


def _heading(data: SessionData, labels: Labels) -> tuple[str, str]:
    dose_us = data.session.dose_us
    if uses_rems(data):
        due = ""
        if dose_us is not None:
            day = moment(dose_us, data.zone).date() + timedelta(days=DUE_DAYS)
            due = f" The form is to be sent within {DUE_DAYS} days of the treatment: by {day}."
        note = f"Fields of the REMS patient monitoring form, to be copied into it.{due}"
        return "REMS sheet", note
    drugs = [dose.drug for dose in doses(data.session) if dose.drug]
    drug = ", ".join(dict.fromkeys(drugs)) or "drug not recorded"
    return "REMS-style sheet", (
        f"This treatment ({labels.route(data.session.route)}, {drug}) is not under the esketamine "
        "REMS: the form's fields serve as a list only. Do not send it."
    )


# --- sections -------------------------------------------------------------------------------------


def _blank(label: str, why: str = NOT_KEPT) -> Field:
    return Field(label, "blank", source=why)


def _judgement(label: str, recorded: str = "", choices: tuple[str, ...] = ("yes", "no")) -> Field:
    return Field(label, "judgement", source=BY_PROVIDER, recorded=recorded, choices=choices)


def _patient(data: SessionData) -> Iterable[Field]:
    opened = next(
        (e for e in data.entries if e.kind == "session_change" and e.body.get("cause") == "opened"),
        None,
    )
    yield _blank("First name, middle initial, last name")
    yield _blank("Date of birth")
    yield _blank("Sex")
    source = f"entered by {opened.actor}, {clock(data, opened.at_us)}" if opened else ""
    yield Field("Pseudonym in this record", "value", data.session.subject_ref, source)


def _medicines(data: SessionData, labels: Labels) -> Iterable[Field]:
    for item, question in _DRUGS:
        answer = data.session.checkin.get(item)
        asked = labels.items.get(item, "")
        if not isinstance(answer, bool):
            yield Field(
                question,
                "blank",
                source="not asked at check-in" if not asked else "not answered at check-in",
                choices=("yes", "no"),
            )
            continue
        words = "yes" if answer else "no"
        source = f'check-in "{asked or item}", {answered(data, item)}'
        yield Field(question, "value", words, source, choices=("yes", "no"), ticked=words)


def _treatment(data: SessionData) -> Iterable[Field]:
    session = data.session
    marked = dose_facts(data)
    if session.dose_us is None:
        for label in ("Date of treatment", "Dose", "Lot number", "Total minutes, dose to end"):
            yield _blank(label, "no dose was marked")
    else:
        day = moment(session.dose_us, data.zone).date().isoformat()
        yield Field("Date of treatment", "value", day, marked)
        yield _dose(data, marked)
        lots = [dose.lot for dose in doses(session) if dose.lot]
        if lots:
            yield Field("Lot number", "value", ", ".join(dict.fromkeys(lots)), marked)
        else:
            yield _blank("Lot number", "not entered")
        yield _minutes(data)
    yield _judgement("Minutes until ready to leave, but for the 2 hours", choices=())


def _dose(data: SessionData, marked: str) -> Field:
    given = doses(data.session)
    choices = ("56 mg", "84 mg", "other")
    amounts = [dose.mg for dose in given if dose.mg is not None]
    if len(amounts) < len(given):
        missing = f"{len(given) - len(amounts)} of {len(given)} amounts not entered"
        return Field("Dose", "blank", source=missing, choices=choices)
    total = sum(amounts)
    drugs = ", ".join(dict.fromkeys(dose.drug for dose in given if dose.drug))
    words = f"{total:g} mg {drugs or 'drug not entered'}"
    listed = uses_rems(data) and total in _DOSES
    return Field("Dose", "value", words, marked, choices=choices, ticked=(
        f"{total:g} mg" if listed else "other"
    ))  # fmt: skip


def _minutes(data: SessionData) -> Field:
    session = data.session
    label = "Total minutes, dose to end of monitoring"
    end_us = session.finished_us if session.finished_us is not None else session.ended_us
    if end_us is None or session.dose_us is None:
        return _blank(label, "the session is still open")
    cause = "finished" if session.finished_us is not None else "closed"
    minutes = (end_us - session.dose_us) // US // 60
    words = "monitoring finished" if cause == "finished" else "session closed"
    return Field(label, "value", str(minutes), f"{words}: {entered(data, cause)}")


def _vital_signs(data: SessionData) -> Iterable[Field]:
    found, session = summarise(data), data.session
    before = found.before if session.dose_us is not None else None
    ended = session.ended_us is not None and session.dose_us is not None
    last = found.last if ended and found.last and (found.last.minute or 0) >= 0 else None
    gone = no_reading(data, "before")
    none = "no reading before a dose" if gone == "not taken" else gone
    yield _bp(data, "Blood pressure before dosing", before, none)
    yield _judgement("Acceptable before dosing?", gate_facts(data))
    yield _bp(data, "Blood pressure at 40 minutes", found.forty, no_reading(data, "forty"))
    open_ = "the session is still open" if session.ended_us is None else no_reading(data, "last")
    yield _bp(data, "Blood pressure before completion", last, open_)
    yield _judgement("Acceptable before completion?")


def _bp(data: SessionData, label: str, one: object, why: str) -> Field:
    known = reading(data, one)
    return Field(label, "value", *known) if known else _blank(label, why)


def _effects(data: SessionData, labels: Labels) -> Iterable[Field]:
    for label, facts in (
        ("Sedation", score_facts(data, labels, "moaas")),
        ("Dissociation", score_facts(data, labels, "cadss6")),
        ("Respiratory depression", respiration_facts(data)),
    ):
        yield _judgement(f"{label}?", facts)
        yield _judgement(f"{label}: resolved when", choices=())


def _serious(data: SessionData) -> Field:
    return _judgement("Serious adverse event?", serious_facts(data, when))


def _provider() -> Iterable[Field]:
    for label in (
        "Name and address of the setting",
        "Name of the monitoring provider",
        "Phone, e-mail",
        "Signature, date",
    ):
        yield Field(label, "blank", source=BY_PROVIDER)
