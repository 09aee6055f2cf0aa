"""Numerics, events and alarms for programs: what the record has, page by page."""

from __future__ import annotations

import csv
import gzip
import http.client
import io
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.requests import Request

from dashboard.api.asked import Asked
from dashboard.api.job_desk import names_asked
from dashboard.api.nameless import nameless
from dashboard.review import answer
from dashboard.who import Viewer
from tests.api import programs
from tests.api.conftest import Ask
from tests.api.programs import ONE, TWO
from tests.export import records
from vitals.export.kinds import KINDS
from vitals.model import US, Numeric, Waveform
from vitals.store.reader import Reader
from vitals.store.rows import AuditRow
from vitals.store.writer import Writer

BASE = f"/api/v1/sessions/{ONE}"


def pages(program: Ask, path: str, rows: str, limit: int) -> list[Any]:
    found: list[Any] = []
    offset: int | None = 0
    while offset is not None:
        mark = "&" if "?" in path else "?"
        page = program("research").get(f"{path}{mark}offset={offset}&limit={limit}").json
        assert len(page[rows]) <= limit
        found += page[rows]
        offset = page["next"]
    assert len(found) == page["total"]
    return found


@pytest.mark.parametrize("channel", ["spo2", "pr", "nibp_sys", "cuff"])
def test_numerics_are_those_of_the_record_to_the_last_digit(
    clinic: Any, program: Ask, channel: str
) -> None:
    kept = Reader(clinic[1]._store).numerics(ONE, channel)
    told = pages(program, f"{BASE}/numerics?channel={channel}", "numerics", 97)
    assert sorted(
        (one["at_us"], one["device"], math.nan if one["value"] is None else one["value"])
        for one in told
        if one["value"] is not None
    ) == sorted(
        (int(at), device, float(value))
        for at, device, value in zip(kept.at_us, kept.device, kept.value, strict=True)
        if not math.isnan(value)
    )
    assert [one["at_us"] for one in told] == sorted(one["at_us"] for one in told)
    assert sum(one["value"] is None for one in told) == sum(map(math.isnan, kept.value))
    assert {one["channel"] for one in told} <= {channel}


def test_what_is_invalid_or_no_value_says_so(program: Ask) -> None:
    told = pages(program, f"{BASE}/numerics?channel=spo2", "numerics", 20_000)
    (invalid,) = [one for one in told if one["quality"] == "invalid"]
    assert invalid["value"] == 0.5
    none = [one for one in told if one["value"] is None]
    assert none
    assert all(one["flags"] == ["sensor_off"] for one in none)


def test_a_span_begins_with_its_first_moment_and_ends_before_its_last(program: Ask) -> None:
    told = pages(program, f"{BASE}/numerics?channel=pr", "numerics", 20_000)
    first, last = told[10]["at_us"], told[20]["at_us"]
    span = program("research").get(f"{BASE}/numerics?channel=pr&from_us={first}&to_us={last}")
    assert [one["at_us"] for one in span.json["numerics"]] == [o["at_us"] for o in told[10:20]]


def test_csv_has_the_same_values_and_no_formulas(program: Ask) -> None:
    told = pages(program, f"{BASE}/numerics", "numerics", 20_000)
    as_csv = program("research").get(f"{BASE}/numerics", Accept="text/csv")
    assert as_csv.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(as_csv.text)))
    assert [(int(row["at_us"]), row["channel"], row["quality"]) for row in rows] == [
        (one["at_us"], one["channel"], one["quality"]) for one in told
    ]
    values = [float(row["value"]) if row["value"] else None for row in rows]
    assert values == [one["value"] for one in told]
    assert rows[0]["time"].startswith("2027-01-15T09:00:00")
    events = program("research").get(f"{BASE}/events", Accept="text/csv")
    cells = [cell for row in csv.reader(io.StringIO(events.text)) for cell in row]
    assert any(cell.startswith("'=eyes closed") for cell in cells)
    assert not [cell for cell in cells if cell[:1] in "=+-@" and cell]


def test_json_and_csv_have_tags_of_their_own(program: Ask) -> None:
    as_json = program("research").get(f"{BASE}/alarms").headers["ETag"]
    as_csv = program("research").get(f"{BASE}/alarms", Accept="text/csv", If_None_Match=as_json)
    assert as_csv.status == 200
    assert "Accept" in as_csv.headers["Vary"]


def test_events_are_the_audit_trail_without_names(program: Ask) -> None:
    told = pages(program, f"{BASE}/events", "events", 4)
    assert [one["n"] for one in told] == sorted(one["n"] for one in told)
    assert {"nurse 1", ""} <= {one["actor"] for one in told}
    assert "Anna" not in str(told)
    assert "Bob" not in str(told)
    marks = program("research").get(f"{BASE}/events?kind=mark").json
    assert (marks["total"], marks["events"][0]["kind"]) == (1, "mark")
    named = program("research").get(f"{BASE}/events?names=1").json
    assert {records.ANNA, "Bob"} <= {one["actor"] for one in named["events"]}


def test_alarms_are_told_from_beginning_to_end(program: Ask) -> None:
    (one,) = program("research").get(f"{BASE}/alarms").json["alarms"]
    assert (one["rule"], one["priority"]) == ("spo2-low", "high")
    assert (one["from_us"], one["to_us"]) == (records.at(150), records.at(170))
    assert (one["acked_us"], one["acked_by"]) == (records.at(155), "nurse 1")
    none = program("research").get(f"{BASE}/alarms?from_us={records.at(151)}").json
    assert (none["total"], none["alarms"]) == (0, [])


def test_who_takes_gzip_gets_it_and_who_does_not_does_not(clinic: Any, program: Ask) -> None:
    _, web, shown = clinic
    plain = program("research").get(f"{BASE}/numerics")
    assert plain.headers["Content-Encoding"] is None
    line = http.client.HTTPConnection("127.0.0.1", int(web.address.rsplit(":", 1)[1]))
    headers = {"Authorization": f"Bearer {shown['research']}", "Accept-Encoding": "br, gzip"}
    line.request("GET", f"{BASE}/numerics", headers=headers)
    packed = line.getresponse()
    body = packed.read()
    line.close()
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(body) < len(plain.text) / 5
    assert gzip.decompress(body).decode() == plain.text


def tag(store: Path) -> str:
    return answer.tag_of(store, answer.How(True, "application/json", TWO), None)


def test_a_tag_changes_with_every_row_value_and_waveform_and_else_stays(tmp_path: Path) -> None:
    store = tmp_path / "vitals.db"
    programs.write(store)
    tags = [tag(store)]
    assert tag(store) == tags[0] != ""
    at_us = records.NOW_US + 60 * US
    mark = AuditRow(60_000, at_us, TWO, "room-2", "Bob", "nurse", "mark", {"text": "calm"})
    wave = Waveform("oxi", "pleth", at_us, 25.0, np.ones(25, np.float32))
    read = AuditRow(60_003, at_us, None, "", "Ann", "system", "station_event", {"event": "web"})
    for put in (
        lambda writer: writer.put_audit(mark),
        lambda writer: writer.put_numeric(TWO, 60_001, Numeric("oxi", "pr", at_us, 70.0)),
        lambda writer: writer.put_wave(TWO, 60_002, wave),
    ):
        writer = Writer(store, now_us=lambda: at_us)
        writer.start()
        put(writer)
        assert writer.close(30)
        tags.append(tag(store))
    assert len(set(tags)) == 4
    writer = Writer(store, now_us=lambda: at_us)
    writer.start()
    writer.put_audit(read)  # somebody has looked at it: nothing of it has changed
    assert writer.close(30)
    assert tag(store) == tags[-1]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("events?kind=nonsense", "kind is one of addendum, adverse_event, alarm, "),
        ("audit?kind=nonsense", "kind is one of addendum, adverse_event, alarm, "),
        ("numerics?channel=nonsense", "channel is one of hr, "),
        ("wave?channel=spo2&from_us=1&to_us=9", "channel is one of pleth, ecg"),
        ("events?names=yes", "names is one of 0, 1"),
    ],
)
def test_a_word_that_is_none_of_the_list_is_refused_with_the_list(
    program: Ask, path: str, words: str
) -> None:
    """An empty answer would say that nothing like it happened."""
    answer = program("research").get(f"{BASE}/{path}")
    assert answer.status == 400
    assert words in answer.json["error"]


def test_every_kind_that_is_recorded_can_be_asked_for() -> None:
    written: set[str] = set()
    for path in Path("vitals").rglob("*.py"):
        source = path.read_text()
        written |= set(re.findall(r"""\bEvent\([^()"]+(?:\[[^]]*\])?, "(\w+)",""", source))
        written |= set(re.findall(r"""_row\(seq, [\w.]+, "(\w+)",""", source))
    assert {"mark", "score", "alarm", "due", "link", "adverse_event"} <= written
    assert written <= set(KINDS)


NAMED = ("", "/figure", "/audit", "/addenda", "/events", "/alarms")


@pytest.mark.parametrize("part", NAMED)
def test_a_program_gets_no_names_unless_it_asks_with_a_role_that_may(
    program: Ask, part: str
) -> None:
    research = program("research")
    plain = research.get(f"{BASE}{part}")
    assert plain.status == 200
    assert "Anna" not in plain.text
    assert "Bob" not in plain.text
    named = research.get(f"{BASE}{part}?names=1")
    assert named.status == 200
    if part != "/addenda":  # there is none
        assert "Anna" in named.text
        assert plain.headers["ETag"] != named.headers["ETag"]
    refused = program("one-room").get(f"{BASE}{part}?names=1")
    assert (refused.status, "clinicians" in refused.json["error"]) == (400, True)


def test_a_person_without_a_name_is_the_same_one_in_every_answer(program: Ask) -> None:
    """Who marked the dose is who acknowledged the alarm, whatever is asked."""
    research = program("research")
    page = research.get(BASE).json
    (alarm,) = research.get(f"{BASE}/alarms").json["alarms"]
    marked = research.get(f"{BASE}/events?kind=mark").json["events"][0]["actor"]
    trail = {row["actor"] for row in research.get(f"{BASE}/audit").json["rows"]}
    assert page["session"]["doses"][0]["by"] == alarm["acked_by"] == marked == "nurse 1"
    assert {"nurse 1", "person 1"} <= trail


def test_at_a_page_the_record_of_the_clinic_names_people() -> None:
    """Also to a role that may not take names away in an export."""
    asked = Asked(Request({"type": "http", "query_string": b"", "headers": []}), ("names",))
    at_page, token = Viewer(role="observer"), replace(Viewer(role="clinician"), **{"token": "x"})
    assert names_asked(asked, at_page, default=True)
    assert not names_asked(asked, token, default=True)
    assert not names_asked(asked, at_page)


def test_the_present_state_says_somebody_where_a_program_may_not_have_names() -> None:
    """A role is not a name, and whoever is only a part of a word stays that word."""
    state = {
        "alarms": [{"acked_by": "Anna Berger", "text": "seen by anna berger; banners"}],
        "marks": [{"by": "Ann", "role": "nurse", "text": "Ann: calm"}],
        "session": {"own_alarm_by": {"cuff": "Bob"}, "n": 1},
    }
    assert json.loads(nameless(json.dumps(state))) == {
        "alarms": [{"acked_by": "somebody", "text": "seen by somebody; banners"}],
        "marks": [{"by": "somebody", "role": "nurse", "text": "somebody: calm"}],
        "session": {"own_alarm_by": {"cuff": "somebody"}, "n": 1},
    }
    assert json.loads(nameless(b'{"by": "", "text": "calm"}')) == {"by": "", "text": "calm"}


def test_the_state_takes_the_same_parameter(program: Ask) -> None:
    assert program("research").get("/api/v1/state").status == 200
    assert program("research").get("/api/v1/state?names=1").status == 200
    refused = program("one-room").get("/api/v1/state?names=1")
    assert (refused.status, "clinicians" in refused.json["error"]) == (400, True)
