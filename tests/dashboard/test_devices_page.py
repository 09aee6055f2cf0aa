"""The page of all devices tells what each link is worth."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from tests.dashboard.conftest import OpenPage
from tests.dashboard.ward import OXIMETER
from vitals import wire


def test_each_device_has_its_link_its_driver_and_what_was_refused(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    page = open_page(web.address + "/devices")
    expect(page.locator("tbody tr")).to_have_count(4)
    row = page.locator(f'tr[data-device="{OXIMETER}"]').first
    expect(row).to_contain_text("streaming")
    expect(row).to_contain_text("test")
    station.publish(
        wire.LinkMsg(
            room="room-1",
            device=OXIMETER,
            at_us=station.now_us,
            state="lost",
            rejected=17,
            detail="plug it in again",
        ),
        wire.NoticeMsg(room="room-1", device=OXIMETER, at_us=station.now_us, code="low_battery"),
    )
    for words in ("LINK LOST", "17", "plug it in again", "low battery"):
        expect(row).to_contain_text(words)
    tile = open_page(web.address)
    note = tile.locator('[data-room="room-1"] .vital-spo2 .vital-note')
    expect(note).to_have_text("LINK LOST")


def test_links_are_not_known_while_the_station_is_away(two: Any, open_page: OpenPage) -> None:
    station, web = two
    page = open_page(web.address + "/devices")
    expect(page.locator("tbody tr").first).to_contain_text("streaming")
    station.beating = False
    expect(page.locator("tbody tr").first).to_contain_text("not known", timeout=10000)


def test_a_room_that_is_not_there_is_said_so(two: Any, open_page: OpenPage) -> None:
    _, web = two
    page = open_page(web.address + "/room/room-99")
    expect(page.locator(".empty:visible")).to_contain_text("There is no room “room-99”")
