"""The central pages' socket on a real PostgreSQL: who asks for which rooms gets these alone."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dashboard.server import Access
from tests.central.centre import CentralWeb, central_web, page, room, station
from tests.central.cluster import Database
from tests.dashboard import people
from tests.loop import run, until
from vitals import people_file, wire
from vitals.central.follower import REFUSED
from vitals.wire.ward import WardMsg, WardRoomState

LIMIT_S = 60.0
DOCS = Path(__file__).parents[2] / "docs" / "central.md"


@pytest.fixture
def web(tmp_path: Path, database: Database) -> Iterator[CentralWeb]:
    with central_web(tmp_path, database) as made:
        yield made


def numbers(client: Any) -> list[wire.NumericMsg]:
    return [m for m in client.got if isinstance(m, wire.NumericMsg)]


def test_a_page_gets_nothing_before_it_asks_then_its_rooms_worst_first(
    web: CentralWeb, database: Database
) -> None:
    async def main() -> None:
        async with station(database, "st-1") as north, station(database, "st-2", "South") as south:
            low = {"rule": "spo2-low", "priority": "high", "condition": "active"}
            alarm = wire.AlarmMsg(room="room-2", **low)
            await north.state(room(1, session="a"), room(2, session="b", alarms=[alarm]))
            await south.state(room(1))
            await north.latest("room-1", spo2=97.0)
            await south.latest("room-1", spo2=95.0)
            async with page(web) as client:
                await client.until(lambda: any(isinstance(m, wire.BeatMsg) for m in client.got))
                assert client.hello is not None
                assert client.hello.central
                assert client.rooms == {}
                await client.ask()
                await client.until(lambda: client.ward and client.ward.total == 3)
                answer = client.ward
                assert answer is not None
                assert [each.id for each in answer.rooms] == [
                    "st-1:room-2",
                    "st-1:room-1",
                    "st-2:room-1",
                ]
                assert (answer.counts.alarm, answer.counts.open) == (1, 2)
                assert [(site.site, site.rooms) for site in answer.sites] == [
                    ("North", 2),
                    ("South", 1),
                ]
                assert set(client.rooms) == {each.id for each in answer.rooms}

                south_only = await client.ask(site="South")
                assert [each.id for each in south_only.rooms] == ["st-2:room-1"]
                assert set(client.rooms) == {"st-2:room-1"}
                del client.got[:]
                await north.latest("room-1", spo2=88.0)
                await south.latest("room-1", spo2=94.0)
                await client.until(lambda: numbers(client))
                assert {(m.room, m.value) for m in numbers(client)} == {("st-2:room-1", 94.0)}

    run(main(), LIMIT_S)


def test_the_answer_comes_anew_when_a_room_gets_an_alarm_or_is_lost(
    web: CentralWeb, database: Database
) -> None:
    async def main() -> None:
        async with station(database, "st-1") as north, station(database, "st-2") as other:
            await north.state(room(1, session="a"))
            await other.state(room(1, session="b"))
            await north.latest("room-1", spo2=97.0)
            await other.latest("room-1", spo2=97.0)
            async with page(web) as client:
                await client.ask(only="alarm")
                low = {"rule": "spo2-low", "priority": "high", "condition": "active"}
                await other.state(
                    room(1, session="b", alarms=[wire.AlarmMsg(room="room-1", **low)])
                )
                await client.until(lambda: client.ward and client.ward.total == 1)
                assert set(client.rooms) == {"st-2:room-1"}
                assert client.rooms["st-2:room-1"].alarms[0].rule == "spo2-low"

                await client.ask(site="North", only="lost")
                assert client.ward is not None
                assert client.ward.total == 0
                with psycopg.connect(database.admin) as admin:
                    admin.execute(
                        "UPDATE kap.latest SET changed = pg_current_xact_id(), now_us ="
                        " now_us - 20000000, arrived = arrived - interval '20 s'"
                        " WHERE station = 'st-2'"
                    )
                await client.until(lambda: client.ward and client.ward.total == 1)
                assert client.ward is not None
                [lost] = client.ward.rooms
                assert (lost.id, lost.link) == ("st-2:room-1", "lost")
                assert lost.age_s >= 20

    run(main(), LIMIT_S)


def test_rooms_that_come_to_the_list_by_themselves_need_no_new_beginning(
    web: CentralWeb, database: Database
) -> None:
    async def main() -> None:
        async with station(database, "st-1") as north:
            await north.state(room(1, session="a"), room(2))
            await north.latest()
            async with page(web) as client:
                await client.ask(only="open", adds=True)
                await client.until(lambda: client.ward and client.ward.total == 1)
                del client.got[:]
                await north.state(room(2, session="b"))
                await client.until(lambda: client.ward and client.ward.total == 2)
                assert set(client.rooms) == {"st-1:room-1", "st-1:room-2"}
                assert not any(isinstance(m, wire.Snapshot) for m in client.got)
                kinds = [type(m) for m in client.got]
                assert kinds.index(WardRoomState) < kinds.index(WardMsg)
                await north.latest("room-2", spo2=91.0)
                await client.until(lambda: numbers(client))
                assert numbers(client)[0].room == "st-1:room-2"
                await client.ask(adds=True, q="room-1")  # another question: from the beginning
                await client.until(lambda: set(client.rooms) == {"st-1:room-1"})

    run(main(), LIMIT_S)


def test_a_page_of_one_room_gets_that_room_its_station_and_its_course(
    web: CentralWeb, database: Database
) -> None:
    async def main() -> None:
        async with station(database, "st-1") as north:
            await north.state(room(1, session="a"), room(2, session="b"))
            await north.latest("room-1", spo2=97.0)
            async with page(web, "?waves=st-1:room-1") as client:
                await client.until(lambda: client.ward and client.ward.total == 1)
                assert set(client.rooms) == {"st-1:room-1"}
                assert client.ward is not None
                assert client.ward.stations["st-1"].name == "Station st-1"

                def trends(id_: str) -> list[wire.TrendMsg]:
                    [shown] = web.server.hub.snapshot(frozenset({id_})).rooms
                    return shown.trends

                value = 50.0
                while not trends("st-1:room-1"):  # once it is kept the next number is in it
                    value += 1.0
                    await north.latest("room-1", spo2=value)
                    await north.latest("room-2", spo2=value)
                    await client.until(lambda: any(m.value == value for m in numbers(client)))  # noqa: B023
                assert trends("st-1:room-2") == []

                await client.say(t="waves", rooms=["st-1:room-2"])
                await client.until(lambda: set(client.rooms) == {"st-1:room-2"})
                await client.say(t="waves", rooms=[])
                answer = await client.ask()
                assert answer.total == 2

    run(main(), LIMIT_S)


def test_the_metrics_count_stations_and_rooms_and_name_no_room(
    web: CentralWeb, database: Database
) -> None:
    async def main() -> None:
        async with station(database, "st-1") as north, station(database, "st-2") as other:
            await north.state(room(1, session="a"), room(2))
            await north.latest("room-1", spo2=97.0)
            await other.latest()
            with psycopg.connect(database.admin) as admin:
                admin.execute(
                    "UPDATE kap.latest SET changed = pg_current_xact_id(), now_us ="
                    " now_us - 20000000, arrived = arrived - interval '20 s'"
                    " WHERE station = 'st-2'"
                )
            ward = web.server.follower.ward
            await until(lambda: ward.links(web.server.follower.now_us())["lost"] == 1)
            await until(lambda: web.server.hub.size == 2)

    run(main(), LIMIT_S)
    browser = people.Browser(web)
    try:
        text = browser.get("/metrics").text
    finally:
        browser.close()
    assert 'vitals_central_stations{link="lost"} 1\n' in text
    assert "vitals_central_rooms 2\n" in text
    assert "vitals_central_values_total 1\n" in text
    assert "room-1" not in text
    documented = set(re.findall(r"^\| `(vitals_central_[a-z_]+)", DOCS.read_text(), re.MULTILINE))
    assert documented == set(re.findall(r"^# TYPE (vitals_central_[a-z_]+)", text, re.MULTILINE))


def test_a_command_from_the_centre_is_refused_and_changes_nothing(
    web: CentralWeb, database: Database
) -> None:
    async def main() -> None:
        async with station(database, "st-1") as north:
            await north.state(room(1, session="a"))
            async with page(web) as client:
                await client.ask()
                await client.say(t="command", id="c1", kind="acknowledge", room="st-1:room-1")
                await client.until(lambda: any(isinstance(m, wire.ResultMsg) for m in client.got))
                [result] = [m for m in client.got if isinstance(m, wire.ResultMsg)]
                assert (result.id, result.ok, result.error) == ("c1", False, REFUSED)

    run(main(), LIMIT_S)


@pytest.mark.parametrize(
    "text", ['{"t":"ward","only":"worst"}', '{"t":"ward","offset":"x"}', '{"t":"x"}', "[", '"ward"']
)
def test_what_is_no_question_ends_the_page(web: CentralWeb, text: str) -> None:
    async def main() -> None:
        from websockets.exceptions import ConnectionClosed

        async with page(web) as client:
            await client._socket.send(text)
            with pytest.raises(ConnectionClosed) as closed:
                await client.until(lambda: False)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4400

    run(main(), LIMIT_S)


def test_a_question_with_extreme_numbers_is_answered(web: CentralWeb, database: Database) -> None:
    async def main() -> None:
        async with station(database, "st-1") as north:
            await north.state(room(1))
            async with page(web) as client:
                for question in (
                    {"offset": -(10**9), "limit": 10**15},
                    {"offset": 10**15, "limit": -1},
                    {"q": " ".join("x" * 50)},
                ):
                    await client.ask(**question)

    run(main(), LIMIT_S)


def test_an_account_sees_its_own_rooms_alone_whatever_it_asks(
    tmp_path: Path, database: Database
) -> None:
    folder = tmp_path / "central"
    folder.mkdir()
    people.add(folder / "central", "ann", rooms=["st-1:room-2"])
    assert people_file.any_enabled(people_file.path_of(folder / "central"))
    with contextlib.ExitStack() as ends:
        web = ends.enter_context(central_web(tmp_path, database, Access()))
        browser = people.Browser(web)
        ends.callback(browser.close)
        assert browser.sign_in("ann").status in (200, 204, 303)

        async def main() -> None:
            async with station(database, "st-1") as north:
                await north.state(room(1, session="a"), room(2, session="b"))
                await north.latest("room-1", spo2=97.0)
                await until(lambda: "st-1:room-1" in web.server.follower.ward)
                cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
                async with page(web, "?waves=st-1:room-1", cookie) as client:
                    await client.until(lambda: client.ward is not None)
                    assert client.ward is not None
                    assert (client.ward.total, client.ward.stations) == (0, {})
                    assert client.rooms == {}
                    await client.say(t="waves", rooms=[])
                    await client.ask()
                    await client.until(lambda: client.ward and client.ward.total == 1)
                    assert client.ward is not None
                    assert [each.id for each in client.ward.rooms] == ["st-1:room-2"]
                    assert client.ward.counts.all == 1
                    await north.latest("room-1", spo2=90.0)
                    await north.latest("room-2", spo2=91.0)
                    await client.until(lambda: any(m.value == 91.0 for m in numbers(client)))
                    assert {m.room for m in numbers(client)} == {"st-1:room-2"}

        run(main(), LIMIT_S)
