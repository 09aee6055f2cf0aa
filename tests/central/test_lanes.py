"""A record's rows at the centre: as they are, each once, whoever sends and whatever was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.central.cluster import Cluster, Database
from tests.central.sending import STATION, Centre, connect, trail, values
from tests.loop import run
from tests.store import build
from vitals.central import arrays, lanes, tail, watermark
from vitals.central.lanes import Block
from vitals.central.tail import Tail
from vitals.central.watermark import Marks
from vitals.store.audit import row_hash

DAY_US = lanes.DAY_US


@pytest.fixture
def dsn(database: Database) -> str:
    return database.station(STATION, inline=False)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lanes") / "vitals.db"
    build.fill(path)
    return path


@pytest.fixture(scope="module")
def asking(cluster: Cluster) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        yield connection


def block(first_seq: int, at_us: list[int], value: float = 97.0) -> Block:
    n = len(at_us)
    return Block(
        range(first_seq, first_seq + n), [1] * n, at_us, [value] * n, [0] * n, [""] * n, [None] * n
    )


def with_connection(dsn: str, work: Any) -> None:
    async def main() -> None:
        async with connect(dsn) as connection:
            await work(connection)

    run(main())


async def whole(connection: Any, store: Path, most: int = 500) -> str:
    """Sends everything; returns the record's name."""
    record = tail.read(store, 0, 0).record
    marks = await watermark.read(connection, STATION, record)
    while True:
        found = tail.read(store, marks.audit, marks.numeric, most=most)
        if found.audit:
            assert await lanes.send_audit(
                connection, STATION, record, marks.audit, found.audit, found.sessions
            )
            marks = replace(marks, audit=found.audit[-1].n)
        elif found.block:
            await lanes.send_channels(connection, STATION, record, found.channels)
            await lanes.make_day(connection, found.block)
            assert await lanes.send_block(connection, STATION, record, marks.numeric, found.block)
            marks = replace(marks, numeric=found.block.seq[-1])
        else:
            return record


def test_a_record_stands_at_the_centre_as_it_stands_here(
    dsn: str, database: Database, store: Path
) -> None:
    with_connection(dsn, lambda connection: whole(connection, store, most=7))
    centre = Centre(database)
    assert centre.trail() == trail(store)
    assert centre.values() == values(store)
    for row in centre.trail():
        n, seq, at_us, session, room, actor, role, kind, command_id, body, prev, digest = row
        assert digest == row_hash(
            n=n, prev=prev, seq=seq, at_us=at_us, session=session, room=room, actor=actor,
            role=role, kind=kind, body=body, command_id=command_id,
        )  # fmt: skip
    sessions = centre.ask("SELECT uuid, room, state, tz, profile_text FROM kap.session ORDER BY 1")
    assert sessions == [
        ("session-a", "room-1", "open", "Europe/Berlin", "limits"),
        ("session-b", "room-2", "closed", "", ""),
    ]


def test_what_is_sent_twice_is_stored_once(dsn: str, database: Database, store: Path) -> None:
    async def work(connection: Any) -> None:
        record = await whole(connection, store)
        found = tail.read(store, 0, 0)
        assert not await lanes.send_audit(connection, STATION, record, 0, found.audit)
        values_of = tail.read(store, found.end_n, 0).block
        assert values_of is not None
        assert not await lanes.send_block(connection, STATION, record, 0, values_of)

    with_connection(dsn, work)
    centre = Centre(database)
    assert (centre.trail(), centre.values()) == (trail(store), values(store))


def test_of_two_who_send_the_same_one_wins(dsn: str, database: Database) -> None:
    record = "ab" * 32

    async def main() -> None:
        async with (
            connect(dsn) as one,
            connect(dsn) as other,
        ):
            await watermark.read(one, STATION, record)
            await lanes.make_day(one, block(1, [build.T0]))
            for known in range(0, 50, 5):
                answers: list[Coroutine[Any, Any, bool]] = [
                    lanes.send_block(each, STATION, record, known, block(known + 1, [build.T0] * 5))
                    for each in (one, other)
                ]
                assert sorted(await asyncio.gather(*answers)) == [False, True]

    run(main())
    assert Centre(database).counts() == (0, 50)


def test_a_transaction_is_there_with_its_watermark_or_not_at_all(
    dsn: str, database: Database, store: Path
) -> None:
    async def work(connection: Any) -> None:
        found = tail.read(store, 0, 0)
        await watermark.read(connection, STATION, found.record)
        rows = [*found.audit[:3], replace(found.audit[4], n=4)]  # does not follow
        with pytest.raises(psycopg.errors.CheckViolation, match="does not follow"):
            await lanes.send_audit(connection, STATION, found.record, 0, rows, found.sessions)
        assert await watermark.read(connection, STATION, found.record) == Marks()
        assert await lanes.send_audit(connection, STATION, found.record, 0, found.audit[:3])
        there = await watermark.read(connection, STATION, found.record)
        assert there == Marks(audit=3, hash=found.audit[2].hash)

    with_connection(dsn, work)
    assert Centre(database).counts() == (3, 0)
    assert Centre(database).ask("SELECT 1 FROM kap.session") == []


def test_a_record_is_named_by_its_first_row(dsn: str, store: Path) -> None:
    async def work(connection: Any) -> None:
        rows = tail.read(store, 0, 0).audit[:1]
        await watermark.read(connection, STATION, "cd" * 32)
        with pytest.raises(psycopg.errors.CheckViolation, match="named by its first row"):
            await lanes.send_audit(connection, STATION, "cd" * 32, 0, rows)

    with_connection(dsn, work)


def test_nobody_writes_for_another_station(dsn: str, database: Database, store: Path) -> None:
    database.station("st-2")

    async def work(connection: Any) -> None:
        found = tail.read(store, 0, 0)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await watermark.read(connection, "st-2", found.record)
        assert not await lanes.send_audit(connection, "st-2", found.record, 0, found.audit)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await lanes.send_channels(
                connection, "st-2", found.record, tail.read(store, found.end_n, 0).channels
            )

    with_connection(dsn, work)
    assert Centre(database).counts() == (0, 0)


@pytest.mark.parametrize("at_us", [-DAY_US, 0, 1_577_836_799_999_999, 4_102_444_800_000_000])
def test_a_clock_that_was_lost_does_not_stop_what_comes_after(
    dsn: str, database: Database, at_us: int
) -> None:
    async def work(connection: Any) -> None:
        await watermark.read(connection, STATION, "ab" * 32)
        for known, one in ((0, block(1, [at_us])), (1, block(2, [build.T0]))):
            await lanes.make_day(connection, one)
            assert await lanes.send_block(connection, STATION, "ab" * 32, known, one)

    with_connection(dsn, work)
    assert Centre(database).ask("SELECT first_us FROM kap.block ORDER BY last_seq") == [
        (at_us,),
        (build.T0,),
    ]


def test_a_day_that_is_gone_is_told(dsn: str, database: Database) -> None:
    async def work(connection: Any) -> None:
        await watermark.read(connection, STATION, "ab" * 32)
        with pytest.raises(psycopg.errors.CheckViolation, match="no partition"):
            await lanes.send_block(connection, STATION, "ab" * 32, 0, block(1, [build.T0]))
        assert (await watermark.read(connection, STATION, "ab" * 32)).numeric == 0

    with_connection(dsn, work)


def test_a_long_question_at_the_centre_does_not_hold_up_the_next_day(
    dsn: str, database: Database
) -> None:
    async def work(connection: Any) -> None:
        await connection.execute("SET lock_timeout = '1s'")
        await watermark.read(connection, STATION, "ab" * 32)
        async with await psycopg.AsyncConnection.connect(database.admin) as asking:
            await asking.execute("SELECT * FROM kap.block, kap.numeric")  # holds its locks
            await lanes.make_day(connection, block(1, [build.T0]))
            assert await lanes.send_block(connection, STATION, "ab" * 32, 0, block(1, [build.T0]))

    with_connection(dsn, work)


NUMBERS = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))


@given(
    st.lists(NUMBERS.filter(lambda each: not isinstance(each, int))),
    st.lists(NUMBERS.filter(lambda each: not isinstance(each, float))),
    st.lists(
        st.one_of(
            st.none(), st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))
        )
    ),
)
def test_arrays_arrive_as_they_were(
    asking: psycopg.Connection[Any],
    real: list[float | None],
    whole: list[int | None],
    words: list[str | None],
) -> None:
    found = asking.execute(
        "SELECT %s::double precision[], %s::bigint[], %s::text[]",
        (arrays.numbers(real), arrays.numbers(whole), arrays.texts(words)),
    ).fetchone()
    assert found == (real, whole, words)


# --- what is read of the record -----------------------------------------------------------------


def test_audit_rows_go_before_values_and_a_block_is_of_one_day(tmp_path: Path) -> None:
    path = tmp_path / "vitals.db"
    writer = build.opened(path)
    midnight_s = (DAY_US - build.T0 % DAY_US) / 1_000_000
    for number, at_s in enumerate((midnight_s - 2, midnight_s - 1, midnight_s, midnight_s + 1)):
        writer.put_numeric("session-a", 10 + number, build.spo2(at_s))
    writer.close()
    first = tail.read(path, 0, 0)
    assert first.block is None
    assert [row.n for row in first.audit] == list(range(1, first.end_n + 1))
    assert first.rows_behind == first.end_n + 4
    assert first.oldest_us == first.audit[0].at_us
    today = tail.read(path, first.end_n, 0)
    assert today.block is not None
    assert list(today.block.seq) == [10, 11]
    assert [one.key for one in today.channels] == ["spo2"]
    tomorrow = tail.read(path, first.end_n, 11)
    assert tomorrow.block is not None
    assert list(tomorrow.block.seq) == [12, 13]
    done = tail.read(path, first.end_n, 13)
    assert (done.audit, done.block, done.rows_behind, done.oldest_us) == ([], None, 0, None)
    assert done.hash_at == done.end_hash == first.audit[-1].hash


def test_a_session_is_told_as_the_rows_that_are_sent_tell_it(store: Path) -> None:
    all_rows = tail.read(store, 0, 0).audit
    opened = next(i for i, row in enumerate(all_rows) if row.session == "session-b")
    before = tail.read(store, 0, 0, most=opened + 1)
    told = {one.uuid: one for one in before.sessions}
    assert (told["session-b"].state, told["session-b"].ended_us) == ("open", None)
    after = {one.uuid: one for one in tail.read(store, 0, 0).sessions}
    assert after["session-b"].state == "closed"


def test_an_empty_record_has_no_name(tmp_path: Path) -> None:
    path = tmp_path / "vitals.db"
    build.raw(path).close()
    assert tail.read(path, 0, 0) == Tail()
