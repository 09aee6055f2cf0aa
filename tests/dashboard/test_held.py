"""A roaming cuff's reading waits on every page until somebody says whose it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.dashboard import ward
from tests.dashboard.conftest import PHONE, WIDE, OpenPage, eventually
from vitals import wire
from vitals.model import US

pytestmark = pytest.mark.usefixtures("without_charts")

VALUES = {"nibp_sys": 128.0, "nibp_dia": 82.0, "nibp_map": 97.0, "pr": 70.0}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with ward.ward(tmp_path_factory.mktemp("held"), ward.eight_rooms()) as pair:
        yield pair


@pytest.fixture
def held(pair: Any) -> Iterator[wire.HeldMsg]:
    """One reading that waits, two minutes old."""
    station = pair[0]
    message = wire.HeldMsg(
        id="held-1", device="cuff-7", at_us=station.now_us - 125 * US, values=VALUES
    )
    station.publish(message)
    yield message
    station.publish(wire.HeldMsg(id=message.id, device="cuff-7", at_us=0, gone=True))


@pytest.mark.parametrize("path", ["/", "/room/room-1", "/devices", "/review", "/handover"])
def test_every_page_asks_whose_reading_it_is(
    pair: Any, held: wire.HeldMsg, open_page: OpenPage, path: str
) -> None:
    page = open_page(pair[1].address + path, WIDE)
    banner = page.locator(".banner-held")
    expect(banner).to_contain_text("BP 128/82, PR 70, cuff-7, 2 min ago: whose is it?")
    expect(banner.locator("[data-claim-room]")).to_have_count(6)  # those with a session


def test_the_screen_inside_the_room_does_not_ask(
    pair: Any, held: wire.HeldMsg, open_page: OpenPage
) -> None:
    page = open_page(pair[1].address + "/room/room-1/quiet", PHONE)
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    expect(page.locator(".banner-held")).to_be_hidden()


def test_one_press_claims_it_for_a_room_and_all_pages_forget_it(
    pair: Any, held: wire.HeldMsg, open_page: OpenPage
) -> None:
    station, web = pair
    page, other = open_page(web.address, WIDE), open_page(web.address + "/room/room-2", PHONE)
    claim = page.locator('[data-claim-room="room-3"]')
    expect(claim).to_have_attribute("aria-label", re.compile("this patient's. last 188/104, "))
    claim.click()
    eventually(page, lambda: ("claim_reading", {"held": "held-1"}) in station.told)
    assert station.commands[-1].room == "room-3"
    station.publish(wire.HeldMsg(id="held-1", device="cuff-7", at_us=0, gone=True))
    for each in (page, other):
        expect(each.locator(".banner-held")).to_have_count(0)


def test_to_discard_it_needs_a_reason(pair: Any, held: wire.HeldMsg, open_page: OpenPage) -> None:
    station, web = pair
    page = open_page(web.address + "/room/room-1", WIDE)
    before = len(station.told)
    page.get_by_role("button", name="Discard…").click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Discard…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Nobody's: a test of the cuff").click()
    eventually(page, lambda: len(station.told) > before)
    assert station.told[-1] == (
        "discard_reading",
        {"held": "held-1", "reason": "Nobody's: a test of the cuff"},
    )


def test_a_page_that_opens_later_knows_of_it_from_its_snapshot(
    pair: Any, open_page: OpenPage
) -> None:
    station, web = pair
    station.publish(wire.HeldMsg(id="h2", device="cuff-7", at_us=station.now_us, values=VALUES))
    page = open_page(web.address, PHONE)
    expect(page.locator('[data-held="h2"]')).to_contain_text("just now")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    station.publish(wire.HeldMsg(id="h2", device="cuff-7", at_us=0, gone=True))
    expect(page.locator(".banner-held")).to_have_count(0)
