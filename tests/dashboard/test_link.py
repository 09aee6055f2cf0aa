"""What a page does when the station, the server, or the computer itself goes to sleep."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.dashboard.conftest import OpenPage, eventually
from tests.dashboard.ward import wait_until
from vitals.model import US

SPO2 = '.tile[data-room="room-1"] [data-channel="spo2"]'

# Lets a test pretend that the computer was asleep: wall time passes, the page does not run.
SLEEP = """
(() => {
  const now = Date.now;
  window.__slept = 0;
  Date.now = () => now() + window.__slept;
  window.__painted = [];
  document.addEventListener('DOMContentLoaded', () => {
    new MutationObserver(() => {
      const b = document.querySelector('[data-room="room-1"] [data-channel="spo2"]');
      if (b) window.__painted.push([b.textContent, b.dataset.state]);
    }).observe(document.body, {subtree: true, childList: true, characterData: true,
                               attributes: true});
  });
})();
"""


def live(page: Page) -> None:
    expect(page.locator("body")).to_have_attribute("data-link", "live")


def seconds_until(condition: Callable[[], object]) -> float:
    start = time.monotonic()
    wait_until(condition)
    return time.monotonic() - start


def link(page: Page) -> str:
    state: str = page.evaluate("document.body.dataset.link")
    return state


def test_a_page_is_live_within_seconds_of_opening(two: Any, open_page: OpenPage) -> None:
    _, web = two
    page = open_page(web.address)
    live(page)
    expect(page.locator(".banner-lost")).to_be_hidden()
    expect(page.locator(".chip-link")).to_have_text("LIVE")


def test_server_gone_is_lost_within_5_s_and_live_again_with_right_numbers_after_restart(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    page = open_page(web.address)
    live(page)
    station.numeric("room-1", "spo2", 97, fresh_s=60, gone_s=90)
    expect(page.locator(SPO2)).to_have_text("97")
    web.stop()
    assert seconds_until(lambda: link(page) == "lost") < 5
    expect(page.locator(SPO2)).not_to_have_attribute("data-state", "fresh")
    expect(page.locator(".banner-lost")).to_contain_text("Watch the monitors", timeout=8000)
    station.numeric("room-1", "spo2", 93, fresh_s=60, gone_s=90)
    web.start()
    assert seconds_until(lambda: link(page) == "live") < 6
    expect(page.locator(SPO2)).to_have_text("93")
    expect(page.locator(SPO2)).to_have_attribute("data-state", "fresh")
    expect(page.locator(".banner-lost")).to_be_hidden()


def test_a_silent_station_is_stale_and_the_page_alarms_by_itself(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    page = open_page(web.address)
    live(page)
    station.numeric("room-1", "spo2", 97, fresh_s=60, gone_s=90)
    expect(page.locator(SPO2)).to_have_attribute("data-state", "fresh")
    station.beating = False
    assert seconds_until(lambda: link(page) == "stale") < 5.5
    expect(page.locator(SPO2)).to_have_attribute("data-state", "stale")
    expect(page.locator("body")).to_have_attribute("data-sounding", "high")
    expect(page.locator(".banner-lost")).to_have_attribute("data-alarming", "yes")
    page.get_by_role("button", name="Silence").click()
    expect(page.locator("body")).not_to_have_attribute("data-sounding", "high")
    station.beating = True
    live(page)
    expect(page.locator(SPO2)).to_have_attribute("data-state", "fresh")


def test_a_station_that_was_killed_is_stale_at_once(two: Any, open_page: OpenPage) -> None:
    station, web = two
    page = open_page(web.address)
    live(page)
    station.hang_up(seconds=8)
    assert seconds_until(lambda: link(page) == "stale") < 1.5
    # the server itself is still heard: it is not "lost", however long this lasts
    eventually(page, lambda: page.evaluate("kv.link.silentS()") > 6)
    assert link(page) == "stale"
    expect(page.locator("body")).to_have_attribute("data-link", "live", timeout=15000)


def test_a_page_opened_while_the_station_is_away_shows_nothing_as_current(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    station.numeric("room-1", "spo2", 97, fresh_s=600, gone_s=900)
    station.beating = False
    wait_until(lambda: web.server.hub.link == "stale")
    page = open_page(web.address)
    expect(page.locator("body")).to_have_attribute("data-link", "stale")
    expect(page.locator(SPO2)).not_to_have_attribute("data-state", "fresh")


def test_after_a_sleep_no_buffered_sample_is_ever_painted_as_current(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    held: list[str] = []
    sockets: list[WebSocketRoute] = []
    holding = [False]

    def through(socket: WebSocketRoute) -> None:
        """Passes frames on, or keeps them as the buffer of a sleeping computer does."""
        sockets.append(socket)
        server = socket.connect_to_server()
        first = len(sockets) == 1
        server.on_message(
            lambda frame: held.append(str(frame)) if holding[0] and first else socket.send(frame)
        )

    page = open_page(
        web.address,
        script=SLEEP,
        prepare=lambda page: page.route_web_socket("**/live**", through),
    )
    live(page)
    station.numeric("room-1", "spo2", 97)
    expect(page.locator(SPO2)).to_have_text("97")
    holding[0] = True
    for value in (61, 62, 63):  # these are what the buffer will hold
        station.numeric("room-1", "spo2", value)
    eventually(page, lambda: any('"value":63' in frame for frame in held))
    page.evaluate("__slept += 40000")
    for frame in held:
        sockets[0].send(frame)
    eventually(page, lambda: len(sockets) > 1)
    # on the new connection the last of them is as old as the sleep was long
    live(page)
    station.numeric("room-1", "spo2", 96)
    expect(page.locator(SPO2)).to_have_text("96")
    painted = {tuple(seen) for seen in page.evaluate("__painted")}
    assert ("97", "fresh") in painted
    assert not painted & {(str(v), "fresh") for v in (61, 62)}, painted


def test_samples_that_arrive_late_are_judged_by_their_own_time(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    page = open_page(web.address, script=SLEEP)
    live(page)
    station.numeric("room-1", "spo2", 61, at_us=station.now_us - 40 * US)
    station.numeric("room-1", "pr", 72, fresh_s=60, gone_s=60)
    expect(page.locator('.tile[data-room="room-1"] [data-channel="pr"]')).to_have_text("72")
    expect(page.locator(SPO2)).to_have_text("--")
    assert "61" not in {text for text, _ in page.evaluate("__painted")}


def test_a_clock_that_is_set_in_the_browser_changes_no_age(two: Any, open_page: OpenPage) -> None:
    station, web = two
    page = open_page(web.address, script=SLEEP)
    live(page)
    page.evaluate("__slept -= 3600000")  # an hour back: noticed, reconnected, and no harm done
    live(page)
    station.numeric("room-1", "spo2", 95)
    expect(page.locator(SPO2)).to_have_attribute("data-state", "fresh")


def test_a_page_that_was_chosen_while_the_server_was_away_comes_with_the_server(
    two: Any, open_page: OpenPage
) -> None:
    _, web = two
    page = open_page(web.address)
    live(page)
    web.stop()
    eventually(page, lambda: link(page) == "lost")
    page.get_by_role("link", name="Devices").click()
    eventually(page, lambda: page.url.endswith("/devices"))
    expect(page.locator(".tile")).to_have_count(2)
    web.start()
    expect(page.locator("h1")).to_have_text("Devices", timeout=15000)


def test_an_open_page_reloads_when_the_pages_have_changed(
    two: Any, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, web = two
    page = open_page(web.address)
    live(page)
    page.evaluate("window.__before = true")
    web.stop()
    monkeypatch.setattr("dashboard.server.build_id", lambda: "another-build")
    web.start()
    expect(page.locator("html")).to_have_attribute("data-build", "another-build", timeout=15000)
    live(page)
    assert page.evaluate("window.__before") is None


def test_numbers_come_over_one_small_socket_and_nothing_is_polled(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    requests: list[str] = []
    frames: list[str | bytes] = []

    def listen(page: Page) -> None:
        page.on("websocket", lambda ws: ws.on("framereceived", lambda frame: frames.append(frame)))

    page = open_page(web.address, prepare=listen)
    live(page)
    page.wait_for_load_state("networkidle")
    page.on("request", lambda request: requests.append(request.url))
    before = len(frames)
    for value in range(90, 100):
        station.numeric("room-1", "spo2", value)
        expect(page.locator(SPO2)).to_have_text(str(value))
    assert requests == []
    messages = [m for frame in frames[before:] for m in json.loads(frame)]
    assert {m["t"] for m in messages} <= {"numeric", "beat"}
