from __future__ import annotations

import asyncio

from dashboard.station_clock import StationClock
from tests.loop import run, until
from vitals import wire
from vitals.hub import Hub

SECOND = 1_000_000_000


def test_nothing_is_known_before_the_first_beat() -> None:
    clock = StationClock()
    assert clock.reading(5 * SECOND).now_us == 0
    assert clock.age_s(5 * SECOND) is None


def test_the_newest_beat_is_carried_on_at_the_stations_speed() -> None:
    clock = StationClock()
    clock.hear(wire.BeatMsg(now_us=1_000_000, speed=10), 5 * SECOND)
    assert clock.reading(7 * SECOND) == wire.ClockMsg(now_us=21_000_000, speed=10)
    assert clock.age_s(7 * SECOND) == 2


def test_it_hears_the_beats_of_a_hub_and_not_the_old_one_of_a_snapshot() -> None:
    async def main() -> None:
        hub = Hub()
        hub.reset(wire.Snapshot(beat=wire.BeatMsg(now_us=7)))
        clock = StationClock()
        task = asyncio.create_task(clock.follow(hub))
        await until(lambda: hub.subscribers)
        await asyncio.sleep(0)
        assert clock.beat is None
        hub.publish(wire.NumericMsg(room="r", channel="spo2", device="d", at_us=1, value=97))
        hub.publish(wire.BeatMsg(now_us=9))
        await until(lambda: clock.beat is not None)
        assert clock.beat is not None
        assert clock.beat.now_us == 9
        hub.reset(wire.Snapshot(beat=wire.BeatMsg(now_us=3)))
        await until(lambda: clock.beat is None)  # another start of the station: another clock
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert hub.subscribers == 0

    run(main())
