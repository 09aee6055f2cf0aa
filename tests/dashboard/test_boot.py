"""A page whose files did not all arrive does not stay blank, and does not run without a part."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect
from playwright.sync_api import Error as PlaywrightError

from tests.dashboard.conftest import WIDE, eventually

pytestmark = pytest.mark.long


def is_whole(page: Page) -> bool:
    """Whether the page has found that nothing of it is missing."""
    with contextlib.suppress(PlaywrightError):  # it is being asked for again just now
        return bool(page.evaluate("sessionStorage.getItem('kv-boot') === '0'"))
    return False


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """What this page says on its console is meant, so nobody looks at it."""
    context = browser.new_context(viewport={"width": WIDE[0], "height": WIDE[1]})
    yield context.new_page()
    context.close()


@pytest.mark.parametrize(
    "file", ["assets/kv-40-sound.js", "assets/kv-00-base.css", "dash_renderer", "_dash-layout"]
)
def test_a_page_that_lacks_a_file_is_asked_for_again_until_it_is_whole(
    two: Any, page: Page, file: str
) -> None:
    lost: list[str] = []

    def lose(route: Route) -> None:
        if len(lost) < 2:
            lost.append(route.request.url)
            route.abort("internetdisconnected")
        else:
            route.continue_()

    page.route(f"**/*{file}*", lose)
    page.goto(two[1].address + "/room/room-1")
    expect(page.locator("#kv-boot")).to_contain_text("not arrived whole", timeout=40_000)
    eventually(page, lambda: len(lost) == 2, 60)
    eventually(page, lambda: is_whole(page), 60)
    expect(page.locator(".room-name")).not_to_be_empty()
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    expect(page.locator("#kv-boot")).to_have_count(0)


def test_a_page_that_is_whole_is_never_asked_for_again(two: Any, page: Page) -> None:
    asked: list[str] = []

    def note(request: Request) -> None:
        if request.is_navigation_request():
            asked.append(request.url)

    page.on("request", note)
    page.goto(two[1].address + "/room/room-1")
    eventually(page, lambda: is_whole(page))
    # what a running page asks for in vain is no reason to begin anew
    page.evaluate(
        "document.head.append(Object.assign(document.createElement('script'), {src: '/none.js'}))"
    )
    page.wait_for_timeout(1500)
    assert len(asked) == 1
