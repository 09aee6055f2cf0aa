"""`vitals central status`: how each station is reached, and what is to be said of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.central.cluster import PASSWORD, Database
from tests.central.run import run

US = 1_000_000


@pytest.fixture
def owner(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database.admin, autocommit=True) as connection:
        yield connection


def heard(connection: psycopg.Connection[Any], station: str, **facts: Any) -> None:
    """A row of `kap.latest`; `age_s` and `clock_s` are what `status` should find."""
    age_s, clock_s = facts.pop("age_s", 0.0), facts.pop("clock_s", 0.0)
    empty: list[Any] = []
    row: dict[str, Any] = {
        "station": station, "station_live": True, "recording": True, "mode": "real",
        "build": "0.1.0", "lag_rows": 0, "lag_s": 0.0, "room": empty, "channel": empty,
        "device": empty, "at_us": empty, "value": empty, "quality": empty, "flags": empty,
        "fresh_s": empty, "gone_s": empty, **facts,
    }  # fmt: skip
    now = datetime.now(UTC).timestamp() - age_s
    row["now_us"] = round((now - clock_s) * US)
    row["arrived"] = datetime.fromtimestamp(now, UTC)
    connection.execute(
        sql.SQL("INSERT INTO kap.latest({}) VALUES ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(map(sql.Placeholder, row)),
        ),
        row,
    )


SAID: dict[str, tuple[dict[str, Any], str, str]] = {
    "well": ({}, "live", ""),
    "late": ({"age_s": 5.0}, "stale", "nothing was heard of it for 5"),
    "lost": ({"age_s": 300.0}, "lost", "LINK LOST for 5 min; its rooms monitor locally"),
    "dead station": ({"station_live": False}, "live", "its sender runs, and the station does not"),
    "in its words": ({"detail": "the disk is full"}, "live", "the disk is full"),
    "not recording": ({"recording": False}, "live", "NOT RECORDING"),
    "behind": (
        {"lag_rows": 4000, "lag_s": 3000.0},
        "live",
        "4000 rows are not here yet, the oldest for 50 min",
    ),
    "slow clock": ({"clock_s": 20.0}, "live", "its clock is 20 s behind the server's"),
    "fast clock": ({"clock_s": -20.0}, "live", "its clock is 20 s ahead of the server's"),
    "a day off": ({"clock_s": 86_400.0}, "live", "its clock is wrong by 24 h"),
    "lost before all": ({"age_s": 60.0, "detail": "x", "clock_s": 99.0}, "lost", "LINK LOST"),
}


@pytest.mark.parametrize("what", SAID)
def test_status_says_of_a_station_the_worst(
    what: str, module_database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    facts, link, words = SAID[what]
    station = what.replace(" ", "-")
    module_database.station(station)
    with psycopg.connect(module_database.admin, autocommit=True) as connection:
        heard(connection, station, **facts)
    _, out, _ = run(capsys, "status", "--json", "--dsn", module_database.admin)
    (one,) = (each for each in json.loads(out) if each["id"] == station)
    assert one["link"] == link
    assert words in one["sentence"]
    assert bool(words) == bool(one["sentence"])


def test_status_ends_with_1_only_when_there_is_something_to_say(
    database: Database, owner: psycopg.Connection[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for number, code in ((1, 0), (2, 1)):
        database.station(f"st-{number}")
        heard(owner, f"st-{number}", recording=number == 1)
        assert run(capsys, "status", "--dsn", database.admin)[0] == code


def test_status_shows_a_line_for_each_station_and_a_viewer_may_ask(
    database: Database,
    owner: psycopg.Connection[Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for station, site in (("st-1", "South"), ("st-2", "North"), ("st-3", "North")):
        database.station(station, site=site)
    heard(owner, "st-1", age_s=0.1)
    heard(owner, "st-2", age_s=100.0, lag_rows=12, lag_s=7.0)
    password = tmp_path / "viewer.password"
    password.touch(mode=0o600)
    password.write_text(PASSWORD)
    config = tmp_path / "central.toml"
    config.write_text(
        f"[central]\ndsn = {json.dumps(database.viewer(inline=False))}\n"
        'password = "file:viewer.password"\n'
    )
    code, out, _ = run(capsys, "--config", config, "status")
    lines = out.splitlines()
    assert code == 1
    assert [line.split()[:4] for line in lines[1:4]] == [
        ["st-2", "North", "Main", "lost"],
        ["st-3", "North", "Main", "never"],
        ["st-1", "South", "Main", "live"],
    ]
    assert "12 rows, 7.0 s" in lines[1]
    assert [line.partition(":")[0] for line in lines[4:]] == ["st-2", "st-3"]


def test_a_head_that_is_another_one_here_is_said(
    database: Database, owner: psycopg.Connection[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    here = bytes([7] * 32)
    with psycopg.connect(database.station("st-1"), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO kap.audit(station, record, n, at_us, room, actor, role, kind, body, prev,"
            " hash) VALUES ('st-1', %s, 1, 1, '', '', '', 'note', '{}', %s, %s)",
            (here.hex(), bytes(32), here),
        )
    heard(owner, "st-1", record=here.hex(), head_n=1, head=bytes([8] * 32))
    code, out, _ = run(capsys, "status", "--dsn", database.admin)
    assert code == 1
    assert "row 1 of its record is another one here; run `vitals central verify" in out
