"""PostgreSQL followed into a hub: exactly, honestly timed, and for ever."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import psutil
import psycopg
import pytest

from tests.central.centre import SendingStation, room, station
from tests.central.cluster import Cluster, Database
from tests.loop import run, until
from vitals import wire
from vitals.central.follower import REFUSED, PgFollower, rest_s
from vitals.central.live import send_gone, send_rooms
from vitals.central.poll import LatestRow, StateRow, StationRow
from vitals.central.station_rooms import StationRooms
from vitals.central.stations import remove_station
from vitals.central.ward import Ward
from vitals.hub import Hub
from vitals.model import US
from vitals.wire.ward import WardQuestion


class Following:
    """A follower that runs, its hub, and what one page is told of some rooms."""

    def __init__(self, conninfo: str, **more: Any) -> None:
        self.hub = Hub("stale", trends=False)
        quick = {"poll_s": 0.02, "retry_s": (0.02, 0.05), **more}
        self.follower = PgFollower(lambda: conninfo, self.hub, **quick)

    @property
    def rooms(self) -> dict[str, wire.RoomMsg]:
        return {each.id: each for each in self.hub.snapshot().rooms}

    def value(self, room_id: str, channel: str = "spo2") -> float | None:
        for number in self.rooms[room_id].numerics if room_id in self.rooms else ():
            if number.channel == channel:
                return number.value
        return None

    def age_s(self, room_id: str, channel: str = "spo2") -> float:
        """As a page judges it."""
        [at_us] = [n.at_us for n in self.rooms[room_id].numerics if n.channel == channel]
        return (self.follower.now_us() - at_us) / US

    def words(self, station_id: str) -> list[str]:
        answer = self.follower.ward.answer(WardQuestion(), self.follower.now_us())
        return answer.stations[station_id].words

    async def polled(self, more: int = 2) -> None:
        """What was committed before this is in the hub after it."""
        wanted = self.follower.polls + more
        await until(lambda: self.follower.polls >= wanted)


@contextlib.asynccontextmanager
async def following(conninfo: str, **more: Any) -> AsyncIterator[Following]:
    made = Following(conninfo, **more)
    task = asyncio.create_task(made.follower.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def pair(
    database: Database, behind_us: int = 0
) -> AsyncIterator[tuple[SendingStation, Following]]:
    """One station with one room and a session in it, followed."""
    async with station(database, "st-1", behind_us=behind_us) as sending:
        await sending.state(room(1, session="s1"))
        await sending.latest("room-1", spo2=97.0)
        async with following(database.viewer()) as got:
            await until(lambda: got.value("st-1:room-1") == 97.0)
            yield sending, got


async def messages(hub: Hub, *rooms: str) -> Any:
    """A page of these rooms, its snapshot read."""
    box = hub.subscribe(frozenset(), frozenset(rooms))
    await box.take()
    return box


async def taken(box: Any) -> list[Any]:
    async with asyncio.timeout(10):
        return [wire.decode_down(raw) for raw in wire.split(await box.take())]


def test_rooms_of_two_stations_are_told_apart(database: Database) -> None:
    async def main() -> None:
        async with pair(database) as (_, got), station(database, "st-2") as other:
            await other.state(room(1), room(2))
            await other.latest("room-1", spo2=91.0)
            await until(lambda: got.value("st-2:room-1") == 91.0)
            assert set(got.rooms) == {"st-1:room-1", "st-2:room-1", "st-2:room-2"}
            assert got.value("st-1:room-1") == 97.0
            assert got.hub.link == "live"
            assert got.follower.hello is not None
            assert got.follower.hello.central

    run(main(), 60)


def test_what_commits_late_is_seen_though_later_transactions_were_seen_before(
    database: Database,
) -> None:
    async def main() -> None:
        async with pair(database) as (sending, got), station(database, "st-2") as other:
            await sending.connection.execute("BEGIN")
            await sending.latest("room-1", spo2=80.0)  # the older transaction, still open
            await other.state(room(1))
            await other.latest("room-1", spo2=91.0)
            await until(lambda: got.value("st-2:room-1") == 91.0)
            await got.polled()
            assert got.value("st-1:room-1") == 97.0
            await sending.connection.execute("COMMIT")
            await until(lambda: got.value("st-1:room-1") == 80.0)

    run(main(), 60)


def test_what_comes_again_because_another_transaction_is_open_is_told_once(
    database: Database,
) -> None:
    async def main() -> None:
        async with pair(database) as (sending, got):
            writing = await psycopg.AsyncConnection.connect(database.admin)
            async with writing:
                await writing.execute("SELECT pg_current_xact_id()")  # holds every xmin back
                box = await messages(got.hub, "st-1:room-1")
                await sending.latest("room-1", spo2=93.0)
                told: list[Any] = []
                while not any(isinstance(m, wire.NumericMsg) for m in told):
                    told += await taken(box)
                await got.polled(5)
                del told[:]
                await sending.latest("room-1", spo2=92.0)
                while not any(isinstance(m, wire.NumericMsg) for m in told):
                    told += await taken(box)
                assert [m.value for m in told if isinstance(m, wire.NumericMsg)] == [92.0]

    run(main(), 60)


def test_a_station_whose_clock_is_an_hour_behind_looks_as_fresh_as_it_is(
    database: Database,
) -> None:
    async def main() -> None:
        async with pair(database, behind_us=3601 * US) as (sending, got):
            await sending.latest("room-1", spo2=96.0)
            await until(lambda: got.value("st-1:room-1") == 96.0)
            assert -0.1 < got.age_s("st-1:room-1") < 3.0
            session = got.rooms["st-1:room-1"].session
            assert session is not None
            [told] = got.words("st-1")
            assert told.startswith("ITS CLOCK IS 60 min BEHIND")

    run(main(), 60)


def test_what_is_delivered_late_looks_old_and_not_fresh(database: Database) -> None:
    async def main() -> None:
        async with pair(database) as (sending, got):
            now_us = sending.now_us()
            late = wire.NumericMsg(
                room="room-1", channel="spo2", device="d", at_us=now_us - 40 * US, value=85.0
            )
            sending.numbers["room-1", "spo2"] = late
            await sending.send(now_us=now_us - 40 * US)  # under way for 40 s
            # the clock goes back as if another had been started: its first word is believed
            await until(lambda: got.value("st-1:room-1") == 85.0)
            sending.numbers["room-1", "spo2"] = wire.NumericMsg(
                room="room-1", channel="spo2", device="d", at_us=now_us - 30 * US, value=84.0
            )
            await sending.send(now_us=sending.now_us())
            await until(lambda: got.value("st-1:room-1") == 84.0)
            assert 29 < got.age_s("st-1:room-1") < 45

    run(main(), 60)


def test_an_alarm_comes_and_goes_as_messages_without_a_new_beginning(database: Database) -> None:
    async def main() -> None:
        async with pair(database) as (sending, got):
            box = await messages(got.hub, "st-1:room-1")
            was = sending.rooms["room-1"]
            low = {"rule": "spo2-low", "priority": "high", "condition": "active"}
            alarm = wire.AlarmMsg(room="room-1", **low)
            told: list[Any] = []
            for alarms in ([alarm], []):
                await sending.state(wire.RoomMsg(**{**_fields(was), "alarms": alarms}))
                while not any(isinstance(m, wire.AlarmMsg) for m in told):
                    told += await taken(box)
                assert not any(isinstance(m, wire.Snapshot) for m in told)
                [got_it] = [m for m in told if isinstance(m, wire.AlarmMsg)]
                assert got_it.room == "st-1:room-1"
                assert got_it.condition == ("active" if alarms else "idle")
                assert bool(got.rooms["st-1:room-1"].alarms) == bool(alarms)
                assert got.value("st-1:room-1") == 97.0
                del told[:]

    run(main(), 60)


def _fields(of: wire.RoomMsg) -> dict[str, Any]:
    return {name: getattr(of, name) for name in of.__struct_fields__}


def test_the_next_patient_has_not_the_last_ones_blood_pressure(database: Database) -> None:
    async def main() -> None:
        async with pair(database) as (sending, got):
            await sending.latest("room-1", nibp_sys=188.0)
            await until(lambda: got.value("st-1:room-1", "nibp_sys") == 188.0)
            await sending.state(room(1, session="s2"))
            await until(lambda: got.rooms["st-1:room-1"].session.id == "s2")  # type: ignore[union-attr]
            assert got.value("st-1:room-1", "nibp_sys") is None
            assert got.value("st-1:room-1") == 97.0

    run(main(), 60)


def test_a_number_that_the_station_has_no_more_is_not_shown_for_ever(database: Database) -> None:
    async def main() -> None:
        async with pair(database) as (sending, got):
            del sending.numbers["room-1", "spo2"]
            await sending.send()
            await until(lambda: got.value("st-1:room-1") is None)

    run(main(), 60)


def test_rooms_and_stations_that_are_taken_away_vanish(database: Database) -> None:
    async def main() -> None:
        async with pair(database) as (sending, got):
            await sending.state(room(2), wire.RoomMsg(id="-", label="spare"))
            await until(lambda: "st-1:room-2" in got.rooms)
            assert "st-1:-" not in got.rooms
            await send_gone(sending.connection, "st-1", ["room-1"])
            await until(lambda: "st-1:room-2" not in got.rooms)
            assert "st-1:room-1" in got.rooms
            async with station(database, "st-2") as other:
                await other.state(room(1))
                await until(lambda: "st-2:room-1" in got.rooms)
            with psycopg.connect(database.admin) as admin:
                remove_station(admin, "st-2")
            await until(lambda: "st-2:room-1" not in got.rooms, 15)
            assert "st-2:room-1" not in got.follower.ward

    run(main(), 60)


def told(got: Following, part: str) -> bool:
    return any(part in word for word in got.words("st-1"))


def test_what_is_wrong_at_a_station_is_said_in_words(database: Database) -> None:
    async def main() -> None:
        async with pair(database) as (sending, got):
            assert got.words("st-1") == []
            for more, part in (
                ({"recording": False, "detail": "the disk is full"}, "NOT RECORDING"),
                ({"recording": False, "detail": "the disk is full"}, "the disk is full"),
                ({"station_live": False}, "does not run"),
                ({"lag_rows": 900, "lag_s": 300.0}, "5 min behind"),
                ({"mode": "demo"}, "demo"),
            ):
                await sending.send(**more)
                await until(partial(told, got, part))

    run(main(), 60)


@pytest.mark.parametrize(
    ("took_s", "wanted_s"), [(0.0, 0.25), (0.1, 0.15), (0.24, 0.05), (3, 0.05)]
)
def test_what_a_question_takes_is_no_pause_besides(took_s: float, wanted_s: float) -> None:
    assert rest_s(0.25, took_s) == pytest.approx(wanted_s)


def test_a_sender_without_its_station_is_no_sign_of_life() -> None:
    at_us = 1_800_000_000 * US
    ward = Ward()
    rooms = StationRooms(StationRow("st", "S", "N", "C"), Hub(trends=False), ward)
    rooms.tell(StateRow("st", "room-1", 1, wire.encode(room(1)), False))
    for second in range(12):
        now_us = at_us + second * US
        head = ("st", second, 0, now_us, now_us, second == 0, True, "", "real", 0, 0.0)
        rooms.hear(LatestRow(*head, [], [], []))
    [found] = ward.alone("st:room-1", at_us + 11 * US).rooms
    assert (found.link, found.age_s) == ("lost", 11)


def test_a_state_that_nobody_can_read_is_counted_and_leaves_the_rest_alone(
    database: Database,
) -> None:
    async def main() -> None:
        async with pair(database) as (sending, got):
            bad = {
                "room-7": ("x", b'{"id": 7}'),
                "room-8": ("y", b"\xff"),
                "room-9": ("z", wire.encode(room(3))),  # says that it is another one
            }
            await send_rooms(sending.connection, "st-1", bad)
            await sending.state(room(2))
            await until(lambda: "st-1:room-2" in got.rooms)
            assert got.follower.ignored == 3
            assert got.follower.trouble == ""

    run(main(), 60)


def test_a_command_is_refused_with_where_to_act(database: Database) -> None:
    async def main() -> None:
        async with pair(database) as (_, got):
            asked = wire.CommandMsg(id="c", kind="acknowledge", room="st-1:room-1")
            result = await got.follower.command(asked)
            assert (result.ok, result.error) == (False, REFUSED)
            assert "station" in REFUSED

    run(main(), 60)


def test_a_room_that_is_opened_gets_its_course_from_the_database_and_goes_on(
    database: Database,
) -> None:
    async def main() -> None:
        async with pair(database) as (sending, got):
            at_us = sending.now_us() - 50 * US
            samples = [(at_us + i * US, 90.0 + i) for i in range(40)]
            _record(database, "s1", at_us - 10 * US, samples)
            got.follower.watch(frozenset({"st-1:room-1"}))
            await until(lambda: got.rooms["st-1:room-1"].trends)
            [trend] = got.rooms["st-1:room-1"].trends
            assert trend.channel == "spo2"
            assert [row[3] for row in trend.b[:40]] == [value for _, value in samples]
            assert min(row[0] for row in trend.b) == pytest.approx(at_us, abs=1.1 * US)
            await sending.latest("room-1", spo2=60.0)
            await until(lambda: got.rooms["st-1:room-1"].trends[0].b[-1][1] == 60.0)
            # what changes in the room leaves its course alone
            await sending.state(room(1, session="s1", limits=[_limit()]))
            await until(lambda: got.rooms["st-1:room-1"].limits)
            assert len(got.rooms["st-1:room-1"].trends[0].b) > 40
            got.follower.watch(frozenset())
            assert got.rooms["st-1:room-1"].trends == []

    run(main(), 60)


def _limit() -> wire.LimitMsg:
    return wire.LimitMsg(channel="spo2", side="low", priority="high", limit=88)


def _record(
    database: Database, session: str, started_us: int, samples: list[tuple[int, float]]
) -> None:
    """A session at the centre: values of one channel, one without a value, one that is invalid."""
    record = "ab" * 32
    times = [at_us for at_us, _ in samples] + [samples[-1][0] + US] * 2
    values = [*(value for _, value in samples), None, 1.0]
    quality = [0] * len(samples) + [0, 2]
    with psycopg.connect(database.admin) as admin:
        admin.execute(
            "INSERT INTO kap.session VALUES ('st-1', %s, %s, 'room-1', 'KV', 'im', 'real', 'PEAK',"
            " %s, NULL, NULL, 'UTC', 'open', 0, '', '')",
            (record, session, started_us),
        )
        admin.execute(
            "INSERT INTO kap.channel VALUES ('st-1', %s, 1, %s, 'd', 'spo2', '%%', 'numeric')",
            (record, session),
        )
        admin.execute("SELECT kap.make_day(%s)", (times[0],))
        admin.execute(
            "INSERT INTO kap.block VALUES ('st-1', %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                *(record, len(times), min(times), max(times), list(range(len(times)))),
                *([1] * len(times), times, values, quality),
            ),
        )


# --- PostgreSQL goes away -------------------------------------------------------------------------


@pytest.fixture
def own() -> Any:
    with Cluster() as cluster:
        yield cluster


def test_a_server_that_is_killed_is_said_at_once_and_followed_again(own: Cluster) -> None:
    database = own.fresh_database()

    async def main() -> None:
        async with pair(database) as (sending, got):
            box = await messages(got.hub, "st-1:room-1")
            await asyncio.to_thread(own.kill9)
            await until(lambda: got.hub.link == "stale")
            assert got.follower.trouble.startswith("PostgreSQL at ")
            assert "start the server" in got.follower.trouble
            before = got.follower.now_us()
            await until(lambda: got.follower.now_us() > before)  # ages go on
            told = await taken(box)
            assert [m.state for m in told if isinstance(m, wire.LinkState)] == ["stale"]
            await asyncio.to_thread(own.start)
            await until(lambda: got.hub.link == "live")
            assert got.follower.trouble == ""
            async with await psycopg.AsyncConnection.connect(
                database.admin, autocommit=True
            ) as again:
                sending.connection = again
                await sending.latest("room-1", spo2=71.0)
                await until(lambda: got.value("st-1:room-1") == 71.0)

    run(main(), 60)


def test_what_vanished_while_nobody_was_looking_is_not_there_afterwards(database: Database) -> None:
    async def main() -> None:
        async with pair(database) as (sending, got):
            await sending.state(room(2))
            await until(lambda: "st-1:room-2" in got.rooms)
            with psycopg.connect(database.admin) as admin:
                admin.execute("LOCK TABLE kap.version IN ACCESS EXCLUSIVE MODE")  # nobody gets in
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND usename LIKE 'viewer%'"
                )
                await until(lambda: got.hub.link == "stale")
                admin.execute("DELETE FROM kap.room_state WHERE room = 'room-2'")
                assert "st-1:room-2" in got.rooms
            await until(lambda: got.hub.link == "live")
            assert set(got.rooms) == {"st-1:room-1"}
            assert got.value("st-1:room-1") == 97.0

    run(main(), 60)


def test_a_server_that_does_not_answer_any_more_is_given_up_in_time(own: Cluster) -> None:
    database = own.fresh_database()

    async def main() -> None:
        async with station(database, "st-1") as sending:
            await sending.state(room(1))
            async with following(database.viewer(), silent_s=0.3) as got:
                await until(lambda: got.hub.link == "live")
                server = psutil.Process(own.pid)
                stopped = [server, *server.children(recursive=True)]
                for each in stopped:
                    each.suspend()
                try:
                    await until(lambda: got.hub.link == "stale", 3.0)  # giving up takes longer
                    assert "has not answered for 0.3 s" in got.follower.trouble
                finally:
                    for each in stopped:
                        each.resume()
                await until(lambda: got.hub.link == "live", 20)

    run(main(), 60)


def test_tables_that_are_missing_or_of_another_version_are_said_with_what_to_do(
    cluster: Cluster,
) -> None:
    async def main() -> None:
        with cluster.empty_database() as empty, cluster.fresh_database() as newer:
            async with following(empty.admin) as got:
                await until(lambda: "vitals central migrate" in got.follower.trouble)
            with psycopg.connect(newer.admin) as admin:
                admin.execute("INSERT INTO kap.version VALUES (99, 99)")
            async with following(newer.admin) as got:
                await until(lambda: "version 99" in got.follower.trouble)
                assert "upgrade kap-vitals" in got.follower.trouble

    run(main(), 60)
