"""The pages of review at the centre, in a real Chromium, on a real PostgreSQL."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from dashboard import central_review
from tests import chromium
from tests.bench.many_sessions import multiply
from tests.central.centre import CentralWeb, central_web
from tests.central.cluster import Database
from tests.central.sent import send
from tests.export import records

pytestmark = pytest.mark.long

SECONDS = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("centre")


@pytest.fixture(scope="module")
def web(folder: Path, module_database: Database) -> Iterator[CentralWeb]:
    """Two sites: one closed session with a pleth in the north, five sessions in the south."""
    north = records.write(folder / "north.db", SECONDS)
    south = records.write(folder / "south.db", SECONDS, pleth=False, subject_ref="KV-9")
    multiply(south, 4, lanes=2)
    for station, site, store in (("n-1", "North", north), ("s-1", "South", south)):
        send(module_database.station(station, site=site, clinic=f"{site} clinic"), station, store)
    with central_web(folder, module_database) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium.headless(), args=chromium.FLAGS
        )
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture
def look(web: CentralWeb, browser: Browser) -> Iterator[Any]:
    """Opens a path; what goes wrong in the page fails the test."""
    with contextlib.ExitStack() as pages:
        problems: list[str] = []

        def open_one(path: str, width: int = 1280, height: int = 800) -> Page:
            context = browser.new_context(viewport={"width": width, "height": height})
            pages.callback(context.close)
            page = context.new_page()
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.goto(web.address + path)
            return page

        yield open_one
    assert problems == []


def cells(page: Page, column: str) -> list[str]:
    return page.locator(f'.list tbody [data-column="{column}"]').all_inner_texts()


def test_the_list_names_site_and_clinic_and_narrows_to_them(look: Any) -> None:
    page = look("/review")
    expect(page.locator(".list-status")).to_have_text("6 sessions")
    assert sorted(set(cells(page, "site"))) == ["North", "South"]
    assert "North clinic" in cells(page, "clinic")
    site = page.locator('select[name="site"]')
    assert site.locator("option").all_inner_texts() == ["All sites", "North", "South"]
    site.select_option("South")
    expect(page.locator(".list-status")).to_have_text("5 sessions")
    assert set(cells(page, "site")) == {"South"}
    assert page.url.endswith("?site=South")
    assert page.locator('select[name="clinic"] option').all_inner_texts() == [
        "All clinics",
        "South clinic",
    ]
    page.reload()
    expect(page.locator(".list-status")).to_have_text("5 sessions")
    expect(site).to_have_value("South")
    page.get_by_role("button", name="Site", exact=True).click()
    assert "sort=site" in page.url


def test_a_session_opens_from_the_list_with_its_figure_waves_and_trail(
    look: Any, folder: Path
) -> None:
    page = look("/review?site=North")
    page.locator(".list tbody a").click()
    expect(page.locator("h1")).to_contain_text("KV-0417")
    facts = page.locator(".review-head > .facts")
    expect(facts).to_contain_text("North · North clinic · room-1")
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    expect(page.locator(".unreadable")).to_have_count(0)
    assert "/review/n-1~" in page.url
    expect(page.get_by_text("This cannot be shown")).to_have_count(0)
    expect(page.locator("[data-section='audit'], [data-section='trail']").first).to_be_visible()
    expect(page.get_by_text("Loading …")).to_have_count(0)
    added = page.locator("[data-section='addenda']")
    expect(added).to_contain_text("written at the station")
    expect(added.get_by_role("button")).to_have_count(1)  # the check
    added.get_by_role("button", name="Check now").click()
    expect(added.locator(".added-check")).to_have_attribute("data-state", "whole")
    expect(page.locator(".tuner-scope:visible")).to_have_count(0)
    assert (folder / "central" / central_review.COPIES).is_dir()


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_no_page_of_review_scrolls_sideways(look: Any, width: int) -> None:
    for path in ("/review", f"/review/n-1~{records.UUID}"):
        page = look(path, width)
        expect(page.locator(".list-status, .facts").first).to_be_visible()
        expect(page.get_by_text("Loading …")).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
