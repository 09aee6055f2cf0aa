"""Review: the record as figures and tables, built away from the live pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from dashboard.figures import Chart, Series, session_figure
from dashboard.review import session as review
from tests.dashboard import recorded, ward
from tests.dashboard.conftest import PHONE, OpenPage, eventually
from tests.dashboard.test_gate import ask, text
from vitals.errors import StoreError


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("record") / "ward.db"
    recorded.write(path)
    return path


@pytest.fixture
def web(store: Path) -> Iterator[Any]:
    with ward.ward(store.parent, [ward.room(1)]) as (_, web):
        yield web


def figure(store: Path) -> Any:
    body = review.figure(store, recorded.UUID)
    assert body is not None
    return json.loads(body)


def values(trace: Any) -> list[float | None]:
    """Plotly writes arrays as base64 of their bytes."""
    y = trace["y"]
    if isinstance(y, list):
        return y
    import base64

    return np.frombuffer(base64.b64decode(y["bdata"]), dtype=y["dtype"]).tolist()  # type: ignore[no-any-return]


def test_the_figure_has_every_channel_in_few_points_and_keeps_the_lowest_second(
    store: Path,
) -> None:
    traces = {trace.get("name"): trace for trace in figure(store)["data"]}
    assert {"SpO2", "PR", "SYS", "DIA"} <= set(traces)
    spo2 = values(traces["SpO2"])
    assert len(spo2) <= 1440
    assert np.nanmin(np.array(spo2, dtype=float)) == 71
    assert 3 not in spo2  # invalid: never charted
    assert 110 not in values(traces["PR"])  # the cuff's pulse is not part of the line


def test_the_figure_shows_the_gap_the_dose_the_alarm_and_the_limits(store: Path) -> None:
    drawn = figure(store)
    words = [note["text"] for note in drawn["layout"]["annotations"]]
    assert words == ["dose", "resumed", "eyes closed, calm", "not recorded"]
    shapes = drawn["layout"]["shapes"]
    lines = {
        (s["yref"], s["y0"]) for s in shapes if s["type"] == "line" and s.get("xref") == "paper"
    }
    assert {("y", 92), ("y", 88), ("y2", 130), ("y3", 180)} <= lines
    reds = [s for s in shapes if s.get("fillcolor") == "#d92d20"]
    assert len(reds) == 2  # before and after the acknowledgement
    breaks = np.isnan(np.array(values(drawn["data"][0]), dtype=float)).sum()
    assert breaks == 1


def test_the_axis_is_the_clinics_local_time(store: Path) -> None:
    # 1,800,000,000 s is 2027-01-15 08:00 UTC; the record says +0200
    assert figure(store)["layout"]["xaxis"]["range"][0] == "2027-01-15 10:00:00.000"


def test_a_session_without_numbers_has_an_empty_figure() -> None:
    drawn = session_figure(Chart(from_us=0, to_us=60_000_000))
    assert len(drawn.data) == 0
    empty = Series("spo2", np.array([], dtype=np.int64), np.array([], dtype=np.float64))
    assert len(session_figure(Chart(0, 60_000_000, series=[empty])).data) == 1


def test_the_table_of_events_is_in_words(store: Path) -> None:
    body = review.session(store, recorded.UUID)
    assert body is not None
    told = json.loads(body)
    assert told["session"]["subject_ref"] == "KV-0417"
    assert told["audit_total"] == len(told["audit"]) == 7
    texts = [row["text"] for row in told["audit"]]
    assert texts[3:6] == [
        "eyes closed, calm",
        "SpO2 71 < 88 (high) pending → active",
        "SpO2 71 < 88 (high) acknowledged acknowledged by Anna",
    ]


def test_no_record_yet_is_no_error_and_a_broken_one_is(tmp_path: Path) -> None:
    assert json.loads(review.sessions(tmp_path / "none.db") or b"") == {"sessions": []}
    assert review.figure(tmp_path / "none.db", "x") is None
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"this is not a record" * 100)
    with pytest.raises(StoreError):
        review.sessions(broken)


def test_the_api_answers_from_the_figure_process(web: Any) -> None:
    (one,) = json.loads(text(ask(web, "/api/v1/sessions")))["sessions"]
    assert one["id"] == recorded.UUID
    answer = ask(web, f"/api/v1/sessions/{recorded.UUID}/figure")
    assert len(json.loads(text(answer))["data"]) >= 4
    answer = ask(web, "/api/v1/sessions/nobody")
    assert answer.status == 404
    assert json.loads(text(answer)) == {"error": "there is no session 'nobody'"}
    assert len(web.server.worker.pids) == 1


def test_a_record_that_cannot_be_read_is_503_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "ward.db").write_bytes(b"this is not a record" * 100)
    with ward.ward(tmp_path, [ward.room(1)]) as (_, web):
        answer = ask(web, "/api/v1/sessions")
        assert answer.status == 503
        assert "ward.db" in json.loads(text(answer))["error"]


def test_review_pages_show_the_session_its_figure_and_its_events(
    web: Any, open_page: OpenPage
) -> None:
    page = open_page(web.address + "/review")
    page.get_by_role("link", name="KV-0417").click()
    expect(page.locator("h1")).to_have_text("KV-0417 · IM", timeout=20000)
    eventually(page, lambda: page.locator(".review-plot .main-svg").count() > 0)
    expect(page.get_by_role("cell", name="SpO2 71 < 88 (high) pending → active")).to_be_visible()
    expect(page.locator(".facts")).to_contain_text("DEMO")
    phone = open_page(f"{web.address}/review/{recorded.UUID}", PHONE)
    eventually(phone, lambda: phone.locator(".review-plot .main-svg").count() > 0)
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


def test_an_unknown_session_is_said_in_words(web: Any, open_page: OpenPage) -> None:
    page = open_page(web.address + "/review/nobody")
    expect(page.locator(".empty")).to_contain_text("there is no session 'nobody'")
