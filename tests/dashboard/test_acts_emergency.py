"""The emergency: one tap from any view, its own layout, and its end."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.dashboard.conftest import LAPTOP, PHONE, WIDE, OpenPage, eventually
from tests.dashboard.live_clinic import at_room

pytestmark = pytest.mark.usefixtures("without_charts")


@pytest.mark.parametrize("size", [WIDE, LAPTOP, PHONE], ids=str)
def test_one_tap_on_the_room_page_and_the_page_is_the_emergencys(
    clinic: Any, open_page: OpenPage, size: tuple[int, int]
) -> None:
    station, web = clinic
    station.dosed(5)
    page = at_room(open_page, web, size=size)
    page.locator(".emergency-button").click()
    expect(page.locator(".room")).to_have_attribute("data-emergency", "yes")
    expect(page.get_by_role("tab", name="Emergency")).to_have_attribute("aria-selected", "true")
    expect(page.locator(".emergency-clock")).to_contain_text("0:0")
    expect(page.locator(".emergency-card")).to_contain_text("your clinic's own emergency protocol")
    page.get_by_role("button", name="Help called").click()
    expect(page.locator(".emergency-line")).to_contain_text("Help called")
    page.get_by_role("button", name="Cuff off", exact=True).click()
    expect(page.get_by_role("button", name="Cuff on", exact=True)).to_be_visible()
    page.get_by_role("button", name="Cuff on", exact=True).click()
    eventually(page, lambda: not station.session().cuff_off)
    for channel in ("spo2", "pr", "nibp_sys"):
        number = page.locator(f'.vital [data-channel="{channel}"]')
        expect(number).to_be_in_viewport(ratio=0.9)
        assert number.evaluate("e => parseFloat(getComputedStyle(e).fontSize)") >= 42
    page.get_by_role("button", name="End emergency…").click()
    form = page.get_by_role("dialog")
    form.get_by_role("button", name="Descent").click()
    form.get_by_label("How it has ended").fill("vasovagal, recovered")
    form.get_by_role("button", name="End emergency").click()
    expect(page.locator(".room-phase")).to_have_text("Descent")
    expect(page.locator(".room")).not_to_have_attribute("data-emergency", "yes")
    assert station.told("mark") == [{"text": "Help called"}]
    assert station.told("end_emergency") == [{"to": "DESCENT", "reason": "vasovagal, recovered"}]


@pytest.mark.parametrize("path", ["/", "/devices", "/review"])
def test_from_another_page_the_room_is_asked_and_its_page_opens(
    clinic: Any, open_page: OpenPage, path: str
) -> None:
    station, web = clinic
    station.dosed(1, room="room-2")
    page = open_page(web.address + path)
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    page.locator(".emergency-button").click()
    rooms = page.locator(".emergency-rooms")
    expect(rooms.locator("[data-emergency-room]")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(rooms).to_be_hidden()
    page.locator(".emergency-button").click()
    rooms.get_by_role("button", name="Room 2").click()
    expect(page.locator('.room[data-room="room-2"]')).to_have_attribute("data-emergency", "yes")
    assert station.session("room-2").phase == "EMERGENCY"


def test_without_any_session_the_page_says_what_to_do(clinic: Any, open_page: OpenPage) -> None:
    station, web = clinic
    page = at_room(open_page, web)
    page.locator(".emergency-button").click()
    expect(page.locator(".emergency-said")).to_contain_text("No room has a session")
    assert station.told("emergency") == []
