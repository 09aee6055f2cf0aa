"""What people have typed stays what it is in every file: text, never a command or another field.

The same hostile text stands wherever people's words may stand; every file is read by a parser that
is not ours, and has as many parts as one with harmless words.
"""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import edfio
import pyarrow.parquet as pq
import pypdfium2
import pytest
from fhir.resources.R4B.bundle import Bundle
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.export.records import at, with_subject
from tests.export.whole import printed, texts
from vitals.export import edf, fhir, hl7, pdf, rems_pdf
from vitals.export.command import write
from vitals.export.pdf_text import latin
from vitals.export.session_data import AlarmEpisode, Entry, Pressure, SessionData

KNOWN = (
    "=cmd|' /C calc'!A0",
    '"; DROP TABLE session; --',
    "a\r\nPID|||forged\r\nOBX|1|NM|x",
    "|^~\\&\r\n",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\x00nul\x00",
    "\u202eTXT.FDP\u200f",
    "x" * 5000,
    "9" * 5000 + "\n=1",
    "{{7*7}} ${7*7} %s %n {nb}",
    ") Tj ET (",
    "\\X0D\\ \\.br\\ \\F\\",
    '\ufeff\'=HYPERLINK("http://x")',
    "+0x14\x14\x15forged annotation\x14\x00",
    " \t\x0b\x0c\x85\u2028\u2029",
    "😀 Łódź 中文 Ω",
)
WORDS = st.one_of(
    st.text(st.sampled_from("=+-@|^~\\&\"',;<>\r\n\t\x00\x14\x15\u202e \u2028x1"), max_size=60),
    st.text(max_size=200),
)
FHIR_STRING = re.compile(r"[ \r\n\t\S]+")
"""The pattern of every text, by the standard (hl7.org/fhir/R4/datatypes.html#string)."""
HARMLESS = "harmless"
_SETTINGS = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def with_words(test: Any) -> Any:
    """Runs it with each of the known texts, and with some that nobody has thought of."""
    test = _SETTINGS(given(words=WORDS)(test))
    for words in KNOWN:
        test = example(words=words)(test)
    return test


@pytest.fixture(scope="module")
def small(data: SessionData) -> SessionData:
    """Without the streams, which hold nobody's words."""
    return replace(data, numerics=(), waves=(), pressures=data.pressures[:2])


def said(data: SessionData, words: str) -> SessionData:
    """The session with these words wherever people's words may stand."""
    session = data.session
    dose = replace(session.doses[0], drug=words, lot=words, witness=words, by=words)
    event = {"what": words, "action": words, "onset_us": at(130), "severity": "mild", "by": words}
    changed = replace(
        session,
        doses=(dose,),
        adverse={"a1": {**event, "outcome": "ongoing", "serious": True}},
        gate={"decision": "override", "reason": words, "by": words, "words": [words]},
        signed={"by": words, "at_us": at(590)},
    )
    mark = {"text": words, "id": "m1"}
    score = {"scale": "moaas", "value": 4, "text": words}
    added = {"text": words, "identity": "typed"}
    owed = {"cause": "closed", "owed": [["x", words]], "reason": words}
    entries = (
        Entry(9001, at(200), "mark", words, words, words, mark),
        Entry(9002, at(210), "score", words, words, words, score),
        Entry(9003, at(600), "session_change", words, words, "", owed),
        Entry(9004, at(9000), "addendum", words, words, words, added),
    )
    return with_subject(
        replace(
            data,
            record=replace(data.record, session=changed),
            entries=(*data.entries, *entries),
            alarms=(*data.alarms, AlarmEpisode("r", "high", words, at(220), acked_by=words)),
            pressures=(*data.pressures, Pressure(at(230), "cuff", failure=words or "-")),
        ),
        words,
    )


@contextmanager
def folder_of(data: SessionData, form: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as place:
        write(data, form, Path(place) / "out", lambda _: None)
        yield Path(place) / "out"


def tables(data: SessionData) -> dict[str, list[list[str]]]:
    def rows(raw: bytes) -> list[list[str]]:
        return list(csv.reader(io.StringIO(raw.decode(), newline=""), strict=True))

    with folder_of(data, "csv") as out:
        return {file.name: rows(file.read_bytes()) for file in out.glob("*.csv")}


@with_words
def test_csv_has_the_same_rows_and_no_formula(small: SessionData, words: str) -> None:
    found, plain = tables(said(small, words)), tables(said(small, HARMLESS))
    for name, rows in found.items():
        assert [len(row) for row in rows] == [len(row) for row in plain[name]], name
        for cell in (cell for row in rows[1:] for cell in row):
            assert not cell.lstrip().startswith(("=", "+", "@", "|", "%")) or _is_number(cell), name
    head, *rows = found["events.csv"]
    bodies = [json.loads(row[head.index("details")]) for row in rows]
    assert [body["text"] for body in bodies if body.get("id") == "m1"] == [words]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def messages(data: SessionData) -> list[str]:
    file = io.BytesIO()
    hl7.write(data, file, lambda _: None)
    text = file.getvalue().decode()
    return ["MSH" + part for part in text[: text.rindex("\rBTS|")].split("\rMSH")[1:]]


@with_words
def test_hl7_has_the_same_segments_and_fields(small: SessionData, words: str) -> None:
    found, plain = messages(said(small, words)), messages(said(small, HARMLESS))
    assert len(found) == len(plain)
    for one, other in zip(found, plain, strict=True):
        mine, theirs = (
            [(line[:3], line.count("|"), line.count("~")) for line in text.strip("\r").split("\r")]
            for text in (one, other)
        )
        assert mine == theirs
    parsed = parse_message(found[0], validation_level=VALIDATION_LEVEL.TOLERANT)
    assert Counter(str(s.name) for s in parsed.children)["PID"] == 1 or "PID" in parsed.to_er7()


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str):
        yield value


@with_words
def test_fhir_has_the_same_resources(small: SessionData, words: str) -> None:
    def bundle(text: str) -> dict[str, Any]:
        file = io.BytesIO()
        fhir.write(said(small, text), file, lambda _: None)
        found: dict[str, Any] = json.loads(file.getvalue())
        return found

    found, plain = bundle(words), bundle(HARMLESS)
    Bundle.model_validate(found)
    assert [words for words in strings(found) if not FHIR_STRING.fullmatch(words)] == []
    kinds = [
        [entry["resource"]["resourceType"] for entry in one["entry"]] for one in (found, plain)
    ]
    assert kinds[0] == kinds[1]


@with_words
def test_edf_has_the_same_annotations(small: SessionData, words: str) -> None:
    def read(text: str) -> edfio.Edf:
        file = io.BytesIO()
        edf.write(said(small, text), file, lambda _: None)
        return edfio.read_edf(io.BytesIO(file.getvalue()))

    found, plain = read(words), read(HARMLESS)
    onsets = [[note.onset for note in one.annotations] for one in (found, plain)]
    assert onsets[0] == onsets[1]
    assert len(found.local_patient_identification.split(" ")) >= 4


@with_words
def test_a_pdf_has_pages_and_nothing_that_acts(small: SessionData, words: str) -> None:
    for form, pages in ((pdf, 2), (rems_pdf, 1)):
        raw = printed(form, said(small, words))
        assert len(texts(raw)) == pages
        for sign in (b"/JavaScript", b"/JS", b"/Launch", b"/URI", b"/Annots", b"/OpenAction /"):
            assert sign not in raw
        document = pypdfium2.PdfDocument(raw)
        try:
            assert document.count_attachments() == 0
            assert list(document.get_toc()) == []
            title = document.get_metadata_dict()["Title"]
        finally:
            document.close()
        assert latin(words)[:20].strip() in title


@with_words
def test_parquet_has_the_words_as_they_are(small: SessionData, words: str) -> None:
    with folder_of(said(small, words), "parquet") as out:
        rows = pq.read_table(out / "events.parquet").to_pylist()
    assert [row["text"] for row in rows if row["kind"] == "mark"][-1] == words
