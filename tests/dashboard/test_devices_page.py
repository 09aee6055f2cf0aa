"""The page of all devices: how each is heard, which box is which, and where it belongs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard import ward
from tests.dashboard.conftest import LAPTOP, PHONE, WIDE, OpenPage, eventually
from tests.dashboard.ward import OXIMETER
from vitals import wire
from vitals.model import US

pytestmark = pytest.mark.long

STRANGER = "usb 0403:6001 AB0C"


@pytest.fixture
def four(tmp_path: Path) -> Iterator[Any]:
    """(station, web): two rooms with a session, each with devices of its own names."""
    now_us = ward.now_us()
    rooms = []
    for n in (1, 2):
        room = ward.room(n, session=ward.session(f"room-{n}", now_us))
        room.devices = [
            ward.device(f"ox{n}", ["spo2", "pr"]),
            ward.device(f"cuff{n}", ["nibp_sys", "nibp_dia"], ["start_nibp"]),
        ]
        rooms.append(room)
    with ward.ward(tmp_path, rooms) as pair:
        yield pair


def row(page: Page, device: str) -> Any:
    return page.locator(f'tr[data-device="{device}"]').first


def cell(page: Page, device: str, label: str) -> Any:
    return row(page, device).locator(f'td[data-label="{label}"]')


def link(station: Any, device: str, state: str, room: str = "room-1", **more: Any) -> None:
    more = {"at_us": station.now_us, "state": state, **more}
    station.publish(wire.LinkMsg(room=room, device=device, **more))


def test_each_device_has_its_link_its_driver_and_what_was_refused(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    page = open_page(web.address + "/devices")
    expect(page.locator("tbody tr")).to_have_count(4)
    expect(row(page, OXIMETER)).to_contain_text("streaming")
    expect(row(page, OXIMETER)).to_contain_text("test")
    link(station, OXIMETER, "lost", rejected=17, detail="plug it in again")
    station.publish(
        wire.NoticeMsg(room="room-1", device=OXIMETER, at_us=station.now_us, code="low_battery")
    )
    for words in ("LINK LOST", "17", "plug it in again", "low battery"):
        expect(row(page, OXIMETER)).to_contain_text(words)
    tile = open_page(web.address)
    note = tile.locator('[data-room="room-1"] .vital-spo2 .vital-note')
    expect(note).to_have_text("LINK LOST")


def test_how_a_device_is_heard_is_live(four: Any, open_page: OpenPage) -> None:
    station, web = four
    page = open_page(web.address + "/devices")
    expect(cell(page, "ox1", "Last bytes")).to_have_text("never")
    expect(cell(page, "ox1", "Battery")).to_have_text("–")
    station.publish(
        wire.DeviceStatusMsg(
            room="room-1",
            device="ox1",
            heard_us=station.now_us - 2 * US,
            rejected=3,
            reconnects=2,
            battery="85 %",
            signal=-61,
        )
    )
    texts = {"Refused": "3", "Reconnects": "2", "Battery": "85 %", "Signal": "-61 dBm"}
    for label, text in texts.items():
        expect(cell(page, "ox1", label)).to_have_text(text)
    expect(cell(page, "ox1", "Last bytes")).to_have_text("2 s ago")
    expect(cell(page, "ox1", "Last bytes")).to_have_text("4 s ago")  # with nothing further
    station.numeric("room-1", "spo2", 97, device="ox1")
    expect(cell(page, "ox1", "Speaks for")).to_have_text("SpO₂")
    expect(cell(page, "ox1", "Speaks for")).to_have_text("nothing now", timeout=8000)


def test_a_nurse_who_confirmed_an_alarm_is_named(four: Any, open_page: OpenPage) -> None:
    station, web = four
    session = ward.session("room-1", station.now_us, own_alarm_by={"ox1": "Kim"})
    station.publish(session)
    page = open_page(web.address + "/devices")
    expect(cell(page, "ox1", "Own alarm")).to_contain_text("Kim")
    expect(cell(page, "cuff1", "Own alarm")).to_have_text("device alarm not confirmed")


def test_one_room_can_be_chosen_by_keyboard(four: Any, open_page: OpenPage) -> None:
    _, web = four
    page = open_page(web.address + "/devices")
    expect(page.locator("tbody tr")).to_have_count(4)
    page.locator(".device-filter select").focus()
    page.keyboard.press("R")
    page.keyboard.type("oom 2")
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(row(page, "ox2")).to_be_visible()
    page.keyboard.press("Tab")  # the table, which can be scrolled by keyboard
    page.keyboard.press("Tab")
    expect(row(page, "ox2").get_by_role("button", name="Identify ox2")).to_be_focused()


def test_a_row_keeps_the_focus_while_its_numbers_change(four: Any, open_page: OpenPage) -> None:
    station, web = four
    page = open_page(web.address + "/devices")
    button = row(page, "ox2").get_by_role("button", name="Move ox2")
    button.focus()
    link(station, "ox1", "lost", detail="plug it in again")
    expect(row(page, "ox1")).to_contain_text("plug it in again")
    expect(button).to_be_focused()


@pytest.mark.parametrize("size", [WIDE, LAPTOP, PHONE])
def test_the_table_fits_its_screen(four: Any, open_page: OpenPage, size: tuple[int, int]) -> None:
    station, web = four
    page = open_page(web.address + "/devices", size)
    long = "another monitor is on this port (it was last in Room 2): check the labels, then claim"
    link(station, "ox1", "lost", detail=long)
    station.publish(wire.DeviceStatusMsg(room="room-1", device="ox1", stranger=STRANGER))
    expect(row(page, "ox1").get_by_role("button", name="Claim")).to_be_visible()
    overflow = (
        "() => [...document.querySelectorAll('.scroll, #kv-main')]"
        ".filter(e => e.scrollWidth > e.clientWidth + 1).length"
        " + [...document.querySelectorAll('tbody td')].filter(e => {"
        "  const box = e.getBoundingClientRect(); return box.right > innerWidth || box.left < 0;"
        " }).length"
    )
    assert page.evaluate(overflow) == 0
    assert page.evaluate(
        "() => Math.min(...[...document.querySelectorAll('.device-acts button')]"
        ".filter(b => b.offsetParent).map(b => b.getBoundingClientRect().height))"
    ) >= 44  # fmt: skip


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


# --- which box is which -----------------------------------------------------------------------


def test_after_identify_the_device_that_changes_lights_up_here_and_on_its_tile(
    four: Any, open_page: OpenPage
) -> None:
    station, web = four
    page = open_page(web.address + "/devices")
    station.numeric("room-2", "spo2", 97, device="ox2")
    expect(cell(page, "ox2", "Speaks for")).to_have_text("SpO₂")
    link(station, "cuff1", "silent")
    expect(row(page, "cuff1")).to_contain_text("NO DATA")
    expect(page.locator("[data-changed]")).to_have_count(0)  # nobody asked
    row(page, "ox1").get_by_role("button", name="Identify").click()
    expect(page.locator(".identify")).to_contain_text("Put a finger in, pull its cable or press")
    expect(page.locator(".identify")).to_contain_text("0:5")
    station.numeric("room-2", "spo2", 96, device="ox2")  # another number is no news
    link(station, "cuff2", "lost", "room-2")
    expect(row(page, "cuff2")).to_have_attribute("data-changed", "yes")
    expect(row(page, "cuff2")).to_contain_text("CHANGED")
    station.numeric("room-1", "spo2", 98, device="ox1")
    expect(row(page, "ox1")).to_contain_text("SpO₂ has come")
    expect(page.locator("[data-changed]")).to_have_count(2)
    page.get_by_text("All rooms", exact=True).first.click()
    tile = page.locator('.tile[data-room="room-2"]')
    expect(tile).to_have_attribute("data-identify", "changed")
    expect(tile.locator(".tile-which")).to_contain_text("cuff2")


def test_identify_ends_by_itself_when_it_is_stopped(four: Any, open_page: OpenPage) -> None:
    station, web = four
    page = open_page(web.address + "/devices")
    row(page, "ox1").get_by_role("button", name="Identify").click()
    link(station, "ox1", "lost")
    expect(row(page, "ox1")).to_have_attribute("data-changed", "yes")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("[data-changed]")).to_have_count(0)
    expect(page.locator(".identify")).to_be_hidden()


def test_the_room_of_an_identified_device_lights_up_on_every_page_for_a_while(
    four: Any, open_page: OpenPage
) -> None:
    station, web = four
    tiles = open_page(web.address)
    tile = tiles.locator('.tile[data-room="room-2"]')
    expect(tile).to_be_visible()
    page = open_page(web.address + "/devices")
    row(page, "ox2").get_by_role("button", name="Identify").click()
    eventually(page, lambda: ("identify", {"device": "ox2"}) in station.told)
    station.publish(wire.IdentifyMsg(room="room-2", device="ox2", until_us=station.now_us + 2 * US))
    expect(tile).to_have_attribute("data-identify", "asked")
    expect(tile.locator(".tile-which")).to_have_text("ox2")
    expect(tiles.locator('.tile[data-room="room-1"]')).not_to_have_attribute(
        "data-identify", "asked"
    )
    expect(row(page, "ox2")).to_contain_text("shown on all pages")
    expect(tile).not_to_have_attribute("data-identify", "asked", timeout=8000)


# --- claims and moves -------------------------------------------------------------------------


def test_another_box_is_claimed_by_its_number_after_a_question(
    four: Any, open_page: OpenPage
) -> None:
    station, web = four
    page = open_page(web.address + "/devices")
    expect(row(page, "ox1").get_by_role("button", name="Claim")).to_be_hidden()
    station.publish(wire.DeviceStatusMsg(room="room-1", device="ox1", stranger=STRANGER))
    row(page, "ox1").get_by_role("button", name="Claim").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(STRANGER)
    dialog.get_by_role("button", name="Cancel").click()
    assert station.told == []
    row(page, "ox1").get_by_role("button", name="Claim").click()
    page.get_by_role("dialog").get_by_role("button", name="It belongs to Room 1").click()
    claimed = ("claim_device", {"device": "ox1", "identity": STRANGER})
    eventually(page, lambda: claimed in station.told)


def test_a_move_names_both_rooms_before_it_is_done(four: Any, open_page: OpenPage) -> None:
    station, web = four
    page = open_page(web.address + "/devices")
    link(station, "ox2", "lost", "room-2")
    expect(row(page, "ox2")).to_contain_text("LINK LOST")
    row(page, "ox1").get_by_role("button", name="Move").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Room 1")).to_have_count(0)
    dialog.get_by_role("button", name="Room 2").click()
    sure = page.get_by_role("dialog", name="Move ox1 from Room 1 to Room 2?")
    expect(sure).to_contain_text("ox2, which is not heard, makes place")
    assert station.told == []
    sure.get_by_role("button", name="Move to Room 2").click()
    moved = ("rebind_device", {"device": "ox1", "to_room": "room-2"})
    eventually(page, lambda: moved in station.told)


def test_a_device_in_no_room_is_listed_and_has_no_tile(four: Any, open_page: OpenPage) -> None:
    station, web = four
    page, tiles = open_page(web.address + "/devices"), open_page(web.address)
    expect(page.locator("tbody tr")).to_have_count(4)
    snapshot = station.hub.snapshot()
    snapshot.rooms[1].devices.pop(0)
    spare = wire.RoomMsg(id="-", label="No room", devices=[ward.device("ox2", ["spo2", "pr"])])
    snapshot.rooms.append(spare)
    station.publish(snapshot)
    expect(cell(page, "ox2", "Room")).to_have_text("No room")
    link(station, "ox2", "lost", "-")
    expect(row(page, "ox2")).to_contain_text("LINK LOST")
    expect(tiles.locator(".tile")).to_have_count(2)
