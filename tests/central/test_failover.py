"""The primary dies with its Patroni; its standby takes over, and nothing is lost, nothing twice.

A writer does what a station's sender does: a batch and its watermark in one transaction, moved from
the value that it knows; when the answer is lost it asks how far it is.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import psycopg
import pytest
from click.testing import CliRunner

from tests.central.patroni_pair import PASSWORD, TIMES, Pair, wait_for
from vitals.central import dsn
from vitals.central_command import central
from vitals.config import CentralConfig

pytestmark = pytest.mark.long

QUICK = {"ttl": 8, "loop_wait": 1, "retry_timeout": 3}
BATCH = 20
RECORD = "ab" * 32
_NOON_US = 1_790_000_000_000_000
"""Of the values; their partition is there before."""


@dataclass
class Writer(threading.Thread):
    """Sends numbered values without pause until told to stop.

    Attributes:
        acked: the last number whose COMMIT was answered, and every answer's time (monotonic).
        errors: what went wrong meanwhile, in order.
    """

    dsn: str
    acked: int = 0
    times: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    resent: int = 0

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self._stop_now = threading.Event()

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        while not self._stop_now.is_set():
            try:
                with contextlib.closing(psycopg.connect(self.dsn)) as connection:
                    self._send(connection)
            except psycopg.Error as error:
                self.errors.append(str(error))
                self._stop_now.wait(0.2)

    def _send(self, connection: psycopg.Connection) -> None:
        row = connection.execute("SELECT n FROM kap.watermark").fetchone()
        assert row is not None
        n = int(row[0])
        self.resent += n != self.acked
        while not self._stop_now.is_set():
            connection.execute(
                "UPDATE kap.watermark SET n = %s WHERE record = %s AND n = %s",
                (n + BATCH, RECORD, n),
            )
            seq = list(range(n + 1, n + BATCH + 1))
            connection.execute(
                "INSERT INTO kap.block(station, record, last_seq, first_us, last_us, seq,"
                " channel_id, at_us, value, quality) VALUES ('st-1', %s, %s, %s, %s, %s, %s, %s,"
                " %s, %s)",
                (
                    *(RECORD, seq[-1], _NOON_US + seq[0], _NOON_US + seq[-1], seq, [1] * BATCH),
                    *([_NOON_US + each for each in seq], [72.0] * BATCH, [0] * BATCH),
                ),
            )
            connection.commit()
            n += BATCH
            self.acked = n
            self.times.append(time.monotonic())
            self._stop_now.wait(0.02)

    def stop(self) -> None:
        """Ends it after the batch that it is at."""
        self._stop_now.set()
        self.join(30)

    def gap_s(self, since: float) -> float:
        """The longest time without an answer that ended after a moment."""
        times = [*self.times, time.monotonic()]
        return max(b - a for a, b in itertools.pairwise(times) if b > since)


@dataclass(frozen=True)
class Reached:
    """What came of one death of the primary."""

    acked: int
    there: int
    different: int
    watermark: int
    gap_s: float
    held_s: float
    resent: int
    errors: list[str]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with Pair(times=QUICK) as made:
        yield made


def prepare(pair: Pair) -> str:
    """The central tables and one station, as docs/central-ha.md says; the station's keywords."""
    pair.make_database()
    hosts = f"{pair.hosts} dbname=kap sslmode=verify-full"
    owner = ["--dsn", f"{hosts} user=kap_admin", "--password", "env:KAP", "--root-cert"]
    for words in (["migrate"], ["station", "add", "st-1", "--site", "North", "--clinic", "Main"]):
        done = CliRunner(env={"KAP": PASSWORD}).invoke(central, [*words, *owner, str(pair.ca)])
        assert done.exit_code == 0, done.output
    shown = re.search(r"password  (\S+)", done.output)
    assert shown, done.output
    secret = pair.folder / "station.password"
    secret.touch(mode=0o600)
    secret.write_text(shown[1])
    with psycopg.connect(pair.dsn()) as admin:
        admin.execute("SELECT kap.make_day(%s)", (_NOON_US,))
        admin.execute(
            "INSERT INTO kap.watermark(station, record, lane) VALUES ('st-1', %s, 'numeric')",
            (RECORD,),
        )
    config = CentralConfig(
        dsn=f"{hosts} user=station_st-1", password=f"file:{secret}", root_cert=pair.ca
    )
    return dsn.conninfo(config, "writer")


def kill_primary(pair: Pair, station: str, *, hold_s: float = 1.0) -> Reached:
    """Holds the standby back, kills the primary, and waits until the standby takes rows.

    What the primary has written in the last second, nobody else has: a server that confirms before
    its standby has a row would lose it here.
    """
    writer = Writer(station)
    writer.start()
    wait_for("a hundred batches", lambda: writer.acked >= 100 * BATCH)
    receiver = wait_for("a standby that receives", pair.nodes["b"].walreceiver)
    receiver.suspend()
    held = writer.acked
    with psycopg.connect(pair.dsn(), autocommit=True) as admin:
        # More than what is under way to the standby can hold.
        admin.execute("SET synchronous_commit = local")
        admin.execute("CREATE TABLE ahead AS SELECT generate_series(1, 1000000)")
    time.sleep(hold_s)
    held_rows = writer.acked - held
    dies = time.monotonic()
    pair.nodes["a"].kill9()
    with contextlib.suppress(ProcessLookupError):
        receiver.resume()
    wait_for("rows at the new primary", lambda: writer.times[-1] > dies)
    more = writer.acked + 50 * BATCH
    wait_for("a second of rows at the new primary", lambda: writer.acked >= more)
    writer.stop()
    assert held_rows <= BATCH, f"{held_rows} rows were confirmed that only the primary had"
    with psycopg.connect(pair.dsn()) as admin:
        counted = admin.execute(
            "SELECT count(*), count(DISTINCT one) FROM kap.block b, unnest(b.seq) AS one"
        ).fetchone()
        mark = admin.execute("SELECT n FROM kap.watermark").fetchone()
    assert counted is not None
    assert mark is not None
    return Reached(
        acked=writer.acked,
        there=counted[0],
        different=counted[1],
        watermark=mark[0],
        gap_s=writer.gap_s(dies),
        held_s=hold_s,
        resent=writer.resent,
        errors=writer.errors,
    )


def test_the_standby_takes_over_by_itself_and_nothing_is_lost_or_twice(pair: Pair) -> None:
    reached = kill_primary(pair, prepare(pair))
    assert reached.there == reached.different == reached.acked == reached.watermark
    assert reached.gap_s < QUICK["ttl"] + reached.held_s + 15, reached
    assert pair.roles()["b"][0] == "leader"


def test_the_old_primary_comes_back_as_the_standby_without_a_hand(pair: Pair) -> None:
    wait_for("the standby has taken over", lambda: pair.roles().get("b", ("",))[0] == "leader")
    pair.nodes["a"].start()
    pair.wait_for_role("a", "sync_standby")
    with psycopg.connect(pair.dsn()) as admin:
        rows = "SELECT count(*) FROM kap.block"
        ends = admin.execute("SELECT pg_current_wal_lsn()").fetchone()
        here = admin.execute(rows).fetchone()
    assert ends is not None
    old = pair.dsn(port=str(pair.nodes["a"].port), host="127.0.0.1", target_session_attrs="standby")
    with psycopg.connect(old, autocommit=True) as admin:
        replayed = "SELECT 1 WHERE pg_last_wal_replay_lsn() >= %s"
        wait_for("the old primary has all", lambda: admin.execute(replayed, ends).fetchone())
        assert admin.execute(rows).fetchone() == here
        # It was ahead of what anybody had confirmed, and was wound back.
        assert admin.execute("SELECT to_regclass('ahead')").fetchone() == (None,)


def test_patroni_can_read_where_a_running_server_stands(pair: Pair) -> None:
    """Else an old primary that was started before it was wound back follows nobody, for ever."""
    for node in pair.nodes.values():
        where = f"host={node.folder} port={node.port} user=replicator replication=yes"
        cursor = psycopg.ClientCursor
        with psycopg.connect(
            where, password=PASSWORD, autocommit=True, cursor_factory=cursor
        ) as line:
            row = line.execute("IDENTIFY_SYSTEM").fetchone()
        assert row is not None
        assert row[1] >= 2  # the line of time that began when the standby took over


def test_the_recipe_keeps_to_patronis_rule_for_its_times() -> None:
    for times in (TIMES, QUICK):
        assert times["loop_wait"] + 2 * times["retry_timeout"] <= times["ttl"]
