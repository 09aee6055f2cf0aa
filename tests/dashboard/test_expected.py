"""The expected course behind the blood pressure, and the limits that hold for this patient."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from dashboard import expected
from tests.dashboard import ward
from tests.dashboard.conftest import WIDE, OpenPage, eventually
from tests.dashboard.test_gate import ask, text
from vitals import wire
from vitals.alarms.profile import DEFAULT
from vitals.model import US, Numeric, Session
from vitals.store.rows import AuditRow, SessionRecord
from vitals.store.writer import Writer

pytestmark = pytest.mark.long

MINUTE_US = 60 * US
BASELINE = {"nibp_sys": 120.0, "nibp_dia": 75.0}
TRACES = "document.querySelector('.plot').data.map(trace => trace.name)"


EARLIER = "0b1f6f0e-5a0c-5d38-9b7f-0000000000e1"


@pytest.fixture(scope="module")
def start_us() -> int:
    """When the earlier session began: a week ago."""
    return ward.now_us() - 7 * 86_400 * US


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, start_us: int) -> Path:
    """A record in which this patient has one earlier session with four readings."""
    path: Path = tmp_path_factory.mktemp("record") / "ward.db"
    dose_us = start_us + 20 * MINUTE_US
    session = Session(
        EARLIER, "room-1", "KV-0417", "im", start_us, ended_us=dose_us * 2, dose_us=dose_us
    )
    writer = Writer(path, now_us=lambda: start_us)
    writer.start()
    opened = AuditRow(1, start_us, EARLIER, "room-1", "Anna", "", "session_change", {})
    record = SessionRecord(session, "+0200", DEFAULT.read_text(), "")
    writer.put_audit(opened, session=record)
    for n, (systolic, diastolic) in enumerate([(128, 79), (131, 80), (142, 88), (126, 77)]):
        at_us = start_us + n * 10 * MINUTE_US
        writer.put_numeric(EARLIER, 2 + 2 * n, Numeric("cuff", "nibp_sys", at_us, systolic))
        writer.put_numeric(EARLIER, 3 + 2 * n, Numeric("cuff", "nibp_dia", at_us, diastolic))
    assert writer.close(30)
    return path


def present(number: int, **more: Any) -> Any:
    """A session of today."""
    return ward.session(f"room-{number}", ward.now_us(), **more)


@pytest.fixture(scope="module")
def pair(store: Path) -> Iterator[Any]:
    """Room 1 has a baseline, 2 none, 3 had no dose yet, 4 has no session."""
    now_us = ward.now_us()
    rooms = [
        ward.room(1, session=ward.session("room-1", now_us, route="im", baseline=BASELINE)),
        ward.room(2, session=ward.session("room-2", now_us, subject_ref="KV-9999")),
        ward.room(3, session=ward.session("room-3", now_us, None)),
        ward.room(4),
    ]
    with ward.ward(store.parent, rooms) as pair:
        yield pair


def course(store: Path, session: Any, rooms: frozenset[str] | None = None) -> bytes:
    body = expected.course(store, session, rooms=rooms)
    assert body is not None
    return body


def drawn(page: Page) -> list[str]:
    names: list[str] = page.evaluate(TRACES)
    return names


def test_the_course_has_the_bands_of_the_route_and_the_patients_earlier_sessions(
    store: Path, start_us: int
) -> None:
    body = json.loads(course(store, present(1, baseline=BASELINE)))
    assert body["label"] == "expected course – not a limit"
    assert max(body["bands"]["nibp_sys"]["mean"]) == pytest.approx(120 + 16 * 0.99, abs=0.1)
    (earlier,) = body["earlier"]
    assert earlier["started_us"] == start_us
    assert earlier["readings"] == [
        [-20.0, 128.0, 79.0],
        [-10.0, 131.0, 80.0],
        [0.0, 142.0, 88.0],
        [10.0, 126.0, 77.0],
    ]


@pytest.mark.parametrize(
    "more", [{"subject_ref": "KV-0001"}, {"id": EARLIER}, {"started_us": 1}], ids=str
)
def test_of_others_of_itself_and_of_later_ones_nothing_is_told(
    store: Path, more: dict[str, Any]
) -> None:
    session = present(1, baseline=BASELINE, **more)
    assert json.loads(course(store, session))["earlier"] == []


def test_a_person_without_the_room_of_an_earlier_session_is_not_told_of_it(store: Path) -> None:
    session = present(1, baseline=BASELINE)
    for rooms, count in ((frozenset({"room-9"}), 0), (frozenset({"room-1"}), 1)):
        assert len(json.loads(course(store, session, rooms=rooms))["earlier"]) == count


def test_before_the_first_record_there_is_the_band_alone(tmp_path: Path) -> None:
    body = json.loads(course(tmp_path / "none.db", present(1, baseline=BASELINE)))
    assert body["earlier"] == []
    assert set(body["bands"]) == set(BASELINE)


def test_the_api_answers_for_a_room_with_a_session_only(pair: Any) -> None:
    web = pair[1]
    assert json.loads(text(ask(web, "/api/v1/rooms/room-1/expected")))["bands"]
    for room in ("room-4", "nowhere"):
        assert ask(web, f"/api/v1/rooms/{room}/expected").status == 404


def test_the_trend_has_a_soft_band_and_says_that_it_is_no_limit(
    pair: Any, open_page: OpenPage
) -> None:
    station, web = pair
    station.publish(*ward.reading("room-1", station.now_us, 140, 88))
    page = open_page(web.address + "/room/room-1", WIDE)
    words = page.locator(".plot-over .expected")
    expect(words).to_contain_text("expected course – not a limit", timeout=20000)
    expect(words).to_contain_text("1 earlier session of this patient")
    names = drawn(page)
    assert names[:2] == ["expected nibp_sys", "expected nibp_dia"], "behind everything else"
    assert names.count("earlier session") == 2
    assert "nibp" in names


def test_without_a_baseline_there_is_no_band_and_the_trend_says_so(
    pair: Any, open_page: OpenPage
) -> None:
    station, web = pair
    station.publish(*ward.reading("room-2", station.now_us, 140, 88))
    page = open_page(web.address + "/room/room-2", WIDE)
    expect(page.locator(".plot-over .expected")).to_contain_text("no baseline", timeout=20000)
    assert [name for name in drawn(page) if name.startswith("expected")] == []


def test_before_the_dose_nothing_is_expected(pair: Any, open_page: OpenPage) -> None:
    station, web = pair
    station.publish(*ward.reading("room-3", station.now_us, 140, 88))
    page = open_page(web.address + "/room/room-3", WIDE)
    eventually(page, lambda: page.evaluate("Boolean(document.querySelector('.plot').data)"))
    eventually(page, lambda: "nibp" in drawn(page))
    expect(page.locator(".plot-over .expected")).to_have_count(0)


def test_the_limit_lines_are_those_that_hold_for_this_patient_now(
    pair: Any, open_page: OpenPage
) -> None:
    station, web = pair
    page = open_page(web.address + "/room/room-2", WIDE)
    limits = [
        wire.LimitMsg(channel="nibp_sys", side="high", priority="medium", limit=152,
                      why="baseline +40"),
        wire.LimitMsg(channel="nibp_sys", side="high", priority="high", limit=180),
    ]  # fmt: skip
    station.publish(wire.CareMsg(room="room-2", limits=limits))
    lines = page.locator(".plot-over .limit.of-nibp_sys")
    expect(lines).to_have_count(2, timeout=20000)
    expect(lines.first).to_have_text("S 152*")
    expect(lines.last).to_have_text("S 180")
    expect(page.locator(".plot-over .expected")).to_contain_text("* this patient's limit")
