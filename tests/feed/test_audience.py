"""How the station learns on how many pages an alarm would be heard."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.feed.station import Station
from tests.loop import run, until
from vitals import wire
from vitals.audience import SILENT_S, AudienceCount
from vitals.follower import AUDIENCE_S, Follower
from vitals.hub import Hub


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vitals.db.feed"


def test_the_armed_pages_of_all_webs_add_up() -> None:
    count = AudienceCount()
    assert count.armed(0.0) == 0
    count.heard("a", 2, 3, 10.0)
    count.heard("b", 1, 1, 10.5)
    assert (count.armed(11.0), count.pages(11.0)) == (3, 4)
    count.heard("a", 0, 3, 11.0)
    assert count.armed(11.0) == 1


def test_a_web_that_is_silent_for_3_s_or_gone_counts_none() -> None:
    count = AudienceCount()
    count.heard("a", 1, 1, 10.0)
    count.heard("b", 1, 1, 12.0)
    assert SILENT_S == 3.0
    assert count.armed(13.0) == 2
    assert count.armed(13.1) == 1
    count.gone("b")
    count.gone("never there")
    assert count.armed(13.1) == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-5, 5), st.floats(0, 20))))
def test_the_count_is_never_negative_and_never_of_the_past(
    said: list[tuple[str, int, float]],
) -> None:
    count = AudienceCount()
    for web, armed, at_s in sorted(said, key=lambda each: each[2]):
        count.heard(web, armed, armed, at_s)
        assert count.armed(at_s) >= max(0, armed)
    assert count.armed(20 + SILENT_S + 1) == 0


@contextlib.asynccontextmanager
async def telling(path: Path, audience: list[int]) -> AsyncIterator[Follower]:
    """A follower whose pages are `audience`: armed, all."""
    follower = Follower(path, Hub("stale"), retry_s=(0.02, 0.05))
    pages = follower.tell_audience(lambda: wire.AudienceMsg(armed=audience[0], pages=audience[1]))
    tasks = [asyncio.create_task(follower.run()), asyncio.create_task(pages)]
    try:
        yield follower
    finally:
        for task in tasks:
            assert not task.done(), "neither ends by itself"
            task.cancel()
        await asyncio.wait(tasks)


def test_the_station_hears_of_the_pages_at_once_and_again_every_second(path: Path) -> None:
    async def main() -> None:
        station, audience = Station(path), [0, 1]
        async with station.server, telling(path, audience) as follower:
            await until(lambda: station.audience == [(0, 1)])
            audience[0] = 1
            follower.audience_changed()
            await until(lambda: station.audience == [(0, 1), (1, 1)], limit_s=AUDIENCE_S / 2)
            await until(lambda: len(station.audience) >= 4, limit_s=4 * AUDIENCE_S)
            assert set(station.audience[1:]) == {(1, 1)}
            assert len(station.connections) == 1

    run(main())


def test_a_new_connection_hears_of_the_pages_and_the_old_one_is_gone(path: Path) -> None:
    async def main() -> None:
        first, audience = Station(path), [2, 2]
        async with telling(path, audience):
            async with first.server:
                await until(lambda: first.audience)
            await until(lambda: first.connections == set())
            second = Station(path)
            async with second.server:
                await until(lambda: second.audience)
                assert second.audience[0] == (2, 2)

    run(main())


def test_a_station_that_does_not_want_to_know_takes_the_word_all_the_same(path: Path) -> None:
    async def main() -> None:
        station = Station(path)
        station.server._on_audience = station.server._on_gone = None
        async with station.server, telling(path, [1, 1]) as follower:
            await until(lambda: follower.hello is not None)
            await asyncio.sleep(0)
            result = await follower.command(wire.CommandMsg(id="c1", kind="mark", room="r1"))
            assert result.ok

    run(main())
