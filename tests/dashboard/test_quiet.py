"""The screen inside the room: silent, dark and steady, and still somebody can be called."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from dashboard.live import why_not
from dashboard.who import Viewer
from tests.dashboard import ward
from tests.dashboard.conftest import LAPTOP, PHONE, OpenPage, eventually
from tests.dashboard.test_alarm_pages import TONES
from vitals import wire
from vitals.hub import Hub

pytestmark = pytest.mark.long

# Every animation that any element has, and every digit that is to be seen.
MOVING = "document.getAnimations().length"
DIGITS = "/[0-9]/.test(document.querySelector('.quiet-steady').innerText.replace(/SpO.|O2/g, ''))"
BRIGHTEST = """
() => Math.max(...[...document.querySelectorAll('.quiet-room, .quiet-room *')]
  .filter(e => e.getClientRects().length)
  .flatMap(e => [getComputedStyle(e).backgroundColor, getComputedStyle(e).color])
  .map(c => c.match(/[\\d.]+/g).map(Number))
  .filter(c => c.length < 4 || c[3] > 0)
  .map(([r, g, b]) => (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255))
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    now_us = ward.now_us()
    rooms = [ward.room(1, session=ward.session("room-1", now_us)), ward.room(2)]
    with ward.ward(tmp_path_factory.mktemp("quiet"), rooms) as pair:
        yield pair


@pytest.fixture
def quiet(pair: Any, open_page: OpenPage) -> Any:
    """Opens the screen of a room."""

    def open_quiet(room: str = "room-1", size: tuple[int, int] = PHONE) -> Page:
        page = open_page(f"{pair[1].address}/room/{room}/quiet", size, script=TONES)
        expect(page.locator("body")).to_have_attribute("data-link", "live")
        return page

    pair[0].publish(
        *(ward.alarm("room-1", rule, condition="idle") for rule in ("spo2-low", "nurse-call"))
    )
    return open_quiet


@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=str)
def test_a_high_alarm_is_a_steady_word_and_shape_without_a_number_and_without_sound(
    pair: Any, quiet: Any, size: tuple[int, int]
) -> None:
    station, _ = pair
    page = quiet(size=size)
    expect(page.locator(".quiet-room")).to_have_attribute("data-show", "calm")
    page.mouse.click(200, 60)  # from now on the browser would play
    station.vitals("room-1", 86, 72)
    station.publish(ward.alarm("room-1", onset_us=station.now_us))
    expect(page.locator(".quiet-word")).to_have_text("ALARM")
    expect(page.locator(".quiet-text")).to_contain_text("low")
    expect(page.locator(".quiet-steady .icon-high")).to_be_visible()
    assert page.evaluate(DIGITS) is False
    assert page.evaluate(MOVING) == 0
    assert page.evaluate("__tones") == 0
    assert page.evaluate(BRIGHTEST) <= 0.7
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    station.publish(ward.alarm("room-1", acked_by="Anna", sounding=False))
    expect(page.locator(".quiet-text")).to_contain_text("Seen by Anna")
    station.publish(ward.alarm("room-1", condition="latched", acked_by=""))
    expect(page.locator(".quiet-word")).to_have_text("ALARM ENDED")


def test_what_is_less_than_high_draws_no_eye(pair: Any, quiet: Any) -> None:
    station, _ = pair
    page = quiet()
    station.publish(ward.alarm("room-1", "pr-low", priority="medium", text="PR 45 < 50"))
    station.publish(ward.alarm("room-1", "sbp-high", silent=True))
    page.wait_for_timeout(300)
    expect(page.locator(".quiet-room")).to_have_attribute("data-show", "calm")
    station.publish(ward.alarm("room-1", "pr-low", condition="idle"))
    station.publish(ward.alarm("room-1", "sbp-high", condition="idle"))


def test_numbers_come_at_a_tap_and_go_after_ten_seconds(pair: Any, quiet: Any) -> None:
    station, _ = pair
    page = quiet()
    numbers = page.locator(".quiet-numbers")
    expect(numbers).to_be_hidden()
    station.numeric("room-1", "spo2", 97, fresh_s=60, gone_s=60)
    page.evaluate("document.querySelector('.quiet-room').click()")
    expect(numbers.locator('[data-channel="spo2"]')).to_have_text("97")
    shown_ms = page.evaluate("performance.now()")
    expect(numbers).to_be_hidden(timeout=15000)
    assert 8000 <= page.evaluate("performance.now()") - shown_ms <= 13000
    page.get_by_role("button", name="Show numbers").press("Enter")
    expect(numbers).to_be_visible()
    page.get_by_role("button", name="Hide numbers").press("Enter")
    expect(numbers).to_be_hidden()


def test_the_nurse_is_called_by_one_press_and_the_screen_says_who_has_seen_it(
    pair: Any, quiet: Any
) -> None:
    station, _ = pair
    page = quiet()
    page.get_by_role("button", name="Call nurse").click()
    eventually(page, lambda: ("call_nurse", {}) in station.told)
    assert next(c for c in station.commands if c.kind == "call_nurse").room == "room-1"
    call = {"priority": "medium", "side": "technical", "limit": None, "channel": ""}
    station.publish(ward.alarm("room-1", "nurse-call", text="NURSE CALLED", **call))
    expect(page.locator(".quiet-called")).to_have_text("Nurse called")
    station.publish(ward.alarm("room-1", "nurse-call", acked_by="Ben", **call))
    expect(page.locator(".quiet-called")).to_have_text("Seen by Ben")
    expect(page.locator(".quiet-room")).to_have_attribute("data-show", "calm")


def test_a_screen_that_hears_nothing_says_so(pair: Any, quiet: Any) -> None:
    station, _ = pair
    page = quiet()
    station.beating = False
    try:
        expect(page.locator(".quiet-room")).to_have_attribute("data-show", "lost", timeout=15000)
        expect(page.locator(".quiet-word")).to_have_text("NO DATA")
        assert page.evaluate("__tones") == 0
    finally:
        station.beating = True


def test_a_room_without_a_session_says_that_nothing_is_watched(quiet: Any) -> None:
    page = quiet("room-2")
    expect(page.locator(".quiet-text")).to_contain_text("nothing is watched")
    expect(page.get_by_role("button", name="Call nurse")).to_be_enabled()


def test_a_locked_screen_still_calls_the_nurse(pair: Any, quiet: Any) -> None:
    station, _ = pair
    page = quiet()
    before = len(station.told)
    page.evaluate("Object.defineProperty(kv.who, 'locked', {get: () => true}); kv.emit('tick')")
    page.get_by_role("button", name="Call").click()
    eventually(page, lambda: len(station.told) > before)
    assert station.told[-1][0] == "call_nurse"


def test_the_server_lets_a_locked_screen_call_the_nurse_and_nothing_else() -> None:
    viewer = Viewer(name="Anna", locked=True)
    asked = {"id": "c1", "room": "room-1", "name": "Anna"}
    for kind in ("call_nurse", "emergency"):
        assert why_not(Hub(), viewer, wire.CommandMsg(kind=kind, **asked)) is None
    for kind in ("acknowledge", "dose", "mark"):
        assert why_not(Hub(), viewer, wire.CommandMsg(kind=kind, **asked)) is not None
    elsewhere = replace(viewer, rooms=frozenset({"room-2"}))
    assert why_not(Hub(), elsewhere, wire.CommandMsg(kind="call_nurse", **asked)) is not None
