"""A sender on a real record and a real PostgreSQL: everything arrives, once, whatever dies."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.central import sending as record
from tests.central.cluster import Cluster, Database
from tests.central.sending import (
    STATION,
    Centre,
    config,
    connect,
    eventually,
    secret,
    sending,
)
from tests.loop import run
from tests.store import build
from vitals.central import sender_state, tail
from vitals.central.lanes import MOST
from vitals.central.record_sender import RecordSender
from vitals.central.sender_state import Standing
from vitals.central.tail import Tail
from vitals.errors import CentralError
from vitals.store.connection import quarantine
from vitals.store.writer import Writer

ROOT = Path(__file__).parents[2]


@pytest.fixture
def dsn(database: Database) -> str:
    return database.station(STATION, inline=False)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "vitals.db"


@pytest.fixture(scope="module")
def mortal() -> Iterator[Cluster]:
    """A server that may be killed; it keeps what it has acknowledged."""
    with Cluster(durable=True) as cluster:
        yield cluster


def fill(writer: Writer, from_seq: int, seconds: int) -> int:
    """Values of so many seconds, and a note every tenth; returns the next seq."""
    seq = from_seq
    for second in range(seconds):
        for _ in range(3):
            writer.put_numeric("session-a", seq, build.spo2(seq / 3))
            seq += 1
        if second % 10 == 0:
            writer.put_audit(build.audit(seq))
            seq += 1
    return seq


class Writing:
    """A station's writer that goes on while a sender is in trouble."""

    def __init__(self, path: Path) -> None:
        self._writer = build.opened(path)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Writing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        assert self._writer.close()

    def _run(self) -> None:
        seq = 2
        while not self._ending.wait(0.02):
            seq = fill(self._writer, seq, 5)


def the_same(centre: Centre, store: Path) -> bool:
    return centre.counts() == record.counts(store)


def whole(centre: Centre, store: Path) -> None:
    """Nothing is missing, nothing is there twice, everything is as it was recorded."""
    assert centre.trail() == record.trail(store)
    assert centre.values() == record.values(store)
    assert centre.ask(
        "SELECT seq FROM kap.numeric GROUP BY record, seq HAVING count(*) > 1"
    ) == []  # fmt: skip


def test_a_record_goes_up_whole_and_what_comes_later_too(
    dsn: str, database: Database, store: Path
) -> None:
    build.fill(store)
    centre = Centre(database)
    found = config(store, dsn)

    async def main() -> None:
        async with sending(found) as sender:
            await eventually(lambda: the_same(centre, store))
            writer = build.Writer(store, now_us=lambda: build.T0, settings=build.FAST)
            writer.start()
            fill(writer, writer.last_seq() + 1, 30)
            await asyncio.to_thread(writer.close)
            await eventually(lambda: the_same(centre, store))
            assert sender.standing.sentence == ""
            await eventually(lambda: sender.standing.lag_rows == 0)
            assert centre.one("SELECT head_n FROM kap.latest") is not None

    run(main(), 60)
    whole(centre, store)


def test_what_is_sent_is_at_most_so_many_rows_a_transaction(
    dsn: str, database: Database, store: Path
) -> None:
    writer = build.opened(store)
    fill(writer, 2, 400)
    writer.close()
    centre = Centre(database)

    async def main() -> None:
        async with sending(config(store, dsn)):
            await eventually(lambda: the_same(centre, store))

    run(main(), 60)
    assert centre.one("SELECT max(cardinality(seq)) FROM kap.block") == MOST
    whole(centre, store)


def test_an_alarm_does_not_wait_behind_the_backlog(
    dsn: str, database: Database, store: Path
) -> None:
    writer = build.opened(store)
    fill(writer, 2, 20_000)
    build.until(lambda: writer.health().queued == 0, 60)
    centre = Centre(database)

    async def main() -> None:
        async with sending(config(store, dsn)):
            await eventually(lambda: centre.counts()[1] > 1_000)
            writer.put_audit(build.audit(99_000_000, "alarm"))
            await eventually(lambda: centre.one("SELECT true FROM kap.audit WHERE kind = 'alarm'"))
            assert centre.counts()[1] < 50_000, "the backlog went first"

    run(main(), 60)
    writer.close()


def test_a_killed_server_costs_no_row_and_no_row_comes_twice(
    mortal: Cluster, tmp_path: Path
) -> None:
    store = tmp_path / "vitals.db"
    with mortal.fresh_database() as database:
        centre = Centre(database)
        found = config(store, database.station(STATION, host="127.0.0.1", inline=False))

        async def main() -> None:
            async with sending(found) as sender:
                with Writing(store):
                    for _ in range(2):
                        before = centre.counts()
                        await eventually(lambda before=before: centre.counts() > before)
                        await asyncio.to_thread(mortal.kill9)
                        await eventually(lambda: sender.standing.state == "away")
                        assert "nobody answers there" in sender.standing.sentence
                        await asyncio.to_thread(mortal.start)
                await eventually(lambda: the_same(centre, store))
                await eventually(lambda: sender.standing.state == "up")

        run(main(), 120)
        whole(centre, store)


@contextlib.contextmanager
def process(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "vitals.cli", "sender", "--config", str(path)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as sender:
        try:
            yield sender
        finally:
            sender.kill()


def clinic(store: Path, dsn: str) -> Path:
    path = store.with_name("clinic.toml")
    path.write_text(
        f'[station]\nid = "{STATION}"\nmode = "test"\n[[room]]\nid = "r1"\n'
        f'[central]\ndsn = "{dsn}"\npassword = "{secret(store.parent)}"\n'
    )
    return path


def test_a_killed_sender_goes_on_where_it_was(dsn: str, database: Database, store: Path) -> None:
    centre = Centre(database)
    path = clinic(store, dsn)
    with Writing(store):
        for _ in range(2):
            before = centre.counts()
            with process(path) as sender:
                build.until(lambda before=before: centre.counts() > before, 30)
                sender.send_signal(signal.SIGKILL)
    with process(path) as sender:
        build.until(lambda: the_same(centre, store), 30)
        sender.terminate()
        assert sender.wait(10) == 0
    whole(centre, store)


def test_at_its_end_a_sender_still_sends_what_is_left(
    dsn: str, database: Database, store: Path
) -> None:
    writer = build.opened(store)
    centre = Centre(database)

    async def main() -> None:
        slow = record.Pace(retry_s=(0.02, 0.1), look_s=60.0)
        async with sending(config(store, dsn), slow):
            await eventually(lambda: the_same(centre, store))
            fill(writer, 2, 400)
            await asyncio.to_thread(writer.close)
            assert not the_same(centre, store)

    run(main(), 60)
    whole(centre, store)
    ((head_n, lag_rows),) = centre.ask("SELECT head_n, lag_rows FROM kap.latest")
    assert (head_n, lag_rows) == (record.counts(store)[0], 0)


def test_the_last_look_begins_when_nothing_more_can_come(
    dsn: str, database: Database, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = build.opened(store)
    sender = RecordSender(STATION, store, Standing(STATION), 0.05)
    real = tail.read

    def read(path: Path, audit_n: int, seq: int) -> Tail:
        found = real(path, audit_n, seq)
        if found.record and not found.audit and not sender.ending:  # the station ends meanwhile
            fill(writer, 2, 1)
            writer.close()
            sender.ending = True
        return found

    monkeypatch.setattr("vitals.central.record_sender.tail.read", read)

    async def main() -> None:
        async with connect(dsn) as connection:
            await sender.run(connection)

    run(main(), 60)
    whole(Centre(database), store)


def test_two_senders_store_every_row_once(dsn: str, database: Database, store: Path) -> None:
    writer = build.opened(store)
    fill(writer, 2, 5_000)
    writer.close()
    centre, found = Centre(database), config(store, dsn)

    async def main() -> None:
        async with sending(found), sending(found):
            await eventually(lambda: the_same(centre, store))

    run(main(), 60)
    whole(centre, store)


def test_a_record_that_takes_the_place_of_another_goes_up_beside_it(
    dsn: str, database: Database, store: Path
) -> None:
    build.opened(store).close()
    centre = Centre(database)

    async def main() -> None:
        async with sending(config(store, dsn)) as sender:
            await eventually(lambda: the_same(centre, store))
            rows = centre.counts()[0]
            await asyncio.to_thread(quarantine, store)
            writer = build.Writer(store, settings=build.FAST)
            writer.start()
            writer.put_audit(build.audit(1, session=None))
            await asyncio.to_thread(writer.close)
            await eventually(lambda: centre.counts()[0] == rows + 1)
            await eventually(lambda: sender.standing.state == "up")

    run(main(), 60)
    assert centre.one("SELECT count(DISTINCT record) FROM kap.audit") == 2


def test_a_day_that_the_centre_keeps_no_more_is_made_again(
    dsn: str, database: Database, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer = build.opened(store)
    fill(writer, 2, 1)
    centre = Centre(database)

    async def main() -> None:
        async with sending(config(store, dsn)):
            await eventually(lambda: the_same(centre, store))
            ((day,),) = centre.ask("SELECT tableoid::regclass::text FROM kap.block LIMIT 1")
            centre.ask(f"DROP TABLE {day}")
            fill(writer, 100, 1)
            await eventually(lambda: centre.counts()[1] == 3)

    run(main(), 60)
    writer.close()
    assert [one for one in caplog.records if one.name.startswith("vitals.central")] == []


def test_a_server_that_says_nothing_is_given_up_and_no_part_waits_for_another(
    dsn: str, database: Database, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitals.central.room_sender.PATIENCE_S", 0.3)
    build.fill(store)
    centre = Centre(database)

    async def main() -> None:
        async with await psycopg.AsyncConnection.connect(database.admin) as other:
            await other.execute("LOCK TABLE kap.latest IN ACCESS EXCLUSIVE MODE")
            async with sending(config(store, dsn)) as sender:
                await eventually(lambda: "it does not answer" in sender.standing.sentence)
                await eventually(lambda: the_same(centre, store))
                await other.rollback()
                await eventually(lambda: sender.standing.state == "up")
                await eventually(lambda: centre.ask("SELECT 1 FROM kap.latest"))

    run(main(), 60)


def test_a_fault_in_one_part_stops_no_other(
    dsn: str, database: Database, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*_: object) -> None:
        raise KeyError("uuid")

    monkeypatch.setattr("vitals.central.record_sender.tail.read", faulty)
    build.opened(store).close()
    centre = Centre(database)

    async def main() -> None:
        async with sending(config(store, dsn)) as sender:
            told = "fault of the program"
            await eventually(lambda: told in (centre.one("SELECT detail FROM kap.latest") or ""))
            assert sender.standing.state == "refused"
            monkeypatch.undo()
            await eventually(lambda: the_same(centre, store))
            await eventually(lambda: sender.standing.state == "up")

    run(main(), 60)


# --- how it says how it gets on -------------------------------------------------------------------


def test_the_file_beside_the_record_says_how_it_gets_on(
    dsn: str, database: Database, store: Path
) -> None:
    writer = build.opened(store)
    found = config(store, dsn)

    async def main() -> None:
        async with sending(found):
            await eventually(
                lambda: (
                    found.sender_file.exists()
                    and sender_state.read(found.sender_file).state == "up"
                )
            )

    run(main(), 60)
    told = sender_state.read(found.sender_file)
    assert (told.station, told.sentence, told.pid) == (STATION, "", os.getpid())
    assert (told.lag_rows, told.audit_n) == (0, record.counts(store)[0])
    assert abs(told.written_us / 1e6 - time.time()) < 60
    assert stat.S_IMODE(found.sender_file.stat().st_mode) == 0o600
    assert json.loads(found.sender_file.read_bytes())["record"] == told.record
    assert [path.name for path in store.parent.glob(".*")] == []
    writer.close()


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CentralError, match="vitals run"):
        sender_state.read(tmp_path / "vitals.db.sender")
    (tmp_path / "vitals.db.sender").write_bytes(b"\xff{")
    with pytest.raises(CentralError, match="restart the sender"):
        sender_state.read(tmp_path / "vitals.db.sender")


def test_a_full_disk_does_not_make_a_sender_look_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "vitals.db.sender"
    sender_state.write(path, sender_state.SenderState(state="up"))
    os.utime(path, (1, 1))
    monkeypatch.setattr(sender_state.tempfile, "mkstemp", full)
    sender_state.write(path, sender_state.SenderState(state="away"))
    assert abs(path.stat().st_mtime - time.time()) < 60
    assert sender_state.read(path).state == "up"
