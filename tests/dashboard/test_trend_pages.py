"""The trend of the room page: the station's own buckets, gaps as gaps, and no slow page."""

from __future__ import annotations

import itertools
import json
import random
import statistics
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import OpenPage, eventually
from tests.dashboard.ward import OXIMETER, now_us, reading, room, session, ward
from vitals import wire
from vitals.model import US
from vitals.trend import Trend

LONG_TASKS = """
window.__long = [];
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) __long.push(Math.round(entry.duration));
}).observe({type: 'longtask', buffered: true});
"""
COLOURS = "Object.fromEntries(['spo2','hr','pr','nibp'].map(n => [n, kv.colour(n)]))"
FIGURE = f"kv.figure(kv.model.rooms.get('room-1'), kv.clock.nowUs(), {COLOURS})"
PLOT_MS = 30
"""Goal for one redraw; the test machine is shared, so only the best of many is held to it."""


def two_hours(at_us: int, gap: tuple[int, int]) -> list[wire.TrendMsg]:
    """Trends of SpO2, PR and BP up to now, with a gap in between."""
    chance = random.Random(4)  # noqa: S311 no secret
    trends = {channel: Trend(channel) for channel in ("spo2", "pr", "nibp_sys", "nibp_dia")}
    for second in range(7200):
        then = at_us - (7200 - second) * US
        if gap[0] <= then <= gap[1]:
            continue
        trends["spo2"].add(then, round(96 + chance.gauss(0, 1)))
        trends["pr"].add(then, round(75 + chance.gauss(0, 3)))
        if second % 600 == 0:
            trends["nibp_sys"].add(then, 128)
            trends["nibp_dia"].add(then, 79)
    return [trend.message() for trend in trends.values()]


@pytest.fixture
def long_session(tmp_path: Any) -> Any:
    at_us = now_us()
    gap = (at_us - 3000 * US, at_us - 2700 * US)
    one = room(
        1,
        session=session("room-1", at_us, 100, gaps=[gap], resumed=1),
        trends=two_hours(at_us, gap),
        numerics=reading("room-1", at_us - 300 * US),
        limits=[
            wire.LimitMsg(channel="spo2", side="low", priority="high", limit=88),
            wire.LimitMsg(channel="nibp_sys", side="high", priority="high", limit=180),
        ],
        marks=[wire.MarkMsg(room="room-1", at_us=at_us - 6000 * US, kind="dose")],
    )
    with ward(tmp_path, [one]) as pair:
        yield pair


def live_room(open_page: OpenPage, web: Any, **more: Any) -> Page:
    page = open_page(web.address + "/room/room-1", **more)
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    return page


def drawn(page: Page) -> None:
    eventually(page, lambda: page.locator(".plot .main-svg").count() > 0)


def test_the_pages_buckets_are_the_stations(two: Any, open_page: OpenPage) -> None:
    _, web = two
    page = live_room(open_page, web)
    chance = random.Random(7)  # noqa: S311 no secret
    at_us, samples = 1_800_000_000 * US, []
    for _ in range(4000):
        at_us += chance.choice([US, US, US, 2 * US, 40 * US])
        samples.append((at_us, float(chance.randint(60, 100))))
    half = len(samples) // 2
    station = Trend("spo2")
    station.load(samples[:half])
    seed = station.message()
    station.load(samples[half:])
    told = page.evaluate(
        """([seed, samples]) => {
          const trend = kv.trend(seed);
          for (const [us, value] of samples) trend.add(us, value);
          return [trend.widthUs, trend.rows];
        }""",
        [json.loads(wire.msgspec.json.encode(seed)), samples[half:]],
    )
    wanted = station.message()
    assert told[0] == wanted.width_us
    assert [tuple(row) for row in told[1]] == wanted.b


def test_no_line_crosses_a_gap_and_the_gap_is_named(long_session: Any, open_page: OpenPage) -> None:
    station, web = long_session
    page = live_room(open_page, web)
    drawn(page)
    figure = page.evaluate(FIGURE)
    (gap,) = station.hub.snapshot().rooms[0].session.gaps
    dose_us = station.hub.snapshot().rooms[0].session.dose_us
    start, end = ((edge - dose_us) / 60e6 for edge in gap)
    for trace in figure["data"]:
        if trace["name"] not in ("spo2", "pr"):
            continue
        points = list(zip(trace["x"], trace["y"], strict=True))
        assert len(points) <= 2 * 360
        assert not any(x is not None and start + 0.6 < x < end - 0.6 for x, _ in points)
        crossing = [
            (a, b)
            for (a, u), (b, v) in itertools.pairwise(points)
            if u is not None and v is not None and a < start < end < b
        ]
        assert crossing == []
    over = page.locator(".plot-over")
    expect(over.locator(".gap")).to_have_text("not recorded")
    expect(over.locator(".mark.dose")).to_have_text("dose")
    expect(over.locator(".limit.high").first).to_have_text("88")


def test_an_extreme_value_widens_the_axis_instead_of_leaving_it(
    long_session: Any, open_page: OpenPage
) -> None:
    station, web = long_session
    page = live_room(open_page, web)
    station.numeric("room-1", "spo2", 62, fresh_s=60, gone_s=60)
    expect(page.locator('[data-channel="spo2"]')).to_have_text("62")
    low, high = page.evaluate(f"{FIGURE}.layout.yaxis.range")
    assert low <= 62
    assert high >= 100


def test_a_new_session_starts_with_an_empty_trend(long_session: Any, open_page: OpenPage) -> None:
    station, web = long_session
    page = live_room(open_page, web)
    drawn(page)
    station.publish(wire.SessionMsg(room="room-1"))
    expect(page.locator(".chart .empty")).to_have_text("No session: no trend.")
    station.publish(session("room-1", station.now_us, None, id="s-new", dose_us=None))
    station.numeric("room-1", "spo2", 97)
    eventually(page, lambda: page.evaluate("Boolean(kv.model.rooms.get('room-1').session)"))
    eventually(page, lambda: page.evaluate(f"{FIGURE}.data.length") == 2)
    assert page.evaluate(f"{FIGURE}.layout.xaxis.range") == [0, 30]


@pytest.mark.long
def test_a_steady_room_page_has_no_long_task_and_redraws_quickly(
    long_session: Any, open_page: OpenPage
) -> None:
    station, web = long_session
    page = live_room(open_page, web, script=LONG_TASKS)
    drawn(page)
    page.wait_for_timeout(2000)  # starting may take its time
    page.evaluate("__long.length = 0")
    times: list[float] = []
    for second in range(12):
        # each value is a new extreme of its bucket, so that each second has a redraw
        station.numeric("room-1", "spo2", 90 - second)
        station.numeric("room-1", "pr", 100 + second)
        at_us = station.now_us
        pulses = [100 + 80 * (i % 60 < 20) for i in range(75)]
        station.publish(
            wire.WaveMsg(
                room="room-1",
                channel="pleth",
                device=OXIMETER,
                start_us=at_us - US,
                rate_hz=75,
                y=pulses,
            )
        )
        before = page.evaluate("document.querySelector('.chart').dataset.draws")
        eventually(
            page,
            lambda before=before: (
                page.evaluate("document.querySelector('.chart').dataset.draws") != before
            ),
        )
        times.append(float(page.evaluate("document.querySelector('.chart').dataset.drawMs")))
    tasks = page.evaluate("__long")
    assert min(times) <= PLOT_MS, times
    assert statistics.median(times) <= 3 * PLOT_MS, times
    assert len([task for task in tasks if task > 100]) <= 2, tasks


def test_the_pleth_is_drawn_and_its_end_is_said(two: Any, open_page: OpenPage) -> None:
    station, web = two
    page = live_room(open_page, web)
    expect(page.locator(".pleth-empty")).to_be_visible()
    for _ in range(30):
        station.publish(
            wire.WaveMsg(
                room="room-1",
                channel="pleth",
                device=OXIMETER,
                start_us=station.now_us - 100_000,
                rate_hz=75,
                y=[100, 180, 120, 100, 90, 100, 170],
            )
        )
        page.wait_for_timeout(93)
    expect(page.locator(".pleth-empty")).to_be_hidden()
    ink = """() => {
      const c = document.querySelector('.pleth');
      return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v > 0);
    }"""
    assert page.evaluate(ink)
    expect(page.locator(".pleth-empty")).to_be_visible(timeout=10000)
