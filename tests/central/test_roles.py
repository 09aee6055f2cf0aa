"""A station sees and writes its own rows, a viewer reads everything; nobody does anything else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql

from tests.central.cluster import PASSWORD, Cluster, Database

T0 = 1_800_000_000_000_000
FIRST = hashlib.sha256(b"first").digest()
RECORD = FIRST.hex()
ROWS: dict[str, dict[str, Any]] = {
    "watermark": {"record": RECORD, "lane": "audit", "n": 1},
    "session": {
        "record": RECORD, "uuid": "s", "room": "r", "subject_ref": "P-1", "route": "IM",
        "mode": "real", "phase": "PEAK", "started_us": T0, "tz": "", "state": "open",
        "resumed": 0, "profile_text": "", "config_text": "",
    },
    "channel": {
        "record": RECORD, "channel_id": 1, "session": "s", "device": "d", "key": "spo2",
        "unit": "%", "kind": "numeric",
    },
    "audit": {
        "record": RECORD, "n": 1, "at_us": T0, "room": "", "actor": "", "role": "",
        "kind": "note", "body": "{}", "prev": bytes(32), "hash": FIRST,
    },
    "block": {
        "record": RECORD, "last_seq": 1, "first_us": T0, "last_us": T0, "seq": [1],
        "channel_id": [1], "at_us": [T0], "value": [97.0], "quality": [0],
    },
    "file": {
        "record": RECORD, "session": "s", "channel_id": 1, "rows": 1, "parquet": b"x",
        "sha256": FIRST,
    },
    "latest": {
        "now_us": T0, "station_live": True, "recording": True, "mode": "real", "build": "1",
        "lag_rows": 0, "lag_s": 0.0, "room": ["r"], "channel": ["spo2"], "device": ["d"],
        "at_us": [T0], "value": [97.0], "quality": [0], "flags": [""], "fresh_s": [3.0],
        "gone_s": [5.0],
    },
    "room_state": {"room": "r", "label": "R", "state": b""},
}  # fmt: skip
"""A row of each table that has rows of stations, without the station."""
UPDATED = {"watermark", "session", "latest", "room_state"}


def put(connection: psycopg.Connection[Any], table: str, station: str) -> None:
    row = {"station": station, **ROWS[table]}
    connection.execute(
        sql.SQL("INSERT INTO kap.{} ({}) VALUES ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(sql.Placeholder() * len(row)),
        ),
        list(row.values()),
    )


def count(connection: psycopg.Connection[Any], table: str) -> int:
    row = connection.execute(
        sql.SQL("SELECT count(*) FROM kap.{}").format(sql.Identifier(table))
    ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture(scope="module")
def logins(module_database: Database) -> dict[str, str]:
    """Two stations and a viewer; the first station has a row in every table."""
    found = {
        "one": module_database.station("one"),
        "other": module_database.station("other"),
        "viewer": module_database.viewer(),
        "owner": module_database.admin,
    }
    with psycopg.connect(found["one"], autocommit=True) as connection:
        connection.execute("SELECT kap.make_day(%s)", (T0,))
        for table in ROWS:
            put(connection, table, "one")
    return found


@pytest.fixture
def one(logins: dict[str, str]) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(logins["one"], autocommit=True) as connection:
        yield connection


@pytest.fixture
def other(logins: dict[str, str]) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(logins["other"], autocommit=True) as connection:
        yield connection


@pytest.fixture
def viewer(logins: dict[str, str]) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(logins["viewer"], autocommit=True) as connection:
        yield connection


def test_every_table_with_rows_of_stations_is_tried_here(logins: dict[str, str]) -> None:
    with psycopg.connect(logins["owner"]) as connection:
        tables = connection.execute(
            "SELECT c.relname, c.relrowsecurity FROM pg_class c"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'station'"
            " WHERE c.relnamespace = 'kap'::regnamespace AND c.relkind IN ('r', 'p')"
            " AND NOT c.relispartition"
        ).fetchall()
    assert dict(tables) == dict.fromkeys(ROWS, True)


@pytest.mark.parametrize("table", ROWS)
def test_a_station_sees_its_own_rows_and_no_others(
    table: str, one: psycopg.Connection[Any], other: psycopg.Connection[Any]
) -> None:
    assert count(one, table) == 1
    assert count(other, table) == 0


def test_no_view_shows_a_station_what_its_tables_do_not(
    viewer: psycopg.Connection[Any], other: psycopg.Connection[Any]
) -> None:
    assert count(viewer, "numeric") == count(viewer, "latest_numeric") == 1
    assert count(other, "numeric") == 0
    with pytest.raises(errors.InsufficientPrivilege):
        count(other, "latest_numeric")


@pytest.mark.parametrize("table", ROWS)
def test_a_station_writes_nothing_in_the_name_of_another(
    table: str, other: psycopg.Connection[Any]
) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        put(other, table, "one")


@pytest.mark.parametrize("table", sorted(UPDATED))
def test_a_station_moves_no_row_of_another_and_none_to_another(
    table: str, one: psycopg.Connection[Any], other: psycopg.Connection[Any]
) -> None:
    name = sql.Identifier(table)
    changed = other.execute(sql.SQL("UPDATE kap.{} SET station = station").format(name))
    assert changed.rowcount == 0
    with pytest.raises(errors.InsufficientPrivilege):
        one.execute(sql.SQL("UPDATE kap.{} SET station = 'other'").format(name))


@pytest.mark.parametrize("table", sorted(ROWS.keys() - UPDATED))
def test_what_has_been_recorded_is_never_changed(table: str, one: psycopg.Connection[Any]) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        one.execute(sql.SQL("UPDATE kap.{} SET station = station").format(sql.Identifier(table)))


@pytest.mark.parametrize("table", [*ROWS, "station", "version", "retired"])
def test_a_station_deletes_nothing(table: str, one: psycopg.Connection[Any]) -> None:
    for statement in ("DELETE FROM kap.{}", "TRUNCATE kap.{}", "DROP TABLE kap.{}"):
        with pytest.raises(errors.InsufficientPrivilege):
            one.execute(sql.SQL(statement).format(sql.Identifier(table)))  # type: ignore[arg-type, unused-ignore]


FORBIDDEN = {
    "another station's row": "SELECT seq FROM kap.block_20270115",
    "a value past the policy": "INSERT INTO kap.block_20270115 SELECT * FROM kap.block",
    "a station": "INSERT INTO kap.station VALUES ('new', 'n', 's', 'c', 'x')",
    "its own site": "UPDATE kap.station SET site = 'elsewhere'",
    "a version": "INSERT INTO kap.version VALUES (9, 9)",
    "a table": "CREATE TABLE kap.mine(x int)",
    "a function": "CREATE FUNCTION kap.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "another own": "CREATE OR REPLACE FUNCTION kap.own() RETURNS text LANGUAGE sql AS $$SELECT 'one'$$",  # noqa: E501
    "no policy": "ALTER TABLE kap.audit DISABLE ROW LEVEL SECURITY",
    "the viewers' group": "SET ROLE kap_view",
    "the owner": "SET ROLE postgres",
    "passwords": "SELECT rolpassword FROM pg_authid",
    "files of the server": "SELECT pg_read_file('postgresql.conf')",
    "programs": "COPY kap.latest TO PROGRAM 'true'",
    "who has asked what": "SELECT * FROM kap.retired",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_a_station_may_nothing_else(what: str, one: psycopg.Connection[Any]) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        one.execute(FORBIDDEN[what].encode())


def test_another_role_does_not_make_it_another_station(
    logins: dict[str, str], one: psycopg.Connection[Any]
) -> None:
    """`SET ROLE` to the group changes nothing: the login counts."""
    one.execute("SET ROLE kap_station")
    assert one.execute("SELECT kap.own()").fetchone() == ("one",)
    assert count(one, "audit") == 1


def test_a_role_without_a_station_sees_and_writes_nothing(
    module_database: Database, cluster: Cluster
) -> None:
    login = cluster.next_login("stray")
    cluster.run(
        sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE kap_station").format(
            sql.Identifier(login), sql.Literal(PASSWORD)
        )
    )
    dsn = module_database.dsn(login, PASSWORD)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for table in ROWS:
            assert count(connection, table) == 0
        for table in ROWS:
            for station in ("", "one"):
                with pytest.raises(errors.InsufficientPrivilege):
                    put(connection, table, station)


def test_a_role_of_neither_group_sees_nothing(
    logins: dict[str, str], module_database: Database, cluster: Cluster
) -> None:
    login = cluster.next_login("nobody")
    cluster.run(
        sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
            sql.Identifier(login), sql.Literal(PASSWORD)
        )
    )
    with psycopg.connect(module_database.dsn(login, PASSWORD), autocommit=True) as connection:
        for statement in ("SELECT * FROM kap.latest", "SELECT kap.own()"):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement.encode())


@pytest.mark.parametrize("table", [*ROWS, "station", "version", "retired"])
def test_a_viewer_reads_everything_and_writes_nothing(
    table: str, viewer: psycopg.Connection[Any]
) -> None:
    count(viewer, table)
    name = sql.Identifier(table)
    if table in ROWS:
        assert count(viewer, table) == 1
        with pytest.raises(errors.InsufficientPrivilege):
            put(viewer, table, "one")
        with pytest.raises(errors.InsufficientPrivilege):
            viewer.execute(sql.SQL("UPDATE kap.{} SET station = station").format(name))
    with pytest.raises(errors.InsufficientPrivilege):
        viewer.execute(sql.SQL("DELETE FROM kap.{}").format(name))


def test_a_viewer_makes_no_days(viewer: psycopg.Connection[Any]) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        viewer.execute("SELECT kap.make_day(%s)", (T0,))
