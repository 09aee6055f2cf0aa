"""The central tables: made once, upgraded whole or not at all, and what they refuse."""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg import errors

from tests.central.cluster import Cluster, Database
from vitals.central import migrate as migrations
from vitals.central.migrate import migrate, version_of
from vitals.central.schema import MIGRATIONS, OLDEST_SENDER, VERSION
from vitals.errors import CentralError

DAY_US = 86_400_000_000
T0 = 1_800_000_000_000_000
GENESIS = bytes(32)


@pytest.fixture
def station(database: Database) -> Any:
    """A connection of a station's role, `st-1`."""
    with psycopg.connect(database.station("st-1"), autocommit=True) as connection:
        yield connection


def audit(connection: psycopg.Connection[Any], n: int, prev: bytes, record: str = "") -> bytes:
    """Adds a row to a chain; returns its hash."""
    digest = hashlib.sha256(b"%d" % n + prev).digest()
    connection.execute(
        "INSERT INTO kap.audit(station, record, n, at_us, room, actor, role, kind, body, prev,"
        " hash) VALUES ('st-1', %s, %s, %s, '', '', '', 'note', '{}', %s, %s)",
        (record or digest.hex(), n, T0, prev, digest),
    )
    return digest


def put_block(connection: psycopg.Connection[Any], first_us: int, **more: Any) -> None:
    values = {
        "seq": [1, 2],
        "channel_id": [1, 1],
        "at_us": [first_us, first_us + 1],
        "value": [97.0, None],
        "quality": [0, 2],
        "flags": None,
        "device_at_us": None,
        **more,
    }
    connection.execute(
        "INSERT INTO kap.block VALUES ('st-1', %s, 2, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        ("a" * 64, first_us, first_us + 1, *values.values()),
    )


def test_an_empty_database_gets_all_tables_and_says_its_version(cluster: Cluster) -> None:
    with cluster.empty_database() as database, psycopg.connect(database.admin) as connection:
        assert version_of(connection) == 0
        assert migrate(connection) == (0, VERSION)
        assert version_of(connection) == VERSION
        rows = connection.execute("SELECT version, oldest_sender FROM kap.version").fetchall()
        assert rows == [(n, min(n, OLDEST_SENDER)) for n in range(1, VERSION + 1)]


def test_a_second_run_changes_nothing(database: Database) -> None:
    with psycopg.connect(database.admin) as connection:
        assert migrate(connection) == (VERSION, VERSION)


def test_several_at_once_make_the_tables_once(cluster: Cluster) -> None:
    def run(dsn: str) -> tuple[int, int]:
        with psycopg.connect(dsn) as connection:
            return migrate(connection)

    with cluster.empty_database() as database, ThreadPoolExecutor(4) as pool:
        done = sorted(pool.map(run, [database.admin] * 4))
    assert done == [(0, VERSION)] + [(VERSION, VERSION)] * 3


def test_a_script_that_fails_leaves_the_version_that_was_there(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = (*MIGRATIONS, "CREATE TABLE kap.half(x int); SELECT 1 / 0;")
    monkeypatch.setattr(migrations, "MIGRATIONS", scripts)
    monkeypatch.setattr(migrations, "VERSION", len(scripts))
    with psycopg.connect(database.admin, autocommit=True) as connection:
        with pytest.raises(errors.DivisionByZero):
            migrate(connection)
        assert version_of(connection) == VERSION
        assert connection.execute("SELECT to_regclass('kap.half')").fetchone() == (None,)


def test_tables_of_a_later_program_are_refused_in_one_sentence(database: Database) -> None:
    with psycopg.connect(database.admin) as connection:
        connection.execute("INSERT INTO kap.version VALUES (%s, 1)", (VERSION + 1,))
        with pytest.raises(CentralError, match=r"version 2 .* knows 1: upgrade kap-vitals"):
            migrate(connection)


def test_a_server_that_is_too_old_is_refused_in_one_sentence(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "OLDEST_SERVER", 99)
    with cluster.empty_database() as database, psycopg.connect(database.admin) as connection:
        with pytest.raises(CentralError, match="need 99 or newer: upgrade the server"):
            migrate(connection)
        assert version_of(connection) == 0


def test_two_databases_of_one_server_share_the_groups(cluster: Cluster) -> None:
    with cluster.empty_database() as one, cluster.empty_database() as other:
        for database in (one, other):
            with psycopg.connect(database.admin) as connection:
                migrate(connection)


def test_a_day_is_stored_as_the_table_of_all_days_is(database: Database) -> None:
    """Among others with lz4 where the server has it: the default takes a third of the time."""
    columns = (
        "SELECT attname, atttypid, attnotnull, attcompression FROM pg_attribute WHERE attrelid"
    )
    with psycopg.connect(database.admin) as connection:
        connection.execute("SELECT kap.make_day(%s)", (T0,))
        [(day,)] = connection.execute(
            "SELECT inhrelid FROM pg_inherits WHERE inhparent = 'kap.block'::regclass"
            " AND inhrelid::regclass::text ~ '[0-9]{8}'"
        ).fetchall()
        found = connection.execute(f"{columns} = %s".encode(), (day,)).fetchall()
        wanted = connection.execute(f"{columns} = 'kap.block'::regclass".encode()).fetchall()
        lz4 = connection.execute(
            "SELECT 'lz4' = ANY(enumvals) FROM pg_settings WHERE name = 'default_toast_compression'"
        ).fetchone()
    assert sorted(found) == sorted(wanted)
    assert lz4 == (any(row[3] == "l" for row in found),)


@pytest.mark.parametrize(
    ("record", "lane"), [("a" * 63, "audit"), ("A" * 64, "audit"), ("a" * 64, "other")]
)
def test_how_far_it_is_received_is_said_of_a_record_and_a_lane(
    station: Any, record: str, lane: str
) -> None:
    with pytest.raises(errors.CheckViolation):
        station.execute(
            "INSERT INTO kap.watermark(station, record, lane) VALUES ('st-1', %s, %s)",
            (record, lane),
        )


def test_a_chain_begins_with_the_row_that_names_it(station: Any) -> None:
    with pytest.raises(errors.CheckViolation, match="named by its first row"):
        audit(station, 1, GENESIS, record="b" * 64)
    audit(station, 1, GENESIS)


def test_a_row_that_does_not_follow_the_one_before_it_is_refused(station: Any) -> None:
    first = audit(station, 1, GENESIS)
    record = first.hex()
    with pytest.raises(errors.CheckViolation, match="row 2 does not follow"):
        audit(station, 2, bytes([7] * 32), record)
    with pytest.raises(errors.CheckViolation, match="row 3 does not follow"):
        audit(station, 3, first, record)
    audit(station, 2, first, record)
    with pytest.raises(errors.UniqueViolation):
        audit(station, 2, first, record)


def test_the_table_of_a_day_is_made_once_by_whoever_comes_first(database: Database) -> None:
    dsns = [database.station(f"st-{number}") for number in range(4)]

    def run(dsn: str) -> None:
        with psycopg.connect(dsn) as connection:
            connection.execute("SELECT kap.make_day(%s)", (T0,))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, dsns))
    with psycopg.connect(database.admin) as connection:
        rows = connection.execute(
            "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid"
            " WHERE inhparent = 'kap.block'::regclass AND relname ~ '[0-9]'"
        ).fetchall()
    assert rows == [("block_20270115",)]


@pytest.mark.parametrize("edge_us", [T0 // DAY_US * DAY_US, T0 // DAY_US * DAY_US + DAY_US - 1])
def test_a_day_is_whole(station: Any, edge_us: int) -> None:
    station.execute("SELECT kap.make_day(%s)", (T0,))
    put_block(station, edge_us)


@pytest.mark.parametrize("at_us", [0, -1, 1_577_836_799_999_999, 4_102_444_800_000_000, 2**62])
def test_a_time_that_no_clock_shows_is_kept_and_makes_no_table(station: Any, at_us: int) -> None:
    tables = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'kap.block'::regclass"
    before = station.execute(tables).fetchone()
    station.execute("SELECT kap.make_day(%s)", (at_us,))
    put_block(station, at_us)
    assert station.execute("SELECT first_us FROM kap.block").fetchone() == (at_us,)
    assert station.execute(tables).fetchone() == before


def test_values_come_out_of_a_block_as_they_went_in(station: Any) -> None:
    station.execute("SELECT kap.make_day(%s)", (T0,))
    station.execute(
        "INSERT INTO kap.channel VALUES"
        " ('st-1', %s, 1, 'session-a', 'oximeter', 'spo2', '%%', 'numeric', 1.0, 150456, NULL)",
        ("a" * 64,),
    )
    put_block(station, T0)
    put_block(station, T0 + 10, flags=["", "searching"], device_at_us=[None, T0], seq=[3, 4])
    rows = station.execute(
        "SELECT seq, session, device, channel, value, quality, flags, device_at_us"
        " FROM kap.numeric ORDER BY seq"
    ).fetchall()
    same = ("session-a", "oximeter", "spo2")
    assert rows == [
        (1, *same, 97.0, 0, "", None),
        (2, *same, None, 2, "", None),
        (3, *same, 97.0, 0, "", None),
        (4, *same, None, 2, "searching", T0),
    ]


def test_a_row_that_is_polled_tells_which_transaction_wrote_it(station: Any) -> None:
    with station.transaction():
        (writing,) = station.execute("SELECT pg_current_xact_id()::text").fetchone()
        station.execute(
            "INSERT INTO kap.room_state(station, room, label, state) VALUES ('st-1', 'r', 'R', '')"
        )
    assert station.execute("SELECT changed::text FROM kap.room_state").fetchone() == (writing,)


def test_what_is_rewritten_every_second_is_not_counted_anew_each_minute() -> None:
    """New statistics let all connections of all stations plan their statements again, at once."""
    with (
        Cluster(settings={"autovacuum_naptime": "1s"}) as cluster,
        cluster.fresh_database() as database,
        psycopg.connect(database.station("st-1")),
        psycopg.connect(database.admin, autocommit=True) as admin,
    ):
        rewritten = {"watermark": "moved", "latest": "arrived", "room_state": "state"}
        admin.execute("CREATE TABLE kap.ordinary AS SELECT now() AS at")
        admin.execute(
            "INSERT INTO kap.watermark(station, record, lane) VALUES ('st-1', %s, 'audit')",
            ("a" * 64,),
        )
        admin.execute(
            "INSERT INTO kap.latest(station, now_us, lag_rows, lag_s, at_us, value, quality,"
            " station_live, recording, mode, build, room, channel, device, flags, fresh_s, gone_s)"
            " VALUES ('st-1', 1, 0, 0, '{}', '{}', '{}', true, true, 'test', '', '{}', '{}', '{}',"
            " '{}', '{}', '{}')"
        )
        admin.execute(
            "INSERT INTO kap.room_state(station, room, label, state) VALUES ('st-1', 'r', '', '')"
        )

        def counted() -> set[str]:
            rows = admin.execute(
                "SELECT relname FROM pg_stat_user_tables"
                " WHERE schemaname = 'kap' AND autoanalyze_count > 0"
            )
            return {name for (name,) in rows}

        end = time.monotonic() + 30
        while "ordinary" not in counted():
            assert time.monotonic() < end, "this server counts nothing"
            for _ in range(50):
                admin.execute("UPDATE kap.ordinary SET at = now()")
                for table, column in rewritten.items():
                    admin.execute(
                        f"UPDATE kap.{table} SET {column} = {column}".encode()  # noqa: S608 ours
                    )
        assert not counted() & rewritten.keys()
