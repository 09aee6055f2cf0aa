"""What is due next in every room, the most pressing first: from messages alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard import ward
from tests.dashboard.conftest import LAPTOP, PHONE, WIDE, OpenPage, eventually
from vitals import wire
from vitals.model import US

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("without_charts")]

SIZE_OF = "e => parseFloat(getComputedStyle(e).fontSize)"
ORDER = "[...document.querySelectorAll('.strip-item')].map(e => e.dataset.dueRoom)"
MINUTE_US = 60 * US


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Eight rooms, the first six with a session; each test sets what is due."""
    with ward.ward(tmp_path_factory.mktemp("strip"), ward.eight_rooms()) as pair:
        yield pair


@pytest.fixture
def station(pair: Any) -> Any:
    """Nothing but the 50-minute readings is due, in one hour and more."""
    station = pair[0]
    for room in station.hub.snapshot().rooms:
        for known in room.due:
            station.publish(wire.DueMsg(room=room.id, what=known.what, at_us=0, state="done"))
        if room.session is not None and room.session.id:
            number = int(room.id[-1])
            at_us = station.now_us + (60 + number) * MINUTE_US
            station.publish(ward.due(room.id, at_us, label="BP at 50 min"))
            station.publish(wire.CareMsg(room=room.id))
    return station


def item(page: Page, room: str) -> Any:
    return page.locator(f'.strip-item[data-due-room="{room}"]')


def test_each_room_with_a_session_has_its_next_reading_and_a_countdown(
    pair: Any, station: Any, open_page: OpenPage
) -> None:
    station.publish(ward.due("room-2", station.now_us + 190 * US, label="BP at 40 min"))
    page = open_page(pair[1].address, WIDE)
    expect(page.locator(".strip-item")).to_have_count(6)
    expect(item(page, "room-2")).to_contain_text("Room 2 BP at 40 min in 3:")
    before = item(page, "room-2").inner_text()
    eventually(page, lambda: item(page, "room-2").inner_text() != before)
    expect(item(page, "room-1")).to_contain_text("in 1 h 0")


def test_what_is_due_turns_amber_then_red_in_words_and_comes_first(
    pair: Any, station: Any, open_page: OpenPage
) -> None:
    page = open_page(pair[1].address, WIDE)
    expect(page.locator(".strip-item")).to_have_count(6)
    station.publish(ward.due("room-5", station.now_us - 5 * US, "due", "BP at 40 min"))
    expect(item(page, "room-5")).to_have_attribute("data-due-state", "due")
    expect(item(page, "room-5")).to_contain_text("DUE NOW")
    station.publish(ward.due("room-4", station.now_us - 150 * US, "overdue", "BP at 40 min"))
    expect(item(page, "room-4")).to_have_attribute("data-due-state", "overdue")
    expect(item(page, "room-4")).to_contain_text("OVERDUE 2:3")
    eventually(page, lambda: page.evaluate(ORDER)[:3] == ["room-4", "room-5", "room-1"])
    colours = [
        item(page, room).evaluate("e => getComputedStyle(e).color")
        for room in ("room-4", "room-5", "room-1")
    ]
    assert len(set(colours)) == 3
    station.publish(
        wire.DueMsg(room="room-4", what="BP at 40 min", at_us=0, done_us=1, state="done")
    )
    expect(item(page, "room-4")).to_have_attribute("data-due-what", "BP at 50 min")


def test_it_is_read_at_three_metres_and_never_changes_its_height(
    pair: Any, station: Any, open_page: OpenPage
) -> None:
    page = open_page(pair[1].address, WIDE)
    expect(page.locator(".strip-item")).to_have_count(6)
    for part in (".strip-what", ".strip-when", ".strip-room"):
        assert page.locator(f".strip-item {part}").first.evaluate(SIZE_OF) >= 32
    height = page.locator(".strip").bounding_box()
    assert height is not None
    for state in ("due", "overdue"):
        for n in range(1, 7):
            at_us = station.now_us - 200 * US
            station.publish(ward.due(f"room-{n}", at_us, state, "BP 30 min after booster"))
        expect(page.locator(f'.strip-item[data-due-state="{state}"]')).to_have_count(6)
        assert page.locator(".strip").bounding_box() == height


def test_the_earliest_discharge_is_counted_down_too(
    pair: Any, station: Any, open_page: OpenPage
) -> None:
    criteria = [{"id": n, "label": n, "met": n == "a", "auto": True, "words": "", "override": {}}
                for n in "abc"]  # fmt: skip
    station.publish(
        wire.CareMsg(room="room-3", earliest_us=station.now_us + 12 * MINUTE_US, criteria=criteria)
    )
    page = open_page(pair[1].address, WIDE)
    expect(item(page, "room-3")).to_have_attribute("data-due-what", "discharge")
    expect(item(page, "room-3")).to_contain_text("Earliest discharge in 1")
    page.locator(".strip-toggle").focus()
    page.keyboard.press("Enter")
    entry = page.locator(".strip-entry", has_text="Room 3")
    expect(entry).to_contain_text("earliest discharge in 12 min")
    expect(entry).to_contain_text("BP at 50 min in 1 h 0")
    page.keyboard.press("Escape")
    expect(page.locator(".strip-list")).to_be_hidden()
    expect(page.locator(".strip-toggle")).to_be_focused()


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=str)
def test_what_does_not_fit_is_counted_and_the_count_says_that_something_waits(
    pair: Any, station: Any, open_page: OpenPage, size: tuple[int, int]
) -> None:
    for n in range(1, 7):
        station.publish(ward.due(f"room-{n}", station.now_us - 10 * US, "due", "BP at 40 min"))
    page = open_page(pair[1].address, size)
    toggle = page.locator(".strip-toggle")
    expect(toggle).to_have_attribute("data-waiting", "yes")
    hidden = int(toggle.inner_text().strip("+! ▾"))
    assert page.locator(".strip-item[tabindex='-1']").count() == hidden
    toggle.click()
    expect(page.locator(".strip-entry > .strip-room")).to_have_count(6)


def test_on_a_rooms_page_it_is_one_line_that_leads_to_the_others(
    pair: Any, station: Any, open_page: OpenPage
) -> None:
    station.publish(ward.due("room-2", station.now_us - 150 * US, "overdue", "BP at 40 min"))
    page = open_page(pair[1].address + "/room/room-1", WIDE)
    expect(item(page, "room-2")).to_contain_text("OVERDUE")
    box = page.locator(".strip").bounding_box()
    assert box is not None
    assert box["height"] <= 48
    item(page, "room-2").click()
    page.wait_for_url("**/room/room-2")
    page.get_by_role("link", name="Hand-over").last.click()
    page.wait_for_url("**/room/room-2/handover")
    expect(page.locator(".strip")).to_be_hidden()


def test_without_its_station_the_page_counts_nothing_down(
    pair: Any, station: Any, open_page: OpenPage
) -> None:
    page = open_page(pair[1].address, WIDE)
    expect(item(page, "room-1")).to_contain_text("in 1 h")
    station.beating = False
    try:
        expect(page.locator("body")).to_have_attribute("data-link", "stale", timeout=15000)
        eventually(page, lambda: page.locator(".strip-when").all_inner_texts() == [""] * 6)
    finally:
        station.beating = True
