"""The page of all sessions, and its address in the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.bench.many_sessions import multiply
from tests.dashboard import ward
from tests.dashboard.conftest import LAPTOP, PHONE, OpenPage, eventually
from tests.dashboard.test_gate import ask, text
from tests.export import records
from vitals.store.rows import AuditRow

pytestmark = pytest.mark.long

COUNT = 421
LEFT = "all => all.map(node => node.getBoundingClientRect().left)"
SMALL = """all => all.filter(node => node.type !== 'checkbox')
  .filter(node => node.getBoundingClientRect().height < 44).map(node => node.outerHTML)"""
HOSTILE = "<img src=x onerror=alert(1)>\"'&"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A record of 421 sessions; the newest is a DEMO that was closed with something missing."""
    store: Path = tmp_path_factory.mktemp("record") / "ward.db"
    owed = {"cause": "closed", "state": {}, "owed": [["a", "MOAA/S at 40 min"], ["b", "Escort"]]}
    closing = AuditRow(900, records.at(119), records.UUID, "room-1", "", "", "session_change", owed)
    facts = {"mode": "demo", "subject_ref": HOSTILE, "resumed": 0}
    records.write(store, 120, pleth=False, rows=[closing], **facts)
    multiply(store, COUNT - 1, between_us=-7200 * 1_000_000)
    with ward.ward(store.parent, [ward.room(1)]) as (_, web):
        while get(web, "?limit=1")["pending"]:
            pass
        yield web


def get(web: Any, query: str = "") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text(ask(web, f"/api/v1/sessions{query}")))
    return found


def test_the_list_comes_in_parts_with_what_it_can_be_narrowed_to(web: Any) -> None:
    answer = get(web)
    assert (answer["total"], len(answer["sessions"])) == (COUNT, 200)
    assert answer["sessions"][0]["id"] == records.UUID
    assert answer["facets"]["rooms"] == [f"room-{n}" for n in range(1, 17)]
    assert answer["facets"]["modes"] == ["demo"]
    rest = get(web, "?offset=200&limit=1000")["sessions"]
    assert len({one["id"] for one in [*answer["sessions"], *rest]}) == COUNT
    assert get(web, "?offset=1000000")["sessions"] == []


def test_filters_of_the_address_are_those_of_the_list(web: Any) -> None:
    found = get(web, "?room=room-3&route=im&mode=demo&state=closed&limit=1000")["sessions"]
    assert found
    assert {(one["room"], one["route"], one["state"]) for one in found} == {
        ("room-3", "im", "closed")
    }
    assert get(web, f"?subject={quote(HOSTILE)}")["sessions"][0]["id"] == records.UUID
    assert get(web, "?from=2027-01-16")["total"] == 0
    assert get(web, "?q=ESCORT%20moaa")["total"] == get(web, "?unfinished=1")["total"] > 0


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?sort=nonsense", "sort is one of started"),
        ("?limit=0", "limit is a whole number from 1 to 1000"),
        ("?limit=1001", "limit is a whole number from 1 to 1000"),
        ("?offset=-1", "offset is a whole number from 0"),
        ("?offset=1e3", "offset is a whole number"),
        ("?from=yesterday", "from is a date like 2027-01-15"),
        ("?mode=fun", "mode is one of real, demo, test"),
        ("?state=gone", "state is one of open, closed, recovered"),
        ("?unfinished=yes", "unfinished is one of 0, 1"),
        ("?rooom=1", "there is no parameter 'rooom' here"),
        ("?q=" + "x" * 500, "q is longer than"),
    ],
)
def test_a_question_that_makes_no_sense_is_400_and_one_sentence(
    web: Any, query: str, words: str
) -> None:
    answer = ask(web, f"/api/v1/sessions{query}")
    assert answer.status == 400
    assert words in json.loads(text(answer))["error"]


def test_nothing_that_is_searched_for_is_an_error(web: Any) -> None:
    for words in ("'", '"', "%", "\\", ";--", "\x00", "ß", "𝔘", "*", "NEAR("):
        assert get(web, f"?q={quote(words)}")["total"] >= 0


# --- the page ---------------------------------------------------------------------------------


@pytest.fixture
def page(web: Any, open_page: OpenPage) -> Page:
    page = open_page(f"{web.address}/review", LAPTOP)
    expect(page.locator(".list-status")).to_have_text(f"{COUNT} sessions")
    return page


def rows(page: Page) -> Any:
    return page.locator(".list tbody tr")


def test_the_page_shows_each_session_in_words(page: Page) -> None:
    first = rows(page).first
    expect(first.locator(".list-mode")).to_have_text("DEMO")
    expect(first.get_by_role("link")).to_have_text(HOSTILE)
    expect(first.locator('[data-column="owed"]')).to_have_text("MOAA/S at 40 min; Escort")
    expect(first.locator('[data-column="spo2"]')).to_contain_text("93 % at −")
    expect(first.locator('[data-column="alarms"]')).to_have_text("1 high")
    assert page.locator(".list tbody td", has_text="…").count() == 0


def test_what_is_still_being_worked_out_is_said_asked_for_again_and_filled_in(
    web: Any, open_page: OpenPage
) -> None:
    whole = get(web)
    asked: list[str] = []
    done: list[bool] = []

    def answer(route: Any) -> None:
        """The newest session is not worked out before it is said to be."""
        asked.append(route.request.url)
        owed = not done
        sessions = [dict(one) for one in whole["sessions"]]
        sessions[0] |= {"worked_out": not owed}
        route.fulfill(json={**whole, "sessions": sessions, "pending": int(owed)})

    def prepare(page: Page) -> None:
        page.route("**/api/v1/sessions?*", answer)

    page = open_page(f"{web.address}/review", LAPTOP, prepare=prepare)
    first = rows(page).first
    expect(page.locator(".list-waiting")).to_contain_text("1 session is still being worked out")
    expect(first.locator('[data-column="spo2"]')).to_have_text("…")
    eventually(page, lambda: any("limit=1" in url.split("&") for url in asked))
    done.append(True)
    expect(page.locator(".list-waiting")).to_have_text("")
    expect(first.locator('[data-column="spo2"]')).to_contain_text("93 % at −")


def test_further_rows_come_as_one_scrolls(page: Page) -> None:
    expect(rows(page)).to_have_count(200)
    for _ in range(3):
        page.locator(".list-end").scroll_into_view_if_needed()
        page.wait_for_timeout(50)
    eventually(page, lambda: rows(page).count() > 200)
    eventually(page, lambda: page.locator(".list-end").scroll_into_view_if_needed() or rows(page).count() == COUNT)  # fmt: skip  # noqa: E501
    ids = rows(page).evaluate_all("rows => rows.map(row => row.dataset.session)")
    assert len(set(ids)) == COUNT


def test_a_press_on_a_column_sorts_and_another_turns_it(page: Page) -> None:
    column = page.locator('.list th[data-column="subject"]').first
    column.get_by_role("button").click()
    expect(column).to_have_attribute("aria-sort", "ascending")
    eventually(page, lambda: page.locator(".list-subject a").first.inner_text() == HOSTILE)
    column.get_by_role("button").press("Enter")
    expect(column).to_have_attribute("aria-sort", "descending")
    eventually(page, lambda: page.locator(".list-subject a").first.inner_text().startswith("KV-2"))
    assert page.url.endswith("?sort=-subject")


def test_search_and_filters_stand_in_the_address_and_going_back_returns_to_them(
    web: Any, page: Page
) -> None:
    page.keyboard.press("/")
    expect(page.locator('input[name="q"]')).to_be_focused()
    page.keyboard.type("kv-1")
    page.locator('select[name="room"]').select_option("room-5")
    total = get(web, "?q=kv-1&room=room-5")["total"]
    assert 0 < total < 100
    expect(page.locator(".list-status")).to_have_text(f"{total} sessions")
    expect(rows(page)).to_have_count(total)
    assert page.url.endswith("/review?q=kv-1&room=room-5")
    name = rows(page).nth(1).get_by_role("link").inner_text()
    page.locator('input[name="q"]').focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text(name)
    assert "?" not in page.url
    page.go_back()
    expect(page.locator(".list-status")).to_have_text(f"{total} sessions")
    expect(page.locator('input[name="q"]')).to_have_value("kv-1")
    expect(page.locator('select[name="room"]')).to_have_value("room-5")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".list-status")).to_have_text(f"{COUNT} sessions")
    assert page.url.endswith("/review")


def test_rows_are_gone_through_with_the_keyboard(page: Page) -> None:
    links = page.locator(".list-subject a")
    assert page.locator('.list-subject a[tabindex="0"]').count() == 1
    links.first.focus()
    for key, index in (
        ("ArrowDown", 1),
        ("ArrowDown", 2),
        ("ArrowUp", 1),
        ("PageDown", 11),
        ("PageUp", 1),
        ("Home", 0),
        ("ArrowUp", 0),
        ("End", 199),
    ):
        page.keyboard.press(key)
        expect(links.nth(index)).to_be_focused()
    eventually(page, lambda: rows(page).count() > 200)  # the last row was in sight
    expect(links.nth(199)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(links.nth(200)).to_be_focused()
    assert page.locator('.list-subject a[tabindex="0"]').count() == 1


def test_the_head_stays_in_sight_and_nothing_fits_is_said(page: Page) -> None:
    head = page.locator('.list th[data-column="started"]').first
    before = head.bounding_box()
    page.locator(".list-scroll").evaluate("node => { node.scrollTop = 3000; }")
    assert head.bounding_box() == before
    page.locator('input[name="q"]').fill("nobody")
    expect(page.locator(".list-status")).to_have_text(
        "No session fits. Clear the filters to see all."
    )
    expect(page.locator(".list")).to_be_hidden()


def test_a_phone_shows_cards_and_can_sort_and_filter(web: Any, open_page: OpenPage) -> None:
    page = open_page(f"{web.address}/review", PHONE)
    expect(rows(page)).to_have_count(200)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    cells = rows(page).first.locator("td:visible").evaluate_all(LEFT)
    assert len(set(cells)) == 1
    expect(page.locator('select[name="room"]')).to_be_hidden()
    page.get_by_role("button", name="Filters").click()
    page.locator('select[name="sort"]').select_option("-peak")
    eventually(page, lambda: "sort=-peak" in page.url)
    page.locator('select[name="room"]').select_option("room-2")
    expect(page.locator(".list-status")).not_to_have_text(f"{COUNT} sessions")
    small = page.locator(".page-list :is(button, input, select, a):visible").evaluate_all(SMALL)
    assert small == []


def test_trouble_is_said_and_can_be_tried_again(web: Any, open_page: OpenPage) -> None:
    page = open_page(f"{web.address}/review?sort=nonsense", LAPTOP)
    expect(page.locator(".list-status")).to_contain_text("This cannot be shown: sort is one of")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".list-status")).to_have_text(f"{COUNT} sessions")
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()
