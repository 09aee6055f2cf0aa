"""Every page for everybody: axe-core, contrast of live numbers, and the keyboard alone.

axe-core is fetched by `.ci/npm` (see the Makefile).
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.dashboard import people, recorded, ward
from tests.dashboard.conftest import LAPTOP, PHONE, WIDE, OpenPage, eventually
from vitals import wire
from vitals.session import care

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "build" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
PATHS = (
    "/",
    "/room/room-1/quiet",
    "/room/room-1/handover",
    "/handover",
    "/devices",
    "/review",
    f"/review/{recorded.UUID}",
)
PHASES = (
    "CHECK_IN",
    "BASELINE",
    "GATE",
    "DOSING",
    "ONSET_PEAK",
    "DESCENT",
    "RECOVERY",
    "DISCHARGE_CHECK",
    "ABORTED",
    "EMERGENCY",
)
RUN = """
async () => {
  const found = await axe.run(document, {resultTypes: ['violations'], iframes: false});
  return found.violations
    .filter(each => ['serious', 'critical'].includes(each.impact))
    .map(each => each.id + ': ' + each.nodes.map(n => n.target.join(' ')).slice(0, 4).join(' | '));
}
"""
# Contrast of each number's text to what lies behind it.
CONTRASTS = """
() => {
  const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const over = (top, under) => {
    const a = top.length > 3 ? top[3] : 1;
    return [0, 1, 2].map(i => top[i] * a + under[i] * (1 - a));
  };
  const light = c => {
    const [r, g, b] = c.map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 :
      Math.pow((v + 0.055) / 1.055, 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = e => {
    const chain = [];
    const back = n => parse(getComputedStyle(n).backgroundColor);
    for (let n = e; n; n = n.parentElement) chain.unshift(back(n));
    return chain.reduce((under, top) => over(top, under), [0, 0, 0]);
  };
  return [...document.querySelectorAll('[data-channel][data-state="fresh"]')]
    .filter(e => e.getClientRects().length)
    .map(e => {
      const [a, b] = [light(over(parse(getComputedStyle(e).color), behind(e))), light(behind(e))];
      return [e.closest('[data-room]').dataset.room + ' ' + e.dataset.channel,
              (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
    });
}
"""
# What Tab must reach, and whether what has the focus shows it.
REACHABLE = """
() => [...document.querySelectorAll('a[href], button, input, select, textarea, summary')]
  .filter(e => e.checkVisibility({visibilityProperty: true}) && !e.disabled && e.tabIndex >= 0
    && !e.closest('fieldset[disabled], [inert]') && e.getAttribute('role') !== 'tab')
"""
FOCUSED = """
() => {
  const e = document.activeElement;
  if (!e || e === document.body) return null;
  const style = getComputedStyle(e);
  e.dataset.tabbed = 'yes';
  const shown = e.matches(':focus-visible') && parseFloat(style.outlineWidth) >= 2
    && style.outlineStyle !== 'none';
  return {words: (e.textContent || e.getAttribute('aria-label') || e.tagName).slice(0, 40), shown};
}
"""


@pytest.fixture(scope="module")
def axe() -> str:
    """The script itself; fetched when nobody has done so yet."""
    if not SCRIPT.exists():
        subprocess.run(["sh", str(ROOT / ".ci" / "npm")], check=True)
    return SCRIPT.read_text()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Eight rooms in all states, and a record with one session."""
    folder = tmp_path_factory.mktemp("axe")
    recorded.write(folder / "ward.db")
    with ward.ward(folder, ward.eight_rooms(), care=care.load().text) as pair:
        station = pair[0]
        now_us = station.now_us
        station.publish(
            ward.alarm("room-3", onset_us=now_us),
            ward.alarm("room-4", priority="medium", text="SpO2 91 < 92", limit=92),
            ward.alarm("room-5", priority="low", side="technical", limit=None, text="BP overdue"),
            ward.alarm("room-6", acked_by="Anna", sounding=False),
            ward.alarm("room-2", "pr-high", rule_state="off", rule_by="Anna", rule_reason="moves"),
            ward.due("room-3", now_us - 1, "due"),
            ward.due("room-5", now_us - 200_000_000, "overdue"),
            wire.HeldMsg(id="h", device="cuff-7", at_us=now_us, values={"nibp_sys": 128.0}),
        )
        yield pair


def numbers(station: Any) -> None:
    for number in range(1, 9):
        for channel, value in (("spo2", 97), ("pr", 72)):
            station.numeric(f"room-{number}", channel, value, fresh_s=90, gone_s=90)


def violations(page: Page, axe: str) -> list[str]:
    page.evaluate("script => { (0, eval)(script); }", axe)
    found: list[str] = page.evaluate(RUN)
    return found


def ready(page: Page) -> None:
    expect(page.locator("body")).to_have_attribute("data-link", "live")


@pytest.mark.parametrize("path", PATHS)
def test_no_page_has_a_serious_barrier(pair: Any, axe: str, open_page: OpenPage, path: str) -> None:
    station, web = pair
    numbers(station)
    page = open_page(web.address + path, WIDE)
    ready(page)
    for size in (WIDE, LAPTOP, PHONE):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        assert violations(page, axe) == [], size


@pytest.mark.parametrize("phase", PHASES)
def test_no_phase_of_a_room_has_a_serious_barrier(
    pair: Any, axe: str, open_page: OpenPage, phase: str
) -> None:
    station, web = pair
    numbers(station)
    dosed = None if phase in ("CHECK_IN", "BASELINE", "GATE", "DOSING") else 42
    station.publish(ward.session("room-1", station.now_us, dosed, phase=phase))
    page = open_page(web.address + "/room/room-1", WIDE)
    ready(page)
    for size in (WIDE, LAPTOP, PHONE):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        assert violations(page, axe) == [], size


@pytest.mark.parametrize("phase", ["CHECK_IN", "DISCHARGE_CHECK"])
def test_no_form_of_a_room_has_a_serious_barrier(
    pair: Any, axe: str, open_page: OpenPage, phase: str
) -> None:
    station, web = pair
    numbers(station)
    dosed = None if phase == "CHECK_IN" else 42
    station.publish(ward.session("room-1", station.now_us, dosed, phase=phase))
    page = open_page(web.address + "/room/room-1", WIDE)
    ready(page)
    tabs = page.locator("button[data-tab]:not([hidden])")
    shown = [tab.get_attribute("data-tab") for tab in tabs.all()]
    assert len(shown) >= 3
    for tab in shown:
        # that a finger can press it is tested elsewhere
        page.locator(f'button[data-tab="{tab}"]').dispatch_event("click")
        for size in (WIDE, LAPTOP, PHONE):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            assert violations(page, axe) == [], (tab, size)


def test_the_page_to_sign_in_has_no_serious_barrier(
    tmp_path: Path, axe: str, browser: Browser
) -> None:
    with people.clinic(tmp_path) as (_, web):
        context = browser.new_context()
        try:
            page = context.new_page()
            page.goto(web.address + "/login")
            expect(page.locator("form").first).to_be_visible()
            for size in (WIDE, LAPTOP, PHONE):
                page.set_viewport_size({"width": size[0], "height": size[1]})
                assert violations(page, axe) == [], size
        finally:
            context.close()


@pytest.mark.parametrize("path", ["/", "/room/room-3"])
def test_live_numbers_stand_out_seven_times(pair: Any, open_page: OpenPage, path: str) -> None:
    station, web = pair
    page = open_page(web.address + path, WIDE)
    numbers(station)
    page.wait_for_selector('[data-channel="spo2"][data-state="fresh"]')
    measured: list[Any] = []
    eventually(page, lambda: measured.extend(page.evaluate(CONTRASTS)) or len(measured) >= 2)
    assert [each for each in measured if each[1] < 7] == []


@pytest.mark.parametrize("path", ["/", "/room/room-1", "/handover", "/room/room-1/quiet"])
def test_the_keyboard_alone_reaches_everything_and_shows_where_it_is(
    pair: Any, open_page: OpenPage, path: str
) -> None:
    page = open_page(pair[1].address + path, WIDE)
    ready(page)
    assert page.evaluate(f"({REACHABLE})().length") > 0
    for _ in range(150):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused is None:
            break
        assert focused["shown"], focused["words"]
    missed = page.evaluate(
        f"({REACHABLE})().filter(e => !e.dataset.tabbed).map(e => e.outerHTML.slice(0, 120))"
    )
    assert missed == []
