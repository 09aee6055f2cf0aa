"""`vitals central migrate|station|viewer|status|retain`: what they do, and each refusal's words."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import psycopg
import pytest
from psycopg import errors, sql

from tests.central.cluster import PASSWORD, Cluster, Database, free_port
from tests.central.run import run
from vitals import config
from vitals.central import central_file
from vitals.central.connecting import connected
from vitals.central.schema import VERSION
from vitals.central.stations import CONNECTIONS
from vitals.central_command import central
from vitals.errors import CentralError

Said = tuple[int, str, str]
Vitals = Callable[..., Said]
US = 1_000_000


@pytest.fixture
def vitals(database: Database, capsys: pytest.CaptureFixture[str]) -> Iterator[Vitals]:
    """`vitals central …` as the owner of a database; its roles are gone afterwards."""
    yield lambda *args: run(capsys, *args[:2], "--dsn", database.admin, *args[2:])
    with psycopg.connect(database.admin, autocommit=True) as connection:
        for (role,) in connection.execute(
            "SELECT rolname FROM pg_roles WHERE rolname ~ '^(station|viewer)_(north-1|ward)$'"
        ).fetchall():
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@pytest.fixture
def owner(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database.admin, autocommit=True) as connection:
        yield connection


def login(said: Said) -> tuple[str, str]:
    """User and password of what a command has shown."""
    code, out, err = said
    assert (code, err) == (0, "")
    words = dict(line.split() for line in out.splitlines()[:2])
    return words["user"], words["password"]


ADD = ("station", "add", "north-1", "--site", "North", "--clinic", "Main")


def test_migrate_makes_the_tables_and_says_so(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    with cluster.empty_database() as empty:
        first = run(capsys, "migrate", "--dsn", empty.admin)
        second = run(capsys, "migrate", "--dsn", empty.admin)
    assert first == (0, f"The central tables are made, version {VERSION}.\n", "")
    assert second == (0, f"The central tables are version {VERSION} already.\n", "")


def test_a_station_that_was_added_can_write_with_the_password_that_was_shown(
    vitals: Vitals, database: Database
) -> None:
    role, password = login(vitals(*ADD))
    assert role == "station_north-1"
    with psycopg.connect(database.dsn(role, password)) as connection:
        connection.execute("INSERT INTO kap.watermark VALUES ('north-1', %s, 'audit')", ("a" * 64,))


def test_the_server_is_never_told_the_password_itself(
    vitals: Vitals, owner: psycopg.Connection[Any]
) -> None:
    role, _ = login(vitals(*ADD))
    kept = owner.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", (role,))
    assert str(kept.fetchone()).startswith("('SCRAM-SHA-256$")


def test_a_stations_dead_connections_do_not_hold_its_rows_or_use_up_the_server(
    vitals: Vitals, database: Database, owner: psycopg.Connection[Any]
) -> None:
    role, password = login(vitals(*ADD))
    with psycopg.connect(database.dsn(role, password)) as connection:
        shown = [
            connection.execute(f"SHOW {name}".encode()).fetchone()
            for name in ("idle_in_transaction_session_timeout", "lock_timeout")
        ]
    assert shown == [("10s",), ("10s",)]
    limit = owner.execute("SELECT rolconnlimit FROM pg_roles WHERE rolname = %s", (role,))
    assert limit.fetchone() == (CONNECTIONS,)


def test_a_station_is_not_added_twice(vitals: Vitals) -> None:
    vitals(*ADD)
    code, out, err = vitals(*ADD)
    assert (code, out) == (2, "")
    assert err == (
        "vitals: station north-1 is there already; `vitals central station renew north-1` gives "
        "it a new password\n"
    )


def test_a_role_of_another_database_is_not_taken_over(
    vitals: Vitals, owner: psycopg.Connection[Any]
) -> None:
    owner.execute('CREATE ROLE "station_north-1"')
    code, _, err = vitals(*ADD)
    assert code == 2
    assert "has a role station_north-1 already, of another of its databases" in err


@pytest.mark.parametrize("bad", ["", "a b", "ä", "../x", "-x", "x" * 41, 'a"; DROP ROLE postgres'])
def test_an_id_that_no_config_can_have_is_refused(
    bad: str, module_database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    server = ("--dsn", module_database.admin)
    code, _, err = run(capsys, "station", "add", *server, "--site", "N", "--clinic", "M", "--", bad)
    assert code == 2
    assert "cannot be the id of a station" in err


def test_a_new_password_voids_the_old_one_and_cuts_who_used_it(
    vitals: Vitals, database: Database
) -> None:
    role, old = login(vitals(*ADD))
    with psycopg.connect(database.dsn(role, old), autocommit=True) as connection:
        same, new = login(vitals("station", "renew", "north-1"))
        assert (same, new != old) == (role, True)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(database.dsn(role, old))
    psycopg.connect(database.dsn(role, new)).close()


def test_a_station_that_is_removed_writes_no_more_and_what_it_sent_stays(
    vitals: Vitals, database: Database, owner: psycopg.Connection[Any]
) -> None:
    role, password = login(vitals(*ADD))
    with psycopg.connect(database.dsn(role, password), autocommit=True) as connection:
        connection.execute("INSERT INTO kap.watermark VALUES ('north-1', %s, 'audit')", ("a" * 64,))
        connection.execute(
            "INSERT INTO kap.room_state(station, room, label, state)"
            " VALUES ('north-1', 'r', 'R', '')"
        )
        code, out, _ = vitals("station", "remove", "north-1")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    assert (code, "can still be reviewed" in out) == (0, True)
    assert owner.execute("SELECT count(*) FROM kap.watermark").fetchone() == (1,)
    assert owner.execute("SELECT count(*) FROM kap.room_state").fetchone() == (0,)
    assert vitals("station", "list")[1].splitlines()[1].split()[-1] == "removed"
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(database.dsn(role, password))


def test_a_station_that_was_removed_comes_back_with_its_rows(
    vitals: Vitals, database: Database
) -> None:
    role, password = login(vitals(*ADD))
    with psycopg.connect(database.dsn(role, password), autocommit=True) as connection:
        connection.execute("INSERT INTO kap.watermark VALUES ('north-1', %s, 'audit')", ("a" * 64,))
    vitals("station", "remove", "north-1")
    refused = vitals("station", "renew", "north-1")
    role, password = login(vitals(*ADD[:4], "South", *ADD[5:]))
    with psycopg.connect(database.dsn(role, password)) as connection:
        assert connection.execute("SELECT count(*) FROM kap.watermark").fetchone() == (1,)
    assert "`vitals central station add` brings it back" in refused[2]
    assert "South" in vitals("station", "list")[1]


def test_with_rows_nothing_of_a_station_is_left(
    vitals: Vitals, database: Database, owner: psycopg.Connection[Any]
) -> None:
    role, password = login(vitals(*ADD))
    with psycopg.connect(database.dsn(role, password), autocommit=True) as connection:
        connection.execute("INSERT INTO kap.watermark VALUES ('north-1', %s, 'audit')", ("a" * 64,))
    assert vitals("station", "remove", "north-1", "--rows", "--yes")[0] == 0
    for table in ("watermark", "station"):
        found = owner.execute(sql.SQL("SELECT count(*) FROM kap.{}").format(sql.Identifier(table)))
        assert found.fetchone() == (0,)


@pytest.mark.parametrize("act", ["renew", "remove"])
def test_a_station_that_is_not_there_is_named(act: str, vitals: Vitals) -> None:
    code, _, err = vitals("station", act, "sooth-9")
    assert (code, err) == (
        2,
        "vitals: there is no station 'sooth-9'; `vitals central station list` shows all\n",
    )


def test_a_viewer_reads_and_goes_again(vitals: Vitals, database: Database) -> None:
    role, password = login(vitals("viewer", "add", "ward"))
    assert "there is a role viewer_ward already" in vitals("viewer", "add", "ward")[2]
    assert "viewer_ward" in vitals("viewer", "list")[1].splitlines()
    with psycopg.connect(database.dsn(role, password), autocommit=True) as connection:
        connection.execute("SELECT * FROM kap.latest")
        with pytest.raises(errors.ReadOnlySqlTransaction):
            connection.execute("CREATE TEMP TABLE x(y int)")
        assert vitals("viewer", "remove", "ward")[0] == 0
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    assert "there is no viewer ward" in vitals("viewer", "remove", "ward")[2]


def test_an_owner_who_is_no_superuser_is_enough(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_OWNER", PASSWORD)
    with Cluster() as server, server.empty_database() as database:
        server.run(
            f"CREATE ROLE kap_owner LOGIN CREATEROLE PASSWORD '{PASSWORD}'"
            " IN ROLE pg_signal_backend",
            f"ALTER DATABASE {database.name} OWNER TO kap_owner",
        )
        options = ("--dsn", database.dsn("kap_owner"), "--password", "env:OF_OWNER")
        assert run(capsys, "migrate", *options)[0] == 0
        role, password = login(run(capsys, *ADD, *options))
        viewer, of_viewer = login(run(capsys, "viewer", "add", "ward", *options))
        with psycopg.connect(database.dsn(role, password), autocommit=True) as connection:
            connection.execute("SELECT kap.make_day(%s)", (1_800_000_000 * US,))
            assert connection.execute("SELECT kap.own()").fetchone() == ("north-1",)
            with psycopg.connect(database.dsn(viewer, of_viewer)) as looking:
                assert looking.execute("SELECT id FROM kap.station").fetchone() == ("north-1",)
            assert run(capsys, "station", "renew", "north-1", *options)[0] == 0
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        for args in (("status",), ("verify",), ("retain", "--days", "1", "--yes")):
            assert run(capsys, *args, *options)[2] == ""
        for args in (("station", "remove", "north-1"), ("viewer", "remove", "ward")):
            assert run(capsys, *args, *options)[0] == 0


def test_without_tables_every_command_says_what_is_to_be_done(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    with cluster.empty_database() as empty:
        for args in (ADD, ("station", "list"), ("status",), ("verify",), ("retain", "--yes")):
            code, _, err = run(capsys, *args, "--dsn", empty.admin)
            assert code == 2
            assert err == (
                "vitals: the central tables are not there: run `vitals central migrate`\n"
            )


def test_tables_of_a_later_program_are_refused(
    vitals: Vitals, owner: psycopg.Connection[Any]
) -> None:
    owner.execute("INSERT INTO kap.version VALUES (%s, 1)", (VERSION + 1,))
    for args in (ADD, ("status",), ("migrate",)):
        code, _, err = vitals(*args)
        assert (code, "upgrade kap-vitals on this computer" in err) == (2, True)


def test_a_station_may_not_make_stations(
    database: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_STATION", PASSWORD)
    dsn = database.station("st-1", inline=False)
    code, _, err = run(capsys, *ADD, "--dsn", dsn, "--password", "env:OF_STATION")
    assert code == 2
    assert err.endswith("this user may not do that; use the owner of the database\n")
    assert len(err.splitlines()) == 1


def wrong_password(database: Database) -> str:
    return database.station("st-1", inline=False)


UNREACHED: dict[str, tuple[Callable[[Database], str], str]] = {
    "wrong password": (wrong_password, "it refuses this user or password"),
    "unknown user": (
        lambda database: database.dsn("station_x"),
        "it refuses this user or password",
    ),
    "unknown database": (
        lambda database: database.cluster.dsn(database="kop"),
        "it has no such database; make it with createdb",
    ),
    "nobody there": (
        lambda _: f"host=127.0.0.1 port={free_port()} dbname=kap user=x",
        "nobody answers there; start the server, or check host and port",
    ),
    "no socket": (lambda _: "host=/nowhere dbname=kap user=x", "nobody answers there"),
}


def test_a_viewer_who_wants_to_write_is_told_that_viewers_only_read(
    vitals: Vitals, database: Database, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    user, password = login(vitals("viewer", "add", "ward"))
    monkeypatch.setenv("PGPASSWORD", password)
    words = psycopg.conninfo.conninfo_to_dict(database.admin) | {"user": user}
    dsn = " ".join(f"{key}={words[key]}" for key in ("host", "port", "dbname", "user"))
    code, out, err = run(capsys, "station", "list", "--dsn", dsn)
    assert (code, out) == (2, "")
    assert "this user may only read (use the owner of the database)" in err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--dsn", "gibberish"), "--dsn: it is written as keyword=value"),
        (
            ("--dsn", "host=/x dbname=kap user=x", "--password", "swordfish"),
            "--password: it says where the password is",
        ),
        (
            ("--dsn", "host=/x dbname=kap user=x", "--password", "file:/nope"),
            "correct --password",
        ),
        (
            ("--dsn", "host=pg.example dbname=kap user=x"),
            "name the certificate of its authority in --root-cert",
        ),
    ],
)
def test_what_is_wrong_with_an_option_is_said_of_that_option(
    more: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "migrate", *more)
    assert (code, out) == (2, "")
    assert words in err
    assert "central." not in err
    assert "swordfish" not in err


@pytest.mark.parametrize("option", ["--name", "--site", "--clinic"])
def test_a_name_of_two_lines_is_refused(option: str, vitals: Vitals) -> None:
    code, out, err = vitals(*ADD, option, "Main\nhall")
    assert (code, out) == (2, "")
    assert f"in its {option[2:]}; write it in one line" in err


@pytest.mark.parametrize("what", UNREACHED)
def test_a_server_that_is_not_reached_is_one_sentence(
    what: str,
    database: Database,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WRONG", "swordfish")
    dsn, words = UNREACHED[what]
    code, _, err = run(capsys, "status", "--dsn", dsn(database), "--password", "env:WRONG")
    assert code == 2
    assert words in err
    assert len(err.splitlines()) == 1
    assert "swordfish" not in err


def test_what_a_dsn_may_not_say_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VITALS_CENTRAL_DSN", raising=False)
    for dsn, words in (
        ("host=/x dbname=kap user=x password=secret", "a password does not stand here"),
        ("host=pg.example dbname=kap user=x sslmode=require", "sslmode must be verify-full"),
        ("host=pg.example dbname=kap user=x", "--root-cert"),
        ("", "say with --dsn which server"),
    ):
        code, _, err = run(capsys, "status", "--dsn", dsn)
        assert (code, words in err) == (2, True), err


def test_without_psycopg_the_sentence_says_how_to_get_it(
    vitals: Vitals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    code, _, err = vitals("status")
    assert (code, 'pip install "kap-vitals[central]"' in err) == (2, True)


def test_a_central_toml_is_needed_for_the_pages(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys)
    assert (code, "say with --config where central.toml is" in err) == (2, True)


PAGE = (Path(__file__).parents[2] / "docs" / "central.md").read_text(encoding="utf-8")


def test_the_configs_of_the_documentation_are_taken(tmp_path: Path) -> None:
    pages, station = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "central.toml"
    path.write_text(pages, encoding="utf-8")
    found = central_file.load(path)
    assert found.central.folder == tmp_path / "central"
    text = station + '\n[[room]]\nid = "room-1"\n'
    sending = config.parse(text, path=tmp_path / "clinic.toml").central
    assert sending is not None
    assert sending.root_cert == found.central.root_cert == tmp_path / "authority.pem"


def test_the_documentation_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    named = re.findall(r"^\| `vitals central ([a-z]+)(?: ([a-z|\\]+))?", PAGE, re.MULTILINE)
    shown = {(group, each) for group, rest in named for each in rest.replace("\\", "").split("|")}
    there = {
        (name, each)
        for name, command in central.commands.items()
        for each in (command.commands if isinstance(command, click.Group) else [""])
    }
    assert shown == there


def test_a_connection_that_breaks_in_the_middle_is_a_sentence(database: Database) -> None:
    with (
        pytest.raises(CentralError, match=r"^PostgreSQL at .*database kap_"),
        connected(database.admin) as connection,
    ):
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
