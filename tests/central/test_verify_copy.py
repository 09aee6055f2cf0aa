"""`vitals central verify` finds what was changed, lost or doubled, and says what it cannot see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.central.cluster import Cluster, Database
from tests.central.run import run
from tests.central.sent import send
from tests.store.build import T0, fill
from vitals.central.retain import follow, retire
from vitals.central.verify_copy import Checked, verify
from vitals.store.audit import row_hash
from vitals.store.reader import Reader
from vitals.store.retention import DAY_US, forget
from vitals.store.verify import verify as verify_record

CLOSED = "session-b"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record with an open session, and a closed one with a pleth."""
    path = tmp_path_factory.mktemp("station") / "vitals.db"
    fill(path)
    return path


@pytest.fixture(scope="module")
def sent(cluster: Cluster, store: Path) -> Iterator[Database]:
    """Where all of it has been sent; whoever changes it must put it back."""
    with cluster.fresh_database() as database:
        send(database.station("st-1"), "st-1", store)
        yield database


@contextmanager
def spoilt(database: Database, *statements: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection of the owner that sees changes which nobody else sees, undone at the end."""
    with psycopg.connect(database.admin) as connection:
        connection.execute("SET session_replication_role = replica")  # no trigger is in the way
        for statement in statements:
            assert connection.execute(statement.encode()).rowcount != 0, statement
        yield connection
        connection.rollback()


def check(connection: psycopg.Connection[Any]) -> Checked:
    (found,) = verify(connection)
    return found


def test_a_whole_copy_has_the_counts_and_the_head_of_the_record(
    sent: Database, store: Path
) -> None:
    with psycopg.connect(sent.viewer(), autocommit=True) as connection:
        found = check(connection)
    record = verify_record(store)
    assert record.ok
    assert record.sealed > 100
    assert (found.broken, found.head, found.audit_rows) == ("", record.head, record.audit_rows)
    assert (found.sealed, found.unsealed) == (record.sealed, record.unsealed)
    assert (found.behind, found.waiting, found.retired) == (0, 0, 0)


def changed(column: str, change: str) -> str:
    """A statement that changes the third of all values in a column of each block."""
    return (
        f"UPDATE kap.block SET {column} = (SELECT array_agg(x + (i = 3)::int{change} ORDER BY i)"  # noqa: S608
        f" FROM unnest({column}) WITH ORDINALITY t(x, i))"
    )


SPOILT = {
    "a text": (
        "UPDATE kap.audit SET body = replace(body, 'note', 'nota') WHERE n = 9",
        "audit row 9 (",
    ),
    "a time": ("UPDATE kap.audit SET at_us = at_us + 1 WHERE n = 5", "audit row 5 ("),
    "an actor": ("UPDATE kap.audit SET actor = 'Bob' WHERE n = 9", "audit row 9 ("),
    "a row": ("DELETE FROM kap.audit WHERE n = 4", "audit row 4 is missing"),
    "the first": ("DELETE FROM kap.audit WHERE n = 1", "audit row 1 is missing"),
    "a dose": (
        "UPDATE kap.session SET dose_us = dose_us + 1 WHERE uuid = 'session-b'",
        "the row of session session-b is not what the audit trail says",
    ),
    "limits": (
        "UPDATE kap.session SET profile_text = 'others' WHERE uuid = 'session-a'",
        "the row of session session-a is not",
    ),
    "a session": ("DELETE FROM kap.session WHERE uuid = 'session-a'", "its row is missing"),
    "a value": (
        changed("value", " * 0.125"),
        "are not those that audit row",
    ),
    "a quality": (
        changed("quality", "::smallint"),
        "are not those that audit row",
    ),
    "a time of a value": (
        changed("at_us", ""),
        "are not those that audit row",
    ),
    "a unit": ("UPDATE kap.channel SET unit = '1' WHERE key = 'spo2'", "are not those that"),
    "all values": ("DELETE FROM kap.block", "are not those that audit row"),
    "values twice": (
        "INSERT INTO kap.block SELECT station, record, last_seq + 1, first_us, last_us, seq,"
        " channel_id, at_us, value, quality, flags, device_at_us FROM kap.block",
        "is here twice",
    ),
    "a channel": (
        "DELETE FROM kap.channel WHERE key = 'nibp_sys'",
        "are not those that audit row",
    ),
    "values of nobody": (
        "INSERT INTO kap.block SELECT station, record, 1, first_us, first_us, '{1}', '{99}',"
        " '{1}', '{1}', '{0}' FROM kap.block LIMIT 1",
        "1 values belong to none of its sessions",
    ),
    "a value before all": (
        "INSERT INTO kap.block SELECT station, record, 0, first_us, first_us, '{0}',"
        " channel_id[1:1], '{1}', '{1}', '{0}' FROM kap.block LIMIT 1",
        "there are values between those that were sealed",
    ),
    "a waveform": (
        "UPDATE kap.file SET parquet = overlay(parquet PLACING '\\xdeadbeef' FROM 40)",
        "the waveforms of channel",
    ),
    "a waveform of another": (
        "UPDATE kap.file f SET (parquet, sha256) = (SELECT parquet, sha256 FROM kap.file o"
        " WHERE o.session <> f.session LIMIT 1)",
        "are not those that audit row",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SPOILT)
def test_whatever_was_changed_is_found_and_named(what: str, sent: Database) -> None:
    statement, words = SPOILT[what]
    with spoilt(sent, statement) as connection:
        found = check(connection)
    assert words in found.broken
    assert not found.ok


def test_a_row_that_was_changed_with_its_hash_is_found_by_the_next_one(sent: Database) -> None:
    columns = "n, prev, seq, at_us, session, room, actor, role, kind, body, command_id"
    with spoilt(sent) as connection:
        row = connection.execute(f"SELECT {columns} FROM kap.audit WHERE n = 9").fetchone()  # noqa: S608
        assert row is not None
        forged = {**dict(zip(columns.split(", "), row, strict=True)), "actor": "Bob"}
        connection.execute(
            "UPDATE kap.audit SET actor = 'Bob', hash = %s WHERE n = 9", (row_hash(**forged),)
        )
        assert "audit row 10 (" in (broken := check(connection).broken)
        assert "does not follow the row before it" in broken


def test_older_sessions_can_be_passed_over_and_are_counted(sent: Database) -> None:
    ended_us = T0 + 60_000_000
    with spoilt(sent, changed("value", " * 0.125")) as connection:
        (found,) = verify(connection, since_us=ended_us)
        assert "session session-" in found.broken
        connection.execute("DELETE FROM kap.file WHERE session = 'session-a'")  # it waits for it
        (found,) = verify(connection, since_us=ended_us + 1)
    assert (found.ok, found.skipped) == (True, 1)
    assert "1 older sessions were not looked at" in found.sentence


def test_a_changed_value_is_a_fault_whatever_was_retired(sent: Database) -> None:
    note = f"INSERT INTO kap.retired(what, before_us) VALUES ('values', {T0 + DAY_US})"  # noqa: S608
    with spoilt(sent, note) as connection:
        assert check(connection).ok
    with spoilt(sent, note, changed("value", " * 0.125")) as connection:
        assert "are not those that audit row" in check(connection).broken


def test_a_chain_that_was_written_anew_is_found_by_the_head_that_its_station_names(
    sent: Database,
) -> None:
    latest = (
        "INSERT INTO kap.latest SELECT 'st-1', pg_current_xact_id(), clock_timestamp(), 1, 0, 0,"
        " '{}', '{}', '{}', N, HEAD, record, true, true, '', 'real', '', pg_current_xact_id(),"
        " '{}', '{}', '{}', '{}', '{}', '{}' FROM kap.audit WHERE n = 1"
    )

    def named(n: int, head: str) -> Checked:
        statement = latest.replace("N,", f"{n},", 1).replace("HEAD", head)
        with spoilt(sent, statement) as connection:
            return check(connection)

    assert "audit row 9 is another one at the station" in named(9, "sha256('x')").broken
    assert named(1, "hash").ok
    later = named(1000, "hash")
    assert (later.ok, later.behind) == (True, 1000 - later.audit_rows)
    assert "audit rows are not here yet" in later.sentence


def test_what_has_not_come_yet_is_no_fault_and_is_counted(cluster: Cluster, store: Path) -> None:
    with cluster.fresh_database() as database:
        dsn = database.station("st-1")
        with psycopg.connect(database.admin, autocommit=True) as connection:
            send(dsn, "st-1", store, to_seq=100, files=False)
            part = check(connection)
            send(dsn, "st-1", store, files=False)
            values = check(connection)
            send(dsn, "st-1", store)
            whole = check(connection)
    assert (part.ok, values.ok, whole.ok) == (True, True, True)
    assert part.waiting == values.waiting == whole.sealed
    assert (values.sealed, whole.waiting) == (0, 0)


def test_a_value_that_is_missing_is_found_as_soon_as_the_waveforms_are_there(
    cluster: Cluster, store: Path
) -> None:
    with cluster.fresh_database() as database:
        send(database.station("st-1"), "st-1", store)
        with psycopg.connect(database.admin, autocommit=True) as connection:
            connection.execute(
                "UPDATE kap.block SET seq = seq[2:], channel_id = channel_id[2:],"
                " at_us = at_us[2:], value = value[2:], quality = quality[2:], flags = flags[2:],"
                " device_at_us = device_at_us[2:]"
            )
            assert "are here" in check(connection).broken


@pytest.mark.parametrize("what", ["all", "waves"])
def test_what_a_station_has_forgotten_goes_here_too_and_the_rest_is_whole(
    what: Any, cluster: Cluster, tmp_path: Path
) -> None:
    path = tmp_path / "vitals.db"
    fill(path)
    with cluster.fresh_database() as database:
        dsn = database.station("st-1")
        send(dsn, "st-1", path)
        (done,) = forget(path, [CLOSED], what=what, reason="asked for", by="Ann", now_us=T0)
        send(dsn, "st-1", path)
        with psycopg.connect(database.admin, autocommit=True) as connection:
            before = check(connection)
            (gone,) = follow(connection)
            assert list(follow(connection)) == []
            after = check(connection)
            (left,) = connection.execute(
                "SELECT count(*) FROM kap.numeric WHERE session = %s", (CLOSED,)
            ).fetchone() or (None,)
    assert (before.broken, after.broken) == ("", "")
    assert (gone.session, gone.values, gone.files) == (CLOSED, done.numerics, 1)
    assert left == (0 if what == "all" else 40)
    assert after.retired == before.sealed - after.sealed > 0
    assert verify_record(path).sealed == after.sealed


def test_values_of_whole_days_go_when_their_time_is_over(cluster: Cluster, store: Path) -> None:
    day = T0 // DAY_US
    with cluster.fresh_database() as database:
        send(database.station("st-1"), "st-1", store)
        with psycopg.connect(database.admin, autocommit=True) as connection:
            kept = retire(connection, now_us=(day + 3) * DAY_US - 1, days=2, waves_days=None)
            whole = check(connection)
            gone = retire(connection, now_us=(day + 3) * DAY_US, days=2, waves_days=None)
            after = check(connection)
            again = retire(connection, now_us=(day + 3) * DAY_US, days=2, waves_days=None)
    assert (kept.days, whole.retired) == ((), 0)
    assert (gone.days, gone.files) == (("2027-01-15",), 1)
    assert (after.broken, after.sealed, after.retired) == ("", 0, whole.sealed)
    assert (again.days, again.files) == ((), 0)


def test_waveforms_may_go_earlier(cluster: Cluster, store: Path) -> None:
    with cluster.fresh_database() as database:
        send(database.station("st-1"), "st-1", store)
        now_us = (T0 // DAY_US + 2) * DAY_US
        with psycopg.connect(database.admin, autocommit=True) as connection:
            early = retire(connection, now_us=now_us - 1, days=9, waves_days=1)
            late = retire(connection, now_us=now_us, days=9, waves_days=1)
            after = check(connection)
            (values,) = connection.execute("SELECT count(*) FROM kap.numeric").fetchone() or (0,)
    assert (early.files, late.files, late.days) == (0, 1, ())
    assert values == 83
    assert after.ok
    assert after.retired > 0


def test_values_that_are_away_for_no_reason_are_a_fault_also_where_others_have_retired(
    cluster: Cluster, store: Path
) -> None:
    with cluster.fresh_database() as database:
        send(database.station("st-1"), "st-1", store)
        with psycopg.connect(database.admin, autocommit=True) as connection:
            retire(connection, now_us=T0, days=30, waves_days=30)
            connection.execute("DELETE FROM kap.block")
            assert "are not those that audit row" in check(connection).broken


def test_the_command_tells_each_record_and_ends_with_1_when_one_is_broken(
    sent: Database, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "verify", "--dsn", sent.admin)
    head = verify_record(store).head
    assert (code, err) == (0, "")
    assert out.startswith("st-1, record ")
    assert f"sealed samples are as recorded. Head {head}" in out
    assert run(capsys, "verify", "--station", "st-9", "--dsn", sent.admin)[2] == (
        "vitals: nothing has come of station 'st-9'; `vitals central status` shows all\n"
    )
    with psycopg.connect(sent.admin, autocommit=True) as connection:
        connection.execute("UPDATE kap.audit SET role = role || 'x' WHERE n = 9")
        try:
            code, out, err = run(capsys, "verify", "--station", "st-1", "--dsn", sent.admin)
        finally:
            connection.execute("UPDATE kap.audit SET role = left(role, -1) WHERE n = 9")
    assert (code, out) == (1, "")
    assert "audit row 9 (" in err


def test_retain_as_a_command_says_what_is_gone(
    cluster: Cluster, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with cluster.fresh_database() as database:
        send(database.station("st-1"), "st-1", store)
        nothing = run(capsys, "retain", "--yes", "--dsn", database.admin)
        assert (nothing[0], nothing[1]) == (0, "There was nothing to delete.\n")
    assert Reader(store).sessions()
