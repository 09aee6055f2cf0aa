"""A real Chromium for the pages; every page must stay without errors and without the internet."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from dashboard import server
from tests import chromium
from tests.dashboard import live_clinic, ward

expect.set_options(timeout=15_000)  # a busy computer is slow, and still right
WIDE, LAPTOP, PHONE = (1920, 1080), (1280, 800), (390, 844)

OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for each file: while Playwright is open, nothing else can use asyncio in its thread."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium.headless(), args=chromium.FLAGS
        )
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture(scope="module")
def without_charts() -> Iterator[None]:
    """For files whose tests are about something else than charts, and open many pages with one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "PLOTLY_FILE", Path(__file__).with_name("no_chart.js"))
        yield


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens an address in a browser context of its own; checks it when the test is over."""
    with contextlib.ExitStack() as pages:
        problems: list[str] = []

        def open_one(
            address: str,
            size: tuple[int, int] = WIDE,
            script: str = "",
            prepare: Callable[[Page], Any] | None = None,
        ) -> Page:
            context = browser.new_context(viewport={"width": size[0], "height": size[1]})
            pages.callback(context.close)
            page = context.new_page()
            if script:
                page.add_init_script(script)
            if prepare:
                prepare(page)
            page.on("pageerror", lambda error: problems.append(f"error: {error}"))
            page.on("console", lambda message: _note(problems, message))
            page.on("request", lambda request: _local(problems, request.url))
            page.goto(address)
            page.wait_for_selector(".view")
            return page

        yield open_one
    assert problems == []


def _note(problems: list[str], message: Any) -> None:
    # A server that a test has stopped cannot be reached, and an answer of the API that is an
    # error is shown in words: neither is the page's fault.
    expected = ("WebSocket connection to", "net::ERR_", "the server did not respond")
    known = any(word in message.text for word in expected) or "/api/" in message.location["url"]
    if message.type in ("error", "warning") and not known:
        problems.append(f"console: {message.text}")


def _local(problems: list[str], url: str) -> None:
    if not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")):
        problems.append(f"asked the internet: {url}")


def eventually(page: Page, condition: Callable[[], object], limit_s: float = 20.0) -> None:
    """Waits until it holds, while Playwright goes on handing out what the page does."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it never came true"
        page.wait_for_timeout(20)


@pytest.fixture
def eight(tmp_path: Path) -> Iterator[Any]:
    """(station, web) with eight rooms, the first six with a session."""
    with ward.ward(tmp_path, ward.eight_rooms()) as pair:
        yield pair


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Any]:
    """(station, web) with two rooms that have a session each."""
    now_us = ward.now_us()
    rooms = [ward.room(n, session=ward.session(f"room-{n}", now_us)) for n in (1, 2)]
    with ward.ward(tmp_path, rooms) as pair:
        yield pair


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """(clinic, web): the real station and web of two rooms, shared by a file of tests."""
    with live_clinic.live_clinic(tmp_path_factory.mktemp("clinic")) as pair:
        yield pair


@pytest.fixture
def clinic(live: Any) -> Any:
    """The same, with nobody in its rooms."""
    station, web = live
    station.empty()
    return station, web
