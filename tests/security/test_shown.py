"""What people type is text, wherever it is shown: every page in a real Chromium, once.

Whatever is in `HOSTILE` would say so in `window.broken_in`, or ask another server for something.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.dashboard import live_clinic
from tests.dashboard.conftest import browser, open_page
from tests.dashboard.ward import wait_until

pytestmark = pytest.mark.long

__all__ = ["browser", "open_page"]

HOSTILE = (
    "<img src=x onerror=window.broken_in=1>",
    "<script>window.broken_in=2</script>",
    "\"'><svg onload=window.broken_in=3>",
    "</script><script>window.broken_in=4//",
    "javascript:window.broken_in=5",
    "<b style='position:fixed;inset:0'>x</b>",
    "{{7*7}}${7*7}<%= 7*7 %>",
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """(clinic, web): two rooms in which everything that can be typed is hostile."""
    with live_clinic.live_clinic(tmp_path_factory.mktemp("hostile")) as (clinic, web):
        clinic.act("open_session", subject_ref=HOSTILE[0], route="iv")
        if clinic.room().session is None or not clinic.room().session.id:
            clinic.done("open_session", subject_ref="KV-0001", route="iv")
        clinic.pressure(124, 78)
        clinic.skip(5.5)
        clinic.pressure(126, 80)
        clinic.act("dose", drug=HOSTILE[1][:40], mg=35.0, name=HOSTILE[0][:40])
        for text in HOSTILE:
            clinic.act("mark", text=text, name=text)
            clinic.act("symptom", text=text, name=text)
            clinic.act("adverse_event", text=text, reason=text, name=text)
        clinic.act("off_monitor", reason=HOSTILE[2], name=HOSTILE[2])
        clinic.skip(1)
        yield clinic, web


def test_no_page_takes_what_people_type_for_anything_but_text(
    hostile: Any, open_page: Any, browser: Browser
) -> None:
    clinic, web = hostile
    uuid = clinic.session().id
    texts = [mark.text for mark in clinic.room().marks]
    assert any(HOSTILE[0] in text for text in texts)  # it came as far as the pages
    page = open_page(web.address)
    for path in ("/", "/room/room-1", "/devices", "/review", f"/review/{uuid}"):
        page.goto(web.address + path)
        page.wait_for_selector(".view")
        if path.endswith(uuid):
            expect(page.locator("body")).to_contain_text("onerror=window", timeout=60_000)
        wait_until(lambda: page.evaluate("document.readyState") == "complete", "loaded")
        page.wait_for_timeout(500)
        assert page.evaluate("window.broken_in") is None, path
        assert page.locator("img[src=x], svg[onload], b[style*=fixed]").count() == 0, path
