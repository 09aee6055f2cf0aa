"""The hand-over card: what the next person must know of a room, on the screen and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard import ward
from tests.dashboard.conftest import LAPTOP, PHONE, WIDE, OpenPage
from vitals import wire
from vitals.model import US

pytestmark = pytest.mark.usefixtures("without_charts")

MINUTE_US = 60 * US


def dose(now_us: int) -> dict[str, Any]:
    at_us = now_us - 42 * MINUTE_US
    return {"n": 1, "kind": "dose", "at_us": at_us, "marked_us": at_us, "by": "Anna",
            "drug": "Ketamine", "mg": 35.0, "lot": "", "witness": ""}  # fmt: skip


def whole_room() -> wire.RoomMsg:
    """A room of which everything is known that a card tells."""
    now_us = ward.now_us()
    score = {"value": 4, "at_us": now_us - 7 * MINUTE_US, "by": "Ben", "text": "lethargic to name"}
    session = ward.session(
        "room-1",
        now_us,
        doses=[dose(now_us)],
        checkin={"weight_kg": 70},
        baseline={"nibp_sys": 124.0, "nibp_dia": 78.0},
        scores={"moaas": score},
        last={"by": "Ben", "what": "score", "at_us": now_us - 7 * MINUTE_US},
    )
    marks = [
        wire.MarkMsg(room="room-1", at_us=now_us - 50 * MINUTE_US, kind="mark", text="long ago"),
        wire.MarkMsg(room="room-1", at_us=now_us - 8 * MINUTE_US, kind="mark", text="Nausea"),
    ]
    care = wire.CareMsg(
        room="room-1",
        gate={"state": "clear", "words": [], "concerns": ["Stimulants"]},
        owed=[("escort", "Nobody has said who takes the patient home")],
        earliest_us=now_us + 78 * MINUTE_US,
    )
    return ward.room(
        1,
        session=session,
        numerics=ward.reading("room-1", now_us - 5 * MINUTE_US, 148, 90),
        due=[ward.due("room-1", now_us + 190 * US)],
        marks=marks,
        care=care,
    )


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One whole room, and one without a session."""
    rooms = [whole_room(), ward.room(2)]
    with ward.ward(tmp_path_factory.mktemp("handover"), rooms) as pair:
        yield pair


def part(page: Page, heading: str) -> Any:
    return page.locator(f'.hand[data-room="room-1"] [data-part="{heading}"]')


def test_the_card_tells_the_whole_room(pair: Any, open_page: OpenPage) -> None:
    station, web = pair
    page = open_page(web.address + "/handover", WIDE)
    station.numeric("room-1", "spo2", 97, fresh_s=90, gone_s=90)
    station.numeric("room-1", "pr", 72, fresh_s=90, gone_s=90)
    station.publish(ward.alarm("room-1", "pr-high", priority="medium", text="PR 112 > 110"))
    card = page.locator('.hand[data-room="room-1"]')
    expect(card).to_contain_text("KV-0417 · IM")
    expect(card).to_contain_text("Onset / peak · T+0:42")
    for heading, words in (
        ("Alarms", "MEDIUM: PR 112 > 110"),
        ("Alarms", "NOT acknowledged"),
        ("Vitals", "SpO₂ 97"),
        ("Vitals", "PR 72"),
        ("Blood pressure", "BP 148/90 · 5 min ago"),
        ("Blood pressure", "baseline 124/78, now +24/+12"),
        ("Given", "Ketamine · 35 mg · 0.50 mg/kg of 70 kg · by Anna"),
        ("Scores", "4 · lethargic to name · 7 min ago"),
        ("Next", "BP at 50 min in"),
        ("Next", "Earliest discharge in 1 h 1"),
        ("Owed in the record", "who takes the patient home"),
        ("Concerns", "Stimulants"),
        ("Last 30 min", "Nausea"),
        ("Acted last", "Ben · score · 7 min ago"),
    ):
        expect(part(page, heading)).to_contain_text(words)
    expect(part(page, "Last 30 min")).not_to_contain_text("long ago")
    expect(part(page, "Off monitor")).to_be_hidden()
    expect(page.locator('.hand[data-room="room-2"]')).to_contain_text("NO SESSION")
    station.publish(ward.alarm("room-1", "pr-high", condition="idle"))
    expect(part(page, "Alarms")).to_have_text("Alarmsnone")


def test_a_rooms_page_leads_to_its_own_card_alone(pair: Any, open_page: OpenPage) -> None:
    page = open_page(pair[1].address + "/room/room-1", LAPTOP)
    page.get_by_role("link", name="Hand-over").click()
    page.wait_for_url("**/room/room-1/handover")
    expect(page.locator(".hand")).to_have_count(1)
    page.get_by_role("link", name="Room 1").first.click()
    expect(page.locator(".room-name")).to_have_text("Room 1")


def test_without_a_baseline_the_card_says_so(pair: Any, open_page: OpenPage) -> None:
    station, web = pair
    now_us = station.now_us
    session = whole_room().session
    assert session is not None
    session.baseline = {}
    session.off_since_us, session.off_until_us = now_us, now_us + 10 * MINUTE_US
    session.off_reason = "toilet"
    station.publish(session)
    page = open_page(web.address + "/handover", PHONE)
    expect(part(page, "Blood pressure")).to_contain_text("no baseline")
    expect(part(page, "Off monitor")).to_contain_text("toilet")
    assert page.evaluate("document.querySelector('.view').scrollWidth") <= PHONE[0]
    station.publish(whole_room().session)


def test_on_paper_it_is_black_on_white_without_buttons_and_never_cut(
    pair: Any, open_page: OpenPage
) -> None:
    page = open_page(pair[1].address + "/handover", WIDE)
    expect(page.locator(".hand")).to_have_count(2)
    page.emulate_media(media="print")
    for gone in ("#kv-header", ".hand-print", ".strip"):
        expect(page.locator(gone)).to_be_hidden()
    style = "e => [getComputedStyle(e).backgroundColor, getComputedStyle(e).color]"
    assert page.locator(".hand").first.evaluate(style)[0] == "rgb(255, 255, 255)"
    colours = page.locator(".hand *").evaluate_all(
        "all => all.filter(e => e.isConnected).map(e => getComputedStyle(e).color)"
    )
    assert set(colours) == {"rgb(0, 0, 0)"}
    assert page.locator(".view").evaluate("e => getComputedStyle(e).overflowY") == "visible"
    assert len(page.pdf()) > 2000
