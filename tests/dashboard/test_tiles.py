"""Every number says how old it is and where it comes from, large enough for three metres."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard import ward
from tests.dashboard.conftest import PHONE, WIDE, OpenPage, eventually
from vitals import wire
from vitals.model import US

pytestmark = pytest.mark.usefixtures("without_charts")

SIZE_OF = "e => parseFloat(getComputedStyle(e).fontSize)"
# Heads of vitals whose words lie on each other or leave their cell.
CROWDED = """
() => [...document.querySelectorAll('.tile .vital header')].flatMap(head => {
  const parts = [...head.children].filter(e => e.getClientRects().length && e.textContent);
  const box = e => e.getBoundingClientRect();
  const over = parts.slice(1).filter((e, i) => box(parts[i]).right - box(e).left > 1);
  const cut = parts.filter(e => e.scrollWidth - e.clientWidth > 1 && e.clientWidth);
  const out = parts.filter(e => box(e).right - box(head).right > 1);
  return [...over, ...cut, ...out].map(e => head.textContent + ': ' + e.className);
})
"""
FIRST_PAINT_S, TRIES = 1.5, 8
MINUTE_US = 60 * US


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with ward.ward(tmp_path_factory.mktemp("tiles"), ward.eight_rooms()) as pair:
        yield pair


def vital(page: Page, kind: str, room: str = "room-1") -> Any:
    return page.locator(f'[data-room="{room}"] .vital-{kind}')


def stream(station: Any, rooms: range = range(1, 9)) -> None:
    for number in rooms:
        for channel, value in (("spo2", 100), ("pr", 134)):
            station.numeric(f"room-{number}", channel, value, fresh_s=90, gone_s=90)


def spot(station: Any, room: str, channel: str, value: float, age_s: float, *flags: str) -> None:
    """A value that stays, with its age, as those that people enter do."""
    station.numeric(
        room,
        channel,
        value,
        at_us=station.now_us - int(age_s * US),
        device="" if flags else "spot-check",
        fresh_s=300,
        gone_s=None,
        flags=list(flags),
    )


def test_at_1920_eight_rooms_have_numbers_of_96_alarms_of_48_ages_and_due_of_32_px(
    pair: Any, open_page: OpenPage
) -> None:
    station, web = pair
    stream(station)
    page = open_page(web.address, WIDE)
    station.publish(ward.alarm("room-1", onset_us=station.now_us))
    station.publish(ward.due("room-1", station.now_us - 180 * US, "overdue", "BP at 120 min"))
    spot(station, "room-2", "rr", 14, 60, "manual")
    tile = page.locator('.tile[data-room="room-1"]')
    expect(tile.locator(".alarm-text").first).to_have_text("SpO2 86 < 88")
    expect(page.locator(".banner-sound")).to_be_visible()  # even so
    expect(page.locator(".strip")).to_be_visible()
    expect(page.locator(".tile")).to_have_count(8)
    for channel in ("spo2", "pr", "nibp_sys", "nibp_dia"):
        sizes = page.locator(f'.tile [data-channel="{channel}"]').evaluate_all(
            "all => all.map(e => parseFloat(getComputedStyle(e).fontSize))"
        )
        assert len(sizes) == 8
        assert min(sizes) >= 96, (channel, sizes)
    assert tile.locator(".alarm-text").first.evaluate(SIZE_OF) >= 48
    assert tile.locator(".tile-due-when").evaluate(SIZE_OF) >= 32
    assert tile.locator(".vital-nibp .vital-note").evaluate(SIZE_OF) >= 32
    edge = page.locator(".ward-rooms").bounding_box()
    assert edge is not None
    for box in (each.bounding_box() for each in page.locator(".tile").all()):
        assert box is not None
        assert box["y"] + box["height"] <= edge["y"] + edge["height"] + 1
    station.publish(ward.alarm("room-1", condition="idle", sounding=False))


def test_the_page_of_eight_rooms_is_painted_within_a_second_and_a_half(
    pair: Any, open_page: OpenPage
) -> None:
    station, web = pair
    stream(station)
    script = """
    window.__full = null;
    const look = () => {
      const numbers = document.querySelectorAll('.tile [data-channel="spo2"][data-state="fresh"]');
      if (numbers.length === 8) requestAnimationFrame(() => { window.__full = performance.now(); });
      else requestAnimationFrame(look);
    };
    look();
    """
    taken: list[float] = []
    # a computer that has more to do than processors is slower by as much
    limit_s = FIRST_PAINT_S * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    while len(taken) < TRIES and min(taken, default=99.0) > limit_s:
        stream(station)
        page = open_page(web.address, WIDE, script=script)
        page.wait_for_function("window.__full !== null")
        taken.append(page.evaluate("window.__full") / 1000)
    assert min(taken) <= limit_s, taken


def test_a_streams_number_says_now_and_every_other_one_its_age(
    pair: Any, open_page: OpenPage
) -> None:
    station, web = pair
    page = open_page(web.address, WIDE)
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    station.numeric("room-1", "spo2", 97, fresh_s=4, gone_s=60)
    note = vital(page, "spo2").locator(".vital-note")
    expect(note).to_have_text("now")
    eventually(page, lambda: note.inner_text() in ("2 s", "3 s"))
    eventually(page, lambda: note.inner_text().endswith(" s old"))
    expect(vital(page, "nibp").locator(".vital-note")).to_have_text("5 min")


def test_what_a_person_entered_has_an_m_what_was_claimed_a_c_a_spot_device_says_spot(
    pair: Any, open_page: OpenPage
) -> None:
    station, web = pair
    station.publish(*ward.reading("room-4", station.now_us - 5 * MINUTE_US, 128, 82))
    for message in ward.reading("room-4", station.now_us - 2 * MINUTE_US, 131, 80):
        message.flags = ["claimed"]
        station.publish(message)
    for message in ward.reading("room-3", station.now_us - MINUTE_US, 126, 78):
        message.flags, message.device = ["manual"], ""
        station.publish(message)
    spot(station, "room-5", "spo2", 99, 12 * 60)
    for path, size in (("/", WIDE), ("/", PHONE), ("/room/room-4", WIDE)):
        page = open_page(web.address + path, size)
        badge = vital(page, "nibp", "room-4").locator(".vital-badge")
        expect(badge).to_have_text("C")
        expect(badge).to_have_attribute("title", "of a roaming device, claimed for this patient")
    page = open_page(web.address, WIDE)
    expect(vital(page, "nibp", "room-3").locator(".vital-badge")).to_have_text("M")
    expect(vital(page, "nibp", "room-3").locator(".vital-note")).to_have_text("1 min")
    expect(vital(page, "nibp", "room-1").locator(".vital-badge")).to_be_hidden()


def test_an_entered_value_never_covers_a_stream_and_stands_where_none_speaks(
    pair: Any, open_page: OpenPage
) -> None:
    station, web = pair
    page = open_page(web.address, WIDE)
    room = "room-6"
    shown = page.locator(f'.tile[data-room="{room}"] [data-channel="spo2"]')
    station.numeric(room, "spo2", 97, fresh_s=2, gone_s=3.5)
    expect(shown).to_have_text("97")
    spot(station, room, "spo2", 93, 0, "manual")
    station.numeric(room, "pr", 72, fresh_s=30, gone_s=60)
    expect(page.locator(f'.tile[data-room="{room}"] [data-channel="pr"]')).to_have_text("72")
    expect(shown).to_have_text("97")
    expect(shown).to_have_text("93")  # the stream is silent by now
    expect(vital(page, "spo2", room).locator(".vital-badge")).to_have_text("M")
    expect(vital(page, "spo2", room).locator(".vital-note")).to_contain_text("s")
    station.numeric(room, "spo2", 98, fresh_s=30, gone_s=60)
    expect(shown).to_have_text("98")
    expect(vital(page, "spo2", room).locator(".vital-badge")).to_be_hidden()


def test_a_value_entered_before_the_stream_fell_silent_does_not_come_back(
    pair: Any, open_page: OpenPage
) -> None:
    station, web = pair
    page = open_page(web.address, WIDE)
    spot(station, "room-6", "pr", 60, 120, "manual")
    station.numeric("room-6", "pr", 75, fresh_s=2, gone_s=3)
    shown = page.locator('.tile[data-room="room-6"] [data-channel="pr"]')
    expect(shown).to_have_text("75")
    expect(shown).to_have_text("--")


def test_a_cuff_that_inflates_says_how_long_it_has_been_measuring(
    pair: Any, open_page: OpenPage
) -> None:
    station, web = pair
    page = open_page(web.address, WIDE)
    told = {"room": "room-2", "device": ward.CUFF, "code": "cuff_inflating"}
    station.publish(wire.NoticeMsg(at_us=station.now_us - 23 * US, **told))
    note = vital(page, "nibp", "room-2").locator(".vital-note")
    expect(note).to_contain_text("measuring 0:2")
    expect(note).to_contain_text("min")  # the number that still stands there has its age
    station.publish(wire.NoticeMsg(at_us=station.now_us, active=False, **told))
    expect(note).not_to_contain_text("measuring")


@pytest.mark.parametrize("path", ["/", "/room/room-2"])
def test_off_monitor_no_session_and_not_recording_are_words(
    pair: Any, open_page: OpenPage, path: str
) -> None:
    station, web = pair
    now_us = station.now_us
    away = {"off_since_us": now_us, "off_until_us": now_us + 191 * US}
    session = ward.session("room-2", now_us, 44, subject_ref="KV-0412")
    page = open_page(web.address + path, WIDE)
    room = page.locator('[data-room="room-2"]').first
    station.publish(wire.SessionMsg(**{**_fields(session), **away}))
    expect(room).to_contain_text("OFF MONITOR 03:")
    station.recording = False
    try:
        expect(room).to_contain_text("NOT RECORDING")
        expect(room).to_contain_text("OFF MONITOR 0")
        expect(room).to_contain_text("Room 2")
    finally:
        station.recording = True
    expect(room).not_to_contain_text("NOT RECORDING")
    station.publish(session)
    expect(room).not_to_contain_text("OFF MONITOR")
    other = open_page(web.address + path.replace("room-2", "room-8"), WIDE)
    expect(other.locator('[data-room="room-8"]').first).to_contain_text("NO SESSION")


def _fields(message: Any) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__struct_fields__}


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=str)
def test_no_words_beside_a_number_lie_on_each_other(
    eight: Any, open_page: OpenPage, size: tuple[int, int]
) -> None:
    station, web = eight
    stream(station, range(1, 4))
    high = {"channel": "nibp_sys", "side": "high", "limit": 180, "text": "SYS 188 > 180"}
    station.publish(
        ward.alarm("room-1"),
        ward.alarm("room-1", "pr-high", channel="pr", side="high", limit=130, text="PR 134 > 130"),
        ward.alarm("room-1", "sbp-high", **high),
        wire.NoticeMsg(
            room="room-2", device=ward.CUFF, at_us=station.now_us, code="cuff_inflating"
        ),
    )
    spot(station, "room-7", "spo2", 100, 65 * 60)
    spot(station, "room-7", "pr", 134, 12 * 60)
    spot(station, "room-8", "spo2", 100, 12 * 60, "manual")
    spot(station, "room-8", "pr", 134, 12 * 60, "claimed")
    page = open_page(web.address, size)
    expect(vital(page, "spo2", "room-8").locator(".vital-badge")).to_have_text("M")
    expect(vital(page, "spo2", "room-7").locator(".vital-badge")).to_have_text("SPOT")
    assert page.evaluate(CROWDED) == []


def test_an_unacknowledged_high_alarm_counts_down_to_whom_it_reaches_next(
    pair: Any, open_page: OpenPage
) -> None:
    station, web = pair
    room, tile = open_page(web.address + "/room/room-5", WIDE), open_page(web.address, WIDE)
    raised = {"onset_us": station.now_us - 40 * US, "raised_us": station.now_us - 35 * US}
    station.publish(ward.alarm("room-5", escalated=1, **raised))
    for page in (room, tile):
        meta = page.locator('[data-alarm="spo2-low"] .alarm-meta')
        expect(meta).to_contain_text("second recipient in 0:2")
    station.publish(ward.alarm("room-5", escalated=3, **raised))
    expect(room.locator('[data-alarm="spo2-low"] .alarm-meta')).to_contain_text("told: prescriber")
    station.publish(ward.alarm("room-5", escalated=1, acked_by="Anna", **raised))
    expect(room.locator('[data-alarm="spo2-low"] .alarm-meta')).not_to_contain_text("recipient")
    station.publish(ward.alarm("room-5", condition="idle"))
