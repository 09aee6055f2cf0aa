from __future__ import annotations

import io
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from hypothesis import given
from hypothesis import strategies as st

from tests.export.records import FAILED_S, HOSTILE, at, with_subject
from vitals.channels import NIBP
from vitals.export import hl7
from vitals.export.session_data import SessionData

_UNESCAPE = {"F": "|", "S": "^", "T": "&", "R": "~", "E": "\\"}


def exported(data: SessionData) -> str:
    file = io.BytesIO()
    hl7.write(data, file, lambda _: None)
    return file.getvalue().decode()


def messages(text: str) -> list[str]:
    body = text[text.index("\rMSH") + 1 : text.rindex("BTS|")]
    return ["MSH" + part for part in body.split("MSH")[1:]]


def rows(text: str, name: str) -> list[list[str]]:
    return [s.split("|") for s in text.split("\r") if s.startswith(f"{name}|")]


def metrics(text: str) -> list[list[str]]:
    return [obx for obx in rows(text, "OBX") if obx[2] == "NM"]


def micros(dtm: str) -> int:
    at = datetime.strptime(dtm, "%Y%m%d%H%M%S.%f%z")
    since = at - datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def unescape(text: str) -> str:
    parts = text.split("\\")
    for i in range(1, len(parts), 2):
        code = parts[i]
        parts[i] = chr(int(code[1:], 16)) if code.startswith("X") else _UNESCAPE[code]
    return "".join(parts)


@pytest.fixture(scope="module")
def text(data: SessionData) -> str:
    return exported(data)


def test_an_independent_library_finds_every_message_valid(text: str) -> None:
    found = messages(text)
    assert len(found) == 10
    for one in found[::4]:
        parsed = parse_message(one, validation_level=VALIDATION_LEVEL.STRICT)
        assert parsed.validate()
        assert parsed.msh.msh_9.to_er7() == "ORU^R01^ORU_R01"
        assert parsed.msh.msh_12.to_er7() == "2.6"
        assert "1.3.6.1.4.1.19376.1.6.1.1.1" in parsed.msh.msh_21.to_er7()


def test_the_batch_says_how_many_messages_it_has(text: str) -> None:
    assert text.startswith("BHS|^~\\&|KAP_VITALS")
    assert text.endswith("\rBTS|10\r")
    ids = [one.split("|")[9] for one in messages(text)]
    assert len(set(ids)) == 10


def test_every_value_comes_back_to_the_last_digit(data: SessionData, text: str) -> None:
    for track in data.numerics:
        if track.channel.key in NIBP:
            continue
        code = {"spo2": "150456", "pi": "150448", "pr": "149530"}[track.channel.key]
        code = "149546" if track.device == "cuff" else code
        mine = [obx for obx in metrics(text) if obx[3].startswith(f"{code}^")]
        assert [abs(micros(obx[14]) - t) <= 50 for obx, t in zip(mine, track.at_us, strict=True)]
        for obx, value, shown, quality in zip(
            mine, track.value.tolist(), track.shown.tolist(), track.quality.tolist(), strict=True
        ):
            assert (float(obx[5]) == value) if shown else (obx[5], obx[11]) == ("", "X")
            assert (obx[8] == "QUES") == (shown and quality == 1)
        assert {obx[18] for obx in mine} == {f"{track.device}^KAP_VITALS"}


def test_a_pressure_has_its_own_time_unit_and_codes(data: SessionData, text: str) -> None:
    systolic = [obx for obx in metrics(text) if obx[3] == "150021^MDC_PRESS_BLD_NONINV_SYS^MDC"]
    assert [micros(obx[14]) for obx in systolic] == [one.at_us for one in data.pressures]
    assert {obx[6] for obx in systolic} == {"266016^MDC_DIM_MMHG^MDC"}
    values = [float(obx[5]) if obx[5] else None for obx in systolic]
    assert values == [one.sys for one in data.pressures]
    by_hand = [obx for obx in systolic if obx[18].startswith("HAND")]
    assert [(obx[5], obx[11]) for obx in by_hand] == [("131", "F")]


def test_a_failed_reading_is_invalid_and_says_why(text: str) -> None:
    segments = text.split("\r")
    place = next(
        n for n, s in enumerate(segments) if s.startswith("OBX") and s.split("|")[11] == "X"
        and s.split("|")[2] == "NM" and micros(s.split("|")[14]) == at(FAILED_S)
    )  # fmt: skip
    fields = segments[place].split("|")
    assert (fields[5], fields[8], fields[11]) == ("", "INV", "X")
    assert segments[place + 1] == "NTE|1||cuff leak"


def test_every_metric_lies_in_its_monitor(text: str) -> None:
    for one in messages(text):
        monitors = {
            obx[18]: obx[4].split(".")[0] for obx in rows(one, "OBX") if obx[3].startswith("69965^")
        }
        for obx in metrics(one):
            assert obx[4].split(".")[0] == monitors[obx[18]]
            assert len(obx[4].split(".")) == 4
        places = [(obx[3], obx[4]) for obx in metrics(one)]
        assert len({place for _, place in set(places)}) == len(set(places))


def test_of_the_patient_there_is_the_pseudonym_only(text: str) -> None:
    for pid in rows(text, "PID"):
        assert pid[3] == "KV-0417^^^KAP_VITALS^PI"
        assert pid[5:] == ["^^^^^^S"]
    assert "Anna" not in text


def test_a_demo_is_a_test_message(data: SessionData) -> None:
    session = replace(data.session, mode="demo")
    text = exported(replace(data, record=replace(data.record, session=session)))
    assert {msh[10] for msh in rows(text, "MSH")} == {"T"}
    assert all("DEMO" in obx[8].split("~") for obx in metrics(text))


def test_no_pseudonym_makes_a_segment_or_a_field(data: SessionData, text: str) -> None:
    found = exported(with_subject(data, HOSTILE))
    assert len(found.split("\r")) == len(text.split("\r"))
    assert "\n" not in found
    for pid in rows(found, "PID"):
        assert unescape(pid[3].split("^")[0]) == HOSTILE
    one: Any = parse_message(messages(found)[0], validation_level=VALIDATION_LEVEL.STRICT)
    assert one.validate()


@given(st.text())
def test_any_text_stays_within_its_field(value: str) -> None:
    escaped = hl7.escape(value)
    assert not set(escaped) & set("|^~&\r\n\x00\x0b\x1c")
    assert unescape(escaped) == value


def test_no_message_is_longer_than_receivers_allow(data: SessionData, text: str) -> None:
    assert max(len(one) for one in messages(text)) < 65_536


def test_the_programs_own_receiver_reads_it(data: SessionData) -> None:
    """A second pair of eyes: the `hl7-oru` driver reads what the export wrote."""
    from devices import registry
    from devices.hl7 import frame
    from vitals.model import Chunk, Numeric

    decoder = registry.get("hl7-oru").decoder("bed")
    one = messages(exported(replace(data, exported_us=at(60))))[0]
    found = decoder.feed(Chunk(frame(one), at(60)))
    assert decoder.rejected == 0
    values = {e.channel: e.value for e in found if isinstance(e, Numeric)}
    assert values == {t.channel.key: t.value[0] for t in data.numerics if t.device == "oxi"}
