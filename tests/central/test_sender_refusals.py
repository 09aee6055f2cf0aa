"""What stops a sender: one sentence at the station, and at the centre where it can; no row lost."""

from __future__ import annotations

import asyncio
import builtins
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.central.cluster import Database
from tests.central.sending import (
    QUICK,
    STATION,
    Centre,
    config,
    counts,
    eventually,
    sending,
)
from tests.loop import run
from tests.store import build
from vitals.central import login, room_sender
from vitals.central.login import Refused, log_in
from vitals.central.room_sender import clock_words
from vitals.central.schema import VERSION
from vitals.config import Config
from vitals.store.connection import quarantine


@pytest.fixture
def dsn(database: Database) -> str:
    return database.station(STATION, inline=False)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "vitals.db"
    build.fill(path)
    return path


def stopped(
    found: Config,
    words: str,
    caplog: pytest.LogCaptureFixture,
    *,
    state: str = "refused",
    mend: Callable[[], object] | None = None,
    after: Callable[[], object] = lambda: True,
) -> str:
    """Runs a sender until it says `words`; then `mend`, and it goes on by itself.

    Returns:
        The sentence.
    """
    said: list[str] = []

    async def main() -> None:
        async with sending(found) as sender:
            standing = sender.standing
            await eventually(lambda: words in standing.sentence)
            assert standing.state == state
            said.append(standing.sentence)
            if mend is not None:
                await asyncio.to_thread(mend)
                await eventually(lambda: standing.state == "up")
            await eventually(after)

    with caplog.at_level(logging.INFO, "vitals.central.sender_state"):
        run(main(), 60)
    lines = [record.message for record in caplog.records if words in record.message]
    assert lines == said, "it is said once, not at every attempt"
    assert STATION in said[0]
    assert "\n" not in said[0]
    return said[0]


def arrived(database: Database, store: Path) -> Callable[[], bool]:
    return lambda: Centre(database).counts() == counts(store)


def test_a_wrong_password(
    dsn: str, database: Database, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = config(store, dsn, password="wrong")  # noqa: S106
    secret = store.with_name("central.password")
    said = stopped(
        found,
        "refuses this user or password",
        caplog,
        mend=lambda: secret.write_text("secret\n"),
        after=arrived(database, store),
    )
    assert said.endswith("what is recorded waits at the station")
    assert "wrong" not in said


def test_a_password_that_is_not_there(
    dsn: str, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = config(store, dsn)
    store.with_name("central.password").unlink()
    stopped(found, "correct central.password", caplog, state="away")


def test_the_login_of_another_station(
    dsn: str, database: Database, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = database.station("st-2", inline=False)
    stopped(config(store, other), "is station st-2's; give it its own in central.dsn", caplog)
    assert Centre(database).counts() == (0, 0)
    assert Centre(database).ask("SELECT 1 FROM kap.latest") == []


def test_a_login_of_nobody(
    database: Database, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nobody = database.station("st-3", inline=False)
    Centre(database).ask("DELETE FROM kap.station WHERE id = 'st-3'")
    stopped(config(store, nobody), "is no station's", caplog)


def test_tables_that_are_older_than_the_program(
    dsn: str, database: Database, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "VERSION", VERSION)
    found = config(store, dsn).central
    assert found is not None

    async def main() -> None:
        with pytest.raises(Refused, match="run `vitals central migrate` there"):
            await log_in(found, STATION, "test", version=VERSION + 1)

    run(main())


def test_tables_that_take_this_version_no_more(
    dsn: str, database: Database, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    centre = Centre(database)
    found = config(store, dsn)
    run(_sent(found, database, store), 60)

    def newer() -> None:
        centre.ask(
            "INSERT INTO kap.version(version, oldest_sender) VALUES (%s, %s)",
            VERSION + 1,
            VERSION + 1,
        )

    newer()
    stopped(
        found,
        "upgrade kap-vitals at the station",
        caplog,
        after=lambda: "upgrade kap-vitals" in centre.one("SELECT detail FROM kap.latest"),
    )


def test_tables_that_are_newer_and_still_take_it(dsn: str, database: Database, store: Path) -> None:
    Centre(database).ask(
        "INSERT INTO kap.version(version, oldest_sender) VALUES (%s, %s)", VERSION + 1, VERSION
    )
    run(_sent(config(store, dsn), database, store), 60)


def test_no_tables_at_all(
    dsn: str, database: Database, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Centre(database).ask("ALTER SCHEMA kap RENAME TO gone")
    stopped(
        config(store, dsn),
        "vitals central migrate",
        caplog,
        mend=lambda: Centre(database).ask("ALTER SCHEMA gone RENAME TO kap"),
        after=arrived(database, store),
    )


_FULL = """
CREATE FUNCTION kap.full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'could not extend file "base/1/2": No space left on device'
        USING ERRCODE = 'disk_full';
END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON kap.block EXECUTE FUNCTION kap.full();
"""


def test_a_full_disk_at_the_server(
    dsn: str, database: Database, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    centre = Centre(database)
    centre.ask(_FULL)

    def mend() -> None:
        told = "the disk of the central server is full; make room there"
        build.until(lambda: told in (centre.one("SELECT detail FROM kap.latest") or ""))
        centre.ask("DROP TRIGGER full_disk ON kap.block")

    stopped(
        config(store, dsn),
        "disk of the central server is full",
        caplog,
        state="away",
        mend=mend,
        after=lambda: (
            arrived(database, store)() and centre.one("SELECT detail FROM kap.latest") == ""
        ),
    )


def test_a_record_that_has_gone_backwards(
    dsn: str, database: Database, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = store.with_name("before.db")
    before.write_bytes(store.read_bytes())
    writer = build.Writer(store, settings=build.FAST)
    writer.start()
    writer.put_audit(build.audit(10_000))
    writer.close()
    found = config(store, dsn)
    run(_sent(found, database, store), 60)
    there = Centre(database).trail()
    quarantine(store)
    before.rename(store)
    stopped(
        found,
        "has gone backwards",
        caplog,
        after=lambda: "gone backwards" in Centre(database).one("SELECT detail FROM kap.latest"),
    )
    assert Centre(database).trail() == there


def test_a_record_that_went_another_way_after_a_restore(
    dsn: str, database: Database, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = store.with_name("before.db")
    before.write_bytes(store.read_bytes())

    def goes_on(text: str, rows: int) -> None:
        writer = build.Writer(store, settings=build.FAST)
        writer.start()
        for seq in range(10_000, 10_000 + rows):
            writer.put_audit(build.audit(seq, body={"text": text}))
        assert writer.close()

    goes_on("one way", 1)
    found = config(store, dsn)
    run(_sent(found, database, store), 60)
    there = Centre(database).trail()
    quarantine(store)
    before.rename(store)
    goes_on("another", 3)
    stopped(found, "is another one at the centre", caplog)
    assert Centre(database).trail() == there


def test_psycopg_is_not_installed(
    dsn: str, store: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def none(name: str, *rest: Any) -> Any:
        if name == "psycopg":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", none)
    stopped(config(store, dsn), "pip install", caplog)


def test_a_record_that_cannot_be_read(
    dsn: str, database: Database, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = config(store, dsn)
    whole = store.read_bytes()
    store.write_bytes(b"no record" * 1000)
    said: list[str] = []

    async def main() -> None:
        async with sending(found) as sender:
            await eventually(lambda: "damaged" in sender.standing.sentence)
            said.append(sender.standing.state)
            await asyncio.to_thread(store.write_bytes, whole)
            await eventually(arrived(database, store))
            await eventually(lambda: sender.standing.state == "up")

    run(main(), 60)
    assert said == ["away"]


def test_a_record_that_is_not_there_yet_is_waited_for(
    dsn: str, database: Database, store: Path
) -> None:
    found = config(store, dsn)
    whole = store.read_bytes()
    quarantine(store)

    async def main() -> None:
        async with sending(found) as sender:
            await eventually(lambda: sender.standing.state == "up")
            await asyncio.to_thread(store.write_bytes, whole)
            await eventually(arrived(database, store))
            assert sender.standing.sentence == ""

    run(main(), 60)


async def _sent(found: Config, database: Database, store: Path) -> None:
    async with sending(found):
        await eventually(arrived(database, store))
        await eventually(lambda: Centre(database).ask("SELECT 1 FROM kap.latest"))


# --- clocks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("off_s", "words"),
    [
        (0.0, ""),
        (4.9, ""),
        (-5.0, ""),
        (6.0, "6.0 s behind the centre's; look at the time"),
        (-90.0, "90 s ahead of the centre's; look at the time"),
        (86_400.0, "24 h behind the centre's, so its rows stand under the wrong time; set"),
        (-90_000.0, "25 h ahead of"),
    ],
)
def test_a_clock_that_is_off_is_said_in_words(off_s: float, words: str) -> None:
    assert words in clock_words("st-1", off_s)
    assert bool(words) == bool(clock_words("st-1", off_s))


def test_a_clock_a_day_off_is_said_and_everything_is_taken(
    dsn: str,
    database: Database,
    store: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Wrong:
        monotonic = staticmethod(room_sender.time.monotonic)

        @staticmethod
        def time_ns() -> int:
            return real() - 86_400_000_000_000

    real = room_sender.time.time_ns
    monkeypatch.setattr(room_sender, "time", Wrong)
    found = config(store, dsn)

    async def main() -> None:
        async with sending(found) as sender:
            await eventually(lambda: "24 h behind" in sender.standing.clock)
            await eventually(arrived(database, store))

    run(main(), 60)
    lines = [record.message for record in caplog.records if "24 h" in record.message]
    assert len(lines) == 1


# --- what the words are made of -------------------------------------------------------------------


def error(code: str | None, text: str) -> psycopg.Error:
    made = psycopg.errors.lookup(code)(text) if code else psycopg.OperationalError(text)
    assert made.sqlstate == code
    return made


@pytest.mark.parametrize(
    ("code", "text", "refused", "words"),
    [
        ("42501", "new row violates row-level security policy", True, "its login may not write"),
        ("23514", "row 7 does not follow the one before it CONTEXT:  PL", True, "row 7 does not"),
        ("23505", "duplicate key", True, "duplicate key"),
        ("53100", "could not extend file", False, "make room there"),
        ("57P01", "terminating connection", False, "terminating connection"),
        ("40P01", "deadlock detected", False, "deadlock"),
        (None, "connection timeout expired", False, "it does not answer"),
        (None, 'FATAL:  password authentication failed for user "x"', True, "password"),
        (None, 'root certificate file "/x" does not exist', True, "certificate"),
        (None, "connection refused by a rule of its own", False, "of its own"),
    ],
)
def test_a_refusal_that_lasts_is_told_from_one_that_passes(
    code: str | None, text: str, refused: bool, words: str
) -> None:
    told, lasting = login.sentence(error(code, text), STATION, "kap on pg-1")
    assert (lasting, words in told) == (refused, True), told
    assert STATION in told
    assert "CONTEXT" not in told
    assert told.endswith("what is recorded waits at the station")


def test_the_pace_of_a_refusal_is_slower(dsn: str, store: Path) -> None:
    """Ten thousand stations with a wrong password must not keep the server busy."""
    found = config(store, dsn, password="wrong")  # noqa: S106
    attempts: list[int] = []

    async def main() -> None:
        async with sending(found, replace(QUICK, refused_s=30.0)) as sender:
            await eventually(lambda: sender.standing.state == "refused")
            before = login.log_in

            async def counted(*args: Any, **more: Any) -> Any:
                attempts.append(1)
                return await before(*args, **more)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("vitals.central.sender.log_in", counted)
                await asyncio.sleep(0.5)

    run(main(), 60)
    assert len(attempts) <= 1
