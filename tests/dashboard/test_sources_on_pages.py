"""Where several devices give one number, tile and room page say which one speaks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard import ward
from tests.dashboard.conftest import WIDE, OpenPage
from vitals import wire

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("without_charts")]

BOTH = ["r1-oximeter", "r1-monitor"]
FIRST: Any = {"room": "room-1", "device": BOTH[0], "at_us": 1}


@pytest.fixture
def choice(tmp_path: Path) -> Iterator[Any]:
    """(station, web): eight rooms with alarms; the first has two devices for SpO2 and PR."""
    rooms = ward.eight_rooms()
    rooms[0].devices = [
        ward.device(BOTH[0], ["spo2", "pr"]),
        ward.device(BOTH[1], ["spo2", "pr", "nibp_sys", "nibp_dia"]),
    ]
    rooms[0].sources = {"spo2": BOTH, "pr": BOTH}
    with ward.ward(tmp_path, rooms) as pair:
        yield pair


def vital(page: Page, kind: str = "spo2", room: str = "room-1") -> Any:
    return page.locator(f'[data-room="{room}"] .vital-{kind}')


def number(page: Page, room: str = "room-1") -> Any:
    return vital(page, room=room).locator('[data-channel="spo2"]')


@pytest.mark.parametrize("path", ["", "/room/room-1"])
def test_the_device_that_speaks_is_named_where_there_is_a_choice(
    choice: Any, open_page: OpenPage, path: str
) -> None:
    station, web = choice
    page = open_page(web.address + path)
    station.numeric("room-1", "spo2", 97, device=BOTH[0])
    expect(number(page)).to_have_attribute("data-device", BOTH[0])
    expect(vital(page).locator(".vital-source")).to_have_text(BOTH[0])
    expect(vital(page, "nibp").locator(".vital-source")).to_be_hidden()


def test_a_number_with_one_possible_device_stays_clean(choice: Any, open_page: OpenPage) -> None:
    station, web = choice
    page = open_page(web.address)
    station.numeric("room-2", "spo2", 97)
    expect(number(page, "room-2")).to_have_attribute("data-device", ward.OXIMETER)
    expect(vital(page, room="room-2").locator(".vital-source")).to_be_hidden()


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (wire.LinkMsg(**FIRST, state="silent"), "silent"),
        (wire.LinkMsg(**FIRST, state="lost"), "link lost"),
        (wire.NoticeMsg(**FIRST, code="sensor_off"), "sensor off"),
        (wire.NoticeMsg(**FIRST, code="low_battery"), "no value"),
    ],
)
def test_a_fallback_says_why_the_better_device_does_not_speak(
    choice: Any, open_page: OpenPage, message: Any, words: str
) -> None:
    station, web = choice
    page = open_page(web.address)
    station.publish(message)
    station.numeric("room-1", "spo2", 97, device=BOTH[1])
    source = vital(page).locator(".vital-source")
    expect(source).to_have_text(f"from r1-monitor (r1-oximeter {words})")
    expect(source).to_have_attribute("data-instead", BOTH[0])
    station.numeric("room-1", "spo2", 97, device=BOTH[0])
    expect(source).to_have_text(BOTH[0])


def test_a_number_that_is_gone_names_nobody(choice: Any, open_page: OpenPage) -> None:
    station, web = choice
    page = open_page(web.address)
    station.numeric("room-1", "spo2", 97, device=BOTH[0])
    expect(vital(page).locator(".vital-source")).to_be_visible()
    expect(vital(page).locator(".vital-source")).to_be_hidden(timeout=8000)


def test_the_name_costs_a_tile_neither_numerals_nor_alarm(choice: Any, open_page: OpenPage) -> None:
    station, web = choice
    page = open_page(web.address, WIDE)
    for room in ("room-1", "room-2"):
        station.publish(ward.alarm(room, onset_us=station.now_us))
    station.publish(wire.LinkMsg(room="room-1", device=BOTH[0], at_us=1, state="silent"))
    station.numeric("room-1", "spo2", 97, device=BOTH[1])
    station.numeric("room-1", "pr", 104, device=BOTH[1])
    station.numeric("room-2", "spo2", 97)
    expect(vital(page).locator(".vital-source")).to_be_visible()
    expect(page.locator('[data-room="room-1"] .alarm')).to_be_visible()
    sizes = page.evaluate(
        """() => ["room-1", "room-2"].map((id) => {
          const tile = document.querySelector(`.tile[data-room="${id}"]`);
          const box = (css) => tile.querySelector(css).getBoundingClientRect();
          const size = (css) => parseFloat(getComputedStyle(tile.querySelector(css)).fontSize);
          return {
            numeral: size(".vital-value"),
            low: box(".tile-low").height,
            covered: box(".alarm").top < box(".vital-nibp .vital-value").bottom - 1,
            source: tile.querySelector(".vital-source").scrollWidth
              <= tile.querySelector(".vital-source").clientWidth,
          };
        })"""
    )
    named, plain = sizes
    assert named["numeral"] == plain["numeral"] >= 96
    assert named["low"] == pytest.approx(plain["low"], abs=1)
    assert not named["covered"]
    assert named["source"], "the words are cut off"
