"""Whether a session is as it was recorded, checked at the centre."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.bench.many_sessions import multiply
from tests.central.asking import Answer, Asking, centre, forget, run
from tests.central.cluster import Database
from tests.central.sent import send
from tests.export import records
from vitals.store.reader import Reader

SECONDS = 300
UUID = records.UUID


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    forget()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record of one closed session with a pleth."""
    return records.write(tmp_path_factory.mktemp("station") / "station.db", SECONDS)


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record of five sessions in two rooms, without waveforms."""
    path = records.write(tmp_path_factory.mktemp("ward") / "ward.db", SECONDS, pleth=False)
    multiply(path, 4, lanes=2)
    return path


async def checked(asking: Asking, name: str) -> Answer:
    """The check of a session, piece by piece."""
    path = f"sessions/{name}/intact"
    answer = await asking.get(path)
    while answer.status == 200 and answer.json["next"] and not answer.json["broken"]:
        told = answer.json
        seals, row = told["next"]["seals"], told["next"]["row"]
        answer = await asking.get(f"{path}?to_n={told['to_n']}&seals={seals}&row={row}")
    return answer


ATTACKS = {
    "samples were changed": "UPDATE kap.block SET value[1] = 42 WHERE station = 'x-1'"
    " AND last_seq = (SELECT min(last_seq) FROM kap.block WHERE station = 'x-1')",
    "was changed after it was recorded": "UPDATE kap.audit SET body = '{}' WHERE station = 'x-1'"
    " AND n = 3",
    "does not follow": "UPDATE kap.audit SET prev = sha256('x') WHERE station = 'x-1' AND n = 3",
    "is missing": "DELETE FROM kap.audit WHERE station = 'x-1' AND n = 3",
    "summary": "UPDATE kap.session SET subject_ref = 'KV-1' WHERE station = 'x-1'",
}


@pytest.mark.parametrize("found", ATTACKS)
def test_whoever_changes_the_centre_is_found_by_the_check(
    database: Database, store: Path, tmp_path: Path, found: str
) -> None:
    send(database.station("x-1"), "x-1", store)

    async def ask() -> None:
        async with centre(database, tmp_path / "before") as there:
            assert (await checked(there, f"x-1~{UUID}")).json["broken"] == ""
        with psycopg.connect(database.admin) as admin:
            admin.execute("SET session_replication_role = replica")
            assert admin.execute(ATTACKS[found].encode()).rowcount == 1
        async with centre(database, tmp_path / "after") as there:
            assert found in (await checked(there, f"x-1~{UUID}")).json["broken"]

    for folder in ("before", "after"):
        (tmp_path / folder).mkdir()
    run(ask)


def test_rows_of_other_sessions_between_are_checked_too(
    database: Database, ward: Path, tmp_path: Path
) -> None:
    send(database.station("x-1"), "x-1", ward)
    reader = Reader(ward)
    rows = {
        record.session.id: [row.n for row in reader.audit(record.session.id)]
        for record in reader.sessions()
    }
    uuid, own = next(item for item in rows.items() if item[1][-1] - item[1][0] >= len(item[1]))
    (other, *_) = sorted(set(range(own[0], own[-1])) - set(own))
    with psycopg.connect(database.admin) as admin:
        admin.execute("SET session_replication_role = replica")
        admin.execute(
            "UPDATE kap.audit SET actor = 'Eve' WHERE station = 'x-1' AND n = %s", (other,)
        )

    async def ask() -> None:
        async with centre(database, tmp_path) as there:
            broken = (await checked(there, f"x-1~{uuid}")).json["broken"]
            assert broken == f"row {other} of the audit trail was changed after it was recorded"

    run(ask)


def test_what_is_not_all_there_cannot_be_checked_and_says_so(
    database: Database, store: Path, tmp_path: Path
) -> None:
    dsn = database.station("x-1")
    send(dsn, "x-1", store, files=False)

    async def ask() -> None:
        async with centre(database, tmp_path) as there:
            body = (await there.get(f"sessions/x-1~{UUID}")).json
            assert "waveforms of this session are not at the centre yet" in body["unreadable"][0]
            assert body["waves"] == []
            answer = await checked(there, f"x-1~{UUID}")
            assert answer.status == 503
            assert "check it at its station" in answer.json["error"]
            await asyncio.to_thread(send, dsn, "x-1", store)
            body = (await there.get(f"sessions/x-1~{UUID}")).json
            assert body["unreadable"] == []
            assert body["waves"]
            assert (await checked(there, f"x-1~{UUID}")).json["broken"] == ""

    run(ask)
