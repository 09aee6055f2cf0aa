"""What stands on the screen is current, or says that it is not."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import OpenPage
from tests.dashboard.ward import CUFF, reading
from vitals.model import US

pytestmark = pytest.mark.usefixtures("without_charts")

# Every text that a number ever showed, with its state and the age of its sample by the page's
# own idea of the station's time.
HISTORY = """
window.__shown = [];
document.addEventListener('DOMContentLoaded', () => {
  new MutationObserver(() => {
    for (const b of document.querySelectorAll('[data-room="room-1"] [data-channel="spo2"]')) {
      const at = Number(b.dataset.atUs || 0);
      const now = window.kv.clock.nowUs();
      const seen = [b.textContent, b.dataset.state, now === null ? null : (now - at) / 1e6];
      const last = window.__shown[window.__shown.length - 1] || [];
      if (seen[0] !== last[0] || seen[1] !== last[1]) window.__shown.push(seen);
    }
  }).observe(document.body, {subtree: true, childList: true, characterData: true,
                             attributes: true});
});
"""


def number(page: Page, channel: str, room: str = "room-1") -> Any:
    return page.locator(f'.tile[data-room="{room}"] [data-channel="{channel}"]')


def test_a_number_is_shown_with_its_channel_its_time_and_its_state(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    page = open_page(web.address)
    at_us = station.now_us
    station.numeric("room-1", "spo2", 97.4, at_us=at_us, fresh_s=30.0, gone_s=60.0)
    shown = number(page, "spo2")
    expect(shown).to_have_text("97")
    expect(shown).to_have_attribute("data-state", "fresh")
    expect(shown).to_have_attribute("data-at-us", str(at_us))


def test_a_number_turns_stale_and_then_none_by_the_stations_clock(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    page = open_page(web.address, script=HISTORY)
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    station.numeric("room-1", "spo2", 97, fresh_s=1.5, gone_s=3.5)
    shown = number(page, "spo2")
    expect(shown).to_have_attribute("data-state", "fresh")
    expect(shown).to_have_attribute("data-state", "stale")
    expect(shown).to_have_text("97")
    expect(page.locator('.tile[data-room="room-1"] .vital-spo2 .vital-note')).to_contain_text("old")
    expect(shown).to_have_attribute("data-state", "none")
    expect(shown).to_have_text("--")
    history = page.evaluate("__shown")
    ages = {(text, state): age for text, state, age in history if text == "97" or age > 1.5}
    assert 1.5 <= ages["97", "stale"] <= 2.6
    assert 3.5 <= ages["--", "none"] <= 4.6


def test_what_many_rooms_tell_at_once_is_drawn_together(two: Any, open_page: OpenPage) -> None:
    station, web = two
    page = open_page(web.address)
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    station.numeric("room-1", "spo2", 97)
    expect(number(page, "spo2")).to_have_text("97")
    at_once, later, text = page.evaluate(
        """async () => {
          const title = kv.title; let drawn = 0;
          kv.title = (...words) => { drawn += 1; return title(...words); };
          await new Promise((done) => setTimeout(done, 50));
          const last = kv.model.rooms.get("room-1").numerics.spo2;
          drawn = 0;
          for (let i = 1; i <= 40; i += 1) {
            const now = {t: "numeric", room: "room-1", at_us: last.at_us + i, value: 50 + i};
            const next = {...last, ...now};
            kv.model.take([next], performance.now());
            kv.emit("frame", [next]);
          }
          const atOnce = drawn;
          await new Promise((done) => setTimeout(done, 60));
          return [atOnce, drawn, document.querySelector('[data-channel="spo2"]').textContent];
        }"""
    )
    assert at_once <= 1
    assert 1 <= later <= 5, "the beat of the page among them"
    assert text == "90", "the last of them is drawn, though nothing came after it"


def test_no_value_is_two_dashes_and_never_zero(two: Any, open_page: OpenPage) -> None:
    station, web = two
    page = open_page(web.address, script=HISTORY)
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    station.vitals("room-1", 97, 72)
    expect(number(page, "spo2")).to_have_text("97")
    station.numeric("room-1", "spo2", None)
    expect(number(page, "spo2")).to_have_text("--")
    station.numeric("room-1", "pr", 0, quality="invalid")
    expect(number(page, "pr")).to_have_text("--")
    assert "0" not in {text for text, _, _ in page.evaluate("__shown")}


def test_an_older_sample_never_replaces_a_newer_one(two: Any, open_page: OpenPage) -> None:
    station, web = two
    page = open_page(web.address)
    now_us = station.now_us
    station.numeric("room-1", "spo2", 97, at_us=now_us, fresh_s=30, gone_s=60)
    expect(number(page, "spo2")).to_have_text("97")
    station.numeric("room-1", "spo2", 61, at_us=now_us - US, fresh_s=30, gone_s=60)
    station.numeric("room-1", "pr", 72, at_us=now_us, fresh_s=30, gone_s=60)
    expect(number(page, "pr")).to_have_text("72")
    expect(number(page, "spo2")).to_have_text("97")


def test_a_blood_pressure_keeps_its_number_and_shows_its_age(two: Any, open_page: OpenPage) -> None:
    station, web = two
    station.publish(*reading("room-1", station.now_us - 14 * 60 * US, 142, 91))
    station.publish(*reading("room-2", station.now_us - 3 * 60 * US, 118, 74))
    page = open_page(web.address)
    for room, sys, age, state in (
        ("room-1", "142", "14 min", "stale"),
        ("room-2", "118", "3 min", "fresh"),
    ):
        expect(number(page, "nibp_sys", room)).to_have_text(sys)
        expect(number(page, "nibp_sys", room)).to_have_attribute("data-state", state)
        tile = page.locator(f'.tile[data-room="{room}"]')
        expect(tile.locator(".vital-nibp .vital-note")).to_have_text(age)


def test_heart_rate_is_shown_where_there_is_one_else_pulse_rate_by_name(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    page = open_page(web.address)
    label = page.locator('.tile[data-room="room-1"] .vital-pulse .vital-label')
    station.numeric("room-1", "pr", 72, fresh_s=30, gone_s=60)
    expect(number(page, "pr")).to_have_text("72")
    expect(label).to_have_text("PR")
    station.numeric("room-1", "hr", 70, fresh_s=30, gone_s=60)
    expect(number(page, "hr")).to_have_text("70")
    expect(label).to_have_text("HR")
    expect(number(page, "pr")).to_have_count(0)


def test_the_newest_value_is_shown_whichever_device_it_is_from(
    two: Any, open_page: OpenPage
) -> None:
    """The station publishes only the device that is judged, so what is shown is what is judged."""
    station, web = two
    page = open_page(web.address)
    station.numeric("room-1", "pr", 88, device=CUFF)
    expect(number(page, "pr")).to_have_text("88")
    station.numeric("room-1", "pr", 72)
    expect(number(page, "pr")).to_have_text("72")
    station.numeric("room-1", "pr", 90, device=CUFF)
    expect(number(page, "pr")).to_have_text("90")


def test_a_room_without_a_session_says_so_and_its_numbers_are_grey(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    page = open_page(web.address)
    colour = "e => getComputedStyle(e).color"
    station.numeric("room-1", "spo2", 97, fresh_s=30, gone_s=60)
    expect(number(page, "spo2")).to_have_text("97")
    bright = number(page, "spo2").evaluate(colour)
    station.publish(_no_session("room-1"))
    tile = page.locator('.tile[data-room="room-1"]')
    expect(tile.locator(".tile-nosession")).to_have_text("NO SESSION – not recorded, no alarms")
    expect(tile.locator(".tile-nosession")).to_be_visible()
    expect(tile).to_have_attribute("data-session", "none")
    assert number(page, "spo2").evaluate(colour) != bright


def test_not_recording_is_said_on_every_page(two: Any, open_page: OpenPage) -> None:
    station, web = two
    pages = [open_page(web.address + path) for path in ("/", "/room/room-1", "/devices", "/review")]
    station.recording = False
    for page in pages:
        expect(page.locator(".banner-recording")).to_contain_text("NOT RECORDING")
    station.recording = True
    expect(pages[0].locator(".banner-recording")).to_be_hidden()


@pytest.mark.long
def test_every_page_says_demo_and_that_it_is_no_medical_device(
    two: Any, open_page: OpenPage
) -> None:
    _, web = two
    for path in ("/", "/room/room-1", "/room/room-1/quiet", "/devices", "/review", "/nowhere"):
        page = open_page(web.address + path)
        expect(page.locator("body")).to_have_attribute("data-mode", "demo")
        footer = page.locator("#kv-footer")
        expect(footer).to_be_visible()
        expect(footer).to_contain_text("not a medical device; keep the monitors' own alarms on")
        before = footer.evaluate("e => getComputedStyle(e, '::before').content")
        assert "DEMO" in before, path


def _no_session(room: str) -> Any:
    from vitals import wire

    return wire.SessionMsg(room=room)
