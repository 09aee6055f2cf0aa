"""Sessions of one patient beside each other: which ones, aligned how, and with which numbers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboard.review import across as beside
from tests.dashboard import people, ward
from tests.dashboard.people import Browser
from tests.dashboard.several import START_US, Visit, write
from tests.dashboard.test_gate import ask, text
from vitals.export.read import read_session
from vitals.export.summary import summarise
from vitals.model import US
from vitals.store.reader import Reader
from vitals.store.rows import AuditRow
from vitals.store.writer import Writer

VISITS = [
    Visit("s-1", day=0, lowest=84, peak=171, alarms=3),
    Visit("s-2", day=7, room="room-2", dosed=False, alarms=0),
    Visit("s-3", day=14, lowest=90, peak=139),
    Visit("open", day=21, closed=False),
    Visit("demo", day=3, mode="demo"),
    Visit("demo-2", day=4, mode="demo"),
    Visit("test", day=5, mode="test"),
    Visit("other", subject="KV-0418", day=2),
    Visit("near", subject="KV-0417 ", day=2),
    Visit("nameless-1", subject="", day=2),
    Visit("nameless-2", subject="", day=3),
    *[Visit(f"many-{n}", subject="KV-9", day=n, alarms=0) for n in range(10)],
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("across") / "ward.db"
    write(path, VISITS)
    return path


def asked(store: Path, uuid: str, rooms: frozenset[str] | None = None) -> Any:
    found = beside.across(store, uuid, rooms=rooms)
    return None if found is None else json.loads(found)


def ids(told: Any) -> list[str]:
    return [one["id"] for one in told["sessions"]]


def test_all_sessions_of_the_pseudonym_stand_beside_it_newest_first(store: Path) -> None:
    for uuid in ("s-1", "s-3", "open"):
        told = asked(store, uuid)
        assert ids(told) == ["open", "s-3", "s-2", "s-1"]
        assert (told["this"], told["total"]) == (uuid, 4)


def test_what_is_simulated_stands_beside_its_like_only(store: Path) -> None:
    assert ids(asked(store, "demo")) == ["demo-2", "demo"]
    assert ids(asked(store, "test")) == ["test"]


def test_without_a_pseudonym_nobody_is_taken_for_the_same_person(store: Path) -> None:
    assert ids(asked(store, "nameless-1")) == ["nameless-1"]
    assert ids(asked(store, "near")) == ["near"]


def test_eight_at_most_and_always_the_one_that_is_looked_at(store: Path) -> None:
    newest = asked(store, "many-9")
    assert ids(newest) == [f"many-{n}" for n in (9, 8, 7, 6, 5, 4, 3, 2)]
    oldest = asked(store, "many-0")
    assert ids(oldest) == [f"many-{n}" for n in (9, 8, 7, 6, 5, 4, 3, 0)]
    assert oldest["total"] == 10


def test_rooms_that_may_not_be_seen_are_not_there(store: Path) -> None:
    assert ids(asked(store, "s-1", frozenset({"room-1"}))) == ["open", "s-3", "s-1"]
    assert asked(store, "s-1", frozenset({"room-1"}))["total"] == 3
    assert asked(store, "s-2", frozenset({"room-1"})) is None
    assert asked(store, "nobody") is None
    assert asked(store.parent / "none.db", "s-1") is None


def test_the_numbers_are_those_of_the_report(store: Path) -> None:
    found = {one["id"]: one for one in asked(store, "s-1")["sessions"]}
    reader = Reader(store)
    for uuid, one in found.items():
        record = reader.session(uuid)
        assert record is not None
        data = read_session(reader, record, names=False, exported_us=0)
        report, cover = summarise(data), data.coverage.of("spo2")
        assert report.peak is None or one["peak"]["sys"] == report.peak.pressure.sys
        assert report.spo2 is not None
        assert one["spo2"]["value"] == report.spo2.value
        assert one["alarms"] == dict(report.alarms)
        assert cover is not None
        assert cover.share is not None
        assert one["coverage"] == pytest.approx(100 * cover.share, abs=0.1)
        assert one["coverage"] <= 100 * cover.share
    assert found["s-1"]["spo2"] == {"value": 84, "minute": 2.0, "questionable": False}
    assert found["s-1"]["peak"] == {"sys": 171, "dia": 80, "minute": 4.0}
    assert found["s-1"]["doses"] == [{"kind": "dose", "drug": "ketamine", "mg": 70, "mg_kg": 0.875}]
    assert found["s-2"]["doses"] == []
    assert found["s-2"]["peak"] is None


def test_courses_begin_at_the_dose_and_keep_extremes_and_gaps(store: Path) -> None:
    found = {one["id"]: one["course"] for one in asked(store, "s-1")["sessions"]}
    spo2 = {minute: (low, high) for minute, low, high, _ in found["s-1"]["spo2"]}
    means = {minute: mean for minute, _, _, mean in found["s-1"]["spo2"]}
    assert means[2] == pytest.approx((59 * 97 + 84) / 60, abs=0.05)
    assert min(spo2) == -5  # 300 s before the dose
    assert spo2[2] == (84, 97)
    assert spo2[-5] == (97, 97)  # the invalid 3 % is not drawn
    assert set(range(-5, 10)) - set(spo2) == {4}  # the minute without values
    assert found["s-1"]["sys"] == [[-4.0, 120], [0.0, 120], [4.0, 171], [8.0, 171]]
    assert all(high < 100 for _, _, high, _ in found["s-1"]["pr"])  # the cuff's pulse is no course
    undosed = [minute for minute, *_ in found["s-2"]["spo2"]]
    assert undosed[0] == 0


def test_an_open_session_is_read_anew_and_a_closed_one_when_something_was_added(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ward.db"
    write(path, [Visit("a"), Visit("b", day=1, closed=False)])
    assert ids(asked(path, "a")) == ["b", "a"]
    kept = {uuid for store, uuid in beside._kept if store == path}
    assert kept == {"a"}
    before = beside._kept[path, "a"][0]
    writer = Writer(path)
    writer.start()
    row = AuditRow(10**9, START_US + 10**6 * US, "a", "room-1", "A", "nurse", "addendum", {})
    writer.put_audit(row)
    assert writer.close(10)
    assert ids(asked(path, "a")) == ["b", "a"]
    assert beside._kept[path, "a"][0] > before


@pytest.fixture(scope="module")
def clinic(store: Path) -> Iterator[Any]:
    people.add(store, "bea", "prescriber", name="Bea M.")
    people.add(store, "theo", "therapist", ["room-1"], name="Theo L.")
    with ward.ward(store.parent, [ward.room(1), ward.room(2)]) as pair:
        yield pair


def test_over_http_everybody_sees_the_sessions_of_their_rooms(clinic: Any) -> None:
    _, web = clinic
    answer = ask(web, "/api/v1/sessions/s-1/across")
    assert answer.status == 401
    assert json.loads(text(answer))["error"] == "sign in first"
    for user, seen in (("bea", ["open", "s-3", "s-2", "s-1"]), ("theo", ["open", "s-3", "s-1"])):
        with contextlib.closing(Browser(web)) as browser:
            assert browser.sign_in(user).status == 200
            assert ids(browser.get("/api/v1/sessions/s-1/across").json) == seen
            other = browser.get("/api/v1/sessions/s-2/across")
            assert other.status == (200 if user == "bea" else 404)
