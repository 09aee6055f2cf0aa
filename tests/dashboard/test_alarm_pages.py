"""Alarms on the pages: hooks, order, sound, acknowledging."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import OpenPage, eventually
from tests.dashboard.ward import alarm, wait_until
from vitals.model import US

pytestmark = pytest.mark.usefixtures("without_charts")

# Counts the tones that the page starts.
TONES = """
window.__tones = 0;
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...a) {
  window.__tones += 1;
  return start.apply(this, a);
};
"""


def shown(page: Page, rule: str = "spo2-low", room: str = "room-1") -> Any:
    return page.locator(f'[data-room="{room}"] [data-alarm="{rule}"]')


def test_an_alarm_appears_with_its_hooks_and_disappears(two: Any, open_page: OpenPage) -> None:
    station, web = two
    for path in ("/", "/room/room-1"):
        page = open_page(web.address + path)
        station.publish(alarm("room-1", onset_us=station.now_us))
        here = shown(page)
        expect(here).to_be_visible()
        for hook, value in (
            ("data-priority", "high"),
            ("data-condition", "active"),
            ("data-ack", ""),
        ):
            expect(here).to_have_attribute(hook, value)
        expect(here).to_contain_text("SpO2 86 < 88")
        expect(here).to_contain_text("HIGH")
        station.publish(alarm("room-1", condition="idle", sounding=False))
        expect(here).to_have_count(0)


def test_a_number_that_is_out_says_which_way_in_sign_and_word(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    page = open_page(web.address)
    station.numeric("room-1", "spo2", 86, fresh_s=60, gone_s=60)
    station.publish(alarm("room-1"))
    vital = page.locator('[data-room="room-1"] .vital-spo2')
    expect(vital.locator(".vital-limit")).to_have_text("▼ BELOW 88")
    expect(vital).to_have_attribute("data-out", "high")
    station.publish(alarm("room-1", condition="latched"))
    expect(vital.locator(".vital-limit")).to_have_text("")
    expect(shown(page)).to_contain_text("ENDED")


def test_acknowledging_in_one_browser_shows_in_another(two: Any, open_page: OpenPage) -> None:
    station, web = two
    first, second = open_page(web.address), open_page(web.address + "/room/room-1")
    station.publish(alarm("room-1"))
    second.locator("#kv-who").fill("Anna")
    second.locator("#kv-who").press("Tab")
    second.get_by_role("button", name="Acknowledge SpO2 86 < 88").click()
    for page in (first, second):
        expect(shown(page)).to_have_attribute("data-ack", "Anna")
        expect(shown(page)).to_contain_text("Anna")
    (command,) = station.commands
    assert (command.kind, command.room) == ("acknowledge", "room-1")
    assert command.args["rule"] == "spo2-low"
    assert {"level", "onset_us"} <= command.args.keys(), "what the person saw"
    assert (command.name, command.role) == ("Anna", "nurse")


def test_the_worst_alarm_comes_first_and_the_others_are_counted(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    tile, room = open_page(web.address), open_page(web.address + "/room/room-1")
    technical = {"side": "technical", "channel": "", "limit": None, "sounding": False}
    station.publish(
        alarm("room-1", "battery-low", priority="low", text="Battery low", **technical),
        alarm("room-1", "spo2-low", priority="medium", text="SpO2 90 < 92"),
        alarm("room-1", "pr-high", channel="pr", side="high", text="PR 134 > 130"),
    )
    rules = "[...document.querySelectorAll('[data-room=room-1] .alarm')].map(e => e.dataset.alarm)"
    for page in (tile, room):
        expect(shown(page, "battery-low")).to_have_count(1)
        assert page.evaluate(rules) == ["pr-high", "spo2-low", "battery-low"]
    expect(shown(tile, "pr-high")).to_contain_text("+2 more")
    expect(tile.locator(".bar-worst")).to_have_text("Room 1: PR 134 > 130")
    assert tile.title().startswith("!!! 3 alarms")


def test_an_alarm_of_another_room_is_seen_on_every_page(two: Any, open_page: OpenPage) -> None:
    station, web = two
    page = open_page(web.address + "/room/room-2")
    station.publish(alarm("room-1"))
    expect(page.locator(".bar-worst")).to_have_text("Room 1: SpO2 86 < 88")
    page.locator(".bar-worst").click()
    page.wait_for_url("**/room/room-1")
    expect(page.locator(".room-name")).to_have_text("Room 1")


def test_sound_follows_the_worst_alarm_in_its_pattern(two: Any, open_page: OpenPage) -> None:
    station, web = two
    page = open_page(web.address, script=TONES)
    page.mouse.click(5, 300)  # any click permits sound, though nobody has confirmed it yet
    expect(page.locator(".chip-sound")).to_have_text("SOUND NOT ARMED")
    assert page.evaluate("__tones") == 0
    station.publish(alarm("room-1"))
    eventually(page, lambda: page.evaluate("__tones") == 10)
    station.publish(alarm("room-1", acked_by="Anna", sounding=False))
    expect(page.locator("body")).not_to_have_attribute("data-sounding", "high")
    station.publish(alarm("room-2", priority="medium"))
    eventually(page, lambda: page.evaluate("__tones") == 13)


def test_armed_sound_survives_going_to_another_page(two: Any, open_page: OpenPage) -> None:
    _, web = two
    page = open_page(web.address)
    page.get_by_role("button", name="Arm sound").click()
    page.get_by_role("button", name="I heard it").click()
    page.evaluate("window.__same = true")
    page.get_by_role("link", name="Room 2", exact=True).click()
    expect(page.locator(".room-name")).to_have_text("Room 2")
    page.get_by_role("link", name="All rooms").click()
    expect(page.locator(".tile")).to_have_count(2)
    assert page.evaluate("window.__same") is True
    expect(page.locator(".chip-sound")).to_have_text("SOUND ON")


def test_an_audio_pause_counts_down_on_the_page(two: Any, open_page: OpenPage) -> None:
    station, web = two
    page = open_page(web.address + "/room/room-1")
    pause = page.get_by_role("button", name="Pause all sound 2 min")
    expect(pause).to_be_disabled()
    station.publish(alarm("room-1"))
    expect(pause).to_be_enabled()
    pause.click()
    wait_until(lambda: [c.kind for c in station.commands] == ["pause_audio"])
    until_us = station.now_us + 90 * US
    station.publish(alarm("room-1", signal="paused", signal_until_us=until_us, sounding=False))
    expect(shown(page)).to_contain_text("audio paused 1:")
    expect(page.get_by_role("button", name="Resume audio")).to_contain_text("(1:")


def test_the_quiet_room_is_silent_and_shows_only_a_high_alarm(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    page = open_page(web.address + "/room/room-1/quiet", script=TONES)
    page.mouse.click(200, 200)
    station.publish(alarm("room-1", "pr-low", priority="medium", text="PR 45 < 50"))
    station.publish(alarm("room-1"))
    quiet = page.locator(".quiet-room")
    expect(quiet).to_have_attribute("data-alarm", "spo2-low")
    expect(quiet).to_contain_text("ALARM")
    expect(quiet).not_to_contain_text("PR 45")
    expect(page.locator("#kv-header")).to_be_hidden()
    assert page.evaluate("__tones") == 0
