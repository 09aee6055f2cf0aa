"""Readable from three metres, whole on every screen, nothing on top of anything else."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import LAPTOP, PHONE, WIDE, OpenPage
from tests.dashboard.ward import alarm, due
from vitals.model import US

pytestmark = pytest.mark.long

SIZE_OF = "e => parseFloat(getComputedStyle(e).fontSize)"

# Pairs of boxes of one tile that lie on each other, and texts that do not fit their box.
OVERLAPS = """
() => {
  const bad = [];
  const box = e => { const r = document.createRange(); r.selectNodeContents(e);
                     return r.getBoundingClientRect(); };
  for (const tile of document.querySelectorAll('.tile')) {
    const parts = [...tile.querySelectorAll('.tile-head, .tile-line, .vital, .alarm:first-child,' +
      '.tile-nosession, .tile-foot')].filter(e => e.offsetParent && e.getClientRects().length);
    parts.forEach((a, i) => parts.slice(i + 1).forEach(b => {
      const [p, q] = [a.getBoundingClientRect(), b.getBoundingClientRect()];
      const w = Math.min(p.right, q.right) - Math.max(p.left, q.left);
      const h = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
      if (w > 2 && h > 2) bad.push([tile.dataset.room, a.className, b.className, h]);
    }));
    const whole = tile.getBoundingClientRect();
    const texts = '.vital-value b, .alarm:first-child .alarm-text, .tile-due, .tile-dose,' +
      ' .tile-room';
    for (const e of tile.querySelectorAll(texts)) {
      const r = box(e);
      const out = [r.right - whole.right, whole.left - r.left, r.bottom - whole.bottom];
      if (r.width && Math.max(...out) > 1)
        bad.push([tile.dataset.room, e.className || e.dataset.channel, 'outside', r.right]);
    }
    for (const e of tile.querySelectorAll('.vital')) {
      const over = box(e.querySelector('.vital-value')).right - e.getBoundingClientRect().right;
      if (over > 1) bad.push([tile.dataset.room, e.className, 'too wide', over]);
    }
  }
  return bad;
}
"""


def fill(station: Any) -> None:
    """The widest numbers, and an alarm of each kind."""
    for number in range(1, 9):
        for channel, value in (("spo2", 100), ("pr", 134)):
            station.numeric(f"room-{number}", channel, value, fresh_s=90, gone_s=90)
    station.publish(
        alarm("room-1", onset_us=station.now_us),
        alarm("room-1", "pr-high", channel="pr", side="high", limit=130, text="PR 134 > 130"),
        alarm("room-2", priority="medium", text="oximeter: link lost for a long while"),
        alarm("room-3", priority="low", text="BP overdue", side="technical", limit=None),
        alarm("room-4", condition="latched"),
        alarm("room-5", acked_by="Anna Maria Longname", sounding=False),
        due("room-5", station.now_us - 190 * US, "overdue", "BP at 120 min"),
    )


def settled(page: Page) -> None:
    expect(page.locator('.tile[data-room="room-8"] [data-channel="spo2"]')).to_have_text("100")
    expect(page.locator('.tile[data-room="room-5"] .tile-due')).to_contain_text("OVERDUE")


def test_eight_rooms_on_a_wall_screen_have_numerals_of_96_px_and_more(
    eight: Any, open_page: OpenPage
) -> None:
    station, web = eight
    fill(station)
    page = open_page(web.address, WIDE)
    settled(page)
    expect(page.locator(".banner-sound")).to_be_visible()  # even with a banner
    for channel in ("spo2", "pr", "nibp_sys", "nibp_dia"):
        number = page.locator(f'.tile[data-room="room-1"] [data-channel="{channel}"]')
        assert number.evaluate(SIZE_OF) >= 96, channel
    page.get_by_role("button", name="Arm sound").click()
    page.get_by_role("button", name="I heard it").click()
    expect(page.locator(".banner-sound")).to_be_hidden()
    first = page.locator('.tile[data-room="room-1"]')
    assert first.locator(".alarm-text").first.evaluate(SIZE_OF) >= 47
    assert first.locator(".tile-due").evaluate(SIZE_OF) >= 31
    assert first.locator(".vital-nibp .vital-note").evaluate(SIZE_OF) >= 31
    assert page.locator(".tile").count() == 8
    boxes = [tile.bounding_box() for tile in page.locator(".tile").all()]
    assert all(box and box["y"] + box["height"] <= 1080 for box in boxes)


@pytest.mark.parametrize("size", [WIDE, LAPTOP, PHONE], ids=str)
def test_nothing_in_a_tile_lies_on_anything_else(
    eight: Any, open_page: OpenPage, size: tuple[int, int]
) -> None:
    station, web = eight
    fill(station)
    page = open_page(web.address, size)
    settled(page)
    assert page.evaluate(OVERLAPS) == []


@pytest.mark.parametrize("path", ["/", "/room/room-1", "/devices", "/review"])
def test_a_phone_needs_no_sideways_scrolling(eight: Any, open_page: OpenPage, path: str) -> None:
    station, web = eight
    fill(station)
    page = open_page(web.address + path, PHONE)
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    for element in ("document.documentElement", "document.querySelector('.view')"):
        assert page.evaluate(f"{element}.scrollWidth - {element}.clientWidth") <= 0, element


def test_a_small_screen_shows_the_worst_first_and_counts_what_it_hides(
    eight: Any, open_page: OpenPage
) -> None:
    station, web = eight
    page = open_page(web.address, PHONE)
    station.publish(
        alarm("room-6", onset_us=station.now_us),
        alarm("room-4", priority="medium", text="SpO2 90 < 92"),
    )
    expect(page.locator(".tile").first).to_have_attribute("data-room", "room-6")
    expect(page.locator(".tile").nth(1)).to_have_attribute("data-room", "room-4")
    hidden = page.locator(".hidden-rooms")
    expect(hidden).to_contain_text("not shown")
    count = int(hidden.inner_text().split()[0])
    assert 5 <= count <= 7


def test_rooms_stay_in_their_places_where_all_of_them_fit(eight: Any, open_page: OpenPage) -> None:
    station, web = eight
    page = open_page(web.address, LAPTOP)
    station.publish(alarm("room-6"))
    expect(page.locator('[data-room="room-6"] .alarm')).to_be_visible()
    rooms = "[...document.querySelectorAll('.tile')].map(e => e.dataset.room)"
    assert page.evaluate(rooms) == [f"room-{n}" for n in range(1, 9)]
    expect(page.locator(".hidden-rooms")).to_be_hidden()


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=str)
def test_everything_one_can_press_is_44_px_or_more(
    eight: Any, open_page: OpenPage, size: tuple[int, int]
) -> None:
    station, web = eight
    fill(station)
    for path in ("/", "/room/room-1"):
        page = open_page(web.address + path, size)
        expect(page.locator('[data-alarm="spo2-low"]').first).to_be_attached()
        small = page.evaluate(
            "[...document.querySelectorAll('button, input, select, nav a')]"
            ".filter(e => e.offsetParent && !e.closest('.alarm:not(:first-child)'))"
            ".map(e => [e.textContent, e.getBoundingClientRect()])"
            ".filter(([, r]) => r.height && (r.height < 43.5 || r.width < 43.5))"
            ".map(([text, r]) => [text, r.width, r.height])"
        )
        assert small == [], path


def test_alarms_do_not_flash_for_those_who_asked_for_less_motion(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    page = open_page(web.address, prepare=lambda page: page.emulate_media(reduced_motion="reduce"))
    station.publish(alarm("room-1"))
    animation = "e => getComputedStyle(e).animationName"
    shown = page.locator('[data-alarm="spo2-low"]')
    assert shown.evaluate(animation) == "none"
    page.emulate_media(reduced_motion="no-preference")
    assert shown.evaluate(animation) == "flash-high"


def test_the_vitals_of_the_room_page_are_readable_from_afar(
    eight: Any, open_page: OpenPage
) -> None:
    station, web = eight
    fill(station)
    for size in (WIDE, LAPTOP):
        page = open_page(web.address + "/room/room-1", size)
        for channel in ("spo2", "pr", "nibp_sys"):
            number = page.locator(f'[data-channel="{channel}"]')
            assert number.evaluate(SIZE_OF) >= 96
            fits = "e => e.parentElement.scrollWidth - e.parentElement.clientWidth"
            assert number.evaluate(fits) <= 0


IN_THE_BAR = """
() => {
  const all = '#kv-header .nav-link, .bar-alarms .count, .emergency-button, .bar > .chip,' +
    ' .bar-who, .bar-clock';
  const parts = [...document.querySelectorAll(all)].filter(e => e.getClientRects().length);
  const bad = [];
  parts.forEach((a, i) => parts.slice(i + 1).forEach(b => {
    const [p, q] = [a.getBoundingClientRect(), b.getBoundingClientRect()];
    const w = Math.min(p.right, q.right) - Math.max(p.left, q.left);
    const h = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
    if (w > 1 && h > 1) bad.push([a.className, b.className, w]);
  }));
  return bad;
}
"""


def test_counts_of_alarms_never_lie_on_the_navigation(eight: Any, open_page: OpenPage) -> None:
    station, web = eight
    station.publish(
        alarm("room-1", onset_us=station.now_us),
        alarm("room-2", priority="medium", text="oximeter: link lost"),
        alarm("room-3", priority="low", text="BP overdue", side="technical", limit=None),
    )
    page = open_page(web.address + "/review", LAPTOP)
    expect(page.locator(".bar-alarms .count:visible")).to_have_count(3)
    page.mouse.click(5, 700)  # the longest of the chips: SOUND NOT ARMED
    expect(page.locator(".chip-sound")).to_have_text("SOUND NOT ARMED")
    for width in (920, 1024, 1180, 1280, 1366, 1500):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(IN_THE_BAR) == [], width
