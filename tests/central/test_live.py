"""What the rooms of a station show, at the centre: the newest state, and when it was written."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from tests.central.cluster import Database
from tests.central.sending import STATION, Centre, config, connect, eventually, sending
from tests.feed.station import Station
from tests.loop import run
from tests.store import build
from vitals import wire
from vitals.central import live
from vitals.central.live import Latest
from vitals.central.watch import AT_ONCE_S, SOON_S, STATUS_S, Watch

ONE, TWO = wire.RoomMsg(id="r1", label="One"), wire.RoomMsg(id="r2", label="Two")
NUMBERS = [
    wire.NumericMsg(room="r1", channel="spo2", device="ox", at_us=7, value=97.5, flags=["a", "b"]),
    wire.NumericMsg(
        room="r2",
        channel="nibp_sys",
        device="",
        at_us=8,
        value=None,
        quality="invalid",
        gone_s=None,
    ),
]


@pytest.fixture
def dsn(database: Database) -> str:
    return database.station(STATION, inline=False)


def with_connection(dsn: str, work: Any) -> None:
    async def main() -> None:
        async with connect(dsn) as connection:
            await work(connection)

    run(main())


def test_the_newest_numbers_replace_the_last_and_say_when_they_came(
    dsn: str, database: Database
) -> None:
    async def work(connection: Any) -> None:
        first = await live.send_latest(connection, STATION, Latest(now_us=5, numbers=NUMBERS))
        second = await live.send_latest(connection, STATION, Latest(now_us=6, detail="so"))
        assert second > first > 1_600_000_000_000_000
        await live.send_latest(
            connection, STATION, Latest(now_us=9, head=b"h" * 32, lag_s=1.5, numbers=NUMBERS)
        )

    with_connection(dsn, work)
    centre = Centre(database)
    assert centre.ask("SELECT now_us, lag_s, head FROM kap.latest") == [(9, 1.5, b"h" * 32)]
    assert centre.ask("SELECT room, channel, device, at_us, value, quality, flags, age_us"
                      " FROM kap.latest_numeric ORDER BY room") == [
        ("r1", "spo2", "ox", 7, 97.5, 0, "a,b", 2),
        ("r2", "nibp_sys", "", 8, None, 2, "", 1),
    ]  # fmt: skip
    assert centre.ask("SELECT fresh_s, gone_s FROM kap.latest") == [([3.0, 3.0], [5.0, None])]


def test_what_numbers_are_of_is_written_only_when_it_is_another(
    dsn: str, database: Database
) -> None:
    centre = Centre(database)

    async def at(row: live.Row, **more: Any) -> tuple[str, tuple[Any, ...]]:
        number = wire.NumericMsg(
            **{"room": "r1", "channel": "spo2", "device": "ox", "at_us": 7, "value": 97.5, **more}
        )
        await row.send(Latest(now_us=9, numbers=[number]))
        ((keyed, *told),) = await asyncio.to_thread(
            centre.ask,
            "SELECT keyed::text, room[1], device[1], at_us[1], value[1], quality[1], flags[1],"
            " fresh_s[1] FROM kap.latest",
        )
        return keyed, tuple(told)

    async def work(connection: Any) -> None:
        row = live.Row(connection, STATION)
        keyed, told = await at(row)
        assert told == ("r1", "ox", 7, 97.5, 0, "", 3.0)
        same, told = await at(row, at_us=8, value=None, quality="invalid")
        assert (same, told) == (keyed, ("r1", "ox", 8, None, 2, "", 3.0))
        for more in ({"room": "r2"}, {"device": "b"}, {"flags": ["x"]}, {"fresh_s": 9.0}):
            other, told = await at(row, **more)
            assert other != keyed
            assert told == (
                *(more.get("room", "r1"), more.get("device", "ox"), 7, 97.5, 0),
                *("x" if "flags" in more else "", more.get("fresh_s", 3.0)),
            )
            keyed = other

    with_connection(dsn, work)


def test_two_senders_of_a_station_never_mix_what_their_numbers_are_of(
    dsn: str, database: Database
) -> None:
    centre = Centre(database)

    async def work(connection: Any) -> None:
        one, other = live.Row(connection, STATION), live.Row(connection, STATION)
        for now_us in range(1, 4):
            for row, numbers in ((one, NUMBERS), (other, NUMBERS[::-1]), (one, NUMBERS)):
                await row.send(Latest(now_us=now_us, numbers=numbers))
                found = await asyncio.to_thread(
                    centre.ask, "SELECT room, value FROM kap.latest_numeric ORDER BY room"
                )
                assert found == [("r1", 97.5), ("r2", None)]

    with_connection(dsn, work)


def test_every_change_has_the_transaction_that_wrote_it(dsn: str, database: Database) -> None:
    centre = Centre(database)

    def seen() -> int:
        return int(
            centre.one(
                "SELECT max(c::text::bigint) FROM (SELECT changed FROM kap.latest"
                " UNION ALL SELECT changed FROM kap.room_state) AS t(c)"
            )
        )

    async def work(connection: Any) -> None:
        last, row = 0, live.Row(connection, STATION)
        for send in (
            live.send_latest(connection, STATION, Latest(now_us=1)),
            live.send_latest(connection, STATION, Latest(now_us=2)),
            row.send(Latest(now_us=3, numbers=NUMBERS)),
            row.send(Latest(now_us=4, numbers=NUMBERS)),
            live.send_rooms(connection, STATION, {"r1": ("One", b"{}"), "r2": ("Two", b"{}")}),
            live.send_rooms(connection, STATION, {"r1": ("One", b"{1}")}),
            live.send_gone(connection, STATION, ["r1"]),
            live.send_words(connection, STATION, "refused"),
        ):
            await send
            now = await asyncio.to_thread(seen)
            assert now > last
            last = now

    with_connection(dsn, work)
    assert centre.ask("SELECT room, label, state, gone FROM kap.room_state ORDER BY room") == [
        ("r1", "One", b"{1}", False),
        ("r2", "Two", b"{}", True),
    ]
    assert centre.one("SELECT detail FROM kap.latest") == "refused"


def test_the_live_part_waits_for_no_disk_and_the_record_does(dsn: str) -> None:
    async def work(connection: Any) -> None:
        await live.send_latest(connection, STATION, Latest(now_us=1))
        async with connection.transaction():
            await live.send_rooms(connection, STATION, {"r1": ("One", b"{}")})
            cursor = await connection.execute("SHOW synchronous_commit")
            assert await cursor.fetchone() == ("off",)
        cursor = await connection.execute("SHOW synchronous_commit")
        assert await cursor.fetchone() == ("on",)

    with_connection(dsn, work)


def test_a_room_comes_back(dsn: str, database: Database) -> None:
    async def work(connection: Any) -> None:
        await live.send_rooms(connection, STATION, {"r1": ("One", b"{}")})
        await live.send_gone(connection, STATION, [])
        await live.send_rooms(connection, STATION, {"r1": ("One", b"{}")})

    with_connection(dsn, work)
    assert Centre(database).ask("SELECT gone FROM kap.room_state") == [(False,)]


def test_nobody_shows_the_rooms_of_another_station(dsn: str, database: Database) -> None:
    database.station("st-2")

    async def work(connection: Any) -> None:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await live.send_latest(connection, "st-2", Latest(now_us=1))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await live.send_rooms(connection, "st-2", {"r1": ("One", b"{}")})

    with_connection(dsn, work)


# --- what of a feed is due ------------------------------------------------------------------------


@contextmanager
def watching() -> Iterator[Watch]:
    watch = Watch()
    room = wire.RoomMsg(
        id="r1", label="One", trends=[wire.TrendMsg(channel="pr", width_us=1, b=[])]
    )
    watch.reset(wire.Snapshot(link="live", beat=wire.BeatMsg(now_us=0), rooms=[room]))
    assert watch.take_due(1.0) == ["r1"]
    watch.news = watch.numbers = False
    yield watch


def delay_s(watch: Watch, now: float) -> float:
    return round(watch.next_due() - now, 2)


@pytest.mark.parametrize(
    ("message", "wanted_s"),
    [
        (wire.AlarmMsg(room="r1", rule="spo2-low"), AT_ONCE_S),
        (wire.SessionMsg(room="r1"), SOON_S),
        (wire.CareMsg(room="r1"), SOON_S),
        (wire.DueMsg(room="r1", what="nibp", at_us=1), SOON_S),
        (wire.MarkMsg(room="r1", at_us=1, kind="note"), SOON_S),
        (wire.NoticeMsg(room="r1", device="ox", at_us=1, code="sensor_off"), SOON_S),
        (wire.LinkMsg(room="r1", device="ox", at_us=1, state="lost"), SOON_S),
        (wire.DeviceStatusMsg(room="r1", device="ox"), STATUS_S),
        (NUMBERS[1], None),
        (NUMBERS[0], None),
        (wire.BeatMsg(now_us=1), None),
        (wire.WaveMsg(room="r1", channel="p", device="ox", start_us=1, rate_hz=1, y=[1]), None),
    ],
    ids=lambda each: type(each).__name__,
)
def test_an_alarm_goes_at_once_and_everything_else_waits_for_company(
    message: wire.Down, wanted_s: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitals.central.watch.time.monotonic", lambda: 100.0)
    with watching() as watch:
        watch.publish(message)
        if message == NUMBERS[1]:  # of the cuff: it may end the notice of one that failed
            assert watch.take_due(100.0 + SOON_S) == ["r2"]
        elif wanted_s is None:
            assert watch.next_due() == float("inf")
        else:
            assert delay_s(watch, 100.0) == wanted_s
        assert watch.numbers == isinstance(message, wire.NumericMsg)


def test_an_alarm_does_not_wait_for_what_came_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vitals.central.watch.time.monotonic", lambda: 100.0)
    with watching() as watch:
        watch.publish(wire.DeviceStatusMsg(room="r1", device="ox"))
        watch.publish(wire.AlarmMsg(room="r1", rule="spo2-low"))
        assert delay_s(watch, 100.0) == AT_ONCE_S
        watch.publish(wire.DeviceStatusMsg(room="r1", device="ox"))
        assert delay_s(watch, 100.0) == AT_ONCE_S


def test_the_stations_clock_is_that_of_the_beat_which_has_waited_least(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr("vitals.central.watch.time.monotonic", lambda: now[0])
    with watching() as watch:
        watch.publish(wire.BeatMsg(now_us=5_000_000))
        now[0] = 101.0
        watch.publish(wire.BeatMsg(now_us=5_600_000))  # 0.4 s late
        assert watch.now_us == 6_000_000
        watch.reset(wire.Snapshot(link="live", beat=wire.BeatMsg(now_us=1_000_000)))
        assert watch.now_us == 1_000_000  # another start of the station


def test_what_goes_up_is_the_room_without_numbers_and_trends() -> None:
    with watching() as watch:
        watch.publish(NUMBERS[0])
        watch.publish(wire.AlarmMsg(room="r1", rule="spo2-low", condition="active"))
        assert len(watch.rooms()["r1"].numerics) == 1
        state = msgspec.json.decode(live.state_of(watch.rooms()["r1"]), type=wire.RoomMsg)
    assert (state.numerics, state.trends) == ([], [])
    assert [alarm.rule for alarm in state.alarms] == ["spo2-low"]


# --- a real feed, a real server -------------------------------------------------------------------


def alarms_at(centre: Centre, room: str) -> list[str]:
    found = centre.one("SELECT state FROM kap.room_state WHERE room = %s AND NOT gone", room)
    if found is None:
        return []
    state = msgspec.json.decode(bytes(found), type=wire.RoomMsg)
    return [alarm.rule for alarm in state.alarms]


@pytest.fixture
def record(tmp_path: Path) -> Path:
    path = tmp_path / "vitals.db"
    build.opened(path).close()
    return path


def test_a_station_is_shown_as_its_own_pages_show_it(
    dsn: str, database: Database, record: Path
) -> None:
    found = config(record, dsn)
    centre = Centre(database)

    async def main() -> None:
        station = Station(found.feed_file)
        station.hub.configure(
            [wire.RoomMsg(id="r1", label="One"), wire.RoomMsg(id="r2", label="Two")]
        )
        async with sending(found):
            await eventually(lambda: centre.one("SELECT NOT station_live FROM kap.latest"))
            async with station.server:
                beat = asyncio.create_task(station.beat())
                await eventually(lambda: centre.one("SELECT station_live FROM kap.latest"))
                assert station.audience == []
                station.hub.publish(wire.AlarmMsg(room="r1", rule="spo2-low", condition="active"))
                await eventually(lambda: alarms_at(centre, "r1") == ["spo2-low"], 1.0)
                station.hub.publish(NUMBERS[0])
                await eventually(
                    lambda: centre.one("SELECT value FROM kap.latest_numeric") == 97.5, 2.0
                )
                station.hub.configure([TWO])
                await eventually(
                    lambda: (
                        centre.ask("SELECT room FROM kap.room_state WHERE NOT gone") == [("r2",)]
                    )
                )
                beat.cancel()
            await eventually(lambda: centre.one("SELECT NOT station_live FROM kap.latest"))
            assert centre.one("SELECT build FROM kap.latest") == "build-1"

    run(main(), 60)


def test_what_the_centre_has_lost_is_told_anew(dsn: str, database: Database, record: Path) -> None:
    """As by a standby that took over without the last moments."""
    found = config(record, dsn)
    centre = Centre(database)

    async def main() -> None:
        station = Station(found.feed_file)
        station.hub.configure([ONE])
        station.hub.publish(wire.AlarmMsg(room="r1", rule="spo2-low", condition="active"))
        async with station.server, sending(found):
            await eventually(lambda: alarms_at(centre, "r1") == ["spo2-low"])
            centre.ask("UPDATE kap.room_state SET gone = true")
            centre.ask(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name LIKE 'vitals sender%%'"
            )
            await eventually(lambda: alarms_at(centre, "r1") == ["spo2-low"])

    run(main(), 60)


def test_an_alarm_is_at_the_centre_within_a_tenth_of_a_second(
    dsn: str, database: Database, record: Path
) -> None:
    found = config(record, dsn)

    async def main() -> None:
        station = Station(found.feed_file)
        station.hub.configure([ONE])
        async with (
            station.server,
            sending(found),
            await psycopg.AsyncConnection.connect(database.admin, autocommit=True) as connection,
        ):

            async def seen(rule: str) -> float:
                began = asyncio.get_running_loop().time()
                async with asyncio.timeout(20):
                    while True:
                        cursor = await connection.execute("SELECT state FROM kap.room_state")
                        row = await cursor.fetchone()
                        if row and rule.encode() in row[0]:
                            return asyncio.get_running_loop().time() - began

            station.hub.publish(wire.AlarmMsg(room="r1", rule="first", condition="active"))
            await seen("first")
            took = []
            for number in range(10):
                station.hub.publish(
                    wire.AlarmMsg(room="r1", rule=f"r-{number}", condition="active")
                )
                took.append(await seen(f"r-{number}"))
            assert sorted(took)[5] < 0.1, took

    run(main(), 60)
