"""Review at the centre: the local review, of sessions that lie in PostgreSQL."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest

from dashboard import central_review
from dashboard.auth import Auth
from dashboard.central_diary import CentralDiary, broken
from dashboard.worker import Worker
from tests.bench.many_sessions import multiply
from tests.central.asking import Answer, Here, Noted, centre, forget, run, serving, station
from tests.central.cluster import Database
from tests.central.sent import send
from tests.export import records
from vitals.central import session_copies
from vitals.config import CentralConfig
from vitals.hub import Hub
from vitals.store.reader import Reader

SECONDS = 300
UUID = records.UUID
PLACES = {"id", "room", "room_label", "station", "station_name", "site", "clinic"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record of one closed session with a pleth in room 1."""
    return records.write(tmp_path_factory.mktemp("station") / "station.db", SECONDS)


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record of five sessions of the same pseudonym in two rooms, without waveforms."""
    path = records.write(tmp_path_factory.mktemp("ward") / "ward.db", SECONDS, pleth=False)
    multiply(path, 4, lanes=2)
    return path


@pytest.fixture(scope="module")
def sites(module_database: Database, store: Path, ward: Path) -> Database:
    """Three stations; the third has the same session as the first, in another clinic."""
    for name, site, clinic, record in (
        ("n-1", "North", "Main", store),
        ("n-2", "North", "Main", ward),
        ("s-1", "South", "Main", store),
    ):
        send(module_database.station(name, site=site, clinic=clinic), name, record)
    return module_database


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Nothing of one test is in memory in the next."""
    yield
    forget()


PARTS = (
    "figure",
    "audit?limit=1000",
    "addenda",
    "rems",
    "rules",
    f"wave?from_us={records.at(10)}&to_us={records.at(40)}",
    "numerics?limit=20000",
    "numerics?channel=spo2&offset=5&limit=7",
    "events?names=1",
    "alarms",
)


def test_a_session_says_at_the_centre_what_it_says_at_its_station(
    sites: Database, store: Path, tmp_path: Path
) -> None:
    async def ask() -> None:
        async with centre(sites, tmp_path) as there, station(store) as here:
            name = f"n-1~{UUID}"
            mine = (await there.get(f"sessions/{name}")).json
            theirs = (await here.get(f"sessions/{UUID}")).json
            about = mine["session"]
            assert about["site"] == "North"
            assert about["clinic"] == "Main"
            assert about["station_name"] == "Station n-1"
            assert about["room"] == "n-1:room-1"
            assert about["id"].startswith(f"n-1~{UUID}~")
            for body in (mine, theirs):
                body.pop("stamp")
                for key in PLACES:
                    body["session"].pop(key, None)
            assert mine == theirs
            for part in PARTS:
                ours, others = (
                    await there.as_(role="clinician").get(f"sessions/{name}/{part}"),
                    await here.as_(role="clinician").get(f"sessions/{UUID}/{part}"),
                )
                assert (ours.status, others.status) == (200, 200), ours.body
                ours, others = ours.json, others.json
                for body in (ours, others):
                    body.pop("stamp", None)
                assert ours == others, part

    run(ask)


def test_what_was_read_once_is_not_sent_again(sites: Database, tmp_path: Path) -> None:
    async def ask() -> None:
        async with centre(sites, tmp_path) as there:
            first = await there.get(f"sessions/n-1~{UUID}")
            tag = first.headers["etag"]
            again = await there.get(f"sessions/n-1~{UUID}", if_none_match=tag)
            assert (again.status, again.body) == (304, b"")
            stamp = first.json["stamp"]
            assert (await there.get(f"sessions/n-1~{UUID}/figure?stamp={stamp}")).status == 200

    run(ask)


ROUTES = (
    "",
    "/figure",
    "/audit",
    "/addenda",
    "/intact",
    "/across",
    "/rems",
    "/report.pdf",
    "/rules",
    "/numerics",
    "/events",
    "/alarms",
    f"/wave?from_us={records.at(10)}&to_us={records.at(40)}",
)


@pytest.mark.parametrize(
    "rooms", [("n-1:room-2",), ("s-1:room-1",), ("room-1",), ("n-1",), ("s-1:*",), ("*",)]
)
def test_a_session_of_another_room_is_one_that_there_is_not(
    sites: Database, tmp_path: Path, rooms: tuple[str, ...]
) -> None:
    async def ask() -> None:
        noted = Noted()
        async with centre(sites, tmp_path, noted=noted) as there:
            somebody = there.as_(*rooms, role="clinician")
            for route in ROUTES:
                answer = await somebody.get(f"sessions/n-1~{UUID}{route}")
                assert answer.status == 404, route
                assert "there is no session" in answer.json["error"]
            wanted = {"session": f"n-1~{UUID}", "format": "csv"}
            assert (await somebody.post("jobs/export", wanted)).status == 404
            tried = {"session": f"n-1~{UUID}", "rule": "spo2-low", "moves": [{}]}
            assert (await somebody.post("jobs/what-if", tried)).status == 404
            assert noted.told == []
            for grant in ("n-1:room-1", "n-1:*"):
                mine = there.as_(grant, role="clinician")
                assert (await mine.get(f"sessions/n-1~{UUID}")).status == 200
                assert listed_by(await mine.get("sessions?room=n-1:room-1"))["total"] == 1
            assert (await mine.get(f"sessions/n-1~{UUID}/across")).status == 200

    run(ask)


def listed_by(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200, answer.body
    body: dict[str, Any] = answer.json
    return body


def test_the_list_has_all_sites_and_each_filter_narrows_it(
    sites: Database, ward: Path, tmp_path: Path
) -> None:
    of_ward = [record.session for record in Reader(ward).sessions()]

    async def ask() -> None:
        async with centre(sites, tmp_path) as there:
            every = listed_by(await there.get("sessions"))
            assert every["total"] == 7
            assert every["pending"] == 0
            assert every["facets"]["sites"] == ["North", "South"]
            (one,) = [each for each in every["sessions"] if each["station"] == "s-1"]
            assert (one["site"], one["clinic"], one["room"]) == ("South", "Main", "s-1:room-1")
            assert one["worked_out"]
            assert one["alarms"]["high"] == 1
            for query, total in (
                ("site=South", 1),
                ("site=North&clinic=Main", 6),
                ("station=n-2", 5),
                ("room=n-1:room-1", 1),
                ("q=south", 1),
                ("subject=KV-0417&site=South", 1),
                ("route=im&sort=-peak", 2 + sum(one.route == "im" for one in of_ward)),
                ("route=nothing", 0),
            ):
                assert listed_by(await there.get(f"sessions?{query}"))["total"] == total, query
            whole = listed_by(await there.as_("n-2:*", "s-1:room-1").get("sessions"))
            assert {each["station"] for each in whole["sessions"]} == {"n-2", "s-1"}
            assert whole["total"] == 6
            mine = listed_by(await there.as_("s-1:room-1").get("sessions"))
            assert (mine["total"], mine["facets"]["sites"]) == (1, ["South"])
            refused = await there.get("sessions?sort=nonsense")
            assert refused.status == 400
            assert "site" in refused.json["error"]

    run(ask)


def test_a_station_is_not_asked_for_sites(store: Path) -> None:
    async def ask() -> None:
        async with station(store) as here:
            for query in ("site=North", "sort=site"):
                assert (await here.get(f"sessions?{query}")).status == 400

    run(ask)


def test_the_same_session_of_two_stations_is_two(sites: Database, tmp_path: Path) -> None:
    async def ask() -> None:
        async with centre(sites, tmp_path) as there:
            every = listed_by(await there.get("sessions"))["sessions"]
            names = [each["id"] for each in every]
            assert len(set(names)) == len(names)
            for name in names:
                body = (await there.get(f"sessions/{name}")).json
                assert body["session"]["id"] == name
                assert name.startswith(body["session"]["station"] + "~")

    run(ask)


def test_beside_a_session_stand_those_of_its_clinic_alone(
    sites: Database, ward: Path, tmp_path: Path
) -> None:
    of_ward = [record.session for record in Reader(ward).sessions()]
    alike = [one for one in of_ward if one.subject_ref == "KV-0417"]

    async def ask() -> None:
        async with centre(sites, tmp_path) as there:
            north = (await there.get(f"sessions/n-1~{UUID}/across")).json
            assert north["total"] == 1 + len(alike) > 1
            assert {one["id"].partition("~")[0] for one in north["sessions"]} == {"n-1", "n-2"}
            assert north["this"] in {one["id"] for one in north["sessions"]}
            south = (await there.get(f"sessions/s-1~{UUID}/across")).json
            assert [one["id"] for one in south["sessions"]] == [south["this"]]
            mine = there.as_("n-1:room-1", "n-2:room-99")
            seen = (await mine.get(f"sessions/n-1~{UUID}/across")).json
            assert [one["room"] for one in seen["sessions"]] == ["n-1:room-1"]
            assert seen["total"] == 1

    run(ask)


def test_an_open_session_is_read_on(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_copies, "FRESH_S", 0.0)
    store = records.write(tmp_path / "open.db", SECONDS, ended_us=None, phase="RECOVERY")
    dsn = database.station("x-1")
    send(dsn, "x-1", store, to_seq=1200, files=False, facts=False)

    async def ask() -> None:
        async with centre(database, tmp_path) as there:
            (line,) = listed_by(await there.get("sessions"))["sessions"]
            assert (line["state"], line["worked_out"]) == ("open", False)
            first = (await there.get(f"sessions/x-1~{UUID}")).json
            assert first["unreadable"][0].startswith("The session goes on")
            await asyncio.to_thread(send, dsn, "x-1", store, files=False, facts=False)
            stamp = first["stamp"]
            same = (await there.get(f"sessions/x-1~{UUID}?stamp={stamp}")).json
            assert same["stamp"] == stamp
            later = (await there.get(f"sessions/x-1~{UUID}")).json
            assert later["stamp"] != stamp
            assert later["session"]["recorded_to_us"] >= first["session"]["recorded_to_us"]
            counts = [
                (await there.get(f"sessions/x-1~{UUID}/numerics?limit=1")).json["total"],
                (Reader(store).counts(UUID))[0],
            ]
            assert counts[0] == counts[1]

    run(ask)


def test_exports_and_what_if_are_made_in_the_processes_that_make_them_at_a_station(
    sites: Database, store: Path, tmp_path: Path
) -> None:
    noted = Noted()

    async def ask() -> None:
        worker = Worker()
        try:
            async with centre(sites, tmp_path, worker, noted) as there:
                me = there.as_("n-1:room-1", role="clinician", name="Cleo")
                name = f"n-1~{UUID}"
                asked = {"session": name, "format": "csv"}
                job = await me.post("jobs/export", asked)
                told = await me.done(job)
                assert told["state"] == "done", told
                file = await me.get(f"jobs/{told['id']}/file")
                with zipfile.ZipFile(io.BytesIO(file.body)) as made:
                    assert len(made.read("numerics.csv").splitlines()) > SECONDS
                report = await me.get(f"sessions/{name}/report.pdf")
                assert report.body.startswith(b"%PDF")
                assert "KV-0417" in report.headers["content-disposition"]
                rule = (await me.get(f"sessions/{name}/rules")).json["rules"][0]
                first, *levels = rule["levels"]
                moves = [{knob["key"]: knob["most"] for knob in first["knobs"][:1]}]
                tried = {"session": name, "rule": rule["id"], "moves": moves + [{} for _ in levels]}
                refused = await me.post("jobs/what-if", {**tried, "last": 5})
                assert refused.status == 400
                assert "one session at a time" in refused.json["error"]
                compared = await me.done(await me.post("jobs/what-if", tried))
                assert compared["state"] in ("done", "failed")
                assert "there is no" not in compared["words"]
        finally:
            worker.close()

    run(ask)
    made = [each["format"] for each in noted.told if each["what"] == "export"]
    assert made == ["csv", "pdf"]
    assert {each["session"] for each in noted.told} == {f"n-1~{UUID}"}


def test_a_lost_connection_is_made_again_and_a_lost_server_is_one_sentence(
    database: Database, store: Path, tmp_path: Path
) -> None:
    send(database.station("x-1"), "x-1", store)

    async def ask() -> None:
        async with centre(database, tmp_path) as there:
            assert (await there.get("sessions")).status == 200
            with psycopg.connect(database.admin) as admin:
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = %s",
                    (central_review.PROGRAM,),
                )
            assert (await there.get("sessions")).status == 200
            with psycopg.connect(database.admin) as admin:
                admin.execute("ALTER SCHEMA kap RENAME TO away")
            answer = await there.get("sessions")
            assert answer.status == 503
            assert "central tables" in answer.json["error"]
            with psycopg.connect(database.admin) as admin:
                admin.execute("ALTER SCHEMA away RENAME TO kap")
            assert (await there.get("sessions")).status == 200

    run(ask)


def test_a_server_that_is_away_is_said_in_words(tmp_path: Path) -> None:
    async def ask() -> None:
        config = CentralConfig(dsn="host=127.0.0.1 port=1 dbname=kap user=viewer_x")
        desk = central_review.mount(
            Hub(), cast("Worker", Here()), config, tmp_path, cast("CentralDiary", Noted())
        )
        async with serving(desk) as there:
            for path in ("sessions", f"sessions/{UUID}", f"sessions/{UUID}/figure"):
                answer = await there.get(path)
                assert answer.status == 503
                assert "nobody answers there" in answer.json["error"]

    run(ask)


# --- who has read what ----------------------------------------------------------------------------


def test_who_reads_or_exports_is_noted_in_the_centres_own_file(
    sites: Database, tmp_path: Path
) -> None:
    file = tmp_path / central_review.READS

    async def ask() -> None:
        auth = Auth(tmp_path / "central.people", lock_s=600, required=False)
        noted = central_review.diary(auth, tmp_path)
        task = asyncio.create_task(noted.run())
        async with centre(sites, tmp_path, noted=noted) as there:
            cleo = there.as_(role="clinician", name="Cleo", user="cleo")
            for _ in range(3):
                await cleo.get(f"sessions/n-1~{UUID}")
            await cleo.get(f"sessions/n-1~{UUID}/report.pdf")
            await there.as_(role="nurse", name="Ned").get(f"sessions/n-1~{UUID}/figure")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await noted.close()
        await auth.close()

    run(ask)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(one["what"], one["name"]) for one in lines] == [
        ("read", "Cleo"),
        ("export", "Cleo"),
        ("read", "Ned"),
    ]
    assert {one["session"] for one in lines} == {f"n-1~{UUID}"}
    assert file.stat().st_mode & 0o777 == 0o600
    assert broken(file) == 0
