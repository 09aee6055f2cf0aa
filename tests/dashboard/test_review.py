"""Review of one session: what the record says of it, whole, and only to those who may see it."""

from __future__ import annotations

import gzip
import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dashboard.review import course, held, session, trail
from tests.dashboard import ward
from tests.dashboard.test_gate import ask, text
from tests.export import records, whole
from tests.export.records import at
from tests.export.test_damage import broken, pages
from vitals.errors import StoreError
from vitals.export.read import read_session
from vitals.model import Numeric
from vitals.store.rows import AuditRow, SessionRecord
from vitals.store.writer import Writer

UUID = records.UUID
MINE, THEIRS = frozenset({"room-1"}), frozenset({"room-2"})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # ten minutes, and long enough for a reading that was planned and never taken
    return records.write(tmp_path_factory.mktemp("review") / "ward.db")


@pytest.fixture(autouse=True)
def _nothing_held() -> Iterator[None]:
    yield
    held.forget()


@pytest.fixture(scope="module")
def web(store: Path) -> Iterator[Any]:
    with ward.ward(store.parent, [ward.room(1)]) as (_, web):
        yield web


def body(store: Path, uuid: str = UUID, **more: Any) -> Any:
    found = session.session(store, uuid, **more)
    assert found is not None
    return json.loads(found)


def rows(store: Path, *args: Any, **more: Any) -> Any:
    found = trail.trail(store, UUID, *args, **more)
    assert found is not None
    return json.loads(found)


def added(path: Path, *new: AuditRow | Numeric, seq: int = 10_000) -> None:
    writer = Writer(path, now_us=lambda: records.START_US)
    writer.start()
    for number, each in enumerate(new, seq):
        if isinstance(each, AuditRow):
            writer.put_audit(each)
        else:
            writer.put_numeric(UUID, number, each)
    assert writer.close(60)


def note(seq: int, words: str) -> AuditRow:
    return AuditRow(seq, at(700), UUID, "room-1", "Anna Berger", "", "mark", {"text": words})


# --- what is said ------------------------------------------------------------------------------


def test_the_answers_come_first_each_with_the_moment_that_it_speaks_of(store: Path) -> None:
    answers = {each["label"]: each for each in body(store)["answers"]}
    assert answers["Dose"]["text"].startswith("ketamine 70 mg, im, lot L-17")
    assert answers["Weight"]["text"] == "not entered, so no dose in mg/kg"
    assert answers["Baseline used"]["text"] == "SpO2 97 %, frozen at the dose"
    assert answers["Dose"]["at_us"] == at(120)
    assert answers["BP before the dose"]["text"] == "128/80 mmHg (-2 min)"
    assert answers["Peak BP"]["at_us"] == at(479.5)
    assert answers["Peak BP"]["text"].endswith("; highest DIA 84, +6 min")
    assert answers["40-minute BP"] == {
        "part": "measured",
        "label": "40-minute BP",
        "text": "not taken",
        "at_us": None,
        "marked": False,
    }
    assert "93 %" in answers["Lowest SpO₂"]["text"]
    assert answers["Alarms"]["text"].startswith("1 high, 0 medium, 0 low")
    assert answers["Off the monitor"]["text"] == "30 s in 1 part"
    assert answers["Marks and interventions"]["text"].startswith("=eyes closed, calm; Anna is here")
    parts = [each["part"] for each in answers.values()]
    order = ["given", "measured", "happened", "ended"]
    assert sorted(parts, key=order.index) == parts


def test_the_summary_of_a_whole_session_says_who_got_what_what_happened_and_how_it_ended(
    tmp_path: Path,
) -> None:
    whole.read(tmp_path / "whole.db")
    found = body(tmp_path / "whole.db")
    answers = {each["label"]: each for each in found["answers"]}
    said = {label: each["text"] for label, each in answers.items()}
    assert said["Dose"].startswith("ketamine 60 mg (0.75 mg/kg at 80 kg), im, lot L-17")
    assert said["In all"] == "80 mg ketamine (1.00 mg/kg at 80 kg)"
    assert said["Baseline used"] == "BP 126/78 mmHg, SpO2 97 %, frozen at the dose"
    assert said["Peak BP"] == "167/98 mmHg (+41 min); +41/+20 from baseline"
    assert said["PR, slowest to fastest"] == "68 (+30 min) to 82 (-6 min), /min"
    assert "1 high, 2 medium, 1 low (1 of them technical)" in said["Alarms"]
    assert said["Alarms"].endswith("First high one of the patient: SpO2 87 < 88")
    assert answers["Alarms"]["at_us"] == at(whole.LOW[0] + 10)
    assert said["Adverse events"] == "nausea 09:53 (+33 min): mild, resolved"
    assert "Eyes closed, calm 09:34 (+14 min)" in said["Marks and interventions"]
    assert said["Scores"].startswith("Sedation (MOAA/S) 3 to 5, last 5 at 10:05 (+45 min); ")
    assert said["Closed"] == "11:20, 108 min after the last dose"
    aside = "2 of 3 met; set aside: At least 120 min since the last dose start (taxi is here"
    assert said["Discharge criteria"].startswith(aside)
    assert said["Discharge signed by"] == "Dr. Perez (prescriber), 11:19 (+119 min)"
    assert said["Afterwards"].startswith(
        "1 addendum; I have reviewed this record: Cleo, 2027-01-16"
    )
    marked = [label for label, each in answers.items() if each["marked"]]
    assert marked == ["Lowest SpO₂", "Alarms", "Overrides", "Discharge criteria", "Still owed"]

    noted = found["noted"]
    assert [row["text"] for row in noted["scores"]][:2] == [
        "Sedation (MOAA/S) 3",
        "Dissociation (CADSS-6) 14",
    ]
    assert [row["text"] for row in noted["marks"]] == [
        "Eyes closed, calm",
        "Tearful; wants to go on",
        "Sits up",
    ]
    (nausea,) = noted["adverse"]
    assert (nausea["text"], nausea["how"]) == ("nausea", "mild, resolved, 10:10")
    assert (nausea["action"], nausea["by"], nausea["serious"]) == (
        "ondansetron 4 mg",
        "Anna Berger",
        False,
    )
    assert [line["state"] for line in noted["discharge"]] == ["set aside", "met", "met"]
    assert [(one["text"], one["by"]) for one in noted["closing"]] == [
        ("Discharge signed", "Dr. Perez"),
        ("Monitoring finished", "Anna Berger"),
        ("Closed", "Anna Berger"),
    ]


def test_how_much_was_measured_is_never_rounded_up_to_a_whole(store: Path) -> None:
    honesty = body(store)["honesty"]
    channels = {each["channel"]: each for each in honesty["channels"]}
    assert channels["spo2"]["share"] < 1
    assert channels["spo2"]["longest"]["text"] == "10 s"
    assert channels["spo2"]["questionable"] > 0
    assert honesty["nibp"]["missed"] == ["BP at 5 min"]
    assert [gap["text"] for gap in honesty["down"]] == ["10 s"]


def test_pressures_tell_readings_failures_and_what_was_planned_and_never_came(store: Path) -> None:
    pressures = body(store)["pressures"]
    assert [row["at_us"] for row in pressures] == sorted(row["at_us"] for row in pressures)
    first = pressures[0]
    assert (first["kind"], first["sys"], first["dia"], first["map"]) == ("reading", 128, 79.5, 95)
    assert first["planned"] == ["Baseline BP 1"]
    assert first["minute"] == pytest.approx(-1.508, abs=0.01)
    failed = [(row["why"], row["device"]) for row in pressures if row["kind"] == "failed"]
    assert failed == [
        ("cuff leak", "cuff"),
        ("the monitor gave no valid pressure", "cuff"),
        ("the link was lost while measuring", "cuff"),
    ]
    (by_hand,) = [row for row in pressures if row.get("manual")]
    assert (by_hand["sys"], by_hand["dia"], by_hand["map"]) == (131, 84, None)
    (missed,) = [row for row in pressures if row["kind"] == "missed"]
    assert (missed["planned"], missed["why"]) == (["BP at 5 min"], "not taken")


def test_a_reading_that_somebody_gave_up_says_the_reason(tmp_path: Path) -> None:
    due = {"room": "room-1", "what": "nibp+10", "at_us": at(400), "done_us": None}
    told = [
        AuditRow(900, at(401), UUID, "room-1", "Anna", "", "due",
                 due | {"state": "not_obtained", "label": "BP at 10 min"}),
        AuditRow(901, at(401), UUID, "room-1", "Anna", "", "not_obtained",
                 {"what": "nibp+10", "reason": "patient refused", "text": "BP at 10 min"}),
    ]  # fmt: skip
    pressures = body(records.write(tmp_path / "vitals.db", rows=told))["pressures"]
    assert "not obtained: patient refused" in [row["why"] for row in pressures]


def test_why_it_rang_is_one_line_an_alarm_in_words(store: Path) -> None:
    (ring,) = body(store)["rings"]
    assert (ring["value"], ring["limit"], ring["priority"]) == ("86 %", "88 %", "high")
    assert (ring["shown_us"], ring["answered"], ring["acked_by"]) == (at(150), "5 s", "Anna Berger")
    assert (ring["next"]["text"], ring["next"]["after"]) == ("score: MOAA/S 4", "40 s")
    assert [later["minutes"] for later in ring["later"]] == [5, 10]
    assert ring["later"][0]["text"].endswith("%")
    assert ring["later"][1]["text"] == "no value"  # the record ends before


def test_a_session_that_still_runs_is_told_until_now(tmp_path: Path) -> None:
    open_now = records.write(tmp_path / "vitals.db", ended_us=None, phase="ONSET_PEAK")
    found = body(open_now)
    assert found["session"]["state"] == "open"
    assert found["session"]["ended_us"] is None
    assert found["session"]["recorded_to_us"] >= at(598)
    owed = {each["label"]: each["text"] for each in found["answers"]}["Still owed"]
    assert owed == "not known yet: the session is open"


def test_a_session_that_was_closed_after_a_restart_is_recovered(store: Path) -> None:
    found = body(store)["session"]
    assert (found["state"], found["resumed"], found["gaps"]) == (
        "recovered",
        1,
        [[at(470), at(480)]],
    )


def test_a_session_without_any_data_is_answered_in_words(tmp_path: Path) -> None:
    path = tmp_path / "vitals.db"
    writer = Writer(path, now_us=lambda: records.START_US)
    writer.start()
    about = records.session(600, dose_us=None, resumed=0, ended_us=None)
    opened = {"cause": "opened", "phase": "CHECK_IN"}
    row = AuditRow(1, at(0), UUID, "room-1", "Anna", "", "session_change", opened)
    writer.put_audit(row, session=SessionRecord(about, "", "", ""))
    assert writer.close(60)
    found = body(path)
    assert found["unreadable"] == ["No device has given a value in this session."]
    assert found["answers"][0]["text"] == "none was marked"
    assert (found["pressures"], found["rings"], found["waves"]) == ([], [], [])
    assert course.figure(path, UUID) is not None


def test_a_damaged_record_is_told_around_its_damage(store: Path, tmp_path: Path) -> None:
    numeric, wave = pages(store, "numeric"), pages(store, "wave")
    damaged = broken(store, tmp_path / "vitals.db", *numeric[5:7], wave[5])
    found = body(damaged)
    assert any("SpO2" in words and "cannot be read" in words for words in found["unreadable"])
    assert found["answers"][0]["text"].startswith("ketamine")
    assert course.figure(damaged, UUID, stamp=found["stamp"]) is not None


def test_limits_of_another_version_are_said_to_be_missing(tmp_path: Path) -> None:
    path = records.write(tmp_path / "vitals.db")
    about = records.session(600)
    writer = Writer(path, now_us=lambda: records.START_US)
    writer.start()
    other = type(about)(**{**_facts(about), "id": "other"})
    row = AuditRow(9000, at(0), "other", "room-1", "", "", "session_change", {"cause": "opened"})
    writer.put_audit(row, session=SessionRecord(other, "", "version = 3", ""))
    assert writer.close(60)
    said = body(path, "other")["unreadable"]
    assert "The alarm limits were recorded by another version and cannot be drawn." in said


def _facts(about: Any) -> dict[str, Any]:
    return {name: getattr(about, name) for name in type(about).__slots__}


# --- one reading for a whole page --------------------------------------------------------------


def test_a_page_is_made_of_one_reading(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readings = []

    def counted(*args: Any, **named: Any) -> Any:
        readings.append(args)
        return read_session(*args, **named)

    monkeypatch.setattr(held, "read_session", counted)
    stamp = body(store)["stamp"]
    course.figure(store, UUID, stamp=stamp)
    rows(store, stamp=stamp)
    body(store)
    assert len(readings) == 1


def test_the_stamp_tells_the_moment_of_the_page_while_the_record_goes_on(
    store: Path, tmp_path: Path
) -> None:
    growing = Path(shutil.copy(store, tmp_path / "vitals.db"))
    first = body(growing)
    added(growing, note(9001, "later"), Numeric("oxi", "spo2", at(599), 55.0))
    assert rows(growing, stamp=first["stamp"])["total"] == rows(store)["total"]
    now = body(growing)
    assert now["stamp"] != first["stamp"]
    assert rows(growing)["total"] == rows(store)["total"] + 1
    assert "55 %" in {each["label"]: each["text"] for each in now["answers"]}["Lowest SpO₂"]
    assert body(growing)["stamp"] == now["stamp"]


def test_a_stamp_opens_no_session_of_other_rooms(store: Path) -> None:
    stamp = body(store, rooms=MINE)["stamp"]
    for ask_for in (session.session, course.figure, trail.trail):
        assert ask_for(store, UUID, rooms=THEIRS, stamp=stamp) is None
        assert ask_for(store, UUID, rooms=THEIRS) is None
        assert ask_for(store, UUID, rooms=MINE, stamp=stamp) is not None


def test_only_the_last_few_sessions_are_kept(store: Path, tmp_path: Path) -> None:
    for number in range(held.MOST + 3):
        copy = shutil.copy(store, tmp_path / f"{number}.db")
        body(Path(copy))
    assert held.kept() == held.MOST


def test_no_record_and_no_session_are_nothing_and_a_broken_file_is_an_error(
    store: Path, tmp_path: Path
) -> None:
    assert session.session(tmp_path / "none.db", UUID) is None
    assert session.session(store, "nobody") is None
    wrong = tmp_path / "broken.db"
    wrong.write_bytes(b"this is not a record" * 100)
    with pytest.raises(StoreError, match=r"broken\.db"):
        session.session(wrong, UUID)


# --- the audit trail ---------------------------------------------------------------------------


def test_every_row_of_the_trail_can_be_reached_page_by_page(store: Path) -> None:
    whole = rows(store, 0, 1000)
    assert whole["total"] == len(whole["rows"]) == sum(body(store)["kinds"].values())
    paged = [
        row for offset in range(0, whole["total"], 7) for row in rows(store, offset, 7)["rows"]
    ]
    assert paged == whole["rows"]
    assert rows(store, 10_000)["rows"] == []
    assert [row["n"] for row in paged] == sorted(row["n"] for row in paged)


def test_the_trail_is_narrowed_by_kind_and_by_words(store: Path) -> None:
    alarms = rows(store, kind="alarm")
    assert {row["kind"] for row in alarms["rows"]} == {"alarm"}
    assert alarms["total"] == body(store)["kinds"]["alarm"] == 3
    found = rows(store, q="ANNA eyes")["rows"]
    assert [row["kind"] for row in found] == ["mark"]
    assert rows(store, q="session change")["total"] == body(store)["kinds"]["session_change"]
    assert rows(store, kind="alarm", q="nothing like it")["total"] == 0


# --- over HTTP ---------------------------------------------------------------------------------


def get(web: Any, path: str, **headers: str) -> tuple[int, bytes, Any]:
    request = urllib.request.Request(web.address + path, headers=headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), error.headers


def test_the_api_answers_from_the_figure_process(web: Any) -> None:
    path = f"/api/v1/sessions/{UUID}"
    told = json.loads(text(ask(web, path)))
    figure = json.loads(text(ask(web, f"{path}/figure?stamp={told['stamp']}")))
    assert len(figure["data"]) > 5
    audit = json.loads(text(ask(web, f"{path}/audit?limit=3&kind=alarm&stamp={told['stamp']}")))
    assert (len(audit["rows"]), audit["total"]) == (3, 3)
    span = f"from_us={at(20)}&to_us={at(30)}&px=300"
    wave = json.loads(text(ask(web, f"{path}/wave?channel=pleth&{span}")))
    assert wave["tracks"][0]["device"] == "oxi"
    assert len(web.server.worker.pids) == 1


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("wave?from_us=5", "give from_us and to_us"),
        ("wave?from_us=5&to_us=5", "an hour at most"),
        ("wave?from_us=0&to_us=4000000000000", "an hour at most"),
        ("wave?from_us=9&to_us=5", "to_us lies before from_us"),
        ("wave?from_us=a&to_us=5", "from_us is a whole number"),
        ("wave?from_us=0&to_us=5&px=0", "px is a whole number from 1"),
        ("audit?limit=5000", "limit is a whole number from 1 to 1000"),
        ("audit?offset=-1", "offset is a whole number"),
        ("figure?what=1", "there is no parameter 'what'"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_in_words(
    web: Any, query: str, words: str
) -> None:
    status, answer, _ = get(web, f"/api/v1/sessions/{UUID}/{query}")
    assert (status, words in json.loads(answer)["error"]) == (400, True)


@pytest.mark.parametrize("part", ["", "/figure", "/audit", "/wave?from_us=1&to_us=9"])
def test_an_unknown_session_is_404_with_a_sentence(web: Any, part: str) -> None:
    status, answer, _ = get(web, f"/api/v1/sessions/nobody{part}")
    assert (status, json.loads(answer)) == (404, {"error": "there is no session 'nobody'"})


def test_a_record_that_cannot_be_read_is_503_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "ward.db").write_bytes(b"this is not a record" * 100)
    with ward.ward(tmp_path, [ward.room(1)]) as (_, web):
        status, answer, _ = get(web, f"/api/v1/sessions/{UUID}")
        assert status == 503
        assert "ward.db" in json.loads(answer)["error"]


def test_answers_are_sent_compressed(web: Any) -> None:
    path = f"/api/v1/sessions/{UUID}/figure"
    _, plain, _ = get(web, path)
    _, packed, headers = get(web, path, **{"Accept-Encoding": "gzip"})
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed) == plain
    assert len(packed) < len(plain) / 2


def test_very_many_values_out_of_order_are_drawn_with_their_extremes(tmp_path: Path) -> None:
    path = records.write(tmp_path / "vitals.db", pleth=False)
    order = np.random.default_rng(1).permutation(60_000).tolist()
    values = [Numeric("second", "spo2", at(n / 100), 61.0 if n == 31_313 else 97.0) for n in order]
    added(path, *values)
    figure = json.loads(course.figure(path, UUID) or b"")
    names = [trace.get("name") for trace in figure["data"]]
    assert names.count("SpO2") == 2
    assert "61 %" in {each["label"]: each["text"] for each in body(path)["answers"]}["Lowest SpO₂"]


def test_what_names_one_moment_is_answered_from_one_reading_while_the_session_goes_on(
    tmp_path: Path,
) -> None:
    """A page asks for facts and figure at once: of a session that runs, no second reading."""
    path = records.write(tmp_path / "vitals.db", 60, ended_us=None, phase="ONSET_PEAK")
    first = body(path, stamp="at-one")
    added(path, Numeric("oxi", "spo2", at(59.5), 55.0))
    drawn = json.loads(course.figure(path, UUID, stamp="at-one") or b"")
    assert drawn["stamp"] == first["stamp"]
    assert "55 %" not in str(body(path, stamp="at-one")["answers"])
    assert held.kept() == 1
    later = body(path, stamp="at-two")
    assert later["stamp"] != first["stamp"]
    assert "55 %" in str(later["answers"])
