"""`vitals central-demo` as a person sees it: real PostgreSQL, two live stations, real Chromium."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from simulators import postgres
from tests import chromium
from tests.central.cluster import free_port

pytestmark = pytest.mark.long

START_S, STOP_S = 180.0, 60.0
"""Eight processes start, on a computer that tests have to themselves or share."""


@dataclass
class Running:
    """The demonstration, and what it said where its pages are."""

    process: subprocess.Popen[str]
    page: str
    stations: dict[str, str]

    def child(self, command: str, station: str) -> psutil.Process:
        """`vitals COMMAND` of a station."""
        for each in psutil.Process(self.process.pid).children():
            words = each.cmdline()
            if command in words and any(f"/{station}/" in word for word in words):
                return each
        raise AssertionError(f"there is no {command} of {station}")


@pytest.fixture(scope="module")
def demo() -> Iterator[Running]:
    port = free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "vitals.cli", "central-demo"),
            *("--no-open", "--rooms", "2", "--port", str(port)),
        ],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        assert f"http://127.0.0.1:{port}" in lines[0], lines
        words = [line.split() for line in lines[1:3]]
        yield Running(process, f"http://127.0.0.1:{port}", {w[1]: w[-1] for w in words})
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(STOP_S)
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.whole(), args=chromium.FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture
def look(browser: Browser) -> Iterator[Any]:
    """Opens an address; what goes wrong in the page fails the test."""
    with contextlib.ExitStack() as pages:
        problems: list[str] = []

        def open_one(address: str) -> Page:
            context = browser.new_context(viewport={"width": 1280, "height": 800})
            pages.callback(context.close)
            page = context.new_page()
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.goto(address)
            return page

        yield open_one
    assert problems == []


def tile(page: Page, room: str) -> Any:
    return page.locator(f'.room-tile[data-room="{room}"]')


def test_two_live_stations_are_on_the_central_page_with_the_numbers_of_their_own_pages(
    demo: Running, look: Any
) -> None:
    page = look(demo.page)
    expect(page.locator(".room-tile")).to_have_count(4, timeout=60_000)
    for room in ("harbour-1:room-1", "vale-1:room-2"):
        number = tile(page, room).locator('[data-channel="spo2"]')
        expect(number).to_have_attribute("data-state", "fresh", timeout=30_000)
        expect(tile(page, room)).to_have_attribute("data-link", "live")
    expect(tile(page, "vale-1:room-1").locator(".room-tile-where")).to_have_text(
        "Vale › Vale clinic › Main house"
    )
    own = look(demo.stations["vale-1"])
    there = own.locator('.tile[data-room="room-1"] [data-channel="nibp_sys"]')
    expect(there).not_to_have_text("--", timeout=60_000)
    here = tile(page, "vale-1:room-1").locator('[data-channel="nibp_sys"]')
    expect(here).to_have_text(there.inner_text(), timeout=30_000)


def test_a_room_shows_the_course_since_its_session_began_and_nothing_to_press(
    demo: Running, look: Any
) -> None:
    page = look(demo.page + "/room/harbour-1:room-1")
    expect(page.locator(".room-name")).to_have_text("Room 1", timeout=30_000)
    expect(page.locator('.room-vitals [data-channel="spo2"]')).not_to_have_text("--")
    page.wait_for_selector(".plot .trace", timeout=60_000)
    minutes = (
        "() => { const rows = kv.model.rooms.get('harbour-1:room-1').trends.spo2.rows;"
        " return (rows.at(-1)[0] - rows[0][0]) / 60e6; }"
    )
    end = time.monotonic() + 60
    while page.evaluate(minutes) < 20:  # from before the station was started
        assert time.monotonic() < end, page.evaluate(minutes)
        page.wait_for_timeout(200)
    assert page.locator("main button:visible, main input:visible").count() == 0


def test_what_is_acknowledged_at_the_station_is_so_at_the_centre(demo: Running, look: Any) -> None:
    page = look(demo.page)
    worst = tile(page, "harbour-1:room-1").locator('[data-alarm="no-sound"]')
    expect(worst).to_have_attribute("data-ack", "", timeout=60_000)
    own = look(demo.stations["harbour-1"])
    own.locator(".bar-who").fill("Berta")
    own.locator(".bar-who").blur()
    alarm = own.locator('.tile[data-room="room-1"] [data-alarm="no-sound"]')
    alarm.get_by_role("button", name="Acknowledge").click()
    expect(worst).to_have_attribute("data-ack", "Berta", timeout=15_000)


def test_a_station_whose_sender_stands_still_is_lost_and_comes_back(
    demo: Running, look: Any
) -> None:
    page = look(demo.page + "/?only=lost")
    expect(page.locator(".empty", has_text="No room is like that")).to_be_visible(timeout=30_000)
    sender = demo.child("sender", "vale-1")
    sender.suspend()
    try:
        lost = tile(page, "vale-1:room-1")
        expect(lost.locator(".room-tile-link")).to_contain_text("LINK LOST", timeout=40_000)
        expect(lost.locator(".room-tile-link")).to_contain_text("room monitors locally")
        for number in lost.locator(".vital-value [data-state]").all():
            assert number.get_attribute("data-state") in ("stale", "none")
        assert page.locator('.room-tile[data-room^="harbour-1"]').count() == 0
    finally:
        sender.resume()
    expect(page.locator(".room-tile")).to_have_count(0, timeout=40_000)


def test_ctrl_c_leaves_nothing(demo: Running) -> None:
    children = psutil.Process(demo.process.pid).children(recursive=True)
    folders = {Path(each.cwd()) for each in children if "kap-central-" in each.cwd()}
    config = Path(demo.child("station", "vale-1").cmdline()[-1])
    assert folders, "PostgreSQL runs in a folder of its own"
    assert config.exists()
    demo.process.send_signal(signal.SIGINT)
    demo.process.wait(STOP_S)
    _, left = psutil.wait_procs(children, STOP_S)
    assert left == []
    assert [each for each in (*folders, config.parents[1]) if each.exists()] == []


def test_without_postgresql_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(postgres, "_DEBIAN", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(postgres.InstallError, match="install postgresql") as refused:
        postgres.programs()
    assert "\n" not in str(refused.value)


def test_the_server_ends_with_whoever_has_started_it(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from simulators.postgres import LocalPostgres\n"
        "with LocalPostgres() as server:\n"
        "    print(server.folder, flush=True)\n"
        "    time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        pid = int((folder / "data" / "postmaster.pid").read_text().split()[0])
        server = psutil.Process(pid)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(STOP_S)
        assert process.stdout is not None
        process.stdout.close()
    server.wait(STOP_S)
    end = time.monotonic() + STOP_S
    while folder.exists():
        assert time.monotonic() < end, "the folder is left"
        time.sleep(0.05)
