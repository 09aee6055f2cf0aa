"""The list of one room's alarms and that of all rooms: order, words, acts, one state for all."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.dashboard.conftest import LAPTOP, PHONE, WIDE, OpenPage, eventually
from tests.dashboard.ward import alarm, session, wait_until
from vitals.model import US

pytestmark = pytest.mark.usefixtures("without_charts")

# When the page was last clicked, and when an alarm on it last changed its state (ms).
TIMES = """
window.__clicked = window.__changed = 0;
document.addEventListener('click', () => { window.__clicked = Date.now(); }, true);
document.addEventListener('DOMContentLoaded', () => new MutationObserver(() => {
  window.__changed = Date.now();
}).observe(document.body, {subtree: true, attributes: true,
                           attributeFilter: ['data-signal', 'data-ack']}));
"""
ENTRIES = "[...document.querySelectorAll('.ward [data-entry]')].map(e => e.dataset.entry)"
TECHNICAL = {"side": "technical", "channel": "", "limit": None, "value": None}


def entry(page: Page, room: str = "room-1", rule: str = "spo2-low") -> Locator:
    return page.locator(f'.ward [data-entry="{room}/{rule}"]')


def opened(page: Page) -> Page:
    """With the list of all rooms opened."""
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    page.locator(".ward-toggle").click()
    return page


def name(page: Page, who: str) -> None:
    page.locator("#kv-who").fill(who)
    page.locator("#kv-who").press("Tab")


def test_the_list_of_all_rooms_is_worst_first(eight: Any, open_page: OpenPage) -> None:
    station, web = eight
    page = open_page(web.address, WIDE)
    now = station.now_us
    station.publish(
        alarm("room-1", "overdue", priority="low", text="BP overdue", sounding=False, **TECHNICAL),
        alarm("room-2", acked_by="Bea", sounding=False, onset_us=now),
        alarm("room-3", "lost", text="SIGNAL LOST", onset_us=now, **TECHNICAL),
        alarm("room-4", onset_us=now - 60 * US),
        alarm("room-5", onset_us=now - 5 * US),
        alarm("room-6", "pr-low", priority="medium", text="PR 48 < 50", onset_us=now),
        alarm("room-6", "spo2-note", priority="info", text="SpO2 5 below baseline"),
    )
    expect(page.locator(".ward")).to_have_attribute("data-count", "6")
    assert page.evaluate(ENTRIES) == ["room-5/spo2-low", "room-4/spo2-low", "room-3/lost"]
    expect(page.locator(".ward-toggle")).to_have_text("+3 more ▾")
    opened(page)
    assert page.evaluate(ENTRIES) == [
        "room-5/spo2-low",
        "room-4/spo2-low",
        "room-3/lost",
        "room-2/spo2-low",
        "room-6/pr-low",
        "room-1/overdue",
    ]
    expect(entry(page, "room-4")).to_contain_text("Room 4")
    page.keyboard.press("Escape")
    assert len(page.evaluate(ENTRIES)) == 3


def test_no_tile_moves_when_an_alarm_comes(eight: Any, open_page: OpenPage) -> None:
    station, web = eight
    page = open_page(web.address, LAPTOP)
    tile = page.locator('.tile[data-room="room-6"]')
    expect(page.locator(".ward-calm")).to_have_text("No alarms")
    before = tile.bounding_box()
    station.publish(alarm("room-1"))
    expect(entry(page)).to_be_visible()
    assert tile.bounding_box() == before


@pytest.mark.parametrize("path", ["/", "/room/room-1"])
def test_a_lost_value_is_shown_with_its_age(two: Any, open_page: OpenPage, path: str) -> None:
    station, web = two
    page = open_page(web.address + path)
    text = "SIGNAL LOST, last SpO2 86"
    lost = {**TECHNICAL, "value": 86, "value_us": station.now_us - 12 * US, "text": text}
    station.publish(alarm("room-1", "signal-lost", **lost))
    words = page.locator('[data-room="room-1"] [data-alarm="signal-lost"] .alarm-message')
    eventually(page, lambda: words.inner_text() in (f"{text}, {s} s ago" for s in (12, 13, 14)))


def test_a_frozen_alarm_shows_how_old_its_value_is_and_a_live_one_does_not(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    page = open_page(web.address + "/room/room-1")
    words = page.locator('[data-alarm="spo2-low"] .alarm-message')
    station.numeric("room-1", "spo2", 85, fresh_s=60, gone_s=60)
    station.publish(alarm("room-1", value_us=station.now_us - 30 * US))
    expect(words).to_have_text("SpO2 86 < 88")
    station.numeric("room-1", "spo2", None)
    eventually(page, lambda: words.inner_text().startswith("SpO2 86 < 88, 3"))
    assert words.inner_text().endswith(" s ago")


def test_what_waits_is_shown_as_a_hold_and_calls_nobody(two: Any, open_page: OpenPage) -> None:
    station, web = two
    page = open_page(web.address)
    held = {"priority": "medium", "silent": True, "sounding": False, "channel": "nibp_sys"}
    station.publish(
        session("room-1", station.now_us, dosed_min=None),
        alarm("room-1", "sys-high", text="SYS 164 ≥ 160", side="high", **held),
        alarm("room-2", "sys-high", text="SYS 166 ≥ 160", side="high", **held),
    )
    first = page.locator('[data-room="room-1"] [data-alarm="sys-high"]')
    second = page.locator('[data-room="room-2"] [data-alarm="sys-high"]')
    expect(first.locator(".alarm-meta")).to_contain_text("HOLD")
    expect(second.locator(".alarm-meta")).to_contain_text("WAITS FOR A SECOND READING")
    for row in (first, second):
        expect(row).to_have_attribute("data-silent", "yes")
        expect(row.locator(".icon-hold")).to_be_visible()
        assert row.evaluate("e => getComputedStyle(e).animationName") == "none"
    for tile in page.locator(".tile").all():
        assert tile.get_attribute("data-worst") is None
    assert "alarm" not in page.title()
    assert page.locator('.count[data-priority="medium"]').is_hidden()


def test_a_note_is_a_line_on_the_room_page_and_never_an_alarm(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    room, ward = open_page(web.address + "/room/room-1"), open_page(web.address)
    station.publish(
        alarm("room-1", "spo2-drop", priority="info", text="SpO2 5 below baseline", sounding=False)
    )
    expect(room.locator(".annotations")).to_have_text("Note: SpO2 5 below baseline")
    for page in (room, ward):
        expect(page.locator("body")).to_have_attribute("data-link", "live")
        expect(page.locator(".alarm")).to_have_count(0)
    station.publish(alarm("room-1", "spo2-drop", priority="info", condition="idle"))
    expect(room.locator(".annotations")).to_have_text("")


def test_escalation_and_countdowns_are_said(two: Any, open_page: OpenPage) -> None:
    station, web = two
    page = open_page(web.address + "/room/room-1")
    now = station.now_us
    station.publish(alarm("room-1", onset_us=now - 70 * US, escalated=2))
    meta = page.locator('[data-alarm="spo2-low"] .alarm-meta')
    expect(meta).to_contain_text("HIGH · 1:1")
    expect(meta).to_contain_text("escalated, step 2")
    paused = {"signal": "paused", "signal_until_us": now + 90 * US, "sounding": False}
    station.publish(alarm("room-1", **paused))
    expect(meta).to_contain_text("audio paused 1:")
    expect(page.get_by_role("button", name="Sound again (1:")).to_be_visible()


def test_the_sound_of_one_alarm_is_paused_and_comes_back_by_one_click_each(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    page = open_page(web.address + "/room/room-1")
    station.publish(alarm("room-1"), alarm("room-1", "pr-high", text="PR 134 > 130"))
    row = page.locator('[data-alarm="spo2-low"]')
    row.get_by_role("button", name="Pause the sound of SpO2 86 < 88").click()
    expect(row).to_have_attribute("data-signal", "paused")
    expect(page.locator('[data-alarm="pr-high"]')).to_have_attribute("data-signal", "on")
    row.get_by_role("button", name="Sound again").click()
    expect(row).to_have_attribute("data-signal", "on")
    assert station.told == [
        (kind, {"rule": "spo2-low"}) for kind in ("pause_audio", "resume_audio")
    ]


def test_a_rule_is_switched_off_only_with_a_reason_and_on_again(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    page = open_page(web.address + "/room/room-1")
    name(page, "Anna")
    station.publish(alarm("room-1", label="SpO2 low"))
    row = page.locator('[data-alarm="spo2-low"]')
    row.get_by_role("button", name="Switch off the rule of SpO2 86 < 88").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("SpO2 low")
    dialog.get_by_role("button", name="Switch off").click()
    expect(dialog).to_be_visible()  # the reason is required
    assert station.commands == []
    dialog.get_by_label("Reason").fill("cold hand, checked by sight")
    dialog.get_by_role("button", name="Switch off").click()
    off = page.locator('[data-rule-off="spo2-low"]')
    expect(off).to_contain_text("SpO2 low off by Anna until")
    expect(off).to_contain_text("(14:5")
    expect(off).to_contain_text(": cold hand, checked by sight")
    expect(off.locator(".icon-crossed")).to_be_visible()
    expect(row).to_have_attribute("data-rule", "off")
    assert row.evaluate("e => getComputedStyle(e).animationName") == "none"
    off.get_by_role("button", name="Switch on SpO2 low").click()
    expect(off).to_have_count(0)
    assert [kind for kind, _ in station.told] == ["rule_off", "rule_on"]


def test_an_alarm_about_the_program_itself_cannot_be_switched_off(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    page = open_page(web.address + "/room/room-1")
    station.publish(alarm("room-1", "no-sound", text="NO SOUND", **TECHNICAL))
    row = page.locator('[data-alarm="no-sound"]')
    expect(row.get_by_role("button", name="Acknowledge")).to_be_visible()
    expect(row.get_by_role("button", name="Switch off")).to_have_count(0)


def test_every_screen_shows_an_act_within_a_second(two: Any, open_page: OpenPage) -> None:
    """One state for all: whatever one nurse does, the others see, with a name."""
    station, web = two
    ward = open_page(web.address, WIDE, script=TIMES)
    room = open_page(web.address + "/room/room-1", PHONE, script=TIMES)
    station.publish(alarm("room-1", label="SpO2 low"))
    opened(ward)
    name(room, "Bea")

    took: list[float] = []

    def seen_within_a_second(hook: str, value: str) -> None:
        for page in (ward, room):
            shown = page.locator(".ward, .room").locator(".alarm")
            expect(shown).to_have_attribute(hook, value)
        clicked = max(page.evaluate("__clicked") for page in (ward, room))
        took.extend(page.evaluate("__changed") - clicked for page in (ward, room))

    entry(ward).get_by_role("button", name="Pause the sound").click()
    seen_within_a_second("data-signal", "paused")
    room.get_by_role("button", name="Sound again").click()
    seen_within_a_second("data-signal", "on")
    room.get_by_role("button", name="Acknowledge SpO2 86 < 88").click()
    seen_within_a_second("data-ack", "Bea")
    expect(entry(ward)).to_contain_text("acknowledged by Bea")
    expect(entry(ward).get_by_role("button", name="Acknowledge")).to_have_count(0)
    # one may be late: other tests use the processors too
    assert sorted(took)[-2] < 1000, took


def test_an_alarm_is_handled_by_keyboard_alone_from_the_list_of_all_rooms(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    page = open_page(web.address)
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    station.publish(alarm("room-1"))
    expect(entry(page)).to_be_visible()

    def tab_to(label: str) -> None:
        button = page.get_by_role("button", name=label)
        for _ in range(40):
            page.keyboard.press("Tab")
            if button.evaluate("e => e === document.activeElement"):
                return
        raise AssertionError(f"{label} cannot be reached")

    tab_to("Open the list: 1 alarm")
    page.keyboard.press("Enter")
    page.locator("body").press("Shift+Tab")
    tab_to("Pause the sound of Room 1: SpO2 86 < 88")
    page.keyboard.press("Enter")
    expect(entry(page)).to_have_attribute("data-signal", "paused")
    # the focus has gone to the button that has taken its place
    expect(page.get_by_role("button", name="Sound again")).to_be_focused()
    page.keyboard.press("Enter")
    expect(entry(page)).to_have_attribute("data-signal", "on")
    page.keyboard.press("Escape")
    expect(page.locator(".ward")).not_to_have_attribute("data-open", "yes")
    tab_to("Acknowledge Room 1: SpO2 86 < 88")
    page.keyboard.press("Enter")
    expect(entry(page)).to_have_attribute("data-ack", "nurse")


def test_a_phone_shows_the_worst_alarm_and_opens_the_rest(eight: Any, open_page: OpenPage) -> None:
    station, web = eight
    page = open_page(web.address, PHONE)
    station.publish(
        alarm("room-1", priority="medium", text="SpO2 90 < 92"),
        alarm("room-3", onset_us=station.now_us),
    )
    expect(entry(page, "room-3")).to_be_visible()
    assert page.evaluate(ENTRIES) == ["room-3/spo2-low"]
    opened(page)
    row = entry(page, "room-1")
    row.get_by_role("button", name="Pause the sound").click()
    expect(row).to_have_attribute("data-signal", "paused")
    wide = "e => [...e.querySelectorAll('*')].every(n => n.getBoundingClientRect().right <= 391)"
    assert page.locator(".ward").evaluate(wide)
    small = (
        "e => [...e.querySelectorAll('button')].filter(b => b.offsetParent)"
        ".map(b => b.getBoundingClientRect()).filter(r => r.height < 43.5 || r.width < 43.5).length"
    )
    assert page.locator(".ward").evaluate(small) == 0


def test_less_motion_is_respected_in_every_list(two: Any, open_page: OpenPage) -> None:
    station, web = two
    page = open_page(web.address, prepare=lambda page: page.emulate_media(reduced_motion="reduce"))
    station.publish(alarm("room-1"))
    animation = "e => getComputedStyle(e).animationName"
    for row in (entry(page), page.locator('[data-alarm="spo2-low"]')):
        assert row.evaluate(animation) == "none"
        expect(row.locator(".alarm-meta")).to_contain_text("HIGH")


def test_values_out_of_limits_differ_without_colour(two: Any, open_page: OpenPage) -> None:
    """Two rooms, one in and one out: text alone tells them apart, on tile, room page and list."""
    station, web = two
    for room, value in (("room-1", 72), ("room-2", 155)):
        station.numeric(room, "pr", value, fresh_s=60, gone_s=60)
    high = {"channel": "pr", "side": "high", "limit": 130, "value": 155, "text": "PR 155 > 130"}
    station.publish(alarm("room-2", "pr-high", **high))
    ward = open_page(web.address)
    expect(ward.locator('[data-room="room-2"] .vital-pulse')).to_contain_text("▲ ABOVE 130")
    assert "ABOVE" not in ward.locator('[data-room="room-1"] .vital-pulse').inner_text()
    expect(entry(ward, "room-2", "pr-high")).to_contain_text("HIGH")
    shapes = {
        priority: ward.evaluate(f"kv.icon('{priority}').firstChild.getAttribute('d')")
        for priority in ("high", "medium", "low", "hold", "info")
    }
    assert len(set(shapes.values())) == len(shapes), "each level has a shape of its own"


def test_an_acknowledged_alarm_is_not_raised_again_by_another_screen(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    first = open_page(web.address)
    station.publish(alarm("room-1"))
    entry(first).get_by_role("button", name="Acknowledge").click()
    expect(entry(first)).to_have_attribute("data-ack", "nurse")
    late = open_page(web.address + "/room/room-1")  # opened afterwards, or reloaded
    expect(late.locator('[data-alarm="spo2-low"]')).to_have_attribute("data-ack", "nurse")
    for page in (first, late):
        expect(page.locator("body")).not_to_have_attribute("data-sounding", "high")
    wait_until(lambda: len(station.told) == 1)
